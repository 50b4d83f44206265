"""A watch's pieces of evidence, told from each other from one moment to the next."""

from collections.abc import Hashable, Iterable
from typing import TypeAlias, TypeVar

from msgspec.structs import replace

from tracer.model.diagnosis import Finding
from tracer.model.watch import Deviating, Dropping, Gap, Watched

Piece: TypeAlias = Deviating | Dropping | Gap
AnyPiece = TypeVar("AnyPiece", Deviating, Dropping, Gap)

S = 1_000_000_000

FORGOTTEN_NS = 300_000_000_000
"""After so long without it a piece of evidence is a new one."""


def key(piece: Piece) -> Hashable:
    """What stays the same of it while its numbers change."""
    if isinstance(piece, Deviating):
        return (piece.node, piece.peer, piece.subnet, piece.kind, piece.direction)
    if isinstance(piece, Dropping):
        return (piece.node, piece.peer, piece.subnet, piece.reason, piece.caller)
    return (piece.sender, piece.receiver, piece.peer, piece.after, piece.before)


def outline(
    deviating: Iterable[Deviating], dropping: Iterable[Dropping], gaps: Iterable[Gap]
) -> object:
    """What there is, without its numbers, and how long drops last in seconds: a look is had when it

    comes, when it goes, and when it has lasted.
    """
    return (
        {(one.node, one.peer, one.kind, one.direction) for one in deviating},
        {
            (one.node, one.peer, one.reason, one.caller, (one.last_ns - one.first_ns) // S)
            for one in dropping
        },
        {(one.sender, one.receiver, one.peer) for one in gaps},
    )


class Explained:
    """When which piece was last explained by a fault in the tables. Times in nanoseconds."""

    def __init__(self) -> None:
        self._since: dict[Hashable, int] = {}

    def note(self, now: int, pieces: Iterable[Piece]) -> None:
        """These are, now."""
        self._since = {
            one: time for one, time in self._since.items() if now - time < FORGOTTEN_NS
        } | {key(one): now for one in pieces}

    def marked(self, pieces: Iterable[AnyPiece]) -> tuple[AnyPiece, ...]:
        """The pieces with what is known."""
        return tuple(replace(one, explained_ns=self._since.get(key(one))) for one in pieces)


def first_ns(finding: Finding, watched: Watched | None) -> int | None:
    """When the first packet was that shows what a finding says."""
    if watched is None or not finding.explains:
        return None
    evidence: list[tuple[tuple[str | None, ...], int]] = [
        *(((one.node, one.peer), one.first_ns) for one in watched.deviating),
        *(((one.node, one.peer), one.first_ns) for one in watched.dropping),
        *(((one.sender, one.receiver), one.first_ns) for one in watched.gaps),
    ]
    return min((first for who, first in evidence if finding.node in who), default=None)
