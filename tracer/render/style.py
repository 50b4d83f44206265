"""How a line looks: 100 plain columns, the last word at 98, colour only on request."""

import re
from textwrap import wrap as _wrap
from typing import Any, TypeVar

import msgspec

from tracer.model.checkup import Standing
from tracer.model.diagnosis import Diagnosis
from tracer.model.difference import Turn
from tracer.model.path import Mark, Outcome
from tracer.model.record import Record

WIDTH = 100
MARGIN = 98
"""Where the last column ends: ok, BAD, skip, `<-- differs`."""

_CODES = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}
_VERDICT = {
    Outcome.DELIVERED: "green",
    Outcome.DROPPED: "red",
    Outcome.LOST: "red",
    Outcome.UNKNOWN: "yellow",
}
_TURN = {Turn.FIXED: "green", Turn.BROKEN: "red", Turn.OTHER: "red", Turn.UNKNOWN: "yellow"}
_STANDING = {
    Standing.OK: ("dim",),
    Standing.LESS: ("yellow",),
    Standing.MISSING: ("red", "bold"),
    Standing.UNKNOWN: ("yellow",),
}

_ODD = re.compile(rb'[^ -~]|\\[^"\\]')
"""In JSON: beyond printable ASCII, or a control character's escape."""

AnyRecord = TypeVar("AnyRecord", bound=Record)


class Style:
    """Colour or none. Four uses only: the verdict's word, BAD, a differing value, dim for ok."""

    def __init__(self, color: bool) -> None:
        self._color = color

    def _paint(self, text: str, *names: str) -> str:
        if not self._color or not text:
            return text
        codes = ";".join(_CODES[name] for name in names)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def painted(self, text: str, *names: str) -> str:
        """A text in the looks of those names: red, green, yellow, dim, bold; none: as it is."""
        return self._paint(text, *names) if names else text

    def outcome(self, outcome: Outcome, *, fault: bool) -> str:
        """The verdict's word. A fault is red even where everything arrived."""
        name = "red" if fault and outcome is Outcome.DELIVERED else _VERDICT[outcome]
        return self._paint(outcome.value.upper(), name, "bold")

    def answer(self, word: str, exit_code: int) -> str:
        """The first word of a check, by its exit code."""
        return self._paint(word, {0: "green", 1: "red"}.get(exit_code, "yellow"), "bold")

    def standing(self, standing: Standing) -> str:
        """How one thing stands in a checkup."""
        return self._paint(standing.value, *_STANDING[standing])

    def turn(self, turn: Turn) -> str:
        """How a verdict turned."""
        return self._paint(turn.value.upper(), _TURN.get(turn, "dim"), "bold")

    def mark(self, mark: Mark) -> str:
        """The last column's word."""
        if mark is Mark.BAD:
            return self._paint(mark.value, "red", "bold")
        return self._paint(mark.value, "dim") if mark is Mark.OK else mark.value

    def differing(self, value: str) -> str:
        """A value that is not what it should be."""
        return self._paint(value, "red")


def plain(diagnosis: Diagnosis) -> Diagnosis:
    """The same diagnosis with every string made safe for a terminal."""
    return plain_record(diagnosis)


def plain_record(record: AnyRecord) -> AnyRecord:
    """The same record with every string made safe for a terminal.

    Names, annotations and firewall rules come from elsewhere: control characters and everything
    beyond ASCII are shown as escapes, so that no text can move the cursor or hide a line.
    """
    if _is_plain(record):
        return record
    return msgspec.convert(_plain(msgspec.to_builtins(record)), type(record))


def _is_plain(record: Record) -> bool:
    """Most are, and then no string need be looked at one by one."""
    try:
        return _ODD.search(msgspec.json.encode(record)) is None
    except UnicodeEncodeError:
        return False


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() and value.isprintable() else escaped(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def escaped(text: str) -> str:
    """Control characters and non-ASCII as `\\x1b` and the like; an ellipsis as three dots."""
    dotted = text.replace("\u2026", "...")
    return "".join(
        one if one.isascii() and one.isprintable() else one.encode("unicode_escape").decode()
        for one in dotted
    )


def wrapped(text: str, indent: int, width: int = WIDTH) -> list[str]:
    """Lines of at most `width` columns, each indented; words longer than that are cut."""
    pad = " " * indent
    return [pad + line for line in _wrap(text, width - indent, break_on_hyphens=False)] or [pad]


def at_margin(line: str, word: str, painted: str | None = None) -> str:
    """The line with `word` ending at the margin. `painted`: the same word with colour."""
    return f"{line:<{MARGIN - len(word)}}{painted or word}" if word else line


def fits(line: str, word: str) -> bool:
    """There is room for `word` at the margin, with two columns between."""
    return len(line) + 2 + len(word) <= MARGIN


def command_lines(command: str, indent: int) -> list[str]:
    """A command as it can be pasted: too long for a line, it goes on behind a backslash.

    A word is never cut: one that is longer than a line makes a longer line.
    """
    pad = " " * indent
    lines: list[str] = []
    rest, where, node = command.partition("   # ")
    if where and len(pad) + len(command) <= WIDTH:
        return [pad + command]
    if where:
        lines.append(f"{pad}# {node}")
    while len(pad) + len(rest) > WIDTH:
        spaces = [
            at
            for at, one in enumerate(rest)
            if one == " " and at > 4 and not rest[:at].count("'") % 2
        ]
        room = WIDTH - len(pad) - 2
        cut = max((at for at in spaces if at <= room), default=min(spaces, default=None))
        if cut is None:
            break
        lines.append(f"{pad}{rest[:cut].rstrip()} \\")
        rest = "    " + rest[cut:].lstrip()
    return [*lines, pad + rest]
