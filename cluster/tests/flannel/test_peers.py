"""What a node does with the leases of others: which entries, when, and when not."""

import time

from cluster.daemons import until
from cluster.setup import Cluster
from cluster.spare import Spare
from cluster.tests.flannel.conftest import SPARE_CIDR
from cluster.tests.flannel.paper import MAC, OTHER_MAC, PUBLIC_IP, Paper, backend_data
from cluster.tests.flannel.seen import ask, tables

CIDR = "10.244.88.0/24"
NET = "10.244.88.0"
ROUTE = {CIDR: f"via {NET} dev flannel.1 onlink"}


def test_a_lease_becomes_a_neighbour_an_fdb_entry_and_a_route(
    observer: Spare, paper: Paper
) -> None:
    paper.make("node-x", CIDR)
    paper.settle(observer.place)
    seen = tables(observer.place)
    assert seen.neighbours == {NET: MAC}
    assert seen.fdb == {(MAC, PUBLIC_IP)}
    assert seen.routes == ROUTE
    (route,) = ask(observer.place, "ip", "-j", "-d", "route", "show", CIDR)
    assert (route["protocol"], route["scope"], route.get("metric")) == ("boot", "global", None)


def test_the_removal_of_a_node_takes_all_three(observer: Spare, paper: Paper) -> None:
    paper.make("node-x", CIDR)
    paper.settle(observer.place)
    paper.delete("node-x")
    paper.settle(observer.place)
    seen = tables(observer.place)
    assert (seen.neighbours, seen.fdb, seen.routes) == ({}, set(), {})


def test_a_new_mac_is_written_beside_the_old_fdb_entry_which_nobody_removes(
    observer: Spare, paper: Paper
) -> None:
    paper.make("node-x", CIDR)
    paper.annotate("node-x", f"backend-data={backend_data(OTHER_MAC)}")
    paper.settle(observer.place)
    assert tables(observer.place).neighbours == {NET: OTHER_MAC}
    assert tables(observer.place).fdb == {(MAC, PUBLIC_IP), (OTHER_MAC, PUBLIC_IP)}
    paper.delete("node-x")
    paper.settle(observer.place)
    assert tables(observer.place).fdb == {(MAC, PUBLIC_IP)}


def test_a_new_public_ip_replaces_the_old_one(observer: Spare, paper: Paper) -> None:
    paper.make("node-x", CIDR)
    paper.annotate("node-x", "public-ip=192.168.79.89")
    paper.settle(observer.place)
    assert tables(observer.place).fdb == {(MAC, "192.168.79.89")}


def test_a_node_without_the_mark_of_flannel_is_passed_over(observer: Spare, paper: Paper) -> None:
    paper.make("node-x", CIDR, kube_subnet_manager="false")
    paper.settle(observer.place)
    assert tables(observer.place).routes == {}


def test_where_annotations_are_stripped_entries_stay_even_after_the_node_is_deleted(
    observer: Spare, paper: Paper
) -> None:
    paper.make("node-x", CIDR)
    keys = ("kube-subnet-manager", "backend-data", "backend-type", "public-ip")
    paper.annotate("node-x", *(f"{key}-" for key in keys))
    paper.settle(observer.place)
    before = tables(observer.place)
    assert before.routes == ROUTE
    paper.delete("node-x")
    paper.settle(observer.place)
    assert tables(observer.place) == before


def test_a_pod_cidr_that_comes_after_the_lease_is_never_noticed(
    cluster: Cluster, observer: Spare, paper: Paper
) -> None:
    """Only annotations are compared; kube-controller-manager gives this Node its pod CIDR late."""
    paper.make("node-x")
    until("a pod CIDR", lambda: "podCIDR" in cluster.get("node", "node-x")["spec"], 10)
    given = cluster.get("node", "node-x")["spec"]["podCIDR"]
    paper.settle(observer.place)
    assert 'Error turning node "node-x" to lease' in observer.log()
    assert given not in tables(observer.place).routes
    observer.restart()
    paper.settle(observer.place)
    assert given in tables(observer.place).routes


def test_a_node_made_again_with_another_pod_cidr_is_followed(observer: Spare, paper: Paper) -> None:
    paper.make("node-x", CIDR)
    paper.delete("node-x")
    paper.make("node-x", "10.244.89.0/24")
    paper.settle(observer.place)
    assert set(tables(observer.place).routes) == {"10.244.89.0/24"}
    assert tables(observer.place).neighbours == {"10.244.89.0": MAC}


def test_a_lease_with_the_nodes_own_subnet_is_taken_for_its_own(
    observer: Spare, paper: Paper
) -> None:
    paper.make("node-x", SPARE_CIDR)
    paper.settle(observer.place)
    seen = tables(observer.place)
    assert (seen.neighbours, seen.fdb, seen.routes) == ({}, set(), {})


def test_of_two_nodes_with_one_subnet_the_last_event_wins(observer: Spare, paper: Paper) -> None:
    paper.make("node-x", CIDR)
    paper.make("node-y", CIDR, public_ip="192.168.79.89", backend_data=backend_data(OTHER_MAC))
    paper.settle(observer.place)
    assert tables(observer.place).neighbours == {NET: OTHER_MAC}
    paper.annotate("node-x", "public-ip=192.168.79.90")
    paper.settle(observer.place)
    assert tables(observer.place).neighbours == {NET: MAC}


