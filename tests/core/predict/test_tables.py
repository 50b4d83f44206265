"""One table entry changed, one packet followed: what the kernel would do with it."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import (
    CNI0,
    ETH0,
    FLANNEL,
    POD,
    SYSCTLS,
    api_node,
    bundle,
    cluster,
    mac,
    pod_cidr,
    pod_end,
    request,
    state,
    underlay,
    vtep_ip,
)
from tests.changes import (
    with_address,
    with_fdb,
    with_link,
    with_neighbour,
    with_vxlan,
    without_address,
    without_fdb,
    without_neighbours,
    without_route,
)
from tracer.core.facts import Facts
from tracer.core.predict import predicted
from tracer.model.bundle import Bundle
from tracer.model.path import Outcome, Path, Way
from tracer.model.request import End, EndKind
from tracer.model.state import Address, Neighbour, NodeState, NotRead, Route, Rule

A, B = "node-a", "node-b"
DEFAULT = Route(destination="0.0.0.0/0", gateway="192.0.2.1", ifindex=ETH0)


def small(recording: Bundle, way: Way = Way.REQUEST) -> Path:
    paths = predicted(Facts(recording), recording.traced)
    return next(path for path in paths if path.way is way)


def told(*states: NodeState, way: Way = Way.REQUEST, **more: Any) -> str:
    """`OUTCOME node device reason`."""
    return words(small(bundle(*states, **more), way))


def words(path: Path) -> str:
    where = f"{path.end.node[-1]} {path.end.ifname}" if path.end is not None else "-"
    return f"{path.outcome.value} {where}" + (f" {path.drop.reason}" if path.drop else "")


def with_route(before: NodeState, *routes: Route) -> NodeState:
    return replace(before, routes=(*before.routes, *routes))


@pytest.mark.parametrize("way", Way)
def test_a_healthy_overlay_delivers(way: Way) -> None:
    path = small(bundle(), way)
    assert path.outcome is Outcome.DELIVERED
    assert [hop.ifname for hop in path.hops][1:-1] == [
        "cni0", "flannel.1", "eth0", "eth0", "flannel.1", "cni0",
    ]  # fmt: skip
    assert [hop.packet.inner.ttl for hop in path.hops if hop.packet and hop.packet.inner] == [
        64, 64, 63, 63, 63, 63, 62, 62,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("broken", "end"),
    [
        (without_neighbours(state(A), vtep_ip(B)), "dropped a flannel.1 NEIGH_FAILED"),
        (with_neighbour(state(A), vtep_ip(B), None, "FAILED"), "dropped a flannel.1 NEIGH_FAILED"),
        (without_fdb(state(A), mac(B)), "dropped a flannel.1 NO_TX_TARGET"),
        (without_route(state(A), pod_cidr(B)), "dropped a cni0 IP_INNOROUTES"),
        (
            with_route(without_route(state(A), pod_cidr(B)), DEFAULT),
            "lost a eth0",
        ),
        (with_fdb(state(A), mac(B), "192.0.2.99"), "dropped a eth0 NEIGH_FAILED"),
        (with_route(with_fdb(state(A), mac(B), "203.0.113.5"), DEFAULT), "lost a eth0"),
        (with_fdb(state(A), mac(B), "203.0.113.5"), "dropped a flannel.1 IP_OUTNOROUTES"),
        (with_vxlan(state(A), local="192.0.2.77"), "dropped a flannel.1 IP_OUTNOROUTES"),
        (with_link(state(A), "eth0", up=False), "dropped a flannel.1 IP_OUTNOROUTES"),
        (with_fdb(state(A), mac(B), underlay(A)), "dropped a flannel.1 IP_INHDR"),
        (with_link(state(B), "flannel.1", mac="02:00:00:00:00:9"), "dropped b flannel.1 OTHERHOST"),
        (with_link(state(B), "flannel.1", mac=mac(A)), "dropped b flannel.1 LOCAL_MAC"),
        (with_vxlan(state(B), port=4789), "dropped b eth0 NO_SOCKET"),
        (with_link(state(B), "flannel.1", up=False), "dropped b eth0 NO_SOCKET"),
        (with_vxlan(state(B), vni=2), "dropped b eth0 VXLAN_VNI_NOT_FOUND"),
        (without_route(state(B), pod_cidr(B)), "dropped b flannel.1 IP_INNOROUTES"),
        (with_link(state(B), "veth2", up=False), "dropped b cni0 NEIGH_FAILED"),
        (with_link(state(B), "veth2", master=None), "dropped b cni0 NEIGH_FAILED"),
        (replace(state(B), pods=()), "dropped b cni0 NEIGH_FAILED"),
        (with_link(state(A), "veth1", master=None), "dropped a veth1 NEIGH_FAILED"),
        (replace(state(A), pods=()), "lost -"),
        (with_link(state(B), "eth0", up=False), "lost a eth0"),
    ],
)  # fmt: skip
def test_one_entry_decides(broken: NodeState, end: str) -> None:
    assert told(broken) == end


@pytest.mark.parametrize(
    ("broken", "end"),
    [
        (with_link(state(A), "cni0", up=False), "dropped a veth1 NEIGH_FAILED"),
        (without_address(state(A), "10.244.1.1"), "dropped a veth1 NEIGH_FAILED"),
        (with_link(state(A), "veth1", up=False), "dropped a veth1 NEIGH_FAILED"),
    ],
)
def test_a_pod_whose_gateway_nobody_answers_for_gives_up(broken: NodeState, end: str) -> None:
    assert told(broken) == end


@pytest.mark.parametrize(
    ("broken", "end"),
    [
        (with_link(state(A), "veth1", master=None), "dropped a veth1 OTHERHOST"),
        (with_link(state(A), "cni0", up=False), "lost a veth1"),
        (without_address(state(A), "10.244.1.1"), "delivered b veth2"),
        (with_link(state(A), "veth1", up=False), "lost a veth1"),
    ],
)
def test_a_gateway_that_the_pod_knows_from_before_is_not_asked_for(
    broken: NodeState, end: str
) -> None:
    gateway = Neighbour(ifindex=2, ip="10.244.1.1", mac=mac(A, "cni0"), state="STALE")
    pods = tuple(replace(pod, neighbours=(gateway,)) for pod in broken.pods)
    assert told(replace(broken, pods=pods)) == end


def test_a_pod_on_a_bridge_of_its_own_finds_its_gateway_there() -> None:
    bridge = replace(state(A).links[3], ifindex=9, ifname="cnio0", mac="02:00:00:00:00:09")
    held = Address(ifindex=9, ip="10.200.1.1", prefix_length=24, scope="global")
    before = with_link(state(A), "veth1", master=9)
    default = Route(destination="0.0.0.0/0", gateway="10.200.1.1", ifindex=2)
    pod = replace(before.pods[0], ip="10.200.1.2", routes=(default,))
    strange = replace(
        before,
        links=(*before.links, bridge),
        addresses=(*before.addresses, held),
        pods=(pod,),
    )
    path = small(bundle(strange, request=request(source=pod_end(A, ip="10.200.1.2"))))
    assert [hop.ifname for hop in path.hops][:3] == ["veth1", "cnio0", "flannel.1"]


@pytest.mark.parametrize(
    ("kind", "reason"), [("blackhole", "NOT_SPECIFIED"), ("unreachable", "NOT_SPECIFIED")]
)
def test_a_route_that_refuses_is_freed_without_a_reason(kind: str, reason: str) -> None:
    refusing = Route(destination="10.244.2.0/25", kind=kind)
    assert told(with_route(state(A), refusing)) == f"dropped a cni0 {reason}"


def test_a_policy_rule_that_refuses_comes_before_the_routes() -> None:
    rule = Rule(priority=100, table=0, action="prohibit", family=4, source=pod_cidr(A))
    rules = (rule, Rule(priority=32766, table=254, action="table", family=4))
    assert told(replace(state(A), rules=rules)) == "dropped a cni0 NOT_SPECIFIED"


def test_a_rule_that_cannot_be_evaluated_makes_an_arrival_unknown() -> None:
    rule = Rule(priority=100, table=77, action="table", family=4, other=("tos",))
    rules = (rule, Rule(priority=32766, table=254, action="table", family=4))
    path = small(bundle(replace(state(A), rules=rules)))
    assert path.outcome is Outcome.UNKNOWN
    assert path.doubt == "ip rules of node-a by tos could not be evaluated"


def test_forwarding_switched_off_is_met_where_the_packet_comes_in() -> None:
    off = {"net.ipv4.conf.cni0.forwarding": "0"}
    assert told(replace(state(A), sysctls=SYSCTLS | off)) == "dropped a cni0 IP_INADDRERRORS"
    off = {"net.ipv4.conf.flannel/1.forwarding": "0"}
    assert told(replace(state(B), sysctls=SYSCTLS | off)) == "dropped b flannel.1 IP_INADDRERRORS"


@pytest.mark.parametrize(("mode", "end"), [("0", "delivered b veth2"), ("2", "delivered b veth2"),
    ("1", "dropped b flannel.1 IP_RPFILTER")])  # fmt: skip
def test_a_strict_reverse_path_filter_wants_the_answer_to_go_back_the_same_way(
    mode: str, end: str
) -> None:
    elsewhere = Route(destination=pod_cidr(A), gateway="192.0.2.1", ifindex=ETH0)
    moved = with_route(without_route(state(B), pod_cidr(A)), elsewhere)
    strict = replace(moved, sysctls=SYSCTLS | {"net.ipv4.conf.all.rp_filter": mode})
    assert told(strict) == end


def test_two_nodes_that_send_a_packet_to_each_other_use_up_its_ttl() -> None:
    back = Route(destination="10.244.2.0/25", gateway=vtep_ip(A), ifindex=FLANNEL, onlink=True)
    path = small(bundle(with_route(state(B), back)))
    assert words(path) in ("dropped a flannel.1 IP_INHDR", "dropped b flannel.1 IP_INHDR")
    assert max(hop.times for hop in path.hops) > 25


def test_a_frame_for_a_node_that_lives_is_taken_in_there_and_is_for_another() -> None:
    """fdb-wrong-dst-live: node-c gets what is addressed to node-b's MAC."""
    path = small(bundle(with_fdb(state(A), mac(B), underlay("node-c")), state("node-c")))
    assert words(path) == "dropped c flannel.1 OTHERHOST"


