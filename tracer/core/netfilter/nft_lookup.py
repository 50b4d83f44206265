"""Sets and maps of nft: single values, prefixes, ranges, concatenations, wildcards."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from tracer.core.netfilter.nft_keys import Key
from tracer.core.netfilter.packet import Packet
from tracer.core.netfilter.steps import Span, Value, name_test, prefix_span

Pattern = Value | Span | Callable[[Value], bool]
"""One part of an element: a value, a range, or a test of a name."""
_FEW = 16


class Lookup:
    """The elements of one set or map, read as the literals beside some keys are."""

    def __init__(self, keys: Sequence[Key], elements: Iterable[tuple[Any, Any]]) -> None:
        self._exact: dict[tuple[Any, ...], Any] = {}
        self._other: list[tuple[tuple[Pattern, ...], Any]] = []
        self._rest: list[Any] = []
        """Data of the element `*`, which stands for everything else."""
        self.whole = True
        """False: some element could not be read, so that a miss proves nothing."""
        for literal, data in elements:
            self._add(literal, data, keys)
        self._spans = self._indexed()

    def find(self, keys: Sequence[Key], packet: Packet) -> tuple[list[Any], bool]:
        """What is found, all that may be, and whether there may be nothing."""
        values = tuple(key.read(packet) for key in keys)
        if None in values:
            return self._possible(values, keys[0].every if len(keys) == 1 else frozenset())
        found = self._found(values)
        if found is not None:
            return [found], False
        return self._rest[:1], not self._rest

    def _found(self, values: tuple[Any, ...]) -> Any:
        if values in self._exact:
            return self._exact[values]
        if self._spans is not None:
            lows, entries = self._spans
            at = bisect_right(lows, values[0]) - 1
            if at >= 0 and values[0] <= entries[at][0][1]:
                return entries[at][1]
            return None
        return next((data for parts, data in self._other if _fits(parts, values)), None)

    def _possible(self, values: tuple[Any, ...], every: frozenset[Value]) -> tuple[list[Any], bool]:
        found = [data for parts, data in self._all() if _fits(parts, values)]
        if every:
            missed = every - {parts[0] for parts in self._exact}
            return found + self._rest, bool(missed) and not self._rest
        return found + self._rest, not self._rest

    def _all(self) -> Iterator[tuple[tuple[Pattern, ...], Any]]:
        yield from self._exact.items()
        yield from self._other

    def _add(self, literal: Any, data: Any, keys: Sequence[Key]) -> None:
        if isinstance(literal, dict) and isinstance(literal.get("elem"), dict):
            literal = literal["elem"].get("val")
        if literal == "*":
            self._rest.append(data)
            return
        concat = literal.get("concat") if isinstance(literal, dict) else None
        parts = concat if isinstance(concat, list) else [literal]
        try:
            if len(parts) != len(keys):
                raise ValueError(literal)
            patterns = tuple(pattern(*pair) for pair in zip(parts, keys, strict=True))
        except (ValueError, LookupError, TypeError, AttributeError):
            self.whole = False
            return
        if all(isinstance(part, int | str) for part in patterns):
            self._exact.setdefault(patterns, data)
        else:
            self._other.append((patterns, data))

    def _indexed(self) -> tuple[list[int], list[tuple[Span, Any]]] | None:
        """Many ranges of numbers are found by halving; nft keeps them from overlapping."""
        if len(self._other) < _FEW or any(len(parts) != 1 for parts, _ in self._other):
            return None
        entries = [(parts[0], data) for parts, data in self._other]
        spans = [(span, data) for span, data in entries if isinstance(span, tuple)]
        if len(spans) != len(entries) or any(isinstance(key[0], str) for key in self._exact):
            return None
        spans.sort(key=lambda entry: entry[0])
        if any(after[0][0] <= before[0][1] for before, after in pairwise(spans)):
            return None
        return [span[0] for span, _ in spans], spans


def pattern(literal: Any, key: Key) -> Pattern:
    """One literal of an element or of a comparison."""
    if isinstance(literal, dict):
        kind, body = next(iter(literal.items()))
        if kind == "prefix":
            return _prefix(body, key)
        if kind == "range":
            low, high = key.parse(body[0]), key.parse(body[1])
            if isinstance(low, int) and isinstance(high, int):
                return low, high
        if kind == "elem":
            return pattern(body["val"], key)
        if kind == "|":
            return key.parse(literal)
        raise ValueError(literal)
    if isinstance(literal, str) and key.parse is str and literal.endswith("*"):
        # A name with a real star at its end is written `\*`.
        if literal.endswith("\\*"):
            return literal.removesuffix("\\*") + "*"
        return name_test(literal, "*")
    return key.parse(literal)


def _prefix(body: Any, key: Key) -> Span:
    text, length = body["addr"], int(body["len"])
    if isinstance(text, str) and key.bits in (32, 128) and not text.isdecimal():
        return prefix_span(text, length, 4 if key.bits == 32 else 6)
    low = int(key.parse(text))
    if not 0 <= length <= key.bits:
        raise ValueError(body)
    return low, low | ((1 << (key.bits - length)) - 1)


def _fits(parts: Sequence[Pattern], values: Sequence[Any]) -> bool:
    """What is not known (None) rules nothing out."""
    return all(
        value is None or holds(part, value) for part, value in zip(parts, values, strict=True)
    )


def holds(part: Pattern, value: Value) -> bool:
    """A value fits one pattern."""
    if isinstance(part, tuple):
        return isinstance(value, int) and part[0] <= value <= part[1]
    if isinstance(part, int | str):
        return part == value
    return part(value)
