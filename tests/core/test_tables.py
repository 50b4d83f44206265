"""What one node's tables would say to a packet."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.builders import CNI0, ETH0, FLANNEL, state
from tests.changes import with_vxlan
from tracer.core.tables import Tables
from tracer.model.state import Link, NodeState, Route, Rule, Vxlan

HEALTHY = Tables(state("node-a"))


def routed(
    *routes: Route, rules: tuple[Rule, ...] = (), dst: str = "10.0.0.1", **packet: Any
) -> str:
    """The answer in short: kind, and out of which ifindex."""
    node = state("node-a", routes=routes, rules=rules, addresses=())
    answer = Tables(node).route(dst, **packet)
    return answer.kind if answer.route is None else f"{answer.kind} {answer.route.ifindex}"


def to(destination: str, ifindex: int, **more: Any) -> Route:
    return Route(destination=destination, ifindex=ifindex, **more)


def rule(priority: int, table: int = 254, **more: Any) -> Rule:
    return replace(Rule(priority=priority, table=table, action="table", family=4), **more)


MAIN = rule(32766)


def test_a_peers_pod_is_reached_by_the_vtep() -> None:
    answer = HEALTHY.route("10.244.2.2")
    assert answer.kind == "unicast"
    assert answer.route is not None
    assert (answer.route.gateway, answer.route.ifindex) == ("10.244.2.0", FLANNEL)


def test_an_own_address_is_local() -> None:
    assert HEALTHY.route("192.0.2.11").kind == "local"
    without = Tables(state("node-a", routes=()))
    assert without.route("192.0.2.11").kind == "local"


def test_no_route_is_an_answer() -> None:
    assert HEALTHY.route("203.0.113.1").kind == "none"


def test_the_longest_prefix_wins_and_then_the_lowest_metric() -> None:
    routes = (
        to("0.0.0.0/0", 1),
        to("10.0.0.0/8", 2, metric=9),
        to("10.0.0.0/8", 3, metric=4),
        to("10.0.0.0/24", 4),
    )
    assert routed(*routes) == "unicast 4"
    assert routed(*routes, dst="10.9.0.1") == "unicast 3"
    assert routed(*routes, dst="11.0.0.1") == "unicast 1"


@pytest.mark.parametrize("kind", ["blackhole", "unreachable", "prohibit"])
def test_a_more_specific_dead_end_decides(kind: str) -> None:
    assert routed(to("10.0.0.0/8", 2), Route(destination="10.0.0.0/25", kind=kind)).startswith(kind)


def test_throw_leaves_it_to_the_next_rule() -> None:
    routes = (Route(destination="10.0.0.0/24", kind="throw", table=7), to("10.0.0.0/8", 2))
    assert routed(*routes, rules=(rule(10, 7), MAIN)) == "unicast 2"


def test_rules_are_asked_by_priority_and_fall_through_to_the_next_table() -> None:
    routes = (to("10.0.0.0/24", 2, table=7), to("10.0.0.0/24", 3))
    assert routed(*routes, rules=(MAIN, rule(10, 7))) == "unicast 2"
    assert routed(*routes, rules=(MAIN, rule(10, 8))) == "unicast 3"


@pytest.mark.parametrize(
    ("selector", "packet", "hit"),
    [
        ({"source": "10.1.0.0/16"}, {"src": "10.1.2.3"}, True),
        ({"source": "10.1.0.0/16"}, {"src": "10.2.2.3"}, False),
        ({"source": "10.1.0.0/16"}, {}, False),
        ({"destination": "10.0.0.0/24"}, {}, True),
        ({"destination": "10.0.1.0/24"}, {}, False),
        ({"iif": "cni0"}, {"iif": "cni0"}, True),
        ({"iif": "cni0"}, {}, False),
        ({"iif": "lo"}, {}, True),
        ({"oif": "eth0"}, {}, False),
        ({"mark": 0x4000, "mask": 0x4000}, {"mark": 0xC000}, True),
        ({"mark": 0x4000}, {"mark": 0xC000}, False),
        ({"mark": 0xFF, "mask": 0x0F}, {"mark": 0x0F}, True),
        ({"mask": 0x10}, {"mark": 0x10}, False),
        ({"mask": 0x10}, {"mark": 0x20}, True),
        ({"mark": 0}, {"mark": 0x20}, True),
        ({"source": "10.1.0.0/16", "inverted": True}, {"src": "10.2.2.3"}, True),
        ({"source": "no network"}, {"src": "10.2.2.3"}, False),
    ],
)
def test_a_rules_selectors(selector: dict[str, Any], packet: dict[str, Any], hit: bool) -> None:
    rules = (rule(10, 0, action="blackhole", **selector), MAIN)
    assert (routed(to("0.0.0.0/0", 2), rules=rules, **packet) == "blackhole") is hit


def test_a_suppressed_default_route_leaves_it_to_the_next_rule() -> None:
    routes = (to("0.0.0.0/0", 2), to("0.0.0.0/0", 3, table=7))
    rules = (rule(10, suppress_prefix_length=0), rule(20, 7))
    assert routed(*routes, rules=rules) == "unicast 3"
    assert routed(*routes, to("10.0.0.0/8", 4), rules=rules) == "unicast 4"


def test_a_dead_end_is_not_suppressed() -> None:
    routes = (Route(destination="0.0.0.0/0", kind="blackhole"), to("0.0.0.0/0", 3, table=7))
    rules = (rule(10, suppress_prefix_length=0), rule(20, 7))
    assert routed(*routes, rules=rules).startswith("blackhole")


def test_a_selector_that_a_recording_cannot_answer_is_named() -> None:
    node = state(
        "node-a",
        routes=(to("0.0.0.0/0", 2),),
        rules=(
            rule(5, 9, other=("uid",), iif="cni0"),
            rule(10, 9, other=("sport",)),
            rule(15, 9, action="goto"),
            rule(18, 9, action="nop"),
            MAIN,
        ),
    )
    answer = Tables(node).route("10.0.0.1")
    assert answer.not_evaluated == ("sport", "goto")
    assert answer.rule == MAIN


def test_families_do_not_mix() -> None:
    assert routed(to("0.0.0.0/0", 2), to("::/0", 3), dst="fd00::1") == "unicast 3"


def test_a_route_that_is_no_route_routes_nothing() -> None:
    assert routed(to("garbage", 2), to("10.0.0.0/8", 3)) == "unicast 3"


@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)), min_size=1, max_size=20),
    st.integers(0, 2**32 - 1),
)
def test_the_index_finds_what_a_scan_would(nets: list[tuple[int, int]], wanted: int) -> None:
    from ipaddress import IPv4Address, ip_network

    networks = [ip_network((network, length), strict=False) for network, length in nets]
    dst = IPv4Address(wanted)
    lengths = [network.prefixlen for network in networks if dst in network]
    node = state(
        "node-a", routes=tuple(to(str(n), n.prefixlen + 1) for n in networks), addresses=()
    )
    route = Tables(node).route(str(dst)).route
    assert (route.ifindex if route else None) == (max(lengths) + 1 if lengths else None)


def test_devices_by_number_and_by_name() -> None:
    assert HEALTHY.link(FLANNEL) == HEALTHY.link_named("flannel.1")
    assert HEALTHY.link(None) is None
    assert [address.ip for address in HEALTHY.addresses_of(CNI0)] == ["10.244.1.1"]
    assert HEALTHY.has_address("10.244.1.0")
    assert not HEALTHY.has_address("10.244.2.0")


def test_the_vtep_is_flannels_of_its_vni_and_family() -> None:
    assert _name(HEALTHY.vtep(1, 4)) == "flannel.1"
    assert _name(HEALTHY.vtep(None, 4)) == "flannel.1"
    assert HEALTHY.vtep(2, 4) is None
    assert HEALTHY.vtep(1, 6) is None


def _name(link: Link | None) -> str | None:
    return link.ifname if link is not None else None


def test_the_uplink_is_where_the_peer_is_reached() -> None:
    assert _name(HEALTHY.uplink("192.0.2.12")) == "eth0"


def test_without_a_route_the_uplink_is_the_vxlan_devices_underlay_link() -> None:
    assert _name(HEALTHY.uplink("203.0.113.9")) == "eth0"
    assert _name(HEALTHY.uplink("192.0.2.11")) == "eth0"
    assert _name(HEALTHY.uplink(None)) == "eth0"
    unbound = Tables(with_vxlan(state("node-a"), underlay_ifindex=None))
    assert unbound.uplink("203.0.113.9") is None
    assert Tables(_bare()).uplink(None) is None


def _bare() -> NodeState:
    return state("node-a", links=(), addresses=(), routes=(), pods=())


def test_the_bridge_holds_the_nodes_subnet_or_is_cni0_or_a_pods_master() -> None:
    assert _name(HEALTHY.bridge()) == "cni0"
    healthy = state("node-a")
    other = Link(
        ifindex=77, ifname="kube-bridge", kind="bridge", mac=None, mtu=1450, up=True, carrier=True
    )
    env = {"/run/flannel/subnet.env": "FLANNEL_NETWORK=x\nFLANNEL_SUBNET=10.244.1.1/24\njunk"}
    renamed = tuple(
        other if link.ifname == "cni0" else link for link in healthy.links if link.kind != "veth"
    )
    moved = tuple(
        a if a.ifindex != CNI0 else type(a)(ifindex=77, ip=a.ip, prefix_length=24, scope="global")
        for a in healthy.addresses
    )
    by_address = Tables(state("node-a", links=renamed, addresses=moved, files=env, pods=()))
    assert _name(by_address.bridge()) == "kube-bridge"
    garbage = {"/run/flannel/subnet.env": "FLANNEL_SUBNET=here"}
    assert _name(Tables(state("node-a", pods=(), files=garbage)).bridge()) == "cni0"
    assert Tables(_bare()).bridge() is None
    nameless = tuple(
        replace(link, ifname="br7") if link.ifname == "cni0" else link for link in healthy.links
    )
    assert _name(Tables(state("node-a", links=nameless)).bridge()) == "br7"


def test_neighbours_and_fdb_are_found_by_device() -> None:
    neighbour = HEALTHY.neighbour(FLANNEL, "10.244.2.0")
    assert neighbour is not None
    assert neighbour.mac == "02:f1:00:00:00:02"
    assert HEALTHY.neighbour(ETH0, "10.244.2.0") is None
    entry = HEALTHY.fdb(FLANNEL, "02:f1:00:00:00:02")
    assert entry is not None
    assert entry.dst == "192.0.2.12"
    assert HEALTHY.fdb(CNI0, "02:f1:00:00:00:02") is None


def test_sysctls_and_files_are_quoted_or_absent() -> None:
    assert HEALTHY.sysctl("net.ipv4.ip_forward") == "1"
    assert HEALTHY.sysctl("net.nothing") is None
    assert HEALTHY.file("/nowhere") is None
    assert HEALTHY.subnet_env == {}


def test_a_v6_vtep_is_another_device() -> None:
    v6 = Link(
        ifindex=9, ifname="flannel-v6.1", kind="vxlan", mac=None, mtu=1430, up=True, carrier=True,
        vxlan=Vxlan(vni=1, local=None, port=8472, learning=False, gbp=False, underlay_ifindex=2),
    )  # fmt: skip
    tables = Tables(state("node-a", links=(*state("node-a").links, v6)))
    assert _name(tables.vtep(1, 6)) == "flannel-v6.1"
    assert _name(tables.vtep(1, 4)) == "flannel.1"
