"""Doing what flantrace prints, word by word, where it says to do it."""

from collections.abc import Sequence

from cluster.nodes import Place
from cluster.setup import NODES, Cluster
from cluster.shell import run
from cluster.tests.flantrace import environ
from cluster.tests.undoing import pods_made_anew
from tracer.render.advice import Step, steps

HERE = "   # on "
EACH = "each node"


def ways_out(fix: Sequence[str]) -> list[list[Step]]:
    """A finding's advice as what heals by itself: a step that begins with "or" is another way."""
    ways: list[list[Step]] = []
    for step in steps(tuple(fix)):
        if not ways or step.words.startswith("or"):
            ways.append([])
        ways[-1].append(step)
    return ways


def obey(cluster: Cluster, way: Sequence[Step], editor: str) -> None:
    """Run every command of one way, as it is printed. Failed: one of them did.

    `editor`: KUBE_EDITOR, for the person at `kubectl edit`.
    """
    commands = [command for step in way for command in step.commands]
    assert commands, f"it prints no command: {' '.join(step.words for step in way)}"
    for command in commands:
        text, _, where = command.partition(HERE)
        for place in _places(cluster, where.strip()):
            _type(place, text, cluster.operator, editor)
        if text.startswith("kubectl"):
            pods_made_anew(cluster)


def _places(cluster: Cluster, where: str) -> list[Place]:
    if not where:
        return [cluster.operator]
    if where == EACH:
        return [cluster.places[node] for node in NODES]
    if where not in cluster.places:
        print(f"({where} is a Node without a machine: nothing can be typed there)")
        return []
    return [cluster.places[where]]


def _type(place: Place, text: str, operator: Place, editor: str) -> None:
    """Type a line into a shell there."""
    print(f"{place.name}$ {text}", flush=True)
    environment = environ() if place is operator else None
    if environment is not None:
        environment["KUBE_EDITOR"] = editor
    run([*place.enter, "sh", "-c", text], environ=environment, timeout=180)
