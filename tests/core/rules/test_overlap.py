"""The host's own networks inside of the pods'."""

from msgspec.structs import replace

from tests.builders import CNI0, ETH0, FLANNEL, NUMBER, bundle, cluster, pod_cidr, state, underlay
from tests.core.rules.asking import case
from tests.paths import BRIDGE_IN, VTEP_IN, delivered, dropped, freed_on
from tracer.core.diagnose import judge
from tracer.core.facts import Facts
from tracer.core.rules.overlap import host_route_overlaps
from tracer.core.views import NodeView
from tracer.model.cluster import NetConf
from tracer.model.diagnosis import Finding, Severity
from tracer.model.observation import Device
from tracer.model.state import NodeState, Route

A, B = "node-a", "node-b"


def with_route(destination: str, **more: object) -> NodeState:
    before = state(A)
    more = {"ifindex": ETH0, **more}
    return replace(before, routes=(*before.routes, Route(destination=destination, **more)))  # type: ignore[arg-type]


def said(node: NodeState) -> tuple[Finding, ...]:
    return host_route_overlaps(NodeView(Facts(bundle(node)), A, ()))


def test_a_longer_prefix_by_another_device_takes_a_peers_pods_away() -> None:
    (finding,) = said(with_route("10.244.2.0/25"))
    assert finding.severity is Severity.ERROR
    assert finding.sentence == (
        "node-a has a network of its own inside of the pods': 10.244.2.0/25 by eth0."
    )
    assert [line.value for line in finding.evidence if line.label == "owner"] == [
        "node-b (10.244.2.0/24)"
    ]


def test_where_no_node_has_the_range_yet_it_is_a_warning() -> None:
    (finding,) = said(with_route("10.244.77.0/24", gateway="192.0.2.254"))
    assert finding.severity is Severity.WARNING
    assert finding.hits.startswith("nothing now")


def test_packets_that_end_there_are_explained() -> None:
    at = freed_on(A, Device.UNKNOWN, "eth0")
    path = dropped(at, "NEIGH_FAILED", "neigh_invalidate", last=BRIDGE_IN)
    told = judge(case(with_route("10.244.2.0/25"), paths=[path]))
    assert told.verdict.rule == "host-route-overlaps"


def test_packets_that_arrive_have_met_no_such_route() -> None:
    (finding,) = judge(case(with_route("10.244.77.0/24"), paths=[delivered()])).findings
    assert not finding.explains


def test_what_flannel_the_bridge_and_the_kernel_write_is_no_overlap() -> None:
    assert all(not said(state(name)) for name in NUMBER)
    assert not said(with_route("10.244.1.0/25", ifindex=CNI0))
    assert not said(with_route("10.244.2.0/25", ifindex=FLANNEL))
    assert not said(with_route("10.244.2.0/25", gateway="10.244.2.0", ifindex=FLANNEL))
    assert not said(with_route("10.244.2.7/32", table=255))
    assert not said(with_route(pod_cidr(B), gateway=underlay(B)))


def test_networks_beside_the_pods_and_around_them_are_the_hosts_own_affair() -> None:
    for other in ("10.245.0.0/24", "10.0.0.0/8", "0.0.0.0/0", "10.244.0.0/16", "fd00::/64"):
        assert not said(with_route(other))


def test_a_route_by_the_vtep_that_flanneld_did_not_write_is_the_hosts_own() -> None:
    (finding,) = said(with_route("10.244.2.0/25", gateway="10.244.3.0", ifindex=FLANNEL))
    assert finding.severity is Severity.ERROR
    assert finding.sentence == (
        "node-a has a route of its own inside of the pods' network: 10.244.2.0/25 by flannel.1."
    )
    assert "ip route del 10.244.2.0/25 dev flannel.1   # on node-a" in finding.fix


def test_so_is_one_of_a_peers_whole_subnet_by_another_peer() -> None:
    (finding,) = said(with_route(pod_cidr(B), gateway="10.244.3.0", ifindex=FLANNEL))
    assert finding.severity is Severity.ERROR


def test_such_a_route_leaves_the_entries_of_the_peer_in_peace() -> None:
    told = judge(case(with_route("10.244.2.0/25", gateway="10.244.3.0", ifindex=FLANNEL)))
    assert {finding.rule for finding in told.findings} == {"host-route-overlaps"}


def test_a_receiver_that_sends_its_own_pods_packets_back_is_why_they_go_round() -> None:
    before = state(B)
    back = Route(destination="10.244.2.0/25", gateway="10.244.1.0", ifindex=FLANNEL)
    at = freed_on(B, Device.VTEP, "flannel.1")
    path = dropped(at, "IP_INHDR", "ip_forward", last=VTEP_IN)
    told = judge(case(replace(before, routes=(*before.routes, back)), paths=[path]))
    assert (told.verdict.rule, told.findings[0].node) == ("host-route-overlaps", B)


def test_a_family_that_flannel_is_not_told_to_use_has_no_network() -> None:
    """As k3s writes it; each device of a host has a route for its link-local addresses."""
    text = '{"Network":"10.244.0.0/16","IPv6Network":"::/0","Backend":{"Type":"vxlan"}}'
    conf = NetConf(text=text, source="node-a /var/lib/rancher/k3s/net-conf.json")
    facts = Facts(bundle(with_route("fe80::/64"), cluster=cluster(net_conf=conf)))
    assert not host_route_overlaps(NodeView(facts, A, ()))
