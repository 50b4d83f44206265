"""The entries that decided, each with what it should have been."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests import packets as p
from tests.builders import (
    CNI0,
    ETH0,
    FLANNEL,
    POD,
    api_node,
    bundle,
    cluster,
    mac,
    pod_end,
    request,
    state,
)
from tests.changes import (
    with_fdb,
    with_link,
    with_neighbour,
    with_vxlan,
    without_fdb,
    without_neighbours,
    without_route,
)
from tests.packets import (
    BRIDGE_IN,
    POD_IN,
    UPLINK_IN,
    UPLINK_OUT,
    VTEP_IN,
    VTEP_OUT,
    freed,
    journey,
    ping,
    seen,
)
from tracer.core.annotate import annotate, annotated
from tracer.core.correlate import correlate
from tracer.core.facts import Facts
from tracer.model.bundle import Bundle
from tracer.model.cluster import NetConf
from tracer.model.observation import Device, Direction, Observation
from tracer.model.path import Mark, Path
from tracer.model.request import EndKind
from tracer.model.state import Neighbour, NodeState, NotRead, Route, Rule

A, B = "node-a", "node-b"
ADVERTISED = "lease of node-b (flannel.alpha.coreos.com/backend-data)"


def told(*states: NodeState, seen: tuple[Observation, ...] = journey(ping()), **more: Any) -> Path:
    return the_path(bundle(*states, observations=seen, **more))


def the_path(record: Bundle) -> Path:
    (path,) = (annotate(path, Facts(record)) for path in correlate(record))
    return path


def entries(path: Path) -> list[str]:
    """Every entry in short: device, table, text, mark."""
    return [
        f"{hop.node[-1]} {hop.ifname}: {e.table} {e.text} {e.mark.value}".rstrip()
        for hop in path.hops
        for e in hop.entries
    ]


def bad(path: Path) -> list[tuple[str, str | None, str | None]]:
    return [
        (e.text, e.expected, e.because)
        for hop in path.hops
        for e in hop.entries
        if e.mark is Mark.BAD
    ]


ROUTE = "a cni0: route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink ok"
NEIGHBOUR = f"a flannel.1: neighbour 10.244.2.0 is at {mac(B)} PERMANENT ok"
FDB = f"a flannel.1: fdb {mac(B)} dst 192.0.2.12 permanent ok"
VTEP = f"b flannel.1: vtep flannel.1 on node-b has {mac(B)} ok"
DELIVERY = [
    "b cni0: route 10.244.2.0/24 dev cni0 ok",
    f"b cni0: neighbour 10.244.2.2 is at {mac(B, 'pod')} REACHABLE",
]


def test_a_healthy_path_shows_the_entry_behind_each_hop() -> None:
    assert entries(told()) == [ROUTE, NEIGHBOUR, FDB, VTEP, *DELIVERY]


def test_a_mac_that_the_lease_does_not_advertise_is_bad_where_it_was_written() -> None:
    stale = "02:00:00:00:00:99"
    wrong = with_neighbour(
        with_fdb(state(A), stale, "192.0.2.12"), "10.244.2.0", stale, "PERMANENT"
    )
    packets = journey(ping(), last=UPLINK_IN - 1, dst_mac=stale)
    path = told(wrong, seen=packets)
    assert bad(path) == [(f"10.244.2.0 is at {stale} PERMANENT", mac(B), ADVERTISED)]
    assert f"a flannel.1: fdb {stale} dst 192.0.2.12 permanent ok" in entries(path)


def test_a_stale_lease_leaves_the_sender_right_and_the_receiver_wrong() -> None:
    advertised = "02:00:00:00:00:99"
    lease = api_node(B, backend_data=f'{{"VNI":1,"VtepMAC":"{advertised}"}}')
    sender = with_neighbour(
        with_fdb(state(A), advertised, "192.0.2.12"), "10.244.2.0", advertised, "PERMANENT"
    )
    packets = journey(ping(), last=VTEP_IN, dst_mac=advertised)
    path = told(sender, seen=packets, cluster=cluster(nodes={B: lease}))
    assert bad(path) == [
        (f"flannel.1 on node-b has {mac(B)}", advertised, "the packet's inner destination MAC")
    ]


def test_a_missing_fdb_entry_says_what_is_missing() -> None:
    path = told(without_fdb(state(A), mac(B)), seen=journey(ping(), last=VTEP_OUT))
    assert bad(path) == [
        (
            f"no entry for {mac(B)}",
            "192.0.2.12",
            "lease of node-b (flannel.alpha.coreos.com/public-ip)",
        )
    ]


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (without_neighbours(state(A)), "no entry for 10.244.2.0"),
        (with_neighbour(state(A), "10.244.2.0", None, "INCOMPLETE"), "10.244.2.0 is INCOMPLETE"),
        (with_neighbour(state(A), "10.244.2.0", mac(B), "FAILED"), "10.244.2.0 is FAILED"),
    ],
    ids=["absent", "incomplete", "failed"],
)
def test_a_packet_that_waits_for_its_neighbour_shows_it_at_its_last_hop(
    node: NodeState, text: str
) -> None:
    packets = (
        *journey(ping(), last=BRIDGE_IN),
        freed(A, Device.VTEP, "NEIGH_FAILED", ping(), at=9),
    )
    path = told(node, seen=packets)
    assert entries(path)[0] == ROUTE
    assert bad(path) == [(text, mac(B), ADVERTISED)]


def test_a_wrong_fdb_destination_is_bad_in_the_table_and_on_the_wire() -> None:
    wrong = with_fdb(state(A), mac(B), "192.0.2.13")
    packets = (
        *journey(ping(), last=VTEP_OUT),
        seen(A, Device.UPLINK, Direction.OUT, ping(), at=30, peer="node-c", dst_mac=mac(B)),
    )
    because = "lease of node-b (flannel.alpha.coreos.com/public-ip)"
    assert bad(told(wrong, seen=packets)) == [
        (f"{mac(B)} dst 192.0.2.13 permanent", "192.0.2.12", because),
        ("sent to 192.0.2.13", "192.0.2.12", because),
    ]


def test_an_fdb_destination_that_is_the_senders_own_address_is_called_that() -> None:
    lease = api_node(B, public_ip="192.0.2.11")
    loop = with_fdb(state(A), mac(B), "192.0.2.11")
    packets = (
        *journey(ping(), last=VTEP_OUT),
        seen(A, Device.VTEP, Direction.IN, ping(ttl=62), at=25),
    )
    path = told(loop, seen=packets, cluster=cluster(nodes={B: lease}))
    assert (
        f"a flannel.1: fdb {mac(B)} dst 192.0.2.11 permanent, an address of node-a itself ok"
        in (entries(path))
    )
    # The kernel's bypass asks for no MAC: the sender's own is no answer to anything.
    assert bad(path) == []


def test_no_route_is_bad_and_the_right_one_stands_beside_it() -> None:
    path = told(without_route(state(A), "10.244.2.0/24"), seen=journey(ping(), last=BRIDGE_IN))
    assert bad(path) == [
        (
            "no route",
            "10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink",
            "lease of node-b (spec.podCIDR)",
        )
    ]


def test_a_packet_that_leaves_bare_by_the_default_route_is_bad_twice() -> None:
    node = without_route(state(A), "10.244.2.0/24")
    leaky = replace(
        node, routes=(*node.routes, Route(destination="0.0.0.0/0", gateway="192.0.2.1", ifindex=2))
    )
    bare = p.observed(p.ethernet(ping(ttl=63)), time_ns=40_000)
    path = told(leaky, seen=(*journey(ping(), last=BRIDGE_IN), bare))
    assert [text for text, _, _ in bad(path)] == [
        "default via 192.0.2.1 dev eth0",
        "not encapsulated",
    ]


@pytest.mark.parametrize(
    ("route", "text"),
    [
        (Route(destination="10.244.2.0/25", kind="blackhole"), "blackhole 10.244.2.0/25"),
        (
            Route(destination="10.244.2.0/25", gateway="10.244.3.0", ifindex=FLANNEL, onlink=True),
            "10.244.2.0/25 via 10.244.3.0 dev flannel.1 onlink",
        ),
        (Route(destination="10.244.2.0/25", ifindex=77), "10.244.2.0/25"),
    ],
)
def test_a_more_specific_route_that_is_not_flannels_is_bad(route: Route, text: str) -> None:
    node = state(A)
    path = told(replace(node, routes=(*node.routes, route)), seen=journey(ping(), last=BRIDGE_IN))
    assert bad(path)[0][0] == text


def test_a_policy_rule_that_decides_is_named() -> None:
    node = replace(
        state(A),
        rules=(
            Rule(priority=5, table=0, action="table", family=4, other=("uid",)),
            Rule(priority=10, table=0, action="unreachable", family=4, source="10.244.1.0/24"),
        ),
    )
    path = told(node, seen=journey(ping(), last=BRIDGE_IN))
    assert bad(path)[0][0] == "unreachable by ip rule, rules by uid not evaluated"


def direct(conf: str | None) -> Path:
    node = state(A)
    routes = tuple(
        Route(destination=r.destination, gateway="192.0.2.12", ifindex=ETH0)
        if r.destination == "10.244.2.0/24"
        else r
        for r in node.routes
    )
    bare = p.observed(p.ethernet(ping(ttl=63)), time_ns=40_000)
    net_conf = NetConf(text=conf, source="x") if conf is not None else None
    return told(
        without_fdb(without_neighbours(replace(node, routes=routes)), mac(B)),
        seen=(*journey(ping(), last=BRIDGE_IN), bare),
        cluster=cluster(net_conf=net_conf),
    )


@pytest.mark.parametrize("conf", ['{"Backend":{"Type":"vxlan","DirectRouting":true}}', None])
def test_direct_routing_needs_neither_neighbour_nor_fdb_entry(conf: str | None) -> None:
    path = direct(conf)
    assert entries(path) == [
        "a cni0: route 10.244.2.0/24 via 192.0.2.12 dev eth0 ok",
        "a eth0: underlay not encapsulated: routed directly ok",
    ]


def test_a_direct_route_is_bad_where_flannel_is_told_not_to_make_one() -> None:
    assert [text for text, _, _ in bad(direct('{"Backend":{"Type":"vxlan"}}'))] == [
        "10.244.2.0/24 via 192.0.2.12 dev eth0"
    ]


@pytest.mark.parametrize(
    ("node", "text", "expected"),
    [
        (with_link(state(B), "flannel.1", up=False), "flannel.1 is down", "up"),
        (with_vxlan(state(B), port=4789), "flannel.1 listens on udp 4789", "udp 8472"),
        (with_vxlan(state(B), vni=2), "flannel.1 has vni 2", "vni 1"),
        (
            replace(state(B), links=tuple(x for x in state(B).links if x.ifindex != FLANNEL)),
            "node-b has no VTEP of flannel",
            None,
        ),
    ],
    ids=["down", "port", "vni", "absent"],
)
def test_a_packet_that_no_vtep_takes_shows_why_at_the_uplink(
    node: NodeState, text: str, expected: str | None
) -> None:
    path = told(node, seen=journey(ping(), last=UPLINK_IN))
    assert [(text, expected)] == [(was, wanted) for was, wanted, _ in bad(path)]


def test_a_vtep_that_could_have_taken_it_is_not_blamed() -> None:
    assert bad(told(seen=journey(ping(), last=UPLINK_IN))) == []


def test_what_the_receiver_would_have_routed_shows_at_its_last_hop() -> None:
    path = told(seen=journey(ping(), last=VTEP_IN))
    assert entries(path)[-1] == "b flannel.1: route 10.244.2.0/24 dev cni0 ok"
    path = told(without_route(state(B), "10.244.2.0/24"), seen=journey(ping(), last=VTEP_IN))
    assert bad(path) == [("no route", "dev cni0", None)]


def test_a_pod_that_nobody_finds_shows_its_missing_neighbour_and_its_port() -> None:
    node = replace(with_link(state(B), "veth2", master=None), neighbours=())
    failed = freed(B, Device.BRIDGE, "NEIGH_FAILED", ping(), at=9_000_000, skb=0x1100)
    path = told(node, seen=(*journey(ping(), last=VTEP_IN), failed))
    assert [(text, expected) for text, expected, _ in bad(path)] == [
        ("no entry for 10.244.2.2", None),
        ("veth2 has no master", "up, master cni0"),
    ]
    unresolved = Neighbour(ifindex=CNI0, ip="10.244.2.2", mac=None, state="FAILED")
    path = told(
        replace(node, neighbours=(unresolved,)), seen=(*journey(ping(), last=VTEP_IN), failed)
    )
    assert bad(path)[0][0] == "10.244.2.2 is FAILED"


def test_a_pods_neighbour_entry_with_another_mac_is_bad() -> None:
    node = state(B)
    wrong = tuple(replace(n, mac=mac(A)) if n.ifindex == CNI0 else n for n in node.neighbours)
    path = told(replace(node, neighbours=wrong))
    assert bad(path) == [(f"10.244.2.2 is at {mac(A)} REACHABLE", mac(B, "pod"), "eth0 of the pod")]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"master": None}, "veth1 has no master"),
        ({"master": ETH0}, "veth1 has master eth0"),
        ({"up": False}, "veth1 is down"),
    ],
)
def test_a_senders_veth_off_the_bridge_is_bad(change: dict[str, Any], text: str) -> None:
    path = told(with_link(state(A), "veth1", **change), seen=journey(ping(), last=POD_IN))
    assert bad(path) == [(text, "up, master cni0", None)]


def test_without_its_bridge_hop_the_route_stands_at_the_pod() -> None:
    path = told(seen=journey(ping(), last=POD_IN))
    assert entries(path)[0] == "a veth1: route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink ok"


def test_a_nodes_own_packets_show_their_route_at_the_vtep() -> None:
    ends = {
        "source": replace(pod_end(A), kind=EndKind.NODE, name=A, ip="10.244.1.0"),
        "destination": replace(pod_end(B), kind=EndKind.NODE, name=B, ip="10.244.2.0"),
    }
    packet = p.ipv4("10.244.1.0", "10.244.2.0", p.ICMP, p.echo(7, 1))
    path = told(
        seen=journey(packet, first=VTEP_OUT, last=VTEP_IN), request=replace(request(), **ends)
    )
    assert entries(path) == [
        ROUTE.replace("cni0", "flannel.1"),
        NEIGHBOUR,
        FDB,
        VTEP,
    ]


def test_bridged_frames_are_not_routed() -> None:
    near = replace(request(), destination=replace(pod_end(A), ip="10.244.1.9"))
    packet = p.ipv4(POD[A], "10.244.1.9", p.ICMP, p.echo(7, 1))
    path = told(seen=(seen(A, Device.POD, Direction.IN, packet),), request=near)
    assert entries(path) == []


def test_state_that_was_not_read_is_skipped_not_judged() -> None:
    path = the_path(bundle(nodes={}, observations=journey(ping())))
    marks = {e.mark for hop in path.hops for e in hop.entries}
    assert marks == {Mark.SKIP}
    assert "a cni0: route not read on this node skip" in entries(path)


def test_tables_that_could_not_be_read_are_skipped_not_taken_for_empty() -> None:
    gaps = tuple(
        NotRead(what=what, why="permission denied") for what in ("routes", "neighbours", "fdb")
    )
    path = told(state(A, routes=(), neighbours=(), fdb=(), not_read=gaps))
    assert entries(path)[:3] == [
        "a cni0: route routes not read: permission denied skip",
        "a flannel.1: neighbour neighbours not read: permission denied skip",
        "a flannel.1: fdb fdb not read: permission denied skip",
    ]
    links = NotRead(what="links", why="gone")
    path = told(state(B, not_read=(links,)), seen=journey(ping(), last=UPLINK_IN))
    assert bad(path) == []


def test_without_a_usable_lease_the_entries_stand_without_a_mark() -> None:
    nobody = api_node(B, kube_subnet_manager="")
    path = told(cluster=cluster(nodes={B: nobody}))
    assert entries(path)[:3] == [line.removesuffix(" ok") for line in (ROUTE, NEIGHBOUR, FDB)]


def test_to_a_host_address_no_lease_promises_anything() -> None:
    host = replace(pod_end(B), host_network=True, ip="192.0.2.12")
    packet = p.ipv4(POD[A], "192.0.2.12", p.ICMP, p.echo(7, 1))
    path = told(seen=journey(packet, last=BRIDGE_IN), request=replace(request(), destination=host))
    assert entries(path) == ["a cni0: route 192.0.2.0/24 dev eth0"]


def test_replies_are_held_against_the_other_lease() -> None:
    path = told(seen=journey(p.pong(), back=True))
    assert entries(path)[:3] == [
        "b cni0: route 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink ok",
        f"b flannel.1: neighbour 10.244.1.0 is at {mac(A)} PERMANENT ok",
        f"b flannel.1: fdb {mac(A)} dst 192.0.2.11 permanent ok",
    ]


def test_all_paths_of_a_recording_are_annotated_at_once() -> None:
    record = bundle(observations=(*journey(ping(1)), *journey(ping(2), skb=0x99)))
    first, second = annotated(correlate(record), Facts(record))
    assert entries(first) == entries(second)


def test_hops_without_a_readable_packet_are_left_alone() -> None:
    path = told(seen=journey(ping(), last=UPLINK_OUT))
    blind = replace(path, hops=tuple(replace(hop, packet=None, entries=()) for hop in path.hops))
    assert annotate(blind, Facts(bundle())) == blind
