"""Half of a change: GBP or DirectRouting on one side only. And checksums that a NIC gets wrong."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import ETH0, cluster, pod_cidr, state, underlay, vtep_ip
from tests.cases import SWAPPED, bundle_of
from tests.changes import with_link, with_vxlan, without_neighbours, without_route
from tests.core.examine.test_examine import examined, named
from tests.core.rules.asking import ask, case, explained, found, rules_of, words
from tests.paths import UPLINK_IN, UPLINK_OUT, all_well, dropped, freed_on, lost
from tracer.bundle.archive import read
from tracer.core.diagnose import judge
from tracer.core.rules.checksum import outer_udp_csum_bad
from tracer.core.rules.direct import directrouting_asymmetric
from tracer.core.rules.gbp import gbp_mismatch
from tracer.model.cluster import ClusterState, NetConf
from tracer.model.diagnosis import Severity
from tracer.model.observation import Device, Observation
from tracer.model.path import Path, Way
from tracer.model.state import NodeState, Route

AT_UPLINK = freed_on("node-b", Device.UPLINK, "eth0")
INVALID = dropped(AT_UPLINK, "VXLAN_INVALID_HDR", "vxlan_rcv", last=UPLINK_IN)
WRONG_SUM = dropped(AT_UPLINK, "UDP_CSUM", "udp_queue_rcv_one_skb", last=UPLINK_IN)
STRICT = {"net.ipv4.conf.all.rp_filter": "1", "net.ipv4.conf.eth0.rp_filter": "0"}


def configured(backend: str) -> ClusterState:
    conf = NetConf(
        text=f'{{"Network":"10.244.0.0/16","Backend":{{"Type":"vxlan"{backend}}}}}',
        source="ConfigMap kube-flannel/kube-flannel-cfg",
    )
    return cluster(net_conf=conf)


def with_gbp(node: str) -> NodeState:
    return with_vxlan(state(node), gbp=True)


def test_gbp_on_the_sender_alone_explains_a_header_that_is_not_understood() -> None:
    told = explained(with_gbp("node-a"), paths=[INVALID])
    assert told == ("DROPPED", "gbp-mismatch", "node-b", "eth0", "VXLAN_INVALID_HDR")


def test_below_linux_6_13_the_function_alone_tells_of_gbp() -> None:
    silent = dropped(AT_UPLINK, "NOT_SPECIFIED", "vxlan_rcv", last=UPLINK_IN)
    assert rules_of(judge(case(with_gbp("node-a"), paths=[silent]))) == {"gbp-mismatch"}


def test_packets_without_a_mark_arrive_and_the_fault_is_said_all_the_same() -> None:
    told = judge(case(with_gbp("node-a")))
    assert (told.verdict.outcome, told.verdict.rule) == ("delivered", "gbp-mismatch")
    assert told.findings[0].severity is Severity.ERROR
    assert not told.findings[0].explains


def test_the_odd_one_is_that_which_is_not_as_configured() -> None:
    on = found(gbp_mismatch, case(with_gbp("node-a"), cluster=configured(',"GBP":true')))
    off = found(gbp_mismatch, case(with_gbp("node-a"), cluster=configured("")))
    assert (on.node, off.node) == ("node-b", "node-a")


def test_gbp_on_the_receiver_alone_hits_only_what_it_sends() -> None:
    one_sided = case(with_gbp("node-b"))
    assert ask(gbp_mismatch, one_sided) is None
    assert found(gbp_mismatch, one_sided, Way.REPLY).way is Way.REPLY


def test_gbp_on_both_sides_is_fine() -> None:
    assert ask(gbp_mismatch, case(with_gbp("node-a"), with_gbp("node-b"))) is None


def test_the_mark_is_read_off_the_wire() -> None:
    for file in ("bundle.tgz", SWAPPED):
        told = judge_recorded("gbp-mismatch", file)
        assert ("mark", "0x4000") in {(x.label, x.value) for x in told.findings[0].evidence}


def judge_recorded(name: str, file: str, **changes: Any) -> Any:
    from tracer.core.diagnose import diagnose

    return diagnose(replace(read(bundle_of(name, file)), **changes))


@pytest.mark.parametrize("kept", [0, 12, 14, 30, 42, 49])
def test_a_frame_that_is_cut_off_has_no_mark_to_show(kept: int) -> None:
    recording = read(bundle_of("gbp-mismatch"))

    def cut(seen: Observation) -> Observation:
        at = seen.node == "node-b" and seen.device is Device.UPLINK
        return replace(seen, headers=seen.headers[:kept]) if at else seen

    told = judge_recorded(
        "gbp-mismatch",
        "bundle.tgz",
        observations=tuple(cut(seen) for seen in recording.observations),
    )
    assert "mark" not in {x.label for finding in told.findings for x in finding.evidence}


def direct(node: str, peer: str) -> NodeState:
    """The route that DirectRouting writes for a peer, and nothing else."""
    before = without_neighbours(without_route(state(node), pod_cidr(peer)), vtep_ip(peer))
    route = Route(destination=pod_cidr(peer), gateway=underlay(peer), ifindex=ETH0)
    return replace(before, routes=(*before.routes, route))


def strict(before: NodeState) -> NodeState:
    return replace(before, sysctls={**before.sysctls, **STRICT})


def bare(last: Path) -> Path:
    """The same without its outer headers and without the VTEPs' hops."""
    hops = tuple(
        replace(hop, packet=replace(hop.packet, outer=None)) if hop.packet is not None else hop
        for hop in last.hops
        if hop.device is not Device.VTEP
    )
    return replace(last, hops=hops)


