"""Every rule asked of every way that is followed, every node, and the cluster."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tracer.core.case import MissingFact, WayView
from tracer.core.facts import Facts
from tracer.core.rules.catalogue import (
    CATALOGUE,
    LAST,
    Rule,
    one_for_same,
    said,
    slug,
    subject,
)
from tracer.core.views import ClusterView, NodeView
from tracer.model.diagnosis import Finding, Severity, Skipped

KEPT = 4
"""Failed ways that are kept for the rules of one node, and for which these are asked in vain."""

NAMELESS = frozenset(slug(rule) for rule in LAST)
"""What is said where no rule knows."""

BY_REQUEST = "state of the nodes: nothing was to run on them"
"""What is missing where only the API was to be asked."""


class Asking:
    """Asks, and remembers: each fault of a node once, whatever way it was met on."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        check = facts.bundle.check
        self._agents = check is None or check.agents
        self._found: dict[tuple[str, str], Finding] = {}
        self._skipped: dict[Skipped, None] = {}
        self._failed: dict[str, list[WayView]] = {}
        self._silent: Counter[tuple[Rule, str]] = Counter()

    def of_way(self, way: WayView) -> tuple[Finding, ...]:
        """What the rules say of one way; those that know nothing only where none explains.

        The cause may be known to a rule of a node or of the cluster, wherever packets end of it.
        """
        told = [found for rule in _rules(WayView) for found in self._of_known(rule, way)]
        if way.end is not None and not _explained(told):
            told += self._of_its_nodes(way)
        if not _explained(told):
            told += [found for rule in LAST for found in self._ask(rule, way)]
        if way.end is not None:
            for node in (way.sender, way.receiver):
                kept = self._failed.setdefault(node, [])
                if len(kept) < KEPT:
                    kept.append(way)
        return tuple(told)

    def of_node(self, node: str) -> None:
        """What the rules say of a node by itself."""
        view = NodeView(self._facts, node, tuple(self._failed.get(node, ())))
        for rule in _rules(NodeView):
            self._ask(rule, view)

    def of_cluster(self) -> None:
        """What the rules say of all nodes together."""
        ways = dict.fromkeys(way for ways in self._failed.values() for way in ways)
        view = ClusterView(self._facts, tuple(ways))
        for rule in _rules(ClusterView):
            self._ask(rule, view)

    def findings(self) -> tuple[Finding, ...]:
        """In their order."""
        return in_order(self._without_ignorance(one_for_same(self._found.values())))

    def skipped(self) -> tuple[Skipped, ...]:
        """Rules that lacked a fact, and the fact."""
        return tuple(self._skipped)

    def _of_known(self, rule: Rule, way: WayView) -> tuple[Finding, ...]:
        return () if rule in LAST else self._ask(rule, way)

    def _of_its_nodes(self, way: WayView) -> list[Finding]:
        """What rules of a node and of the cluster say; not those again that had nothing to say."""
        told: list[Finding] = []
        nodes = dict.fromkeys((way.sender, way.receiver))
        views = [(node, NodeView(self._facts, node, (way,))) for node in nodes]
        for name, about in (*views, ("", ClusterView(self._facts, (way,)))):
            for rule in _rules(type(about)):
                if self._silent[(rule, name)] < KEPT:
                    found = self._ask(rule, about)
                    self._silent[(rule, name)] += not found
                    told += found
        return told

    def _ask(self, rule: Rule, about: Any) -> tuple[Finding, ...]:
        try:
            told = said(rule, about)
        except MissingFact as fact:
            missing = fact.missing if self._agents else BY_REQUEST
            self._skipped[Skipped(rule=slug(rule), missing=missing)] = None
            return ()
        self.take(told)
        return told

    def take(self, told: Iterable[Finding]) -> None:
        """Keep of what was found each fault of a node once: that which explains, else the first."""
        for finding in told:
            key = (finding.rule, finding.node)
            if key not in self._found or (finding.explains and not self._found[key].explains):
                self._found[key] = finding

    def _without_ignorance(self, findings: Iterable[Finding]) -> list[Finding]:
        """A node's rule may explain what no way's rule did."""
        known = list(findings)
        explained = {f.node for f in known if f.explains and f.rule not in NAMELESS}
        return [f for f in known if f.rule not in NAMELESS or f.node not in explained]


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """What stops packets first, then by severity, then in the catalogue's order of causes."""
    places = {slug(rule): place for place, rule in enumerate(CATALOGUE)}
    weights = list(Severity)
    return tuple(
        sorted(findings, key=lambda f: (not f.explains, weights.index(f.severity), places[f.rule]))
    )


def _explained(told: Iterable[Finding]) -> bool:
    return any(finding.explains for finding in told)


def _rules(kind: type) -> tuple[Rule, ...]:
    return tuple(rule for rule in CATALOGUE if subject(rule) is kind)
