"""Who cannot reach whom by the tables: the pairs that were followed, and those like them."""

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from tracer.core.case import WayView
from tracer.core.examine.asking import NAMELESS
from tracer.core.examine.census import Census
from tracer.model.diagnosis import Finding
from tracer.model.examination import Reach
from tracer.model.path import Outcome, Path

Key = tuple[int, str, str]
"""(family, sender, receiver)."""


class Reached:
    """What became of the ways that were followed."""

    def __init__(self) -> None:
        self._followed: dict[Key, Reach | None] = {}
        self.doubts: Counter[str] = Counter()
        """Why ways could not be followed to the end -> how many for that."""

    @property
    def followed(self) -> int:
        """How many ways were followed."""
        return len(self._followed)

    def add(self, way: WayView, findings: Sequence[Finding]) -> None:
        """A way, and what the rules said of it."""
        key = (way.case.family, way.sender, way.receiver)
        path = _telling(way)
        if path is None:
            self._followed[key] = None
            return
        if path.outcome is Outcome.UNKNOWN and path.doubt is not None:
            self.doubts[path.doubt] += 1
        explaining = (f.rule for f in findings if f.explains and f.way is way.way)
        self._followed[key] = Reach(
            sender=way.sender,
            receiver=way.receiver,
            family=way.case.family,
            outcome=path.outcome,
            rule=next(explaining, None),
            node=path.end.node if path.end is not None else None,
            device=path.end.ifname if path.end is not None else None,
            reason=path.drop.reason if path.drop is not None else None,
        )

    def explained(self, findings: Sequence[Finding]) -> None:
        """Ways that only a rule of their node explains get its name."""
        known = [f for f in findings if f.explains and f.rule not in NAMELESS]
        names = {f.node: f.rule for f in reversed(known)}
        for key, one in self._followed.items():
            if one is not None and one.rule in (None, *NAMELESS) and one.node in names:
                self._followed[key] = replace(one, rule=names[one.node])

    def stopped(self, counted: Sequence[Census], nodes: Sequence[str]) -> Iterator[Reach]:
        """Every pair that does not arrive, in order; those that were not followed by their like."""
        for census in counted:
            sends, receives = self._sides(census.family)
            for sender in nodes:
                for receiver in nodes:
                    key = (census.family, sender, receiver)
                    if sender == receiver:
                        continue
                    if key in self._followed:
                        one = self._followed[key]
                    else:
                        one = sends.get(sender) or receives.get(receiver)
                        if one is None and key[1:] in census.odd:
                            one = _odd(key)
                    if one is not None:
                        yield replace(one, sender=sender, receiver=receiver)

    def _sides(self, family: int) -> tuple[dict[str, Reach], dict[str, Reach]]:
        """Nodes that none of the followed ways could leave, and nodes that none could enter."""
        sends: dict[str, Reach] = {}
        receives: dict[str, Reach] = {}
        good: Counter[tuple[str, bool]] = Counter()
        for (of, sender, receiver), one in self._followed.items():
            if of != family:
                continue
            if one is None or one.node != sender:
                good[(sender, True)] += 1
            else:
                sends[sender] = one
            if one is None or one.node != receiver:
                good[(receiver, False)] += 1
            else:
                receives[receiver] = one
        return (
            {node: one for node, one in sends.items() if not good[(node, True)]},
            {node: one for node, one in receives.items() if not good[(node, False)]},
        )


def _telling(way: WayView) -> Path | None:
    """The path that does not arrive; a small packet's tells more than a large one's."""
    for paths in (way.small, way.full):
        for path in paths:
            if path.outcome is not Outcome.DELIVERED:
                return path
    return None


def _odd(key: Key) -> Reach:
    """Its entries differ, and nobody followed it."""
    return Reach(
        sender=key[1],
        receiver=key[2],
        family=key[0],
        outcome=Outcome.UNKNOWN,
        rule=None,
        node=key[1],
        device=None,
        reason=None,
    )
