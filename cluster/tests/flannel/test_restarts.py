"""What flanneld leaves when it ends, and what it makes of that, and of what it missed, later."""

import json
import os
import signal

import pytest

from cluster import images
from cluster.daemons import until
from cluster.setup import Cluster
from cluster.shell import Failed
from cluster.spare import NET_CONF, Spare
from cluster.tests.flannel.paper import MAC, OTHER_MAC, PUBLIC_IP, Paper, backend_data
from cluster.tests.flannel.seen import addresses, link, tables

CIDR = "10.244.88.0/24"
NET = "10.244.88.0"
SUBNET_ENV = "/run/flannel/subnet.env"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_removed_when_flanneld_ends(
    observer: Spare, paper: Paper, number: signal.Signals
) -> None:
    paper.make("node-x", CIDR)
    paper.settle(observer.place)

    def left() -> list[object]:
        return [
            tables(observer.place),
            link(observer.place)["ifindex"],
            "UP" in link(observer.place)["flags"],
            addresses(observer.place),
            observer.place.read(SUBNET_ENV),
            observer.annotations(),
            rules(observer),
        ]

    before = left()
    assert observer.pid is not None
    os.kill(observer.pid, number)
    until("flanneld ends", lambda: not observer.runs(), 5)
    assert left() == before


def test_packets_pass_without_flanneld(cluster: Cluster, peer: Spare) -> None:
    peer.start()
    target = cluster.get("pod", "web-a")["status"]["podIP"]
    until("node-a knows node-c", lambda: answers(peer, target), 5)
    peer.stop()
    assert answers(peer, target)


def test_subnet_env_has_these_lines(observer: Spare) -> None:
    assert observer.place.read(SUBNET_ENV) == (
        "FLANNEL_NETWORK=10.244.0.0/16\n"
        "FLANNEL_SUBNET=10.244.77.1/24\n"
        "FLANNEL_MTU=1450\n"
        "FLANNEL_IPMASQ=true\n"
    )
    assert observer.place.run("stat", "-c", "%a", SUBNET_ENV).strip() == "644"


def test_subnet_env_is_written_at_start_only(observer: Spare, paper: Paper) -> None:
    observer.place.run("rm", SUBNET_ENV)
    paper.settle(observer.place)
    with pytest.raises(Failed):
        observer.place.read(SUBNET_ENV)
    observer.restart()
    assert "FLANNEL_SUBNET=10.244.77.1/24\n" in observer.place.read(SUBNET_ENV)


def test_entries_of_a_node_deleted_meanwhile_stay(observer: Spare, paper: Paper) -> None:
    paper.make("node-x", CIDR)
    paper.settle(observer.place)
    observer.stop()
    paper.delete("node-x")
    paper.make("node-y", "10.244.89.0/24", backend_data=backend_data(OTHER_MAC))
    observer.start()
    paper.settle(observer.place)
    seen = tables(observer.place)
    assert seen.neighbours == {NET: MAC, "10.244.89.0": OTHER_MAC}
    assert seen.fdb == {(MAC, PUBLIC_IP), (OTHER_MAC, PUBLIC_IP)}
    assert set(seen.routes) == {CIDR, "10.244.89.0/24"}


def test_a_node_that_moves_to_another_pod_cidr_loses_what_was_left(
    observer: Spare, paper: Paper
) -> None:
    """flannel.1's only address is taken away first: the kernel flushes the device's routes."""
    paper.make("node-x", CIDR)
    paper.settle(observer.place)
    observer.stop()
    paper.delete("node-x")
    observer.unregister()
    observer.register(CIDR)
    observer.start()
    paper.settle(observer.place)
    seen = tables(observer.place)
    assert (seen.neighbours, seen.routes) == ({}, {})
    assert seen.fdb == {(MAC, PUBLIC_IP)}
    assert addresses(observer.place) == {f"{NET}/32"}


