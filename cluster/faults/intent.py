"""Faults of what the cluster says: annotations, Node objects, flannel's configuration."""

from cluster import flannel
from cluster.faults.fault import Act, Fault, kubectl
from cluster.setup import NODES, Cluster

PREFIX = "flannel.alpha.coreos.com"


def annotate(node: str, key: str, value: str) -> tuple[str, ...]:
    """The words of kubectl that write one of flannel's annotations."""
    return ("annotate", "node", node, "--overwrite", f"{PREFIX}/{key}={value}")


def restart_flannel(cluster: Cluster, node: str) -> None:
    """Delete flannel's pod on a node, and wait for the next one."""
    words = ("-l", "app=flannel", f"--field-selector=spec.nodeName={node}")
    cluster.kubectl("-n", "kube-flannel", "delete", "pod", *words)
    rolled_out(cluster)


def rolled_out(cluster: Cluster) -> None:
    """Wait until every node runs flannel as it is configured now."""
    words = ("rollout", "status", "ds/kube-flannel-ds", "--timeout=120s")
    cluster.kubectl("-n", "kube-flannel", *words, timeout=130)


def _half_rolled_out(**backend: object) -> Act:
    """net-conf changed, and flannel restarted on node-b only."""

    def act(cluster: Cluster) -> None:
        configure(cluster, **backend)
        restart_flannel(cluster, "node-b")

    return act


def _half_rolled_back(**backend: object) -> Act:
    """net-conf changed, flannel restarted on node-b only, and net-conf as it was before."""

    def act(cluster: Cluster) -> None:
        _half_rolled_out(**backend)(cluster)
        configure(cluster)

    return act


def as_it_was(cluster: Cluster) -> None:
    """The first VXLAN device alone, with the port written out; then the ConfigMap as it was."""
    configure(cluster, Backend={"Type": "vxlan", "VNI": 1, "Port": 8472})
    for node in NODES:
        restart_flannel(cluster, node)
        cluster.places[node].run("sh", "-c", "ip link del flannel.2 2>/dev/null; true")
    configure(cluster)


def configure(cluster: Cluster, **net_conf: object) -> None:
    """Write flannel's ConfigMap, as the manifest has it but for these keys."""
    cluster.apply([one for one in flannel.objects(net_conf) if one["kind"] == "ConfigMap"])


FAULTS = (
    Fault(
        name="vtepmac-annotation-stale",
        slug="vtepmac-annotation-stale",
        inject=kubectl(
            *annotate("node-b", "backend-data", '{"VNI":1,"VtepMAC":"02:bb:00:00:00:99"}')
        ),
    ),
    Fault(
        name="public-ip-annotated",
        slug="fdb-wrong-dst-dead",
        inject=kubectl(*annotate("node-b", "public-ip", "192.168.79.99")),
    ),
    Fault(
        name="annotations-removed",
        slug="annotations-missing",
        inject=kubectl(
            "annotate",
            "node",
            "node-b",
            *(
                f"{PREFIX}/{key}-"
                for key in ("kube-subnet-manager", "backend-data", "backend-type", "public-ip")
            ),
        ),
    ),
    Fault(
        name="vni-halfway-through-a-rollout",
        slug="vni-mismatch",
        inject=_half_rolled_out(Backend={"Type": "vxlan", "VNI": 2}),
        heal=as_it_was,
    ),
    Fault(
        name="port-halfway-through-a-rollout",
        slug="port-mismatch",
        inject=_half_rolled_out(Backend={"Type": "vxlan", "Port": 8473}),
        heal=as_it_was,
    ),
    Fault(
        name="backend-halfway-through-a-rollout",
        slug="backend-type-mixed",
        # back: flantrace follows vxlan, so that is what the way out has to lead to
        inject=_half_rolled_back(Backend={"Type": "host-gw"}),
        heal=as_it_was,
    ),
    Fault(
        name="gbp-halfway-through-a-rollout",
        slug="gbp-mismatch",
        inject=_half_rolled_out(Backend={"Type": "vxlan", "GBP": True}),
        heal=as_it_was,
    ),
    Fault(
        name="public-ip-duplicate",
        slug="public-ip-duplicate",
        inject=kubectl(*annotate("node-b", "public-ip", "192.168.79.11")),
    ),
)
