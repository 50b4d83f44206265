"""The rules that real programs write: what is said of them is what the kernel does.

With `--update-golden` the dumps are recorded for the tests that need no kernel.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.netfilter.compare import compared
from tests.kernel.netfilter.router import (
    A4,
    A6,
    B4,
    B6,
    C4,
    KEEP,
    OUTSIDE,
    R4,
    S4,
    Router,
    on_one_processor,
)
from tracer.core.netfilter.decision import Outcome
from tracer.core.netfilter.probe import Probe
from tracer.core.netfilter.ruleset import Ruleset, ruleset

pytestmark = pytest.mark.kernel

FOLDER = Path(__file__).parent.parent.parent / "core" / "netfilter"
PROGRAMS = sorted(path.name for path in (FOLDER / "programs").iterdir())
LEGACY = [name for name in PROGRAMS if name.endswith(".rules")]
STRANGER = "198.51.100.7"


@pytest.fixture(scope="module")
def router() -> Iterator[Router]:
    made = Router()
    try:
        made.up()
        yield made
    finally:
        made.down()


def install(router: Router, name: str, backend: str = "nft", kept: str = KEEP) -> None:
    text = (FOLDER / "programs" / name).read_text()
    router.clear()
    router.nft("", kept)
    if name.endswith(".nft"):
        router.nft(text, kept)
    else:
        router.restore(((f"iptables-{backend}-restore", text),))


def packets() -> Iterator[tuple[str, Probe]]:
    """What a node of a cluster sees: pods, Services, the world, and VXLAN."""
    pairs = ((A4, B4), (A4, C4), (A4, OUTSIDE), (STRANGER, B4), (STRANGER, OUTSIDE), (A6, B6))
    for src, dst in pairs:
        for protocol, port in (("tcp", 80), ("udp", 8472), ("udp", 53), ("icmp", None)):
            yield "forward", packet(src, dst, protocol, port)
    for service, protocol, port in (("10.96.0.20", "tcp", 443), ("10.96.0.77", "tcp", 80)):
        for src in (A4, STRANGER):
            yield "forward", packet(src, service, protocol, port)
    for protocol, port in (("udp", 8472), ("tcp", 443), ("tcp", 22), ("udp", 53), ("icmp", None)):
        yield "input", packet(A4, R4, protocol, port, oif=None)
    for protocol, port in (("udp", 8472), ("tcp", 443)):
        yield "output", packet(S4, B4, protocol, port, iif="")


def packet(
    src: str, dst: str, protocol: str, port: int | None, *, iif: str = "eth0",
    oif: str | None = "eth1",
) -> Probe:  # fmt: skip
    v6 = ":" in src
    return Probe(
        src=src,
        dst=dst,
        protocol="icmpv6" if v6 and protocol == "icmp" else protocol,
        sport=20000 if port is not None else None,
        dport=port,
        icmp_type=None if port is not None else 128 if v6 else 8,
        icmp_code=None if port is not None else 0,
        iif=iif,
        oif=oif,
    )


CASES = [(name, "nft") for name in PROGRAMS] + [(name, "legacy") for name in LEGACY]


@pytest.mark.parametrize(("name", "backend"), CASES)
def test_every_packet_fares_as_was_said(router: Router, name: str, backend: str) -> None:
    with on_one_processor():
        install(router, name, backend)
        rules = ruleset(router.state())
        said = [
            each
            for way, probe in packets()
            for each in compared(router, rules, way, router.unheard_of(probe))
        ]
    wrong = [each.text for each in said if each.agrees is not True]
    assert not wrong, "\n\n".join(wrong)


def test_docker_stops_pods_until_flannel_accepts_them(router: Router) -> None:
    with on_one_processor():
        install(router, "docker.rules")
        probe = packet(A4, B4, "tcp", 80)
        assert forwarded(router, probe) is Outcome.DROP
        router.run(
            "iptables-nft-restore",
            "-n",
            text=(FOLDER / "programs/flannel-iptables.rules").read_text(),
        )
        assert forwarded(router, probe) is Outcome.ACCEPT


def forwarded(router: Router, probe: Probe) -> Outcome:
    """What the evaluator says and the kernel does."""
    rules: Ruleset = ruleset(router.state())
    [said] = compared(router, rules, "forward", router.unheard_of(probe))
    assert said.agrees, said.text
    return next(each for each in said.decisions if each.hook == "forward").outcome


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_recorded_dumps_are_of_these_rules(
    router: Router, name: str, request: pytest.FixtureRequest
) -> None:
    """Handles, counters and times differ from run to run; how much there is does not."""
    install(router, name, kept="")
    state = router.state()
    path = FOLDER / "recorded" / f"{Path(name).stem}.json"
    if request.config.getoption("--update-golden"):
        dumps = [{"tool": each.tool, "text": each.text} for each in state.firewall]
        path.write_text(json.dumps(dumps, indent=1) + "\n")
    recorded = {each["tool"]: each["text"] for each in json.loads(path.read_text())}
    for dump in state.firewall:
        assert dump.text.count("-A ") == recorded[dump.tool].count("-A ")
        assert dump.text.count('"rule"') == recorded[dump.tool].count('"rule"')
