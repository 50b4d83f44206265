"""Ways between a node that was read and peers that were not: these stand as their leases say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from tracer.core.annotate import annotated
from tracer.core.assumed import assumed
from tracer.core.case import Case, WayView
from tracer.core.examine.asking import NAMELESS, Asking
from tracer.core.examine.census import Census
from tracer.core.examine.pairs import FEW, request
from tracer.core.facts import Facts
from tracer.core.predict import predicted
from tracer.core.rules.catalogue import CATALOGUE, slug, subject
from tracer.core.suspects import suspects
from tracer.model.diagnosis import Evidence, Finding
from tracer.model.path import Outcome

OF_WAYS = frozenset(slug(rule) for rule in CATALOGUE if subject(rule) is WayView)

BY_ITS_LEASE = frozenset({"wrong-interface", "public-ip-nat", "dualstack-update-ignored"})
"""Rules that find a fault of a peer in its lease and the other's tables, though they ask for more.
"""


@dataclass
class Beyond:
    """What came of these ways."""

    peers: tuple[str, ...] = ()
    """Those that were taken to be as their leases say."""
    findings: list[Finding] = field(default_factory=list)
    followed: int = 0
    stopped: int = 0


def beyond(facts: Facts, counted: Sequence[Census], read: Sequence[str]) -> Beyond:
    """Follow both ways between every node that was read and the suspects among its peers.

    Told is what is wrong on the nodes that were read, and of a peer what its lease alone shows.
    """
    found = Beyond()
    if not wanted(facts, read):
        return found
    for peer in _peers(facts):
        state = assumed(facts, peer, read)
        if state is None:
            continue
        found.peers += (peer,)
        _follow(found, facts, facts.beside(state), counted, read, peer)
    return found


def wanted(facts: Facts, read: Sequence[str]) -> bool:
    """A watch, or a check of few nodes by name: their peers were not to be read."""
    bundle = facts.bundle
    named = bundle.check is not None and bundle.check.agents and bundle.check.nodes
    return bool(bundle.watched is not None or named) and 0 < len(read) <= FEW


def _peers(facts: Facts) -> Iterator[str]:
    """Of a check those that it is not about: one that should have been read is not made up."""
    bundle = facts.bundle
    asked = bundle.check.nodes if bundle.check is not None and bundle.watched is None else ()
    for peer in suspects(facts.leases, bundle.nodes.values(), bundle.watched):
        if peer not in asked:
            yield peer


def _follow(
    found: Beyond,
    facts: Facts,
    whole: Facts,
    counted: Sequence[Census],
    read: Sequence[str],
    peer: str,
) -> None:
    """Rules are asked twice: of what is known, and of that with the peer as it is assumed."""
    known, taken = Asking(facts), Asking(whole)
    for census in counted:
        for node in read:
            if not _both_have(facts, (node, peer), census.family):
                continue
            asked = request(whole, census, node, peer)
            paths = annotated(predicted(whole, asked), whole, asked)
            for way in Case(facts, asked, paths).ways:
                known.of_way(way)
            for way in Case(whole, asked, paths).ways:
                taken.of_way(way)
                found.followed += 1
                found.stopped += any(
                    path.outcome in (Outcome.DROPPED, Outcome.LOST) for path in way.paths
                )
    ignored = any(one.defect is not None for one in facts.leases if one.node == peer)
    unsure = NAMELESS if ignored else {"unexplained-loss"}
    found.findings += (
        one for one in known.findings() if one.rule not in NAMELESS and _of_known(one, read)
    )
    found.findings += (
        _by_its_lease(one, peer)
        for one in taken.findings()
        if one.rule not in unsure and (one.node in read or one.rule in BY_ITS_LEASE)
    )


def _both_have(facts: Facts, nodes: tuple[str, str], family: int) -> bool:
    return all(
        any(one.pod_cidr and (one.node, one.family) == (node, family) for one in facts.leases)
        for node in nodes
    )


def _of_known(finding: Finding, read: Sequence[str]) -> bool:
    """Nothing of it is made up. Of a peer by itself only what explains is of interest here."""
    return finding.node in read or finding.explains or finding.rule in OF_WAYS


def _by_its_lease(finding: Finding, peer: str) -> Finding:
    """Without the lines that quote what was not read, and with one that says so."""
    kept = [
        one
        for one in finding.evidence
        if not one.source.startswith(f"{peer} ") or one.label == "kernel"
    ]
    said = Evidence(
        label="not read", value=peer, source="taken to be as its lease says: no agent ran there"
    )
    return replace(finding, evidence=(*kept, said))
