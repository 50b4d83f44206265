"""The snapshot says what iproute2 says, on real tables."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.collect.nodes import POD, UNDERLAY, Overlay, overlay
from tracer.collect.snapshot import counters, snapshot
from tracer.model.state import NodeState

pytestmark = pytest.mark.kernel

OVER_IPV4 = """
route add 10.66.0.0/16 metric 300 nexthop via 192.0.2.12 weight 2 nexthop via 192.0.2.13
route add blackhole 10.67.0.0/16
route add unreachable 10.68.0.0/16 metric 7
route add prohibit 10.69.0.0/16 table 77
route add 10.70.0.0/16 via 192.0.2.12 table 1000 src 192.0.2.11 proto static
route add default via 192.0.2.254
route add 10.71.0.0/16 via inet6 fd00:1::77 dev cni0
rule add from 10.244.1.0/24 table 77 priority 100
rule add fwmark 0x4000/0xf000 table 1000 priority 101
rule add iif cni0 to 10.9.0.0/16 prohibit priority 102
rule add not from 10.1.0.0/16 table main suppress_prefixlength 0 priority 103
rule add oif eth0 ipproto udp dport 53 table 77 priority 104
"""
OVER_IPV6 = """
route add fd66::/32 nexthop via fd00:1::77 nexthop via fd00:1::78
route add blackhole fd67::/32
rule add from fd00:1::/64 table 77 priority 105
"""


@pytest.fixture(scope="module")
def net() -> Iterator[Overlay]:
    with overlay("s") as made:
        made.batch("a", OVER_IPV4)
        made.batch("a", OVER_IPV6, "-6")
        made.ip("a", "link add cx type vxlan dstport 4790 external")
        made.ip("a", "link add gb type vxlan id 9 group 239.1.1.1 dev eth0 dstport 4791 gbp")
        made.ip("a", "neigh add 192.0.2.50 dev eth0 nud failed")
        made.bridge("a", "fdb add 02:00:00:00:00:77 dev veth0 master static")
        made.bridge("a", "fdb add 02:00:00:00:00:78 dev gb dst 192.0.2.9 port 4000 vni 12")
        yield made


@pytest.fixture(scope="module")
def state(net: Overlay) -> NodeState:
    return net.inside("a", lambda: snapshot("node-a", pods=[POD["a"]]))


def names(state: NodeState) -> dict[int | None, str]:
    return {link.ifindex: link.ifname for link in state.links}


def test_links_are_those_of_ip(net: Overlay, state: NodeState) -> None:
    theirs = {one["ifname"]: one for one in net.json("a", "ip", "-d link show")}
    assert {link.ifname for link in state.links} == set(theirs)
    for link in state.links:
        their = theirs[link.ifname]
        assert link.ifindex == their["ifindex"]
        assert link.kind == their.get("linkinfo", {}).get("info_kind")
        assert link.mac == their["address"]
        assert link.mtu == their["mtu"]
        assert link.up == ("UP" in their["flags"])
        assert names(state).get(link.master) == their.get("master")
        assert link.peer_netnsid == their.get("link_netnsid")
        lower = their.get("link_index") or names_to_index(state).get(their.get("link"))
        assert link.peer_ifindex == lower


def names_to_index(state: NodeState) -> dict[str | None, int]:
    return {link.ifname: link.ifindex for link in state.links}


def test_vxlan_attributes_are_those_of_ip(net: Overlay, state: NodeState) -> None:
    theirs = {
        one["ifname"]: one["linkinfo"].get("info_data", {})
        for one in net.json("a", "ip", "-d link show")
        if "linkinfo" in one
    }
    seen = set()
    for link in state.links:
        if link.vxlan is not None:
            seen.add(link.ifname)
            their = theirs[link.ifname]
            assert link.vxlan.vni == their.get("id", 0)
            assert link.vxlan.local == their.get("local")
            assert link.vxlan.group == their.get("group")
            assert link.vxlan.port == their["port"]
            assert link.vxlan.learning == their.get("learning", False)
            assert link.vxlan.gbp == their.get("gbp", False)
            assert link.vxlan.external == their.get("external", False)
            assert names(state).get(link.vxlan.underlay_ifindex) == their.get("link")
    assert seen == {"flannel.1", "cx", "gb"}


def test_where_a_vxlan_device_exists_the_kernel_has_vxlan(state: NodeState) -> None:
    assert state.vxlan_support in ("builtin", "loaded")


def test_addresses_are_those_of_ip(net: Overlay, state: NodeState) -> None:
    theirs = {
        (one["ifname"], address["local"], address["prefixlen"], address["scope"])
        for one in net.json("a", "ip", "addr show")
        for address in one["addr_info"]
    }
    ours = {
        (names(state)[one.ifindex], one.ip, one.prefix_length, one.scope) for one in state.addresses
    }
    assert ours == theirs


def their_routes(found: list[dict[str, Any]], everything: str) -> Iterator[tuple[Any, ...]]:
    for one in found:
        net = {"default": everything}.get(one["dst"], one["dst"])
        bits = "32" if "." in net else "128"
        net = net if "/" in net else f"{net}/{bits}"
        common = (net, one.get("table", "main"), one.get("metric", 0), one.get("type", "unicast"))
        for hop in one.get("nexthops", [one]):
            gateway = hop.get("gateway") or hop.get("via", {}).get("host")
            onlink = "onlink" in hop.get("flags", []) or "onlink" in one.get("flags", [])
            yield (*common, gateway, hop.get("dev"), onlink, one.get("prefsrc"))


@pytest.mark.parametrize(("family", "everything"), [("-4", "0.0.0.0/0"), ("-6", "::/0")])
def test_routes_of_all_tables_are_those_of_ip(
    net: Overlay, state: NodeState, family: str, everything: str
) -> None:
    table = {254: "main", 255: "local"}
    found = net.json("a", "ip", f"{family} -d route show table all")
    separator = "." if family == "-4" else ":"
    ours = sorted(
        (
            one.destination,
            table.get(one.table, str(one.table)),
            one.metric,
            one.kind,
            one.gateway,
            names(state).get(one.ifindex),
            one.onlink,
            one.source,
        )
        for one in state.routes
        if separator in one.destination
    )
    assert list(map(str, ours)) == sorted(map(str, their_routes(found, everything)))


def test_a_multipath_route_is_there_once_for_each_next_hop(state: NodeState) -> None:
    hops = [one for one in state.routes if one.destination == "10.66.0.0/16"]
    assert [(one.gateway, one.multipath, one.metric) for one in hops] == [
        ("192.0.2.12", True, 300),
        ("192.0.2.13", True, 300),
    ]


@pytest.mark.parametrize(("family", "number"), [("-4", 4), ("-6", 6)])
def test_rules_are_those_of_ip(net: Overlay, state: NodeState, family: str, number: int) -> None:
    table = {254: "main", 255: "local", 253: "default"}
    found = net.json("a", "ip", f"{family} rule show")
    theirs = [
        (
            one["priority"],
            None if one["src"] == "all" else f"{one['src']}/{one['srclen']}",
            f"{one['dst']}/{one['dstlen']}" if "dst" in one else None,
            one.get("iif"),
            one.get("oif"),
            one.get("table"),
            "not" in one,
            int(one["fwmark"], 16) if "fwmark" in one else None,
            int(one["fwmask"], 16) if "fwmask" in one else None,
            one.get("suppress_prefixlen"),
        )
        for one in found
    ]
    ours = [
        (
            one.priority,
            one.source,
            one.destination,
            one.iif,
            one.oif,
            table.get(one.table, str(one.table)) if one.action == "table" else None,
            one.inverted,
            one.mark,
            None if one.mask == 0xFFFFFFFF else one.mask,
            one.suppress_prefix_length,
        )
        for one in state.rules
        if one.family == number
    ]
    assert ours == theirs
    if number == 4:
        others = {one.priority: one.other for one in state.rules if one.other}
        assert others == {104: ("ipproto", "dport")}
        assert {one.action for one in state.rules if one.priority == 102} == {"prohibit"}


def test_neighbours_are_those_of_ip(net: Overlay, state: NodeState) -> None:
    theirs = {
        (one["dst"], one["dev"], one.get("lladdr"), one["state"][0])
        for family in ("-4", "-6")
        for one in net.json("a", "ip", f"{family} neigh show nud all")
        if not one["dst"].startswith(MULTICAST)
    }
    ours = {
        (one.ip, names(state)[one.ifindex], one.mac, one.state)
        for one in state.neighbours
        if not one.ip.startswith(MULTICAST)
    }
    assert ours == theirs
    assert ("10.244.2.0", "flannel.1", "02:f1:00:00:00:02", "PERMANENT") in ours


MULTICAST = "ff02:"
"""Solicitations and reports of IPv6 come and go by the kernel's timers."""


