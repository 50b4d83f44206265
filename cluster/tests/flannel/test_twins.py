"""A third node that was cloned, annotation and all: two nodes with one VtepMAC."""

from collections.abc import Iterator

import pytest

from cluster import images
from cluster.daemons import until
from cluster.faults.intent import annotate
from cluster.faults.tables import lease
from cluster.setup import Cluster
from cluster.shell import Failed
from cluster.spare import Spare
from cluster.tests.flannel.conftest import ADDRESS
from cluster.tests.flannel.paper import backend_data
from cluster.tests.flannel.seen import ask, link, tables


@pytest.fixture
def twin(cluster: Cluster, peer: Spare) -> Iterator[Spare]:
    """node-c with node-b's annotation, as a clone has it; afterwards node-b is announced anew."""
    _, mac, ip = lease(cluster, "node-b")
    before = {node: tables(cluster.places[node]).fdb for node in ("node-a", "node-b")}
    peer.annotate(f"backend-data={backend_data(mac)}")
    peer.place.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    yield peer
    peer.remove()
    for value in ("192.168.79.99", ip):
        cluster.kubectl(*annotate("node-b", "public-ip", value))
    until(
        "node-a knows node-b", lambda: tables(cluster.places["node-a"]).fdb == before["node-a"], 5
    )


def test_the_clone_makes_a_device_with_the_mac_and_takes_the_entry_of_every_other_node(
    cluster: Cluster, twin: Spare
) -> None:
    _, mac, ip = lease(cluster, "node-b")
    twin.start()
    assert link(twin.place)["address"] == mac
    node_a = cluster.places["node-a"]
    until("node-a follows", lambda: (mac, ADDRESS) in tables(node_a).fdb, 5)
    assert (mac, ip) not in tables(node_a).fdb
    assert len(tables(node_a).neighbours) == 2

    target = cluster.get("pod", "web-b")["status"]["podIP"]
    before = _packets(twin)
    with pytest.raises(Failed):
        node_a.run(images.BUSYBOX, "ping", "-c3", "-W1", target)
    received, sent = (now - then for now, then in zip(_packets(twin), before, strict=True))
    assert (received, sent) == (3, 3), "it takes them for its own and forwards them"

    twin.unregister()
    until("node-a forgets", lambda: (mac, ADDRESS) not in tables(node_a).fdb, 5)
    assert (mac, ip) not in tables(node_a).fdb, "the original's entry went with the clone's"


def _packets(spare: Spare) -> tuple[int, int]:
    """How many packets flannel.1 received and sent, IPv6's own chatter aside."""
    (found,) = ask(spare.place, "ip", "-j", "-s", "link", "show", "dev", "flannel.1")
    return found["stats64"]["rx"]["packets"], found["stats64"]["tx"]["packets"]
