"""What a Watch sees of real packets on real devices."""

import fcntl
import os
import select
import socket
import struct
import subprocess

import pytest

from tests import packets
from tests.kernel.conftest import until
from tests.kernel.overlay import MACS, POD1, POD2, Overlay, inside, ip, udp_with, way
from tracer.collect.bpf import Watch
from tracer.model.observation import AttachedPoint, Device, Direction, Observation

pytestmark = pytest.mark.kernel

SENDER = [
    ("vpod", Direction.IN),
    ("cni0", Direction.IN),
    ("flannel.1", Direction.OUT),
    ("eth0", Direction.OUT),
]
RECEIVER = [
    ("eth0", Direction.IN),
    ("flannel.1", Direction.IN),
    ("cni0", Direction.OUT),
    ("vpod", Direction.OUT),
]


def freed(seen: list[Observation]) -> list[Observation]:
    return [one for one in seen if one.direction is Direction.FREED]


def fdb(overlay: Overlay, action: str, mac: str = MACS[2]) -> None:
    words = f"fdb {action} {mac} dev flannel.1 dst 192.0.2.12 self permanent"
    subprocess.run(["bridge", "-n", overlay.node(1), *words.split()], check=True)


@pytest.mark.parametrize("prefer", ["tcx", "clsact"])
def test_a_packet_is_seen_at_every_hook_of_both_nodes_unchanged(
    overlay: Overlay, prefer: str
) -> None:
    payload = b"the payload as it was sent, " + prefer.encode()
    with (
        overlay.watch(1, prefer=prefer) as one,
        overlay.watch(2, prefer=prefer) as two,
        overlay.receiver() as receiver,
    ):
        overlay.send(payload)
        assert receiver.recv(2000) == payload
        sent = udp_with(until(one, lambda seen: len(udp_with(seen, payload)) >= 4), payload)
        came = udp_with(until(two, lambda seen: len(udp_with(seen, payload)) >= 4), payload)
        assert one.attach == two.attach == prefer
        assert one.lost() == two.lost() == 0
    assert way(sent) == SENDER
    assert way(came) == RECEIVER
    assert len({packet.skb for packet in sent}) == 1
    assert len({packet.skb for packet in came}) == 1
    assert sent[-1].headers[14 + 20 :] == came[0].headers[14 + 20 :]
    assert [packet.length for packet in sent] == [42 + len(payload)] * 3 + [92 + len(payload)]
    assert [packet.time_ns for packet in sent] == sorted(packet.time_ns for packet in sent)


def test_a_stale_mac_shows_as_a_drop_in_ip_rcv_core_at_the_vtep(overlay: Overlay) -> None:
    stale = "02:f1:00:00:00:99"
    fdb(overlay, "add", stale)
    change = "neigh change 10.244.2.0 lladdr {} dev flannel.1 nud permanent"
    ip(change.format(stale), ns=overlay.node(1))
    try:
        with overlay.watch(2) as watch:
            overlay.send(b"never delivered")
            drops = freed(until(watch, freed))
    finally:
        ip(change.format(MACS[2]), ns=overlay.node(1))
        fdb(overlay, "del", stale)
    (drop,) = drops
    assert drop.drop is not None
    assert drop.drop.reason == "OTHERHOST"
    assert (drop.drop.caller or "").startswith("ip_rcv_core+0x")
    assert (drop.device, drop.ifname) == (Device.VTEP, "flannel.1")
    assert drop.netns == overlay.inode(overlay.node(2))
    assert not drop.ethernet
    assert drop.ethertype == 0x0800
    assert drop.length == len(drop.headers) == 28 + len(b"never delivered")
    assert drop.headers[0] == 0x45


def test_a_missing_fdb_entry_shows_as_a_drop_at_the_senders_vtep(overlay: Overlay) -> None:
    fdb(overlay, "del")
    try:
        with overlay.watch(1) as watch:
            overlay.send(b"nowhere to go")
            drops = freed(until(watch, freed))
    finally:
        fdb(overlay, "add")
    (drop,) = drops
    assert drop.drop is not None
    assert drop.drop.reason == "NO_TX_TARGET"
    assert (drop.drop.caller or "").startswith("vxlan_")
    assert (drop.ifname, drop.device) == ("flannel.1", Device.VTEP)


