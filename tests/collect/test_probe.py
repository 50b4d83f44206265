"""Probes as the sending socket sees them: answered, refused, too big, unanswered."""

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.collect.nodes import POD, POD6, Overlay, overlay
from tracer.collect.pods import pod_netns_fd
from tracer.collect.probe import Prober
from tracer.errors import CollectFailed, UsageError
from tracer.model.message import Probe, Sent
from tracer.model.request import ProbeKind

pytestmark = pytest.mark.kernel

DEAD, DEAD6 = "10.244.2.250", "fd00:2::250"


@pytest.fixture(scope="module")
def net() -> Iterator[Overlay]:
    with overlay("r") as made:
        for node in ("a", "b"):  # no second of waiting for a neighbour that is not there
            for family in ("ipv4", "ipv6"):
                name = f"net.{family}.neigh.cni0.retrans_time_ms"
                made.execute(node, "sysctl", "-qw", f"{name}=10")
        for pods in (POD, POD6):  # IPv6 takes a while to be ready on new devices
            deadline = time.monotonic() + 20
            while one(made, src=pods["a"], dst=pods["b"]).reply != "echo reply":
                assert time.monotonic() < deadline
        yield made


def order(**changes: object) -> Probe:
    given: dict[str, object] = {
        "id": 30000, "src": POD["a"], "dst": POD["b"], "probe": ProbeKind.ICMP, "port": None,
        "first_seq": 1, "count": 1, "size": None, "interval_ms": 5, "timeout_ms": 3000,
    }  # fmt: skip
    return Probe(**{**given, **changes})  # type: ignore[arg-type]


def sent(net: Overlay, given: Probe) -> list[Sent]:
    """All that an agent on node a would report, in the order of the probes."""

    def go() -> list[Sent]:
        fd = None if given.from_host else pod_netns_fd(given.src)
        prober = Prober(given, fd)
        found: list[Sent] = []
        while not prober.done:
            select.select(prober.files(), [], [], max(0.0, prober.due() - time.monotonic()))
            found += prober.step()
        prober.close()
        return sorted(found, key=lambda one: one.seq)

    return net.inside("a", go)


def one(net: Overlay, **changes: object) -> Sent:
    (only,) = sent(net, order(**changes))
    return only


@pytest.mark.parametrize(
    ("src", "dst", "size"), [(POD["a"], POD["b"], 84), (POD6["a"], POD6["b"], 104)]
)
def test_a_live_peer_answers_every_echo(net: Overlay, src: str, dst: str, size: int) -> None:
    found = sent(net, order(src=src, dst=dst, count=5, first_seq=7))
    assert [probe.seq for probe in found] == [7, 8, 9, 10, 11]
    assert {(probe.reply, probe.reply_from, probe.size) for probe in found} == {
        ("echo reply", dst, size)
    }
    assert all(probe.rtt_us is not None and probe.rtt_us > 0 for probe in found)


@pytest.mark.parametrize(("src", "dst"), [(POD["a"], POD["b"]), (POD6["a"], POD6["b"])])
def test_size_zero_is_the_pods_full_mtu_and_one_byte_more_does_not_leave(
    net: Overlay, src: str, dst: str
) -> None:
    assert one(net, src=src, dst=dst, size=0).size == 1450
    assert one(net, src=src, dst=dst, size=0).reply == "echo reply"
    too_big = one(net, src=src, dst=dst, size=1451)
    assert (too_big.error, too_big.reply) == ("Message too long", None)


def test_a_routes_own_mtu_is_the_full_mtu(net: Overlay) -> None:
    net.ip("pod-a", f"route add {POD['b']}/32 via 10.244.1.1 mtu 1300")
    try:
        assert one(net, size=0).size == 1300
    finally:
        net.ip("pod-a", f"route del {POD['b']}/32")


@pytest.mark.parametrize(
    ("src", "dst", "words"),
    [
        (POD["a"], POD["b"], "fragmentation needed, mtu 1400 from 10.244.1.1"),
        (POD6["a"], POD6["b"], "packet too big, mtu 1400 from fd00:1::1"),
    ],
)
def test_a_narrower_tunnel_says_how_narrow(net: Overlay, src: str, dst: str, words: str) -> None:
    net.ip("a", "link set flannel.1 mtu 1400")
    try:
        found = one(net, src=src, dst=dst, size=1450)
        again = one(net, src=src, dst=dst, size=0)
    finally:
        net.ip("a", "link set flannel.1 mtu 1450")
    assert found.reply == words
    assert again.size == 1450, "a learned path MTU must not make the next full probe smaller"


@pytest.mark.parametrize(
    ("src", "dst", "words"),
    [
        (POD["a"], DEAD, "host unreachable from 10.244.2.0"),
        (POD6["a"], DEAD6, "host unreachable from fd00:2::"),
    ],
)
@pytest.mark.parametrize("kind", [ProbeKind.ICMP, ProbeKind.TCP, ProbeKind.UDP])
def test_a_dead_peer_is_host_unreachable(
    net: Overlay, src: str, dst: str, words: str, kind: ProbeKind
) -> None:
    found = one(net, src=src, dst=dst, probe=kind, port=81)
    assert (found.reply, found.error) == (words, None)
    assert found.reply_from == words.rpartition(" ")[2]


