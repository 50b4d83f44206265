"""The MACs: advertised, programmed, actual."""

from tests.builders import api_node, cluster, mac, state, underlay, vtep_ip
from tests.changes import (
    with_fdb,
    with_link,
    with_neighbour,
    without_fdb,
    without_neighbours,
)
from tests.core.rules.asking import ask, case, explained, found, rules_of, words
from tests.paths import UPLINK_OUT, VTEP_IN, VTEP_OUT, all_well, delivered, dropped, freed_on
from tracer.core.diagnose import judge
from tracer.core.rules.address import (
    mac_changed_under_running_flannel,
    neigh_stale_one_node,
    vtepmac_annotation_stale,
)
from tracer.model.diagnosis import Severity
from tracer.model.observation import Device
from tracer.model.path import Path, Way
from tracer.model.state import NodeState

OLD = "02:f1:00:00:00:99"
STALE = f'{{"VNI":1,"VtepMAC":"{OLD}"}}'


def misaddressed(count: int = 5) -> tuple[Path, ...]:
    at = freed_on("node-b", Device.VTEP, "flannel.1")
    return tuple(
        dropped(at, "OTHERHOST", "ip_rcv_core", last=VTEP_IN, seq=seq, dst_mac=OLD)
        for seq in range(1, count + 1)
    )


def peer_with_old_mac(node: str = "node-a") -> NodeState:
    """flanneld took node-b's old MAC from the lease: neighbour and FDB."""
    return with_fdb(
        with_neighbour(state(node), vtep_ip("node-b"), OLD, "PERMANENT"), OLD, underlay("node-b")
    )


def with_stale_lease() -> object:
    return cluster(nodes={"node-b": api_node("node-b", backend_data=STALE)})


def test_a_stale_annotation_explains_frames_for_another_host() -> None:
    told = explained(peer_with_old_mac(), paths=misaddressed(), cluster=with_stale_lease())
    assert told == ("DROPPED", "vtepmac-annotation-stale", "node-b", "flannel.1", "OTHERHOST")


def test_a_stale_annotation_shows_the_macs_side_by_side() -> None:
    broken = case(peer_with_old_mac(), paths=misaddressed(), cluster=with_stale_lease())
    finding = found(vtepmac_annotation_stale, broken)
    shown = {line.label: (line.value, line.differs) for line in finding.evidence}
    assert shown["advertised"] == (OLD, False)
    assert shown["programmed"] == (OLD, False)
    assert shown["wire"] == (OLD, False)
    assert shown["actual"] == (mac("node-b"), True)
    assert shown["kernel"] == ("OTHERHOST", False)


def test_the_fix_of_a_stale_annotation_names_flannels_pod_and_the_right_annotation() -> None:
    broken = case(peer_with_old_mac(), paths=misaddressed(), cluster=with_stale_lease())
    fix = found(vtepmac_annotation_stale, broken).fix
    assert "kubectl -n kube-flannel delete pod kube-flannel-ds-bbbbb" in fix
    assert fix[-1] == (
        "kubectl annotate node node-b --overwrite flannel.alpha.coreos.com/backend-data="
        f'\'{{"VNI":1,"VtepMAC":"{mac("node-b")}"}}\''
    )


def test_without_a_known_flannel_pod_the_fix_selects_by_node() -> None:
    api = cluster(
        nodes={"node-b": api_node("node-b", backend_data=STALE)},
        flannel_pods=(),
    )
    broken = case(peer_with_old_mac(), paths=misaddressed(), cluster=api)
    assert found(vtepmac_annotation_stale, broken).fix[1] == (
        "kubectl -n kube-flannel delete pod -l app=flannel --field-selector spec.nodeName=node-b"
    )


def test_both_remedies_that_people_try_in_vain_are_named() -> None:
    broken = case(peer_with_old_mac(), paths=misaddressed(), cluster=with_stale_lease())
    useless = " ".join(found(vtepmac_annotation_stale, broken).useless)
    assert "/var/lib/cni/flannel" in useless
    assert "restarting containerd and kubelet" in useless


def test_a_stale_annotation_that_the_sender_has_not_taken_is_only_a_warning() -> None:
    """The sender's entries still hold the device's MAC: this way is not hit."""
    calm = case(cluster=with_stale_lease())
    assert found(vtepmac_annotation_stale, calm).severity is Severity.WARNING
    told = judge(calm)
    assert words(told)[0] == "DELIVERED"
    assert told.verdict.exit_code == 0


def test_an_unreadable_annotation_with_old_entries_is_the_same_fault() -> None:
    """Peers ignore an empty VtepMAC and keep the wrong entries they had (real-cluster)."""
    api = cluster(nodes={"node-b": api_node("node-b", backend_data='{"VNI":1,"VtepMAC":""}')})
    told = explained(peer_with_old_mac(), paths=misaddressed(), cluster=api)
    assert told[1] == "vtepmac-annotation-stale"


def test_one_nodes_stale_neighbour_is_not_blamed_on_the_annotation() -> None:
    told = judge(case(peer_with_old_mac(), paths=misaddressed()))
    assert words(told)[1:3] == ("neigh-stale-one-node", "node-b")
    assert rules_of(told) == {"neigh-stale-one-node"}
    assert told.findings[0].node == "node-a"


