"""flannel on all nodes: starting it, and putting everything that it wrote back in order."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tracer.lab import flanneld, paths
from tracer.lab.flanneld import VXLAN
from tracer.lab.plan import PlannedNode
from tracer.lab.rest import Api, difference
from tracer.lab.shape import PLAIN, Shape
from tracer.lab.shell import ip, run

Object = dict[str, Any]
Write = Callable[[str, str, Sequence[flanneld.Peer]], None]
KEPT_KINDS = {
    "Node": "v1",
    "Lease": "coordination.k8s.io/v1",
    "Pod": "v1",
    "ConfigMap": "v1",
    "DaemonSet": "apps/v1",
    "Service": "v1",
    "Endpoints": "v1",
    "EndpointSlice": "discovery.k8s.io/v1",
}
"""Kind -> apiVersion of what a heal puts right."""
UNCOMPARED = ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields")


def healthy_backend(shape: Shape = PLAIN, family: int | None = None) -> flanneld.Backend:
    """The backend as net-conf.json has it at the start."""
    conf = json.dumps(shape.net_conf)
    return flanneld.read_net_conf(conf, shape.uplink_mtu, family or shape.families[0])


def healthy_vtep(node: PlannedNode, family: int | None = None) -> flanneld.Vtep:
    """A node's vxlan device as it is at the start, in one family; the cluster's first one."""
    stand, shape = node.stand(family), node.shape
    conf = shape.net_conf
    if node.name in shape.host_gw:
        conf["Backend"] = {"Type": "host-gw"}
    return flanneld.Vtep(
        backend=flanneld.read_net_conf(json.dumps(conf), shape.uplink_mtu, stand.family),
        mac=stand.vtep_mac,
        local=stand.address,
        uplink=shape.uplink,
        pod_cidr=stand.pod_cidr,
        overwrite=stand.public_ip if shape.natted else None,
    )


def healthy_vteps(node: PlannedNode) -> tuple[flanneld.Vtep, ...]:
    """One for each of the cluster's families."""
    return tuple(healthy_vtep(node, family) for family in node.shape.families)


def healthy_annotations(node: PlannedNode) -> dict[str, str]:
    """What a node's flanneld publishes at its start, in all families."""
    shape = node.shape
    notes: dict[str, str] = {}
    for vtep in healthy_vteps(node):
        notes |= flanneld.annotations(vtep, shape.prefix, with_vni=shape.with_vni)
    return notes


def healthy_peers(
    node: PlannedNode, plan: tuple[PlannedNode, ...], family: int | None = None
) -> tuple[flanneld.Peer, ...]:
    """What a node's flanneld knows of the others at the start: those with its own backend."""
    shape = node.shape
    kind = shape.backend_type(node.name)
    return tuple(
        flanneld.Peer(
            node=each.name,
            pod_cidr=each.stand(family).pod_cidr,
            vtep_mac=each.stand(family).vtep_mac,
            public_ip=each.stand(family).public_ip,
        )
        for each in plan
        if each != node and shape.backend_type(each.name) == kind
    )


def make_devices(node: PlannedNode, indexes: Mapping[str, int] | None = None) -> None:
    """The node's vxlan devices, with the given ifindexes; none for host-gw."""
    for vtep in healthy_vteps(node):
        if vtep.backend.kind == VXLAN:
            flanneld.create_device(node.name, vtep, (indexes or {}).get(vtep.backend.device))


def write_entries(
    node: PlannedNode, plan: tuple[PlannedNode, ...], write: Write = flanneld.add_peers
) -> None:
    """What flanneld writes for each peer: neighbour, FDB entry, route; or a direct route alone."""
    for vtep in healthy_vteps(node):
        peers = healthy_peers(node, plan, vtep.backend.family)
        if is_direct(vtep):
            ip(node.name, [flanneld.direct_route(peer) for peer in peers])
        else:
            write(node.name, vtep.backend.device, peers)


def is_direct(vtep: flanneld.Vtep) -> bool:
    """Peers are reached by their own addresses: they are all on the lab's one subnet."""
    return vtep.backend.kind != VXLAN or vtep.backend.direct_routing


