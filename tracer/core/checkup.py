"""From what was asked to the answer of `flantrace doctor`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tracer.core import access, fitness
from tracer.core.access import Review, Use
from tracer.core.fitness import Asked
from tracer.core.leases import net_conf
from tracer.model.bundle import Trouble
from tracer.model.checkup import SCHEMA, Checkup, Item, Place, Right, Standing
from tracer.model.cluster import ClusterState
from tracer.model.health import Health
from tracer.model.record import Record


class Installed(Record, frozen=True, kw_only=True):
    """flantrace's DaemonSet, and its pods that run."""

    image: str | None
    """None: there is no DaemonSet, or it may not be read."""
    wanted: int | None
    """Pods that the DaemonSet wants; None as above."""
    running: tuple[str, ...]
    """Nodes on which one of its pods runs."""


class Heard(Record, frozen=True, kw_only=True):
    """What one node said, or why it said nothing."""

    node: str
    health: Health | None = None
    clock_s: float | None = None
    troubles: tuple[Trouble, ...] = ()


class Operator(Record, frozen=True, kw_only=True):
    """What the Kubernetes API said to the one who asks."""

    server: str
    namespace: str
    """flantrace's own."""
    way: Use | None
    """How nodes are reached; None: by a command of the operator's."""
    server_version: str | None = None
    cluster: ClusterState | None = None
    reviews: tuple[Review, ...] = ()
    installed: Installed | None = None
    troubles: tuple[Trouble, ...] = ()


class Round(Record, frozen=True, kw_only=True):
    """Everything that was asked at one moment."""

    recorded_at: str
    version: str
    """Of our own flantrace."""
    rights: tuple[Right, ...]
    operator: Operator | None
    """None: one machine was looked at, and no cluster."""
    nodes: tuple[Heard, ...]


def checkup(asked: Round) -> Checkup:
    """The answer."""
    operator = None
    if asked.operator is not None:
        operator = Place(node=None, about="", items=_operator_items(asked.operator, asked.nodes))
    pods = _pods(asked.operator)
    nodes = tuple(_place(heard, asked, pods) for heard in asked.nodes)
    places = ([operator] if operator is not None else []) + list(nodes)
    standings = {item.standing for place in places for item in place.items}
    return Checkup(
        schema=SCHEMA,
        recorded_at=asked.recorded_at,
        recorded_by=asked.version,
        sentence=_sentence(operator, nodes),
        exit_code=_exit_code(standings),
        operator=operator,
        nodes=nodes,
    )


def _exit_code(standings: set[Standing]) -> int:
    if Standing.MISSING in standings:
        return 1
    return 3 if Standing.UNKNOWN in standings else 0


def _place(heard: Heard, asked: Round, pods: Mapping[str, int]) -> Place:
    health = heard.health
    if health is None:
        return Place(node=heard.node, about="", items=tuple(_silent(heard)))
    found = fitness.items(
        health,
        Asked(
            version=asked.version,
            rights=asked.rights,
            pods=pods.get(heard.node),
            clock_s=heard.clock_s,
        ),
    )
    return Place(node=heard.node, about=f"Linux {health.kernel} {health.machine}", items=found)


def _silent(heard: Heard) -> list[Item]:
    """A node that could not be asked: what it said first is why."""
    troubles = heard.troubles or (
        Trouble(node=heard.node, what="it did not answer", hint="--timeout SECONDS"),
    )
    return [_unknown("agent", troubles[0])]


def _unknown(name: str, trouble: Trouble) -> Item:
    """What was said; without the node's own name, under which it stands anyway."""
    said = trouble.what.replace(f" on {trouble.node}", "").rstrip(".")
    return Item(name=name, standing=Standing.UNKNOWN, said=said, remedy=trouble.hint)


def _pods(operator: Operator | None) -> dict[str, int]:
    """Node -> pods there that have a network namespace of their own."""
    found: dict[str, int] = {}
    cluster = operator.cluster if operator is not None else None
    for pod in cluster.pods if cluster is not None else ():
        if pod.node is not None and not pod.host_network and pod.phase == "Running":
            found[pod.node] = found.get(pod.node, 0) + 1
    return found


def _operator_items(operator: Operator, nodes: Sequence[Heard]) -> tuple[Item, ...]:
    if operator.cluster is None:
        return tuple(_unknown("API", trouble) for trouble in operator.troubles)
    version = f" {operator.server_version}" if operator.server_version else ""
    found = [
        Item(name="API", standing=Standing.OK, said=f"Kubernetes{version} at {operator.server}"),
        *access.items(operator.reviews, operator.way, operator.namespace),
        _flannel(operator.cluster),
    ]
    if operator.way is Use.EXEC and operator.installed is not None:
        found.append(_installed(operator.installed, operator.namespace, nodes))
    return (*found, *(_unknown("API", trouble) for trouble in operator.troubles))


