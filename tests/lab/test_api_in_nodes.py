"""The lab's API answers in the nodes, as a cluster's does; and nothing of that outlives it."""

import json
import os
import signal
import sys
import time
from urllib.parse import urlsplit

import pytest

from tests.lab.universe import Universe
from tracer.lab.paths import KUBECONFIG, SERVER_PID

pytestmark = pytest.mark.lab

CONNECT = """
import socket, sys
socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()
"""


def connect(lab: Universe, place: str) -> str:
    """`reached`, or the error's name: a bare connection to where the API answers."""
    where = urlsplit(lab.server())
    assert where.hostname
    words = ["-c", CONNECT, where.hostname, str(where.port)]
    done = lab.flantrace("lab", "exec", place, "--", sys.executable, *words)
    return "reached" if done.returncode == 0 else done.stderr.splitlines()[-1].partition(":")[0]


@pytest.mark.parametrize("node", ["node-a", "node-b", "node-c"])
def test_flantrace_asks_the_api_from_within_a_node(lab: Universe, node: str) -> None:
    command = [sys.executable, "-m", "tracer", "doctor", "--kubeconfig", KUBECONFIG, "--json"]
    done = lab.flantrace("lab", "exec", node, "--", *command)
    assert done.stdout, done.stderr
    said = {one["name"]: one["said"] for one in json.loads(done.stdout)["operator"]["items"]}
    assert "in namespace kube-flannel, backend vxlan" in said["flannel"]


def test_only_root_reads_the_kubeconfig_in_a_node(lab: Universe) -> None:
    shown = lab.lab("exec", "node-b", "--", "stat", "-c", "%a %u", KUBECONFIG)
    assert shown == "600 0\n"


def test_a_pod_does_not_have_its_nodes_loopback(lab: Universe) -> None:
    assert connect(lab, "pod-a") == "ConnectionRefusedError"


def test_a_node_that_joins_reaches_the_api_and_its_device_goes_when_it_leaves(
    lab: Universe,
) -> None:
    lab.lab("vary", "node-joined")
    try:
        assert connect(lab, "node-d") == "reached"
    finally:
        lab.lab("heal")
    # Its end of the cable goes when nothing holds its network namespace; the kernel takes a moment.
    until = time.monotonic() + 5
    while "node-d" in lab.output(["ip", "-n", "flantrace-underlay", "-o", "link"]):
        assert time.monotonic() < until, "something holds the network namespace of node-d"
    assert connect(lab, "node-a") == "reached"


def test_a_server_that_is_killed_answers_in_no_node(universe: Universe) -> None:
    before = universe.look()
    universe.lab("up", "--nodes", "2")
    assert connect(universe, "node-a") == "reached"
    os.kill(int(universe.output(["cat", SERVER_PID]).split()[0]), signal.SIGKILL)
    assert connect(universe, "node-a") == "ConnectionRefusedError"
    universe.lab("down")
    assert universe.look() == before
