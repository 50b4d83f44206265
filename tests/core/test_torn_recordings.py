"""Whatever part of a recording is missing or odd: it is judged, printed, and nothing is raised."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tracer.bundle.archive import read
from tracer.core.diagnose import diagnose
from tracer.model.bundle import Bundle
from tracer.model.path import Outcome
from tracer.render.json_document import json_document
from tracer.render.text import text

CASES = sorted((Path(__file__).parents[1] / "cases").glob("*/bundle.tgz"))
NASTY = ("", "\x1b[2J", "x" * 500, "10.0.0.1", "::1", "nonsense", "{", "99999999999", "\u00e4\n")
PARTS = ("links", "addresses", "routes", "rules", "neighbours", "fdb", "pods")


def without_states(bundle: Bundle, dice: random.Random) -> Bundle:
    return replace(bundle, nodes={n: s for n, s in bundle.nodes.items() if dice.random() < 0.5})


def without_agents(bundle: Bundle, dice: random.Random) -> Bundle:
    return replace(bundle, agents={n: a for n, a in bundle.agents.items() if dice.random() < 0.5})


def without_observations(bundle: Bundle, dice: random.Random) -> Bundle:
    share = dice.random()
    kept = tuple(one for one in bundle.observations if dice.random() < share)
    return replace(bundle, observations=kept)


def with_cut_headers(bundle: Bundle, dice: random.Random) -> Bundle:
    cut = tuple(
        replace(one, headers=one.headers[: dice.randrange(161)]) for one in bundle.observations
    )
    return replace(bundle, observations=cut)


def with_lossy_agents(bundle: Bundle, dice: random.Random) -> Bundle:
    lossy = {
        n: replace(a, lost=dice.choice((0, 3, None)), drops=False) for n, a in bundle.agents.items()
    }
    return replace(bundle, agents=lossy)


def with_nasty_annotations(bundle: Bundle, dice: random.Random) -> Bundle:
    nodes = tuple(
        replace(
            node,
            annotations={
                key: dice.choice(NASTY) if dice.random() < 0.4 else value
                for key, value in node.annotations.items()
            },
            pod_cidrs=node.pod_cidrs if dice.random() < 0.8 else (dice.choice(NASTY),),
        )
        for node in bundle.cluster.nodes
    )
    return replace(bundle, cluster=replace(bundle.cluster, nodes=nodes))


def without_the_api(bundle: Bundle, _dice: random.Random) -> Bundle:
    return replace(
        bundle, cluster=replace(bundle.cluster, nodes=(), flannel_pods=(), net_conf=None)
    )


def with_torn_tables(bundle: Bundle, dice: random.Random) -> Bundle:
    part = dice.choice(PARTS)
    torn = {
        name: replace(
            state, **{part: tuple(one for one in getattr(state, part) if dice.random() < 0.5)}
        )
        for name, state in bundle.nodes.items()
    }
    return replace(bundle, nodes=torn)


TEARS: tuple[Callable[[Bundle, random.Random], Bundle], ...] = (
    without_states,
    without_agents,
    without_observations,
    with_cut_headers,
    with_lossy_agents,
    with_nasty_annotations,
    without_the_api,
    with_torn_tables,
)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.parent.name)
def test_a_torn_recording_is_judged_and_printed(case: Path) -> None:
    whole = read(case)
    dice = random.Random(case.parent.name)
    for first in TEARS:
        torn = dice.choice(TEARS)(first(whole, dice), dice)
        diagnosis = diagnose(torn)
        assert len(text(diagnosis, "verdict").split()) == 5
        assert text(diagnosis, "full").isascii()
        assert json_document(diagnosis)
        told = diagnose(replace(torn, request=replace(torn.traced, predict=True)))
        assert text(told, "full").isascii()
        assert told.verdict.exit_code in (0, 1, 3)
        delivered = diagnosis.verdict.outcome is Outcome.DELIVERED
        assert diagnosis.verdict.exit_code in ((0, 1) if delivered else (1, 3))
