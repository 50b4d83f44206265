"""`lab exec`: the command is in the node, or in the pod, and nothing stands in between."""

import os
import subprocess
import sys

import pytest

from tests.lab.universe import Universe

pytestmark = pytest.mark.lab


def test_a_command_in_a_node_sees_the_nodes_devices_and_files(lab: Universe) -> None:
    assert lab.lab("exec", "node-b", "--", "ls", "/sys/class/net").split()[:3] == [
        "cni0",
        "eth0",
        "flannel.1",
    ]
    environment = lab.lab("exec", "node-b", "--", "cat", "/run/flannel/subnet.env")
    assert environment == (
        "FLANNEL_NETWORK=10.244.0.0/16\n"
        "FLANNEL_SUBNET=10.244.2.1/24\n"
        "FLANNEL_MTU=1450\n"
        "FLANNEL_IPMASQ=true\n"
    )
    assert lab.lab("exec", "node-b", "--", "ls", "/etc/cni/net.d") == "10-flannel.conflist\n"
    assert lab.lab("exec", "node-b", "--", "ls", "/var/lib/cni/networks/cbr0").split() == [
        "10.244.2.2",
        "last_reserved_ip.0",
        "lock",
    ]
    assert "kfree_skb" in lab.lab("exec", "node-b", "--", "ls", "/sys/kernel/tracing/events/skb")


def test_a_command_in_a_pod_sees_the_pods_devices_only(lab: Universe) -> None:
    assert lab.lab("exec", "pod-a2", "--", "ls", "/sys/class/net").split() == ["eth0", "lo"]
    assert "10.244.1.3/24" in lab.lab("exec", "pod-a2", "--", "ip", "-4", "-o", "address")


def test_the_commands_exit_code_and_words_pass_unchanged(lab: Universe) -> None:
    done = lab.flantrace(
        "lab", "exec", "node-a", "--", "sh", "-c", 'printf %s "$1"; exit 7', "sh", "-n"
    )
    assert (done.returncode, done.stdout) == (7, "-n")


def test_exec_becomes_the_command_itself(lab: Universe) -> None:
    command = [*lab.inside, sys.executable, "-m", "tracer", "lab", "exec", "node-a", "--", "cat"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as inside:
        assert inside.stdin is not None
        assert inside.stdout is not None
        inside.stdin.write("here\n")
        inside.stdin.flush()
        assert inside.stdout.readline() == "here\n"
        # nsenter, python and the command are one and the same process.
        with open(f"/proc/{inside.pid}/comm") as stream:
            assert stream.read() == "cat\n"
        assert os.stat(f"/proc/{inside.pid}/ns/net").st_ino == int(
            lab.output(["stat", "-c", "%i", "/run/netns/node-a"])
        )


def test_a_bare_ip_netns_exec_reaches_nodes_and_pods_too(lab: Universe) -> None:
    shown = lab.output(["ip", "netns", "exec", "node-c", "ip", "-4", "-o", "address"])
    assert "192.0.2.13/24" in shown
    shown = lab.output(["ip", "netns", "exec", "pod-c", "ip", "-4", "-o", "address"])
    assert "10.244.3.2/24" in shown


def test_an_unknown_place_is_a_usage_error_that_lists_the_known_ones(lab: Universe) -> None:
    done = lab.flantrace("lab", "exec", "node-z", "--", "true")
    assert done.returncode == 2
    assert "node-a, node-b, node-c, pod-a, pod-a2, pod-b, pod-c" in done.stderr


def test_an_unknown_command_is_an_error_without_traceback(lab: Universe) -> None:
    done = lab.flantrace("lab", "exec", "node-a", "--", "no-such-command")
    assert done.returncode == 4
    assert "no-such-command: No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_exec_imports_nothing_heavy(lab: Universe) -> None:
    words = ["-X", "importtime", "-m", "tracer", "lab", "exec", "node-a", "--", "true"]
    done = lab.run([sys.executable, *words])
    modules = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "tracer.lab.enter" in modules
    heavy = {"kubernetes", "pyroute2", "starlette", "uvicorn", "bcc"}
    assert heavy & modules == set()
