"""The machines and the cable: a switch in a namespace of its own, and every node's NICs."""

from collections.abc import Sequence

from tracer.errors import CollectFailed, NotSupported
from tracer.lab.paths import NETNS_DIR, UNDERLAY
from tracer.lab.plan import PlannedNode
from tracer.lab.shape import Shape
from tracer.lab.shell import ip, run, set_sysctls

SWITCH = "switch"
"""The bridge in the underlay's namespace; its ports are called as the nodes are."""
VLAN = 100
ROUTER = "192.0.2.1"
"""Where the shape `nat` translates: the switch's own address."""
PUBLIC = "203.0.113.0/24"
NAT_NIC, NAT_ADDRESS, NAT_GATEWAY = "eth0", "10.0.2.15", "10.0.2.2"
"""Vagrant's: the same on every machine."""

_TRIALS = {
    "vlan": "ip link add v0 type veth && ip link add link v0 name v0.1 type vlan id 1",
    "bond": "ip link add b0 type bond mode active-backup",
}


def check_kernel(shape: Shape) -> None:
    """Raise NotSupported, with the kernel's words, where it has no devices of the uplink's kind."""
    trial = _TRIALS.get(shape.uplink_kind)
    if trial is None:
        return
    try:
        run(["unshare", "--net", "sh", "-c", trial])
    except CollectFailed as failure:
        raise NotSupported(
            f"this kernel makes no {shape.uplink_kind} devices: {failure.what}",
            where=f"lab up --shape {shape.name}",
            hint="a kernel with CONFIG_VLAN_8021Q and CONFIG_BONDING; or another shape",
        ) from failure


def build_switch(nodes: Sequence[PlannedNode]) -> None:
    """Make the underlay: one bridge, one port a NIC.

    The bridge's packets do not visit netfilter's IP hooks: a physical switch has none.
    """
    lines = [f"link add {SWITCH} type bridge", f"link set {SWITCH} up"]
    ip(UNDERLAY, lines + [line for node in nodes for line in cables(node)])
    bypassed = ("iptables", "ip6tables", "arptables")
    set_sysctls(UNDERLAY, {f"net/bridge/bridge-nf-call-{tool}": "0" for tool in bypassed})
    if nodes[0].shape.natted:
        _translate(nodes)


def cables(node: PlannedNode) -> list[str]:
    """The `ip` commands, in the underlay's namespace, that plug a node's NICs in."""
    shape = node.shape
    mtu = shape.uplink_mtu
    lines = []
    for number, nic in enumerate(_nics(shape)):
        port = node.name if number == 0 else f"{node.name}-{number}"
        mac = node.uplink_mac if number == 0 else node.uplink_mac.replace("52:54", "52:55")
        lines += [
            f"link add {port} mtu {mtu} type veth peer name {nic}"
            f" netns {node.name} address {mac} mtu {mtu}",
            f"link set {port} master {SWITCH} up",
        ]
    if shape.nat_nic:
        mac = f"52:54:00:0a:02:{node.number:02x}"
        lines += [
            f"link add nat-{node.name} type veth peer name {NAT_NIC} netns {node.name}"
            f" address {mac}",
            f"link set nat-{node.name} up",
        ]
    return lines


def _nics(shape: Shape) -> tuple[str, ...]:
    """The NICs of a node that are plugged into the switch."""
    return {"vlan": ("eth0",), "bond": ("eth0", "eth1")}.get(shape.uplink_kind, (shape.uplink,))


def start_node(node: PlannedNode) -> None:
    """Bring up a node's loopback and its uplink with the address."""
    shape = node.shape
    if 6 in shape.families:
        take_addresses_at_once(node.name, *_nics(shape))
    lines = ["link set lo up", *_stacked(shape), f"link set {shape.uplink} up"]
    for stand in node.stands:
        broadcast = " brd +" if stand.family == 4 else ""
        lines.append(f"address add {stand.address}/{stand.prefix}{broadcast} dev {shape.uplink}")
    if shape.nat_nic:
        lines += [
            f"address add {NAT_ADDRESS}/24 brd + dev {NAT_NIC}",
            f"link set {NAT_NIC} up",
            f"route add default via {NAT_GATEWAY} dev {NAT_NIC}",
        ]
    if shape.natted:
        lines.append(f"route add default via {ROUTER}")
    ip(node.name, lines)


def take_addresses_at_once(netns: str, *devices: str) -> None:
    """No look for duplicates of IPv6 addresses, which takes a second and more: nodes and pods are

    meant to have been there for long. It holds for `devices` and for those that come later.
    """
    names = ("accept_dad", "dad_transmits")
    set_sysctls(
        netns,
        {f"net/ipv6/conf/{each}/{name}": "0" for each in ("default", *devices) for name in names},
    )


def _stacked(shape: Shape) -> list[str]:
    """What makes the uplink out of NICs."""
    if shape.uplink_kind == "vlan":
        return [
            "link set eth0 up",
            f"link add link eth0 name {shape.uplink} type vlan id {VLAN}",
        ]
    if shape.uplink_kind == "bond":
        return [
            f"link add {shape.uplink} type bond mode active-backup miimon 100",
            *(f"link set {nic} master {shape.uplink}" for nic in _nics(shape)),
        ]
    return []


def _translate(nodes: Sequence[PlannedNode]) -> None:
    """1:1 NAT, as clouds do it: each node has an address that only the router knows to be its."""
    ip(UNDERLAY, [f"address add {ROUTER}/24 dev {SWITCH}", "link set lo up"])
    set_sysctls(
        UNDERLAY,
        {
            "net/ipv4/ip_forward": "1",
            "net/ipv4/conf/all/send_redirects": "0",
            f"net/ipv4/conf/{SWITCH}/send_redirects": "0",
        },
    )
    pairs = [(node.address, node.stand().public_ip) for node in nodes]
    there = ", ".join(f"{public} : {address}" for address, public in pairs)
    back = ", ".join(f"{address} : {public}" for address, public in pairs)
    rules = (
        "table ip router {\n chain prerouting {\n"
        "  type nat hook prerouting priority dstnat;\n"
        f"  dnat to ip daddr map {{ {there} }}\n }}\n"
        " chain postrouting {\n  type nat hook postrouting priority srcnat;\n"
        f"  ct status dnat snat to ip saddr map {{ {back} }}\n }}\n}}\n"
    )
    run(["nsenter", f"--net={NETNS_DIR}/{UNDERLAY}", "--", "nft", "-f", "-"], text=rules)