def devices_in_order(node: PlannedNode) -> bool:
    """Whether the node's vxlan devices are the healthy ones, addressed and up, and no others."""
    wanted = {
        vtep.backend.device: vtep for vtep in healthy_vteps(node) if vtep.backend.kind == VXLAN
    }
    shown = json.loads(run(["ip", "-n", node.name, "-d", "-j", "address", "show", "type", "vxlan"]))
    found = {each["ifname"]: each for each in shown if each}
    if found.keys() != wanted.keys():
        return False
    return all(_in_order(each, wanted[name]) for name, each in found.items())


def _in_order(link: Object, wanted: flanneld.Vtep) -> bool:
    data, backend = link["linkinfo"]["info_data"], wanted.backend
    v6 = backend.family == 6
    addresses = [
        each["local"]
        for each in link["addr_info"]
        if each["family"] == ("inet6" if v6 else "inet") and each["scope"] != "link"
    ]
    return (
        link["address"] == wanted.mac
        and link["mtu"] == wanted.mtu
        and "UP" in link["flags"]
        and addresses == [flanneld.network_address(wanted.pod_cidr)]
        and (data["id"], data["port"]) == (backend.vni, backend.port)
        and (data.get("local6" if v6 else "local"), data.get("link"))
        == (wanted.local, wanted.uplink)
        and bool(data.get("gbp")) is backend.gbp
    )


def recreate_device(node: PlannedNode, vtep: flanneld.Vtep, index: int | None = None) -> None:
    """Delete every vxlan device of a node and make that one."""
    _delete_devices(node)
    flanneld.create_device(node.name, vtep, index)


def _delete_devices(node: PlannedNode) -> None:
    shown = json.loads(run(["ip", "-n", node.name, "-j", "link", "show", "type", "vxlan"]))
    for each in shown:
        if each:
            flanneld.delete_device(node.name, each["ifname"])


def links(netns: str) -> set[str]:
    """The names of the devices in a network namespace."""
    return {each["ifname"] for each in json.loads(run(["ip", "-n", netns, "-j", "link"]))}


def vtep_indexes(plan: tuple[PlannedNode, ...]) -> dict[str, dict[str, int]]:
    """Node -> its vxlan devices -> their ifindexes."""
    command = ["-j", "link", "show", "type", "vxlan"]
    return {
        node.name: {
            each["ifname"]: each["ifindex"]
            for each in json.loads(run(["ip", "-n", node.name, *command]))
            if each
        }
        for node in plan
    }


def restore(plan: tuple[PlannedNode, ...], indexes: Mapping[str, Mapping[str, int]]) -> None:
    """Put devices, entries and the API's objects back to what they were when all was well."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda node: _restore_node(node, plan, indexes.get(node.name, {})), plan))
    api = Api()
    restore_objects(api)
    api.close()


def _restore_node(
    node: PlannedNode, plan: tuple[PlannedNode, ...], indexes: Mapping[str, int]
) -> None:
    if not devices_in_order(node):
        _delete_devices(node)
        make_devices(node, indexes)
    write_entries(node, plan, flanneld.put_entries_right)
    for vtep in healthy_vteps(node):
        if not is_direct(vtep):
            foreign = _foreign_routes(node, vtep, healthy_peers(node, plan, vtep.backend.family))
            ip(node.name, [f"route del {each} dev {vtep.backend.device}" for each in foreign])
    for place in (node.name, *(pod.name for pod in node.pods)):
        # What was asked for in vain while the fault lasted would fail at once, for a while.
        ip(place, ["neigh flush all nud failed", "neigh flush all nud incomplete"])


def _foreign_routes(
    node: PlannedNode, vtep: flanneld.Vtep, peers: tuple[flanneld.Peer, ...]
) -> list[str]:
    family = f"-{vtep.backend.family}"
    command = ["ip", "-n", node.name, family, "-j", "route", "show", "dev", vtep.backend.device]
    ours = {peer.pod_cidr for peer in peers}
    return [
        each["dst"]
        for each in json.loads(run(command))
        if each["dst"] not in ours and each.get("protocol") != "kernel"
    ]


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
    return {**each, "kind": kind, "apiVersion": KEPT_KINDS[kind], "metadata": meta}


def _identity(each: Object) -> tuple[str, str, str]:
    meta = each["metadata"]
    return each["kind"], meta.get("namespace", ""), meta["name"]
