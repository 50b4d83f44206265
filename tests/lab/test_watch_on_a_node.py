"""`flantrace watch --here` as a pod of the DaemonSet starts it, and as the systemd unit does.

With the same words and the same capabilities, and the signals that either sends.
"""

import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.lab.universe import Universe
from tracer.collect.capabilities import NUMBERS
from tracer.install.settings import METRICS_PORT, Settings
from tracer.install.watch import RECORDINGS, watch_objects
from tracer.lab.paths import KUBECONFIG

pytestmark = pytest.mark.lab

NODE, ADDRESS = "node-a", "192.0.2.11"
UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "flantrace-watch.service"
OWN = [sys.executable, "-m", "tracer"]
PATIENCE_S = 40

ASK = """
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())
"""


def container() -> dict[str, Any]:
    """That of the DaemonSet."""
    (daemon_set,) = (
        one
        for one in watch_objects(Settings(image="registry.example/flantrace:1"))
        if one["kind"] == "DaemonSet"
    )
    (only,) = daemon_set["spec"]["template"]["spec"]["containers"]
    return dict(only)


def confined(capabilities: Sequence[str]) -> list[str]:
    """What a runtime or systemd takes away before it starts us."""
    kept = "".join(f",+cap_{NUMBERS[name]}" for name in capabilities)
    return ["setpriv", "--no-new-privs", "--inh-caps=-all", f"--bounding-set=-all{kept}"]


READ_ONLY = """
for folder in /tmp "$0"; do mkdir -p "$folder" && mount -t tmpfs empty "$folder" || exit 9; done
mount -o remount,bind,ro / && mount -o remount,bind,ro /etc && mount -o remount,bind,ro /var/lib
exec "$@"
"""


def read_only() -> list[str]:
    """A root that nobody writes to, but for the container's own folders."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", READ_ONLY, RECORDINGS]


def as_pod() -> list[str]:
    """The container's words, with the node's values in them, as the kubelet puts them in."""
    values = {"NODE_NAME": NODE, "NODE_IP": ADDRESS}
    _, *words = container()["command"]
    expanded = [re.sub(r"\$\((\w+)\)", lambda match: values[match[1]], word) for word in words]
    kept = container()["securityContext"]["capabilities"]["add"]
    return [*read_only(), *confined(kept), *OWN, *expanded]


def as_unit(metrics: str = f"127.0.0.1:{METRICS_PORT}") -> list[str]:
    """ExecStart's words, and the capabilities of the unit."""
    lines = [line.partition("=") for line in UNIT.read_text().splitlines()]
    settings = {key: value for key, equals, value in lines if equals and not key.startswith("#")}
    told = settings["ExecStart"].replace("${METRICS}", metrics)
    _, *words = shlex.split(told.replace("$OPTIONS", f"--node {NODE}"))
    kept = [one.removeprefix("CAP_") for one in settings["CapabilityBoundingSet"].split()]
    return [*confined(kept), *OWN, *words]


@contextmanager
def started(lab: Universe, command: list[str], **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A watch on the node."""
    given = [f"{key}={value}" for key, value in {"KUBECONFIG": KUBECONFIG, **environ}.items()]
    process = subprocess.Popen(
        [*lab.inside, *OWN, "lab", "exec", NODE, "--", "env", *given, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
    assert ready, "the watch says nothing"
    return process.stdout.readline()


def asked(lab: Universe, place: str, path: str, address: str = ADDRESS) -> str:
    """What another program reads there; the error's last line where nobody answers."""
    url = f"http://{address}:{METRICS_PORT}{path}"
    done = lab.flantrace("lab", "exec", place, "--", sys.executable, "-c", ASK, url)
    return done.stdout if done.returncode == 0 else done.stderr.splitlines()[-1]


def heard(manager: socket.socket, word: str) -> str:
    """The next datagram that has this line."""
    until = time.monotonic() + PATIENCE_S
    while word not in (said := manager.recv(4096).decode()).split("\n"):
        assert time.monotonic() < until, f"no {word}"
    return said


def until_ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and stderr."""
    _, said = process.communicate(timeout=PATIENCE_S)
    return process.returncode, said


def test_as_a_pod_it_watches_and_the_kubelet_and_prometheus_reach_it(lab: Universe) -> None:
    with started(lab, as_pod()) as process:
        assert "watching node-a: 3 leases" in first_line(process)
        assert asked(lab, NODE, "/healthz").strip() == "watching"
        assert "flantrace_build_info" in asked(lab, "node-b", "/metrics")
        assert "refused" in asked(lab, NODE, "/healthz", "127.0.0.1"), "only by the node's address"
        process.send_signal(signal.SIGTERM)
        code, said = until_ended(process)
    assert (code, said) == (0, "")


def test_as_a_unit_it_tells_systemd_that_it_is_ready_lives_rereads_and_ends(
    lab: Universe, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE_S)
        asks = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}
        with started(lab, as_unit(), **asks) as process:
            ready = heard(manager, "READY=1")
            assert "STATUS=watching node-a: 3 leases" in ready
            process.send_signal(signal.SIGHUP)
            for _ in range(3):
                heard(manager, "WATCHDOG=1")
            assert process.poll() is None
            assert "refused" in asked(lab, "node-b", "/metrics"), "the loopback's alone"
            process.send_signal(signal.SIGTERM)
            code, said = until_ended(process)
            assert (code, said) == (0, "")
            heard(manager, "STOPPING=1")
