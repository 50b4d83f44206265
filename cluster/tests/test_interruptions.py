"""Whatever is killed, cut off or restarted in the middle: what was seen is said, nothing stays."""

import contextlib
import os
import signal
import time

import pytest

from cluster import control, daemons
from cluster.setup import GATEWAY, Cluster
from cluster.tests.watching import (
    Watching,
    agents,
    ephemeral,
    flantrace,
    nothing_is_left,
    pinging,
    until,
)

WAYS = pytest.mark.parametrize("made", [False, True], ids=["installed", "ephemeral"])


@pytest.fixture(autouse=True)
def _clean(installed: Cluster) -> None:
    """What a test before has left is that one's failure."""
    words = ("-l", "flantrace/ephemeral", "--grace-period=1")
    installed.kubectl("-n", "flantrace", "delete", "pods", *words)


def way(image: str, *, made: bool) -> list[str]:
    """The words for pods that are there, or for such as are made."""
    return ["--ephemeral", "--image", image, "--pull-policy", "IfNotPresent"] if made else []


def restart_api_server(cluster: Cluster, patience_s: float) -> None:
    """End it, by SIGKILL if it does not end in time, and start it again.

    Told to end, it serves what is open for half a minute and longer.
    """
    pid = daemons.pid_of("control", "kube-apiserver")
    if patience_s:
        daemons.end(pid, patience_s)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not daemons.alive(pid), "the API server does not end")
    place = cluster.places["control"]
    control.start_apiserver(place)
    control.await_api(place)


@WAYS
def test_an_agent_that_is_killed(installed: Cluster, image: str, made: bool) -> None:
    with pinging(installed):
        watching = Watching(installed, *way(image, made=made))
        (agent,) = agents(installed, "node-b")
        os.kill(agent, signal.SIGKILL)
        answer = watching.answer()
    assert watching.process.returncode == 3, answer
    assert "UNKNOWN" in answer
    assert "the agent on node-b stopped answering: it was killed (exit code 137)" in answer
    assert "icmp echo" in answer, "what was seen is shown"
    nothing_is_left(installed)


@WAYS
def test_an_agent_that_is_told_to_end_by_somebody_else(
    installed: Cluster, image: str, made: bool
) -> None:
    """It says goodbye in all form, and has not seen what came after."""
    with pinging(installed):
        watching = Watching(installed, *way(image, made=made))
        (agent,) = agents(installed, "node-b")
        os.kill(agent, signal.SIGTERM)
        answer = watching.answer()
    assert watching.process.returncode == 3, answer
    assert "the agent on node-b left before it was told to" in answer
    nothing_is_left(installed)


def test_a_pod_that_is_deleted(installed: Cluster, image: str) -> None:
    with pinging(installed):
        watching = Watching(installed, *way(image, made=True))
        pod = ephemeral(installed)[0]
        installed.kubectl("-n", "flantrace", "delete", "pod", pod, "--grace-period=1")
        answer = watching.answer()
    assert watching.process.returncode == 3, answer
    assert "stopped answering" in answer
    nothing_is_left(installed)


@WAYS
def test_an_api_server_that_crashes(installed: Cluster, image: str, made: bool) -> None:
    with pinging(installed):
        watching = Watching(installed, *way(image, made=made))
        restart_api_server(installed, 0)
        answer = watching.answer()
    assert watching.process.returncode == 3, answer
    assert answer.count("the connection to it broke") >= 2
    assert "icmp echo" in answer, "what was seen is shown"
    nothing_is_left(installed)


def test_an_api_server_that_is_told_to_end(installed: Cluster, image: str) -> None:
    """Open connections may outlast the trace; the pods are removed when it is back."""
    watching = Watching(installed, *way(image, made=True))
    restart_api_server(installed, 30)
    watching.answer()
    assert watching.process.returncode == 3, "nobody pings: nothing was seen"
    nothing_is_left(installed)


@WAYS
def test_a_node_that_the_control_plane_does_not_reach(
    installed: Cluster, image: str, made: bool
) -> None:
    """Packets between pods go on, and nobody tells what became of them there."""
    node, control_plane = installed.places["node-b"], control.ADDRESS
    rules = (("INPUT", "-s", control_plane), ("OUTPUT", "-d", control_plane))
    with pinging(installed):
        watching = Watching(installed, *way(image, made=made))
        for chain, *words in rules:
            node.run("iptables", "-w", "-I", chain, *words, "-j", "DROP")
        try:
            begun = time.monotonic()
            until(lambda: not agents(installed, "node-b"), "the agent stays on a node alone")
            left_after_s = time.monotonic() - begun
            # Its pod is gone for the API at once, and for the node when it is back.
            answer = watching.answer()
        finally:
            for chain, *words in rules:
                node.run("iptables", "-w", "-D", chain, *words, "-j", "DROP")
    print(f"the agent on the node that was cut off left after {left_after_s:.1f} s")
    assert watching.process.returncode == 3, answer
    assert "the agent on node-b stopped answering: nothing for 8 s" in answer
    assert "icmp echo" in answer, "what was seen is shown"
    nothing_is_left(installed)


