"""A ping that ran while tcpdump did, read as the probes of a trace."""

from collections import Counter
from collections.abc import Sequence

from tracer.core.decode import decode
from tracer.core.identity import ECHO_REPLY, ECHO_REQUEST
from tracer.model.message import Sent
from tracer.model.observation import Device, Direction, Observation
from tracer.model.packet import Inner
from tracer.model.record import Record
from tracer.model.request import End, EndKind, ProbeKind, ProbePlan

USUAL_SIZE = {4: 84, 6: 104}
"""Bytes of ping's IP packet unless it is told otherwise."""


class Pings(Record, frozen=True, kw_only=True):
    """One ping's requests as probes. `others`: how many of other pings were seen beside it."""

    plan: ProbePlan
    probe_id: int
    sent: tuple[Sent, ...]
    others: int


def pings(
    observations: Sequence[Observation], ports: frozenset[int], source: End, destination: End
) -> Pings | None:
    """The ping of the pair with most requests; None: there is none.

    A request counts as answered where its reply was seen to go to the source, at the last device
    before it: what the pinging socket itself saw is in no capture.
    """
    requests: dict[int, dict[int, tuple[Observation, Inner]]] = {}
    answers: dict[tuple[int, int], Observation] = {}
    for one in observations:
        inner = decode(one, ports).inner
        if inner is None or inner.icmp_id is None or inner.icmp_seq is None:
            continue
        kind, way = (inner.protocol, inner.icmp_type), (inner.src, inner.dst)
        if kind in ECHO_REQUEST and way == (source.ip, destination.ip):
            requests.setdefault(inner.icmp_id, {}).setdefault(inner.icmp_seq, (one, inner))
        elif kind in ECHO_REPLY and way == (destination.ip, source.ip) and _handed(one, source):
            answers.setdefault((inner.icmp_id, inner.icmp_seq), one)
    if not requests:
        return None
    chosen = max(requests, key=lambda ident: len(requests[ident]))
    sent = tuple(
        _sent(seq, *requests[chosen][seq], answers.get((chosen, seq)), source, destination)
        for seq in sorted(requests[chosen])
    )
    others = sum(len(found) for ident, found in requests.items() if ident != chosen)
    return Pings(plan=_plan(sent), probe_id=chosen, sent=sent, others=others)


def _handed(one: Observation, source: End) -> bool:
    """Behind this device there is nothing but the source."""
    own = source.kind is EndKind.POD and not source.host_network
    goal = (Device.POD, Direction.OUT) if own else (Device.VTEP, Direction.IN)
    return (one.node, one.device, one.direction) == (source.node, *goal)


def _sent(
    seq: int, seen: Observation, inner: Inner, answer: Observation | None, source: End, to: End
) -> Sent:
    here = answer is not None and seen.node == answer.node == source.node
    return Sent(
        seq=seq,
        size=inner.ip_length,
        sent_ns=seen.time_ns,
        reply="echo reply" if answer is not None else None,
        reply_from=to.ip if answer is not None else None,
        rtt_us=(answer.time_ns - seen.time_ns) // 1000 if answer is not None and here else None,
    )


def _plan(sent: Sequence[Sent]) -> ProbePlan:
    sizes = Counter(one.size for one in sent)
    usual = sizes.keys() <= set(USUAL_SIZE.values())
    return ProbePlan(
        kind=ProbeKind.ICMP,
        count=len(sent),
        size=None if usual or len(sizes) > 1 else next(iter(sizes)),
        full_mtu=False,
    )
