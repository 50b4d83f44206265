"""What flanneld notices of flannel.1 while it runs, and what it does then."""

from cluster.daemons import until
from cluster.setup import GATEWAY
from cluster.spare import Spare
from cluster.tests.flannel.conftest import ADDRESS
from cluster.tests.flannel.paper import MAC, OTHER_MAC, PUBLIC_IP, Paper, backend_data
from cluster.tests.flannel.seen import addresses, link, tables

CIDR = "10.244.88.0/24"
NET = "10.244.88.0"
GIVEN = "02:cc:00:00:00:42"


def made_again(spare: Spare) -> None:
    """Until flanneld has made flannel.1 again."""
    until("flannel.1", lambda: "VXLAN device flannel.1 recreated successfully" in spare.log(), 10)


def test_a_deleted_device_is_made_again_without_any_entry_of_a_peer(
    observer: Spare, paper: Paper
) -> None:
    paper.make("node-x", CIDR)
    paper.settle(observer.place)
    before = link(observer.place)
    observer.place.run("ip", "link", "del", "flannel.1")
    made_again(observer)
    assert "Interface flannel.1 deleted" in observer.log()
    after = link(observer.place)
    assert after["ifindex"] != before["ifindex"]
    assert after["address"] == before["address"]
    assert "UP" in after["flags"]
    assert addresses(observer.place) == {"10.244.77.0/32"}
    paper.settle(observer.place)
    seen = tables(observer.place)
    assert (seen.neighbours, seen.fdb, seen.routes) == ({}, set(), {})


def test_a_lease_that_changes_afterwards_is_written_to_the_new_device(
    observer: Spare, paper: Paper
) -> None:
    paper.make("node-x", CIDR)
    paper.settle(observer.place)
    observer.place.run("ip", "link", "del", "flannel.1")
    made_again(observer)
    paper.annotate("node-x", f"backend-data={backend_data(OTHER_MAC)}")
    paper.settle(observer.place)
    seen = tables(observer.place)
    assert seen.neighbours == {NET: OTHER_MAC}
    assert seen.fdb == {(OTHER_MAC, PUBLIC_IP)}
    assert seen.routes == {CIDR: f"via {NET} dev flannel.1 onlink"}


def test_the_new_device_has_the_mac_of_the_annotation_as_it_is_then(observer: Spare) -> None:
    observer.annotate(f"backend-data={backend_data(GIVEN)}")
    observer.place.run("ip", "link", "del", "flannel.1")
    made_again(observer)
    assert link(observer.place)["address"] == GIVEN


def test_without_an_annotation_it_has_a_mac_that_nobody_publishes(observer: Spare) -> None:
    before = link(observer.place)["address"]
    observer.annotate("backend-data-")
    observer.place.run("ip", "link", "del", "flannel.1")
    made_again(observer)
    assert link(observer.place)["address"] != before
    assert "backend-data" not in observer.annotations()


def test_it_sends_from_the_interfaces_first_address_whatever_public_ip_says(
    spare: Spare,
) -> None:
    spare.place.run("ip", "address", "add", "192.168.79.113/24", "dev", "eth0")
    spare.start("--iface=eth0", "--public-ip=192.168.79.113")
    assert link(spare.place)["linkinfo"]["info_data"]["local"] == "192.168.79.113"
    spare.place.run("ip", "link", "del", "flannel.1")
    made_again(spare)
    assert link(spare.place)["linkinfo"]["info_data"]["local"] == ADDRESS
    assert spare.annotations()["public-ip"] == "192.168.79.113"


def test_a_device_that_goes_down_and_up_loses_neighbours_and_routes_and_nobody_notices(
    observer: Spare, paper: Paper
) -> None:
    paper.make("node-x", CIDR)
    paper.settle(observer.place)
    for state in ("down", "up"):
        observer.place.run("ip", "link", "set", "flannel.1", state)
    paper.settle(observer.place)
    seen = tables(observer.place)
    assert (seen.neighbours, seen.routes) == ({}, {})
    assert seen.fdb == {(MAC, PUBLIC_IP)}
    assert addresses(observer.place) == {"10.244.77.0/32"}


def test_a_device_that_is_down_stays_down(observer: Spare, paper: Paper) -> None:
    observer.place.run("ip", "link", "set", "flannel.1", "down")
    paper.make("node-x", CIDR)
    until("the event", lambda: "network is down" in observer.log(), 10)
    assert "UP" not in link(observer.place)["flags"]
    observer.restart()
    paper.settle(observer.place)
    assert "UP" in link(observer.place)["flags"]


def test_a_changed_mac_is_not_noticed_and_flushes_the_neighbours(
    observer: Spare, paper: Paper
) -> None:
    paper.make("node-x", CIDR)
    paper.settle(observer.place)
    mac = link(observer.place)["address"]
    observer.place.run("ip", "link", "set", "flannel.1", "address", GIVEN)
    seen = tables(observer.place)
    assert (seen.neighbours, set(seen.routes), seen.fdb) == ({}, {CIDR}, {(MAC, PUBLIC_IP)})
    paper.settle(observer.place)
    assert observer.annotations()["backend-data"] == backend_data(mac)
    observer.restart()
    paper.settle(observer.place)
    assert observer.annotations()["backend-data"] == backend_data(GIVEN)
    assert tables(observer.place).neighbours == {NET: MAC}


def test_a_removed_address_does_not_come_back_until_flanneld_restarts(
    observer: Spare, paper: Paper
) -> None:
    observer.place.run("ip", "address", "flush", "dev", "flannel.1")
    paper.settle(observer.place)
    assert addresses(observer.place) == set()
    observer.restart()
    assert addresses(observer.place) == {"10.244.77.0/32"}


def test_the_uplink_takes_the_device_along_and_flanneld_waits_for_it(spare: Spare) -> None:
    """On an interface of its own: without eth0 flanneld would lose the API."""
    run = spare.place.run

    def make_uplink() -> None:
        run("sh", "-c", "ip link add mgmt0 type veth peer name far0")
        run("ip", "address", "add", "198.51.100.13/24", "dev", "mgmt0")
        run("ip", "link", "set", "mgmt0", "up")

    make_uplink()
    spare.start("--iface=mgmt0")
    run("ip", "link", "del", "mgmt0")
    assert "flannel.1" not in run("ip", "link")
    until(
        "flanneld looks", lambda: "external interface mgmt0 not found, retrying" in spare.log(), 10
    )
    make_uplink()
    made_again(spare)
    assert link(spare.place)["linkinfo"]["info_data"]["local"] == "198.51.100.13"


def test_the_uplink_that_goes_down_and_up_costs_no_entry(observer: Spare, paper: Paper) -> None:
    paper.make("node-x", CIDR)
    paper.settle(observer.place)
    before = tables(observer.place)
    for state in ("down", "up"):
        observer.place.run("ip", "link", "set", "eth0", state)
    observer.place.run("ip", "route", "replace", "default", "via", GATEWAY)
    assert tables(observer.place) == before
