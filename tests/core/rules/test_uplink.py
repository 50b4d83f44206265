"""The uplink: down, unplugged, without a route, or smaller than the tunnel above it."""

from msgspec.structs import replace

from tests.builders import mac, state, underlay
from tests.changes import with_address, with_link, without_fdb, without_route
from tests.core.examine.test_examine import examined, named, stopped
from tests.core.rules.asking import ask, case, explained, found, rules_of, words
from tests.paths import (
    FULL,
    UPLINK_OUT,
    VTEP_OUT,
    all_well,
    delivered,
    dropped,
    freed_on,
    lost,
    path,
)
from tracer.core.diagnose import judge
from tracer.core.rules.uplink import uplink_down
from tracer.core.rules.uplink_mtu import uplink_mtu_lowered_late
from tracer.model.diagnosis import Severity
from tracer.model.observation import Device
from tracer.model.path import Path, Way
from tracer.model.state import NodeState

AT_VTEP = freed_on("node-a", Device.VTEP, "flannel.1")
AT_UPLINK = freed_on("node-a", Device.UPLINK, "eth0")
NO_WAY = dropped(AT_VTEP, "IP_OUTNOROUTES", "vxlan_xmit_one", last=VTEP_OUT)
LARGE_REPLY_LOST = (*all_well()[:-1], lost(UPLINK_OUT, Way.REPLY, 6, size=FULL))


def down(node: str) -> NodeState:
    """`ip link set eth0 down`: the kernel takes the routes by it along."""
    return without_route(with_link(state(node), "eth0", up=False, carrier=False), "192.0.2.0/24")


def small(node: str) -> NodeState:
    return with_link(state(node), "eth0", mtu=1400)


def test_an_uplink_that_is_down_explains_why_nothing_leaves_the_vtep() -> None:
    told = explained(down("node-a"), paths=[NO_WAY])
    assert told == ("DROPPED", "uplink-down", "node-a", "flannel.1", "IP_OUTNOROUTES")


def test_below_linux_5_17_the_function_alone_tells() -> None:
    silent = dropped(AT_VTEP, None, "vxlan_xmit_one", last=VTEP_OUT)
    assert explained(down("node-a"), paths=[silent])[1] == "uplink-down"


def test_seen_from_the_other_node_nobody_answers_arp() -> None:
    unanswered = dropped(AT_UPLINK, "NEIGH_FAILED", "neigh_invalidate", last=VTEP_OUT)
    told = judge(case(down("node-b"), paths=[unanswered]))
    assert words(told)[1] == "uplink-down"
    assert told.findings[0].node == "node-b"
    assert rules_of(told) == {"uplink-down"}


def test_seen_from_a_node_that_remembers_the_mac_packets_vanish_and_no_fabric_is_blamed() -> None:
    told = judge(case(down("node-b"), paths=[lost(UPLINK_OUT)]))
    assert rules_of(told) == {"uplink-down"}


def test_a_cable_that_is_out_is_no_matter_of_ip_link() -> None:
    unplugged = with_link(state("node-a"), "eth0", carrier=False)
    finding = found(uplink_down, case(unplugged, paths=[lost(UPLINK_OUT)]))
    assert "has no carrier" in finding.sentence
    assert finding.explains
    assert not any("ip link set" in line for line in finding.fix)


def test_a_check_knows_that_nothing_passes_a_cable_that_is_out() -> None:
    unplugged = replace(with_link(state("node-a"), "eth0", carrier=False), pods=())
    examination = examined(unplugged)
    assert named(examination) == {("uplink-down", "node-a")}
    assert stopped(examination) == {"a>b", "a>c", "b>a", "c>a"}
    assert {one.rule for one in examination.reach} == {"uplink-down"}


def test_an_uplink_that_is_up_and_leads_nowhere_has_no_route() -> None:
    told = judge(case(without_route(state("node-a"), "192.0.2.0/24"), paths=[NO_WAY]))
    assert words(told)[1] == "uplink-down"
    assert told.findings[0].sentence == (
        "node-a has no route to 192.0.2.12, the address of node-b."
    )


def test_a_vtep_that_sends_from_an_address_that_is_gone_is_another_fault() -> None:
    moved = with_address(state("node-a"), underlay("node-a"), "192.0.2.99")
    told = judge(case(moved, paths=[NO_WAY]))
    assert words(told)[1] == "node-ip-changed-vxlan-local-stale"
    assert "uplink-down" not in rules_of(told)


