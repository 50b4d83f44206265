"""Route, neighbour and FDB entry: missing, or leading nowhere."""

from msgspec.structs import replace

from tests.builders import ETH0, api_node, cluster, mac, state, underlay, vtep_ip
from tests.changes import (
    with_fdb,
    with_link,
    with_neighbour,
    without_fdb,
    without_neighbours,
    without_route,
)
from tests.core.rules.asking import ask, case, explained, found, rules_of, words
from tests.paths import (
    BRIDGE_IN,
    UPLINK_IN,
    UPLINK_OUT,
    VTEP_OUT,
    all_well,
    delivered,
    dropped,
    freed_on,
    lost,
    path,
    unseen,
)
from tracer.core.diagnose import judge
from tracer.core.rules.entries import fdb_missing, fdb_wrong_dst_dead, neigh_missing
from tracer.core.rules.routes import routes_lost
from tracer.model.cluster import NetConf
from tracer.model.observation import Device
from tracer.model.path import Outcome, Path, Way
from tracer.model.request import End, EndKind
from tracer.model.state import NodeState, Route, Rule

B = "10.244.2.0/24"
AT_VTEP = freed_on("node-a", Device.VTEP, "flannel.1")
AT_BRIDGE = freed_on("node-a", Device.BRIDGE, "cni0")


def test_a_missing_neighbour_explains_packets_that_waited_in_vain() -> None:
    gone = without_neighbours(state("node-a"), vtep_ip("node-b"))
    paths = [dropped(AT_VTEP, "NEIGH_FAILED", "neigh_invalidate", last=BRIDGE_IN)]
    told = judge(case(gone, paths=paths))
    assert words(told) == ("DROPPED", "neigh-missing", "node-a", "flannel.1", "NEIGH_FAILED")
    assert told.findings[0].fix[1] == (
        f"ip neigh replace 10.244.2.0 lladdr {mac('node-b')} dev flannel.1 nud permanent"
        "   # on node-a"
    )


def test_a_neighbour_that_does_not_resolve_is_missing_too() -> None:
    asked = with_neighbour(state("node-a"), vtep_ip("node-b"), None, "INCOMPLETE")
    told = explained(asked, paths=[lost(BRIDGE_IN)])
    assert told == ("LOST", "neigh-missing", "node-a", "cni0", "-")


def test_a_missing_neighbour_on_the_way_back_is_found_there() -> None:
    gone = without_neighbours(state("node-b"), vtep_ip("node-a"))
    at = freed_on("node-b", Device.VTEP, "flannel.1")
    paths = [
        delivered(),
        dropped(at, "NEIGH_FAILED", "neigh_invalidate", last=BRIDGE_IN, way=Way.REPLY),
    ]
    told = judge(case(gone, paths=paths))
    assert words(told)[1:3] == ("neigh-missing", "node-b")
    assert told.verdict.way is Way.REPLY
    assert "1 of 1 request arrived" in told.verdict.sentence


def test_a_missing_fdb_entry_explains_no_tx_target() -> None:
    gone = without_fdb(state("node-a"), mac("node-b"))
    paths = [dropped(AT_VTEP, "NO_TX_TARGET", "vxlan_xmit", last=VTEP_OUT)]
    told = judge(case(gone, paths=paths))
    assert words(told) == ("DROPPED", "fdb-missing", "node-a", "flannel.1", "NO_TX_TARGET")
    assert rules_of(told) == {"fdb-missing"}
    assert told.findings[0].fix[1] == (
        f"bridge fdb replace {mac('node-b')} dev flannel.1 dst 192.0.2.12 self permanent"
        "   # on node-a"
    )


def test_a_kernel_without_reasons_still_tells_by_its_function() -> None:
    gone = without_fdb(state("node-a"), mac("node-b"))
    paths = [dropped(AT_VTEP, None, "vxlan_xmit", last=VTEP_OUT)]
    assert explained(gone, paths=paths)[1] == "fdb-missing"


def test_an_fdb_entry_to_nobody_explains_loss_behind_the_uplink() -> None:
    dead = with_fdb(state("node-a"), mac("node-b"), "192.0.2.99")
    told = judge(case(dead, paths=[lost(UPLINK_OUT)]))
    assert words(told) == ("LOST", "fdb-wrong-dst-dead", "node-a", "eth0", "-")
    assert told.findings[0].node == "node-a"


def test_an_address_that_nobody_answers_for_fails_on_the_uplink() -> None:
    dead = with_fdb(state("node-a"), mac("node-b"), "192.0.2.99")
    at = freed_on("node-a", Device.UPLINK, "eth0")
    paths = [dropped(at, "NEIGH_FAILED", "neigh_invalidate", last=VTEP_OUT)]
    assert explained(dead, paths=paths)[1] == "fdb-wrong-dst-dead"


