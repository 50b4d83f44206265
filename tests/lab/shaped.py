"""What a lab of one shape says between its `up` and its `down`; several labs at a time."""

import json
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tests.lab.conftest import ping
from tests.lab.universe import Universe

TRACE = """
import sys
from tracer.api import collect, diagnose, render
from tracer.collect.command import own_command
from tracer.lab.paths import KUBECONFIG

source, destination, family = sys.argv[1:4]
recorded = collect(
    source, destination, node_exec=f"{own_command()} lab exec {{node}} --", kubeconfig=KUBECONFIG,
    family=int(family) or None,
)
print(render(recorded, "json"))
"""
"""A trace by the library: the command line's other half, with the family as a number."""

Told = dict[str, Any]


@dataclass
class Answers:
    """What was asked of one lab, by name of the question."""

    facts: dict[str, Any] = field(default_factory=dict)
    left: str = ""
    """What `down` left behind, or took away too much."""


Questions = Callable[[Universe], dict[str, Any]]


class Labs:
    """Labs in universes of their own, two at a time: the machine has two cores at least."""

    def __init__(self, questions: dict[str, Questions]) -> None:
        self._pool = ThreadPoolExecutor(2)
        self._answers: dict[str, Future[Answers]] = {
            shape: self._pool.submit(_asked, shape, ask) for shape, ask in questions.items()
        }

    def of(self, shape: str) -> dict[str, Any]:
        """The answers of that lab, once it is gone and nothing is left of it."""
        answers = self._answers[shape].result()
        assert answers.left == ""
        return answers.facts

    def close(self) -> None:
        """Wait for all."""
        self._pool.shutdown(cancel_futures=True)


def _asked(shape: str, ask: Questions) -> Answers:
    universe = Universe()
    try:
        before = universe.look()
        universe.lab("up", "--shape", shape)
        facts = ask(universe)
        universe.lab("down")
        after = universe.look()
        left = sorted(set(after.splitlines()) ^ set(before.splitlines()))
        return Answers(facts, "\n".join(left))
    finally:
        universe.close()


def traced(lab: Universe, source: str, destination: str, family: int = 0) -> Told:
    """The diagnosis of a trace."""
    words = [sys.executable, "-c", TRACE, source, destination, str(family)]
    found: Told = json.loads(lab.output(words))
    return found


def by_command(lab: Universe, source: str, destination: str) -> Told:
    """The same by the command line."""
    done = lab.flantrace("--lab", "--no-save", source, destination, "--json")
    found: Told = json.loads(done.stdout)
    return {**found, "exit code": done.returncode}


def checked(lab: Universe) -> Told:
    """The examination of all nodes."""
    done = lab.flantrace("--lab", "check", "--no-save", "--json")
    found: Told = json.loads(done.stdout)
    return {**found, "exit code": done.returncode}


def foretold(lab: Universe, source: str, destination: str) -> Told:
    """What the tables say of the same packets."""
    done = lab.flantrace("--lab", "predict", "--no-save", source, destination, "--json")
    found: Told = json.loads(done.stdout)
    return {**found, "exit code": done.returncode}


def pings(lab: Universe, *pairs: tuple[str, str, int]) -> list[str]:
    """What became of pings: (pod, destination, payload)."""
    return [ping(lab, source, there, size, 2) for source, there, size in pairs]


def worries(told: Told) -> list[str]:
    """The rules whose findings are more than information."""
    return [one["rule"] for one in told["findings"] if one["severity"] != "info"]


def hops(told: Told) -> set[int]:
    """How many hops its packets have."""
    return {len(path["hops"]) for path in told["paths"]}