def test_a_dead_uplink_is_seen_from_one_side_and_what_was_not_read_is_not_checked() -> None:
    half = {"node-a": down("node-a")}
    assert judge(case(nodes=half, paths=[NO_WAY])).verdict.rule == "uplink-down"
    told = judge(case(nodes={"node-a": state("node-a")}))
    assert "uplink-down" in {skip.rule for skip in told.skipped}


def test_a_dead_uplink_does_not_explain_what_ends_behind_it() -> None:
    at = freed_on("node-b", Device.VTEP, "flannel.1")
    odd = dropped(at, "OTHERHOST", "ip_rcv_core", last=VTEP_OUT)
    assert not found(uplink_down, case(down("node-a"), paths=[odd])).explains


def test_a_smaller_uplink_refuses_what_others_send_in_full_size() -> None:
    told = judge(case(small("node-a"), paths=LARGE_REPLY_LOST))
    assert words(told)[:2] == ("LOST", "uplink-mtu-lowered-late")
    assert rules_of(told) == {"uplink-mtu-lowered-late"}
    assert told.findings[0].node == "node-a"
    assert "ip link set eth0 mtu 1500   # on node-a" in told.findings[0].fix


def test_two_small_uplinks_cut_into_fragments_and_refuse_nothing() -> None:
    calm = case(small("node-a"), small("node-b"))
    finding = found(uplink_mtu_lowered_late, calm)
    assert finding.severity is Severity.WARNING
    assert not finding.explains
    assert not any("ip link set eth0" in line for line in finding.fix)
    assert judge(calm).verdict.exit_code == 0


def test_fragments_that_are_lost_are_explained_by_the_sender_that_cuts() -> None:
    cut = [path(seq=seq) for seq in range(1, 6)] + [lost(UPLINK_OUT, seq=6, size=FULL)]
    told = judge(case(small("node-a"), small("node-b"), paths=cut))
    assert words(told)[1] == "uplink-mtu-lowered-late"


def test_a_node_with_larger_frames_than_the_others_take_is_told_from_its_pods() -> None:
    """Jumbo frames on one node only: what it makes is right for its own uplink."""
    node_a = with_link(with_link(state("node-a"), "eth0", mtu=9000), "flannel.1", mtu=8950)
    pods = tuple(replace(pod, mtu=8950) for pod in node_a.pods)
    paths = [path(seq=seq) for seq in range(1, 6)] + [lost(UPLINK_OUT, seq=6, size=8950)]
    told = judge(case(replace(node_a, pods=pods), paths=paths))
    assert words(told)[1] == "uplink-mtu-lowered-late"
    assert rules_of(told) == {"uplink-mtu-lowered-late"}
    assert told.findings[0].sentence == (
        "flannel.1 on node-a makes packets of 9000 B, and the uplink of node-b, eth0, takes 1500 B."
    )


def test_two_faults_at_once_are_both_named_and_that_which_stops_more_first() -> None:
    """No FDB entry to node-b, and node-b's uplink is too small for the replies."""
    stuck = dropped(
        freed_on("node-a", Device.VTEP, "flannel.1"), "NO_TX_TARGET", "vxlan_xmit", last=VTEP_OUT
    )
    told = judge(case(without_fdb(small("node-a"), mac("node-b")), paths=[stuck]))
    assert words(told)[1] == "fdb-missing"
    assert rules_of(told) == {"fdb-missing", "uplink-mtu-lowered-late"}


def test_a_small_packets_loss_is_not_explained_by_sizes() -> None:
    gone = case(small("node-b"), paths=[lost(UPLINK_OUT)])
    assert not found(uplink_mtu_lowered_late, gone).explains


def test_a_full_underlay_between_full_uplinks_is_no_affair_of_theirs() -> None:
    paths: list[Path] = [delivered(seq=1), lost(UPLINK_OUT, seq=6, size=FULL)]
    assert rules_of(judge(case(paths=paths))) == {"underlay-mtu-blackhole"}


def test_jumbo_frames_below_an_ordinary_tunnel_are_fine() -> None:
    jumbo = with_link(state("node-a"), "eth0", mtu=9000)
    assert ask(uplink_mtu_lowered_late, case(jumbo)) is None


def test_the_rules_of_the_uplink_are_silent_on_a_healthy_cluster() -> None:
    healthy = case(paths=all_well())
    for way in (Way.REQUEST, Way.REPLY):
        assert ask(uplink_down, healthy, way) is None
        assert ask(uplink_mtu_lowered_late, healthy, way) is None
