"""A table of spans that fits any width: the columns at the right go first."""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

Row = TypeVar("Row")


class Span(NamedTuple):
    """A text and how it looks: a name of render/style.py, or none."""

    text: str
    look: str = ""


Line: TypeAlias = tuple[Span, ...]

GAP = 2
"""Columns of space between two of a table's."""


class Column(NamedTuple, Generic[Row]):
    """One column of a table."""

    title: str
    cell: Callable[[Row], Span]
    least: int
    """Columns that it has at least, so that figures do not make it jump."""
    right: bool = True
    elastic: bool = False
    """It may be cut, to as little as `least`."""


def table(
    columns: Sequence[Column[Row]], rows: Sequence[Row], width: int, look: str = "dim"
) -> list[Line]:
    """A line of titles and one for each row, none wider than `width`, none broken."""
    cells = [[column.cell(row) for column in columns] for row in rows]
    widths = [
        max([column.least, len(column.title), *(len(line[at].text) for line in cells)])
        for at, column in enumerate(columns)
    ]
    widths = _fitted(columns, widths, width)
    shown = columns[: len(widths)]
    titles = [Span(column.title, look) for column in shown]
    return [_line(shown, widths, line, width) for line in (titles, *cells)]


def _fitted(columns: Sequence[Column[Row]], widths: list[int], width: int) -> list[int]:
    """Without those for which there is no room; an elastic one gets what is left."""
    used = -GAP
    fitted: list[int] = []
    for column, wanted in zip(columns, widths, strict=True):
        left = width - used - GAP
        if column.elastic and column.least <= left < wanted:
            wanted = left
        if wanted > left and fitted:
            break
        fitted.append(wanted)
        used += GAP + wanted
    return fitted


def _line(
    columns: Sequence[Column[Row]], widths: Sequence[int], cells: Sequence[Span], width: int
) -> Line:
    spans: list[Span] = []
    for column, wide, cell in zip(columns, widths, cells, strict=False):
        text = cut(cell.text, wide)
        pad = " " * (wide - len(text))
        before, after = (pad, "") if column.right else ("", pad)
        spans += [Span((" " * GAP if spans else "") + before), Span(text, cell.look), Span(after)]
    return clipped(spans, width)


def clipped(spans: Sequence[Span], width: int) -> Line:
    """At most so many columns, without trailing spaces."""
    kept: list[Span] = []
    left = width
    for span in spans:
        if span.text and left > 0:
            kept.append(Span(span.text[:left], span.look))
            left -= len(kept[-1].text)
    while kept and not kept[-1].text.strip():
        kept.pop()
    if kept:
        kept[-1] = Span(kept[-1].text.rstrip(), kept[-1].look)
    return tuple(kept)


def cut(text: str, most: int) -> str:
    """At most that many columns; two dots stand for the rest."""
    return text if len(text) <= most else f"{text[: max(0, most - 2)]}.."[:most]


def cut_in_the_middle(text: str, most: int) -> str:
    """The same with both ends kept: names of nodes differ at either."""
    if len(text) <= most:
        return text
    tail = max(0, most - 2) // 2
    return cut(text, most - tail) + (text[-tail:] if tail else "")
