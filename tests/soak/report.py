"""A soak's report, for people: a table, and its memory as a picture."""

from collections.abc import Sequence

from tests.soak.measure import Sample
from tests.soak.verdicts import Opened, Verdict

WIDTH, HEIGHT = 72, 10


def table(verdicts: Sequence[Verdict]) -> str:
    """One line for each criterion."""
    return "\n".join(
        f"{'ok  ' if one.met else 'FAIL'}  {one.what:45} {one.found:45} {one.wanted}"
        for one in verdicts
    )


def picture(samples: Sequence[Sample]) -> str:
    """Resident memory over time: the most in each piece of it, from the bottom of the scale."""
    end = samples[-1].at_s
    most: list[float] = [0.0] * WIDTH
    for one in samples:
        column = min(int(one.at_s / end * WIDTH), WIDTH - 1)
        most[column] = max(most[column], one.rss)
    for column in range(1, WIDTH):
        most[column] = most[column] or most[column - 1]
    there = [value for value in most if value]
    low, high = min(there) - 1, max(there) + 1
    step = (high - low) / HEIGHT
    lines = []
    for row in range(HEIGHT, 0, -1):
        floor = low + (row - 1) * step
        marks = "".join("#" if value > floor else " " for value in most)
        lines.append(f"{floor + step:6.1f} |{marks}")
    lines.append(f"{low:6.1f} +{'-' * WIDTH}")
    lines.append(f"    MB  0{f'{end / 60:.0f} min':>{WIDTH - 1}}")
    return "\n".join(lines)


def course(samples: Sequence[Sample], lines: int = 12) -> str:
    """Some of the samples, as numbers."""
    shown = samples[:: max(len(samples) // lines, 1)]
    head = "     s     RSS     PSS     own    CPU s  fds threads  leases"
    return "\n".join(
        [
            head,
            *(
                f"{one.at_s:6.0f} {one.rss:7.1f} {one.pss:7.1f} {one.own:7.1f} {one.cpu_s:8.1f}"
                f" {one.fds:4} {one.threads:7} {one.value('flantrace_leases'):7.0f}"
                for one in shown
            ),
        ]
    )


def told(turns: Sequence[Opened], most: int = 20) -> str:
    """What the watch said."""
    lines = [
        f"{one.at_s:7.1f} s  {one.turn:8} {one.rule} {one.node}: {one.sentence}" for one in turns
    ]
    left = len(lines) - most
    return "\n".join([*lines[:most], *([f"... and {left} more"] if left > 0 else [])])
