"""Faults of pod CIDRs, of the leases made of them, and of leases that are gone."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from tracer.lab import firewall, flanneld, objects, overlay
from tracer.lab.faults.fault import (
    RECEIVER,
    SENDER,
    Fault,
    Plan,
    node,
    others,
)
from tracer.lab.faults.writing import annotate, crashing_flannel, now
from tracer.lab.flanneld import Peer
from tracer.lab.plan import NETWORK, PlannedNode, made_up_mac
from tracer.lab.rest import Api
from tracer.lab.shell import bridge, ip
from tracer.lab.variants.variant import bystander

DEVICE = overlay.healthy_backend().device
PREDECESSOR = Peer(
    node="node-x",
    pod_cidr="10.244.2.0/24",
    vtep_mac=made_up_mac("flannel.1/node-x"),
    public_ip="192.0.2.99",
)
"""A node that was deleted, and had the subnet that node-b has now."""
DELETED = Peer(
    node="node-y",
    pod_cidr="10.244.2.128/25",
    vtep_mac=made_up_mac("flannel.1/node-y"),
    public_ip="192.0.2.98",
)
"""A node that was deleted, of the time of smaller subnets."""
OTHER_CIDR, OTHER_NETWORK = "10.245.0.0/24", "10.245.0.0/16"
"""Outside of flannel's network."""


def annotations_missing(plan: Plan) -> None:
    """node-b's Node was deleted, and the kubelet registered it again without flannel's annotations.

    Its podCIDR is the same again. Every other flanneld saw the Node go and removed what it had of
    it, and ignores the new one, for it is not marked as flannel's; flanneld on node-b writes the
    annotations only when it starts.
    """
    _make_node(node(plan, RECEIVER))
    _forget(plan, RECEIVER)


def podcidr_moved_race(plan: Plan) -> None:
    """node-a took node-b's entries away together with those of the node that had its subnet before.

    node-x was deleted, and node-b joined and got its subnet. On node-a flanneld got node-b's lease
    before it removed node-x's: it looked the lease up by its subnet, found node-b's, and removed
    that. Only the FDB entry of node-x's MAC stayed.
    """
    joined = node(plan, RECEIVER)
    _make_node(joined)
    annotate(RECEIVER, overlay.healthy_annotations(joined))
    bridge(SENDER, [flanneld.fdb_entry(DEVICE, PREDECESSOR)])
    _remove(SENDER, _peer(plan, SENDER, RECEIVER))


def stale_route_deleted_node(_plan: Plan) -> None:
    """node-a still has the entries of a deleted node; its subnet is the upper half of node-b's now.

    Node subnets were of /25 once. flanneld on node-a was down when that node went, and removes
    nothing at its start; then subnets of /24 were given, and node-b got the one around it.
    """
    flanneld.add_peers(SENDER, DEVICE, [DELETED])


def duplicate_podcidr(plan: Plan) -> None:
    """node-c has node-b's podCIDR: it stood in the manifest by which somebody made its Node again.

    flanneld on node-c was restarted and took the subnet; so did cni0 with the next pod. flanneld on
    node-b takes node-c's lease for its own, and node-c node-b's; node-a follows the lease that came
    last, which is node-c's.
    """
    twin, cidr = bystander(plan), node(plan, RECEIVER).pod_cidr
    _register_again(plan, twin, [cidr])
    vtep = replace(overlay.healthy_vtep(twin), pod_cidr=cidr)
    new = flanneld.network_address(cidr)
    # With its only address the device loses routes and neighbours.
    ip(twin.name, [f"address del {twin.vtep_ip}/32 dev {DEVICE}"])
    ip(twin.name, [f"address add {new}/32 dev {DEVICE}"])
    flanneld.write_subnet_env(twin.name, vtep)
    firewall.renew_masquerade_rules(twin.name, NETWORK, cidr)
    _renumber_bridge(twin, node(plan, RECEIVER).gateway)
    annotate(twin.name, flanneld.annotations(vtep))
    lease = Peer(twin.name, cidr, vtep.mac, vtep.local)
    for each in others(plan, twin.name):
        if each.pod_cidr != cidr:
            flanneld.add_peers(each.name, DEVICE, [lease])
            flanneld.add_peers(twin.name, DEVICE, [_peer(plan, twin.name, each.name)])


def heal_duplicate_podcidr(plan: Plan) -> None:
    """Give node-c's cni0 its own address again; the device follows by the general order."""
    twin = bystander(plan)
    firewall.renew_masquerade_rules(twin.name, NETWORK, twin.pod_cidr)
    _renumber_bridge(twin, twin.gateway)
    heal_registered_in_vain(plan)


