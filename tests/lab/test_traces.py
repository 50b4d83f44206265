"""Live traces in the lab: every fault is named, and a live trace says what its replay says."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracer.lab.faults import FAULTS
from tracer.lab.shape import PLAIN

pytestmark = pytest.mark.lab

FLANTRACE = str(Path(sys.executable).parent / "flantrace")


def flantrace(*words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FLANTRACE, *words], capture_output=True, text=True, timeout=timeout, check=False
    )


def up(shape: str = PLAIN.name) -> None:
    done = flantrace("lab", "up", "--shape", shape)
    assert done.returncode == 0, done.stderr


def down() -> None:
    assert flantrace("lab", "down").returncode == 0


@pytest.fixture(scope="module")
def lab() -> Iterator[None]:
    up()
    yield
    down()


@pytest.fixture
def fault(lab: None, request: pytest.FixtureRequest) -> Iterator[str]:  # noqa: ARG001
    name = str(request.param)
    shape = FAULTS[name].shapes[0]
    if shape != PLAIN.name:
        down()
        up(shape)
    done = flantrace("lab", "inject", name)
    assert done.returncode == 0, done.stderr
    yield name
    if shape != PLAIN.name:
        down()
        up()
        return
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
    assert live.returncode == replay.returncode
    words = flantrace("replay", saved, "--depth", "verdict").stdout.split()
    if FAULTS[fault].spares:
        assert words[0] == "DELIVERED"
        assert words[1] in ("-", fault)
    else:
        assert live.returncode == 1
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


@pytest.mark.parametrize("fault", ["underlay-mtu-blackhole", "cloud-sg-8472"], indirect=True)
def test_what_is_sent_beyond_the_probes_is_said_and_can_be_forbidden(fault: str) -> None:
    """A size that passes to the byte, or ports that another node tries as well."""
    free = json.loads(flantrace("--lab", "pod-a", "pod-b", "--json").stdout)
    bound = json.loads(flantrace("--lab", "pod-a", "pod-b", "--no-active", "--json").stdout)
    sent: dict[bool, list[str]] = {}
    for active, told in ((True, free), (False, bound)):
        sent[active] = [note for note in told["notes"] if note.startswith("flantrace itself sent")]
        assert told["verdict"]["rule"] == fault
    assert sent[False] == []
    assert len(sent[True]) == (1 if fault == "underlay-mtu-blackhole" else 2)
    evidence = [(line["label"], line["value"]) for line in free["findings"][0]["evidence"]]
    if fault == "underlay-mtu-blackhole":
        assert ("passed", "1400 B") in evidence
        assert ("lost", "1401 B") in evidence
    else:
        assert evidence.count(("test", "vanished")) == 4


def template(tmp_path: Path, node: str, instead: str) -> str:
    """A template by which one node behaves in another way."""
    script = tmp_path / "reach"
    script.write_text(
        f'#!/bin/sh\nnode=$1; shift\n[ "$node" = {node} ] && {{ {instead}; }}\n'
        f'exec {FLANTRACE} lab exec "$node" -- "$@"\n'
    )
    script.chmod(0o755)
    return f"{script} {{node}}"


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("node", ["node-a", "node-b"])
def test_a_node_without_an_agent_gives_half_a_result_and_exit_code_3(
    node: str, tmp_path: Path
) -> None:
    reach = template(tmp_path, node, "echo no such host >&2; exit 255")
    done = flantrace("--lab", "--node-exec", reach, "pod-a", "pod-b")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "\nUNKNOWN  " in done.stdout
    assert f"no agent could be started on {node}: no such host" in done.stdout


@pytest.mark.usefixtures("lab")
def test_an_agent_of_another_version_is_an_error_with_a_hint(tmp_path: Path) -> None:
    hello = '{"kind":"hello","protocol":99,"version":"9.9","node":"node-b","pid":1}'
    reach = template(tmp_path, "node-b", f"echo '{hello}'; exit 0")
    done = flantrace("--lab", "--node-exec", reach, "pod-a", "pod-b")
    assert done.returncode == 3
    assert "speaks protocol 99" in done.stdout


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("ends", ["pod-a pod-a2", "node/node-a node/node-b", "pod-a host-b"])
def test_other_ends_than_pods_of_two_nodes_get_their_own_answer(ends: str) -> None:
    done = flantrace("--lab", *ends.split(), "--depth", "verdict")
    assert (done.returncode, done.stdout) == (0, "DELIVERED - - - -\n")


@pytest.mark.usefixtures("lab")
def test_a_fault_between_nodes_is_found_without_any_pod() -> None:
    assert flantrace("lab", "inject", "vtepmac-annotation-stale").returncode == 0
    done = flantrace("--lab", "node/node-a", "node/node-b", "--depth", "verdict")
    assert flantrace("lab", "heal").returncode == 0
    assert done.returncode == 1
    assert done.stdout == "DROPPED vtepmac-annotation-stale node-b flannel.1 OTHERHOST\n"


@pytest.mark.usefixtures("lab")
def test_without_active_tests_both_candidates_are_named() -> None:
    assert flantrace("lab", "inject", "nsx-intercepts-8472").returncode == 0
    done = flantrace("--lab", "pod-a", "pod-b", "--no-active")
    assert flantrace("lab", "heal").returncode == 0
    assert done.returncode == 1
    assert "nsx-intercepts-8472" in done.stdout
    assert "cloud-sg-8472" in done.stdout
    assert "test datagram each" not in done.stdout


@pytest.mark.usefixtures("lab")
def test_passive_follows_the_pods_own_traffic() -> None:
    watch = subprocess.Popen(
        [FLANTRACE, "--lab", "pod-a", "pod-b", "--passive", "--for", "3s", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watch.stderr is not None
    assert any(line.startswith("watching") for line in watch.stderr)
    server = subprocess.Popen(
        [FLANTRACE, "lab", "exec", "pod-b", "--", sys.executable, "-c", SERVER],
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    server.stdout.readline()
    subprocess.run(
        [FLANTRACE, "lab", "exec", "pod-a", "--", sys.executable, "-c", CLIENT], check=True
    )
    out, _ = watch.communicate(timeout=30)
    server.wait(timeout=10)
    diagnosis = json.loads(out)
    assert diagnosis["verdict"]["outcome"] == "delivered", diagnosis["verdict"]
    assert sum(path["size"] for path in diagnosis["paths"] if path["way"] == "request") > 200_000


SERVER = """
import socket
listening = socket.create_server(("", 7777))
print("ready", flush=True)
peer, _ = listening.accept()
while peer.recv(1 << 16):
    pass
"""
CLIENT = """
import socket
with socket.create_connection(("10.244.2.2", 7777), timeout=5) as peer:
    peer.sendall(bytes(200_000))
"""
