"""Commands with the real names in them, in whatever shape the cluster has."""

from msgspec.structs import replace

from tests.builders import NUMBER, api_node, cluster
from tests.core.rules.asking import case
from tracer.core.case import Case
from tracer.core.leases import leases
from tracer.core.rules import remedies
from tracer.model.cluster import ClusterState


def k3s() -> Case:
    """k3s runs flannel inside of its own process."""
    nodes = {name: replace(api_node(name), kubelet_version="v1.32.0+k3s1") for name in NUMBER}
    return case(cluster=cluster(nodes=nodes, flannel_pods=(), net_conf=None))


def test_k3s_has_neither_a_daemonset_to_restart_nor_a_configmap_to_edit() -> None:
    asked = k3s()
    commands = (
        remedies.restart_flannel(asked, "node-b"),
        remedies.restart_all(asked),
        remedies.edit_net_conf(asked),
    )
    assert not any("kubectl" in command for command in commands)
    assert commands[0].endswith("# on node-b")
    assert "systemctl restart k3s" in commands[1]
    assert "/etc/rancher/k3s/config.yaml" in commands[2]


def test_where_rbac_hides_flannels_pods_kubectl_still_finds_them() -> None:
    asked = case(cluster=cluster(flannel_pods=()))
    assert "kubectl -n kube-flannel" in remedies.restart_flannel(asked, "node-b")
    assert "rollout restart" in remedies.restart_all(asked)


def test_the_source_of_an_address_is_the_annotation_of_its_family_and_prefix() -> None:
    node = replace(
        api_node("node-b"),
        pod_cidrs=("10.244.2.0/24", "fd00:10:244:2::/64"),
        annotations={
            "example.org/overlay-backend-data": "{}",
            "example.org/overlay-backend-v6-data": "{}",
        },
    )
    v4, v6 = leases(ClusterState(captured_at="", nodes=(node,)))
    assert remedies.public_ip_of(v4) == "lease of node-b (example.org/overlay-public-ip)"
    assert remedies.public_ip_of(v6) == "lease of node-b (example.org/overlay-public-ipv6)"
