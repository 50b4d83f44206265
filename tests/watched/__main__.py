"""Every fault of the lab under a watch of all nodes: `python -m tests.watched [FAULT...]`.

Needs root. Prints when each one's name opened and when all was well again; one watch sees them all,
and closes later what it has opened lately. Exit code 1: a name did not open, something did not
close, or the times are not what is to be reached.
"""

import argparse
import os
import sys
import time

from tests.lab.universe import Universe
from tests.watched.rounds import CLOSES_S, OPENS_S, UNSEEN, Round, round_of, waits_s
from tests.watched.watched import watched
from tracer.lab.faults import FAULTS
from tracer.lab.shape import PLAIN

BUSY = 2.0
"""On a busy machine times may be so many times longer before they fail the run; all are printed."""


def by_shape(names: list[str]) -> dict[str, list[str]]:
    """The shape of the lab -> the faults that it is for."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(FAULTS[name].shapes[0], []).append(name)
    return found


def judged(one: Round) -> str:
    """What is wrong with it; empty: nothing."""
    if one.opened_s is None:
        return "its name did not open"
    if one.closed_s is None:
        return f"it did not close: {'; '.join(one.left)}"
    opens = OPENS_S + waits_s(one.fault)
    closes = CLOSES_S + waits_s(one.fault) + one.damped_s
    if one.opened_s > BUSY * opens:
        return f"opened later than {opens:g} s, {BUSY:g} times over"
    if one.closed_s > BUSY * closes:
        return f"closed later than {closes:g} s, {BUSY:g} times over"
    return ""


def line(one: Round) -> str:
    """Of the report."""
    opened = "  never" if one.opened_s is None else f"{one.opened_s:7.2f}"
    closed = "  never" if one.closed_s is None else f"{one.closed_s:7.2f}"
    also = f"  also {', '.join(one.others)}" if one.others else ""
    note = f"  ({UNSEEN[one.fault]})" if one.fault in UNSEEN else ""
    damped = f"  (of which {one.damped_s:g} damping)" if one.damped_s else ""
    wrong = f"  WRONG: {judged(one)}" if judged(one) else ""
    return f"{one.fault:34}{opened}{closed}{damped}{also}{note}{wrong}"


def main() -> int:
    """All of them, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT")
    parser.add_argument(
        "--plain", action="store_true", help="those of the plain lab of which the kernel has news"
    )
    words = parser.parse_args()
    named = words.faults or sorted(FAULTS)
    if words.plain:
        named = [one for one in named if FAULTS[one].shapes[0] == PLAIN.name and one not in UNSEEN]
    if os.geteuid() != 0:
        print("needs root", file=sys.stderr)
        return 77
    rounds: list[Round] = []
    print(f"{'fault':34}{'opened':>7}{'closed':>7}   seconds after injection, after repair")
    for shape, faults in by_shape(named).items():
        began = time.monotonic()
        lab = Universe()
        try:
            lab.lab("up", "--shape", shape)
            with watched(lab) as watch:
                for fault in faults:
                    rounds.append(round_of(watch, fault))
                    print(line(rounds[-1]), flush=True)
        finally:
            lab.close()
        print(f"  shape {shape}: {len(faults)} faults in {time.monotonic() - began:.0f} s")
    return report(rounds)


def report(rounds: list[Round]) -> int:
    """The sum of it."""
    seen = [one for one in rounds if one.fault not in UNSEEN]
    opened = sorted(one.opened_s for one in seen if one.opened_s is not None)
    closed = sorted(one.closed_s - one.damped_s for one in seen if one.closed_s is not None)
    for word, times, most in (("opened", opened, OPENS_S), ("closed", closed, CLOSES_S)):
        if times:
            within = sum(time <= most for time in times)
            print(
                f"{word}: {within} of {len(times)} within {most:g} s, median"
                f" {times[len(times) // 2]:.2f} s, longest {times[-1]:.2f} s"
            )
    wrong = [one for one in rounds if judged(one)]
    print(f"{len(rounds) - len(wrong)} of {len(rounds)} faults as they are to be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