def podcidr_not_assigned(plan: Plan) -> None:
    """node-c was registered again and got no podCIDR: kube-controller-manager does not give any.

    An edit of its manifest lost the two flags. flanneld on node-c ends with "pod cidr not
    assigned"; what it made before is there still.
    """
    _register_in_vain(plan, [], lambda words: [word for word in words if "-cidr" not in word])


def podcidr_outside_network(plan: Plan) -> None:
    """node-c was registered again and got a podCIDR outside of flannel's network.

    Somebody gave kube-controller-manager another --cluster-cidr; net-conf.json was not changed.
    flanneld on node-c ends: the network "doesn't contain" its PodCIDR.
    """
    _register_in_vain(
        plan,
        [OTHER_CIDR],
        lambda words: [
            f"--cluster-cidr={OTHER_NETWORK}" if word.startswith("--cluster-cidr") else word
            for word in words
        ],
    )


def heal_registered_in_vain(plan: Plan) -> None:
    """Make node-c's Node with its own podCIDR, which no patch can change, and its subnet.env."""
    victim = bystander(plan)
    _make_node(victim)
    flanneld.write_subnet_env(victim.name, *overlay.healthy_vteps(victim))


def own_flannel1_down(_plan: Plan) -> None:
    """node-a's flannel.1 is down; the kernel took its routes and neighbours with it."""
    ip(SENDER, [f"link set {DEVICE} down"])


def heal_own_flannel1_down(_plan: Plan) -> None:
    """Bring node-a's flannel.1 up; its entries come back by the general order."""
    ip(SENDER, [f"link set {DEVICE} up"])


def _peer(plan: Plan, of: str, name: str) -> Peer:
    return next(p for p in overlay.healthy_peers(node(plan, of), plan) if p.node == name)


def _forget(plan: Plan, name: str) -> None:
    """What every other flanneld does when a Node goes (vxlan_network.go:454-485)."""
    for each in others(plan, name):
        _remove(each.name, _peer(plan, each.name, name))


def _remove(on: str, peer: Peer) -> None:
    ip(on, [f"neigh del {peer.vtep_ip} dev {DEVICE}"])
    bridge(on, [f"fdb del {peer.vtep_mac} dev {DEVICE} dst {peer.public_ip} self"])
    ip(on, [f"route del {peer.pod_cidr} dev {DEVICE}"])


def _make_node(planned: PlannedNode, cidrs: Sequence[str] | None = None) -> None:
    """The Node is deleted, and made anew as the kubelet does it; `cidrs` None: the same ones."""
    made = objects.node(planned, now())
    if cidrs is not None:
        made["spec"] = {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)} if cidrs else {}
    api = Api()
    api.delete({"kind": "Node", "metadata": {"name": planned.name}})
    api.create(made)
    api.close()


def _register_again(plan: Plan, planned: PlannedNode, cidrs: Sequence[str]) -> None:
    """With another podCIDR: others forget the node, and its pods go from the API with the Node.

    Their devices stay for now: it is the kubelet's to end them.
    """
    _forget(plan, planned.name)
    _make_node(planned, cidrs)
    api = Api()
    for each in api.every("Pod"):
        here = each["spec"].get("nodeName") == planned.name
        if here and not each["metadata"].get("ownerReferences"):
            api.delete(each | {"kind": "Pod"})
    api.close()


def _renumber_bridge(planned: PlannedNode, gateway: str) -> None:
    before = ["address flush dev cni0 scope global"]
    ip(planned.name, [*before, f"address add {gateway}/24 brd + dev cni0"])


def _register_in_vain(
    plan: Plan, cidrs: Sequence[str], command: Callable[[list[str]], list[str]]
) -> None:
    """flanneld was restarted on the last node, and does not get as far as its lease.

    `command`: what became of kube-controller-manager's.
    """
    victim = bystander(plan)
    _register_again(plan, victim, cidrs)
    crashing_flannel(victim.name)
    api = Api()
    for pod in api.every("Pod"):
        if pod["metadata"].get("labels", {}).get("component") == "kube-controller-manager":
            (container,) = pod["spec"]["containers"]
            spec = {"containers": [container | {"command": command(container["command"])}]}
            name = pod["metadata"]["name"]
            api.patch("Pod", name, {"spec": spec}, namespace="kube-system")
    api.close()


A_THIRD_NODE = "it hits a third node"

FAULTS = (
    Fault(annotations_missing),
    Fault(duplicate_podcidr, heal_duplicate_podcidr),
    Fault(podcidr_not_assigned, heal_registered_in_vain, spares=A_THIRD_NODE),
    Fault(podcidr_outside_network, heal_registered_in_vain, spares=A_THIRD_NODE),
    Fault(
        stale_route_deleted_node,
        spares="the old route takes the upper half of node-b's subnet, and pod-b is in the lower",
    ),
    Fault(podcidr_moved_race),
    Fault(own_flannel1_down, heal_own_flannel1_down, swapped="peer-flannel1-down"),
)
