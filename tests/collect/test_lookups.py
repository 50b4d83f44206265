"""The kernel's own answers for the traced pair, on real tables, held against `ip route get`."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.collect.nodes import POD, POD6, UNDERLAY, Overlay, add_pod, overlay
from tracer.collect.lookups import lookups
from tracer.collect.points import points
from tracer.collect.snapshot import snapshot
from tracer.model.state import Lookup, NodeState

pytestmark = pytest.mark.kernel

PAIR = (POD["a"], POD["b"])
PAIR6 = (POD6["a"], POD6["b"])
OUT = (POD["b"], POD["a"], "cni0")
"""dst, src, iif of the pod's packets on node a; below, the other's and the outer packets'."""
IN = (POD["a"], POD["b"], "flannel.1")
OUTER = (UNDERLAY["b"], UNDERLAY["a"], None)


@pytest.fixture(scope="module")
def net() -> Iterator[Overlay]:
    with overlay("l") as made:
        yield made


def read(
    net: Overlay, pair: tuple[str, str] = PAIR, pods: tuple[str, ...] = (POD["a"],), node: str = "a"
) -> tuple[NodeState, dict[tuple[str, str | None, str | None], Lookup]]:
    peers = [UNDERLAY["b" if node == "a" else "a"]]

    def look() -> tuple[NodeState, tuple[Lookup, ...]]:
        state = snapshot(node, pods=pods, firewall=False)
        found, _ = points(state, peers=peers, pods=pods, pair=pair)
        return state, lookups(state, found, pair=pair, peers=peers)

    state, answers = net.inside(node, look)
    return state, {(one.dst, one.src, one.iif): one for one in answers}


def answers(
    net: Overlay, *, pair: tuple[str, str] = PAIR
) -> dict[tuple[str, str | None, str | None], str | None]:
    """(dst, src, iif) -> `DEVICE via GATEWAY table TABLE`, or the kernel's refusal."""
    pods = (POD6["a"],) if pair == PAIR6 else (POD["a"],)
    state, found = read(net, pair, pods)
    names = {link.ifindex: link.ifname for link in state.links}
    return {
        key: one.error
        if one.route is None
        else f"{names.get(one.route.ifindex or 0)} via {one.route.gateway} table {one.route.table}"
        for key, one in found.items()
    }  # fmt: skip


@contextmanager
def changed(net: Overlay, family: str, *commands: str) -> Iterator[None]:
    """Commands of ip that begin with `... add`, and are undone by `... del`."""
    net.batch("a", "\n".join(commands), family)
    try:
        yield
    finally:
        undone = (command.replace(" add ", " del ") for command in reversed(commands))
        net.batch("a", "\n".join(undone), family)


def test_a_healthy_nodes_answers_are_those_of_the_overlay(net: Overlay) -> None:
    assert answers(net) == {
        OUT: "flannel.1 via 10.244.2.0 table 254",
        IN: "cni0 via None table 254",
        OUTER: "eth0 via None table 254",
    }


def test_they_are_what_ip_route_get_prints(net: Overlay) -> None:
    state, found = read(net)
    names = {link.ifindex: link.ifname for link in state.links}
    for (dst, src, iif), one in found.items():
        words = f"route get fibmatch {dst} from {src}" + (f" iif {iif}" if iif else "")
        (their,) = net.json("a", "ip", words)
        assert one.route is not None
        assert one.route.destination == their["dst"]
        assert names[one.route.ifindex or 0] == their["dev"]
        assert one.route.gateway == their.get("gateway")


def test_ipv6_is_asked_as_well(net: Overlay) -> None:
    found = answers(net, pair=PAIR6)
    assert found[POD6["b"], POD6["a"], "cni0"] == "flannel.1 via fd00:2:: table 254"
    assert found[POD6["a"], POD6["b"], "flannel.1"] == "cni0 via None table 254"
    assert found[OUTER] == "eth0 via None table 254"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("blackhole", "Invalid argument"),
        ("unreachable", "No route to host"),
        ("prohibit", "Permission denied"),
    ],
)
@pytest.mark.parametrize(
    ("family", "pair", "target"),
    [("-4", PAIR, "10.244.2.0/25"), ("-6", PAIR6, "fd00:2::/65")],
)
def test_a_route_that_refuses_is_an_error_in_the_kernels_words(
    net: Overlay, family: str, pair: tuple[str, str], target: str, kind: str, said: str
) -> None:
    with changed(net, family, f"route add {kind} {target}"):
        assert answers(net, pair=pair)[pair[1], pair[0], "cni0"] == said


def test_a_route_that_is_not_there(net: Overlay) -> None:
    net.ip("a", "route del 10.244.2.0/24")
    try:
        assert answers(net)[OUT] == "Network is unreachable"
    finally:
        net.ip("a", "route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink")