def test_a_packet_that_loops_exceeds_its_time(net: Overlay) -> None:
    net.ip("b", "route add 10.244.2.128/25 via 10.244.1.0 dev flannel.1 onlink")
    try:
        assert one(net, dst="10.244.2.200").reply in {
            "time exceeded from 10.244.1.1",
            "time exceeded from 10.244.1.0",
            "time exceeded from 10.244.2.0",
        }
    finally:
        net.ip("b", "route del 10.244.2.128/25 via 10.244.1.0 dev flannel.1")


@pytest.mark.parametrize("kind", list(ProbeKind)[1:])
def test_a_lost_probe_is_reported_without_a_reply_when_its_time_is_over(
    net: Overlay, kind: ProbeKind
) -> None:
    net.execute("b", "nft", "add table ip lose")
    net.execute(
        "b", "nft", "add chain ip lose f { type filter hook forward priority 0; policy drop; }"
    )
    try:
        began = time.monotonic()
        found = sent(net, order(probe=kind, port=81, count=3, timeout_ms=60))
        took = time.monotonic() - began
    finally:
        net.execute("b", "nft", "delete table ip lose")
    assert [(probe.seq, probe.reply, probe.error, probe.rtt_us) for probe in found] == [
        (seq, None, None, None) for seq in (1, 2, 3)
    ]
    assert took >= 0.07, "two intervals and one timeout"


@pytest.mark.parametrize(("src", "dst"), [(POD["a"], POD["b"]), (POD6["a"], POD6["b"])])
def test_a_closed_port_answers_tcp_with_rst_and_udp_with_icmp(
    net: Overlay, src: str, dst: str
) -> None:
    tcp = sent(net, order(src=src, dst=dst, probe=ProbeKind.TCP, port=81, count=3))
    assert [(probe.reply, probe.reply_from) for probe in tcp] == [("RST", dst)] * 3
    assert [probe.src_port for probe in tcp] == [30000, 30001, 30002]
    udp = one(net, src=src, dst=dst, probe=ProbeKind.UDP, port=81)
    assert (udp.reply, udp.src_port) == (f"port unreachable from {dst}", 30000)


def test_a_listener_answers_with_syn_ack_and_keeps_no_connection(net: Overlay) -> None:
    with net.inside("pod-b", lambda: socket.create_server((POD["b"], 8080))) as server:
        found = sent(net, order(probe=ProbeKind.TCP, port=8080, count=2))
        assert [probe.reply for probe in found] == ["SYN-ACK", "SYN-ACK"]
        accepted, (host, port) = server.accept()
        assert (host, port) == (POD["a"], 30000)
        with accepted, pytest.raises(ConnectionResetError):
            accepted.recv(1)


def test_an_icmp_error_is_not_taken_for_a_refusal(net: Overlay) -> None:
    net.execute("b", "nft", "add table ip rej")
    net.execute("b", "nft", "add chain ip rej f { type filter hook forward priority 0; }")
    net.execute("b", "nft", "add rule ip rej f tcp dport 81 reject with icmp type port-unreachable")
    try:
        found = one(net, probe=ProbeKind.TCP, port=81)
    finally:
        net.execute("b", "nft", "delete table ip rej")
    assert found.reply == "port unreachable from 10.244.2.0"


def test_a_datagram_that_is_answered_is_a_reply(net: Overlay) -> None:
    def serve(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            data, sender = sock.recvfrom(2048)
            sock.sendto(data, sender)

    with net.inside("pod-b", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.settimeout(10)
        sock.bind((POD["b"], 7))
        echo = threading.Thread(target=serve, args=(sock,))
        echo.start()
        found = one(net, probe=ProbeKind.UDP, port=7, size=0)
        echo.join()
    assert (found.reply, found.reply_from, found.size) == ("datagram", POD["b"], 1450)


def test_a_node_probes_from_its_own_flannel_address(net: Overlay) -> None:
    found = one(net, src="10.244.1.0", dst="10.244.2.0", from_host=True, size=0)
    assert (found.reply, found.size) == ("echo reply", 1450)


def test_a_source_port_in_use_gives_way_to_another(net: Overlay) -> None:
    with net.inside("pod-a", lambda: socket.create_server((POD["a"], 30000))):
        found = one(net, probe=ProbeKind.TCP, port=81)
    assert found.reply == "RST"
    assert found.src_port not in (None, 30000)


def test_a_pod_without_a_route_reports_the_system_calls_words(net: Overlay) -> None:
    net.ip("pod-a", "route del default")
    try:
        assert one(net).error == "Network is unreachable"
        assert one(net, probe=ProbeKind.TCP, port=81).error == "Network is unreachable"
    finally:
        net.ip("pod-a", "route add default via 10.244.1.1")


def test_an_address_that_left_the_pod_is_an_error_in_words(net: Overlay) -> None:
    fd = net.inside("a", lambda: pod_netns_fd(POD["a"]))
    with pytest.raises(CollectFailed, match=r"probes from 10\.244\.1\.66 cannot be sent"):
        Prober(order(src="10.244.1.66"), fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_port_must_be_given_for_tcp() -> None:
    with pytest.raises(UsageError, match="without a port"):
        Prober(order(probe=ProbeKind.TCP), None)


def test_nothing_is_left_open(net: Overlay) -> None:
    before = len(os.listdir("/proc/self/fd"))
    sent(net, order(probe=ProbeKind.UDP, port=81, count=4))
    sent(net, order(count=4))
    assert len(os.listdir("/proc/self/fd")) == before