def test_a_drop_inside_of_the_pod_is_seen_and_is_no_device_of_the_node(overlay: Overlay) -> None:
    with overlay.watch(2) as watch:
        overlay.send(b"to a closed port", port=7)
        drops = udp_with(freed(until(watch, freed)), b"to a closed port")
    (drop,) = drops
    assert drop.drop is not None
    assert drop.drop.reason == "NO_SOCKET"
    assert (drop.ifname, drop.device) == ("eth0", Device.UNKNOWN)
    assert drop.netns == overlay.inode(overlay.pod(2))


def test_a_drop_in_another_nodes_namespace_is_not_reported(overlay: Overlay) -> None:
    with overlay.watch(1) as here, overlay.watch(2) as there:
        overlay.send(b"dropped elsewhere", port=7)
        assert freed(until(there, freed))
    assert not udp_with(freed(here.drain()), b"dropped elsewhere")


def test_time_exceeded_is_seen_though_the_pair_sent_it_not(overlay: Overlay) -> None:
    def answers(seen: list[Observation]) -> list[Observation]:
        # IPv4 without options: protocol ICMP, type time exceeded
        return [one for one in seen if one.ethernet and one.headers[23:35:11] == b"\x01\x0b"]

    with overlay.watch(1) as watch:
        overlay.send(b"too far", ttl=1)
        seen = answers(until(watch, lambda seen: len(answers(seen)) >= 2))
    assert way(seen) == [("cni0", Direction.OUT), ("vpod", Direction.OUT)]


def test_arp_for_the_peers_flannel_address_is_seen_on_the_vtep(overlay: Overlay) -> None:
    def requests(seen: list[Observation]) -> list[Observation]:
        return [
            one for one in seen if one.ifname == "flannel.1" and one.headers[12:14] == b"\x08\6"
        ]

    entry = f"lladdr {MACS[2]} dev flannel.1 nud permanent"
    ip("neigh del 10.244.2.0 dev flannel.1", ns=overlay.node(1))
    try:
        with overlay.watch(1) as watch:
            overlay.send(b"who has it")
            seen = requests(until(watch, requests))
    finally:
        ip(f"neigh replace 10.244.2.0 {entry}", ns=overlay.node(1))
    assert seen
    assert {one.direction for one in seen} == {Direction.OUT}


def test_packets_of_others_are_not_recorded(overlay: Overlay) -> None:
    ip("addr add 10.244.1.77/24 dev eth0", ns=overlay.pod(1))
    try:
        with overlay.watch(1) as watch:
            with inside(overlay.pod(1)), socket.socket(type=socket.SOCK_DGRAM) as other:
                other.bind(("10.244.1.77", 0))
                other.sendto(b"of somebody else", ("10.244.2.2", 9))
            overlay.send(b"of the pair")
            seen = until(watch, lambda seen: len(udp_with(seen, b"of the pair")) >= 4)
    finally:
        ip("addr del 10.244.1.77/24 dev eth0", ns=overlay.pod(1))
    assert udp_with(seen, b"of the pair")
    assert not udp_with(seen, b"of somebody else")


def test_a_ring_that_is_too_small_loses_countably(overlay: Overlay) -> None:
    total = 500
    with overlay.watch(1, ring_bytes=4096) as watch:
        overlay.send(b"many of them", times=total)
    # what came back is the port's closed answer; requests and answers pass four hooks each
    seen = watch.drain()
    assert 0 < len(seen) <= 4096 // 232
    assert watch.lost() > 4 * total - len(seen) - 1


def test_a_device_that_went_away_is_a_problem_and_no_crash(overlay: Overlay) -> None:
    gone = AttachedPoint(device=Device.POD, ifindex=9999, ifname="veth-gone")
    for prefer in ("tcx", "clsact"):
        with (
            inside(overlay.node(1)),
            Watch("node1", overlay.filter(1), [gone, *overlay.points(1)], prefer=prefer) as watch,
        ):
            assert watch.problems == ["veth-gone went away before it could be watched"]
            assert len(watch.points) == 4
            assert watch.attach == prefer


