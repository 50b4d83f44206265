"""What keeps flanneld from starting, what it says then, and how far it came."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cluster import images
from cluster.daemons import until
from cluster.faults.nodes import asleep
from cluster.setup import Cluster
from cluster.shell import Failed
from cluster.spare import NET_CONF, Spare
from cluster.tests.flannel.conftest import APART, SPARE_CIDR
from cluster.tests.flannel.paper import backend_data
from cluster.tests.flannel.seen import addresses, link, tables

TAKEN = "02:cc:00:00:00:55"
_ANNOTATIONS = "object.metadata.?annotations.orValue({})"
_NOT_YET: dict[str, object] = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "no-lease-yet"},
    "spec": {
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["UPDATE"],
                    "resources": ["nodes/status"],
                }
            ]
        },
        "validations": [
            {"expression": f"!('{APART}/backend-data' in {_ANNOTATIONS})"},
        ],
    },
}
"""Refuses the one write by which flanneld publishes a lease; it tries again for 30 s."""
_NOT_YET_BOUND: dict[str, object] = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "no-lease-yet"},
    "spec": {"policyName": "no-lease-yet", "validationActions": ["Deny"]},
}


def test_without_a_pod_cidr_flanneld_gives_up_and_leaves_a_bare_device(spare: Spare) -> None:
    with asleep("kube-controller-manager"):
        spare.unregister()
        spare.register()
        assert 'node "node-c" pod cidr not assigned' in spare.last_words()
        device = link(spare.place)
        assert "UP" not in device["flags"]
        assert addresses(spare.place) == set()
        assert spare.annotations() == {}


def test_a_pod_cidr_may_be_given_once_and_is_never_changed(cluster: Cluster, spare: Spare) -> None:
    def give(cidr: str) -> None:
        spec = json.dumps({"spec": {"podCIDR": cidr, "podCIDRs": [cidr]}})
        cluster.kubectl("patch", "node", "node-c", "-p", spec)

    with asleep("kube-controller-manager"):
        spare.unregister()
        spare.register()
        give("10.244.78.0/24")
    with pytest.raises(Failed, match="node updates may not change podCIDR except from"):
        give("10.244.79.0/24")


def test_the_lease_of_a_pod_cidr_outside_of_the_network_is_published_all_the_same(
    spare: Spare,
) -> None:
    elsewhere = {**NET_CONF, "Network": "10.99.0.0/16"}
    said = spare.last_words(net_conf=elsewhere)
    assert (
        'subnet "10.99.0.0/16" specified in the flannel net config doesn\'t contain'
        f' "{SPARE_CIDR}" PodCIDR of the "node-c" node' in said
    )
    mac = link(spare.place)["address"]
    assert spare.annotations()["backend-data"] == backend_data(mac)
    assert "UP" not in link(spare.place)["flags"]


def test_the_lease_is_published_before_the_device_is_up(spare: Spare) -> None:
    """So that peers send to a node whose flanneld never gets through its start."""
    spare.sh("ip link add taken type vxlan dstport 8472 external")
    spare.place.run("ip", "link", "set", "taken", "up")
    said = spare.last_words()
    assert "failed to set interface flannel.1 to UP state: address already in use" in said
    assert spare.annotations()["backend-data"] == backend_data(link(spare.place)["address"])
    assert addresses(spare.place) == {"10.244.77.0/32"}
    assert tables(spare.place).routes == {}


def test_a_device_of_the_same_vni_and_port_keeps_flanneld_from_making_its_own(
    spare: Spare,
) -> None:
    spare.sh("ip link add other type vxlan id 1 dstport 8472 local 192.168.79.13 dev eth0")
    said = spare.last_words()
    assert "failed to create vxlan device: Link not found" in said
    assert spare.annotations() == {}


def test_a_mac_that_changes_before_the_device_is_up_ends_flanneld_after_it_published_the_old_one(
    cluster: Cluster, spare: Spare
) -> None:
    """What udev does; the window is held open here by an API that refuses the write."""
    with _no_lease_yet(cluster):
        spare.launch("--healthz-port=18081")
        until("the device", lambda: "flannel.1" in spare.place.run("ip", "link"), 10, 0.05)
        assert [_status(spare, path) for path in ("healthz", "readyz")] == ["200", "503"]
        drawn = link(spare.place)["address"]
        spare.place.run("ip", "link", "set", "flannel.1", "address", TAKEN)
    until("flanneld gives up", lambda: not spare.runs(), 20)
    assert f"flannel.1's mac address wanted: {drawn}, but got: {TAKEN}" in spare.log()
    assert spare.annotations()["backend-data"] == backend_data(drawn)
    spare.start("--healthz-port=18081")
    assert spare.annotations()["backend-data"] == backend_data(TAKEN)
    assert [_status(spare, path) for path in ("healthz", "readyz")] == ["200", "200"]


def test_without_bridge_nf_call_iptables_flanneld_does_not_start_and_its_value_is_not_looked_at(
    spare: Spare,
) -> None:
    spare.place.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0")
    spare.start()
    spare.stop()
    spare.place.run("mount", "-t", "tmpfs", "tmpfs", "/proc/sys/net/bridge")
    said = spare.last_words()
    assert "Failed to check br_netfilter" in said
    spare.start(net_conf={**NET_CONF, "EnableNFTables": True})


def test_a_net_conf_without_a_backend_means_udp(spare: Spare) -> None:
    spare.start(net_conf={"Network": "10.244.0.0/16"})
    assert "Found network config - Backend type: udp" in spare.log()
    assert (spare.annotations()["backend-type"], spare.annotations()["backend-data"]) == (
        "",
        "null",
    )


def _status(spare: Spare, path: str) -> str:
    """The HTTP status of one of flanneld's own pages."""
    ask = rf"printf 'GET /{path} HTTP/1.0\r\n\r\n' | {images.BUSYBOX} nc 127.0.0.1 18081"
    return spare.sh(ask).split()[1]


@contextmanager
def _no_lease_yet(cluster: Cluster) -> Iterator[None]:
    """The API refuses to publish node-c's lease."""

    def refused() -> bool:
        patch = json.dumps({"metadata": {"annotations": {f"{APART}/backend-data": "x"}}})
        words = ["patch", "node", "node-c", "--subresource=status", "--dry-run=server", "-p", patch]
        try:
            cluster.kubectl(*words)
        except Failed:
            return True
        return False

    cluster.apply([_NOT_YET, _NOT_YET_BOUND])
    try:
        until("the policy holds", refused, 10)
        yield
    finally:
        for one in (_NOT_YET_BOUND, _NOT_YET):
            cluster.kubectl("delete", str(one["kind"]), "no-lease-yet")
