"""The devices to watch are found by what they are, never by what they are called."""

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from tests.builders import CNI0, ETH0, FLANNEL, POD, VETH, mac, state, underlay
from tests.collect.nodes import POD as REAL_POD
from tests.collect.nodes import UNDERLAY, overlay
from tracer.collect.points import RouteDevice, points, route_device
from tracer.collect.snapshot import snapshot
from tracer.model.observation import Device
from tracer.model.state import Address, FdbEntry, Link, NodeState, NotRead, Vxlan

PEER = underlay("node-b")


def to(devices: Mapping[str, int]) -> RouteDevice:
    return lambda ip: devices.get(ip)


def watched(
    node: NodeState, routes: Mapping[str, int], pair: tuple[str, ...] = ()
) -> list[tuple[Device, int]]:
    pods = (POD["node-a"],)
    found, _ = points(node, peers=(PEER,), pods=pods, pair=pair, device_to=to(routes))
    return [(point.device, point.ifindex) for point in found]


def changed(node: NodeState, ifindex: int, **changes: object) -> NodeState:
    links = [replace(link, **changes) if link.ifindex == ifindex else link for link in node.links]
    return replace(node, links=tuple(links))


def also(node: NodeState, *links: Link) -> NodeState:
    return replace(node, links=(*node.links, *links))


HEALTHY = [
    (Device.POD, VETH),
    (Device.BRIDGE, CNI0),
    (Device.VTEP, FLANNEL),
    (Device.UPLINK, ETH0),
]


def test_from_pod_to_underlay() -> None:
    assert watched(state("node-a"), {PEER: ETH0}) == HEALTHY


def test_names_play_no_part() -> None:
    node = changed(state("node-a"), CNI0, ifname="br-pods")
    node = changed(node, ETH0, ifname="ens192")
    assert watched(node, {PEER: ETH0}) == HEALTHY


def test_any_vni_is_flannels() -> None:
    vxlan = Vxlan(
        vni=4096, local=underlay("node-a"), port=8472, learning=False, gbp=False,
        underlay_ifindex=ETH0,
    )  # fmt: skip
    node = changed(state("node-a"), FLANNEL, ifname="flannel.4096", vxlan=vxlan)
    assert watched(node, {PEER: ETH0}) == HEALTHY


def test_another_cnis_tunnel_is_not_watched() -> None:
    cilium = Vxlan(
        vni=0, local=None, port=8472, learning=True, gbp=False, underlay_ifindex=None,
        external=True,
    )  # fmt: skip
    other = Link(
        ifindex=20, ifname="cilium_vxlan", kind="vxlan", mac=None, mtu=1450, up=True,
        carrier=True, vxlan=cilium,
    )  # fmt: skip
    assert watched(also(state("node-a"), other), {PEER: ETH0}) == HEALTHY


def test_a_tunnel_of_another_name_is_found_by_the_pairs_route() -> None:
    node = changed(state("node-a"), FLANNEL, ifname="overlay0")
    routes = {PEER: ETH0, POD["node-b"]: FLANNEL}
    assert watched(node, routes, pair=(POD["node-a"], POD["node-b"])) == HEALTHY


def test_the_bond_that_the_route_points_at_is_the_uplink_and_so_is_what_vxlan_is_bound_to() -> None:
    bond = Link(ifindex=30, ifname="bond0", kind="bond", mac=None, mtu=1500, up=True, carrier=True)
    found = watched(also(state("node-a"), bond), {PEER: 30})
    assert found == [*HEALTHY[:3], (Device.UPLINK, 30), (Device.UPLINK, ETH0)]


def test_without_a_route_the_vxlan_devices_own_link_is_the_uplink() -> None:
    assert watched(state("node-a"), {}) == HEALTHY


def test_an_unbound_vxlan_device_is_followed_by_its_local_address() -> None:
    vxlan = Vxlan(
        vni=1, local=underlay("node-a"), port=8472, learning=False, gbp=False,
        underlay_ifindex=None,
    )  # fmt: skip
    assert watched(changed(state("node-a"), FLANNEL, vxlan=vxlan), {}) == HEALTHY


