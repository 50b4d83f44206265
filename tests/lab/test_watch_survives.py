"""A watch survives what happens to a node in days, and is shown to live by what it does afterwards.

Afterwards: packets are counted, a fault that is made opens its finding and closes with it, and no
other finding was opened.
"""

import fcntl
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bpf_objects import gone
from tests.lab.universe import Universe
from tests.lab.watched import (
    MISTAKEN,
    PATIENCE_S,
    A,
    B,
    C,
    Watch,
    mended,
    mistaken,
    talking,
    until,
    watching,
)
from tracer.lab.plan import PlannedNode

pytestmark = [pytest.mark.lab, pytest.mark.watched]

JOINED: str | None = None

AWAY_S = float(os.environ.get("FLANTRACE_API_AWAY_S", "10"))
"""For how long the API server refuses; `FLANTRACE_API_AWAY_S=3600` for an hour."""


@pytest.fixture(scope="module", autouse=True)
def _traffic(lab: Universe) -> Iterator[None]:
    """From node-a's pod to those of the others, and back."""
    with talking(lab, (A.pods[0].name, (B.pods[0].ip, C.pods[0].ip))):
        yield


@pytest.fixture(autouse=True)
def _healed(lab: Universe) -> Iterator[None]:
    yield
    lab.lab("heal")


# The API server.


@contextmanager
def refused(lab: Universe, node: PlannedNode) -> Iterator[None]:
    """The API server is gone for a node: what is open is broken off, what is asked is refused."""
    port = lab.server().rpartition(":")[2]
    rule = ["INPUT", "-p", "tcp", "--dport", port, "-j", "REJECT", "--reject-with", "tcp-reset"]
    inside = ["nsenter", f"--net=/run/netns/{node.name}", "--"]
    lab.output([*inside, "iptables", "-w", "-I", *rule])
    lab.output([*inside, "ss", "--kill", "--numeric", "dport", "=", f":{port}"])
    try:
        yield
    finally:
        lab.output([*inside, "iptables", "-w", "-D", *rule])


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Processes that hang."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def server_pid(lab: Universe) -> int:
    return int(lab.output(["cat", "/run/flantrace-lab/apiserver.pid"]).split()[0])


def test_an_api_server_that_refuses_is_said_and_its_last_leases_are_held(
    lab: Universe, tmp_path: Path
) -> None:
    with watching(lab, tmp_path) as watch:
        with refused(lab, A):
            until(lambda: "does not answer" in watch.said(), "it does not say so")
            watch.finds()
            until(
                lambda: watch.sum("flantrace_leases_age_seconds") > AWAY_S,
                f"no age\n{watch.told()}",
                AWAY_S + PATIENCE_S,
            )
            watch.finds()
            watch.counts_on()
            age = watch.sum("flantrace_leases_age_seconds")
        until(lambda: "answers again" in watch.said(), "it does not say so")
        assert watch.sum("flantrace_leases_age_seconds") < age
        assert watch.said().count("does not answer") == 1
        assert "the leases are those of" in watch.said()
        hears_of_a_lease(lab, watch)
        watch.ends()


def hears_of_a_lease(lab: Universe, watch: Watch) -> None:
    """A node more joins the cluster."""
    before = watch.sum("flantrace_leases", 'node="node-a"')
    lab.lab("vary", "node-joined")
    until(
        lambda: watch.sum("flantrace_leases", 'node="node-a"') == before + 1,
        f"no lease is heard of\n{watch.told()}",
    )
    lab.lab("heal")


def test_an_api_server_that_hangs_holds_nothing_up(lab: Universe, tmp_path: Path) -> None:
    with watching(lab, tmp_path, node=JOINED) as watch:
        with stopped(server_pid(lab)):
            watch.finds()
            watch.counts_on()
            until(lambda: watch.sum("flantrace_leases_age_seconds") > 10, "no age")
        hears_of_a_lease(lab, watch)
        watch.finds()
        watch.ends()


# Devices.


def inside(lab: Universe, *lines: str) -> None:
    """`ip` commands on node-a, as one batch."""
    lab.output(["ip", "-n", A.name, "-batch", "-"], text="".join(f"{line}\n" for line in lines))


def ifindex(lab: Universe, device: str) -> int:
    (found,) = json.loads(lab.output(["ip", "-n", A.name, "-j", "link", "show", device]))
    return int(found["ifindex"])


