"""News of a pod's own network, heard on its node."""

import select
from collections.abc import Iterator

import pytest

from tests.kernel.overlay import Overlay, inside, ip
from tracer.collect.links import links
from tracer.collect.netlink import Netlink
from tracer.collect.pod_notices import PodNotices

pytestmark = pytest.mark.kernel


@pytest.fixture
def ear(overlay: Overlay) -> Iterator[PodNotices]:
    """On the first node."""
    with inside(overlay.node(1)):
        made = PodNotices()
    with made:
        yield made


def numbers(overlay: Overlay) -> dict[str, int]:
    """Of the namespaces at the other ends of the first node's veths."""
    with inside(overlay.node(1)), Netlink() as netlink:
        found = {one.ifname: one.peer_netnsid for one in links(netlink)}
    return {name: number for name, number in found.items() if number is not None}


def test_a_pod_s_route_its_address_and_its_device(overlay: Overlay, ear: PodNotices) -> None:
    pod = numbers(overlay)["vpod"]
    for there, back in (
        ("route del default", "route add default via 10.244.1.1"),
        ("addr add 10.9.9.9/32 dev eth0", "addr del 10.9.9.9/32 dev eth0"),
        ("link set eth0 mtu 1400", "link set eth0 mtu 1450"),
    ):
        ear.read(())
        for change in (there, back):
            ip(change, ns=overlay.pod(1))
            assert select.select([ear], [], [], 5)[0]
            assert ear.read({pod}), change
            assert not ear.read({pod}), "it is told once"


def test_what_changes_on_the_node_or_behind_another_device_is_not_a_pod_s(
    overlay: Overlay, ear: PodNotices
) -> None:
    pod = numbers(overlay)["vpod"]
    ip("link set eth0 mtu 1400", "link set eth0 mtu 1500", ns=overlay.node(1))
    ip("link set eth0 mtu 1400", "link set eth0 mtu 1500", ns=overlay.node(2))
    assert not ear.read({pod})


def test_a_flood_of_news_is_news(overlay: Overlay, ear: PodNotices) -> None:
    for _ in range(3):
        changes = [f"route add 10.9.{n // 250}.{n % 250} dev eth0" for n in range(2000)]
        ip(*changes, *(one.replace("add", "del") for one in changes), ns=overlay.pod(1))
    assert ear.read(())
