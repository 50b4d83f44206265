"""What every table on the way would do with a packet, hop by hop, in a trace's own form."""

from collections.abc import Callable, Mapping

from tracer.core.facts import Facts, MissingFact
from tracer.core.predict import edge, host, overlay
from tracer.core.predict.walk import At, Ending, Probe, Walk, is_pod
from tracer.model.path import Path, Way
from tracer.model.request import End, ProbeKind, ProbePlan, Request

STAGES: Mapping[At, Callable[[Walk], At | Ending]] = {
    At.POD_SENDS: edge.pod_sends,
    At.HOST_SENDS: host.host_sends,
    At.BRIDGE_TAKES_IN: edge.bridge_takes_in,
    At.IP_TAKES_IN: host.ip_takes_in,
    At.IP_PUTS_OUT: host.ip_puts_out,
    At.VTEP_PUTS_OUT: overlay.vtep_puts_out,
    At.UPLINK_PUTS_OUT: overlay.uplink_puts_out,
    At.UPLINK_TAKES_IN: overlay.uplink_takes_in,
    At.VTEP_TAKES_IN: overlay.vtep_takes_in,
    At.BRIDGE_PUTS_OUT: edge.bridge_puts_out,
    At.HOST_TAKES_IN: host.host_takes_in,
}

MOST_STAGES = 2000
"""A TTL of 64 ends every loop long before."""

HEADERS = {ProbeKind.ICMP: 64, ProbeKind.TCP: 40, ProbeKind.UDP: 40}
"""Bytes behind the IP header of the small probes that flantrace sends (collect/probe_*.py)."""

PORT = 40000
"""A source port as any other."""


def predicted(facts: Facts, request: Request) -> tuple[Path, ...]:
    """Each way's packets: a small one, and one of the full MTU where the plan has it.

    Replies are followed whether or not the requests arrive: two faults are two answers.
    """
    plan = request.plan or ProbePlan(kind=ProbeKind.ICMP, count=1, full_mtu=False)
    there, back = (request.source, request.destination), (request.destination, request.source)
    found: list[Path] = []
    for seq, size in _sizes(facts, request, plan):
        asked = Walk(facts, Way.REQUEST, there, _probe(plan, seq, size, Way.REQUEST))
        found.append(followed(asked))
        if plan.kind is not ProbeKind.UDP:
            # Whoever answers may cut the answer to pieces: the largest one is followed.
            piece = min(size, full_mtu(facts, request.destination) or size)
            answer = Walk(facts, Way.REPLY, back, _probe(plan, seq, piece, Way.REPLY))
            answer.answers(asked)
            found.append(followed(answer))
    return tuple(found)


def arriving(facts: Facts, request: Request, way: Way) -> Path | None:
    """The receiver's half of a way: from its uplink on, by a packet as the leases promise it.

    None: the way does not cross, or the receiver has no VTEP. MissingFact.
    """
    ends = (request.source, request.destination)
    sender, receiver = ends if way is Way.REQUEST else ends[::-1]
    family = 6 if ":" in receiver.ip else 4
    vtep = facts.vtep(receiver.node, family)
    if sender.node == receiver.node or vtep is None or vtep.vxlan is None:
        return None
    plan = request.plan or ProbePlan(kind=ProbeKind.ICMP, count=1)
    size = _sizes(facts, request, plan)[0][1]
    walk = Walk(facts, way, (sender, receiver), _probe(plan, 1, size, way))
    here = facts.lease(receiver.node, family)
    there = facts.lease(sender.node, family)
    overlay.comes_in(walk, vtep, vtep.vxlan, vtep.vxlan.local or here.public_ip, there)
    return followed(walk, At.UPLINK_TAKES_IN)


def followed(walk: Walk, at: At | None = None) -> Path:
    """From its sender, or that stage, to its end. A node that was not read ends it in doubt."""
    at = at or (At.POD_SENDS if is_pod(walk.source) else At.HOST_SENDS)
    for _ in range(MOST_STAGES):
        try:
            following = STAGES[at](walk)
        except MissingFact as fact:
            return walk.path(walk.unknown(fact.missing))
        except ValueError as error:
            return walk.path(walk.unknown(f"a recorded value that can be read: {error}"))
        if isinstance(following, Ending):
            return walk.path(following)
        at = following
    return walk.path(walk.lost("it goes round without end"))


def _sizes(facts: Facts, request: Request, plan: ProbePlan) -> list[tuple[int, int]]:
    """(number, bytes): the first stands for all of its kind, the last is that of full MTU."""
    family = 6 if ":" in request.destination.ip else 4
    small = (20 if family == 4 else 40) + HEADERS[plan.kind]
    sizes = [(1, plan.size or small)]
    full = full_mtu(facts, request.source)
    if plan.full_mtu and plan.kind is ProbeKind.ICMP and full is not None:
        sizes.append((plan.count + 1, full))
    return sizes


def full_mtu(facts: Facts, end: End) -> int | None:
    """Bytes of the largest packet that the sender may give to the overlay; None: not known."""
    try:
        if not is_pod(end):
            vtep = facts.vtep(end.node, 6 if ":" in end.ip else 4)
            return vtep.mtu if vtep is not None else None
        tables = facts.tables(end.node, "links")
    except MissingFact:
        return None
    if end.assumed:
        # A bridge without ports has a MTU of its own choosing: 1500.
        vtep = facts.vtep(end.node, 6 if ":" in end.ip else 4)
        sizes = [pod.mtu for pod in tables.state.pods if pod.mtu is not None]
        return max(sizes, default=vtep.mtu if vtep is not None else None)
    return next((pod.mtu for pod in tables.state.pods if pod.ip == end.ip), None)


def _probe(plan: ProbePlan, seq: int, size: int, way: Way) -> Probe:
    asks = way is Way.REQUEST
    ports = (PORT, plan.port) if asks else (plan.port, PORT)
    icmp = plan.kind is ProbeKind.ICMP
    return Probe(
        seq=seq,
        size=size,
        dont_fragment=plan.size is not None or seq > plan.count,
        protocol=plan.kind.value,
        src_port=None if icmp else ports[0],
        dst_port=None if icmp else ports[1],
        icmp_type=(8 if asks else 0) if icmp else None,
    )
