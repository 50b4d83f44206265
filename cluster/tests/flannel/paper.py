"""Nodes that exist on paper only: a Node object with a lease, and no machine."""

from collections.abc import Mapping

from cluster.daemons import until
from cluster.node_objects import NodeObjects
from cluster.nodes import Place
from cluster.tests.flannel.seen import tables

MAC = "02:cc:00:00:00:01"
OTHER_MAC = "02:cc:00:00:00:02"
PUBLIC_IP = "192.168.79.88"
LAST = "10.244.99.0/24"


class Paper:
    """Makes them under one prefix of annotations, and takes all of them away."""

    def __init__(self, nodes: NodeObjects, prefix: str) -> None:
        self.nodes = nodes
        self.prefix = prefix
        self.usual: dict[str, str] = {}
        """Annotations that every Node here has, unless told otherwise."""
        self.last_6: str | None = None
        """The IPv6 pod CIDR of the Node that comes last."""
        self._made: list[str] = []

    def make(self, node: str, *pod_cidrs: str, **other: str) -> None:
        """A Node with a lease; keywords are annotations that differ (`_` stands for `-`)."""
        self._made.append(node)
        annotations = {
            f"{self.prefix}/{key}": value for key, value in lease(**self.usual | other).items()
        }
        self.nodes.create(node, pod_cidrs, annotations)

    def annotate(self, node: str, *words: str) -> None:
        """KEY=VALUE or KEY-, each without the prefix."""
        self.nodes.annotate(node, self.prefix, *words)

    def delete(self, node: str) -> None:
        """Delete the Node."""
        self.nodes.delete(node)

    def remove(self) -> None:
        """Delete all that are left."""
        self.nodes.forget(*self._made)
        self._made.clear()

    def settle(self, place: Place) -> None:
        """Until the flanneld of a node has handled all that happened before.

        It handles events one by one: that of a Node made now comes last.
        """
        data = backend_data("02:cc:00:00:00:99")
        both = {"backend_v6_data": data} if self.last_6 else {}
        cidrs = (LAST, self.last_6) if self.last_6 else (LAST,)
        self.make("node-last", *cidrs, backend_data=data, **both)
        until("the last event", lambda: LAST in tables(place).routes, 10, 0.05)
        self.delete("node-last")
        until("the last removal", lambda: LAST not in tables(place).routes, 10, 0.05)


def lease(**other: str) -> Mapping[str, str]:
    """flannel's annotations of a Node; keywords differ from the usual ones (`_` for `-`)."""
    return {
        "backend-data": backend_data(MAC),
        "backend-type": "vxlan",
        "kube-subnet-manager": "true",
        "public-ip": PUBLIC_IP,
        **{key.replace("_", "-"): value for key, value in other.items()},
    }


def backend_data(mac: str, vni: int = 1) -> str:
    """As flanneld writes it."""
    return f'{{"VNI":{vni},"VtepMAC":"{mac}"}}'
