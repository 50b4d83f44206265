"""DirectRouting: peers on the node's own link get a route by their address, and nothing else."""

from cluster.setup import GATEWAY
from cluster.spare import NET_CONF, Spare
from cluster.tests.flannel.paper import MAC, PUBLIC_IP, Paper
from cluster.tests.flannel.seen import tables

CIDR = "10.244.88.0/24"
NET = "10.244.88.0"
DIRECT = {**NET_CONF, "Backend": {"Type": "vxlan", "DirectRouting": True}}
BY_VXLAN = {CIDR: f"via {NET} dev flannel.1 onlink"}
FAR = "203.0.113.9"


def test_a_peer_on_the_link_gets_a_route_alone(spare: Spare, paper: Paper) -> None:
    spare.start(net_conf=DIRECT)
    paper.make("node-x", CIDR)
    paper.settle(spare.place)
    seen = tables(spare.place)
    assert seen.routes == {CIDR: f"via {PUBLIC_IP} dev eth0"}
    assert (seen.neighbours, seen.fdb) == ({}, set())
    paper.delete("node-x")
    paper.settle(spare.place)
    assert tables(spare.place).routes == {}


def test_a_peer_behind_a_gateway_goes_by_vxlan(spare: Spare, paper: Paper) -> None:
    spare.start(net_conf=DIRECT)
    paper.make("node-x", CIDR, public_ip=FAR)
    paper.settle(spare.place)
    seen = tables(spare.place)
    assert seen.routes == BY_VXLAN
    assert seen.neighbours == {NET: MAC}


def test_it_is_decided_when_the_lease_comes_and_not_again(spare: Spare, paper: Paper) -> None:
    spare.start(net_conf=DIRECT)
    paper.make("node-x", CIDR, public_ip=FAR)
    paper.settle(spare.place)
    spare.place.run("ip", "route", "add", FAR, "dev", "eth0")
    paper.annotate("node-x", "other=1")
    paper.settle(spare.place)
    assert tables(spare.place).routes == BY_VXLAN
    spare.restart(net_conf=DIRECT)
    paper.settle(spare.place)
    assert tables(spare.place).routes == {CIDR: f"via {FAR} dev eth0"}
    assert tables(spare.place).neighbours == {NET: MAC}


def test_switched_on_it_replaces_routes_and_leaves_the_other_entries(
    spare: Spare, paper: Paper
) -> None:
    spare.start()
    paper.make("node-x", CIDR)
    paper.settle(spare.place)
    spare.restart(net_conf=DIRECT)
    paper.settle(spare.place)
    seen = tables(spare.place)
    assert seen.routes == {CIDR: f"via {PUBLIC_IP} dev eth0"}
    assert (seen.neighbours, seen.fdb) == ({NET: MAC}, {(MAC, PUBLIC_IP)})


def test_switched_off_it_leaves_nothing(spare: Spare, paper: Paper) -> None:
    spare.start(net_conf=DIRECT)
    paper.make("node-x", CIDR)
    paper.settle(spare.place)
    spare.restart()
    paper.settle(spare.place)
    assert tables(spare.place).routes == BY_VXLAN


def test_a_lost_direct_route_does_not_come_back(spare: Spare, paper: Paper) -> None:
    spare.start(net_conf=DIRECT)
    paper.make("node-x", CIDR)
    paper.settle(spare.place)
    for state in ("down", "up"):
        spare.place.run("ip", "link", "set", "eth0", state)
    spare.place.run("ip", "route", "replace", "default", "via", GATEWAY)
    paper.settle(spare.place)
    assert tables(spare.place).routes == {}
