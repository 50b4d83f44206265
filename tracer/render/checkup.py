"""A checkup's text: the answer, what is there and what is missing, and each remedy."""

from collections.abc import Iterable

from tabulate import tabulate

from tracer.model.checkup import SCHEMA, Checkup, Item, Place, Standing
from tracer.render.json_document import schema_of
from tracer.render.style import Style, plain_record, wrapped
from tracer.render.text import blocks_of

LABEL = 10
"""Columns of `without` and `remedy`, and of what is before an item's words."""


def checkup_text(checkup: Checkup, *, color: bool = False) -> str:
    """The whole. Nodes of which everything is alike stand together. Ends in a newline."""
    safe, style = plain_record(checkup), Style(color)
    places = [([place], place) for place in [safe.operator] if place is not None]
    blocks = [wrapped(safe.sentence, 0)]
    blocks += [_block(_title(alike), place, style) for alike, place in [*places, *_alike(safe)]]
    return blocks_of(blocks)


def _alike(checkup: Checkup) -> Iterable[tuple[list[Place], Place]]:
    groups: dict[tuple[object, ...], list[Place]] = {}
    for place in checkup.nodes:
        groups.setdefault((place.about, place.items), []).append(place)
    return [(group, group[0]) for group in groups.values()]


def _title(alike: list[Place]) -> str:
    names = ", ".join(place.node or "the cluster" for place in alike)
    about = alike[0].about
    return f"{names}: {about}" if about else names


def _block(title: str, place: Place, style: Style) -> list[str]:
    rows = [(item.name, item.standing.value, item.said) for item in place.items]
    table = tabulate(rows, tablefmt="plain", disable_numparse=True, maxcolwidths=[None, None, 74])
    lines = [*wrapped(title, 0), *(f"  {line.rstrip()}" for line in table.splitlines())]
    lines = [_painted(line, style) for line in lines]
    for item in place.items:
        if item.standing is not Standing.OK and (item.without or item.remedy):
            lines += _advice(item)
    return lines


def _painted(line: str, style: Style) -> str:
    """The standing's word in its colour: the second of a row."""
    for standing in Standing:
        mark = f" {standing.value} "
        if line.startswith("  ") and mark in line[:26]:
            return line.replace(mark, f" {style.standing(standing)} ", 1)
    return line


def _advice(item: Item) -> list[str]:
    lines = [f"  {item.name}"]
    for label, text in (("without", item.without), ("remedy", item.remedy)):
        if text:
            said = wrapped(text, LABEL + 4)
            lines += [f"    {label:<{LABEL}}{said[0].lstrip()}", *said[1:]]
    return lines


def checkup_schema() -> str:
    """JSON Schema of the document, as published in docs/reference/. Ends in a newline."""
    return schema_of(Checkup, SCHEMA, "What flantrace doctor concludes")
