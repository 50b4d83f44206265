"""What happens to a healthy cluster and leaves its traffic whole: no finding may come of it."""

from tracer.lab.variants import flannel, nodes
from tracer.lab.variants.variant import Variant

VARIANTS: dict[str, Variant] = {
    "flanneld-restarted": Variant(flannel.flanneld_restarted),
    "orphan-fdb": Variant(flannel.orphan_fdb),
    "multicast-noise": Variant(flannel.multicast_noise),
    "uplink-flapped": Variant(nodes.uplink_flapped),
    "node-joined": Variant(nodes.node_joined, nodes.heal_node_joined),
    "node-drained": Variant(nodes.node_drained, nodes.heal_node_drained),
    "node-deleting": Variant(nodes.node_deleting, nodes.heal_node_deleting),
}
