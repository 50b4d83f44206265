"""The path as a Mermaid flowchart, as GitHub and GitLab draw it from a fenced block.

One box a node, one step a hop, from top to bottom. What is wrong shows in form: a thick frame and
the word BAD, a hexagon where the packet ended, dashed frames for what it did not reach.
"""

import string
from collections.abc import Iterator

from tracer.model.diagnosis import Diagnosis
from tracer.model.path import Entry, Hop, Mark, Outcome, Place, Way
from tracer.render.folds import Fold, folds, title
from tracer.render.packets import describe
from tracer.render.style import plain

_SAFE = frozenset(string.ascii_letters + string.digits + " .,:/+_()='-")
LONGEST = 120
"""Characters of one line of a label; the whole entry stands in the report's text."""

SETTINGS = (
    '%%{init: {"flowchart": {"wrappingWidth": 640, "rankSpacing": 40,'
    ' "subGraphTitleMargin": {"top": 4, "bottom": 24}}}}%%'
)
"""Entries on one line each, no long way down, and room for a node's name."""

STYLES = (
    "classDef bad stroke:#b00020,stroke-width:4px",
    "classDef ended stroke:#b00020,stroke-width:4px,stroke-dasharray:2 3",
    "classDef unreached stroke-dasharray:6 4,opacity:0.7",
)


def mermaid(diagnosis: Diagnosis) -> str:
    """The path that decided the verdict, else the first request. Ends in a newline."""
    safe = plain(diagnosis)
    fold = deciding(safe)
    if fold is None:
        return 'flowchart TD\n  nothing["no packet was seen"]\n'
    return (
        "\n".join((SETTINGS, "flowchart TD", *_chart(fold, safe), *(f"  {one}" for one in STYLES)))
        + "\n"
    )


def deciding(diagnosis: Diagnosis) -> Fold | None:
    """The most frequent of the verdict's failed paths; where none failed, the first request's."""
    way = diagnosis.verdict.way or Way.REQUEST
    found = folds(diagnosis, way) or folds(diagnosis, Way.REPLY)
    failed = [fold for fold in found if fold.sample.outcome is diagnosis.verdict.outcome]
    return max(failed or found[:1], key=lambda fold: len(fold.paths), default=None)


def _chart(fold: Fold, diagnosis: Diagnosis) -> Iterator[str]:
    """Boxes with their hops, then the edges between them."""
    path = fold.sample
    hops = {f"h{number}": hop for number, hop in enumerate(path.hops)}
    missed = {f"m{number}": place for number, place in enumerate(path.not_reached)}
    nodes = dict.fromkeys([hop.node for hop in path.hops] + [p.node for p in path.not_reached])
    before: Hop | None = None
    lines: dict[str, list[str]] = {node: [] for node in nodes}
    for name, hop in hops.items():
        lines[hop.node].append(_step(name, hop, before))
        before = hop
    for name, place in missed.items():
        lines[place.node].append(_missed(name, place))
    among = folds(diagnosis, path.way)
    yield f'  start(["{_label(f"{title(fold, among, diagnosis)}: {path.outcome.value}")}"])'
    for number, node in enumerate(nodes):
        yield f'  subgraph n{number}["{_label(_node(node, diagnosis))}"]'
        yield from (f"    {line}" for line in lines[node])
        yield "  end"
    yield from _edges(hops, missed, lost=path.outcome is Outcome.LOST)


def _node(node: str, diagnosis: Diagnosis) -> str:
    request, overlay = diagnosis.request, diagnosis.overlay
    ends = (
        (request.source, overlay.source_underlay),
        (request.destination, overlay.destination_underlay),
    )
    underlay = next((ip for end, ip in ends if end.node == node and ip is not None), None)
    return node if underlay is None else f"{node} {underlay}"


def _step(name: str, hop: Hop, before: Hop | None) -> str:
    """One hop: what it was, and the entries that decided, each on a line of its own."""
    words = " ".join(describe(hop, before).split())
    if hop.drop is not None:
        return f'{name}{{{{"{_lines("dropped: " + words)}"}}}}:::ended'
    place = f"{hop.ifname} {hop.direction.value}"
    label = _lines(f"{place}: {words}" if words else place, *map(_entry, hop.entries))
    bad = any(entry.mark is Mark.BAD for entry in hop.entries)
    return f'{name}["{label}"]{":::bad" if bad else ""}'


def _entry(entry: Entry) -> str:
    mark = f": {entry.mark.value}" if entry.mark is not Mark.NONE else ""
    wanted = f", should be {entry.expected}" if mark and entry.expected else ""
    return f"{entry.table} {entry.text}{mark}{wanted}"


def _missed(name: str, place: Place) -> str:
    where = f"{place.ifname} {place.direction.value}"
    return f'{name}["{_lines("not reached: " + where)}"]:::unreached'


def _edges(hops: dict[str, Hop], missed: dict[str, Place], *, lost: bool) -> Iterator[str]:
    """Solid where it went, dotted where it should have gone; between nodes the underlay."""
    before, node = "start", None
    for name, hop in hops.items():
        across = node is not None and node != hop.node
        yield f'  {before} -- "underlay" --> {name}' if across else f"  {before} --> {name}"
        before, node = name, hop.node
    for number, name in enumerate(missed):
        word = '-. "lost" .-x' if lost and number == 0 else "-.->"
        yield f"  {before} {word} {name}"
        before = name


def _lines(*lines: str) -> str:
    return "<br/>".join(_label(line) for line in lines)


def _label(text: str) -> str:
    """Text that Mermaid takes for nothing but text: all but plain characters by their number."""
    if len(text) > LONGEST:
        text = text[: LONGEST - 3] + "..."
    return "".join(one if one in _SAFE else f"#{ord(one)};" for one in text)