def test_so_does_one_behind_a_gateway_of_another_device() -> None:
    dead = with_fdb(state("node-a"), mac("node-b"), "198.51.100.9")
    at = freed_on("node-a", Device.UNKNOWN, "eth1")
    paths = [dropped(at, "NEIGH_FAILED", "neigh_invalidate", last=UPLINK_OUT)]
    assert explained(dead, paths=paths)[:4] == ("DROPPED", "fdb-wrong-dst-dead", "node-a", "eth1")


def test_an_entry_that_equals_a_wrong_annotation_is_put_right_at_the_annotation() -> None:
    dead = with_fdb(state("node-a"), mac("node-b"), "192.0.2.99")
    api = cluster(nodes={"node-b": api_node("node-b", public_ip="192.0.2.99")})
    finding = found(fdb_wrong_dst_dead, case(dead, paths=[lost(UPLINK_OUT)], cluster=api))
    assert finding.node == "node-b"
    assert finding.fix[1] == "kubectl -n kube-flannel delete pod kube-flannel-ds-bbbbb"


def test_an_fdb_entry_to_another_live_node_is_not_dead() -> None:
    live = with_fdb(state("node-a"), mac("node-b"), "192.0.2.13")
    assert ask(fdb_wrong_dst_dead, case(live, paths=[lost(UPLINK_OUT)])) is None


def test_a_translated_public_address_is_not_dead() -> None:
    """public-ip-overwrite: published, and on no host, by intent."""
    api = cluster(
        nodes={
            "node-b": api_node(
                "node-b", public_ip="198.51.100.7", public_ip_overwrite="198.51.100.7"
            )
        }
    )
    natted = with_fdb(state("node-a"), mac("node-b"), "198.51.100.7")
    assert ask(fdb_wrong_dst_dead, case(natted, cluster=api)) is None


def test_a_lost_route_explains_the_kernels_no_route() -> None:
    gone = without_route(state("node-a"), B)
    paths = [dropped(AT_BRIDGE, "IP_INNOROUTES", "ip_error", last=BRIDGE_IN)]
    told = judge(case(gone, paths=paths))
    assert words(told) == ("DROPPED", "routes-lost", "node-a", "cni0", "IP_INNOROUTES")
    assert rules_of(told) == {"routes-lost"}


def bare(last: int) -> Path:
    """A packet that left by the uplink without VXLAN around it."""
    leaked = path(last=last, outcome=Outcome.LOST)
    hop = leaked.hops[-1]
    assert hop.packet is not None
    naked = replace(hop, packet=replace(hop.packet, outer=None))
    return replace(leaked, hops=(*leaked.hops[:2], naked))


def test_a_lost_route_with_a_default_route_leaks_bare_packets() -> None:
    node_a = without_route(state("node-a"), B)
    default = Route(destination="0.0.0.0/0", gateway="192.0.2.254", ifindex=ETH0)
    node_a = replace(node_a, routes=(*node_a.routes, default))
    told = judge(case(node_a, paths=[bare(UPLINK_OUT)]))
    assert words(told) == ("LOST", "routes-lost", "node-a", "eth0", "-")
    shown = {line.label: line.value for line in told.findings[0].evidence}
    assert shown["actual"] == "default via 192.0.2.254 dev eth0"


def test_a_bounced_device_is_told_from_a_deleted_route_by_its_fingerprint() -> None:
    bounced = without_neighbours(without_route(without_route(state("node-a"), B), "10.244.3.0/24"))
    finding = found(routes_lost, case(bounced, paths=[lost(BRIDGE_IN)]))
    assert "history" in {line.label for line in finding.evidence}
    only_route = found(routes_lost, case(without_route(state("node-a"), B)))
    assert "history" not in {line.label for line in only_route.evidence}


def test_where_flannel_routes_directly_the_lost_route_is_the_direct_one() -> None:
    text = '{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan","DirectRouting":true}}'
    api = cluster(net_conf=NetConf(text=text, source="ConfigMap kube-flannel/kube-flannel-cfg"))
    finding = found(routes_lost, case(without_route(state("node-a"), B), cluster=api))
    assert finding.sentence == (f"node-a has no route to {B} via {underlay('node-b')} dev eth0.")
    assert finding.evidence[0].value == f"{B} via {underlay('node-b')} dev eth0"


def test_a_direct_route_is_not_a_lost_route() -> None:
    """DirectRouting: no neighbour, no FDB entry, and rightly so."""
    direct = without_route(state("node-a"), B)
    route = Route(destination=B, gateway="192.0.2.12", ifindex=ETH0)
    direct = replace(direct, routes=(*direct.routes, route))
    direct = without_fdb(without_neighbours(direct, vtep_ip("node-b")), mac("node-b"))
    for rule in (routes_lost, neigh_missing, fdb_missing):
        assert ask(rule, case(direct)) is None


