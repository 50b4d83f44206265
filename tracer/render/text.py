"""The terminal's text: from a Diagnosis alone, so that live and replay print the same bytes."""

from tracer.model.diagnosis import Diagnosis, Skipped
from tracer.render import findings, headline, paths
from tracer.render.advice import again
from tracer.render.style import WIDTH, Style, command_lines, plain, wrapped

DEPTHS = ("verdict", "path", "full")
MOST_FACTS = 3
"""Missing facts that are named of those for want of which the same rules were not asked."""

MOST_PATHS = 8
"""Different paths of one way in a report: more are for `--depth full`."""


def text(diagnosis: Diagnosis, depth: str = "path", *, color: bool = False) -> str:
    """One of three depths of the same answer; ends in a newline."""
    safe = plain(diagnosis)
    if depth == "verdict":
        return headline.five_words(safe) + "\n"
    return "\n".join(_lines(safe, Style(color), full=depth == "full")) + "\n"


def _lines(diagnosis: Diagnosis, style: Style, *, full: bool) -> list[str]:
    """Who, verdict, proof, packets, what is not known, what to type next."""
    blocks = [headline.who(diagnosis), headline.verdict(diagnosis, style)]
    blocks += _findings(diagnosis, style, full=full)
    if full or _macs_are_news(diagnosis):
        blocks.append(findings.macs(diagnosis, style))
    blocks.append([line for note in diagnosis.notes for line in labelled("note", note)])
    blocks += paths.sections(diagnosis, style, full=full)
    blocks.append(not_checked(diagnosis.skipped, full=full))
    blocks.append(_next(diagnosis))
    return lines_of(blocks)


def blocks_of(blocks: list[list[str]]) -> str:
    """Blocks with a blank line between them. Ends in a newline."""
    return "\n".join(lines_of(blocks)) + "\n"


def lines_of(blocks: list[list[str]]) -> list[str]:
    """The lines of all blocks that hold any, a blank one between two."""
    lines: list[str] = []
    for block in blocks:
        trimmed = _trimmed(block)
        if trimmed:
            lines += [*([""] if lines else []), *trimmed]
    return lines


def _trimmed(block: list[str]) -> list[str]:
    while block and not block[-1]:
        block = block[:-1]
    return block


def _findings(diagnosis: Diagnosis, style: Style, *, full: bool) -> list[list[str]]:
    rest = diagnosis.findings
    blocks: list[list[str]] = []
    if rest and rest[0].rule == diagnosis.verdict.rule:
        blocks.append(findings.main(rest[0], style))
        rest = rest[1:]
    blocks.append(findings.further(rest, style, whole=full))
    return blocks


def _macs_are_news(diagnosis: Diagnosis) -> bool:
    """They disagree, and no finding has shown them yet."""
    shown = any(row.label == "programmed" for f in diagnosis.findings for row in f.evidence)
    return not shown and any(findings.disagree(row) for row in diagnosis.macs)


def packets(diagnosis: Diagnosis) -> str:
    """The paths alone, as `text` shows them, for a report that says the rest in its own way."""
    blocks = paths.sections(diagnosis, Style(False), full=False, most=MOST_PATHS)
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def not_checked(skipped: tuple[Skipped, ...], *, full: bool) -> list[str]:
    """What could not be asked, by the fact that was missing."""
    by_fact: dict[str, list[str]] = {}
    for skip in skipped:
        rules = by_fact.setdefault(skip.missing, [])
        if skip.rule not in rules:
            rules.append(skip.rule)
    alike: dict[tuple[str, ...], list[str]] = {}
    for missing, found in by_fact.items():
        alike.setdefault(tuple(found), []).append(missing)
    lines: list[str] = []
    for names, facts in alike.items():
        count = f"{len(names)} rule{'' if len(names) == 1 else 's'}"
        shown = facts if full else facts[:MOST_FACTS]
        for missing in shown:
            lines += wrapped(f"not checked: {count}, for want of the {missing}", 0)
        if len(shown) < len(facts):
            lines += wrapped(f"not checked: {count}, for want of {len(facts) - len(shown)} more", 0)
        if full or len(names) <= 3:
            lines += wrapped(", ".join(names), 4)
    return lines


def _next(diagnosis: Diagnosis) -> list[str]:
    """Every answer but "all is well" ends with what to type next."""
    found = again(diagnosis)
    if found is None:
        return []
    command, why = found
    line = f"next: {command}"
    wide = f"{line}    {why}"
    if len(wide) <= WIDTH:
        return [wide]
    first, *others = command_lines(command, len("next: "))
    return [f"next: {first.lstrip()}", *others, f"      {why}"]


def labelled(label: str, words: str) -> list[str]:
    """A word at the left, and a sentence that hangs beside it."""
    lines = wrapped(words, len(label) + 2)
    return [label + lines[0][len(label) :], *lines[1:]]
