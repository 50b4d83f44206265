"""What the VXLAN devices and the underlay do (drivers/net/vxlan/vxlan_core.c)."""

from ipaddress import ip_address, ip_network

from tracer.core.compare import UNRESOLVED
from tracer.core.predict import firewall
from tracer.core.predict.host import REFUSED, spoofed
from tracer.core.predict.walk import At, Ending, Walk
from tracer.core.tables import Tables
from tracer.model.lease import Lease
from tracer.model.observation import Device, Direction
from tracer.model.packet import Arp, Ip, Outer, Packet
from tracer.model.state import Link, Vxlan

DEFAULT_ENTRY = "00:00:00:00:00:00"
SOURCE_PORT = 0
"""The kernel takes it from a hash of the inner headers."""


def vtep_puts_out(walk: Walk) -> At | Ending:
    """Neighbour, FDB entry, a way to the destination: each of them can be missing."""
    tables, route = walk.tables, walk.answer.route if walk.answer is not None else None
    vtep = tables.link(route.ifindex) if route is not None else None
    if route is None or vtep is None or vtep.vxlan is None:
        return walk.lost("the route names no VXLAN device that was recorded")
    gateway = route.gateway or walk.dst
    neighbour = tables.neighbour(vtep.ifindex, gateway)
    if neighbour is None or neighbour.mac is None or neighbour.state in UNRESOLVED:
        return _unresolved(walk, vtep, gateway)
    walk.src_mac, walk.dst_mac = vtep.mac, neighbour.mac
    walk.passes(vtep, Device.VTEP, Direction.OUT)
    entry = tables.fdb(vtep.ifindex, neighbour.mac) or tables.fdb(vtep.ifindex, DEFAULT_ENTRY)
    if entry is None or entry.dst is None:
        return walk.freed(vtep, Device.VTEP, "NO_TX_TARGET", "vxlan_xmit")
    return _encapsulated(walk, vtep, vtep.vxlan, entry.dst)


def _unresolved(walk: Walk, vtep: Link, gateway: Ip) -> Ending:
    """The kernel asks by ARP on a device without broadcasts, and gives up after 3 s."""
    if walk.family == 4:
        request = Arp(
            operation="who-has", sender_mac=vtep.mac or "", sender_ip=walk.src, target_ip=gateway
        )
        walk.freed(vtep, Device.VTEP, "NO_TX_TARGET", "vxlan_xmit", Packet(arp=request))
    return walk.freed(vtep, Device.VTEP, "NEIGH_FAILED", "neigh_invalidate")


def _encapsulated(walk: Walk, vtep: Link, vxlan: Vxlan, dst: Ip) -> At | Ending:
    """vxlan_xmit_one asks for a route from its local address, by whatever device.

    The device that the VTEP is bound to counts for its default entry only: an FDB entry without
    `via` has no remote_ifindex (vxlan_fdb_parse; measured).
    """
    tables = walk.tables
    if vxlan.local is not None and not tables.has_address(vxlan.local):
        return walk.freed(vtep, Device.VTEP, "IP_OUTNOROUTES", "vxlan_xmit_one")
    if tables.has_address(dst):
        return _bypassed(walk, vxlan, dst)
    answer = tables.route(dst, src=vxlan.local)
    uplink = tables.link(answer.route.ifindex) if answer.route is not None else None
    if answer.kind in (*REFUSED, "none") or uplink is None or not uplink.up:
        return walk.freed(vtep, Device.VTEP, "IP_OUTNOROUTES", "vxlan_xmit_one")
    walk.answer, walk.group = answer, _group(walk, vxlan)
    walk.outer = Outer(
        src_mac=uplink.mac,
        dst_mac=None,
        src=vxlan.local or (answer.route.source if answer.route else None) or "",
        dst=dst,
        src_port=SOURCE_PORT,
        dst_port=vxlan.port,
        vni=vxlan.vni,
    )
    # Until ip_output the outer packet's device is still the VTEP.
    return (
        firewall.drops(walk, "output", (vtep, Device.VTEP), uplink)
        or firewall.drops(walk, "postrouting", (uplink, Device.UPLINK), uplink)
        or At.UPLINK_PUTS_OUT
    )


def _group(walk: Walk, vxlan: Vxlan) -> int | None:
    """With GBP the packet's own mark goes along, if it has one (vxlan_build_gbp_hdr)."""
    if not vxlan.gbp or walk.filtered is None:
        return 0
    return walk.filtered.packet.mark