def test_forwarding_databases_are_those_of_bridge(net: Overlay, state: NodeState) -> None:
    theirs = sorted(
        str((one["ifname"], one["mac"], one.get("dst"), one["state"] or "reachable",
             one.get("port"), one.get("vni"), one.get("vlan"), "self" in one["flags"],
             "master" in one))
        for one in net.json("a", "bridge", "fdb show")
    )  # fmt: skip
    ours = sorted(
        str((names(state)[one.ifindex], one.mac, one.dst, one.state, one.port, one.vni, one.vlan,
             "self" in one.flags, "master" in one.flags))
        for one in state.fdb
    )  # fmt: skip
    assert ours == theirs
    assert any("'02:f1:00:00:00:02', '192.0.2.12', 'permanent'" in one for one in ours)


def test_sysctls_are_those_of_sysctl(net: Overlay, state: NodeState) -> None:
    assert state.sysctls["net.ipv4.ip_forward"] == "1"
    words = [name for name in state.sysctls if ".conf." in name]
    assert {"net.ipv4.conf.flannel/1.forwarding", "net.ipv6.conf.eth0.forwarding"} <= set(words)
    assert {"net.ipv4.conf.all.rp_filter", "net.ipv4.conf.default.forwarding"} <= set(words)
    values = net.execute("a", "sysctl", "-n", *words).split()
    assert values == [state.sysctls[name] for name in words]