def without_device(node: str) -> NodeState:
    gone = state(node)
    indexes = {link.ifindex for link in gone.links if link.vxlan is not None}
    return replace(
        gone,
        links=tuple(one for one in gone.links if one.ifindex not in indexes),
        addresses=tuple(one for one in gone.addresses if one.ifindex not in indexes),
        routes=tuple(one for one in gone.routes if one.ifindex not in indexes),
        neighbours=tuple(one for one in gone.neighbours if one.ifindex not in indexes),
        fdb=tuple(one for one in gone.fdb if one.ifindex not in indexes),
    )


def test_a_deleted_device_took_the_routes_with_it_at_the_sender() -> None:
    paths = [dropped(AT_BRIDGE, "IP_INNOROUTES", "ip_error", last=BRIDGE_IN)]
    told = judge(case(without_device("node-a"), paths=paths))
    assert words(told) == ("DROPPED", "routes-lost", "node-a", "cni0", "IP_INNOROUTES")
    sentence = "node-a has no flannel.1; its routes to all peers went with it."
    assert [one.sentence for one in told.findings] == [sentence]


def test_a_deleted_device_took_the_socket_with_it_at_the_receiver() -> None:
    uplink = freed_on("node-b", Device.UPLINK, "eth0")
    paths = [dropped(uplink, "NO_SOCKET", "__udp4_lib_rcv", last=UPLINK_IN)]
    told = judge(case(without_device("node-b"), paths=paths))
    assert words(told) == ("DROPPED", "routes-lost", "node-b", "eth0", "NO_SOCKET")
    assert "route" not in {line.label for line in told.findings[0].evidence}


def test_packets_in_the_queue_of_a_device_that_is_being_deleted_are_explained_too() -> None:
    paths = [dropped(AT_VTEP, "QDISC_DROP", "__dev_queue_xmit", last=BRIDGE_IN)]
    told = judge(case(without_device("node-a"), paths=paths))
    assert words(told) == ("DROPPED", "routes-lost", "node-a", "flannel.1", "QDISC_DROP")


def test_no_device_is_missed_where_none_is_needed() -> None:
    """DirectRouting between these two, another backend, or a kernel without VXLAN."""
    route = Route(destination=B, gateway="192.0.2.12", ifindex=ETH0)
    direct = without_device("node-a")
    direct = replace(direct, routes=(*direct.routes, route))
    assert ask(routes_lost, case(direct)) is None
    never = replace(without_device("node-a"), vxlan_support="missing")
    assert ask(routes_lost, case(never)) is None


def test_a_blackhole_is_somebodys_decision() -> None:
    node_a = state("node-a")
    hole = Route(destination="10.244.2.0/25", kind="blackhole")
    assert ask(routes_lost, case(replace(node_a, routes=(*node_a.routes, hole)))) is None
    rule = Rule(priority=100, table=0, action="prohibit", family=4, destination=B)
    main = Rule(priority=32766, table=254, action="table", family=4)
    assert ask(routes_lost, case(replace(node_a, rules=(rule, main)))) is None


def test_a_down_device_on_the_way_back_is_not_reported_as_a_lost_route() -> None:
    """peer-flannel1-down is the cause; its routes went with it."""
    down = with_link(without_route(state("node-b"), "10.244.1.0/24"), "flannel.1", up=False)
    assert ask(routes_lost, case(down, paths=[lost(UPLINK_OUT)]), Way.REPLY) is None


def test_a_node_without_a_route_cannot_even_send() -> None:
    """flantrace node/node-a node/node-b: the system call fails, no point sees a packet."""
    gone = without_route(state("node-a"), B)
    api = case().request
    nodes = replace(
        api,
        source=End(kind=EndKind.NODE, name="node-a", node="node-a", ip=vtep_ip("node-a")),
        destination=End(kind=EndKind.NODE, name="node-b", node="node-b", ip=vtep_ip("node-b")),
    )
    refused = unseen(end=None, doubt="Network is unreachable")
    told = judge(case(gone, paths=[refused], request=nodes))
    assert words(told) == ("LOST", "routes-lost", "node-a", "-", "-")


def test_the_rules_of_entries_are_silent_on_a_healthy_cluster() -> None:
    healthy = case(paths=all_well())
    for rule in (neigh_missing, fdb_missing, fdb_wrong_dst_dead, routes_lost):
        for way in (Way.REQUEST, Way.REPLY):
            assert ask(rule, healthy, way) is None


def test_a_state_that_was_not_read_skips_the_rule_and_says_why() -> None:
    told = judge(case(nodes={"node-b": state("node-b")}, paths=[lost(UPLINK_OUT)]))
    missing = {skip.missing for skip in told.skipped if skip.rule == "neigh-missing"}
    assert missing == {"state of node-a: not recorded"}