def test_a_node_whose_cable_is_pulled(installed: Cluster, image: str) -> None:
    """Packets are lost for certain, if node-a saw where; else it is not known."""
    node = installed.places["node-b"]
    with pinging(installed):
        watching = Watching(installed, *way(image, made=True))
        node.run("ip", "link", "set", "eth0", "down")
        try:
            until(lambda: not agents(installed, "node-b"), "the agent stays on a node alone")
            answer = watching.answer()
        finally:
            node.run("ip", "link", "set", "eth0", "up")
            node.run("ip", "route", "replace", "default", "via", GATEWAY)
    assert watching.process.returncode in (1, 3), answer
    assert "the agent on node-b stopped answering: nothing for 8 s" in answer
    nothing_is_left(installed)
    until(lambda: flantrace(installed, "web-a", "web-b", "--no-save")[0] == 0, "it does not heal")


@WAYS
def test_an_operator_that_is_killed(installed: Cluster, image: str, made: bool) -> None:
    """The agents leave; pods that nobody removes end by their deadline."""
    watching = Watching(installed, *way(image, made=made))
    begun = time.monotonic()
    watching.process.kill()
    watching.process.wait()
    until(lambda: not agents(installed), "agents outlived their operator")
    print(f"the agents left after {time.monotonic() - begun:.1f} s")
    listed = installed.get("pods", "-n", "flantrace", "-l", "flantrace/ephemeral")["items"]
    assert [0 < one["spec"]["activeDeadlineSeconds"] < 600 for one in listed] == [True] * 2 * made
    for one in listed:
        installed.kubectl("-n", "flantrace", "delete", "pod", one["metadata"]["name"], "--now")
    nothing_is_left(installed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_removes_its_pods(
    installed: Cluster, image: str, number: signal.Signals
) -> None:
    with pinging(installed):
        watching = Watching(installed, *way(image, made=True))
        assert len(ephemeral(installed)) == 2
        watching.interrupt(number)
        answer = watching.answer()
    assert watching.process.returncode == 130
    assert "icmp echo" in answer, "what was seen is shown"
    nothing_is_left(installed)


def test_what_ended_runs_have_left_is_removed_by_the_next(installed: Cluster, image: str) -> None:
    from tracer.install.manifests import ephemeral_pod
    from tracer.install.settings import Settings

    settings = Settings(image=image, pull_policy="IfNotPresent")
    pod = ephemeral_pod(settings, "node-a", "0123456789abcdef", 1)
    pod["metadata"]["name"] = f"{pod['metadata'].pop('generateName')}x"
    installed.apply([pod])
    phases = ("Succeeded", "Failed")
    until(
        lambda: (
            installed.get("pod", "-n", "flantrace", pod["metadata"]["name"])["status"]["phase"]
            in phases
        ),
        "the deadline does not end the pod",
        60,
    )
    assert flantrace(installed, "web-a", "web-b", "--no-save", *way(image, made=True))[0] == 0
    nothing_is_left(installed)


def test_pods_that_are_not_admitted_are_told_of_in_the_clusters_words(
    installed: Cluster, image: str
) -> None:
    label = "pod-security.kubernetes.io/enforce"
    installed.kubectl("label", "namespace", "flantrace", f"{label}=baseline", "--overwrite")
    try:
        code, _, err = flantrace(installed, "web-a", "web-b", *way(image, made=True))
    finally:
        installed.kubectl("label", "namespace", "flantrace", f"{label}=privileged", "--overwrite")
    assert code == 4
    assert 'violates PodSecurity "baseline:latest": ' in err
    assert f"kubectl label namespace flantrace {label}=privileged --overwrite" in err


def test_an_image_that_cannot_be_pulled_is_told_of_in_the_kubelets_words(
    installed: Cluster,
) -> None:
    words = ("--ephemeral", "--image", "localhost/absent:1", "--pull-policy", "Never")
    code, _, err = flantrace(installed, "web-a", "web-b", *words)
    assert code == 4
    assert "does not start: ErrImageNeverPull: " in err
    assert "hint   can node-" in err
    nothing_is_left(installed)
