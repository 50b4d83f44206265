"""Which pairs of nodes a check follows through their tables, packet by packet."""

from collections import Counter
from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from tracer.core.examine.census import Census
from tracer.core.facts import Facts, MissingFact
from tracer.model.packet import Ip
from tracer.model.request import End, EndKind, ProbeKind, ProbePlan, Request

FEW = 16
"""Up to so many nodes all pairs are followed; of more each with its neighbour in the list, and of
those whose entries differ the first of each sender and of each receiver."""

PER_NODE = 2
MOST = 400

PLAN = ProbePlan(kind=ProbeKind.ICMP, count=1, full_mtu=True)


def requests(facts: Facts, census: Census, nodes: Iterable[str]) -> Iterator[Request]:
    """What is to be predicted: one request for each pair; its reply is the other direction."""
    names = [node for node in nodes if _address(facts, node, census.family) is not None]
    for sender, receiver in _pairs(names, census):
        yield request(facts, census, sender, receiver)


def request(facts: Facts, census: Census, sender: str, receiver: str) -> Request:
    """What is to be predicted of one pair of nodes."""
    ends = (
        _end(facts, sender, census, census.odd.get((receiver, sender))),
        _end(facts, receiver, census, census.odd.get((sender, receiver))),
    )
    return Request(source=ends[0], destination=ends[1], plan=PLAN, predict=True)


def _pairs(names: list[str], census: Census) -> Iterator[tuple[str, str]]:
    if len(names) <= FEW:
        yield from ((a, b) for index, a in enumerate(names) for b in names[index + 1 :])
        return
    ring = [tuple(sorted(pair)) for pair in zip(names, [*names[1:], names[0]], strict=True)]
    seen = dict.fromkeys((a, b) for a, b in ring)
    sent: Counter[str] = Counter()
    received: Counter[str] = Counter()
    for sender, receiver in census.odd:
        if sent[sender] >= PER_NODE and received[receiver] >= PER_NODE:
            continue
        sent[sender] += 1
        received[receiver] += 1
        if len(seen) < len(ring) + MOST:
            seen.setdefault((sender, receiver))
    known = set(names)
    yield from (pair for pair in seen if set(pair) <= known)


def _end(facts: Facts, node: str, census: Census, inside: Ip | None) -> End:
    ip = inside or _address(facts, node, census.family) or ""
    return End(kind=EndKind.POD, name=f"pods of {node}", node=node, ip=ip, assumed=True)


def api_end(facts: Facts, node: str, family: int) -> End:
    """A pod that the node could have, by its lease alone."""
    ip = _within(facts.lease(node, family).pod_cidr) or ("::" if family == 6 else "0.0.0.0")
    return End(kind=EndKind.POD, name=f"pods of {node}", node=node, ip=ip, assumed=True)


def _address(facts: Facts, node: str, family: int) -> Ip | None:
    """An address that a pod of the node could have: the last but one of its pod CIDR."""
    try:
        facts.state(node)
        return _within(facts.lease(node, family).pod_cidr)
    except MissingFact:
        return None


def _within(cidr: str | None) -> Ip | None:
    try:
        network = ip_network(cidr or "", strict=False)
    except ValueError:
        return None
    if network.num_addresses < 4:
        return None
    return str(network.network_address + (network.num_addresses - 2))
