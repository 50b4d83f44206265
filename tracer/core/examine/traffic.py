"""What a watch has counted and recorded, added to what the tables show: proof, or a finding."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from msgspec.structs import replace

from tracer.core.evidence import Piece
from tracer.core.examine import quote
from tracer.core.examine.advice import Fault, advice
from tracer.core.examine.asking import NAMELESS, in_order
from tracer.core.examine.drop_meaning import of_dropping, of_gap
from tracer.core.examine.explaining import UNPUBLISHED
from tracer.core.examine.meaning import Meaning, of_deviating
from tracer.core.examine.seen import vtep_name
from tracer.core.facts import Facts
from tracer.model.diagnosis import Evidence, Finding, Severity

MOST = 64
"""Pieces of evidence of a kind that are looked at: one fault may show at all of a node's peers."""

SHOWN = 3
"""Of these, those that a finding quotes."""

LINGERS_NS = 4 * quote.S
"""Counters are read each second, and what is missing shows a period later."""


class Accounted(NamedTuple):
    """What the tables and traffic give together."""

    findings: tuple[Finding, ...]
    explained: tuple[Piece, ...]
    """The evidence that a fault in the tables explains."""


def with_traffic(facts: Facts, findings: Sequence[Finding]) -> Accounted:
    """The findings of the tables, each with the traffic that it explains, and those of the rest.

    Evidence that a table's fault explains makes it one that explains. What none explains is a
    finding by itself, at the node where its cause most likely sits, with the other names that the
    same packets allow. What one explained until a moment ago is the last of it.
    """
    watched = facts.bundle.watched
    if watched is None:
        return Accounted(tuple(findings), ())
    account = _Account(facts, findings)
    for one in islice(watched.deviating, MOST):
        account.take(
            one, of_deviating(facts, one), quote.deviating(facts, one), (one.node, one.peer)
        )
    for drop in islice(watched.dropping, MOST):
        meaning = of_dropping(facts, drop)
        account.take(drop, meaning, quote.dropping(facts, drop), (drop.node, drop.peer))
    for gap in islice(watched.gaps, MOST):
        account.take(gap, of_gap(facts, gap), quote.gap(gap), (gap.sender, gap.peer))
    return Accounted(in_order(account.findings()), tuple(account.explained))


class _Account:
    """Findings by rule and node, as evidence comes to them."""

    def __init__(self, facts: Facts, findings: Iterable[Finding]) -> None:
        self._facts = facts
        self._found = {(one.rule, one.node): one for one in findings}
        self._shown = frozenset(self._found)
        """Those that the tables show."""
        self.explained: list[Piece] = []
        self._lines: dict[tuple[str, str], list[tuple[Evidence, ...]]] = {}
        self._of: dict[tuple[str, str | None], tuple[str, str]] = {}
        """(where, whose packets) -> the finding that they came to."""

    def take(
        self,
        piece: Piece,
        meaning: Meaning | None,
        lines: tuple[Evidence, ...],
        about: tuple[str, str | None],
    ) -> None:
        """One piece of evidence."""
        if meaning is None:
            return
        key = self._explaining(meaning) or self._nameless(meaning, about)
        if key in self._shown:
            self.explained.append(piece)
        if key is None:
            if not meaning.opens or _is_the_last_of_it(piece):
                return
            key = (meaning.rule, meaning.node)
            self._found[key] = self._opened(meaning, about)
        elif key in self._found:
            self._found[key] = _proven(self._found[key], meaning)
        self._lines.setdefault(key, []).append(lines)
        self._of.setdefault(about, key)

    def findings(self) -> list[Finding]:
        """With the first lines of each, and how many more there are."""
        found = []
        for key, one in self._found.items():
            pieces = self._lines.get(key, [])
            shown = [line for lines in pieces[:SHOWN] for line in lines]
            left = len(pieces) - SHOWN
            if left > 0:
                shown.append(
                    Evidence(label="traffic", value=f"{left} more", source="of the same kind")
                )
            found.append(replace(one, evidence=(*one.evidence, *shown)))
        return found

    def _explaining(self, meaning: Meaning) -> tuple[str, str] | None:
        """The finding that explains it: that of its own name first, then what stops packets."""
        own = (meaning.rule, meaning.node)
        if own in self._found:
            return own
        known = [
            key
            for key, one in self._found.items()
            if one.rule in meaning.named_by and _is_about(one, meaning)
        ]
        known.sort(key=lambda key: not self._found[key].explains)
        return known[0] if known else None

    def _nameless(self, meaning: Meaning, about: tuple[str, str | None]) -> tuple[str, str] | None:
        """What nobody can explain by itself goes with what is known of the same packets."""
        return self._of.get(about) if meaning.rule in NAMELESS else None

    def _opened(self, meaning: Meaning, about: tuple[str, str | None]) -> Finding:
        node, (where, peer) = meaning.node, about
        other = (peer if node == where else where) or where
        family = 6 if meaning.device is not None and "-v6" in meaning.device else 4
        told = advice(
            meaning.rule,
            Fault(self._facts, node, other, vtep_name(self._facts, node, family)),
        )
        return Finding(
            rule=meaning.rule,
            severity=meaning.severity,
            node=node,
            device=meaning.device,
            sentence=meaning.sentence,
            evidence=(),
            hits=told.hits,
            fix=told.fix,
            confirm=told.confirm,
            useless=told.useless,
            explains=True,
            also=meaning.also,
        )


def _is_the_last_of_it(piece: Piece) -> bool:
    """The tables explained it until now: what was mended takes a moment to show in traffic."""
    return piece.explained_ns is not None and piece.last_ns - piece.explained_ns < LINGERS_NS


def _is_about(finding: Finding, meaning: Meaning) -> bool:
    """It sits at one of the nodes, or names one: of two that share something, one is the cause."""
    return finding.node in meaning.there or not meaning.there.isdisjoint(
        word.strip(",.;:") for word in finding.sentence.split()
    )


def _proven(finding: Finding, meaning: Meaning) -> Finding:
    """Packets end by it: no warning any more. Of addresses that nobody leases nobody knows."""
    severity = finding.severity
    if meaning.severity is Severity.ERROR or finding.rule == UNPUBLISHED:
        severity = Severity.ERROR
    return replace(finding, severity=severity, explains=True)
