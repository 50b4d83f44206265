"""Faults of what the cluster says: annotations, Node objects, flannel's configuration."""

from cluster.faults.fault import Fault, kubectl

PREFIX = "flannel.alpha.coreos.com"


def annotate(node: str, key: str, value: str) -> tuple[str, ...]:
    """The words of kubectl that write one of flannel's annotations."""
    return ("annotate", "node", node, "--overwrite", f"{PREFIX}/{key}={value}")


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
)