def test_a_stale_neighbour_is_written_anew_with_real_values() -> None:
    broken = case(peer_with_old_mac(), paths=misaddressed())
    fix = found(neigh_stale_one_node, broken).fix
    assert fix[1:3] == (
        f"ip neigh replace 10.244.2.0 lladdr {mac('node-b')} dev flannel.1 nud permanent"
        "   # on node-a",
        f"bridge fdb replace {mac('node-b')} dev flannel.1 dst 192.0.2.12 self permanent"
        "   # on node-a",
    )


def test_a_third_node_that_is_right_is_quoted_as_proof() -> None:
    broken = case(peer_with_old_mac(), state("node-c"), paths=misaddressed())
    finding = found(neigh_stale_one_node, broken)
    assert ("elsewhere", mac("node-b"), "node-c neighbour 10.244.2.0") in {
        (line.label, line.value, line.source) for line in finding.evidence
    }
    assert finding.hits.startswith("what node-a sends")


def test_a_third_node_that_is_wrong_as_well_is_hit_as_well() -> None:
    broken = case(peer_with_old_mac(), peer_with_old_mac("node-c"), paths=misaddressed())
    assert found(neigh_stale_one_node, broken).hits.startswith("what node-a and node-c send")


def test_a_stale_neighbour_without_its_fdb_entry_dies_at_home() -> None:
    node_a = without_fdb(peer_with_old_mac(), OLD)
    at = freed_on("node-a", Device.VTEP, "flannel.1")
    lost = [dropped(at, "NO_TX_TARGET", "vxlan_xmit", last=VTEP_OUT, dst_mac=OLD)]
    told = judge(case(node_a, paths=lost))
    assert words(told) == (
        "DROPPED",
        "neigh-stale-one-node",
        "node-a",
        "flannel.1",
        "NO_TX_TARGET",
    )
    assert "fdb-missing" not in rules_of(told)


def changed_node_b() -> NodeState:
    """`ip link set flannel.1 address`: the kernel flushes node-b's PERMANENT neighbours."""
    new = with_link(state("node-b"), "flannel.1", mac="02:f1:00:00:00:77")
    return without_neighbours(new)


def test_a_mac_changed_at_run_time_is_told_from_a_stale_annotation_by_flushed_neighbours() -> None:
    at = freed_on("node-b", Device.VTEP, "flannel.1")
    paths = [dropped(at, "OTHERHOST", "ip_rcv_core", last=VTEP_IN)]
    told = judge(case(changed_node_b(), paths=paths))
    assert words(told)[1] == "mac-changed-under-running-flannel"
    assert rules_of(told) == {"mac-changed-under-running-flannel"}


def test_a_corrected_annotation_does_not_hide_that_the_nodes_own_neighbours_are_gone() -> None:
    """real-cluster: annotation right, peers right again, and still no reply comes home."""
    new = "02:f1:00:00:00:77"
    api = cluster(
        nodes={"node-b": api_node("node-b", backend_data=f'{{"VNI":1,"VtepMAC":"{new}"}}')}
    )
    node_a = with_neighbour(state("node-a"), vtep_ip("node-b"), new, "PERMANENT")
    node_a = with_fdb(node_a, new, underlay("node-b"))
    at = freed_on("node-b", Device.VTEP, "flannel.1")
    paths = [
        delivered(dst_mac=new),
        dropped(at, "NEIGH_FAILED", "neigh_invalidate", last=1, way=Way.REPLY),
    ]
    told = judge(case(node_a, changed_node_b(), paths=paths, cluster=api))
    assert words(told)[1:3] == ("mac-changed-under-running-flannel", "node-b")
    assert any("correcting the annotation" in line for line in told.findings[0].useless)
    assert told.findings[0].fix[1] == "kubectl -n kube-flannel delete pod kube-flannel-ds-bbbbb"


def test_flushed_neighbours_alone_are_not_a_changed_mac() -> None:
    """`ip neigh flush`: annotation and device agree, and no peer remembers another MAC."""
    flushed = case(without_neighbours(state("node-a")))
    assert ask(mac_changed_under_running_flannel, flushed) is None


def test_the_rules_of_macs_are_silent_on_a_healthy_cluster() -> None:
    healthy = case(paths=all_well())
    for rule in (
        vtepmac_annotation_stale,
        neigh_stale_one_node,
        mac_changed_under_running_flannel,
    ):
        for way in (Way.REQUEST, Way.REPLY):
            assert ask(rule, healthy, way) is None


def test_the_frames_on_the_wire_prove_it_where_the_sender_was_not_read() -> None:
    """Half a recording: node-a's agent is silent, node-b saw what came in."""
    blind = case(
        nodes={"node-b": state("node-b")}, paths=misaddressed(), cluster=with_stale_lease()
    )
    told = judge(blind)
    assert words(told)[1] == "vtepmac-annotation-stale"
    shown = {line.label: line.value for line in told.findings[0].evidence}
    assert (shown["programmed"], shown["wire"]) == ("not known", OLD)


def test_loss_at_the_uplink_is_not_explained_by_a_stale_annotation() -> None:
    paths = [delivered(last=UPLINK_OUT)]
    broken = case(peer_with_old_mac(), paths=paths, cluster=with_stale_lease())
    assert not found(vtepmac_annotation_stale, broken).explains
