"""`flantrace top`: the answer, how well it is known, peers by what is wrong, and the findings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tracer.core.overview import LACKING, WRONG, Sort, answer, level, ordered, standing
from tracer.model.diagnosis import Finding, Severity
from tracer.model.top import SCHEMA, Top
from tracer.model.watch import Rates, Status
from tracer.render.columns import Column, Line, Span, clipped, cut_in_the_middle, table
from tracer.render.examination import WORDS
from tracer.render.figures import humane, lasted
from tracer.render.json_document import schema_of
from tracer.render.style import WIDTH, Style, escaped, plain_record, wrapped
from tracer.render.watch import leases_said, lost_said, sampling_said

UNLEASED = "(no lease)"
"""Instead of a peer: addresses of the cluster's network that nobody leases."""

MOST = 50
"""Lines of peers where no height bounds them."""

_LOOKS = {LACKING: "yellow", WRONG: "red"}
_ANSWERS = {0: "green", 1: "red"}
_SEVERITIES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.UNKNOWN: "yellow"}


class View(NamedTuple):
    """What is looked at."""

    sort: Sort = Sort.PACKETS
    node: str | None = None
    """None: all nodes."""
    first: int = 0
    """Lines of peers that are above the screen."""


def top_text(
    statuses: Sequence[Status],
    *,
    width: int = WIDTH,
    height: int | None = None,
    view: View = View(),  # noqa: B008
    silent: Mapping[str, float] | None = None,
    color: bool = False,
) -> str:
    """The whole as text. `silent` as for overview.answer. Ends in a newline."""
    style = Style(color)
    lines = top_lines(statuses, width=width, height=height, view=view, silent=silent or {})
    return "".join(
        "".join(style.painted(span.text, *span.look.split()) for span in line) + "\n"
        for line in lines
    )


