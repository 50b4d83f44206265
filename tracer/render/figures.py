"""Figures for people: three digits and a letter, durations in two units, ordinals."""

SMALLEST = 0.1


def humane(number: float) -> str:
    """`0`, `<0.1`, `3.4`, `982`, `12.3k`, `4.10M`: at most five columns below a thousand tera.

    What is not nothing is never shown as 0.
    """
    if number == 0:
        return "0"
    if number < SMALLEST:
        return f"<{SMALLEST}"
    if number < 9.95 and number != int(number):
        return f"{number:.1f}"
    for unit in ("", "k", "M", "G"):
        # 999.5 is the first that would be rounded to four digits.
        if number < 999.5:
            return _three(number, unit)
        number /= 1000
    return _three(number, "T")


def _three(number: float, unit: str) -> str:
    if not unit:
        return f"{number:.0f}"
    decimals = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{decimals}f}{unit}"


def lasted(seconds: float) -> str:
    """`4 s`, `2 min 5 s`, `3 h 12 min`, `2 d 4 h`."""
    left = max(0, round(seconds))
    for unit, size, less, small in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60)):
        if left >= size:
            rest = left % size // small
            return f"{left // size} {unit}" + (f" {rest} {less}" if rest else "")
    if left < 60:
        return f"{left} s"
    return f"{left // 60} min" + (f" {left % 60} s" if left % 60 else "")


def ordinal(number: int) -> str:
    """`3rd`, `11th`, `22nd`."""
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def counted(number: int, noun: str) -> str:
    """`1 lease`, `4,930 leases`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
