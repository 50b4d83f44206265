"""What to do, in steps: words, and the commands below them."""

from typing import NamedTuple

from tracer.core.words import trace_command
from tracer.model.diagnosis import Diagnosis
from tracer.model.path import Outcome


class Step(NamedTuple):
    """A sentence, and the exact commands that do what it says."""

    words: str
    commands: tuple[str, ...]


def steps(parts: tuple[str, ...]) -> tuple[Step, ...]:
    """A finding's `fix`: the first part, and each that ends in a colon, is words."""
    found: list[Step] = []
    for part in parts:
        if not found or part.endswith(":"):
            found.append(Step(part, ()))
        else:
            found[-1] = Step(found[-1].words, (*found[-1].commands, part))
    return tuple(found)


def again(diagnosis: Diagnosis) -> tuple[str, str] | None:
    """The command to type next, and why. None: all is well."""
    verdict = diagnosis.verdict
    command = trace_command(diagnosis.request)
    if verdict.exit_code == 0:
        return None
    if diagnosis.request.predict:
        return command, "to see what the kernel does"
    if verdict.outcome is not Outcome.UNKNOWN:
        return command, "after the fix, to see it arrive"
    if diagnosis.request.plan is None and not diagnosis.paths:
        return command.partition(" --passive")[0], "to send probes instead of waiting for traffic"
    return command, "once what is missing can be seen"
