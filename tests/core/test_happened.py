"""News in words: by the peer's name, and nothing of what the overlay does not care about."""

import pytest
from msgspec.structs import replace

from tests.builders import CNI0, ETH0, FLANNEL, VETH, cluster, mac, state, underlay, veth_name
from tracer.core.happened import Entry, Teller, flanneld_changed, lease_changed
from tracer.core.leases import leases
from tracer.model.cluster import FlannelPod
from tracer.model.lease import Lease
from tracer.model.state import Address, FdbEntry, Link, Neighbour, Route, Rule

A, B = "node-a", "node-b"


def lease_of(node: str) -> Lease:
    return next(one for one in leases(cluster()) if one.node == node)


@pytest.fixture
def teller() -> Teller:
    made = Teller(state(A))
    made.hold(leases(cluster()))
    return made


def said(teller: Teller, entry: Entry, *, gone: bool = False) -> str | None:
    event = teller.news(7, gone, entry)
    assert event is None or event.time_ns == 7
    return event.what if event is not None else None


def link(name: str) -> Link:
    return next(one for one in state(A).links if one.ifname == name)


FDB = FdbEntry(ifindex=FLANNEL, mac=mac(B), dst=underlay(B), state="permanent", flags=("self",))
NEIGHBOUR = Neighbour(ifindex=FLANNEL, ip="10.244.2.0", mac=mac(B), state="PERMANENT")
ROUTE = Route(destination="10.244.2.0/24", gateway="10.244.2.0", ifindex=FLANNEL, onlink=True)


def test_a_peers_entries_are_told_by_its_name(teller: Teller) -> None:
    assert said(teller, FDB, gone=True) == (
        f"the FDB entry {mac(B)} dst {underlay(B)} (node-b) went"
    )
    assert said(teller, NEIGHBOUR) == (f"the neighbour 10.244.2.0 at {mac(B)} (node-b) was written")
    assert said(teller, ROUTE, gone=True) == (
        "the route to 10.244.2.0/24 via 10.244.2.0 (node-b) went"
    )


def test_an_event_is_about_all_that_evidence_may_quote(teller: Teller) -> None:
    event = teller.news(7, True, FDB)
    assert event is not None
    assert event.about == {mac(B), underlay(B), B, "flannel.1"}


@pytest.mark.parametrize(
    "entry",
    [
        replace(FDB, ifindex=CNI0),
        replace(FDB, dst=None),
        replace(NEIGHBOUR, ifindex=ETH0),
        replace(NEIGHBOUR, state="STALE"),
        Route(destination="198.51.100.0/24", gateway="192.0.2.1", ifindex=ETH0),
        Address(ifindex=VETH, ip="fe80::1", prefix_length=64, scope="link"),
    ],
)
def test_what_the_overlay_does_not_care_about_is_no_event(teller: Teller, entry: Entry) -> None:
    assert said(teller, entry) is None


def test_a_route_to_a_peer_by_another_device_is_one(teller: Teller) -> None:
    astray = Route(destination="10.244.2.0/24", gateway="192.0.2.1", ifindex=ETH0)
    assert said(teller, astray) == "the route to 10.244.2.0/24 via 192.0.2.1 (node-b) was written"


def test_of_a_device_what_is_another_is_told(teller: Teller) -> None:
    before = link("flannel.1")
    assert said(teller, before) is None, "counters alone are no news"
    down = replace(before, up=False)
    assert said(teller, down) == "flannel.1 was set down"
    other = replace(before, mac="02:bb:00:00:00:77", mtu=1400)
    assert said(teller, other) == (
        f"flannel.1 was set up and changed its MAC from {before.mac} to 02:bb:00:00:00:77"
        " and changed its MTU from 1450 to 1400"
    )
    assert said(teller, other, gone=True) == "flannel.1 was removed"
    assert said(teller, before) == "flannel.1 was made"


def test_pods_devices_come_and_go_unsaid(teller: Teller) -> None:
    before = state(A)
    veth = next(one for one in before.links if one.ifname == veth_name(A))
    assert said(teller, replace(veth, ifindex=99)) is None
    its = Address(ifindex=veth.ifindex, ip="fe80::1", prefix_length=64, scope="link")
    teller.see(replace(before, addresses=(*before.addresses, its)))
    assert not teller.is_nodes(veth), "the kernel gives each device a link-local address"
    assert said(teller, replace(veth, up=False)) == f"{veth.ifname} was set down"
    assert said(teller, veth, gone=True) is None


def test_addresses_and_rules(teller: Teller) -> None:
    address = Address(ifindex=ETH0, ip="192.0.2.99", prefix_length=24, scope="global")
    assert said(teller, address) == "the address 192.0.2.99/24 of eth0 was written"
    rule = Rule(priority=100, table=77, action="table", family=4)
    assert said(teller, rule) == "the policy rule of priority 100, to table 77, was written"


def test_a_lease_that_is_another_is_told_with_what_it_was() -> None:
    before = lease_of(B)
    now = replace(before, vtep_mac="02:bb:00:00:00:99")
    event = lease_changed(7, before, now)
    assert event is not None
    assert event.what == f"in the lease of node-b VtepMAC {mac(B)} became 02:bb:00:00:00:99"
    assert {B, mac(B), "02:bb:00:00:00:99"} <= event.about
    assert lease_changed(7, before, before) is None
    assert lease_changed(7, None, before).what == "the lease of node-b was written"  # type: ignore[union-attr]
    assert lease_changed(7, before, None).what == "the lease of node-b went"  # type: ignore[union-attr]


def test_flanneld_that_starts_anew() -> None:
    one = FlannelPod(namespace="kube-flannel", name="ds-x", node=B, started="2026-01-01T00:00:00Z")
    later = replace(one, started="2026-01-02T00:00:00Z")
    assert flanneld_changed(7, one, one) is None
    for before, now, words in (
        (None, one, "flanneld on node-b started"),
        (one, later, "flanneld on node-b started"),
        (one, None, "flanneld on node-b ended"),
    ):
        event = flanneld_changed(7, before, now)
        assert event is not None
        assert event.what == words
