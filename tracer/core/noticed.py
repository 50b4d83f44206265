"""What a watch had noticed before a recording: changes, and what packets showed, in their order."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tracer.core.timeline import utc
from tracer.model.bundle import Bundle
from tracer.model.examination import Noticed
from tracer.model.observation import Direction
from tracer.model.watch import Deviating, Dropping, Gap, Kind, Watched

_HOW = {
    Kind.NO_LEASE: ("whose address nobody leases",) * 2,
    Kind.PEER_MAC: ("with an inner destination MAC that is not its VtepMAC",) * 2,
    Kind.OWN_MAC: ("with an inner destination MAC that is not {node}'s",) * 2,
    Kind.SENDER_MAC: ("with an inner source MAC that is not its VtepMAC",) * 2,
    Kind.OUTER_DST: (
        "with an outer destination that is not its public-ip",
        "with an outer destination that is not {node}'s",
    ),
    Kind.OUTER_SRC: (
        "with an outer source that is not {node}'s",
        "with an outer source that is not its public-ip",
    ),
    Kind.VNI: ("with another VNI",) * 2,
    Kind.PORT: ("to another UDP port than flannel's",) * 2,
    Kind.PLAIN: ("without encapsulation",) * 2,
    Kind.FREED: ("that the kernel threw away",) * 2,
}
"""As they leave, and as they come."""

_WHERE = {
    "from_pod": "as they came from pods of",
    "to_pod": "as they went to pods of",
    "vtep_in": "as they came out of the VTEP of",
    "vtep_out": "as they went into the VTEP of",
    "uplink_in": "as they came in by the uplink of",
    "uplink_out": "as they left by the uplink of",
}


def noticed(bundle: Bundle) -> tuple[Noticed, ...]:
    """By one clock, that of whoever watched: a watch moves what nodes say to it (core/vigil.py).

    Nothing where no watch made the recording, or where its date cannot be read.
    """
    watched, created_at = bundle.watched, utc(bundle.created_at)
    if watched is None or created_at is None:
        return ()
    now = datetime.fromisoformat(created_at)
    found: list[tuple[int, Noticed]] = []
    for node, first_ns, last_ns, what in _everything(watched):
        at, until = _at(now, first_ns - watched.time_ns), _at(now, last_ns - watched.time_ns)
        if at is not None:
            until = None if until == at else until
            found.append((first_ns, Noticed(at=at, until=until, node=node or None, what=what)))
    return tuple(one for _, one in sorted(found, key=lambda one: one[0]))


def _everything(watched: Watched) -> Iterator[tuple[str, int, int, str]]:
    """(where, first, last, in words)."""
    for event in watched.happened:
        yield event.node, event.time_ns, event.time_ns, event.what
    for deviating in watched.deviating:
        yield deviating.node, deviating.first_ns, deviating.last_ns, _deviating(deviating)
    for dropping in watched.dropping:
        yield dropping.node, dropping.first_ns, dropping.last_ns, _dropping(dropping)
    for gap in watched.gaps:
        yield gap.receiver, gap.first_ns, gap.last_ns, _gap(gap)


def _deviating(one: Deviating) -> str:
    leaves = one.direction is Direction.OUT
    how = _HOW[one.kind][0 if leaves else 1].format(node=one.node)
    way = "to" if leaves else "from"
    return f"{_packets(one.packets)} {way} {_whose(one.peer, one.subnet)} {how}, at {one.ifname}"


def _dropping(one: Dropping) -> str:
    why = one.reason or "no reason told"
    where = f" in {one.caller}" if one.caller else ""
    return (
        f"{_packets(one.packets)} of {_whose(one.peer, one.subnet)} freed by the kernel:"
        f" {why}{where}"
    )


def _gap(one: Gap) -> str:
    after, before = (_WHERE.get(hook, f"at {hook} of") for hook in (one.after, one.before))
    return (
        f"{one.missing:,} of {_packets(one.sent)} for {one.peer} lost: counted"
        f" {after} {one.sender}, and not {before} {one.receiver}"
    )


def _whose(peer: str | None, subnet: str | None) -> str:
    named = peer if peer is not None else "nobody"
    return f"{named} ({subnet})" if subnet is not None else named


def _packets(count: int) -> str:
    return f"{count:,} packet{'' if count == 1 else 's'}"


def _at(now: datetime, nanoseconds: int) -> str | None:
    """None: beyond what a date can say; a recording may hold any number."""
    try:
        moment = now + timedelta(microseconds=nanoseconds // 1000)
        return utc(moment.astimezone(UTC).isoformat())
    except OverflowError:
        return None