def test_a_sysctl_that_the_kernel_lacks_is_not_read(state: NodeState) -> None:
    asked = {f"sysctl {name}" for name in state.sysctls} | {one.what for one in state.not_read}
    assert "sysctl net.bridge.bridge-nf-call-iptables" in asked


def test_the_pod_and_its_own_view_are_in_the_state(net: Overlay, state: NodeState) -> None:
    (pod,) = state.pods
    veth = next(link for link in state.links if link.ifindex == pod.host_ifindex)
    assert (pod.ip, pod.ifname, pod.mtu, veth.ifname) == (POD["a"], "eth0", 1450, "veth0")
    assert pod.netns == net.inode("pod-a")
    assert "10.244.1.1" in {route.gateway for route in pod.routes}
    assert state.netns == net.inode("a")


def test_a_pod_of_another_node_is_not_read_and_the_state_says_so(net: Overlay) -> None:
    state = net.inside("a", lambda: snapshot("node-a", pods=[POD["b"]], firewall=False))
    assert state.pods == ()
    assert f"pod {POD['b']}" in {one.what for one in state.not_read}


def test_a_frame_for_another_mac_counts_as_otherhost(net: Overlay) -> None:
    def otherhost() -> int:
        return net.inside("b", counters)["flannel.1"].rx_otherhost or 0

    before, wrong = otherhost(), "02:00:00:00:00:99"
    net.bridge("a", f"fdb append {wrong} dev flannel.1 dst {UNDERLAY['b']}")
    net.ip("a", f"neigh replace 10.244.2.0 lladdr {wrong} dev flannel.1 nud permanent")
    try:
        net.inside("pod-a", lambda: send_datagrams(POD["b"], 3))
    finally:
        net.ip("a", "neigh replace 10.244.2.0 lladdr 02:f1:00:00:00:02 dev flannel.1 nud permanent")
    assert otherhost() - before == 3


def send_datagrams(to: str, count: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(count):
            with contextlib.suppress(ConnectionRefusedError):
                sock.sendto(b"x", (to, 9))


def test_counters_are_those_of_ip(net: Overlay, state: NodeState) -> None:
    net.inside("pod-a", lambda: send_datagrams(POD["b"], 5))
    ours = net.inside("a", counters)
    for one in net.json("a", "ip", "-s -s link show"):
        rx, tx = one["stats64"]["rx"], one["stats64"]["tx"]
        mine = ours[one["ifname"]]
        assert (mine.rx_errors, mine.rx_dropped) == (rx["errors"], rx["dropped"])
        assert (mine.tx_errors, mine.tx_carrier_errors) == (tx["errors"], tx["carrier_errors"])
        assert (mine.rx_otherhost or 0) == rx.get("otherhost", 0)
        assert mine.tx_packets <= tx["packets"]
    before = next(link for link in state.links if link.ifname == "flannel.1").counters
    assert ours["flannel.1"].tx_packets >= before.tx_packets + 5


def test_the_firewall_is_read_and_left_as_it_was(net: Overlay) -> None:
    net.execute("b", "nft", "add table inet other")
    before = net.execute("b", "nft", "list", "ruleset")
    state = net.inside("b", lambda: snapshot("node-b", pods=[]))
    texts = {dump.tool: dump.text for dump in state.firewall}
    assert '"name": "other"' in texts["nft -j list ruleset"]
    assert net.execute("b", "nft", "list", "ruleset") == before
    assert texts["iptables-legacy-save"] == ""


def test_without_firewall_no_tool_is_asked(net: Overlay) -> None:
    state = net.inside("b", lambda: snapshot("node-b", pods=[], firewall=False))
    assert state.firewall == ()


def test_an_empty_namespace_has_a_state_too() -> None:
    empty = Overlay("e")
    empty.add("none")
    try:
        state = empty.inside("none", lambda: snapshot("nobody", pods=[POD["a"]], firewall=False))
    finally:
        empty.remove()
    assert [link.ifname for link in state.links] == ["lo"]
    assert {one.ip for one in state.addresses} == {"127.0.0.1", "::1"}
    assert state.pods == ()
    assert {one.what for one in state.not_read} >= {"/run/flannel/subnet.env", f"pod {POD['a']}"}


def test_thousands_of_routes_and_neighbours_are_all_there(net: Overlay) -> None:
    ips = [f"10.{200 + n // 256}.{n % 256}.0" for n in range(3000)]
    lines = [f"route add {ip}/24 via {ip} dev flannel.1 onlink" for ip in ips]
    lines += [f"neigh add {ip} lladdr 02:00:00:00:00:01 dev flannel.1 nud permanent" for ip in ips]
    net.batch("b", "\n".join(lines))
    state = net.inside("b", lambda: snapshot("node-b", pods=[], firewall=False))
    assert {f"{ip}/24" for ip in ips} <= {route.destination for route in state.routes}
    assert set(ips) <= {one.ip for one in state.neighbours}
