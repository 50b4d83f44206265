"""When things happened: what the API dates, and what each node saw, by that node's own clock."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tracer.core.case import Case
from tracer.core.words import NOUN
from tracer.model.diagnosis import Moment
from tracer.model.path import Hop, Outcome, Path, Way
from tracer.model.state import NodeState

API = "Kubernetes API"


def timeline(case: Case) -> tuple[Moment, ...]:
    """The API's dates first, then each node in the order of the request; one clock at a time."""
    nodes = tuple(dict.fromkeys((case.request.source.node, case.request.destination.node)))
    found = sorted(_dated_by_the_api(case, nodes), key=_at)
    for node in nodes:
        state = case.bundle.nodes.get(node)
        if state is not None:
            found += sorted(_on_node(case.paths, state), key=_at)
    return tuple(found)


def _at(moment: Moment) -> str:
    return moment.at


def _dated_by_the_api(case: Case, nodes: tuple[str, ...]) -> Iterator[Moment]:
    """Since when Node objects and flanneld are there: a fault is often as old as one of them."""
    cluster = case.bundle.cluster
    for node in cluster.nodes:
        if node.name in nodes and (at := utc(node.created)) is not None:
            yield Moment(clock=API, at=at, text=f"the Node object of {node.name} was created")
    for pod in cluster.flannel_pods:
        if pod.node in nodes and (at := utc(pod.started)) is not None:
            yield Moment(clock=API, at=at, text=f"flanneld on {pod.node} started ({pod.name})")
    if (at := utc(cluster.captured_at)) is not None:
        yield Moment(clock=API, at=at, text="nodes, pods and leases were read")


def _on_node(paths: tuple[Path, ...], state: NodeState) -> Iterator[Moment]:
    read = _parsed(state.captured_at)
    if read is None:
        return
    yield Moment(clock=state.node, at=_iso(read), text="its tables were read")
    times: dict[tuple[Way, str], list[int]] = {}
    for path in paths:
        for text, hop in _events(path, state.node):
            if hop.time_ns is not None:
                times.setdefault((path.way, text), []).append(hop.time_ns)
    for (way, text), found in times.items():
        first = _later(read, min(found) - state.monotonic_ns)
        last = _later(read, max(found) - state.monotonic_ns)
        if first is None:
            continue
        many = f"{len(found)} {NOUN[way][len(found) > 1]}"
        until = last if last != first else None
        yield Moment(clock=state.node, at=first, until=until, text=f"{many} {text}")


def _events(path: Path, node: str) -> Iterator[tuple[str, Hop]]:
    """Where a packet entered this node, and where it ended if it ended here."""
    here = [hop for hop in path.hops if hop.node == node]
    passed = [hop for hop in here if hop.drop is None]
    if passed:
        yield f"first seen at {passed[0].ifname} {passed[0].direction.value}", passed[0]
    for hop in here:
        if hop.drop is not None and hop.packet is not None and hop.packet.arp is None:
            where = f" in {hop.drop.caller}" if hop.drop.caller else ""
            yield f"freed at {hop.ifname}: {hop.drop.reason or 'no reason'}{where}", hop
    end = path.end
    if path.outcome is Outcome.LOST and passed and end is not None and end.node == node:
        yield f"last seen at {passed[-1].ifname} {passed[-1].direction.value}", passed[-1]


def _parsed(text: str | None) -> datetime | None:
    """None: not said, or not a date that can be read (a recording may hold anything)."""
    try:
        moment = datetime.fromisoformat(text or "")
        return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def utc(text: str | None) -> str | None:
    """ISO 8601 in UTC, to the millisecond; None for what is no date."""
    moment = _parsed(text)
    return _iso(moment) if moment is not None else None


def _later(moment: datetime, nanoseconds: int) -> str | None:
    """None: beyond what a date can say; a recording may hold any number."""
    try:
        return _iso(moment + timedelta(microseconds=nanoseconds // 1000))
    except OverflowError:
        return None


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
