"""flannel on all nodes: starting it, and putting everything that it wrote back in order."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tracer.lab import flanneld, paths
from tracer.lab.objects import NET_CONF
from tracer.lab.plan import UPLINK, UPLINK_MTU, PlannedNode
from tracer.lab.rest import Api, difference
from tracer.lab.shell import ip, run

Object = dict[str, Any]
KEPT_KINDS = ("Node", "Pod", "ConfigMap", "DaemonSet")
UNCOMPARED = ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields")


def healthy_backend() -> flanneld.Backend:
    """The backend as net-conf.json has it at the start."""
    return flanneld.read_net_conf(json.dumps(NET_CONF), UPLINK_MTU)


def healthy_vtep(node: PlannedNode) -> flanneld.Vtep:
    """A node's vxlan device as it is at the start."""
    return flanneld.Vtep(
        backend=healthy_backend(),
        mac=node.vtep_mac,
        local=node.address,
        uplink=UPLINK,
        pod_cidr=node.pod_cidr,
    )


def healthy_peers(node: PlannedNode, plan: tuple[PlannedNode, ...]) -> tuple[flanneld.Peer, ...]:
    """What a node's flanneld knows of the others at the start."""
    return tuple(
        flanneld.Peer(
            node=each.name, pod_cidr=each.pod_cidr, vtep_mac=each.vtep_mac, public_ip=each.address
        )
        for each in plan
        if each != node
    )


def device_in_order(node: PlannedNode) -> bool:
    """Whether the node has one vxlan device: the healthy one, addressed and up."""
    wanted = healthy_vtep(node)
    shown = json.loads(run(["ip", "-n", node.name, "-d", "-j", "address", "show", "type", "vxlan"]))
    found = [each for each in shown if each]
    if len(found) != 1 or found[0]["ifname"] != wanted.backend.device:
        return False
    link, data = found[0], found[0]["linkinfo"]["info_data"]
    addresses = [each["local"] for each in link["addr_info"] if each["family"] == "inet"]
    return (
        link["address"] == wanted.mac
        and link["mtu"] == wanted.mtu
        and "UP" in link["flags"]
        and addresses == [node.vtep_ip]
        and (data["id"], data["port"]) == (wanted.backend.vni, wanted.backend.port)
        and (data.get("local"), data.get("link")) == (wanted.local, wanted.uplink)
    )


def recreate_device(node: PlannedNode, vtep: flanneld.Vtep, index: int | None = None) -> None:
    """Delete every vxlan device of a node and make that one."""
    shown = json.loads(run(["ip", "-n", node.name, "-j", "link", "show", "type", "vxlan"]))
    for each in shown:
        if each:
            flanneld.delete_device(node.name, each["ifname"])
    flanneld.create_device(node.name, vtep, index)


def links(netns: str) -> set[str]:
    """The names of the devices in a network namespace."""
    return {each["ifname"] for each in json.loads(run(["ip", "-n", netns, "-j", "link"]))}


def vtep_indexes(plan: tuple[PlannedNode, ...]) -> dict[str, int]:
    """Node -> ifindex of its vxlan device."""
    name = healthy_backend().device
    command = ["-j", "link", "show", "dev", name]
    return {
        node.name: json.loads(run(["ip", "-n", node.name, *command]))[0]["ifindex"] for node in plan
    }


def restore(plan: tuple[PlannedNode, ...], indexes: Mapping[str, int]) -> None:
    """Put devices, entries and the API's objects back to what they were when all was well."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda node: _restore_node(node, plan, indexes.get(node.name)), plan))
    api = Api()
    restore_objects(api)
    api.close()


def _restore_node(node: PlannedNode, plan: tuple[PlannedNode, ...], index: int | None) -> None:
    vtep = healthy_vtep(node)
    if not device_in_order(node):
        recreate_device(node, vtep, index)
    peers = healthy_peers(node, plan)
    flanneld.put_entries_right(node.name, vtep.backend.device, peers)
    foreign = _foreign_routes(node, vtep.backend.device, peers)
    ip(node.name, [f"route del {each} dev {vtep.backend.device}" for each in foreign])
    for place in (node.name, *(pod.name for pod in node.pods)):
        # What was asked for in vain while the fault lasted would fail at once, for a while.
        ip(place, ["neigh flush all nud failed", "neigh flush all nud incomplete"])


def _foreign_routes(node: PlannedNode, device: str, peers: tuple[flanneld.Peer, ...]) -> list[str]:
    command = ["ip", "-n", node.name, "-4", "-j", "route", "show", "dev", device]
    ours = {peer.pod_cidr for peer in peers}
    return [each["dst"] for each in json.loads(run(command)) if each["dst"] not in ours]


def remember_objects(api: Api) -> None:
    """Record the API's objects as the healthy ones."""
    objects = [_plain(kind, each) for kind in KEPT_KINDS for each in api.every(kind)]
    with open(paths.HEALTHY, "w") as stream:
        json.dump(objects, stream)


def restore_objects(api: Api) -> None:
    """Bring the API's objects back to the recorded ones: change, create, delete."""
    with open(paths.HEALTHY) as stream:
        wanted = {_identity(each): each for each in json.load(stream)}
    present = {
        _identity(each): each
        for kind in KEPT_KINDS
        for each in (_plain(kind, found) for found in api.every(kind))
    }
    for identity, each in present.items():
        if identity not in wanted:
            api.delete(each)
    for identity, each in wanted.items():
        if identity not in present:
            api.create(each)
        elif change := difference(present[identity], each):
            _apply(api, each, change)


def _apply(api: Api, each: Object, change: Mapping[str, Any]) -> None:
    meta = each["metadata"]
    namespace = meta.get("namespace", "")
    status = {key: value for key, value in change.items() if key == "status"}
    rest = {key: value for key, value in change.items() if key != "status"}
    if rest:
        api.patch(each["kind"], meta["name"], rest, namespace=namespace)
    if status:
        api.patch(each["kind"], meta["name"], status, namespace=namespace, part="/status")


def _plain(kind: str, each: Object) -> Object:
    meta = {key: value for key, value in each["metadata"].items() if key not in UNCOMPARED}
    version = "apps/v1" if kind == "DaemonSet" else "v1"
    return {**each, "kind": kind, "apiVersion": version, "metadata": meta}


def _identity(each: Object) -> tuple[str, str, str]:
    meta = each["metadata"]
    return each["kind"], meta.get("namespace", ""), meta["name"]
