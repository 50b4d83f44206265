"""The Python `kubernetes` client works against the lab's API: list, watch, patch."""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, watch

from tests.lab.universe import Universe

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def core(lab: Universe) -> Iterator[Any]:
    settings = client.Configuration(host=lab.server())
    with client.ApiClient(settings) as api:
        yield client.CoreV1Api(api)
    lab.lab("heal")


def test_lists_nodes_with_leases_and_pods_with_addresses(core: Any) -> None:
    nodes = {node.metadata.name: node for node in core.list_node().items}
    assert nodes["node-a"].spec.pod_cidr == "10.244.1.0/24"
    assert nodes["node-a"].status.addresses[0].address == "192.0.2.11"
    pods = core.list_namespaced_pod("default", field_selector="spec.nodeName=node-a").items
    assert [pod.status.pod_ip for pod in pods] == ["10.244.1.2", "10.244.1.3"]
    flannel = core.list_pod_for_all_namespaces(label_selector="app=flannel").items
    assert {pod.spec.node_name for pod in flannel} == {"node-a", "node-b", "node-c"}
    assert all(pod.status.start_time for pod in flannel)
    manager: Any = core.list_namespaced_pod(
        "kube-system", label_selector="component=kube-controller-manager"
    ).items[0]
    command = list(manager.spec.containers[0].command)
    assert "--cluster-cidr=10.244.0.0/16" in command
    assert "--allocate-node-cidrs=true" in command


def test_reads_flannels_daemonset_and_config(core: Any) -> None:
    apps: Any = client.AppsV1Api(core.api_client)
    found = apps.read_namespaced_daemon_set("kube-flannel-ds", "kube-flannel")
    assert "--kube-subnet-mgr" in found.spec.template.spec.containers[0].args
    conf = core.read_namespaced_config_map("kube-flannel-cfg", "kube-flannel")
    assert set(conf.data) == {"cni-conf.json", "net-conf.json"}


def test_watches_from_a_version_and_sees_a_patch(core: Any) -> None:
    version = core.list_node().metadata.resource_version
    core.patch_node("node-c", {"metadata": {"annotations": {"test/client": "1"}}})
    core.patch_node("node-c", {"metadata": {"annotations": {"test/client": None}}})
    watching: Any = watch.Watch
    stream = watching().stream(core.list_node, resource_version=version, timeout_seconds=1)
    seen = [
        (event["type"], (event["object"].metadata.annotations or {}).get("test/client"))
        for event in stream
    ]
    assert seen == [("MODIFIED", "1"), ("MODIFIED", None)]


def test_pages_through_a_list(core: Any) -> None:
    first = core.list_pod_for_all_namespaces(limit=4)
    names = [pod.metadata.name for pod in first.items]
    assert len(names) == 4
    token = first.metadata._continue
    while token:
        page = core.list_pod_for_all_namespaces(limit=4, _continue=token)
        names += [pod.metadata.name for pod in page.items]
        token = page.metadata._continue
    assert names == [pod.metadata.name for pod in core.list_pod_for_all_namespaces().items]


def test_patches_the_status_as_flanneld_does(core: Any) -> None:
    before = core.read_node("node-b")
    change = {
        "metadata": {"annotations": {"test/status": "1"}},
        "spec": {"unschedulable": True},
        "status": {"conditions": [{"type": "NetworkUnavailable", "status": "True"}]},
    }
    after = core.patch_node_status("node-b", change)
    assert after.metadata.annotations["test/status"] == "1"
    assert after.spec.unschedulable is None, "a patch of the status must not touch the spec"
    states = {each.type: each.status for each in after.status.conditions}
    assert states == {"NetworkUnavailable": "True", "Ready": "True"}
    core.patch_node("node-b", {"status": {"conditions": []}})
    again = core.read_node("node-b")
    assert len(again.status.conditions) == 2, "a patch of the object must not touch the status"
    assert before.metadata.uid == again.metadata.uid


def test_refuses_what_kubernetes_refuses(core: Any) -> None:
    with pytest.raises(client.ApiException) as missing:
        core.read_node("node-z")
    assert missing.value.status == 404
    with pytest.raises(client.ApiException) as immutable:
        core.patch_node("node-b", {"spec": {"podCIDR": "10.9.9.0/24"}})
    assert immutable.value.status == 422
    with pytest.raises(client.ApiException) as stale:
        core.patch_node("node-b", {"metadata": {"resourceVersion": "1", "labels": {"x": "y"}}})
    assert stale.value.status == 409
    with pytest.raises(client.ApiException) as twice:
        core.create_namespaced_config_map(
            "kube-flannel", {"metadata": {"name": "kube-flannel-cfg"}}
        )
    assert twice.value.status == 409
    with pytest.raises(client.ApiException) as nonsense:
        core.patch_node("node-b", {"metadata": {"annotations": {"a": 1}}})
    assert nonsense.value.status == 400
