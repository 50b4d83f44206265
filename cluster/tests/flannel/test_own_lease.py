"""The node's own lease: what flanneld writes to its Node, when, and what it reads back."""

import json

from cluster.spare import Spare
from cluster.tests.flannel.conftest import ADDRESS
from cluster.tests.flannel.paper import Paper, backend_data
from cluster.tests.flannel.seen import link

GIVEN = "02:cc:00:00:00:42"
TWO = "02:cc:00:00:00:43"


def test_flanneld_publishes_its_lease_in_four_annotations(peer: Spare) -> None:
    peer.start()
    mac = link(peer.place)["address"]
    assert peer.annotations() == {
        "backend-data": f'{{"VNI":1,"VtepMAC":"{mac}"}}',
        "backend-type": "vxlan",
        "kube-subnet-manager": "true",
        "public-ip": ADDRESS,
    }


def test_the_mac_is_drawn_by_flanneld_and_locally_administered(spare: Spare) -> None:
    spare.start()
    first = link(spare.place)["address"]
    spare.stop()
    spare.place.run("ip", "link", "del", "flannel.1")
    spare.annotate("backend-data-")
    spare.start()
    second = link(spare.place)["address"]
    assert first != second
    for mac in (first, second):
        assert int(mac[:2], 16) & 0b11 == 0b10, mac


def test_a_new_device_gets_the_mac_that_the_annotation_says(spare: Spare) -> None:
    spare.annotate(f"backend-data={backend_data(GIVEN)}")
    spare.start()
    assert link(spare.place)["address"] == GIVEN
    assert spare.annotations()["backend-data"] == backend_data(GIVEN)


def test_an_existing_device_keeps_its_mac_and_flanneld_publishes_that(spare: Spare) -> None:
    spare.start()
    mac = link(spare.place)["address"]
    spare.stop()
    spare.annotate(f"backend-data={backend_data(GIVEN)}")
    spare.start()
    assert link(spare.place)["address"] == mac
    assert spare.annotations()["backend-data"] == backend_data(mac)


def test_an_annotation_of_old_flannel_without_vni_is_read_back(spare: Spare) -> None:
    spare.annotate(f'backend-data={{"VtepMAC":"{GIVEN}"}}')
    spare.start()
    assert link(spare.place)["address"] == GIVEN
    assert spare.annotations()["backend-data"] == backend_data(GIVEN)


def test_an_annotation_that_is_written_otherwise_than_flanneld_writes_it_is_not_read_back(
    spare: Spare,
) -> None:
    for text in (
        f'{{"VNI": 1, "VtepMAC": "{GIVEN}"}}',  # with blanks
        f'{{"VtepMAC":"{GIVEN}","VNI":1}}',  # in the other order
    ):
        assert json.loads(text)["VtepMAC"] == GIVEN
        spare.annotate(f"backend-data={text}")
        spare.start()
        assert link(spare.place)["address"] != GIVEN, text
        spare.stop()
        spare.place.run("ip", "link", "del", "flannel.1")
    assert "Failed to parse mac addr" in spare.log()


def test_a_prefix_with_a_slash_makes_flanneld_forget_its_mac(spare: Spare) -> None:
    spare.prefix = "flannel.test/here"
    spare.start()
    mac = link(spare.place)["address"]
    assert spare.annotations()["backend-data"] == backend_data(mac)
    spare.stop()
    spare.place.run("ip", "link", "del", "flannel.1")
    spare.start()
    assert link(spare.place)["address"] != mac


def test_a_prefix_without_a_slash_does_not(spare: Spare) -> None:
    spare.prefix = "flannel.test"
    spare.start()
    mac = link(spare.place)["address"]
    spare.stop()
    spare.place.run("ip", "link", "del", "flannel.1")
    spare.start()
    assert link(spare.place)["address"] == mac


def test_annotations_that_are_removed_or_overwritten_stay_so_until_flanneld_restarts(
    observer: Spare, paper: Paper
) -> None:
    mac = link(observer.place)["address"]
    observer.annotate(f"backend-data={backend_data(GIVEN)}", "public-ip-", "kube-subnet-manager-")
    paper.settle(observer.place)
    assert observer.annotations() == {
        "backend-data": backend_data(GIVEN),
        "backend-type": "vxlan",
    }
    observer.restart()
    assert observer.annotations() == {
        "backend-data": backend_data(mac),
        "backend-type": "vxlan",
        "kube-subnet-manager": "true",
        "public-ip": ADDRESS,
    }


def test_a_node_that_is_made_again_has_no_lease_until_flanneld_restarts(
    observer: Spare, paper: Paper
) -> None:
    observer.unregister()
    observer.register("10.244.78.0/24")
    paper.settle(observer.place)
    assert observer.annotations() == {}
    assert observer.runs()
    assert "FLANNEL_SUBNET=10.244.77.1/24" in observer.place.read("/run/flannel/subnet.env")
    observer.restart()
    assert set(observer.annotations()) == {
        "backend-data",
        "backend-type",
        "kube-subnet-manager",
        "public-ip",
    }
    assert "FLANNEL_SUBNET=10.244.78.1/24" in observer.place.read("/run/flannel/subnet.env")
