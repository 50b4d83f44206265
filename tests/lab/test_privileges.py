"""An agent with exactly the documented capabilities does everything; each one taken away costs
exactly what docs/reference/privileges.md says.
"""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.lab.conftest import ping
from tests.lab.universe import Universe
from tracer.collect.capabilities import NUMBERS
from tracer.install.privileges import PRIVILEGES, Group, Privilege, capabilities

pytestmark = pytest.mark.lab

FLANTRACE = str(Path(sys.executable).parent / "flantrace")
FULL = frozenset(capabilities(passive_only=False, old_kernels=False))
PASSIVE = frozenset(capabilities(passive_only=True, old_kernels=False))
HEARS = str(Path(__file__).with_name("hears.py"))
STALE = "vtepmac-annotation-stale"

Answer: TypeAlias = dict[str, Any]


def confined(having: Iterable[str]) -> list[str]:
    """What runs a command with these capabilities and no others, as in a container."""
    kept = "".join(f",+cap_{NUMBERS[name]}" for name in sorted(having))
    return ["setpriv", "--no-new-privs", "--inh-caps=-all", f"--bounding-set=-all{kept}"]


def command(having: Iterable[str], *words: str) -> list[str]:
    """flantrace, whose agents have these capabilities and no others."""
    way = f"{FLANTRACE} lab exec {{node}} -- {shlex.join(confined(having))}"
    return [FLANTRACE, *words, "--lab", "--node-exec", way, "--no-save", "--json"]


def answer(lab: Universe, having: Iterable[str], *words: str) -> Answer:
    """What flantrace answers."""
    done = lab.run(command(having, *words))
    assert "Traceback" not in done.stderr
    return dict(json.loads(done.stdout))


def traced(lab: Universe, having: Iterable[str], *words: str) -> Answer:
    return answer(lab, having, "pod-a", "pod-b", *words)


