"""Live traces in the lab: every fault is named, and a live trace says what its replay says."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracer.lab.faults import FAULTS

pytestmark = pytest.mark.lab

FLANTRACE = str(Path(sys.executable).parent / "flantrace")


def flantrace(*words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FLANTRACE, *words], capture_output=True, text=True, timeout=timeout, check=False
    )


@pytest.fixture(scope="module")
def lab() -> Iterator[None]:
    up = flantrace("lab", "up")
    assert up.returncode == 0, up.stderr
    yield
    assert flantrace("lab", "down").returncode == 0


@pytest.fixture
def fault(lab: None, request: pytest.FixtureRequest) -> Iterator[str]:  # noqa: ARG001
    name = str(request.param)
    done = flantrace("lab", "inject", name)
    assert done.returncode == 0, done.stderr
    yield name
    healed = flantrace("lab", "heal")
    assert healed.returncode == 0, healed.stderr


@pytest.mark.usefixtures("lab")
def test_a_healthy_trace_is_delivered_by_eight_hops_each_way() -> None:
    done = flantrace("--lab", "pod-a", "pod-b", "--json")
    assert done.returncode == 0, done.stderr
    diagnosis = json.loads(done.stdout)
    assert diagnosis["verdict"]["outcome"] == "delivered"
    assert [len(path["hops"]) for path in diagnosis["paths"]] == [8] * 12


@pytest.mark.usefixtures("lab")
def test_twenty_three_probes_give_twenty_three_paths_twenty_times_in_a_row() -> None:
    for _ in range(20):
        done = flantrace("--lab", "pod-a", "pod-b", "--count", "23", "--json")
        paths = json.loads(done.stdout)["paths"]
        for way in ("request", "reply"):
            hops = [len(path["hops"]) for path in paths if path["way"] == way]
            assert hops == [8] * 23


@pytest.mark.parametrize("fault", sorted(FAULTS), indirect=True)
def test_the_fault_is_named_and_the_live_trace_equals_its_replay(
    fault: str, tmp_path: Path
) -> None:
    saved = str(tmp_path / "trace.tgz")
    live = flantrace("--lab", "pod-a", "pod-b", "--save", saved)
    replay = flantrace("replay", saved)
    assert live.stdout == replay.stdout
    assert live.returncode == replay.returncode == 1
    words = flantrace("replay", saved, "--depth", "verdict").stdout.split()
    assert words[0] in ("DROPPED", "LOST")
    assert words[1] == fault


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("pod-a", "no-such-pod"), 4, "does not exist"),
        (("pod-a", "Pod_B!"), 2, "no name of a pod"),
        (("pod-a", "pod-pending"), 4, "has no"),
        (("pod-a", "node/no-such-node"), 4, "does not exist"),
        (("pod-a", "pod-b", "--probe", "tcp"), 2, "needs --port"),
        (("pod-a", "pod-b", "--kubeconfig", "/nonexistent"), 4, "kubeconfig"),
        (("pod-a", "pod-b", "--node-exec", "false {node}"), 4, "no agent could be started"),
        (("pod-a", "pod-b", "--node-exec", "no-such-command"), 4, "does not exist"),
        (("pod-a", "pod-b", "--save", "/nonexistent/x.tgz"), 2, "cannot write"),
    ],
)
def test_what_cannot_be_done_is_said_in_three_lines(
    words: tuple[str, ...], code: int, said: str
) -> None:
    done = flantrace("--lab", *words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert [line.split()[0] for line in done.stderr.splitlines()[-3:]] == [
        "flantrace:", "where", "hint",
    ]  # fmt: skip


@pytest.mark.usefixtures("lab")
def test_a_bare_network_namespace_has_no_files_and_the_trace_still_stands() -> None:
    done = flantrace("--lab", "--node-exec", "ip netns exec {node}", "pod-a", "pod-b")
    assert done.returncode in (0, 3), done.stderr
    assert "Traceback" not in done.stderr