def top_lines(
    statuses: Sequence[Status],
    *,
    width: int,
    height: int | None,
    view: View,
    silent: Mapping[str, float],
) -> list[Line]:
    """Lines of at most `width` columns; at most `height` of them, None: as many as it takes.

    The answer and the findings are those of all nodes, whichever node is looked at.
    """
    chosen = [one for one in statuses if view.node in (None, one.node)]
    head = [*_answer(statuses, silent, width), *_state(chosen, width)]
    findings = _findings(standing(statuses), width)
    rows = ordered(chosen, view.sort)
    if height is None:
        room = MOST + 2
    else:
        most = max(0, (height - len(head)) // 3)
        # A cut block ends at a whole line and would say nothing of what is left out: the answer
        # counts them all.
        findings = findings[: max(most, height - len(head) - len(rows) - 4)]
        room = height - len(head) - 1 - (len(findings) + 1 if findings else 0)
    blocks = [head, _peers(rows, width, max(0, room), view.first), findings]
    lines = [line for block in blocks if block for line in ((), *block)][1:]
    return lines if height is None else lines[:height]


def last_first(statuses: Sequence[Status], node: str | None) -> int:
    """The furthest that View.first can be: the last line of peers stands at the top."""
    number = sum(len(one.rates) for one in statuses if node in (None, one.node))
    return max(0, number - 1)


def _answer(statuses: Sequence[Status], silent: Mapping[str, float], width: int) -> list[Line]:
    code, sentence = answer(statuses, silent)
    word = WORDS[code]
    said = wrapped(escaped(sentence), len(word) + 2, max(width, 20))
    first = Span(said[0][len(word) :])
    lines = [(Span(word, f"{_ANSWERS.get(code, 'yellow')} bold"), first)]
    return [clipped(line, width) for line in (*lines, *((Span(text),) for text in said[1:]))]


def _state(statuses: Sequence[Status], width: int) -> list[Line]:
    """How well the answer is known; as much of it as fits, what was missed first."""
    if not statuses:
        return []
    taken = sum(one.records for one in statuses)
    parts = [Span(text, "yellow") for text in lost_said(statuses)]
    parts += [Span(leases_said(statuses)), Span(sampling_said(statuses))]
    parts += [Span(f"{humane(taken)} records"), *([] if lost_said(statuses) else [Span("0 lost")])]
    parts += [Span(_overhead(statuses)), Span(f"for {_watched(statuses)}")]
    spans: list[Span] = []
    for part in parts:
        joined = [*spans, *([Span(", ")] if spans else []), part]
        if sum(len(span.text) for span in joined) > width and spans:
            break
        spans = joined
    return [clipped(spans, width)]


def _overhead(statuses: Sequence[Status]) -> str:
    """Of the node where it is most."""
    known = [one.overhead for one in statuses if one.overhead is not None]
    if not known:
        return "overhead not measured"
    most = " at most" if len(statuses) > 1 else ""
    return f"overhead{most} {100 * max(known):.1f}% of a CPU"


def _watched(statuses: Sequence[Status]) -> str:
    return lasted(min(one.watched_s for one in statuses))


def _peers(rows: Sequence[Rates], width: int, room: int, first: int) -> list[Line]:
    """As many lines as there is room for, the titles included; then how many more there are."""
    if not rows or room < 2:
        return []
    first = min(first, len(rows) - 1)
    whole = first == 0 and len(rows) <= room - 1
    shown = rows[first : first + room - (1 if whole else 2)]
    lines = table(_columns(rows, width), [plain_record(row) for row in shown], width)
    if whole:
        return lines
    below = rows[first + len(shown) :]
    return [*lines, clipped((Span(_more(first, below), "dim"),), width)]


def _more(above: int, below: Sequence[Rates]) -> str:
    """`and 4,930 more, all quiet`."""
    passed = f"{above:,} above" if above else ""
    if not below:
        return passed
    loud = sum(level(row) > 0 for row in below)
    quiet = f"{loud:,} of them not quiet" if loud else "all quiet"
    return f"{passed + ', ' if passed else 'and '}{len(below):,} more, {quiet}"


def _columns(rows: Sequence[Rates], width: int) -> list[Column[Rates]]:
    """What tells a fault stands left of what does not: where it is narrow, the right goes."""
    twice = Counter((row.node, row.peer) for row in rows).most_common(1)[0][1] > 1
    most = max(8, width // 5)
    domain = _domain({name for row in rows for name in (row.node, row.peer) if name})

    def short(name: str) -> str:
        return cut_in_the_middle(name.removesuffix(domain), most)

    def node(row: Rates) -> Span:
        return Span(short(row.node), _LOOKS.get(level(row), ""))

    def peer(row: Rates) -> Span:
        family = f" {row.subnet}" if twice and row.subnet else ""
        return Span(short(row.peer or UNLEASED) + family, _LOOKS.get(level(row), ""))

    return [
        Column("node", node, 0, right=False),
        Column("peer", peer, 0, right=False),
        Column("in pps", lambda row: Span(humane(row.packets_in_s)), 6),
        Column("out pps", lambda row: Span(humane(row.packets_out_s)), 7),
        Column("drops/s", lambda row: _bad(row.dropped_s, "red"), 7),
        Column("misaddr/s", lambda row: _bad(row.deviating_s, "red"), 9),
        Column("gap", _gap, 5),
        Column("in bps", lambda row: Span(humane(8 * row.bytes_in_s)), 6),
        Column("out bps", lambda row: Span(humane(8 * row.bytes_out_s)), 7),
        Column("last change", lambda row: Span(row.last_change or ""), 12, False, True),
    ]


def _domain(names: set[str]) -> str:
    """The `.eu-central-1.compute.internal` of them all, which tells nobody anything."""
    domains = {name.partition(".")[2] for name in names}
    domain = domains.pop() if len(domains) == 1 else ""
    # Of addresses as names, no part is a domain.
    return f".{domain}" if any(letter.isalpha() for letter in domain) else ""


def _gap(row: Rates) -> Span:
    """What is not known is no zero."""
    return Span("-") if row.gap is None else _bad(row.gap, "yellow")


def _bad(number: float, look: str) -> Span:
    return Span(humane(number), f"{look} bold") if number else Span("0")


def _findings(findings: Sequence[Finding], width: int) -> list[Line]:
    lines: list[Line] = []
    for finding in map(plain_record, findings):
        look = _SEVERITIES.get(finding.severity, "")
        place = " ".join((finding.node, *([finding.device] if finding.device else [])))
        names = " or ".join((finding.rule, *finding.also))
        head = (Span(f"{finding.severity.value:<7}", look), Span(f"  {names}  "), Span(place))
        sentence = wrapped(finding.sentence, 2, max(width, 20))
        lines += [clipped(head, width), *(clipped((Span(text),), width) for text in sentence)]
    return lines


def top_document(statuses: Sequence[Status], silent: Mapping[str, float]) -> Top:
    """For programs: the answer, and every status whole."""
    code, sentence = answer(statuses, silent)
    return Top(
        schema=SCHEMA,
        sentence=sentence,
        exit_code=code,
        silent=tuple(silent),
        nodes=tuple(statuses),
    )


def top_schema() -> str:
    """JSON Schema of the document, as published in docs/reference/. Ends in a newline."""
    return schema_of(Top, SCHEMA, "What flantrace top shows at one moment")