def test_what_was_seen_before_detaching_can_still_be_read(overlay: Overlay) -> None:
    with overlay.receiver() as receiver:
        watch = overlay.watch(1)
        overlay.send(b"before the end")
        receiver.recv(100)
        watch.close()
        overlay.send(b"after the end")
        receiver.recv(100)
    seen = watch.drain()
    assert way(udp_with(seen, b"before the end")) == SENDER
    assert not udp_with(seen, b"after the end")


def test_a_super_packet_says_its_segments_size(overlay: Overlay) -> None:
    with inside(overlay.pod(2)):
        server = socket.create_server(("10.244.2.2", 0))
    with overlay.watch(1) as watch, server:
        with inside(overlay.pod(1)):
            client = socket.create_connection(server.getsockname(), timeout=5)
        with client, server.accept()[0] as taken:
            client.sendall(bytes(200_000))
            left = 200_000
            while left:
                left -= len(taken.recv(1 << 16))
        seen = until(watch, lambda seen: any(one.gso_size for one in seen))
    large = [one for one in seen if one.gso_size and one.ifname == "cni0"]
    assert large
    assert all(one.length > 1500 for one in large)
    assert {one.gso_size for one in large} <= set(range(1300, 1461))
    (length,) = struct.unpack("!H", large[0].headers[16:18])
    assert length == large[0].length - 14


def test_frames_too_short_for_their_headers_stop_nothing(overlay: Overlay) -> None:
    whole = packets.ethernet(packets.ipv4(POD1, POD2, packets.UDP, bytes(8)), dst=MACS[1])
    with overlay.watch(1) as watch:
        with inside(overlay.pod(1)), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind(("eth0", 0))
            for length in range(14, len(whole)):
                raw.send(whole[:length])
        overlay.send(b"a good one")
        seen = until(watch, lambda seen: len(udp_with(seen, b"a good one")) >= 4)
        assert watch.lost() == 0
    assert way(udp_with(seen, b"a good one")[:4]) == SENDER


def test_headers_outside_of_the_linear_part_are_found(overlay: Overlay) -> None:
    """A TAP device with IFF_NAPI_FRAGS puts only the first piece that is written there."""
    inner = packets.ethernet(packets.ipv4(POD1, POD2, packets.UDP, packets.udp(1, 2, b"in pages")))
    payload = packets.udp(50000, packets.PORT, packets.vxlan(inner))
    frame = packets.ethernet(packets.ipv4("192.0.2.99", "192.0.2.98", packets.UDP, payload))
    iff_tap, iff_napi, iff_napi_frags, iff_no_pi, tunsetiff = 2, 0x10, 0x20, 0x1000, 0x400454CA
    with inside(overlay.node(1)), open("/dev/net/tun", "r+b", buffering=0) as tap:
        flags = iff_tap | iff_napi | iff_napi_frags | iff_no_pi
        fcntl.ioctl(tap, tunsetiff, struct.pack("16sH14x", b"tap0", flags))
        ip("link set tap0 up", ns=overlay.node(1))
        point = AttachedPoint(
            device=Device.UPLINK, ifindex=socket.if_nametoindex("tap0"), ifname="tap0"
        )
        with Watch("node1", overlay.filter(1), [point]) as watch:
            os.writev(tap.fileno(), [frame[:14], frame[14:]])
            seen = until(watch, lambda seen: udp_with(seen, b"in pages"))
    (found,) = udp_with(seen, b"in pages")
    assert (found.ifname, found.direction) == ("tap0", Direction.IN)
    assert found.headers == frame[:160]


def test_a_packet_wakes_the_reader_and_so_do_those_right_behind_it(overlay: Overlay) -> None:
    """The kernel wakes it once for a burst; for what follows, an alarm rings (collect/ring.py)."""
    with overlay.watch(1) as watch:
        assert select.select([watch], [], [], 0)[0] == []
        overlay.send(b"the first")
        assert select.select([watch], [], [], 5)[0] == [watch]
        seen = watch.drain()
        assert seen
        overlay.send(b"the last")
        while not udp_with(seen, b"the last"):
            assert select.select([watch], [], [], 5)[0] == [watch]
            seen += watch.drain()
        while select.select([watch], [], [], 0.1)[0]:
            watch.drain()
        assert select.select([watch], [], [], 0)[0] == []
