"""A journey as a drawing: a lane for each node, the stops on one line through them.

Geometry only, in units that are CSS pixels on a phone; the template turns it into SVG.
"""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import NamedTuple

from tracer.model.path import Entry, Mark
from tracer.render.fitting import HINT, SANS, broken, cut, room, width
from tracer.render.stops import UNDERLAY, Line, Loop, Sign, Stop, loops

WIDTH = 360
RAIL = 26.0
TEXT = 46.0
RIGHT, EDGE = 352.0, 357.0
"""Where what stands to the right ends, and where a line of its own may end."""
INSET = 8.0
"""From the edge of a frame to its text."""

NAME, SMALL = 11.5, 10.5
"""Font sizes; the style sheet has the same two."""
HEADER, STEP, LEADING, GAP = 27.0, 24.0, 13.5, 30.0
ROLE = 158.0
"""Where what a device does begins, unless its name is longer."""
SHORT = 15
"""An IPv4 address fits beside a name; an IPv6 address does not."""
QUOTED = 4
"""Lines of what a frame quotes, at most."""


class Text(NamedTuple):
    """One line. `whole` is what was cut, or broken into several."""

    x: float
    y: float
    style: str
    text: str
    whole: str | None = None
    anchor: str = "start"


class Box(NamedTuple):
    """A lane, or the frame around what is wrong."""

    style: str
    x: float
    y: float
    width: float
    height: float


class Segment(NamedTuple):
    """The line down to a stop."""

    line: Line
    y1: float
    y2: float


class Glyph(NamedTuple):
    """A sign on the line, or the mark before an entry."""

    style: str
    x: float
    y: float
    number: int | None = None


class Arc(NamedTuple):
    """Back from a loop's last stop to its first."""

    y1: float
    y2: float


class Drawing(NamedTuple):
    """All that is drawn, in the order in which it is drawn."""

    height: float
    boxes: tuple[Box, ...]
    segments: tuple[Segment, ...]
    arcs: tuple[Arc, ...]
    glyphs: tuple[Glyph, ...]
    texts: tuple[Text, ...]


def drawing(stops: tuple[Stop, ...], addresses: Mapping[str, str | None], crossing: str) -> Drawing:
    """`addresses`: of nodes on the underlay; `crossing`: what the underlay carried, in words."""
    canvas = _Canvas()
    before: str | None = None
    for node, group in groupby(stops, key=lambda stop: stop.node):
        here = tuple(group)
        if node == UNDERLAY:
            canvas.underlay(here, crossing)
        else:
            if before not in (None, UNDERLAY):
                canvas.underlay((), _carried(here[0].line, crossing))
            canvas.lane(node, addresses.get(node), here)
        before = node
    return canvas.finished(loops(stops))


def _carried(line: Line, crossing: str) -> str:
    """What is known of the underlay where nothing was lost on it."""
    if line is Line.TUNNEL:
        return crossing
    return {Line.BARE: "not encapsulated", Line.UNSEEN: "not watched"}.get(line, "")


