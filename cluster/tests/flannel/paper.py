"""Nodes that exist on paper only: a Node object with a lease, and no machine."""

import json
from collections.abc import Mapping

from cluster.daemons import until
from cluster.nodes import Place
from cluster.setup import Cluster
from cluster.spare import annotate, node_object
from cluster.tests.flannel.seen import tables

MAC = "02:cc:00:00:00:01"
OTHER_MAC = "02:cc:00:00:00:02"
PUBLIC_IP = "192.168.79.88"
LAST = "10.244.99.0/24"


class Paper:
    """Makes them under one prefix of annotations, and takes all of them away."""

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        self.cluster = cluster
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
        text = json.dumps(node_object(node, pod_cidrs, annotations))
        self.cluster.kubectl("create", "-f", "-", text=text)

    def annotate(self, node: str, *words: str) -> None:
        """KEY=VALUE or KEY-, each without the prefix."""
        annotate(self.cluster, node, self.prefix, *words)

    def delete(self, node: str) -> None:
        """Delete the Node."""
        self.cluster.kubectl("delete", "node", node)

    def remove(self) -> None:
        """Delete all that are left."""
        if self._made:
            self.cluster.kubectl("delete", "node", "--ignore-not-found", *self._made)
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
