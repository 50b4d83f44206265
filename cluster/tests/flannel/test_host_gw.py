"""A node with another backend than its peers, and what a change of backend leaves."""

from cluster.daemons import until
from cluster.spare import NET_CONF, Spare
from cluster.tests.flannel.paper import MAC, PUBLIC_IP, Paper
from cluster.tests.flannel.seen import link, tables

CIDR = "10.244.88.0/24"
HOST_GW = {**NET_CONF, "Backend": {"Type": "host-gw"}}
DIRECT = {CIDR: f"via {PUBLIC_IP} dev eth0"}


def test_host_gw_ignores_leases_of_vxlan_and_keeps_its_own_routes_up(
    spare: Spare, paper: Paper
) -> None:
    spare.start(net_conf=HOST_GW)
    assert spare.annotations()["backend-type"] == "host-gw"
    assert spare.annotations()["backend-data"] == "null"
    paper.make("node-y", "10.244.89.0/24")
    paper.make("node-x", CIDR, backend_type="host-gw", backend_data="null")
    until("the route", lambda: tables(spare.place).routes == DIRECT, 5)
    assert "Ignoring non-host-gw subnet: type=vxlan" in spare.log()
    spare.place.run("ip", "route", "del", CIDR)
    until("the route again", lambda: tables(spare.place).routes == DIRECT, 15)


def test_a_change_to_host_gw_leaves_the_device_and_the_entries_of_vxlan(
    spare: Spare, paper: Paper
) -> None:
    spare.start()
    paper.make("node-x", CIDR)
    paper.settle(spare.place)
    before = tables(spare.place)
    spare.restart(net_conf=HOST_GW)
    until("the lease", lambda: "Ignoring non-host-gw subnet" in spare.log(), 5)
    assert tables(spare.place) == before
    assert "UP" in link(spare.place)["flags"]
    paper.annotate("node-x", "backend-type=host-gw", "backend-data=null")
    until("the route", lambda: tables(spare.place).routes == DIRECT, 5)
    assert tables(spare.place).neighbours == {"10.244.88.0": MAC}
