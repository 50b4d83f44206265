"""The terminal of `flantrace top`: its life, its keys, and what stands on it."""

from __future__ import annotations

import contextlib
import curses
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

from tracer.cli.board import Board, Shown
from tracer.core.overview import Silence, Sort
from tracer.render.columns import Line, Span, clipped
from tracer.render.top import View, last_first, top_lines

TICK_MS = 100
"""How long a key, a resize or an end waits at most."""

HELP = """\
q            leave
s            sort by packets, bits, drops, misaddressed, gap, node, peer; what is wrong stays on top
n            look at the next node, after the last one at all
up, down     move by a line; PgUp, PgDn by ten; Home to the top
Ctrl-L       draw the screen anew
?            this help, and back

in, out      what came by the uplink from this peer, and what left for it
pps, bps     packets and bits per second
drops/s      packets of this peer that the node's kernel threw away
misaddr/s    packets that are not as the leases say
gap          packets lost between node and peer since the watch began; -: the peer is not watched
records      packets that were looked at whole: samples, and those that were not as they should be
""".splitlines()

_COLORS = {"red": curses.COLOR_RED, "green": curses.COLOR_GREEN, "yellow": curses.COLOR_YELLOW}
_REDRAW = 12
"""Ctrl-L."""


def usable() -> bool:
    """There is a terminal at both ends, and curses knows what it can do."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM") == "dumb":
        return False
    try:
        curses.setupterm()
    except curses.error:
        return False
    return True


def run(board: Board, nodes: Sequence[str], view: View, *, color: bool) -> None:
    """Show the board until it ends or somebody leaves. The terminal is left as it was."""
    try:
        with _terminal(color=color) as (window, looks):
            _Screen(window, looks, board, nodes, view).run()
    except BaseException as error:
        board.failed = error


@contextlib.contextmanager
def _terminal(*, color: bool) -> Iterator[tuple[curses.window, Mapping[str, int]]]:
    window = curses.initscr()
    try:
        curses.noecho()
        curses.cbreak()
        window.keypad(True)
        window.timeout(TICK_MS)
        with contextlib.suppress(curses.error):
            curses.curs_set(0)
        yield window, _looks(color=color)
    finally:
        # A terminal that is gone cannot be put right.
        with contextlib.suppress(curses.error):
            with contextlib.suppress(curses.error):
                curses.curs_set(1)
            window.keypad(False)
            curses.nocbreak()
            curses.echo()
            curses.endwin()


def _looks(*, color: bool) -> dict[str, int]:
    """Attributes by the names of render/style.py."""
    looks = {"bold": curses.A_BOLD, "dim": curses.A_DIM}
    if color:
        with contextlib.suppress(curses.error):
            curses.start_color()
            curses.use_default_colors()
            for number, (name, value) in enumerate(_COLORS.items(), 1):
                curses.init_pair(number, value, -1)
                looks[name] = curses.color_pair(number)
    return looks


class _Screen:
    def __init__(
        self,
        window: curses.window,
        looks: Mapping[str, int],
        board: Board,
        nodes: Sequence[str],
        view: View,
    ) -> None:
        self._window, self._looks, self._board, self._view = window, looks, board, view
        self._silence = Silence(nodes)
        self._help = False

    def run(self) -> None:
        drawn: tuple[object, ...] = ()
        while not self._board.ended.is_set():
            shown = self._board.look()
            silent = self._silence.hear(shown.statuses, time.monotonic())
            whole = {node: int(seconds) for node, seconds in silent.items()}
            now = (shown, whole, self._view, self._help, self._window.getmaxyx())
            if now != drawn:
                self._draw(shown, whole)
                drawn = now
            key = self._window.getch()
            if key == ord("q"):
                self._board.left.set()
                return
            if key in (_REDRAW, curses.KEY_RESIZE):
                self._window.clear()
                drawn = ()
            self._pressed(key, shown)

    def _pressed(self, key: int, shown: Shown) -> None:
        view = self._view
        if key == ord("s"):
            sorts = list(Sort)
            sort = sorts[(sorts.index(view.sort) + 1) % len(sorts)]
            self._view = view._replace(sort=sort, first=0)
        elif key == ord("n"):
            self._view = view._replace(node=_next(shown, view.node), first=0)
        elif key == ord("?"):
            self._help = not self._help
        elif key in _MOVES:
            last = last_first(shown.statuses, view.node)
            first = 0 if key == curses.KEY_HOME else view.first + _MOVES[key]
            self._view = view._replace(first=min(max(0, first), last))

    def _draw(self, shown: Shown, silent: Mapping[str, float]) -> None:
        height, width = self._window.getmaxyx()
        lines = self._help_lines(width) if self._help else self._table(shown, silent)
        self._window.erase()
        for row, line in enumerate(lines[: height - 1]):
            self._write(row, line)
        self._write(height - 1, clipped(self._foot(shown), width - 1))
        self._window.refresh()

    def _table(self, shown: Shown, silent: Mapping[str, float]) -> list[Line]:
        height, width = self._window.getmaxyx()
        return top_lines(
            shown.statuses, width=width, height=height - 1, view=self._view, silent=silent
        )

    @staticmethod
    def _help_lines(width: int) -> list[Line]:
        return [clipped((Span(text),), width) for text in HELP]

    def _foot(self, shown: Shown) -> Line:
        if shown.stage:
            return (Span(f"{shown.stage} ...", "dim"),)
        keys = f"q leave  s sort ({self._view.sort})  n node ({self._view.node or 'all'})  ? help"
        return (Span(keys, "dim"),)

    def _write(self, row: int, line: Line) -> None:
        column = 0
        for span in line:
            attributes = 0
            for name in span.look.split():
                attributes |= self._looks.get(name, 0)
            # The terminal may have shrunk since its size was asked for.
            with contextlib.suppress(curses.error):
                self._window.addstr(row, column, span.text, attributes)
            column += len(span.text)


_MOVES = {
    curses.KEY_UP: -1,
    curses.KEY_DOWN: 1,
    curses.KEY_PPAGE: -10,
    curses.KEY_NPAGE: 10,
    curses.KEY_HOME: 0,
}


def _next(shown: Shown, node: str | None) -> str | None:
    """All, the first, the second ... the last, all."""
    nodes = [None, *(status.node for status in shown.statuses)]
    return nodes[(nodes.index(node) + 1) % len(nodes)] if node in nodes else None
