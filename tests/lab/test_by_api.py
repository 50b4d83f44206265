"""In a lab as in a cluster: nothing but a kubeconfig, and agents are reached by exec."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.lab.test_parallel import install
from tests.lab.universe import Universe
from tracer.lab.paths import KUBECONFIG

pytestmark = pytest.mark.lab

BY_API = ("--kubeconfig", KUBECONFIG, "--no-save")
EPHEMERAL = ("--ephemeral", "--image", "registry.example/flantrace:1")
WAYS = pytest.mark.parametrize("way", [(), EPHEMERAL], ids=["installed", "ephemeral"])
PATIENCE_S = 20


@pytest.fixture(scope="module")
def lab() -> Iterator[Universe]:
    made = Universe()
    made.lab("up")
    install(made, "abc")
    yield made
    made.close()


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def agents(lab: Universe) -> list[int]:
    """Their pids: what is called so and is in a node's network namespace."""
    paths = [f"/run/netns/node-{letter}" for letter in "abc"]
    nodes = {int(inode) for inode in lab.output(["stat", "-L", "-c", "%i", *paths]).split()}
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[-2:] == [b"agent", b""] and os.stat(f"/proc/{pid}/ns/net").st_ino in nodes:
                found.append(pid)
        except OSError:
            continue
    return found


def pods(lab: Universe) -> list[str]:
    """Names of the pods that were made for one run."""
    with urlopen(f"{lab.server()}/api/v1/namespaces/flantrace/pods") as answer:
        names = [one["metadata"]["name"] for one in json.load(answer)["items"]]
    return [name for name in names if "ephemeral" in name]


def gone(lab: Universe) -> bool:
    """Nothing of a trace is there any more. The agents' programs end with them."""
    return not agents(lab)


@WAYS
def test_a_trace_says_what_it_says_by_the_command(lab: Universe, way: tuple[str, ...]) -> None:
    by_api = lab.flantrace(*BY_API, *way, "pod-a", "pod-b", "--json")
    assert by_api.returncode == 0, by_api.stderr
    by_command = lab.flantrace("--lab", "pod-a", "pod-b", "--json")
    told = [json.loads(done.stdout) for done in (by_api, by_command)]
    assert [len(path["hops"]) for path in told[0]["paths"]] == [8] * 12
    assert told[0]["verdict"] == told[1]["verdict"]
    until(lambda: gone(lab) and pods(lab) == [], "something stayed")


@WAYS
def test_a_check_and_a_prediction_too(lab: Universe, way: tuple[str, ...]) -> None:
    checked = lab.flantrace("check", *BY_API, *way)
    assert checked.returncode == 0, checked.stderr
    assert "3 of 3 nodes read" in checked.stdout
    foretold = lab.flantrace("predict", *BY_API, *way, "pod-a", "pod-b", "--depth", "verdict")
    assert foretold.stdout.split()[0] == "DELIVERED", foretold.stderr
    until(lambda: gone(lab) and pods(lab) == [], "something stayed")


def test_the_third_node_of_a_further_test_is_reached_as_well(lab: Universe) -> None:
    lab.lab("inject", "cloud-sg-8472")
    try:
        done = lab.flantrace(*BY_API, *EPHEMERAL, "pod-a", "pod-b", "--json")
    finally:
        lab.lab("heal")
        install(lab, "abc")  # what the lab did not make, healing takes away
    assert json.loads(done.stdout)["verdict"]["rule"] == "cloud-sg-8472"
    assert "from a third node, node-c" in done.stderr
    until(lambda: gone(lab) and pods(lab) == [], "something stayed")


class Watching:
    """A passive trace by the API, from the moment at which both agents watch."""

    def __init__(self, lab: Universe, *words: str) -> None:
        command = [sys.executable, "-m", "tracer", *BY_API, "pod-a", "pod-b"]
        self.process = subprocess.Popen(
            [*lab.inside, *command, "--passive", "--for", "60s", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if line.startswith("watching"):
                return
        raise AssertionError(f"the trace never began to watch: {said}")

    def end(self) -> str:
        """Interrupt it; its answer."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=PATIENCE_S)
        assert "Traceback" not in err
        return " ".join(out.split())


@WAYS
def test_an_operator_that_is_killed_leaves_no_agent(lab: Universe, way: tuple[str, ...]) -> None:
    watching = Watching(lab, *way)
    assert len(agents(lab)) == 2
    watching.process.kill()
    watching.process.wait()
    until(lambda: gone(lab), "agents outlived their operator")
    # The pods' own deadline ends them in a cluster; here nobody keeps time.
    for name in pods(lab):
        path = f"/api/v1/namespaces/flantrace/pods/{name}"
        urlopen(Request(lab.server() + path, method="DELETE")).close()


@WAYS
def test_an_interrupted_trace_leaves_nothing(lab: Universe, way: tuple[str, ...]) -> None:
    watching = Watching(lab, *way)
    assert len(pods(lab)) == len(way and ("node-a", "node-b"))
    assert "UNKNOWN" in watching.end()
    assert watching.process.returncode == 130
    until(lambda: gone(lab) and pods(lab) == [], "something stayed")


def test_an_agent_that_is_killed_makes_the_verdict_unknown(lab: Universe) -> None:
    watching = Watching(lab)
    os.kill(agents(lab)[0], signal.SIGKILL)
    until(lambda: len(agents(lab)) == 1, "the killed agent is still there")
    answer = watching.end()
    assert "UNKNOWN" in answer
    assert "stopped answering: it was killed (exit code 137)" in answer
    until(lambda: gone(lab), "something stayed")


def test_an_api_server_that_goes_away_leaves_the_half_that_was_seen(lab: Universe) -> None:
    """Last of all: this lab's API server is gone then."""
    watching = Watching(lab)
    pid = int(lab.output(["cat", "/run/flantrace-lab/apiserver.pid"]).split()[0])
    os.kill(pid, signal.SIGKILL)
    out, err = watching.process.communicate(timeout=PATIENCE_S)
    assert watching.process.returncode == 3, err
    assert "UNKNOWN" in out
    assert "the connection to it broke" in " ".join(out.split())
    until(lambda: gone(lab), "agents outlived the connection")
