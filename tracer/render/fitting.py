"""How much text fits where no layout engine helps: in a drawing.

Widths are those of the widest glyph of any usual font, so that nothing overlaps whatever font a
reader has.
"""

MONO, SANS = 0.62, 0.6
"""Of a glyph, in em. Monospace: Menlo and DejaVu have 0.602, SF Mono 0.618, none has more."""

HINT = 600
"""Characters that a hint shows of a text that was cut; the page has all of it elsewhere."""


def width(text: str, size: float, em: float = MONO) -> float:
    """At most so wide, in the units of the font size."""
    return round(len(text) * size * em, 1)


def room(wide: float, size: float) -> int:
    """How many monospace glyphs surely fit."""
    return max(1, int(wide / (size * MONO)))


def cut(text: str, most: int) -> str:
    """At most that many characters, the middle left out: names differ at their ends."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return text[: most - 1 - tail] + "\u2026" + (text[-tail:] if tail else "")


def broken(text: str, most: int, lines: int) -> list[str]:
    """Whole words where they fit; what does not fit in so many lines ends in an ellipsis."""
    found: list[str] = []
    rest = " ".join(text.split())
    while rest:
        if len(rest) <= most:
            return [*found, rest]
        last = len(found) == lines - 1
        space = rest.rfind(" ", 0, most if last else most + 1)
        at = space if space > most // 3 else most - last
        found.append(rest[:at].rstrip() + ("\u2026" if last else ""))
        if last:
            break
        rest = rest[at:].lstrip()
    return found