def _flannel(cluster: ClusterState) -> Item:
    """Where flannel is, in which version, with which backend."""
    published = [node for node in cluster.nodes if node.annotations]
    conf, pods = net_conf(cluster), cluster.flannel_pods
    backend = conf.backend_type if conf is not None else _published_backend(cluster)
    words = [f"in namespace {pods[0].namespace}"] if pods else []
    images = sorted(
        {pod.image.rpartition(":")[2] for pod in pods if pod.image and ":" in pod.image}
    )
    words = [*images, *words, *([f"backend {backend}"] if backend else [])]
    if not pods and not published:
        said = "no node has flannel's annotations, and no pod its label"
        remedy = "is this cluster's network flannel's?"
        return Item(name="flannel", standing=Standing.MISSING, said=said, remedy=remedy)
    if backend not in (None, "vxlan"):
        said = f"the backend is {backend}: there is no VXLAN to follow"
        return Item(name="flannel", standing=Standing.MISSING, said=said)
    if not pods:
        words.append("no pods of its own, as in k3s")
    return Item(name="flannel", standing=Standing.OK, said=", ".join(words))


def _published_backend(cluster: ClusterState) -> str | None:
    types = {
        value
        for node in cluster.nodes
        for key, value in node.annotations.items()
        if key.endswith("backend-type")
    }
    return min(types, default=None)


def _installed(installed: Installed, namespace: str, nodes: Sequence[Heard]) -> Item:
    """Nodes without a pod say so themselves; here it is how many."""
    asked = {heard.node for heard in nodes}
    running = asked & set(installed.running)
    said = f"pods run on {len(running)} of {len(asked)} nodes"
    if installed.image is not None:
        said += f", of {installed.image}"
    if running == asked:
        return Item(name="agents", standing=Standing.OK, said=said)
    if not installed.running:
        said = f"flantrace is not installed in namespace {namespace}"
        remedy = "flantrace install --image REF; for once, without: --ephemeral --image REF"
        return Item(name="agents", standing=Standing.MISSING, said=said, remedy=remedy)
    remedy = f"kubectl -n {namespace} get pods -o wide"
    return Item(name="agents", standing=Standing.MISSING, said=said, remedy=remedy)


def _sentence(operator: Place | None, nodes: Sequence[Place]) -> str:
    """The answer: on which nodes flantrace can trace, and what the first cause is elsewhere."""
    refused = _first(operator, Standing.MISSING) if operator is not None else None
    if refused is not None:
        return f"flantrace cannot trace in this cluster: {refused.said}."
    unasked = _first(operator, Standing.UNKNOWN) if operator is not None else None
    if unasked is not None and not nodes:
        return f"The cluster could not be asked: {unasked.said}."
    by: dict[Standing, list[Place]] = {standing: [] for standing in Standing}
    for place in nodes:
        by[_worst(place)].append(place)
    parts = [
        f"flantrace cannot trace on {_names(by[Standing.MISSING], nodes)}: "
        f"{_said(by[Standing.MISSING][0], Standing.MISSING)}."
        if by[Standing.MISSING]
        else "",
        f"{_names(by[Standing.UNKNOWN], nodes).capitalize()} could not be asked: "
        f"{_said(by[Standing.UNKNOWN][0], Standing.UNKNOWN)}."
        if by[Standing.UNKNOWN]
        else "",
    ]
    fit = [*by[Standing.OK], *by[Standing.LESS]]
    if fit:
        can = "It can" if by[Standing.MISSING] else "flantrace can trace"
        parts.append(f"{can} on {_names(fit, nodes)}{_with_less(by[Standing.LESS], fit)}.")
    return " ".join(part for part in parts if part)


def _with_less(less: Sequence[Place], fit: Sequence[Place]) -> str:
    if not less:
        return ""
    where = "" if len(less) == len(fit) else f" on {_names(less, fit)}"
    return f", with less{where}: {_said(less[0], Standing.LESS)}"


def _names(places: Sequence[Place], of: Sequence[Place]) -> str:
    """`both nodes`, `all 3 nodes`, `node-a and node-c`, `4 of 9 nodes`."""
    names = [place.node or "this machine" for place in places]
    if len(places) == len(of) and len(of) > 1:
        return "both nodes" if len(of) == 2 else f"all {len(of)} nodes"
    if len(names) > 3:
        return f"{len(names)} of {len(of)} nodes"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _worst(place: Place) -> Standing:
    standings = {item.standing for item in place.items}
    order = (Standing.MISSING, Standing.UNKNOWN, Standing.LESS)
    return next((one for one in order if one in standings), Standing.OK)


def _first(place: Place | None, standing: Standing) -> Item | None:
    items = place.items if place is not None else ()
    return next((item for item in items if item.standing is standing), None)


def _said(place: Place, standing: Standing) -> str:
    found = _first(place, standing)
    return found.said if found is not None else ""
