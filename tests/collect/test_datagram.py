"""The underlay's test datagrams: the same to every port, and of no consequence."""

import socket
from collections.abc import Iterator

import pytest

from tests.collect.nodes import UNDERLAY, Overlay, overlay
from tracer.collect.datagram import send
from tracer.collect.snapshot import counters
from tracer.model.message import Datagram
from tracer.model.state import Counters

pytestmark = pytest.mark.kernel

SPARE_PORTS = (8473, 8474)


@pytest.fixture(scope="module")
def net() -> Iterator[Overlay]:
    with overlay("d") as made:
        for name in ("a", "b", "pod-a", "pod-b"):  # its solicitations would move the counters
            made.execute(name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        yield made


def order(**changes: object) -> Datagram:
    given: dict[str, object] = {
        "src": UNDERLAY["a"], "dst": UNDERLAY["b"], "src_port": 40001,
        "ports": (8472, *SPARE_PORTS),
    }  # fmt: skip
    return Datagram(**{**given, **changes})  # type: ignore[arg-type]


def listener(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((UNDERLAY["b"], port))
    sock.settimeout(10)
    return sock


def received_by(found: Counters) -> tuple[int, ...]:
    return found.rx_packets, found.rx_errors, found.rx_dropped, found.rx_otherhost or 0


def test_every_port_gets_the_same_vxlan_and_no_overlay_device_counts_it(net: Overlay) -> None:
    before = net.inside("b", counters)
    sockets = net.inside("b", lambda: [listener(port) for port in SPARE_PORTS])
    assert net.inside("a", lambda: send(order())) == ()
    received = [sock.recvfrom(2048) for sock in sockets]
    for sock in sockets:
        sock.close()
    assert [sender for _, sender in received] == [(UNDERLAY["a"], 40001)] * 2
    (first, second) = (data for data, _ in received)
    assert first == second
    assert first[0] == 0x08
    assert int.from_bytes(first[4:7], "big") == 16777214
    assert len(first) == 8 + 14 + 46
    after = net.inside("b", counters)
    assert after["eth0"].rx_packets >= before["eth0"].rx_packets + 3
    for device in ("flannel.1", "cni0"):
        # What they send of their own (IPv6 router solicitations, MLD) has nothing to do with it.
        assert received_by(after[device]) == received_by(before[device])


def test_what_could_not_be_sent_is_said(net: Overlay) -> None:
    (problem,) = net.inside("a", lambda: send(order(src="192.0.2.77")))
    assert problem == "no test datagram from 192.0.2.77 port 40001: Cannot assign requested address"
    problems = net.inside("a", lambda: send(order(dst="203.0.113.9")))
    assert problems[0] == "no test datagram to 203.0.113.9 port 8472: Network is unreachable"
    assert len(problems) == 3
    assert "no test datagram from nonsense" in send(order(src="nonsense"))[0]