def _bypassed(walk: Walk, vxlan: Vxlan, dst: Ip) -> At | Ending:
    """To an address of its own the kernel does not send: it takes the frame straight in again.

    encap_bypass_if_local looks for a device of this VNI, port and family; without one it frees the
    packet.
    """
    for link in walk.tables.state.links:
        here = link.vxlan
        if here is None or not link.up or _in_ipv6(here) is not (":" in dst):
            continue
        if (here.vni, here.port) == (vxlan.vni, vxlan.port):
            walk.came_by, walk.bypassed = link, True
            return At.VTEP_TAKES_IN
    return walk.lost("sent to an address of the node itself")


def uplink_puts_out(walk: Walk) -> At | Ending:
    """To whoever has the address that the packet, or its outer packet, is sent to."""
    tables, route = walk.tables, walk.answer.route if walk.answer is not None else None
    uplink = tables.link(route.ifindex) if route is not None else None
    if route is None or uplink is None:
        return walk.lost("the route names no device that was recorded")
    outer = walk.outer
    if outer is None and route.gateway is None and uplink != tables.uplink(None):
        return _by_another_network(walk, uplink)
    hop = route.gateway or (outer.dst if outer is not None else walk.dst)
    meant = outer.dst if outer is not None else hop
    owner = walk.facts.owner_of(meant) or walk.facts.behind(meant)
    if owner is not None and outer is not None and _has_left(walk, owner, meant):
        owner = None
    # Without a carrier the kernel forgets who answered there (neigh_carrier_down).
    if not uplink.carrier or (
        owner is None and route.gateway is None and not _answers(tables, uplink, hop)
    ):
        return walk.freed(uplink, Device.UPLINK, "NEIGH_FAILED", "neigh_invalidate")
    walk.passes(uplink, Device.UPLINK, Direction.OUT)
    if owner is None:
        return walk.lost(f"no node has {meant}")
    if _kept_by(walk, owner):
        return walk.lost(f"{owner} takes {walk.dst} for an address of its own pods")
    if _foreign(walk, owner):
        return walk.lost(f"{owner} has {meant}, and its VTEP has another MAC")
    if outer is not None and route.gateway is not None and walk.facts.hidden_by_nat(owner, meant):
        return walk.unknown(f"whether {route.gateway} leads to {meant} is in no table")
    sender = walk.node
    walk.node = owner
    into = _uplink_of(walk.tables, meant)
    if into is None or not (into.up and into.carrier) or _frame(walk, uplink) > into.mtu:
        walk.node = sender
        return walk.lost(_not_taken(owner, into))
    walk.came_by = into
    return At.UPLINK_TAKES_IN


def _by_another_network(walk: Walk, link: Link) -> Ending:
    """A pod's bare packet, put on a network of the host's own: who is there is in no table."""
    if link.carrier and _answers(walk.tables, link, walk.dst):
        return walk.lost(f"whoever has {walk.dst} on {link.ifname} is no pod")
    return walk.freed(link, Device.UNKNOWN, "NEIGH_FAILED", "neigh_invalidate")


def _has_left(walk: Walk, owner: str, ip: Ip) -> bool:
    """The Node object has the address still, its kernel has not; and no NAT answers for it."""
    state, node = walk.facts.bundle.nodes.get(owner), walk.facts.api_node(owner)
    if state is None or any(address.ip == ip for address in state.addresses):
        return False
    read = all(gap.what != "addresses" for gap in state.not_read)
    external = node.external_ips if node is not None else ()
    return read and ip not in external and walk.facts.behind(ip) is None


def _kept_by(walk: Walk, owner: str) -> bool:
    """A third node with the same pod CIDR has no such pod: to know that, its lease is enough."""
    facts = walk.facts
    if owner in (walk.node, walk.destination.node) or owner in facts.bundle.nodes:
        return False
    subnets = (net for net, nodes in facts.subnets.items() if owner in nodes)
    return any(ip_address(walk.dst) in ip_network(net) for net in subnets)


def _foreign(walk: Walk, owner: str) -> bool:
    """A third node's VTEP takes it in and frees it: to know that, its lease is enough."""
    if walk.outer is None or owner in (walk.source.node, walk.destination.node):
        return False
    known = owner in walk.facts.bundle.nodes
    return not known and walk.facts.lease(owner, walk.family).vtep_mac not in (None, walk.dst_mac)


def _answers(tables: Tables, uplink: Link, ip: Ip) -> bool:
    entry = tables.neighbour(uplink.ifindex, ip)
    return entry is not None and entry.mac is not None and entry.state not in UNRESOLVED


def _frame(walk: Walk, uplink: Link) -> int:
    """Bytes of the largest IP packet that goes over the wire; the uplink cuts what is larger."""
    size = walk.probe.size + (walk.overhead() if walk.outer is not None else 0)
    return min(size, uplink.mtu)


def _not_taken(node: str, link: Link | None) -> str:
    if link is None:
        return f"the uplink of {node} is not known"
    if not link.up:
        return f"{link.ifname} of {node} is down"
    if not link.carrier:
        return f"{link.ifname} of {node} has no carrier"
    return f"{link.ifname} of {node} takes no more than {link.mtu} B"


