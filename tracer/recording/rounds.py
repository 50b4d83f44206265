"""The operator's side of `flantrace doctor`: ask the API what it is, and every node how it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from tracer import __version__
from tracer.collect import kube_access
from tracer.collect.kube import Api
from tracer.collect.kube_questions import everything
from tracer.core.access import NEEDS, Use
from tracer.core.checkup import Heard, Installed, Operator, Round
from tracer.errors import CollectFailed, FlantraceError
from tracer.install.manifests import AGENT, AGENT_SELECTOR, CONTAINER
from tracer.install.privileges import PRIVILEGES, Group
from tracer.model.bundle import Trouble
from tracer.model.checkup import Right
from tracer.model.message import PROTOCOL, Examine
from tracer.recording.many import AT_ONCE, FAREWELL_S, chosen, now
from tracer.recording.reach import Reach
from tracer.recording.session import Session

NS = 1e9

RIGHTS = tuple(
    Right(
        capability=one.capability,
        feature=one.feature,
        without=one.without,
        optional=one.group is Group.OLD_KERNELS,
    )
    for one in PRIVILEGES
)


def here() -> Round:
    """This machine, looked at as if it were a node. Asks no cluster."""
    from tracer.collect.health import health

    return Round(
        recorded_at=now(),
        version=__version__,
        rights=RIGHTS,
        operator=None,
        nodes=(Heard(node="this machine", health=health("this machine")),),
    )


def rounds(reach: Reach, named: Sequence[str], progress: Callable[[str], None]) -> Round:
    """The API and the named nodes, or all. UsageError; NotFound: there is no such node.

    A node that says nothing, and an API that does not answer, are part of the result.
    """
    began = now()
    progress("asking the API server")
    try:
        api = reach.api()
        version = kube_access.server_version(api)
        cluster, troubles = everything(api)
    except CollectFailed as error:
        return _round(began, _unasked(reach, error), ())
    way = reach.way(api)
    operator = Operator(
        server=api.server,
        server_version=version,
        namespace=reach.flantrace_namespace,
        way=_use(reach),
        cluster=cluster,
        reviews=kube_access.reviews(api, NEEDS, reach.flantrace_namespace),
        installed=_installed(api, reach),
        troubles=troubles,
    )
    nodes = chosen(cluster.nodes, named)
    session = Session(way)
    try:
        _ask(session, nodes, reach.timeout_s + way.patience_s, progress)
    finally:
        session.stop(FAREWELL_S)
    return _round(began, operator, tuple(_heard(session, node) for node in nodes))


def _round(began: str, operator: Operator, nodes: tuple[Heard, ...]) -> Round:
    return Round(
        recorded_at=began, version=__version__, rights=RIGHTS, operator=operator, nodes=nodes
    )


def _unasked(reach: Reach, error: FlantraceError) -> Operator:
    return Operator(
        server=error.where,
        namespace=reach.flantrace_namespace,
        way=_use(reach),
        troubles=(Trouble(node=None, what=error.what, hint=error.hint),),
    )


def _use(reach: Reach) -> Use | None:
    if reach.node_exec is not None:
        return None
    return Use.EPHEMERAL if reach.ephemeral else Use.EXEC


def _installed(api: Api, reach: Reach) -> Installed:
    return kube_access.installed(api, reach.flantrace_namespace, AGENT, CONTAINER, AGENT_SELECTOR)


def _ask(
    session: Session, nodes: Sequence[str], patience_s: float, progress: Callable[[str], None]
) -> None:
    """So many at a time; one that does not answer in time is a trouble."""
    for first in range(0, len(nodes), AT_ONCE):
        waiting = set(nodes[first : first + AT_ONCE])
        progress(f"asking {len(nodes)} node{'' if len(nodes) == 1 else 's'}")
        session.start({node: _order(node) for node in sorted(waiting)})
        _await(session, waiting, time.monotonic() + patience_s)
        for node in waiting - set(session.healths) - session.gone:
            session.trouble(
                node,
                f"the agent on {node} said nothing in {patience_s:g} s",
                "give it more time: --timeout SECONDS",
            )
            session.gone.add(node)


def _order(node: str) -> Examine:
    return Examine(protocol=PROTOCOL, version=__version__, node=node)


def _await(session: Session, nodes: set[str], deadline: float) -> None:
    session.listen(lambda: nodes <= set(session.healths) | session.gone, deadline)


def _heard(session: Session, node: str) -> Heard:
    troubles = tuple(one for one in session.troubles if one.node == node)
    if node not in session.healths:
        return Heard(node=node, troubles=troubles)
    health, came_ns = session.healths[node]
    return Heard(
        node=node, health=health, clock_s=(health.unix_ns - came_ns) / NS, troubles=troubles
    )