class _Canvas:
    """Draws from the top down; `_y` is where the next thing begins."""

    def __init__(self) -> None:
        self._y = 0.5
        self._centres: list[float] = []
        self._lanes: list[Box] = []
        self._frames: list[Box] = []
        self._segments: list[Segment] = []
        self._glyphs: list[Glyph] = []
        self._texts: list[Text] = []

    def lane(self, node: str, address: str | None, stops: tuple[Stop, ...]) -> None:
        """A node: its name and underlay address, then its stops."""
        top = self._y
        shown = address if address is not None and len(address) <= SHORT else ""
        self._name(TEXT, top + 17, "node", node, RIGHT - TEXT - 8 - width(shown, SMALL))
        self._right(top + 17, shown)
        self._y = top + HEADER
        for stop in stops:
            self._stop(stop)
        self._y += 5
        self._lanes.append(Box("lane", 0.5, top, WIDTH - 1, self._y - top))

    def underlay(self, stops: tuple[Stop, ...], crossing: str) -> None:
        """Between two nodes: what is carried there, and where it is lost if it is lost there."""
        baseline = self._y + GAP / 2 + 4
        self._texts.append(Text(TEXT, baseline, "role", "underlay"))
        if crossing:
            self._name(TEXT + 52, baseline, "dim", crossing, RIGHT - TEXT - 52)
        self._y += GAP
        for stop in stops:
            self._stop(stop)
        self._y += 10 if stops else 0

    def finished(self, rounds: Iterable[Loop]) -> Drawing:
        """Everything, with the arcs of the loops."""
        return Drawing(
            height=self._y + 0.5,
            boxes=(*self._lanes, *self._frames),
            segments=tuple(self._segments),
            arcs=tuple(Arc(self._centres[one.first], self._centres[one.last]) for one in rounds),
            glyphs=tuple(self._glyphs),
            texts=tuple(self._texts),
        )

    def _stop(self, stop: Stop) -> None:
        framed = stop.sign in (Sign.DROP, Sign.LOST, Sign.UNKNOWN)
        centre = self._y + (INSET + 7 if framed else STEP / 2)
        if self._centres:
            self._segments.append(Segment(stop.line, self._centres[-1], centre))
        self._centres.append(centre)
        wrong = any(entry.mark is Mark.BAD for entry in stop.entries)
        style = f"{stop.sign.value} wrong" if wrong else stop.sign.value
        self._glyphs.append(Glyph(style, RAIL, centre, stop.number))
        if framed:
            self._frame(stop.name, "", stop.words, stop.sign.value)
            return
        self._y += STEP
        self._head(stop, centre + 4)
        for entry in stop.entries:
            self._entry(entry)

    def _head(self, stop: Stop, baseline: float) -> None:
        """Name, what is done there, when; below it what is out of the ordinary."""
        missed = stop.sign in (Sign.MISSED, Sign.AWAITED)
        right, below = stop.time, stop.words
        if missed:
            below = ()
        elif stop.sign is Sign.END and len(stop.words[0]) <= SHORT:
            right, below = stop.words[0], ()
        free = RIGHT - (width(right, SMALL) + 8 if right else 0)
        shown = self._name(
            TEXT, baseline, "name missed" if missed else "name", stop.name, free - TEXT
        )
        after = max(ROLE, TEXT + width(shown, NAME) + 8)
        if stop.role and after + width(stop.role, SMALL, SANS) <= free:
            self._texts.append(Text(after, baseline, "role", stop.role))
        self._right(baseline, right)
        for words in below:
            self._y = self._lines(self._y + 9, "note", words, TEXT, 2) + 5

    def _entry(self, entry: Entry) -> None:
        """Two lines for what is right; a frame for what is not."""
        if entry.mark is Mark.BAD:
            because = f", says {entry.because}" if entry.because else ""
            should = (f"should be {entry.expected}{because}",) if entry.expected else ()
            self._frame("BAD", entry.table, (entry.text, *should), "bad")
            return
        self._glyphs.append(Glyph(entry.mark.value or "plain", TEXT + 4, self._y + 5.5))
        words = f"{entry.table} {entry.text}"
        self._y = self._lines(self._y + 9, "entry", words, TEXT + 12, 2) + 5.5

    def _frame(self, title: str, subject: str, quoted: Iterable[str], style: str) -> None:
        """A frame with a word on top: what is wrong is told by form, not by colour alone."""
        top, left = self._y + 1, TEXT + INSET
        baseline = top + INSET + 7.5
        if style == "bad":
            self._glyphs.append(Glyph(style, left + 4, baseline - 4))
            left += 14
        shown = self._name(left, baseline, "word", title, RIGHT - left - INSET)
        if subject:
            left += width(shown, NAME) + 6
            self._name(left, baseline, "entry", subject, RIGHT - left - INSET)
        for words in quoted:
            baseline = self._lines(
                baseline + LEADING, "quoted", words, TEXT + INSET, QUOTED, EDGE - INSET
            )
        height = baseline + 6 - top
        self._frames.append(Box(f"frame {style}", TEXT, top, RIGHT - TEXT + 2, height))
        self._y = top + height + 5

    def _name(self, x: float, y: float, style: str, text: str, wide: float) -> str:
        """One line, its middle left out if it is too long. What is shown of it."""
        size = NAME if style.split()[0] in ("node", "name", "word") else SMALL
        shown = cut(text, room(wide, size))
        self._texts.append(Text(x, y, style, shown, cut(text, HINT) if shown != text else None))
        return shown

    def _right(self, y: float, text: str) -> None:
        if text:
            self._texts.append(Text(RIGHT, y, "dim", text, anchor="end"))

    def _lines(
        self, y: float, style: str, words: str, x: float, most: int, right: float = EDGE
    ) -> float:
        """Words in at most that many lines, the first one's baseline at `y`; the last baseline."""
        shown = broken(words, room(right - x, SMALL), most)
        whole = cut(words, HINT) if len(shown) > 1 else None
        for line in shown:
            self._texts.append(Text(x, y, style, line, whole))
            y, whole = y + LEADING, None
        return y - LEADING
