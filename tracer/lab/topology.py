"""The machines and the cable: a switch in a namespace of its own, and every node's eth0."""

from collections.abc import Sequence

from tracer.lab.paths import UNDERLAY
from tracer.lab.plan import UNDERLAY_PREFIX, UPLINK, UPLINK_MTU, PlannedNode
from tracer.lab.shell import ip, set_sysctls

SWITCH = "switch"
"""The bridge in the underlay's namespace; its ports are called as the nodes are."""


def build_switch(nodes: Sequence[PlannedNode]) -> None:
    """Make the underlay: one bridge, one port a node.

    The bridge's packets do not visit netfilter's IP hooks: a physical switch has none.
    """
    lines = [f"link add {SWITCH} type bridge", f"link set {SWITCH} up"]
    for node in nodes:
        lines += [
            f"link add {node.name} mtu {UPLINK_MTU} type veth peer name {UPLINK}"
            f" netns {node.name} address {node.uplink_mac} mtu {UPLINK_MTU}",
            f"link set {node.name} master {SWITCH} up",
        ]
    ip(UNDERLAY, lines)
    bypassed = ("iptables", "ip6tables", "arptables")
    set_sysctls(UNDERLAY, {f"net/bridge/bridge-nf-call-{tool}": "0" for tool in bypassed})


def start_node(node: PlannedNode) -> None:
    """Bring up a node's loopback and its uplink with the address."""
    ip(
        node.name,
        [
            "link set lo up",
            f"link set {UPLINK} up",
            f"address add {node.address}/{UNDERLAY_PREFIX} brd + dev {UPLINK}",
        ],
    )
