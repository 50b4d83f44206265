"""The kernel's own news of what changes in a node's network."""

import select
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.kernel.overlay import MACS, Overlay, inside
from tracer.collect.netlink import Netlink
from tracer.collect.notices import Entry, Notice, Notices
from tracer.collect.routes import routes
from tracer.model.state import Address, FdbEntry, Link, Neighbour, Route, Rule

pytestmark = pytest.mark.kernel


class Ear:
    """Hears of a node's changes, one by one."""

    def __init__(self, node: str, **room: int) -> None:
        with inside(node):
            self.notices = Notices(**room)
        self._waiting: list[Notice] = []

    def told(self, of: type[Entry], so: Callable[[Any], object] = lambda _: True) -> Notice:
        """The next notice of such an entry; those before it are not wanted."""
        while True:
            while self._waiting:
                notice = self._waiting.pop(0)
                if isinstance(notice.entry, of) and so(notice.entry):
                    return notice
            assert select.select([self.notices], [], [], 5)[0], f"nothing told of {of.__name__}"
            self._waiting, lost = self.notices.read()
            assert not lost


@pytest.fixture
def news(overlay: Overlay) -> Iterator[Ear]:
    """Of the first node."""
    ear = Ear(overlay.node(1))
    with ear.notices:
        yield ear


def typed(overlay: Overlay, *lines: str) -> None:
    for line in lines:
        tool, *words = line.split()
        subprocess.run([tool, "-n", overlay.node(1), *words], check=True)


def test_an_fdb_entry_that_goes_and_comes_back(overlay: Overlay, news: Ear) -> None:
    words = f"{MACS[2]} dev flannel.1 dst 192.0.2.12 self permanent"
    typed(overlay, f"bridge fdb del {words}", f"bridge fdb add {words}")
    gone, back = news.told(FdbEntry), news.told(FdbEntry)
    assert (gone.gone, back.gone) == (True, False)
    for notice in (gone, back):
        assert isinstance(notice.entry, FdbEntry)
        assert (notice.entry.mac, notice.entry.dst) == (MACS[2], "192.0.2.12")
    assert gone.time_ns <= back.time_ns


def test_a_neighbour_that_is_another(overlay: Overlay, news: Ear) -> None:
    typed(
        overlay,
        "ip neigh replace 10.244.2.0 lladdr 02:bb:00:00:00:99 dev flannel.1 nud permanent",
        f"ip neigh replace 10.244.2.0 lladdr {MACS[2]} dev flannel.1 nud permanent",
    )
    for mac in ("02:bb:00:00:00:99", MACS[2]):
        notice = news.told(Neighbour, lambda entry: entry.ip == "10.244.2.0")
        assert isinstance(notice.entry, Neighbour)
        assert (notice.entry.mac, notice.entry.state) == (mac, "PERMANENT")


def test_a_route_an_address_a_rule_and_a_device(overlay: Overlay, news: Ear) -> None:
    typed(
        overlay,
        "ip addr add 10.9.9.1/24 dev eth0",
        "ip route add 10.244.9.0/24 via 10.244.2.0 dev flannel.1 onlink",
        "ip rule add from 10.9.9.0/24 lookup 77",
        "ip link set eth0 mtu 1400",
        "ip link set eth0 mtu 1500",
        "ip rule del from 10.9.9.0/24 lookup 77",
        "ip route del 10.244.9.0/24",
        "ip addr del 10.9.9.1/24 dev eth0",
    )
    assert not news.told(Address, lambda entry: entry.ip == "10.9.9.1").gone
    assert not news.told(Route, lambda entry: entry.gateway == "10.244.2.0").gone
    rule = news.told(Rule).entry
    assert isinstance(rule, Rule)
    assert (rule.source, rule.table) == ("10.9.9.0/24", 77)
    assert not news.told(Link, lambda entry: (entry.ifname, entry.mtu) == ("eth0", 1400)).gone
    assert news.told(Rule).gone
    assert news.told(Route, lambda entry: entry.gateway == "10.244.2.0").gone
    assert news.told(Address, lambda entry: entry.ip == "10.9.9.1").gone


def test_a_notice_has_the_entry_as_the_table_has_it(overlay: Overlay, news: Ear) -> None:
    typed(overlay, "ip route add 10.244.9.0/24 via 10.244.2.0 dev flannel.1 onlink")
    try:
        notice = news.told(Route)
        with inside(overlay.node(1)), Netlink() as netlink:
            assert notice.entry in routes(netlink)
    finally:
        typed(overlay, "ip route del 10.244.9.0/24")


def test_a_device_that_comes_and_goes(overlay: Overlay, news: Ear) -> None:
    typed(overlay, "ip link add spare0 type bridge", "ip link del spare0")
    made = news.told(Link, lambda entry: entry.ifname == "spare0")
    assert not made.gone
    assert isinstance(made.entry, Link)
    assert made.entry.kind == "bridge"
    while not news.told(Link, lambda entry: entry.ifname == "spare0").gone:
        pass


def test_news_that_finds_no_room_is_known_to_be_lost(overlay: Overlay) -> None:
    ear = Ear(overlay.node(1), room=16 << 10)
    route = "route add 10.99.{}.0/24 via 10.244.2.0 dev flannel.1 onlink"
    lines = "\n".join(route.format(number) for number in range(200))
    batch = ["ip", "-n", overlay.node(1), "-batch", "-"]
    with ear.notices:
        subprocess.run(batch, input=lines, text=True, check=True)
        found, lost = ear.notices.read()
        assert lost
        assert len(found) < 200
        subprocess.run(batch, input=lines.replace("add", "del"), text=True, check=True)
        ear.notices.read()
        typed(overlay, "ip neigh flush dev eth0", "ip addr add 10.9.9.1/32 dev lo")
        ear.told(Address)
        typed(overlay, "ip addr del 10.9.9.1/32 dev lo")