def watched(lab: Universe, having: Iterable[str], seconds: int = 3) -> Answer:
    """A passive trace of pings that are sent while both agents watch."""
    ping(lab, "pod-a", "10.244.2.2")  # so that the bridges know both pods
    words = command(having, "pod-a", "pod-b", "--passive", "--for", f"{seconds}s")
    with subprocess.Popen(
        [*lab.inside, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        assert started.stderr is not None
        assert any(line.startswith("watching") for line in started.stderr)
        for _ in range(2):
            ping(lab, "pod-a", "10.244.2.2", seconds=0.3)
        out, _ = started.communicate(timeout=60)
    return dict(json.loads(out))


def outcome(given: Answer) -> str:
    """Of a trace: its own word; of a check: what its exit code means."""
    if "verdict" in given:
        return str(given["verdict"]["outcome"])
    return {0: "healthy", 1: "fault", 3: "unknown"}[given["exit_code"]]


def found(given: Answer) -> set[str]:
    return {one["rule"] for one in given["findings"]}


def says(given: Answer, words: str) -> bool:
    """Somewhere in what people read."""
    return words in json.dumps(given)


def unchecked(given: Answer) -> set[str]:
    return {one["rule"] for one in given["skipped"]}


@contextmanager
def fault(lab: Universe, name: str) -> Iterator[None]:
    lab.lab("inject", name)
    try:
        yield
    finally:
        lab.lab("heal")


def test_with_the_documented_capabilities_a_trace_is_whole(lab: Universe) -> None:
    given = traced(lab, FULL)
    assert (outcome(given), given["notes"], given["skipped"]) == ("delivered", [], [])


def test_with_those_of_passive_only_a_passive_trace_sees_the_whole_path(lab: Universe) -> None:
    given = watched(lab, PASSIVE)
    assert (outcome(given), given["notes"]) == ("delivered", [])
    devices = [(hop["node"], hop["device"]) for hop in given["paths"][0]["hops"]]
    assert devices == [
        *(("node-a", device) for device in ("pod", "bridge", "vtep", "uplink")),
        *(("node-b", device) for device in ("uplink", "vtep", "bridge", "pod")),
    ]


def test_with_those_of_passive_only_a_fault_is_named(lab: Universe) -> None:
    with fault(lab, STALE):
        verdict = watched(lab, PASSIVE)["verdict"]
    assert (verdict["outcome"], verdict["rule"]) == ("dropped", STALE)
    assert verdict["reason"] == "OTHERHOST"


def test_with_those_of_passive_only_a_check_is_healthy_and_says_what_it_left_out(
    lab: Universe,
) -> None:
    given = answer(lab, PASSIVE, "check")
    assert outcome(given) == "healthy"
    assert unchecked(given) == INSIDE_OF_PODS
    assert {one["missing"] for one in given["skipped"]} == {
        f"pods of node-{letter}: Operation not permitted, it takes CAP_SYS_ADMIN"
        for letter in "abc"
    }


INSIDE_OF_PODS = {"veth-detached", "veth-down", "pod-gone", "pod-route-missing"}


def sees_no_packet(lab: Universe, missing: str) -> None:
    having = PASSIVE - {missing}
    given = watched(lab, having, seconds=1)
    assert outcome(given) == "unknown"
    assert says(given, f"packets are not watched: the agent lacks CAP_{missing}")
    if missing == "NET_ADMIN":  # its other row is about check
        assert outcome(traced(lab, FULL - {missing})) == "delivered"
    else:
        assert outcome(answer(lab, having, "check")) == "healthy"
        assert outcome(answer(lab, FULL - {missing}, "predict", "pod-a", "pod-b")) == "delivered"


def reads_no_firewall(lab: Universe, missing: str) -> None:
    for words in (["check"], ["predict", "pod-a", "pod-b"]):
        given = answer(lab, FULL - {missing}, *words)
        assert outcome(given) == "unknown"
        assert says(given, "nft -j list ruleset of node-")


def sends_no_echo(lab: Universe, missing: str) -> None:
    having = FULL - {missing}
    given = traced(lab, having)
    assert outcome(given) == "unknown"
    assert says(given, "cannot be sent: the agent lacks CAP_NET_RAW")
    for kind in ("tcp", "udp"):
        given = traced(lab, having, "--probe", kind, "--port", "9")
        assert given["tallies"][0]["delivered"] == given["tallies"][0]["sent"] > 0
    assert outcome(watched(lab, having)) == "delivered"


def reads_no_legacy_rule(lab: Universe, missing: str) -> None:
    rule = ["iptables-legacy", "-t", "filter"]
    lab.lab("exec", "node-a", "--", *rule, "-A", "FORWARD", "-j", "ACCEPT")
    try:
        assert outcome(answer(lab, FULL, "check")) == "healthy"
        given = answer(lab, FULL - {missing}, "check")
    finally:
        lab.lab("exec", "node-a", "--", *rule, "-D", "FORWARD", "-j", "ACCEPT")
    assert outcome(given) == "unknown"
    assert says(given, "iptables-legacy-save of node-a")


def names_no_function(lab: Universe, missing: str) -> None:
    with fault(lab, STALE):
        named, unnamed = traced(lab, FULL), traced(lab, FULL - {missing})
    assert says(named, "in ip_rcv_core+")
    assert says(unnamed, "in an unnamed function")
    assert unnamed["verdict"]["rule"] == STALE


def enters_no_pod(lab: Universe, missing: str) -> None:
    given = traced(lab, FULL - {missing})
    assert outcome(given) == "unknown"
    assert says(given, "cannot be entered: Operation not permitted, it takes CAP_SYS_ADMIN")
    assert unchecked(given) == INSIDE_OF_PODS
    assert outcome(watched(lab, FULL - {missing})) == "delivered"


def hears_nothing_of_pods(lab: Universe, missing: str) -> None:
    heard = []
    for having in (FULL, FULL - {missing}):
        words = [*confined(having), sys.executable, HEARS]
        with subprocess.Popen(
            [*lab.inside, FLANTRACE, "lab", "exec", "node-a", "--", *words],
            stdout=subprocess.PIPE,
            text=True,
        ) as started:
            assert started.stdout is not None
            assert started.stdout.readline() == "ready\n"
            for change in ("add", "del"):
                lab.lab("exec", "pod-a", "--", "ip", "route", change, "10.9.0.0/16", "dev", "eth0")
            heard.append(started.stdout.readline().strip())
    assert heard == ["something", "nothing"]


def tells_no_pod_that_is_gone(lab: Universe, missing: str) -> None:
    assert outcome(traced(lab, FULL - {missing})) == "delivered"
    with fault(lab, "pod-gone"):
        assert "pod-gone" in found(traced(lab, FULL))
        given = traced(lab, FULL - {missing})
    assert "pod-gone" not in found(given)
    assert "pod-gone" in unchecked(given)
    assert says(given, "Permission denied, it takes CAP_SYS_PTRACE")


LOSSES: dict[tuple[str, str], Callable[[Universe, str], None]] = {
    ("BPF", "packets are watched"): sees_no_packet,
    ("PERFMON", "packets are watched, and the kernel's drops with their reasons"): sees_no_packet,
    ("NET_ADMIN", "packets are watched at devices"): sees_no_packet,
    ("NET_ADMIN", "firewalls are read"): reads_no_firewall,
    ("NET_RAW", "ICMP probes"): sends_no_echo,
    ("NET_RAW", "rules of iptables-legacy are read"): reads_no_legacy_rule,
    ("SYSLOG", "the function that freed a packet has its name"): names_no_function,
    (
        "SYS_ADMIN",
        "probes are sent from the pod, and its own routes and device are read",
    ): enters_no_pod,
    (
        "NET_BROADCAST",
        "a watch hears at once of what changes in a pod's own network",
    ): hears_nothing_of_pods,
    (
        "SYS_PTRACE",
        "a pod that is gone is told from one that is hidden",
    ): tells_no_pod_that_is_gone,
}


@pytest.mark.parametrize(
    "privilege", PRIVILEGES, ids=lambda one: f"{one.capability}: {one.feature}"
)
def test_a_capability_that_is_taken_away_costs_what_is_documented(
    lab: Universe, privilege: Privilege
) -> None:
    if privilege.group is Group.OLD_KERNELS:
        pytest.skip("only Linux below 5.11 counts BPF's memory as locked")
    LOSSES[privilege.capability, privilege.feature](lab, privilege.capability)
