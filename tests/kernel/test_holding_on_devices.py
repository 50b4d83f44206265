"""Held at the devices of two nodes: what one sends the other receives, packet by packet."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.bpf_objects import gone, held_by
from tests.kernel.overlay import MACS, POD1, Overlay, inside
from tracer.collect.counters import HOOKS, KINDS, Tally
from tracer.collect.holding import Holding
from tracer.collect.shape import shape
from tracer.core.held import Held, HeldOwn, HeldPeer

pytestmark = pytest.mark.kernel

LEAVES = ("from_pod", "vtep_out", "uplink_out")
ARRIVES = ("uplink_in", "vtep_in", "to_pod")


def held(number: int) -> Held:
    """The leases of both nodes, as node `number` holds them."""
    other = 3 - number
    own = HeldOwn(
        family=4,
        subnet=f"10.244.{number}.0/24",
        vtep_ip=f"10.244.{number}.0",
        mac=MACS[number],
        local=f"192.0.2.1{number}",
        vni=1,
        port=8472,
    )
    peer = HeldPeer(
        node=f"node{other}",
        subnet=f"10.244.{other}.0/24",
        vtep_mac=MACS[other],
        public_ip=f"192.0.2.1{other}",
        plain=False,
    )
    return Held(networks=("10.244.0.0/16",), ports=(4789, 8472), own=(own,), peers=(peer,))


@contextmanager
def holding(overlay: Overlay, number: int, prefer: str = "tcx") -> Iterator[Holding]:
    """At every device of a node."""
    with inside(overlay.node(number)):
        made = Holding(shape(held(number)), 2, prefer=prefer)
        try:
            made.hold(held(number))
            for point in overlay.points(number):
                made.attach(point)
        except BaseException:
            made.close()
            raise
    try:
        yield made
    finally:
        with inside(overlay.node(number)):
            made.close()


def tallies(of: Holding) -> dict[str, Tally]:
    (found,) = (one for one in of.counted() if one.peer is not None)
    return dict(zip(HOOKS, found.at, strict=True))


def packets(of: Holding, hooks: tuple[str, ...]) -> list[int]:
    found = tallies(of)
    return [found[hook].packets for hook in hooks]


def deviations(of: Holding) -> dict[str, int]:
    return {
        kind: count
        for one in of.counted()
        for kind, count in zip(KINDS, one.deviations, strict=True)
        if count
    }


@pytest.mark.parametrize("prefer", ["tcx", "clsact"])
def test_what_leaves_one_pod_is_counted_once_at_every_hook_to_the_other(
    overlay: Overlay, prefer: str
) -> None:
    with (
        holding(overlay, 1, prefer) as one,
        holding(overlay, 2, prefer) as two,
        overlay.receiver() as receiver,
    ):
        for _ in range(100):
            overlay.send(b"held")
            receiver.recv(100)
        assert packets(one, LEAVES) == [100] * 3
        assert packets(two, ARRIVES) == [100] * 3
        assert packets(one, ARRIVES) == packets(two, LEAVES) == [0] * 3
        assert deviations(one) == deviations(two) == {}


def test_super_packets_are_counted_as_what_the_wire_carries(overlay: Overlay) -> None:
    with holding(overlay, 1) as one, holding(overlay, 2) as two:
        # these pods' MTU is larger than the tunnel's: what is refused for its size would show
        taken = overlay.stream(lambda sending: sending.sendall(bytes(20_000_000)), segment=1300)
        assert taken == 20_000_000
        time.sleep(0.2)
        assert packets(one, LEAVES) == packets(two, ARRIVES)
        assert len(set(packets(one, LEAVES))) == 1
        assert packets(two, LEAVES) == packets(one, ARRIVES)
        assert tallies(one)["vtep_out"].packets > 20_000_000 / 1450
        assert deviations(one) == deviations(two) == {}


def test_a_lost_entry_shows_as_a_gap_between_two_hooks(overlay: Overlay) -> None:
    """Without an FDB entry, flannel.1 drops what it was given."""
    words = f"{MACS[2]} dev flannel.1 dst 192.0.2.12 self permanent".split()
    bridge = ["bridge", "-n", overlay.node(1), "fdb"]
    with holding(overlay, 1) as one:
        subprocess.run([*bridge, "del", *words], check=True)
        try:
            overlay.send(b"into nothing", times=7)
        finally:
            subprocess.run([*bridge, "add", *words], check=True)
        assert packets(one, LEAVES) == [7, 7, 0]
        assert deviations(one) == {"freed": 7}
        assert [(drop.packets, drop.reason) for drop in one.dropped()] == [(7, "NO_TX_TARGET")]


def test_a_stale_mac_deviates_on_both_nodes_by_its_own_name(overlay: Overlay) -> None:
    stale = "02:bb:00:00:00:99"
    node = overlay.node(1)
    entry = f"10.244.2.0 lladdr {stale} dev flannel.1 nud permanent".split()
    right = f"10.244.2.0 lladdr {MACS[2]} dev flannel.1 nud permanent".split()
    fdb = f"{stale} dev flannel.1 dst 192.0.2.12 self permanent".split()
    with holding(overlay, 1) as one, holding(overlay, 2) as two:
        subprocess.run(["bridge", "-n", node, "fdb", "add", *fdb], check=True)
        subprocess.run(["ip", "-n", node, "neigh", "replace", *entry], check=True)
        try:
            overlay.send(b"to a MAC of yesterday", times=5)
            time.sleep(0.2)
        finally:
            subprocess.run(["ip", "-n", node, "neigh", "replace", *right], check=True)
            subprocess.run(["bridge", "-n", node, "fdb", "del", *fdb], check=True)
        assert deviations(one) == {"peer-mac": 10}, "at the VTEP, and on the wire"
        assert deviations(two) == {"own-mac": 10, "freed": 5}
        (drop,) = two.dropped()
        assert (drop.packets, drop.reason) == (5, "OTHERHOST")
        assert (drop.caller or "").startswith("ip_rcv_core+")
        assert drop.peer is not None
        assert drop.peer.node == "node1"
        assert packets(two, ARRIVES) == [5, 5, 0]
        assert list(one.records())


def test_samples_are_the_same_packets_at_every_hook_of_both_nodes(overlay: Overlay) -> None:
    with (
        holding(overlay, 1) as one,
        holding(overlay, 2) as two,
        overlay.receiver() as receiver,
    ):
        one.sample(4)
        two.sample(4)
        for _ in range(200):
            overlay.send(b"perhaps")
            receiver.recv(100)
        left, came = list(one.records()), list(two.records())
        assert len(left) == len(came)
        assert 0 < len(left) < 3 * 200
        assert len(left) % 3 == 0


def test_a_process_that_is_killed_leaves_nothing(overlay: Overlay) -> None:
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        with holding(overlay, 1) as one:
            one.counted()
            os.write(tell, " ".join(map(str, held_by("self"))).encode())
            os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    os.close(tell)
    with open(told) as said:
        held = {int(word) for word in said.read().split()}
    assert len(held) > 6
    assert gone(held)


def test_pods_of_the_first_node_are_no_peers_of_their_own(overlay: Overlay) -> None:
    with holding(overlay, 1) as one, inside(overlay.pod(1)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"home", ("10.244.1.1", 9))
        assert POD1.startswith("10.244.1.")
        assert packets(one, HOOKS) == [0] * 6
