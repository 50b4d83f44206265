"""Amounts on the command line: `1G`, `7d`."""

import re

from tracer.errors import UsageError

_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]*)", re.ASCII)


def bytes_of(text: str, option: str) -> int:
    """`1G`, `500M`, `1.5GiB` or plain bytes; a K is 1,024. UsageError names the option."""
    number, unit = _parts(text)
    size = int(number * _BYTES.get(unit.upper().removesuffix("B").removesuffix("I"), 0))
    if size < 1:
        raise UsageError(f"{text!r} is no size", where=option, hint=f"for instance {option} 1G")
    return size


def seconds_of(text: str, option: str) -> float:
    """`7d`, `12h`, `30m`, `90s`, `2w` -> seconds. UsageError names the option."""
    number, unit = _parts(text)
    seconds = number * _SECONDS.get(unit.lower(), 0)
    if not 0 < seconds <= 100 * 365 * 86_400:
        raise UsageError(
            f"{text!r} is no span of time", where=option, hint=f"for instance {option} 7d"
        )
    return seconds


def _parts(text: str) -> tuple[float, str]:
    match = _AMOUNT.fullmatch(text.strip())
    return (float(match[1]), match[2]) if match is not None else (0.0, "")
