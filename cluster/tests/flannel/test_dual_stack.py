"""Both families at once: two devices, two sets of entries, and one decision on what changed."""

import time

import pytest

from cluster.daemons import until
from cluster.spare import NET_CONF, Spare
from cluster.tests.flannel.conftest import ADDRESS
from cluster.tests.flannel.paper import MAC, OTHER_MAC, PUBLIC_IP, Paper, backend_data
from cluster.tests.flannel.seen import addresses, link, tables

DUAL: dict[str, object] = {**NET_CONF, "EnableIPv6": True, "IPv6Network": "fd24::/48"}
ONLY_6 = {**DUAL, "EnableIPv4": False}
CIDRS = ("10.244.88.0/24", "fd24:0:0:88::/64")
NET, NET_6 = "10.244.88.0", "fd24:0:0:88::"
OWN_6 = "fd24:0:0:77::/64"
ADDRESS_6 = "fd79::13"
PUBLIC_IP_6 = "fd79::88"
LEASE_6 = {"backend_v6_data": backend_data(MAC), "public_ipv6": PUBLIC_IP_6}
V6 = "flannel-v6.1"


@pytest.fixture
def dual(spare: Spare) -> Spare:
    """node-c with addresses and a pod CIDR of both families; its flanneld is yet to start."""
    run = spare.place.run
    run("ip", "address", "add", f"{ADDRESS_6}/64", "dev", "eth0", "nodad")
    run("ip", "route", "add", "default", "via", "fd79::1", "dev", "eth0")
    spare.unregister()
    spare.register("10.244.77.0/24", OWN_6)
    return spare


@pytest.fixture
def paper(paper: Paper) -> Paper:
    """Peers of both families."""
    paper.usual |= LEASE_6
    paper.last_6 = "fd24:0:0:99::/64"
    return paper


def test_the_lease_has_both_families(dual: Spare) -> None:
    dual.start(net_conf=DUAL)
    mac, mac_6 = link(dual.place)["address"], link(dual.place, V6)["address"]
    assert mac != mac_6
    assert dual.annotations() == {
        "backend-data": backend_data(mac),
        "backend-type": "vxlan",
        "backend-v6-data": backend_data(mac_6),
        "kube-subnet-manager": "true",
        "public-ip": ADDRESS,
        "public-ipv6": ADDRESS_6,
    }
    assert addresses(dual.place, V6) == {"fd24:0:0:77::/128"}
    assert dual.place.read("/run/flannel/subnet.env") == (
        "FLANNEL_NETWORK=10.244.0.0/16\n"
        "FLANNEL_SUBNET=10.244.77.1/24\n"
        "FLANNEL_IPV6_NETWORK=fd24::/48\n"
        "FLANNEL_IPV6_SUBNET=fd24:0:0:77::1/64\n"
        "FLANNEL_MTU=1450\n"
        "FLANNEL_IPMASQ=true\n"
    )


def test_the_device_of_ipv6_is_smaller_than_flannel_says(dual: Spare) -> None:
    """The kernel takes 70 bytes off for a tunnel over IPv6; flannel asks for 50 and says 50."""
    dual.start(net_conf=DUAL)
    assert link(dual.place, V6)["mtu"] == 1430
    assert link(dual.place)["mtu"] == 1450
    assert link(dual.place, V6)["linkinfo"]["info_data"]["local6"] == ADDRESS_6


def test_a_lease_becomes_entries_of_both_families(dual: Spare, paper: Paper) -> None:
    dual.start(net_conf=DUAL)
    paper.make("node-x", *CIDRS)
    paper.settle(dual.place)
    seen, seen_6 = tables(dual.place), tables(dual.place, V6)
    assert seen.neighbours == {NET: MAC}
    assert seen.fdb == {(MAC, PUBLIC_IP)}
    assert seen_6.neighbours == {NET_6: MAC}
    assert seen_6.fdb == {(MAC, PUBLIC_IP_6)}
    assert seen.routes == {
        CIDRS[0]: f"via {NET} dev flannel.1 onlink",
        CIDRS[1]: f"via {NET_6} dev {V6} onlink",
    }
    paper.delete("node-x")
    paper.settle(dual.place)
    for device in ("flannel.1", V6):
        seen = tables(dual.place, device)
        assert (seen.neighbours, seen.fdb, seen.routes) == ({}, set(), {})


