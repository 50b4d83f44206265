"""VXLAN devices and published addresses that do not fit together."""

from msgspec.structs import replace

from tests.builders import api_node, cluster, mac, state, underlay
from tests.changes import with_address, with_fdb, with_link, with_vxlan
from tests.core.rules.asking import ask, case, explained, found, rules_of, words
from tests.paths import (
    UPLINK_IN,
    UPLINK_OUT,
    VTEP_OUT,
    all_well,
    delivered,
    dropped,
    freed_on,
    lost,
)
from tracer.core.diagnose import judge
from tracer.core.rules.device import peer_flannel1_down, port_mismatch, vni_mismatch
from tracer.core.rules.publicip import node_ip_changed_vxlan_local_stale, public_ip_duplicate
from tracer.model.cluster import ClusterState, NetConf
from tracer.model.diagnosis import Severity
from tracer.model.observation import Device
from tracer.model.path import Way
from tracer.model.state import NodeState

AT_UPLINK = freed_on("node-b", Device.UPLINK, "eth0")
NO_SOCKET = dropped(AT_UPLINK, "NO_SOCKET", "__udp4_lib_rcv", last=UPLINK_IN)


def test_a_peers_device_that_is_down_explains_no_socket() -> None:
    down = with_link(state("node-b"), "flannel.1", up=False)
    told = judge(case(down, paths=[NO_SOCKET]))
    assert words(told) == ("DROPPED", "peer-flannel1-down", "node-b", "eth0", "NO_SOCKET")
    assert rules_of(told) == {"peer-flannel1-down"}


def test_another_port_explains_no_socket_where_the_device_is_up() -> None:
    other = with_vxlan(state("node-b"), port=4789)
    told = judge(case(other, paths=[NO_SOCKET]))
    assert words(told)[1:] == ("port-mismatch", "node-b", "eth0", "NO_SOCKET")
    assert rules_of(told) == {"port-mismatch"}
    assert told.findings[0].sentence == (
        "node-a sends VXLAN to udp 8472, and flannel.1 on node-b listens on udp 4789."
    )


def test_the_node_that_does_not_have_the_configured_port_is_the_odd_one() -> None:
    """Half-way through a change of Backend.Port: node-b was restarted, node-a was not."""
    conf = NetConf(
        text='{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan","Port":4789}}',
        source="ConfigMap kube-flannel/kube-flannel-cfg",
    )
    other = with_vxlan(state("node-b"), port=4789)
    told = judge(case(other, paths=[NO_SOCKET], cluster=cluster(net_conf=conf)))
    assert [finding.node for finding in told.findings] == ["node-a"]
    assert told.findings[0].fix[-1] == "kubectl -n kube-flannel delete pod kube-flannel-ds-aaaaa"


def test_another_vni_explains_vni_not_found() -> None:
    other = with_link(with_vxlan(state("node-b"), vni=2), "flannel.1", ifname="flannel.2")
    paths = [dropped(AT_UPLINK, "VXLAN_VNI_NOT_FOUND", "vxlan_rcv", last=UPLINK_IN)]
    told = judge(case(other, paths=paths))
    assert words(told) == ("DROPPED", "vni-mismatch", "node-b", "eth0", "VXLAN_VNI_NOT_FOUND")
    assert rules_of(told) == {"vni-mismatch"}


def test_an_older_kernel_tells_a_vni_by_the_function_alone() -> None:
    other = with_vxlan(state("node-b"), vni=2)
    paths = [dropped(AT_UPLINK, "NOT_SPECIFIED", "vxlan_rcv", last=UPLINK_IN)]
    assert explained(other, paths=paths)[1] == "vni-mismatch"


def test_devices_that_fit_are_not_talked_about() -> None:
    for rule in (peer_flannel1_down, port_mismatch, vni_mismatch):
        for way in (Way.REQUEST, Way.REPLY):
            assert ask(rule, case(), way) is None


def test_a_node_that_moved_cannot_answer() -> None:
    """Peers know the new address, so the request arrives; node-b's own packets die at home."""
    moved = with_address(state("node-b"), underlay("node-b"), "192.0.2.22")
    node_a = with_fdb(state("node-a"), mac("node-b"), "192.0.2.22")
    api = cluster(nodes={"node-b": api_node("node-b", public_ip="192.0.2.22")})
    at = freed_on("node-b", Device.VTEP, "flannel.1")
    paths = [
        delivered(),
        dropped(at, "IP_OUTNOROUTES", "vxlan_xmit_one", last=VTEP_OUT, way=Way.REPLY),
    ]
    told = judge(case(moved, node_a, paths=paths, cluster=api))
    assert words(told) == (
        "DROPPED",
        "node-ip-changed-vxlan-local-stale",
        "node-b",
        "flannel.1",
        "IP_OUTNOROUTES",
    )
    assert told.verdict.way is Way.REPLY
    assert rules_of(told) == {"node-ip-changed-vxlan-local-stale"}


def test_a_node_that_moved_unnoticed_is_the_cause_of_requests_to_its_old_address() -> None:
    moved = with_address(state("node-b"), underlay("node-b"), "192.0.2.22")
    told = judge(case(moved, paths=[lost(UPLINK_OUT)]))
    assert words(told)[1] == "node-ip-changed-vxlan-local-stale"
    assert "fdb-wrong-dst-dead" not in rules_of(told)


def test_a_valid_local_address_is_no_moved_node() -> None:
    assert ask(node_ip_changed_vxlan_local_stale, case()) is None


def twins() -> tuple[ClusterState, NodeState]:
    api = cluster(
        nodes={"node-b": api_node("node-b", public_ip=underlay("node-a"))},
    )
    return api, with_fdb(state("node-a"), mac("node-b"), underlay("node-a"))


def test_a_published_address_of_the_senders_own_makes_a_loop() -> None:
    api, node_a = twins()
    at = freed_on("node-a", Device.VTEP, "flannel.1")
    looped = dropped(at, "IP_INHDR", "ip_forward", last=VTEP_OUT)
    hops = (*looped.hops[:2], replace(looped.hops[2], times=63), looped.hops[3])
    told = judge(case(node_a, paths=[replace(looped, hops=hops)], cluster=api))
    assert words(told) == ("DROPPED", "public-ip-duplicate", "node-a", "flannel.1", "IP_INHDR")
    assert told.findings[0].sentence == "node-a and node-b publish the same address, 192.0.2.11."
    assert ("loop", "63 passes") in {(line.label, line.value) for line in told.findings[0].evidence}


def test_a_twin_elsewhere_is_a_warning_while_this_way_is_right() -> None:
    api = cluster(nodes={"node-c": api_node("node-c", public_ip=underlay("node-b"))})
    finding = found(public_ip_duplicate, case(cluster=api))
    assert finding.severity is Severity.WARNING
    assert judge(case(cluster=api)).verdict.exit_code == 0


def test_different_addresses_are_no_duplicates() -> None:
    assert ask(public_ip_duplicate, case(paths=all_well())) is None
