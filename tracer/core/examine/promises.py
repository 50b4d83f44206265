"""Leases that cannot all be right, where the nodes were not read: the API alone shows it."""

from collections.abc import Iterable, Iterator

from tracer.core.examine.pairs import api_end
from tracer.core.facts import Facts
from tracer.model.lease import Lease
from tracer.model.request import Request

MOST = 32
"""Contradicting pairs that are looked at, of each kind."""


def contradictions(facts: Facts, nodes: Iterable[str]) -> Iterator[Request]:
    """A pair for each two nodes, of which one was not read, that publish the same or unlike things.

    The same public address or VtepMAC; another VNI or backend than most.
    """
    asked = set(nodes)
    ours = [lease for lease in facts.leases if lease.node in asked]
    for family in (4, 6):
        leases = [lease for lease in ours if lease.family == family]
        pairs = [*_same(leases), *_unlike(leases)]
        for one, other in dict.fromkeys((a.node, b.node) for a, b in pairs):
            if one not in facts.bundle.nodes or other not in facts.bundle.nodes:
                ends = (api_end(facts, one, family), api_end(facts, other, family))
                yield Request(source=ends[0], destination=ends[1], plan=None, predict=True)


def _same(leases: list[Lease]) -> Iterator[tuple[Lease, Lease]]:
    for key in ("public_ip", "vtep_mac"):
        found = 0
        first: dict[str, Lease] = {}
        for lease in leases:
            value = getattr(lease, key)
            if value is not None and first.setdefault(value, lease) is not lease and found < MOST:
                found += 1
                yield first[value], lease


def _unlike(leases: list[Lease]) -> Iterator[tuple[Lease, Lease]]:
    for key in ("vni", "backend_type"):
        known = [lease for lease in leases if getattr(lease, key) is not None]
        values = [getattr(lease, key) for lease in known]
        usual = max(sorted(set(values), key=str), key=values.count, default=None)
        like = next((lease for lease in known if getattr(lease, key) == usual), None)
        odd = [lease for lease in known if getattr(lease, key) != usual]
        yield from ((like, lease) for lease in odd[:MOST] if like is not None)
