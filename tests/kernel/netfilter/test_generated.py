"""Hundreds of generated rulesets: whatever the evaluator is certain of, the kernel does."""

from collections.abc import Callable, Iterator

import pytest

from tests.kernel.netfilter.compare import Compared, compared
from tests.kernel.netfilter.generated import Case, Dice, iptables, probes
from tests.kernel.netfilter.generated_nft import mixed, nft
from tests.kernel.netfilter.router import Router, on_one_processor
from tracer.core.netfilter.ruleset import Ruleset, ruleset

pytestmark = pytest.mark.kernel

PACKETS = 12
CERTAIN = 0.95

KINDS: dict[str, tuple[Callable[[int], Case], int]] = {
    "iptables-nft": (lambda seed: iptables(seed, "nft"), 70),
    "iptables-legacy": (lambda seed: iptables(seed, "legacy"), 70),
    "nft": (nft, 130),
    "mixed": (mixed, 50),
}


@pytest.fixture(scope="module")
def router() -> Iterator[Router]:
    made = Router()
    try:
        made.up()
        yield made
    finally:
        made.down()


def installed(router: Router, case: Case) -> str:
    """Into the kernel; what stands there now, for who has to find out why."""
    router.clear()
    text = router.nft_as_far_as_taken(case.nft) if case.nft else ""
    for tool, words in case.restores:
        router.run(tool, "-n", text=words)
    return "\n".join((text, *(words for _, words in case.restores)))


def sent(router: Router, rules: Ruleset, dice: Dice) -> Iterator[Compared]:
    for way, probe in probes(dice, PACKETS):
        yield compared(router, rules, way, router.unheard_of(probe))


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_does_what_the_evaluator_is_certain_of(router: Router, kind: str) -> None:
    make, count = KINDS[kind]
    certain = asked = 0
    with on_one_processor():
        for seed in range(count):
            text = installed(router, make(seed))
            rules = ruleset(router.state())
            for each in sent(router, rules, Dice(seed)):
                assert each.agrees is not False, f"seed {seed}\n{each.text}\n{text}"
                asked += 1
                certain += each.agrees is True
    assert certain / asked > CERTAIN, f"{kind}: certain of {certain} of {asked}"