def closes(watch: Watch, rules: set[str]) -> None:
    """Whatever stands closes, and it is of these rules."""
    until(
        lambda: len(watch.turned("closed")) == len(watch.turned("opened")),
        f"a finding stands\n{watch.told()}",
    )
    assert set(watch.turned("opened")) <= rules, watch.told()


def test_flannels_device_is_made_anew_with_another_index(lab: Universe, tmp_path: Path) -> None:
    with watching(lab, tmp_path) as watch:
        before = ifindex(lab, "flannel.1")
        inside(lab, "link del flannel.1")
        until(lambda: watch.turned("opened"), f"nobody misses it\n{watch.told()}")
        flannel_starts(lab)
        assert ifindex(lab, "flannel.1") != before
        watch.counts_on()
        closes(watch, {"routes-lost"})
        changes = [one for line in watch.lines() for one in line["before"]]
        ends = ("flannel.1 was removed", "of flannel.1 went")
        assert any(end in one for one in changes for end in ends), watch.told()
        watch.finds()
        watch.ends()


def flannel_starts(lab: Universe) -> None:
    """As flanneld does where its device is not there (tracer/lab/flanneld.py)."""
    inside(
        lab,
        f"link add flannel.1 index 900 address {A.vtep_mac} mtu 1450 txqueuelen 0 type vxlan id 1"
        f" local {A.address} dev eth0 dstport 8472 nolearning",
        f"address add {A.vtep_ip}/32 dev flannel.1",
        "link set flannel.1 up",
        *(
            f"neighbour replace {peer.vtep_ip} lladdr {peer.vtep_mac} dev flannel.1 nud permanent"
            for peer in (B, C)
        ),
    )
    fdb = (
        f"fdb replace {peer.vtep_mac} dev flannel.1 dst {peer.address} self permanent\n"
        for peer in (B, C)
    )
    lab.output(["bridge", "-n", A.name, "-batch", "-"], text="".join(fdb))
    inside(
        lab,
        *(
            f"route replace {peer.pod_cidr} via {peer.vtep_ip} dev flannel.1 onlink"
            for peer in (B, C)
        ),
    )


def test_the_uplink_is_renamed_and_renamed_back(lab: Universe, tmp_path: Path) -> None:
    with watching(lab, tmp_path) as watch:
        inside(lab, "link property add dev eth0 altname uplink0")
        for before, now in (("eth0", "lan0"), ("lan0", "eth0")):
            inside(lab, f"link set {before} down", f"link set {before} name {now}",
                   f"link set {now} up")  # fmt: skip
            watch.counts_on(hook="uplink_out")
            closes(watch, {"uplink-down"})
        inside(lab, "link property del dev eth0 altname uplink0")
        watch.finds()
        watch.ends()


def test_the_uplink_moves_to_a_bridge_and_back(lab: Universe, tmp_path: Path) -> None:
    """As hypervisors and other CNIs have it: the NIC becomes a port, the bridge has the address."""
    address = f"{A.address}/24"
    with watching(lab, tmp_path) as watch:
        inside(
            lab,
            f"link add br0 address {A.uplink_mac} type bridge",
            f"address del {address} dev eth0",
            "link set eth0 master br0",
            f"address add {address} brd + dev br0",
            "link set br0 up",
            "link set flannel.1 type vxlan dev br0",
        )
        watch.counts_on(hook="uplink_out")
        watch.counts_on(hook="uplink_in")
        closes(watch, {"uplink-down"})
        watch.finds()
        inside(
            lab,
            f"address del {address} dev br0",
            "link set eth0 nomaster",
            f"address add {address} brd + dev eth0",
            "link set flannel.1 type vxlan dev eth0",
            "link del br0",
        )
        watch.counts_on(hook="uplink_out")
        closes(watch, {"uplink-down", MISTAKEN})
        watch.ends()


# Pods.

ROUNDS, OFTEN = 5, 10
COME_AND_GO = """
import sys
from datetime import UTC, datetime
from tracer.lab import cni, objects, overlay
from tracer.lab.plan import planned
from tracer.lab.rest import Api
node = planned(3)[0]
pod, vteps, api = node.pods[-1], overlay.healthy_vteps(node), Api()
for _ in range(int(sys.argv[1])):
    api.delete(objects.pod(pod, node, "2026-11-30T06:00:00Z"))
    cni.delete_pod(node, pod, vteps)
    cni.forget_reservations(node)
    cni.add_pod(node, pod, vteps)
    api.create(objects.pod(pod, node, "2026-11-30T06:00:00Z"))
"""
"""node-a's second pod, again and again: another veth each time, and the next one's address."""