def test_the_removal_of_a_subnets_previous_owner_takes_the_new_owners_entries(
    observer: Spare, paper: Paper
) -> None:
    paper.make("node-x", CIDR)
    paper.make("node-y", CIDR, public_ip="192.168.79.89", backend_data=backend_data(OTHER_MAC))
    paper.delete("node-x")
    paper.settle(observer.place)
    seen = tables(observer.place)
    assert (seen.neighbours, seen.routes) == ({}, {})
    assert seen.fdb == {(MAC, PUBLIC_IP)}
    observer.restart()
    paper.settle(observer.place)
    assert tables(observer.place).neighbours == {NET: OTHER_MAC}


def test_of_two_nodes_with_one_mac_the_last_event_has_its_fdb_entry(
    observer: Spare, paper: Paper
) -> None:
    """And the removal of one of them leaves the other without."""
    paper.make("node-x", CIDR)
    paper.make("node-y", "10.244.89.0/24", public_ip="192.168.79.89")
    paper.settle(observer.place)
    assert tables(observer.place).fdb == {(MAC, "192.168.79.89")}
    paper.delete("node-y")
    paper.settle(observer.place)
    assert tables(observer.place).fdb == set()
    assert tables(observer.place).neighbours == {NET: MAC}


def test_another_backend_is_ignored_and_what_there_was_stays(observer: Spare, paper: Paper) -> None:
    paper.make("node-x", CIDR)
    paper.make("node-y", "10.244.89.0/24", backend_type="host-gw", backend_data="null")
    paper.annotate("node-x", "backend-type=host-gw", "backend-data=null")
    paper.settle(observer.place)
    assert tables(observer.place).routes == ROUTE
    assert "ignoring non-vxlan v4Subnet(10.244.88.0/24) v6Subnet(" in observer.log()
    assert "ignoring non-vxlan v4Subnet(10.244.89.0/24) v6Subnet(" in observer.log()


def test_a_lease_that_cannot_be_read_is_skipped_and_what_there_was_stays(
    observer: Spare, paper: Paper
) -> None:
    paper.make("node-x", CIDR)
    for text in ("", "nonsense", '{"VNI":1,"VtepMAC":""}', '{"VNI":1,"VtepMAC":"no-mac"}'):
        paper.annotate("node-x", f"backend-data={text}")
        paper.settle(observer.place)
        assert tables(observer.place).neighbours == {NET: MAC}, text
        assert observer.log().count("error decoding subnet lease JSON") > 0, text
    paper.annotate("node-x", "public-ip=nonsense", f"backend-data={backend_data(OTHER_MAC)}")
    paper.settle(observer.place)
    assert tables(observer.place).neighbours == {NET: MAC}
    assert 'Error turning node "node-x" to lease' in observer.log()


def test_the_vni_of_a_lease_is_not_looked_at_nor_the_case_of_its_keys(
    observer: Spare, paper: Paper
) -> None:
    paper.make("node-x", CIDR, backend_data=backend_data(MAC, vni=7))
    paper.make("node-y", "10.244.89.0/24", backend_data=f'{{"vtepmac":"{OTHER_MAC}","x":1}}')
    paper.settle(observer.place)
    assert tables(observer.place).neighbours == {NET: MAC, "10.244.89.0": OTHER_MAC}


def test_entries_that_somebody_removes_do_not_come_back(observer: Spare, paper: Paper) -> None:
    paper.make("node-x", CIDR)
    paper.settle(observer.place)
    _strip(observer)
    paper.annotate("node-x", "other=1")
    paper.settle(observer.place)
    seen = tables(observer.place)
    assert (seen.neighbours, seen.fdb, seen.routes) == ({}, set(), {})


def test_a_removal_whose_entries_are_gone_holds_up_everything_after_it(
    observer: Spare, paper: Paper
) -> None:
    """Ten attempts for each of the three, of which the last waits take most: minutes."""
    paper.make("node-x", CIDR)
    paper.settle(observer.place)
    _strip(observer)
    paper.delete("node-x")
    paper.make("node-y", "10.244.89.0/24")
    time.sleep(4)
    assert "#3: no such file or directory" in observer.log()
    assert tables(observer.place).routes == {}


def test_a_lease_without_a_mac_holds_up_everything_after_it(observer: Spare, paper: Paper) -> None:
    paper.make("node-x", CIDR, backend_data='{"VNI":1}')
    paper.make("node-y", "10.244.89.0/24")
    time.sleep(4)
    assert "#3: invalid argument" in observer.log()
    assert tables(observer.place).routes == {}


def _strip(observer: Spare) -> None:
    """Remove all that flanneld wrote for a peer."""
    run = observer.place.run
    run("ip", "neigh", "del", NET, "dev", "flannel.1")
    run("bridge", "fdb", "del", MAC, "dev", "flannel.1", "dst", PUBLIC_IP, "self")
    run("ip", "route", "del", CIDR)
