"""Two recordings side by side, as `diff` would say it: `-` for the first, `+` for the second."""

from itertools import groupby

import msgspec

from tracer.core.words import end_word
from tracer.model.difference import SCHEMA, Change, Difference, Side
from tracer.render.json_document import schema_of
from tracer.render.style import Style, at_margin, fits, plain_record, wrapped

TABLE = 13
"""Where an entry's sign stands."""


def difference_text(difference: Difference, *, color: bool = False) -> str:
    """Who, what it means, then every entry that differs. Ends in a newline."""
    safe, style = plain_record(difference), Style(color)
    blocks = [
        [*_side("first", safe.before), *_side("second", safe.after)],
        _answer(safe, style),
        *(_place(place, list(changes)) for place, changes in groupby(safe.changes, _place_of)),
        [line for word in safe.not_compared for line in wrapped(f"not compared: {word}", 0)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def difference_document(difference: Difference) -> str:
    """The same as one JSON document. Ends in a newline."""
    return msgspec.json.format(msgspec.json.encode(difference), indent=2).decode() + "\n"


def difference_schema() -> str:
    """JSON Schema of that document, as published in docs/reference/. Ends in a newline."""
    return schema_of(Difference, SCHEMA, "What changed between two recordings")


def _side(name: str, side: Side) -> list[str]:
    request, verdict = side.request, side.verdict
    ends = f"{end_word(request.source)} to {end_word(request.destination)}"
    lines = wrapped(f"{name:<8}{side.recorded_at}  {ends}", 0)
    said = wrapped(f"{verdict.outcome.value.upper()}  {verdict.sentence}", 8)
    rule = verdict.rule or ""
    if rule and fits(said[-1], rule):
        said[-1] = at_margin(said[-1], rule)
    elif rule:
        said.append(at_margin("", rule))
    return [*lines, *said]


def _answer(difference: Difference, style: Style) -> list[str]:
    word = difference.turn.value.upper()
    lines = wrapped(difference.sentence, len(word) + 2)
    lines[0] = style.turn(difference.turn) + lines[0][len(word) :]
    if difference.by_part:
        lines += wrapped(
            "The recordings are of different nodes: each is compared by its part in the trace, and"
            " what concerns other nodes is left out.",
            0,
        )
    return lines


def _place_of(change: Change) -> str:
    return change.place


def _place(place: str, changes: list[Change]) -> list[str]:
    lines = [place]
    table = ""
    for change in changes:
        label = change.table if change.table != table else ""
        table = change.table
        for sign, text in (("-", change.before), ("+", change.after)):
            if text is not None:
                lines += _entry(label, sign, text)
                label = ""
    return lines


def _entry(label: str, sign: str, text: str) -> list[str]:
    lines = wrapped(text, TABLE + 2)
    first = f"  {label:<{TABLE - 2}}{sign} "
    if len(first) > TABLE + 2:
        return [f"  {label}", f"{' ' * TABLE}{sign} {lines[0].lstrip()}", *lines[1:]]
    return [first + lines[0][TABLE + 2 :], *lines[1:]]
