"""`lab up` and `lab down`: twice, after a crash, beside strangers; and nothing is left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.lab.conftest import ping
from tests.lab.universe import Universe

pytestmark = pytest.mark.lab


@pytest.fixture(params=["private", "shared"])
def any_universe(request: pytest.FixtureRequest) -> Iterator[Universe]:
    made = Universe(shared=request.param == "shared")
    yield made
    made.close()


def test_down_leaves_the_machine_as_up_found_it(any_universe: Universe) -> None:
    before = any_universe.look()
    any_universe.lab("up")
    assert any_universe.look() != before
    for name in ("public-ip-duplicate", "cloud-sg-8472"):
        any_universe.lab("inject", name)
        assert ping(any_universe, "pod-a", "10.244.2.2", seconds=0.3) != "echo reply"
        any_universe.lab("heal")
    assert ping(any_universe, "pod-a", "10.244.2.2") == "echo reply"
    any_universe.lab("down")
    assert any_universe.look() == before


def test_down_with_a_fault_in_force_and_a_process_inside_leaves_nothing(
    universe: Universe,
) -> None:
    before = universe.look()
    universe.lab("up", "--nodes", "2")
    universe.lab("inject", "public-ip-duplicate")
    command = [*universe.inside, sys.executable, "-m", "tracer", "lab", "exec", "pod-b", "--"]
    with subprocess.Popen(
        [*command, "sh", "-c", "trap '' TERM; echo ready; while :; do read x; done"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as stubborn:
        assert stubborn.stdout is not None
        assert stubborn.stdout.readline() == "ready\n"
        universe.lab("down")
        assert stubborn.wait(5) == -signal.SIGKILL
    assert universe.look() == before


def test_up_twice_is_no_error_and_changes_nothing(universe: Universe) -> None:
    universe.lab("up", "--nodes", "2")
    server = universe.server()
    again = universe.flantrace("lab", "up", "--nodes", "2")
    assert again.returncode == 0
    assert "already" in again.stderr
    assert universe.server() == server
    other = universe.flantrace("lab", "up", "--nodes", "4")
    assert other.returncode == 2
    assert "flantrace lab down" in other.stderr


@pytest.mark.parametrize(
    "stage", ["state.json", "kubeconfig", "mnt/node-a", "mnt/node-c", "healthy.json"]
)
def test_up_works_after_a_crash_in_the_middle(universe: Universe, stage: str) -> None:
    before = universe.look()
    crashed = subprocess.Popen(
        [*universe.inside, sys.executable, "-m", "tracer", "lab", "up"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    seen = f"/proc/{crashed.pid}/root/run/flantrace-lab/{stage}"
    while not os.path.exists(seen) and crashed.poll() is None:
        pass
    crashed.kill()
    crashed.wait()
    universe.lab("up")
    assert ping(universe, "pod-a", "10.244.3.2") == "echo reply"
    universe.lab("down")
    assert universe.look() == before


def test_up_works_after_the_api_server_died(universe: Universe) -> None:
    universe.lab("up", "--nodes", "2")
    pid = int(universe.output(["cat", "/run/flantrace-lab/apiserver.pid"]).split()[0])
    os.kill(pid, signal.SIGKILL)
    assert "API server  gone" in universe.lab("status")
    universe.lab("up", "--nodes", "2")
    assert "http://127.0.0.1:" in universe.lab("status")


def test_a_strangers_namespace_of_the_same_name_is_refused_and_kept(universe: Universe) -> None:
    universe.output(["ip", "netns", "add", "node-b"])
    before = universe.look()
    done = universe.flantrace("lab", "up")
    assert done.returncode == 4
    assert "node-b" in done.stderr
    assert "ip netns delete node-b" in done.stderr
    assert universe.look() == before
    universe.output(["ip", "netns", "delete", "node-b"])


def test_namespaces_of_others_outlive_the_lab(universe: Universe) -> None:
    universe.lab("up", "--nodes", "2")
    universe.output(["ip", "netns", "add", "somebody"])
    universe.lab("down")
    assert universe.output(["ip", "netns"]).split() == ["somebody"]
    universe.output(["ip", "netns", "exec", "somebody", "true"])
    universe.output(["ip", "netns", "delete", "somebody"])


def test_a_directory_of_somebody_else_is_left_alone(universe: Universe) -> None:
    universe.output(["sh", "-c", "mkdir /run/flantrace-lab && touch /run/flantrace-lab/mine"])
    for words in (["up"], ["down"]):
        done = universe.flantrace("lab", *words)
        assert done.returncode == 4
        assert "/run/flantrace-lab" in done.stderr
    assert universe.output(["ls", "/run/flantrace-lab"]) == "mine\n"
    universe.output(["rm", "-r", "/run/flantrace-lab"])


def test_down_without_a_lab_is_no_error(universe: Universe) -> None:
    done = universe.flantrace("lab", "down")
    assert done.returncode == 0
    assert "no lab is up" in done.stderr


@pytest.mark.parametrize("words", [["status"], ["heal"], ["kubeconfig"], ["inject", "fdb-missing"],
                                   ["exec", "node-a", "--", "true"]])  # fmt: skip
def test_without_a_lab_the_error_says_how_to_get_one(universe: Universe, words: list[str]) -> None:
    done = universe.flantrace("lab", *words)
    assert done.returncode == 4
    assert "flantrace lab up" in done.stderr


@pytest.mark.parametrize("nodes", ["1", "21", "-3"])
def test_a_lab_of_a_strange_size_is_refused(universe: Universe, nodes: str) -> None:
    done = universe.flantrace("lab", "up", f"--nodes={nodes}")
    assert done.returncode == 2
    assert "2 to 20" in done.stderr


def test_five_nodes_reach_each_other(universe: Universe) -> None:
    universe.lab("up", "--nodes", "5")
    assert ping(universe, "pod-e", "10.244.1.3") == "echo reply"
    assert ping(universe, "pod-a", "10.244.5.2", 1422) == "echo reply"


def test_nobody_but_root_may(universe: Universe) -> None:
    words = ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-m", "tracer"]
    done = universe.run([*words, "lab", "up"])
    assert done.returncode == 4
    assert "root" in done.stderr