@pytest.mark.parametrize(
    "change",
    [
        f"backend-data={backend_data(OTHER_MAC)}",
        "public-ip=192.168.79.89",
        f"backend-v6-data={backend_data(OTHER_MAC)}",
        "public-ipv6=fd79::89",
    ],
)
def test_a_change_of_one_family_alone_is_dropped_until_the_peer_restarts(
    dual: Spare, paper: Paper, change: str
) -> None:
    dual.start(net_conf=DUAL)
    paper.make("node-x", *CIDRS)
    paper.settle(dual.place)
    before = [tables(dual.place, device) for device in ("flannel.1", V6)]
    paper.annotate("node-x", change)
    paper.settle(dual.place)
    assert [tables(dual.place, device) for device in ("flannel.1", V6)] == before
    dual.restart(net_conf=DUAL)
    paper.settle(dual.place)
    assert [tables(dual.place, device) for device in ("flannel.1", V6)] != before


def test_a_change_of_both_at_once_is_followed(dual: Spare, paper: Paper) -> None:
    dual.start(net_conf=DUAL)
    paper.make("node-x", *CIDRS)
    new = backend_data(OTHER_MAC)
    paper.annotate("node-x", f"backend-data={new}", f"backend-v6-data={new}")
    paper.settle(dual.place)
    assert tables(dual.place).neighbours == {NET: OTHER_MAC}
    assert tables(dual.place, V6).neighbours == {NET_6: OTHER_MAC}


def test_a_lease_that_lacks_one_family_is_passed_over_as_a_whole(dual: Spare, paper: Paper) -> None:
    dual.start(net_conf=DUAL)
    paper.make("node-x", *CIDRS, public_ipv6="")
    paper.make("node-y", "10.244.89.0/24")
    paper.settle(dual.place)
    assert tables(dual.place).routes == {}
    assert 'Error turning node "node-x" to lease' in dual.log()
    assert 'Error turning node "node-y" to lease: missing IPv6 address' in dual.log()


def test_a_lease_with_the_nodes_own_ipv4_subnet_and_another_ipv6_one_is_not_taken_for_its_own(
    dual: Spare, paper: Paper
) -> None:
    """The kernel refuses a route by the node's own address; flanneld tries ten times, for 51 s."""
    dual.start(net_conf=DUAL)
    paper.make("node-x", "10.244.77.0/24", "fd24:0:0:88::/64")
    until("the attempts", lambda: "#3: invalid argument" in dual.log(), 5)
    assert tables(dual.place).neighbours == {"10.244.77.0": MAC}
    assert tables(dual.place).routes == {}


def test_the_mac_of_ipv6_is_read_back_too(dual: Spare) -> None:
    dual.annotate(f"backend-v6-data={backend_data(OTHER_MAC)}")
    dual.start(net_conf=DUAL)
    assert link(dual.place, V6)["address"] == OTHER_MAC


def test_a_deleted_device_of_ipv6_is_made_again_only_along_with_the_other(dual: Spare) -> None:
    dual.start(net_conf=DUAL)
    dual.place.run("ip", "link", "del", V6)
    time.sleep(3)
    assert V6 not in dual.place.run("ip", "link")
    dual.place.run("ip", "link", "del", "flannel.1")
    until("both", lambda: V6 in dual.place.run("ip", "link"), 10)


def test_both_default_routes_must_leave_by_one_interface(dual: Spare) -> None:
    run = dual.place.run
    run("sh", "-c", "ip link add mgmt0 type veth peer name far0")
    run("ip", "link", "set", "mgmt0", "up")
    run("ip", "link", "set", "far0", "up")
    run("ip", "address", "add", "fd88::13/64", "dev", "mgmt0", "nodad")
    run("ip", "-6", "route", "replace", "default", "via", "fd88::1", "dev", "mgmt0", "metric", "1")
    said = dual.last_words(net_conf=DUAL)
    assert "v6 default route interface mgmt0 must be the same with v4 default route" in said


def test_ipv6_alone_publishes_nothing_of_ipv4(dual: Spare) -> None:
    dual.unregister()
    dual.register(OWN_6)
    dual.start(net_conf=ONLY_6)
    mac = link(dual.place, V6)["address"]
    assert dual.annotations() == {
        "backend-type": "vxlan",
        "backend-v6-data": backend_data(mac),
        "kube-subnet-manager": "true",
        "public-ipv6": ADDRESS_6,
    }
    assert "flannel.1:" not in dual.place.run("ip", "link")
    assert "FLANNEL_NETWORK" not in dual.place.read("/run/flannel/subnet.env")


def test_with_ipv6_alone_nobody_watches_the_device(dual: Spare) -> None:
    dual.unregister()
    dual.register(OWN_6)
    dual.start(net_conf=ONLY_6)
    until("the watcher", lambda: "vxlan device is nil, cannot watch for events" in dual.log(), 5)