def test_a_node_that_was_not_read_ends_the_prediction_in_doubt() -> None:
    """node-c has node-b's MAC: its VTEP takes the frame in and routes it on, by unread tables."""
    twin = api_node("node-c", backend_data=f'{{"VNI":1,"VtepMAC":"{mac(B)}"}}')
    led_there = with_fdb(state(A), mac(B), underlay("node-c"))
    path = small(bundle(led_there, cluster=cluster(nodes={"node-c": twin})))
    assert words(path) == "unknown a eth0"
    assert path.doubt == "state of node-c: not recorded"


def test_a_third_nodes_lease_is_enough_to_know_that_it_has_no_use_for_a_frame() -> None:
    path = small(bundle(with_fdb(state(A), mac(B), underlay("node-c"))))
    assert words(path) == "lost a eth0"
    assert path.doubt == "node-c has 192.0.2.13, and its VTEP has another MAC"


def test_a_direct_route_needs_neither_neighbour_nor_fdb_entry() -> None:
    direct = Route(destination=pod_cidr(B), gateway=underlay(B), ifindex=ETH0)
    bare = with_route(without_route(state(A), pod_cidr(B)), direct)
    path = small(bundle(without_fdb(without_neighbours(bare), mac(B))))
    assert words(path) == "delivered b veth2"
    assert all(hop.packet is not None and hop.packet.outer is None for hop in path.hops)