def test_pods_come_and_go_and_nothing_is_kept_of_them(lab: Universe, tmp_path: Path) -> None:
    with watching(lab, tmp_path) as watch:
        kept = []
        for _ in range(ROUNDS):
            lab.output([sys.executable, "-c", COME_AND_GO, str(OFTEN)])
            watch.counts_on()
            kept.append((watch.files(), watch.memory()))
        assert watch.lines() == [], watch.told()
        files, memory = zip(*kept, strict=True)
        assert max(files[1:]) <= files[0] + 2, kept
        assert memory[-1] - memory[0] < 8 << 20, kept
        watch.finds()
        watch.ends()


# Time.

YEARS_S = 2 * 365 * 86_400


def test_the_clock_is_set_forward_and_back_and_only_what_is_printed_follows(
    lab: Universe, tmp_path: Path
) -> None:
    """That of the watch alone: this machine's is others', too."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    with watching(lab, tmp_path, clock=clock) as watch:
        years = []
        for seconds in (YEARS_S, -YEARS_S):
            clock.write_text(str(seconds))
            watch.finds()
            years.append([line["at"][:4] for line in watch.lines()[-2:]])
            assert watch.sum("flantrace_leases_age_seconds") < 60
            assert watch.sum("flantrace_watched_seconds") < 120
        now = int(time.time())
        wanted = (now + YEARS_S, now - YEARS_S)
        assert years == [[str(time.gmtime(one).tm_year)] * 2 for one in wanted]
        assert [line["times"] for line in watch.lines()] == [1, 1, 2, 2], watch.told()
        watch.ends()


# The disk.


def test_a_full_disk_is_said_once_and_recorded_to_again_when_there_is_room(
    lab: Universe, tmp_path: Path
) -> None:
    # the universe's own mount, as one of its processes sees it (proc(5))
    small = Path(lab.mount_namespace).parents[1] / "root" / "run" / "small"
    small.mkdir()
    lab.output(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", "/run/small"])
    try:
        others = small / "of-others"
        with watching(lab, tmp_path, "--record", "/run/small/ring", node=JOINED) as watch:
            fill(others)
            watch.finds()
            until(lambda: "No space left on device" in watch.said(), "it does not say so")
            assert watch.said().count("No space left on device") == 1, watch.said()
            assert not list(small.glob("ring/*.tgz"))
            others.unlink()
            watch.finds()
            found = until(lambda: list(small.glob("ring/*_pinned.tgz")), "nothing is recorded")
            watch.ends()
        replayed = lab.flantrace("replay", f"/run/small/ring/{found[-1].name}")
        assert "node-a" in replayed.stdout, replayed.stderr
    finally:
        lab.output(["umount", "-l", "/run/small"])
        small.rmdir()


def fill(path: Path) -> None:
    """Until not one byte is left."""
    with path.open("ab", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


# Readers, and those who are told.


def full_pipe() -> tuple[int, int]:
    """Its reading end, and the writing one, which takes not one byte more."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    os.write(write, b"\n" * 4096)
    return read, write


def test_a_reader_who_lags_and_a_webhook_that_hangs_hold_nothing_up(
    lab: Universe, tmp_path: Path
) -> None:
    read, write = full_pipe()
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        webhook = f"http://127.0.0.1:{deaf.getsockname()[1]}/hook"
        words = ("--webhook", webhook)
        with watching(lab, tmp_path, *words, node=JOINED, printing=write) as watch:
            os.close(write)
            mistaken(lab)
            until(lambda: watch.sum("flantrace_findings", MISTAKEN), "nothing is found")
            watch.counts_on()
            mended(lab)
            until(lambda: not watch.sum("flantrace_findings", MISTAKEN), "nothing closes")
            watch.counts_on()
            with os.fdopen(read) as late:
                lines = (json.loads(line) for line in late if line.strip())
                first = next(lines)
                last = next(line for line in lines if line["turn"] != "changed")
                assert (first["turn"], last["turn"]) == ("opened", "closed")
                assert first["finding"]["rule"] == last["finding"]["rule"] == MISTAKEN
                watch.ends()


