"""VXLAN devices that a node cannot have."""

from typing import Any

from msgspec.structs import replace

from tests.builders import FLANNEL, cluster, flannel_pod, state
from tests.changes import with_link, with_vxlan, without_neighbours
from tests.core.examine.test_examine import examined, named, stopped
from tests.core.rules.asking import ask, case, explained, found, rules_of, words
from tests.paths import BRIDGE_IN, UPLINK_IN, all_well, dropped, freed_on
from tracer.core.diagnose import judge
from tracer.core.rules.port import vxlan_module_missing, vxlan_port_taken
from tracer.model.observation import Device
from tracer.model.path import Way
from tracer.model.state import Link, NodeState, Vxlan

CILIUM = Link(
    ifindex=9, ifname="cilium_vxlan", kind="vxlan", mac="02:cc:00:00:00:01", mtu=1500, up=True,
    carrier=True,
    vxlan=Vxlan(
        vni=0, local=None, port=8472, learning=False, gbp=False, underlay_ifindex=None,
        external=True,
    ),
)  # fmt: skip
TAKEN = dropped(
    freed_on("node-b", Device.UNKNOWN, "cilium_vxlan"), "OTHERHOST", "ip_rcv_core", last=UPLINK_IN
)
NO_ROUTE = dropped(
    freed_on("node-b", Device.BRIDGE, "cni0"),
    "IP_INNOROUTES",
    "ip_error",
    last=BRIDGE_IN,
    way=Way.REQUEST,
)


def without_entries(before: NodeState) -> NodeState:
    """flanneld has not got so far as to write any."""
    return replace(
        without_neighbours(before),
        routes=tuple(route for route in before.routes if route.ifindex != FLANNEL),
        fdb=(),
    )


def beside(holder: Link, **changes: Any) -> NodeState:
    """node-b with flannel.1 down, and another VXLAN device."""
    down = without_entries(with_link(state("node-b"), "flannel.1", up=False))
    return replace(down, links=(*down.links, replace(holder, **changes)))


def without_vtep(**changes: Any) -> NodeState:
    bare = without_entries(state("node-b"))
    links = tuple(link for link in bare.links if link.ifindex != FLANNEL)
    return replace(bare, links=links, **changes)


def test_a_port_that_another_overlay_holds_explains_where_packets_went() -> None:
    told = explained(beside(CILIUM), paths=[TAKEN])
    assert told == ("DROPPED", "vxlan-port-taken", "node-b", "cilium_vxlan", "OTHERHOST")


def test_that_flannel1_is_down_then_is_no_fault_of_its_own() -> None:
    assert rules_of(judge(case(beside(CILIUM), paths=[TAKEN]))) == {"vxlan-port-taken"}


def test_with_the_port_free_a_device_that_is_down_was_taken_down() -> None:
    for changes in ({"up": False}, {"vxlan": replace(CILIUM.vxlan or _never(), port=4789)}):
        told = rules_of(judge(case(beside(CILIUM, **changes))))
        assert "vxlan-port-taken" not in told
        assert "peer-flannel1-down" in told


def _never() -> Vxlan:
    raise AssertionError("CILIUM is a vxlan device")


def test_two_devices_that_take_in_alike_share_the_port() -> None:
    """Another VNI on the same port and in the same mode: flannel.1 is down for another reason."""
    alike = replace(_vxlan(), vni=7, external=False)
    assert ask(vxlan_port_taken, case(beside(CILIUM, vxlan=alike)), Way.REPLY) is None


def _vxlan() -> Vxlan:
    return CILIUM.vxlan or _never()


def test_the_same_vni_under_another_name_keeps_flannel1_from_being_made() -> None:
    same = replace(CILIUM, ifname="vxlan0", vxlan=replace(_vxlan(), vni=1, external=False))
    bare = without_vtep()
    node_b = replace(bare, links=(*bare.links, same))
    finding = found(vxlan_port_taken, case(node_b), Way.REPLY)
    assert finding.sentence == ("vxlan0 on node-b has udp 8472, so that flannel.1 cannot be made.")
    assert "`Link not found`" in finding.useless[0]


