"""What breaks in the middle of a trace: the half that was seen is printed, and nothing is left."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster import control
from cluster.daemons import end, pid_of, until
from cluster.paths import name, state
from cluster.pki import Authority
from cluster.setup import NODES, Cluster
from cluster.tests.clock import Clock
from cluster.tests.flantrace import PROGRAM, Flantrace, environ
from cluster.workers import cgroup_of

TRACE = ("web-a", "web-b", "--passive", "--for", "20s", "--no-save")
SILENT_S = 30
"""An agent leaves 10 s after its operator's last word; one more breath for a busy machine."""

Break = Callable[[Cluster], None]


def agents(node: str) -> list[int]:
    """The processes on a node that are agents of a trace."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = cgroup_of(name(), node) in (process / "cgroup").read_text()
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if ours and b"agent" in words[1:]:
            found.append(int(process.name))
    return found


def kill_agent(_: Cluster) -> None:
    for pid in agents("node-b"):
        os.kill(pid, signal.SIGKILL)


def cut_off(cluster: Cluster) -> None:
    cluster.places["underlay"].run("ip", "link", "set", "p-node-b", "down")


def restart_api_server(cluster: Cluster) -> None:
    end(pid_of("control", "kube-apiserver"))
    authority = Authority(state() / "pki")
    cgroup = f"flantrace-{name()}-control"
    control.start_apiserver(cluster.places["control"], authority, cgroup)


@pytest.fixture
def whole_again(cluster: Cluster) -> Iterator[None]:
    """Whatever was broken, the cluster works again afterwards."""
    yield
    cluster.places["underlay"].run("ip", "link", "set", "p-node-b", "up")
    control.await_api(cluster.operator)
    cluster.kubectl("wait", "--for=condition=Ready", "node", *NODES, "--timeout=120s")


@pytest.mark.usefixtures("whole_again")
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (kill_agent, "the agent on node-b"),
        (cut_off, "the agent on node-b"),
        (restart_api_server, "the agent on node-"),
    ],
    ids=["an-agent-is-killed", "a-node-is-cut-off", "the-api-server-restarts"],
)
def test_the_half_that_was_seen_is_printed_and_nothing_is_left(
    cluster: Cluster, flantrace: Flantrace, clock: Clock, broken: Break, said: str
) -> None:
    address = cluster.get("pod", "web-b")["status"]["podIP"]
    cluster.kubectl("exec", "web-a", "--", "sh", "-c", f"ping -i 0.2 -w 40 {address} >/dev/null &")
    with clock("trace"):
        trace = subprocess.Popen(
            [*cluster.operator.enter, str(PROGRAM), *TRACE, *flantrace.way()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environ(),
        )
        until("agents on both nodes", lambda: all(agents(node) for node in NODES), 20)
        time.sleep(4)  # they watch by then, and have seen some packets
        broken(cluster)
        out, err = trace.communicate(timeout=90)
    print(out, err)
    assert trace.returncode == 3, out + err
    assert said in out
    assert "node-a" in out
    assert "cni0" in out, "no hop of what was seen is printed"
    assert "Traceback" not in err
    cluster.places["underlay"].run("ip", "link", "set", "p-node-b", "up")
    with clock("agents leave"):
        until("no agent is left", lambda: not any(agents(node) for node in NODES), SILENT_S)