def test_a_peer_routed_into_the_overlay_makes_no_uplink_of_it() -> None:
    assert watched(state("node-a"), {PEER: FLANNEL}) == HEALTHY


def test_a_detached_veth_is_still_a_point_and_the_bridge_is_found_by_its_subnet() -> None:
    node = changed(state("node-a"), VETH, master=None)
    node = changed(node, CNI0, ifname="br-pods")
    node = replace(
        node, files={"/run/flannel/subnet.env": "FLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=x\n"}
    )
    assert watched(node, {PEER: ETH0}) == HEALTHY


def test_without_subnet_env_cni0_is_the_bridge() -> None:
    assert watched(changed(state("node-a"), VETH, master=None), {PEER: ETH0}) == HEALTHY


def test_a_veth_in_the_wrong_bridge_makes_two_bridges_to_watch() -> None:
    stranger = Link(
        ifindex=40, ifname="br-x", kind="bridge", mac=None, mtu=1500, up=True, carrier=True
    )
    node = changed(also(state("node-a"), stranger), VETH, master=40)
    node = replace(node, files={"/run/flannel/subnet.env": "FLANNEL_SUBNET=10.244.1.1/24"})
    bridges = [ifindex for device, ifindex in watched(node, {}) if device is Device.BRIDGE]
    assert bridges == [40, CNI0]


def test_a_pod_that_is_not_here_is_named_and_the_rest_is_watched() -> None:
    node = replace(state("node-a"), pods=())
    found, problems = points(node, peers=(PEER,), pods=("10.244.1.2",), device_to=to({}))
    assert [point.device for point in found] == [Device.BRIDGE, Device.VTEP, Device.UPLINK]
    assert problems == ("pod 10.244.1.2: no network namespace of this node holds the address",)


def test_garbage_in_subnet_env_is_passed_over() -> None:
    node = replace(
        state("node-a"), files={"/run/flannel/subnet.env": "\0=\nFLANNEL_SUBNET=10.244.1/x\n"}
    )
    assert watched(node, {}) == HEALTHY


def test_an_address_on_loopback_makes_no_uplink() -> None:
    node = state("node-a")
    held = Address(ifindex=1, ip=underlay("node-a"), prefix_length=32, scope="global")
    assert watched(replace(node, addresses=(*node.addresses, held)), {}) == HEALTHY


@pytest.mark.kernel
def test_on_real_devices() -> None:
    with overlay("q") as net:
        node = net.inside("a", lambda: snapshot("a", pods=[REAL_POD["a"]], firewall=False))
        found, problems = net.inside(
            "a", lambda: points(node, peers=[UNDERLAY["b"]], pods=[REAL_POD["a"]])
        )
        assert [point.ifname for point in found] == ["veth0", "cni0", "flannel.1", "eth0"]
        assert problems == ()
        assert net.inside("a", lambda: route_device(UNDERLAY["b"])) == net.ifindex("a", "eth0")
        assert net.inside("a", lambda: route_device(UNDERLAY["a"])) is None
        assert net.inside("a", lambda: route_device("203.0.113.9")) is None


def test_a_pod_that_was_not_entered_is_watched_where_the_bridge_knows_it() -> None:
    node = state("node-a")
    refused = NotRead(what="pods", why="Operation not permitted")
    pod = FdbEntry(ifindex=VETH, mac=mac("node-a", "pod"), state="reachable", flags=("master",))
    node = replace(node, pods=(), fdb=(*node.fdb, pod), not_read=(refused,))
    assert watched(node, {PEER: ETH0}) == HEALTHY
    _, problems = points(node, peers=(), pods=(POD["node-a"],))
    assert not problems


def test_a_pod_that_neither_namespace_nor_bridge_shows_is_told_with_the_reason() -> None:
    refused = NotRead(what="pods", why="Operation not permitted")
    node = replace(state("node-a"), pods=(), not_read=(refused,))
    found, problems = points(node, peers=(), pods=(POD["node-a"],), device_to=to({}))
    assert Device.POD not in {point.device for point in found}
    assert problems == (
        f"pod {POD['node-a']}: its namespace was not entered (Operation not permitted), nor does a"
        " bridge know it",
    )