def _uplink_of(tables: Tables, ip: Ip) -> Link | None:
    """The device that holds an underlay address; behind a NAT, that which the VTEP is bound to."""
    for address in tables.state.addresses:
        if address.ip == ip:
            return tables.link(address.ifindex)
    return tables.uplink(None)


def comes_in(walk: Walk, vtep: Link, vxlan: Vxlan, here: Ip | None, there: Lease) -> None:
    """Put the walk before the receiver's uplink, with all that the leases promise of its packet."""
    walk.node = walk.destination.node
    walk.ttl -= 1
    walk.src_mac, walk.dst_mac = there.vtep_mac, vtep.mac
    walk.outer = Outer(
        src_mac=None,
        dst_mac=None,
        src=there.public_ip or "",
        dst=here or "",
        src_port=SOURCE_PORT,
        dst_port=vxlan.port,
        vni=vxlan.vni,
    )
    walk.came_by = _uplink_of(walk.tables, walk.outer.dst)


def uplink_takes_in(walk: Walk) -> At | Ending:
    """The outer packet is for this node's UDP socket; a bare one is routed on as it is."""
    link, outer = walk.came_by, walk.outer
    if link is None:
        return walk.lost("the uplink is not known")
    walk.passes(link, Device.UPLINK, Direction.IN)
    if outer is None:
        return At.IP_TAKES_IN
    if dropped := firewall.drops(walk, "prerouting", (link, Device.UPLINK)):
        return dropped
    if spoofed(walk, link, outer.src, outer.dst):
        return walk.freed(link, Device.UPLINK, "IP_RPFILTER", "ip_rcv_finish_core")
    if dropped := firewall.drops(walk, "input", (link, Device.UPLINK)):
        return dropped
    return _unpacked(walk, link, outer)


def _unpacked(walk: Walk, uplink: Link, outer: Outer) -> At | Ending:
    """The VXLAN device of this port and VNI takes it, if there is one."""
    six = ":" in outer.dst
    listening = [
        (link, link.vxlan)
        for link in walk.tables.state.links
        if link.vxlan is not None and link.up and link.vxlan.port == outer.dst_port
        if link.vxlan.external or _in_ipv6(link.vxlan) is six
    ]
    if not listening:
        caller = "__udp6_lib_rcv" if six else "__udp4_lib_rcv"
        return walk.freed(uplink, Device.UPLINK, "NO_SOCKET", caller)
    for link, vxlan in listening:
        if vxlan.external and walk.dst_mac != link.mac:
            # Its socket is the port's only one, and takes all VNIs (vxlan_vs_find_vni).
            return walk.freed(link, Device.UNKNOWN, "OTHERHOST", "ip_rcv_core")
    taking = [(link, vxlan) for link, vxlan in listening if vxlan.vni == outer.vni]
    if not taking:
        return walk.freed(uplink, Device.UPLINK, "VXLAN_VNI_NOT_FOUND", "vxlan_rcv")
    vtep, vxlan = taking[0]
    if walk.group and not vxlan.gbp:
        return walk.freed(uplink, Device.UPLINK, "VXLAN_INVALID_HDR", "vxlan_rcv")
    if walk.group is None and not vxlan.gbp:
        walk.doubts.append(f"{walk.node} frees what carries a mark, and whether it does is unclear")
    if walk.src_mac is not None and walk.src_mac == vtep.mac:
        # vxlan_set_mac has given it to the VTEP by then (eth_type_trans).
        return walk.freed(vtep, Device.VTEP, "LOCAL_MAC", "vxlan_rcv")
    walk.came_by, walk.outer = vtep, None
    return At.VTEP_TAKES_IN


def _in_ipv6(vxlan: Vxlan) -> bool:
    """Of which family its socket is: that of its addresses, else IPv4 (Linux vxlan_sock_add)."""
    return any(ip is not None and ":" in ip for ip in (vxlan.local, vxlan.group))


def vtep_takes_in(walk: Walk) -> At | Ending:
    """Whose MAC is it? ip_rcv_core frees what is for another (OTHERHOST)."""
    vtep = walk.came_by
    if vtep is None:
        return walk.lost("the VTEP is not known")
    walk.passes(vtep, Device.VTEP, Direction.IN)
    for_another = walk.dst_mac is not None and walk.dst_mac != vtep.mac and not walk.bypassed
    walk.bypassed = False
    if for_another:
        caller = "ip6_rcv_core" if walk.family == 6 else "ip_rcv_core"
        return walk.freed(vtep, Device.VTEP, "OTHERHOST", caller)
    return At.IP_TAKES_IN
