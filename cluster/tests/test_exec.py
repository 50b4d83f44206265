"""The real way from here to a pod - API server, kubelet, containerd - carries lines whole."""

import sys

import pytest

from cluster.paths import KUBECONFIG, state
from cluster.setup import Cluster

SCRIPT = """
import sys, threading
from tracer.collect.kube import Api
from tracer.collect.kube_exec import ExecChannel
from tracer.collect.kube_ways import Inside, exec_into
from tracer.collect.transport import StreamEnd
from tracer.model.message import Problem

pod, program = sys.argv[2:]
api = Api(sys.argv[1], None, 15.0)
words = ("/usr/bin/python3", "-c", program)
inside = Inside(namespace="flantrace", container="agent", agent=words)
came, over = [], threading.Event()

def sink(_node, item):
    if isinstance(item, Problem):
        came.append(len(item.what))
    elif isinstance(item, StreamEnd):
        print(len(came), sum(came), item.exit_code, item.garbage, item.why)
        over.set()

channel = ExecChannel("node-a", lambda _: exec_into(api, "node-a", pod, inside), sink, "")
assert over.wait(100)
channel.close()
"""

LINE = '{"kind":"problem","what":"%s","hint":""}'


def carried(cluster: Cluster, program: str) -> list[str]:
    """How many lines came, of how many characters in all; exit code, garbage, why it ended."""
    labels = "app.kubernetes.io/name=flantrace,app.kubernetes.io/component=agent"
    pod = cluster.get("pods", "-n", "flantrace", "-l", labels)["items"][0]["metadata"]["name"]
    words = [sys.executable, "-c", SCRIPT, state() / KUBECONFIG, pod, program]
    return cluster.operator.run(*words).split(maxsplit=4)


@pytest.mark.parametrize(
    ("program", "came"),
    [
        (f"print({LINE!r} % ('x' * 50_000_000))", ["1", "50000000", "0"]),
        (f"print({LINE!r} % ('\\u00e9' * 3_000_001))", ["1", "3000001", "0"]),
        (f"for _ in range(50_000): print({LINE!r} % ('x' * 200))", ["50000", "10000000", "0"]),
        (f"print({LINE!r} % 'x'); raise SystemExit(3)", ["1", "1", "3"]),
        (
            f"import os; print({LINE!r} % 'x', flush=True); os.kill(os.getpid(), 9)",
            ["1", "1", "137"],
        ),
    ],
    ids=["one long line", "characters of two bytes", "many lines", "exit code", "crashed"],
)
def test_every_line_arrives_and_the_exit_status(
    installed: Cluster, program: str, came: list[str]
) -> None:
    found = carried(installed, program)
    assert found[:4] == [*came, "None"]
