"""A Node that is deleted under a running kubelet and flanneld, and what comes back."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from cluster.daemons import end, pid_of, until
from cluster.faults.intent import restart_flannel
from cluster.faults.nodes import NODE, registered_anew, start_kubelet
from cluster.setup import Cluster, pod
from cluster.shell import Failed
from cluster.spare import PREFIX
from cluster.tests.flannel.seen import addresses, tables

NEW_POD = "new-b"


@pytest.fixture
def pod_cidr(cluster: Cluster) -> Iterator[str]:
    """node-b's pod CIDR, which it has again in the end."""
    before = str(cluster.get("node", NODE)["spec"]["podCIDR"])
    yield before
    cluster.kubectl("delete", "pod", NEW_POD, "--ignore-not-found", "--force")
    registered_anew(cluster, before)
    restart_flannel(cluster, NODE)


def test_it_comes_back_when_its_kubelet_starts_with_another_pod_cidr_and_without_a_lease(
    cluster: Cluster, pod_cidr: str
) -> None:
    old = pod_cidr
    node_a, node_b = cluster.places["node-a"], cluster.places[NODE]
    own = tables(node_b)
    cluster.kubectl("delete", "node", NODE)
    until("node-a forgets it", lambda: old not in tables(node_a).routes, 5)
    assert (tables(node_a).neighbours, tables(node_a).fdb) == ({}, set())
    time.sleep(12)
    assert not _exists(cluster), "two of its heartbeats went by"
    assert tables(node_b) == own

    end(pid_of(NODE, "kubelet"))
    start_kubelet(cluster)
    until("a pod CIDR", lambda: _exists(cluster) and "podCIDR" in _node(cluster)["spec"], 30)
    new = _node(cluster)["spec"]["podCIDR"]
    assert new != old
    assert not any(key.startswith(PREFIX) for key in _node(cluster)["metadata"]["annotations"])
    assert not {old, new} & set(tables(node_a).routes)
    assert tables(node_b) == own

    restart_flannel(cluster, NODE)
    until("node-a knows it", lambda: new in tables(node_a).routes, 5)
    assert old not in tables(node_a).routes
    first = new.partition("/")[0]
    assert addresses(node_b) == {f"{first}/32"}
    gateway = first.removesuffix("0") + "1/24"
    assert f"FLANNEL_SUBNET={gateway}\n" in node_b.read("/run/flannel/subnet.env")
    assert addresses(node_b, "cni0") == {old.replace(".0/24", ".1/24")}
    cluster.apply([pod(NEW_POD, NODE)])
    refusal = f"already has an IP address different from {gateway}"
    until("the refusal", lambda: refusal in _events(cluster), 20)


def _node(cluster: Cluster) -> dict[str, Any]:
    return cluster.get("node", NODE)


def _exists(cluster: Cluster) -> bool:
    try:
        _node(cluster)
    except Failed:
        return False
    return True


def _events(cluster: Cluster) -> str:
    return cluster.kubectl("get", "events", f"--field-selector=involvedObject.name={NEW_POD}")
