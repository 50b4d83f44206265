"""Faults of a node's own tables: devices, routes, neighbours, FDB entries."""

import json

from cluster.faults.fault import Act, Fault, on, shell
from cluster.setup import Cluster

VTEP = "flannel.1"


def lease(cluster: Cluster, node: str) -> tuple[str, str, str]:
    """(first address of the pod CIDR, VtepMAC, public ip) of a node."""
    found = cluster.get("node", node)
    annotations = found["metadata"]["annotations"]
    data = json.loads(annotations["flannel.alpha.coreos.com/backend-data"])
    first = found["spec"]["podCIDR"].partition("/")[0]
    return first, data["VtepMAC"], annotations["flannel.alpha.coreos.com/public-ip"]


def _mac_changed(cluster: Cluster) -> None:
    """As udev and NetworkManager do it; to another one each time."""
    _, mac, _ = lease(cluster, "node-b")
    new = next(one for one in ("02:bb:00:00:00:77", "02:bb:00:00:00:78") if one != mac)
    cluster.places["node-b"].run("ip", "link", "set", VTEP, "address", new)


def _annotation_corrected(cluster: Cluster) -> None:
    """The origin's own fix, where the device's MAC changed while flanneld ran."""
    device = json.loads(cluster.places["node-b"].run("ip", "-j", "link", "show", "dev", VTEP))[0]
    data = json.dumps({"VNI": 1, "VtepMAC": device["address"]}, separators=(",", ":"))
    key = "flannel.alpha.coreos.com/backend-data"
    cluster.kubectl("annotate", "node", "node-b", "--overwrite", f"{key}={data}")


def _fdb_lost(cluster: Cluster) -> None:
    _, mac, ip = lease(cluster, "node-b")
    cluster.places["node-a"].run("bridge", "fdb", "del", mac, "dev", VTEP, "dst", ip, "self")


def _neighbour_lost(cluster: Cluster) -> None:
    first, _, _ = lease(cluster, "node-b")
    cluster.places["node-a"].run("ip", "neigh", "del", first, "dev", VTEP)


def _fdb_to(address: str) -> Act:
    def act(cluster: Cluster) -> None:
        _, mac, _ = lease(cluster, "node-b")
        words = ["dst", address, "self", "permanent"]
        cluster.places["node-a"].run("bridge", "fdb", "replace", mac, "dev", VTEP, *words)

    return act


def _route_lost(cluster: Cluster) -> None:
    first, _, _ = lease(cluster, "node-b")
    cluster.places["node-a"].run("ip", "route", "del", f"{first}/24")


def _neighbour_stale(cluster: Cluster) -> None:
    """As if flanneld had missed an update: the device of node-b had this MAC before."""
    first, _, ip = lease(cluster, "node-b")
    node, old = cluster.places["node-a"], "02:bb:00:00:00:98"
    node.run("ip", "neigh", "replace", first, "lladdr", old, "dev", VTEP, "nud", "permanent")
    node.run("bridge", "fdb", "replace", old, "dev", VTEP, "dst", ip, "self", "permanent")


def _blackholed(cluster: Cluster) -> None:
    """A hardening job's route, more specific than flannel's."""
    first, _, _ = lease(cluster, "node-b")
    cluster.places["node-a"].run("ip", "route", "add", "blackhole", f"{first}/25")


FAULTS = (
    Fault(
        name="mac-changed-under-running-flannel",
        slug="mac-changed-under-running-flannel",
        inject=_mac_changed,
        useless=_annotation_corrected,
    ),
    Fault(name="fdb-missing", slug="fdb-missing", inject=_fdb_lost),
    Fault(name="neigh-missing", slug="neigh-missing", inject=_neighbour_lost),
    Fault(name="neigh-stale-one-node", slug="neigh-stale-one-node", inject=_neighbour_stale),
    Fault(name="fdb-wrong-dst-dead", slug="fdb-wrong-dst-dead", inject=_fdb_to("192.168.79.99")),
    Fault(name="route-lost", slug="routes-lost", inject=_route_lost),
    Fault(
        name="vtep-flapped",
        slug="routes-lost",
        inject=shell("node-a", f"ip link set {VTEP} down; ip link set {VTEP} up"),
    ),
    Fault(
        name="vtep-deleted",
        slug="routes-lost",
        inject=shell("node-a", f"ip link del {VTEP}; sleep 5"),
    ),
    Fault(
        name="own-flannel1-down",
        slug="own-flannel1-down",
        inject=on("node-a", "ip", "link", "set", VTEP, "down"),
        useless=on("node-a", "ip", "link", "set", VTEP, "up"),
    ),
    Fault(
        name="peer-flannel1-down",
        slug="peer-flannel1-down",
        inject=on("node-b", "ip", "link", "set", VTEP, "down"),
        useless=on("node-b", "ip", "link", "set", VTEP, "up"),
    ),
    Fault(name="policy-route", slug="policy-route", inject=_blackholed),
)
