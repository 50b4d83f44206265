"""Hundreds of generated rulesets: whatever the evaluator is certain of, the kernel does."""

from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from tests.kernel.netfilter.compare import Compared, compared
from tests.kernel.netfilter.generated import Case, Dice, dimmed, iptables, probe, probes
from tests.kernel.netfilter.generated_nft import mixed, nft
from tests.kernel.netfilter.router import A4, A6, B4, B6, Router, on_one_processor
from tracer.core.netfilter.probe import Probe
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
    text = router.nft_as_far_as_taken(case.nft)
    router.restore(case.restores)
    return "\n".join((text, *(words for _, words in case.restores)))


def known(router: Router, count: int) -> Iterator[Probe]:
    """Connections that exist: a packet went each way while no rule stopped it."""
    router.clear()
    dice = Dice(count)
    made = []
    for at in range(count):
        a, b = (A4, B4) if at % 2 else (A6, B6)
        made.append(router.unheard_of(probe(dice, a, b, "udp", "forward")))
        router.converse(made[-1])
    return (replace(each, state="established") for each in made)


def sent(router: Router, rules: Ruleset, dice: Dice, old: Probe) -> Iterator[Compared]:
    """Packets of new connections, and one of an old one; each as it is, and half known."""
    new = ((way, router.unheard_of(probe)) for way, probe in probes(dice, PACKETS))
    for way, each in (("forward", old), *new):
        yield from compared(router, rules, way, each, dimmed(dice, each))


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_does_what_the_evaluator_is_certain_of(router: Router, kind: str) -> None:
    make, count = KINDS[kind]
    certain = asked = 0
    with on_one_processor():
        for seed, old in enumerate(known(router, count)):
            text = installed(router, make(seed))
            rules = ruleset(router.state())
            for number, each in enumerate(sent(router, rules, Dice(seed), old)):
                assert each.agrees is not False, f"seed {seed}\n{each.text}\n{text}"
                if number % 2 == 0:
                    asked += 1
                    certain += each.agrees is True
    assert certain / asked > CERTAIN, f"{kind}: certain of {certain} of {asked}"