SPOOFED = bare(dropped(AT_UPLINK, "IP_RPFILTER", "ip_rcv_finish_core", last=UPLINK_IN))


def test_direct_on_one_side_only_is_refused_by_a_strict_receiver() -> None:
    told = judge(case(direct("node-a", "node-b"), strict(state("node-b")), paths=[SPOOFED]))
    assert words(told)[1] == "directrouting-asymmetric"
    assert rules_of(told) == {"directrouting-asymmetric"}
    fix = told.findings[0].fix
    assert "sysctl -w net.ipv4.conf.all.rp_filter=2   # on node-b" in fix


def test_without_a_strict_receiver_it_works_and_is_only_a_warning() -> None:
    loose = case(direct("node-a", "node-b"), cluster=configured(',"DirectRouting":true'))
    for way in (Way.REQUEST, Way.REPLY):
        finding = found(directrouting_asymmetric, loose, way)
        assert (finding.severity, finding.node) == (Severity.WARNING, "node-b")
        assert not finding.explains


def test_that_the_sender_checks_strictly_on_its_uplink_is_no_matter() -> None:
    """What comes back comes in by flannel.1, whose own value and that of all devices count."""
    node_a = direct("node-a", "node-b")
    node_a = replace(node_a, sysctls={**node_a.sysctls, "net.ipv4.conf.eth0.rp_filter": "1"})
    meant = case(node_a, cluster=configured(',"DirectRouting":true'))
    assert found(directrouting_asymmetric, meant).severity is Severity.WARNING


def test_bare_packets_that_vanish_between_the_nodes_are_dropped_by_the_network() -> None:
    gone = bare(lost(UPLINK_OUT))
    both = (direct("node-a", "node-b"), direct("node-b", "node-a"))
    told = judge(case(*both, paths=[gone], cluster=configured(',"DirectRouting":true')))
    assert words(told)[1] == "directrouting-asymmetric"
    assert "drops packets that bear pods' own addresses" in told.findings[0].sentence


def test_a_direct_route_by_hand_is_rp_filters_affair_but_for_bare_packets() -> None:
    """DirectRouting writes no neighbour; beside a route by hand flannel's own is still there."""
    by_hand = replace(direct("node-a", "node-b"), neighbours=state("node-a").neighbours)
    for way in (Way.REQUEST, Way.REPLY):
        assert ask(directrouting_asymmetric, case(by_hand), way) is None
    refused = case(by_hand, strict(state("node-b")), paths=[SPOOFED])
    assert judge(refused).verdict.rule == "directrouting-asymmetric"