def test_the_device_of_the_other_family_holds_nothing() -> None:
    """Two families have two sockets; flannel-v6.1 has the VNI and the port of flannel.1."""
    six = replace(_vxlan(), vni=1, external=False, local="2001:db8::12")
    told = rules_of(judge(case(beside(CILIUM, ifname="flannel-v6.1", vxlan=six))))
    assert "vxlan-port-taken" not in told
    assert "peer-flannel1-down" in told


def test_a_leftover_beside_a_flannel1_that_is_up_harms_nobody() -> None:
    node_b = replace(state("node-b"), links=(*state("node-b").links, CILIUM))
    assert ask(vxlan_port_taken, case(node_b), Way.REPLY) is None


def test_in_a_check_both_directions_of_that_node_are_dead_by_one_fault() -> None:
    examination = examined(replace(beside(CILIUM), pods=()))
    assert named(examination) == {("vxlan-port-taken", "node-b")}
    assert stopped(examination) == {"a>b", "c>b", "b>a", "b>c"}
    assert {one.rule for one in examination.reach} == {"vxlan-port-taken"}


def test_a_kernel_without_vxlan_explains_that_no_socket_takes_it() -> None:
    at = freed_on("node-b", Device.UPLINK, "eth0")
    paths = [dropped(at, "NO_SOCKET", "__udp4_lib_rcv", last=UPLINK_IN)]
    told = judge(case(without_vtep(vxlan_support="missing"), paths=paths))
    assert words(told)[1] == "vxlan-module-missing"
    assert rules_of(told) == {"vxlan-module-missing"}


def test_a_device_that_is_gone_from_a_kernel_that_has_vxlan_is_another_fault() -> None:
    for support in ("builtin", "loaded", "module", None):
        calm = case(without_vtep(vxlan_support=support))
        assert ask(vxlan_module_missing, calm, Way.REPLY) is None


def test_the_package_is_that_of_the_nodes_own_kernel() -> None:
    def fix(kernel: str) -> tuple[str, ...]:
        node_b = without_vtep(vxlan_support="missing", kernel=kernel)
        return found(vxlan_module_missing, case(node_b), Way.REPLY).fix[1:-2]

    assert fix("6.5.0-1005-raspi") == ("apt-get install linux-modules-extra-raspi   # on node-b",)
    assert fix("5.15.0-91-generic") == (
        "apt-get install linux-modules-extra-5.15.0-91-generic   # on node-b",
    )
    assert fix("5.14.0-427.el9.x86_64") == (
        "dnf install kernel-modules-extra-5.14.0-427.el9.x86_64   # on node-b",
    )


def test_a_flanneld_that_does_not_get_ready_is_quoted() -> None:
    pods = tuple(
        replace(flannel_pod(node), ready=node != "node-b") for node in ("node-a", "node-b")
    )
    broken = case(beside(CILIUM), cluster=cluster(flannel_pods=pods))
    lines = found(vxlan_port_taken, broken, Way.REPLY).evidence
    assert ("flanneld", "not ready") in {(line.label, line.value) for line in lines}


def test_a_node_of_another_backend_needs_no_vxlan() -> None:
    host_gw = cluster(
        nodes={
            "node-b": replace(cluster().nodes[1], annotations={
                **cluster().nodes[1].annotations,
                "flannel.alpha.coreos.com/backend-type": "host-gw",
            })
        }
    )  # fmt: skip
    calm = case(without_vtep(vxlan_support="missing"), cluster=host_gw)
    assert ask(vxlan_module_missing, calm, Way.REPLY) is None


def test_the_rules_of_ports_are_silent_on_a_healthy_cluster() -> None:
    healthy = case(with_vxlan(state("node-a"), learning=True), paths=all_well())
    for way in (Way.REQUEST, Way.REPLY):
        assert ask(vxlan_port_taken, healthy, way) is None
        assert ask(vxlan_module_missing, healthy, way) is None


def test_a_node_without_flannel1_sends_nothing_either() -> None:
    back = replace(NO_ROUTE, way=Way.REPLY)
    told = judge(case(without_vtep(vxlan_support="missing"), paths=[back]))
    assert told.verdict.rule == "vxlan-module-missing"