def test_a_change_that_was_missed_is_made_good_at_the_next_start(
    observer: Spare, paper: Paper
) -> None:
    paper.make("node-x", CIDR)
    paper.settle(observer.place)
    observer.stop()
    paper.annotate("node-x", f"backend-data={backend_data(OTHER_MAC)}")
    observer.start()
    paper.settle(observer.place)
    assert tables(observer.place).neighbours == {NET: OTHER_MAC}
    assert tables(observer.place).fdb == {(MAC, PUBLIC_IP), (OTHER_MAC, PUBLIC_IP)}


def test_a_flanneld_that_slept_handles_what_happened_meanwhile(
    observer: Spare, paper: Paper
) -> None:
    paper.make("node-x", CIDR)
    paper.settle(observer.place)
    assert observer.pid is not None
    os.kill(observer.pid, signal.SIGSTOP)
    paper.delete("node-x")
    paper.make("node-y", "10.244.89.0/24")
    os.kill(observer.pid, signal.SIGCONT)
    paper.settle(observer.place)
    assert set(tables(observer.place).routes) == {"10.244.89.0/24"}


def test_entries_that_somebody_removed_are_back_after_a_restart(
    observer: Spare, paper: Paper
) -> None:
    paper.make("node-x", CIDR)
    paper.settle(observer.place)
    before = tables(observer.place)
    observer.place.run("ip", "route", "del", CIDR)
    observer.place.run("ip", "neigh", "del", NET, "dev", "flannel.1")
    observer.place.run("bridge", "fdb", "del", MAC, "dev", "flannel.1", "dst", PUBLIC_IP, "self")
    observer.restart()
    paper.settle(observer.place)
    assert tables(observer.place) == before


def test_a_node_with_another_pod_cidr_moves_there_at_the_next_start(observer: Spare) -> None:
    observer.unregister()
    observer.register("10.244.78.0/24")
    observer.restart()
    assert addresses(observer.place) == {"10.244.78.0/32"}
    assert "FLANNEL_SUBNET=10.244.78.1/24\n" in observer.place.read(SUBNET_ENV)
    assert "10.244.77.0/24" not in rules(observer)
    assert "-s 10.244.78.0/24 -d 10.244.0.0/16" in rules(observer)


def test_network_unavailable_is_cleared_once_per_start(
    cluster: Cluster, observer: Spare, paper: Paper
) -> None:
    def condition() -> tuple[str, str] | None:
        for one in cluster.get("node", "node-c")["status"].get("conditions", ()):
            if one["type"] == "NetworkUnavailable":
                return one["status"], one["reason"]
        return None

    until("flanneld says so", lambda: condition() == ("False", "FlannelIsUp"), 5)
    other = '{"status":{"conditions":[{"type":"NetworkUnavailable","status":"True","reason":"X"}]}}'
    cluster.kubectl("patch", "node", "node-c", "--subresource=status", "-p", other)
    paper.settle(observer.place)
    assert condition() == ("True", "X")
    observer.restart("--set-node-network-unavailable=false")
    paper.settle(observer.place)
    assert condition() == ("True", "X")
    observer.restart()
    until("flanneld says so", lambda: condition() == ("False", "FlannelIsUp"), 5)
    observer.stop()
    assert condition() == ("False", "FlannelIsUp")


def test_the_network_configuration_is_read_once(observer: Spare) -> None:
    other = {**NET_CONF, "Backend": {"Type": "vxlan", "VNI": 7}}
    observer.place.write("/run/net-conf.json", json.dumps(other))
    observer.place.run("ip", "link", "del", "flannel.1")
    until("flannel.1", lambda: "VXLAN device flannel.1 recreated" in observer.log(), 10)
    assert "flannel.7" not in observer.place.run("ip", "link")
    observer.restart(net_conf=other)
    assert "flannel.7" in observer.place.run("ip", "link")


def rules(spare: Spare) -> str:
    """flannel's rules of iptables."""
    found = spare.place.run("iptables-save").splitlines()
    return "\n".join(line for line in found if line.startswith("-A") and "FLANNEL" in line)


def answers(spare: Spare, target: str) -> bool:
    """Whether an address answers ping."""
    try:
        spare.place.run(images.BUSYBOX, "ping", "-c1", "-W1", target)
    except Failed:
        return False
    return True
