"""tcpdump on two lab nodes and what the how-to has saved: the rule and the node of a live trace."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.universe import Universe
from tracer.capture.collecting import Capture
from tracer.capture.imported import imported
from tracer.core.diagnose import diagnose
from tracer.model.bundle import Bundle
from tracer.model.diagnosis import Diagnosis
from tracer.model.path import Outcome

pytestmark = pytest.mark.lab

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
PINGS = Path(__file__).with_name("pings.py")
NODES = ("node-a", "node-b")
KUBECONFIG = "/run/flantrace-lab/kubeconfig"

NEIGHBOURLY = """
import socket
for kind, port in ((socket.SOCK_STREAM, 10250), (socket.SOCK_DGRAM, 53)):
    with socket.socket(socket.AF_INET, kind) as one:
        one.settimeout(0.2)
        try:
            one.connect(("192.0.2.12", port))
            one.send(b"who")
        except OSError:
            pass
"""
"""What no real node is ever without: traffic of its own, which shows that a capture runs."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Universe]:
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    made = Universe()
    made.lab("up", "--nodes", "2")
    yield made
    made.close()


def tcpdump(lab: Universe, node: str, device: str, file: Path) -> subprocess.Popen[str]:
    """A tcpdump that listens."""
    command = ["tcpdump", "-ni", device, "-s", "200", "--immediate-mode", "-Z", "root", "-w"]
    words = ["-m", "tracer", "lab", "exec", node, "--", *command, str(file)]
    started = subprocess.Popen(
        [*lab.inside, sys.executable, *words], stderr=subprocess.PIPE, text=True
    )
    assert started.stderr is not None
    for line in started.stderr:
        if "listening" in line:
            return started
    raise AssertionError("tcpdump does not listen")


def save_state(lab: Universe, folder: Path) -> None:
    """As the how-to has it: its script on the nodes, its commands with kubectl."""
    script = HOW_TO / "collect-state.sh"
    for node in NODES:
        lab.lab("exec", node, "--", "sh", str(script), str(folder / node))
    page = (HOW_TO / "diagnose-captures.md").read_text()
    commands = re.findall(r"^kubectl get .*$", page, re.M)
    assert len(commands) == 3
    for command in commands:
        here = command.replace("STATE", str(folder))
        lab.output(["env", f"KUBECONFIG={KUBECONFIG}", "sh", "-ec", here])


def record(lab: Universe, folder: Path, devices: tuple[str, ...] = ("any", "eth0")) -> None:
    """State, captures of both nodes during five pings, and the counters once more."""
    save_state(lab, folder)
    running = [
        tcpdump(lab, node, device, folder / f"{node}-{device}.pcap")
        for node in NODES
        for device in devices
    ]
    lab.lab("exec", "node-a", "--", sys.executable, "-c", NEIGHBOURLY)
    lab.lab("exec", "pod-a", "--", sys.executable, str(PINGS), "10.244.2.2", "5")
    time.sleep(0.3)
    lab.lab("exec", "node-a", "--", sys.executable, "-c", NEIGHBOURLY)
    time.sleep(0.2)
    for one in running:
        one.terminate()
    for one in running:
        one.wait(10)
    for node in NODES:
        after = f"ip -d -s -s -j link > {folder / node}/link-after.json"
        lab.lab("exec", node, "--", "sh", "-c", after)


def bundle_of(folder: Path, device: str) -> Bundle:
    files = [Capture(node, folder / f"{node}-{device}.pcap") for node in NODES]
    return imported(files, folder, "pod-a", "pod-b")


def live(lab: Universe) -> list[str]:
    """OUTCOME rule node device reason."""
    words = ("--lab", "pod-a", "pod-b", "--no-active", "--depth", "verdict", "--count", "3")
    return lab.flantrace(*words).stdout.split()


def words(diagnosis: Diagnosis) -> list[str]:
    verdict = diagnosis.verdict
    return [
        verdict.outcome.value.upper(), verdict.rule or "-", verdict.node or "-",
        verdict.device or "-",
    ]  # fmt: skip


FAULTS = (
    "vtepmac-annotation-stale",
    "fdb-missing",
    "neigh-stale-one-node",
    "peer-flannel1-down",
    "cloud-sg-8472",
    "ip-forward-off",
    "forward-drop",
)


@pytest.fixture
def folder(lab: Universe, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    lab.lab("inject", str(request.param))
    record(lab, tmp_path)
    yield tmp_path
    lab.lab("heal")


@pytest.mark.parametrize("folder", FAULTS, indirect=True)
def test_captures_give_the_rule_and_the_node_of_the_live_trace(lab: Universe, folder: Path) -> None:
    diagnosis = diagnose(bundle_of(folder, "any"))
    outcome, rule, node, device, _ = live(lab)
    assert words(diagnosis) == ["LOST", rule, node, device], diagnosis.verdict.sentence
    assert outcome in ("DROPPED", "LOST")
    if rule == "vtepmac-annotation-stale":
        shown = [(one.value, one.source) for one in diagnosis.findings[0].evidence]
        assert ("+5", "node-b flannel.1 rx otherhost: 0 to 5") in shown
    # From the uplinks alone what became of the packets is not known, and the tables still tell.
    wires = diagnose(bundle_of(folder, "eth0"))
    assert wires.verdict.outcome in (Outcome.UNKNOWN, Outcome.LOST)
    if wires.verdict.rule is not None:
        assert (wires.verdict.rule, wires.findings[0].node) == (rule, diagnosis.findings[0].node)


def test_a_healthy_ping_is_delivered_and_its_entries_are_held_against_the_leases(
    lab: Universe, tmp_path: Path
) -> None:
    record(lab, tmp_path)
    diagnosis = diagnose(bundle_of(tmp_path, "any"))
    assert words(diagnosis) == ["DELIVERED", "-", "-", "-"]
    assert diagnosis.verdict.sentence == (
        "5 of 5 requests, 5 of 5 replies. No drops. Every entry used matches the leases."
    )
    assert [len(path.hops) for path in diagnosis.paths] == [8] * 10
    assert diagnose(bundle_of(tmp_path, "eth0")).verdict.outcome is Outcome.UNKNOWN
