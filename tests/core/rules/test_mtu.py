"""Pods that may send more than the tunnel, or the bridge at its other end, takes."""

from msgspec.structs import replace

from tests.builders import POD, api_node, cluster, pod_end, request, state
from tests.cases import bundle_of
from tests.changes import with_link
from tests.core.rules.asking import ask, case, explained, found
from tests.paths import (
    BRIDGE_IN,
    UPLINK_OUT,
    VTEP_IN,
    all_well,
    delivered,
    dropped,
    freed_on,
    lost,
)
from tracer.bundle.archive import read
from tracer.core.conclude import conclude
from tracer.core.diagnose import judge
from tracer.core.rules.mtu import pod_mtu_too_big
from tracer.model.bundle import Bundle
from tracer.model.observation import Device
from tracer.model.path import Path, Way
from tracer.model.state import NodeState

AT_BRIDGE = freed_on("node-a", Device.BRIDGE, "cni0")
TOO_BIG = dropped(AT_BRIDGE, "PKT_TOO_BIG", "ip_forward", last=BRIDGE_IN, seq=6, size=1500)
SIX = "ipv6-underlay-mtu-70"


def with_pods_of(node: str, mtu: int) -> NodeState:
    """Pod and veth have another MTU than flannel's."""
    before = with_link(state(node), f"veth{ord(node[-1]) - ord('a') + 1}", mtu=mtu)
    return replace(before, pods=tuple(replace(pod, mtu=mtu) for pod in before.pods))


def paths(last: Path) -> list[Path]:
    return [*(delivered(seq=seq) for seq in range(1, 6)), last]


def test_a_pod_that_sends_more_than_the_tunnel_takes_explains_what_is_too_big() -> None:
    told = explained(with_pods_of("node-a", 1500), paths=paths(TOO_BIG))
    assert told == ("DROPPED", "pod-mtu-too-big", "node-a", "cni0", "PKT_TOO_BIG")


def test_a_pod_that_another_cni_made_has_its_mtu_and_a_worse_trouble() -> None:
    node_a = with_pods_of("node-a", 1500)
    moved = cluster(nodes={"node-a": replace(api_node("node-a"), pod_cidrs=("10.9.1.0/24",))})
    assert ask(pod_mtu_too_big, case(node_a, paths=paths(TOO_BIG), cluster=moved)) is None


def test_it_shows_what_the_pod_was_made_with_and_what_flannel_promises_now() -> None:
    ready = with_pods_of("node-a", 1500)
    node_a = replace(
        ready,
        host_local={POD["node-a"]: "0123456789abcdef\r\neth0"},
        files={
            "/var/lib/cni/flannel/0123456789abcdef": '{"isGateway": true, "mtu": 1500}',
            "/run/flannel/subnet.env": "FLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\n",
        },
    )
    finding = found(pod_mtu_too_big, case(node_a, paths=paths(TOO_BIG)))
    shown = {line.label: line.value for line in finding.evidence}
    assert shown["pods"] == "1500"
    assert shown["takes"] == "1450"
    assert shown["made with"] == "1500"
    assert shown["promised"] == "1450"
    assert finding.fix[1] == "kubectl -n default delete pod pod-a"


def test_a_delegate_that_somebody_filled_with_rubbish_is_not_quoted() -> None:
    node_a = replace(
        with_pods_of("node-a", 1500),
        host_local={POD["node-a"]: "x\r\neth0"},
        files={"/var/lib/cni/flannel/x": '{"mtu": "$(reboot)"}'},
    )
    finding = found(pod_mtu_too_big, case(node_a))
    assert "made with" not in {line.label for line in finding.evidence}


def test_where_no_large_packet_was_sent_the_fault_is_there_all_the_same() -> None:
    told = judge(case(with_pods_of("node-a", 1500)))
    assert told.verdict.rule == "pod-mtu-too-big"
    assert told.verdict.outcome == "delivered"
    assert not told.findings[0].explains


def test_a_bridge_at_the_other_end_that_takes_less_frees_what_comes_out_of_the_tunnel() -> None:
    at = freed_on("node-b", Device.VTEP, "flannel.1")
    refused = dropped(at, "PKT_TOO_BIG", "ip_forward", last=VTEP_IN, seq=6, size=1450)
    node_b = with_link(state("node-b"), "cni0", mtu=1400)
    told = judge(case(node_b, paths=paths(refused)))
    assert told.verdict.rule == "pod-mtu-too-big"
    assert told.findings[0].node == "node-b"
    assert "cni0 on node-b takes 1400 B" in told.findings[0].sentence


def test_a_large_packet_that_vanishes_is_not_explained_by_the_pods_size() -> None:
    gone = lost(UPLINK_OUT, seq=6, size=1450)
    assert not found(pod_mtu_too_big, case(with_pods_of("node-a", 1500), paths=[gone])).explains


def test_a_bridge_without_ports_has_a_size_of_its_own_choosing() -> None:
    """Nobody knows a pod there: cni0's 1500 alone is no fault."""
    before = with_link(state("node-a"), "cni0", mtu=1500)
    bare = replace(before, pods=(), links=tuple(x for x in before.links if x.kind != "veth"))
    assumed = request(source=pod_end("node-a", assumed=True, ip="10.244.1.254"))
    assert ask(pod_mtu_too_big, case(bare, request=assumed)) is None


def test_of_pods_that_are_assumed_the_largest_port_of_the_bridge_speaks() -> None:
    assumed = request(source=pod_end("node-a", assumed=True, ip="10.244.1.254"))
    finding = found(pod_mtu_too_big, case(with_pods_of("node-a", 1500), request=assumed))
    assert finding.evidence[0].source == "mtu of node-a link veth1"
    assert finding.fix[1].startswith("kubectl drain node-a")


def test_pods_that_send_less_than_the_tunnel_takes_are_fine() -> None:
    assert ask(pod_mtu_too_big, case(with_pods_of("node-a", 1400))) is None


def test_it_is_silent_on_a_healthy_cluster() -> None:
    for way in (Way.REQUEST, Way.REPLY):
        assert ask(pod_mtu_too_big, case(paths=all_well()), way) is None


def recorded_with(mtu: int) -> Bundle:
    """The recorded IPv6 case with the pods of node-a made with another MTU."""
    recording = read(bundle_of(SIX))
    node_a = recording.nodes["node-a"]
    pods = tuple(replace(pod, mtu=mtu) for pod in node_a.pods)
    return replace(recording, nodes={**recording.nodes, "node-a": replace(node_a, pods=pods)})


def test_over_ipv6_pods_that_have_what_flannel_promised_are_flannels_arithmetic() -> None:
    rules = {finding.rule for finding in conclude(recorded_with(1450)).findings}
    assert rules == {SIX}


def test_over_ipv6_pods_that_have_more_than_promised_were_made_by_somebody_else() -> None:
    rules = [finding.rule for finding in conclude(recorded_with(1500)).findings]
    assert rules[0] == "pod-mtu-too-big"


def test_over_ipv6_the_one_cause_is_said_once_though_all_nodes_have_it() -> None:
    told = conclude(read(bundle_of(SIX)))
    assert [finding.rule for finding in told.findings] == [SIX]
    assert any("name 1480 as Backend.MTU" in line for line in told.findings[0].fix)


def test_a_cluster_of_ipv6_that_names_its_mtu_is_fine() -> None:
    assert conclude(read(bundle_of("healthy-ipv6"))).findings == ()
