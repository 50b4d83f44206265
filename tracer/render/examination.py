"""A check's text: the answer, the table of steps, the findings, and what was not checked."""

from tabulate import tabulate

from tracer.core.words import check_command
from tracer.model.examination import SCHEMA, Examination, Noticed, Step
from tracer.render import findings
from tracer.render.json_document import schema_of
from tracer.render.matrix import matrix
from tracer.render.samples import samples_lines
from tracer.render.style import Style, at_margin, fits, plain_record, wrapped
from tracer.render.text import blocks_of, labelled, not_checked

WORDS = {0: "HEALTHY", 1: "FAULT", 3: "UNKNOWN"}
"""The answer's first word, by exit code."""

ABOUT = {
    Step.CLUSTER: "net-conf, pod CIDRs, leases, duplicates",
    Step.NODES: "files, CNI configuration, cni0, flannel's devices",
    Step.ROUTES: "to every peer; policy rules, leftovers",
    Step.ENTRIES: "lease, neighbour, FDB, device of every peer",
    Step.DROPS: "forwarding, filters, firewalls, MTU",
}


MOST_BEFORE = 12
"""Lines of what came before: more are for `--depth full`."""

FARTHEST = 50
"""Column at which those lines go on at most, however long a node's name is."""


def examination_text(
    examination: Examination, depth: str = "path", *, color: bool = False, cells: bool = False
) -> str:
    """One of three depths; `cells`: with the matrix of who reaches whom. Ends in a newline."""
    safe, style = plain_record(examination), Style(color)
    if depth == "verdict":
        return five_words(safe) + "\n"
    blocks = [
        _who(safe),
        _answer(safe, style),
        _steps(safe),
        matrix(safe) if cells else [],
        findings.further(safe.findings, style, whole=depth == "full"),
        _before(safe, whole=depth == "full"),
        samples_lines(safe.samples, whole=depth == "full"),
        [line for note in safe.notes for line in labelled("note", note)],
        not_checked(safe.skipped, full=depth == "full"),
        _next(safe),
    ]
    return blocks_of(blocks)


def five_words(examination: Examination) -> str:
    """`WORD rule node device ways`, `-` for what does not apply."""
    first = next(iter(examination.findings), None)
    words = (first.rule, first.node, first.device) if first is not None else (None, None, None)
    stopped = f"{examination.stopped}/{examination.ways}"
    return " ".join((WORDS[examination.exit_code], *(_word(word) for word in words), stopped))


def _word(word: str | None) -> str:
    return "_".join((word or "-").split()) or "-"


def _who(examination: Examination) -> list[str]:
    """`3 of 3 nodes read, nothing sent, vxlan vni 1 udp 8472`."""
    port = f" udp {examination.port}" if examination.port is not None else ""
    read, asked = len(examination.read), len(examination.asked)
    nodes = f"{read:,} of {asked:,} node{'' if asked == 1 else 's'} read"
    return wrapped(f"{nodes}, nothing sent, vxlan vni {examination.vni}{port}", 0)


def _answer(examination: Examination, style: Style) -> list[str]:
    word = WORDS[examination.exit_code]
    lines = wrapped(examination.sentence, len(word) + 2)
    first = next(iter(examination.findings), None)
    rule = first.rule if first is not None and examination.exit_code == 1 else ""
    if rule and fits(lines[-1], rule):
        lines[-1] = at_margin(lines[-1], rule)
    elif rule:
        lines.append(at_margin("", rule))
    lines[0] = style.answer(word, examination.exit_code) + lines[0][len(word) :]
    return lines


def _steps(examination: Examination) -> list[str]:
    rows = [
        (one.step.value, ABOUT[one.step], one.compared, _count(one.errors), _count(one.warnings))
        for one in examination.steps
    ]
    head = ("step", "compared", "", "faults", "warn")
    aligned = ("left", "left", "left", "right", "right")
    table = tabulate(rows, head, tablefmt="plain", colalign=aligned, disable_numparse=True)
    return [line.rstrip() for line in table.splitlines()]


def _count(number: int) -> str:
    return str(number) if number else "-"


def _before(examination: Examination, *, whole: bool) -> list[str]:
    """Of a watch's recording: what changed and what traffic showed, the last at the end."""
    shown = examination.timeline if whole else examination.timeline[-MOST_BEFORE:]
    if not shown:
        return []
    left = len(examination.timeline) - len(shown)
    more = f" ({left:,} more: --depth full)" if left else ""
    lines = [f"before, by the clock of the watch{more}"]
    width = max(len(where(one)) for one in shown)
    for one in shown:
        head = f"  {one.at}  {where(one):<{width}}  "
        first, *others = wrapped(told(one), min(len(head), FARTHEST))
        lines += [head + first.lstrip(), *others]
    return lines


def where(noticed: Noticed) -> str:
    """A node, or the API."""
    return noticed.node or "API"


def told(noticed: Noticed) -> str:
    """What it was, and when it ended if it took a while."""
    return noticed.what + (f", the last at {noticed.until}" if noticed.until is not None else "")


def _next(examination: Examination) -> list[str]:
    if examination.exit_code == 0:
        return []
    reason = "after the fix" if examination.exit_code == 1 else "once what is missing can be read"
    return wrapped(f"next: {check_command(examination.check)}    {reason}", 0)


def examination_schema() -> str:
    """JSON Schema of the document, as published in docs/reference/. Ends in a newline."""
    return schema_of(Examination, SCHEMA, "What flantrace concludes from a check of nodes")
