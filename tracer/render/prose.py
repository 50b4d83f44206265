"""Words for a Markdown page: nothing in them can become markup, a mention or a link."""

import re

_CALM = re.compile(r"[A-Za-z0-9.,:;()'\"/%+=?!-]+")
"""What no flavour of Markdown gives a meaning to inside a line."""

_LINKED = re.compile(r"://|[a-z0-9-]\.[a-z]{2}|^[0-9]+[.)]$|^[-+=]+$|:[\w+-]+:", re.I)
"""What some flavour does: links, bare names of hosts as links, list marks, rules, emoji."""


def prose(text: str) -> str:
    """A sentence. A word that could mean something to Markdown stands as code."""
    return " ".join(_word(word) for word in text.split())


def _word(word: str) -> str:
    if _CALM.fullmatch(word) is not None and _LINKED.search(word) is None:
        return word
    # Brackets and stops around it belong to the sentence.
    inside = word.lstrip("(").rstrip(").,;:")
    before, _, after = word.partition(inside) if inside else ("", "", "")
    return f"{before}{code(inside or word)}{after}"


def code(text: str) -> str:
    """One code span on one line, whatever it holds."""
    flat = " ".join(text.split()) or "-"
    longest = max((len(run) for run in re.findall("`+", flat)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def cell(markdown: str) -> str:
    """A table's cell: a bar would end it, in code too."""
    return markdown.replace("|", "\\|")


def block(text: str, language: str = "") -> list[str]:
    """A fenced block that its content cannot close."""
    longest = max((len(run) for run in re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return [f"{fence}{language}", *text.rstrip("\n").split("\n"), fence]