FLOOD = """
import socket, sys, time
to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(int(sys.argv[2])):
    try:
        to.sendto(b"flood", (sys.argv[1], 9))
    except ConnectionRefusedError:
        to.sendto(b"flood", (sys.argv[1], 9))
    if number % 100 == 0:
        time.sleep(0.002)
"""
PACKETS = 20_000
"""Three records each: several times what the ring has room for."""


def test_stopped_for_a_while_it_loses_records_says_so_and_counters_are_exact(
    lab: Universe, tmp_path: Path
) -> None:
    with watching(lab, tmp_path, "--sample", "1/1", node=C.name) as watch:
        assert watch.counts(B.name) == 0
        with stopped(watch.pid):
            lab.lab("exec", C.pods[0].name, "--", sys.executable, "-c", FLOOD, B.pods[0].ip,
                    str(PACKETS))  # fmt: skip
            time.sleep(5)
        until(lambda: watch.counts(B.name) >= PACKETS, "not all are counted")
        until(lambda: "found no room" in watch.said(), f"it does not say so\n{watch.told()}")
        assert watch.counts(B.name) == PACKETS
        assert watch.counts(B.name, "uplink_out") == PACKETS
        assert watch.sum("flantrace_lost_records_total") > 0
        watch.counts_on(A.name)
        assert watch.lines() == [], watch.told()
        watch.ends()


# Processes.


def sent(lab: Universe) -> int:
    """Packets that left by node-a's flannel.1."""
    (found,) = json.loads(lab.output(["ip", "-n", A.name, "-s", "-j", "link", "show", "flannel.1"]))
    return int(found["stats64"]["tx"]["packets"])


def rate(lab: Universe, seconds: float = 3) -> float:
    """Of them, a second."""
    before, began = sent(lab), time.monotonic()
    time.sleep(seconds)
    return (sent(lab) - before) / (time.monotonic() - began)


def test_packets_pass_while_all_of_the_watch_is_stopped(lab: Universe, tmp_path: Path) -> None:
    with watching(lab, tmp_path, "--sample", "1/1", node=JOINED) as watch:
        before = rate(lab)
        with stopped(watch.pid, *watch.agents()):
            assert rate(lab) > 0.7 * before
        watch.counts_on()
        assert watch.lines() == [], watch.told()
        watch.finds()
        watch.ends()


def test_an_agent_that_is_killed_is_started_anew(lab: Universe, tmp_path: Path) -> None:
    with watching(lab, tmp_path, node=JOINED) as watch:
        killed, *others = watch.agents()
        os.kill(killed, signal.SIGKILL)
        until(lambda: "the agent on node-a ended" in watch.said(), f"not said\n{watch.said()}")
        until(lambda: set(watch.agents()) > set(others), "it is not started anew")
        watch.counts_on()
        assert watch.lines() == [], watch.told()
        watch.finds()
        watch.ends()


RING_FILES = 8
"""What the old ring holds until Python collects it."""


@pytest.mark.parametrize("node", [A.name, JOINED], ids=["here", "joined"])
def test_it_reads_all_anew_and_then_ends_and_leaves_nothing(
    lab: Universe, tmp_path: Path, node: str | None
) -> None:
    with watching(lab, tmp_path, node=node) as watch:
        before, files = watch.programs(), watch.files()
        assert before
        watch.process.send_signal(signal.SIGHUP)
        until(lambda: watch.programs() and not watch.programs() & before, "the old ones stay")
        watch.counts_on()
        watch.finds()
        assert watch.files() <= files + RING_FILES
        now = watch.programs()
        began = time.monotonic()
        watch.ends()
        assert time.monotonic() - began < 5
        assert gone(before | now)


@pytest.mark.parametrize("node", [A.name, JOINED], ids=["here", "joined"])
def test_killed_it_leaves_nothing(lab: Universe, tmp_path: Path, node: str | None) -> None:
    with watching(lab, tmp_path, node=node) as watch:
        programs = watch.programs()
        assert programs
        for pid in (*watch.agents(), watch.pid):
            os.kill(pid, signal.SIGKILL)
        watch.process.wait()
        assert gone(programs)