def test_behind_a_nat_the_published_address_leads_to_the_node() -> None:
    outside = "203.0.113.12"
    node = api_node(B, public_ip=outside, public_ip_overwrite=outside)
    sender = with_route(with_fdb(state(A), mac(B), outside), DEFAULT)
    assert told(sender, cluster=cluster(nodes={B: node})) == "delivered b veth2"


def test_a_packet_larger_than_the_next_device_is_too_big() -> None:
    recording = bundle(with_link(state(B), "cni0", mtu=1400))
    paths = predicted(Facts(recording), recording.traced)
    ends = {path.size: words(path) for path in paths if path.way is Way.REQUEST}
    assert ends == {84: "delivered b veth2", 1450: "dropped b flannel.1 PKT_TOO_BIG"}


def test_an_uplink_takes_in_no_more_than_its_mtu() -> None:
    recording = bundle(with_link(state(B), "eth0", mtu=1400))
    paths = predicted(Facts(recording), recording.traced)
    ends = {path.size: words(path) for path in paths if path.way is Way.REQUEST}
    assert ends == {84: "delivered b veth2", 1450: "lost a eth0"}


def test_a_narrow_uplink_of_the_sender_cuts_the_outer_packet() -> None:
    recording = bundle(with_link(state(A), "eth0", mtu=1400))
    paths = predicted(Facts(recording), recording.traced)
    assert {words(path) for path in paths if path.way is Way.REQUEST} == {"delivered b veth2"}