@pytest.mark.parametrize(
    ("selector", "asked"),
    [
        ("iif cni0", OUT),
        (f"from {POD['a']}", OUT),
        ("to 10.244.2.0/24", OUT),
        ("iif flannel.1", IN),
        (f"from {UNDERLAY['a']} to {UNDERLAY['b']}", OUTER),
        ("ipproto udp dport 8472", OUTER),
    ],
)
def test_a_policy_rule_counts_where_it_concerns_the_packet(
    net: Overlay, selector: str, asked: tuple[str, str, str | None]
) -> None:
    before = answers(net)
    with changed(
        net,
        "-4",
        "route add default via 192.0.2.254 dev eth0 table 77",
        f"rule add {selector} table 77 priority 90",
    ):
        after = answers(net)
    assert after[asked] == "eth0 via 192.0.2.254 table 77"
    assert {key for key in before if after[key] != before[key]} == {asked}


def test_a_rule_for_marked_packets_does_not_concern_plain_ones(net: Overlay) -> None:
    before = answers(net)
    with changed(
        net,
        "-4",
        "route add default via 192.0.2.254 dev eth0 table 77",
        "rule add fwmark 0x4000/0x4000 table 77 priority 90",
    ):
        assert answers(net) == before
    with changed(net, "-4", "rule add not fwmark 0x4000/0x4000 blackhole priority 90"):
        assert set(answers(net).values()) == {"Invalid argument"}


def test_forwarding_and_rp_filter_refuse_as_they_refuse_packets(net: Overlay) -> None:
    net.execute("a", "sysctl", "-qw", "net.ipv4.conf.cni0.forwarding=0")
    try:
        assert answers(net)[OUT] == "No route to host"
    finally:
        net.execute("a", "sysctl", "-qw", "net.ipv4.conf.cni0.forwarding=1")
    net.ip("a", f"route replace 10.244.2.0/24 via {UNDERLAY['b']} dev eth0")
    net.execute("a", "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1")
    try:
        found = answers(net)
    finally:
        net.execute("a", "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0")
        net.ip("a", "route replace 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink")
    assert found[IN] in ("Invalid argument", "Invalid cross-device link")
    assert found[OUT] == "eth0 via 192.0.2.12 table 254"
    assert found[POD["a"], POD["b"], "eth0"] == "cni0 via None table 254", "routed directly"


def test_of_several_next_hops_the_kernel_says_which(net: Overlay) -> None:
    with changed(
        net,
        "-4",
        "route add 10.244.2.0/25 nexthop via 192.0.2.12 nexthop via 192.0.2.13",
    ):
        _, found = read(net)
        (their,) = net.json("a", "ip", f"route get {OUT[0]} from {OUT[1]} iif cni0")
    route = found[OUT].route
    assert route is not None
    assert (route.multipath, route.gateway) == (True, their["gateway"])


def test_a_vteps_local_address_that_the_node_lost(net: Overlay) -> None:
    net.ip("a", f"addr del {UNDERLAY['a']}/24 dev eth0")
    net.ip("a", "addr add 192.0.2.99/24 dev eth0")
    try:
        assert answers(net)[OUTER] in ("Network is unreachable", "Invalid argument")
    finally:
        net.ip("a", "addr del 192.0.2.99/24 dev eth0")
        net.ip("a", f"addr add {UNDERLAY['a']}/24 dev eth0")


def test_a_nodes_own_address_has_no_device_to_come_in_by(net: Overlay) -> None:
    pair = ("10.244.1.0", POD["b"])
    _, found = read(net, pair, pods=())
    assert set(found) == {
        (POD["b"], "10.244.1.0", None),
        ("10.244.1.0", POD["b"], "flannel.1"),
        OUTER,
    }
    arriving = found["10.244.1.0", POD["b"], "flannel.1"].route
    assert arriving is not None
    assert arriving.kind == "local"


def test_a_pod_that_asks_its_own_node(net: Overlay) -> None:
    pair = (POD["a"], UNDERLAY["a"])
    _, found = read(net, pair)
    assert set(found) == {(UNDERLAY["a"], POD["a"], "cni0"), (POD["a"], UNDERLAY["a"], None)}


def test_between_two_pods_of_one_node_nothing_is_routed(net: Overlay) -> None:
    add_pod(net, "a", "near", 1, host="veth1")
    net.ip("near", "addr add 10.244.1.6/24 dev eth0")
    pair = (POD["a"], "10.244.1.6")
    _, found = read(net, pair, pods=pair)
    assert found == {}


def test_a_veth_off_its_bridge_is_where_the_packets_come_in(net: Overlay) -> None:
    net.ip("b", "link set veth0 nomaster")
    try:
        _, found = read(net, (POD["b"], POD["a"]), pods=(POD["b"],), node="b")
    finally:
        net.ip("b", "link set veth0 master cni0")
    assert (POD["a"], POD["b"], "veth0") in found