@pytest.mark.parametrize("on", [("node-a", "node-b"), ("node-b",)])
def test_that_all_check_sources_strictly_is_fine_where_all_route_directly(
    on: tuple[str, ...],
) -> None:
    """What comes in bare is never held against the way by which VXLAN would come."""
    nodes = [direct("node-a", "node-b"), direct("node-b", "node-a")]
    calm = case(
        *(strict(node) if node.node in on else node for node in nodes),
        paths=[bare(path) for path in all_well()],
        cluster=configured(',"DirectRouting":true'),
    )
    assert judge(calm).findings == ()


def test_half_a_change_that_is_refused_is_said_once_and_by_its_cause() -> None:
    """node-a strict as well: what comes from node-b by VXLAN would go back bare."""
    node_a = strict(direct("node-a", "node-b"))
    told = judge(case(node_a, strict(state("node-b")), paths=[SPOOFED]))
    assert rules_of(told) == {"directrouting-asymmetric"}


def test_direct_on_both_sides_is_fine() -> None:
    both = case(
        direct("node-a", "node-b"),
        direct("node-b", "node-a"),
        paths=[bare(path) for path in all_well()],
        cluster=configured(',"DirectRouting":true'),
    )
    for way in (Way.REQUEST, Way.REPLY):
        assert ask(directrouting_asymmetric, both, way) is None


def test_a_lost_route_is_no_direct_one() -> None:
    gone = case(without_route(state("node-a"), pod_cidr("node-b")))
    assert ask(directrouting_asymmetric, gone) is None


def test_a_wrong_checksum_is_the_senders_affair() -> None:
    told = judge(case(paths=[WRONG_SUM]))
    assert words(told) == ("DROPPED", "outer-udp-csum-bad", "node-b", "eth0", "UDP_CSUM")
    assert told.findings[0].node == "node-a"


def test_a_packet_that_no_socket_takes_has_no_wrong_checksum() -> None:
    """Below Linux 5.17 both end in the same function, without a reason."""
    nameless = dropped(AT_UPLINK, None, "__udp4_lib_rcv", last=UPLINK_IN)
    down = with_link(state("node-b"), "flannel.1", up=False)
    assert ask(outer_udp_csum_bad, case(down, paths=[nameless])) is None


def on_vmware(node: str, **vtep: Any) -> NodeState:
    before = with_link(state(node), "eth0", kind=None, driver="vmxnet3")
    return with_link(before, "flannel.1", **({"tx_checksum": True} | vtep))


def test_a_driver_that_is_known_to_sum_wrongly_is_a_warning_without_any_packet() -> None:
    examination = examined(replace(on_vmware("node-a"), pods=()))
    assert named(examination) == {("outer-udp-csum-bad", "node-a")}
    assert examination.exit_code == 0


def test_with_the_kernels_own_sums_the_driver_is_no_matter() -> None:
    assert ask(outer_udp_csum_bad, case(on_vmware("node-a", tx_checksum=False))) is None


def test_below_a_bond_the_drivers_of_its_ports_count() -> None:
    before = on_vmware("node-a")
    port = next(link for link in before.links if link.ifname == "eth0")
    bond = replace(port, kind="bond", driver=None)
    slave = replace(port, ifindex=77, ifname="ens192", master=ETH0)
    links = (*(bond if link is port else link for link in before.links), slave)
    finding = found(outer_udp_csum_bad, case(replace(before, links=links)))
    assert "ens192" in finding.sentence


def test_they_are_silent_on_a_healthy_cluster() -> None:
    healthy = case(paths=all_well())
    for rule in (gbp_mismatch, directrouting_asymmetric, outer_udp_csum_bad):
        for way in (Way.REQUEST, Way.REPLY):
            assert ask(rule, healthy, way) is None