def test_a_pod_whose_own_routes_are_gone_sends_nothing() -> None:
    pods = tuple(replace(pod, routes=()) for pod in state(A).pods)
    path = small(bundle(replace(state(A), pods=pods)))
    assert (words(path), path.doubt) == ("lost a veth1", "Network is unreachable")


def test_pods_that_nobody_could_look_for_are_a_doubt_and_no_end() -> None:
    gap = (NotRead(what="pods", why="no such tool"),)
    blind = [replace(state(node), pods=(), not_read=gap) for node in (A, B)]
    path = small(bundle(*blind))
    assert words(path) == "unknown b cni0"
    assert path.doubt == "the namespace of default/pod-a was not read: no such tool"
    broken = without_fdb(blind[0], mac(B))
    assert told(broken, blind[1]) == "dropped a flannel.1 NO_TX_TARGET"


def test_an_assumed_pod_begins_and_ends_at_its_bridge() -> None:
    ends = [pod_end(node, assumed=True, ip=f"10.244.{n}.77") for n, node in ((1, A), (2, B))]
    asked = request(source=ends[0], destination=ends[1])
    path = small(bundle(request=asked))
    assert words(path) == "delivered b cni0"
    assert next(hop.ifname for hop in path.hops) == "cni0"


def test_a_wrong_neighbour_entry_of_the_pod_leads_to_nobody() -> None:
    kept = tuple(n for n in state(B).neighbours if n.ifindex != CNI0)
    wrong = Neighbour(ifindex=CNI0, ip=POD[B], mac="02:00:00:00:00:66", state="PERMANENT")
    assert told(replace(state(B), neighbours=(*kept, wrong))) == "lost b cni0"


def test_a_host_that_has_no_route_refuses_to_send() -> None:
    ends = [End(kind=EndKind.NODE, name=n, node=n, ip=vtep_ip(n)) for n in (A, B)]
    asked = request(source=ends[0], destination=ends[1])
    assert told(request=asked) == "delivered b flannel.1"
    path = small(bundle(without_route(state(A), pod_cidr(B)), request=asked))
    assert (words(path), path.doubt) == ("lost -", "Network is unreachable")


def test_the_reply_to_a_host_goes_to_the_address_that_the_host_chose() -> None:
    host = End(kind=EndKind.POD, name="default/h", node=A, ip=underlay(A), host_network=True)
    recording = bundle(request=request(source=host))
    asked, answer = small(recording), small(recording, Way.REPLY)
    assert asked.inner_id.src == vtep_ip(A)
    assert answer.inner_id.dst == vtep_ip(A)
    assert words(answer) == "delivered a flannel.1"


def test_an_address_that_the_node_has_left_is_nobodys_whatever_the_api_says() -> None:
    moved = with_address(state(B), underlay(B), "192.0.2.222")
    assert told(moved) == "dropped a eth0 NEIGH_FAILED"


def test_a_moved_node_cannot_send_though_it_can_be_reached() -> None:
    moved = with_address(state(B), underlay(B), "192.0.2.222")
    sender = with_fdb(state(A), mac(B), "192.0.2.222")
    assert told(sender, moved) == "delivered b veth2"
    assert told(sender, moved, way=Way.REPLY) == "dropped b flannel.1 IP_OUTNOROUTES"
