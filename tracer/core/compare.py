"""One table entry each: what a node's tables say to a packet, held against what is promised."""

from tracer.core.expect import Expectation, goes_direct, leads_there, route_words
from tracer.core.leases import NetConfRead
from tracer.core.routes import RouteAnswer
from tracer.core.tables import Tables
from tracer.model.packet import Inner, Ip, Mac, Outer
from tracer.model.path import Entry, Mark
from tracer.model.state import Link, PodLink

UNRESOLVED = ("INCOMPLETE", "FAILED", "NONE")

_NEEDS = {
    "route": ("routes", "rules"),
    "neighbour": ("neighbours",),
    "fdb": ("fdb",),
    "vtep": ("links",),
    "port": ("links",),
}


def skipped(table: str, tables: Tables | None) -> Entry | None:
    """The entry that says why a table could not be asked; None: it can."""
    if tables is None:
        return Entry(table=table, text="not read on this node", mark=Mark.SKIP)
    for gap in tables.state.not_read:
        if gap.what in _NEEDS[table]:
            return Entry(table=table, text=f"{gap.what} not read: {gap.why}", mark=Mark.SKIP)
    return None


def route_entry(
    answer: RouteAnswer,
    tables: Tables,
    vtep: Link | None,
    expected: Expectation | None,
    conf: NetConfRead | None,
) -> Entry:
    """The sender's route to the peer. `expected` None: the leases promise none."""
    text = route_text(answer, tables)
    if expected is None:
        return Entry(table="route", text=text)
    if leads_there(answer.route, expected, vtep, conf):
        return Entry(table="route", text=text, mark=Mark.OK)
    return Entry(
        table="route",
        text=text,
        mark=Mark.BAD,
        expected=route_words(expected, vtep.ifname if vtep is not None else "flannel's VTEP"),
        because=expected.route_source,
    )


def neighbour_entry(tables: Tables, vtep: Link, gateway: Ip, expected: Expectation | None) -> Entry:
    """Which MAC the sender writes for the peer's flannel address."""
    entry = tables.neighbour(vtep.ifindex, gateway)
    if entry is None:
        text, mac = f"no entry for {gateway}", None
    elif entry.mac is None or entry.state in UNRESOLVED:
        text, mac = f"{gateway} is {entry.state}", None
    else:
        text, mac = f"{gateway} is at {entry.mac} {entry.state}", entry.mac
    wanted = expected.vtep_mac if expected is not None else None
    because = expected.mac_source if expected is not None else None
    return _held("neighbour", text, mac, wanted, because)


def fdb_entry(tables: Tables, vtep: Link, mac: Mac, expected: Expectation | None) -> Entry:
    """Where the sender's VTEP sends what is addressed to that MAC."""
    entry = tables.fdb(vtep.ifindex, mac)
    dst = entry.dst if entry is not None else None
    text = f"{mac} dst {dst} {entry.state}" if entry is not None else f"no entry for {mac}"
    if dst is not None and tables.has_address(dst):
        # The kernel then takes the packet back in by the same VTEP (vxlan_encap_bypass).
        text += f", an address of {tables.state.node} itself"
    wanted = expected.public_ip if expected is not None else None
    return _held("fdb", text, dst, wanted, expected.ip_source if expected is not None else None)


def _held(
    table: str, text: str, actual: str | None, wanted: str | None, because: str | None
) -> Entry:
    """An entry held against what the lease promises."""
    if wanted is None:
        return Entry(table=table, text=text, mark=Mark.NONE if actual is not None else Mark.BAD)
    if actual == wanted:
        return Entry(table=table, text=text, mark=Mark.OK)
    return Entry(table=table, text=text, mark=Mark.BAD, expected=wanted, because=because)


def underlay_entry(
    outer: Outer | None, answer: RouteAnswer | None, expected: Expectation
) -> Entry | None:
    """Only what is worth a word: a packet that leaves bare, or not to the lease's address."""
    if expected.public_ip is None:
        return None
    if outer is not None and outer.dst == expected.public_ip:
        return None
    if outer is None and goes_direct(answer.route if answer is not None else None, expected):
        return Entry(table="underlay", text="not encapsulated: routed directly", mark=Mark.OK)
    return Entry(
        table="underlay",
        text="not encapsulated" if outer is None else f"sent to {outer.dst}",
        mark=Mark.BAD,
        expected=f"in vxlan to {expected.public_ip}" if outer is None else expected.public_ip,
        because=expected.ip_source,
    )


def vtep_entry(ifname: str, tables: Tables, inner: Inner) -> Entry | None:
    """The receiver's VTEP, and the MAC that the packet was addressed to on the wire."""
    vtep = tables.link_named(ifname)
    if vtep is None or inner.dst_mac is None:
        return None
    text = f"{ifname} on {tables.state.node} has {vtep.mac}"
    if vtep.mac == inner.dst_mac:
        return Entry(table="vtep", text=text, mark=Mark.OK)
    return Entry(
        table="vtep",
        text=text,
        mark=Mark.BAD,
        expected=inner.dst_mac,
        because="the packet's inner destination MAC",
    )


def unfit_vtep(tables: Tables, outer: Outer, family: int) -> Entry | None:
    """Why the receiver's VTEP cannot take the packet that its uplink got; None: it can."""
    vtep = tables.vtep(outer.vni, family) or tables.vtep(None, family)
    node = tables.state.node
    if vtep is None or vtep.vxlan is None:
        return Entry(table="vtep", text=f"{node} has no VTEP of flannel", mark=Mark.BAD)
    wrong = None
    if not vtep.up:
        wrong = (f"{vtep.ifname} is down", "up")
    elif vtep.vxlan.port != outer.dst_port:
        wrong = (f"{vtep.ifname} listens on udp {vtep.vxlan.port}", f"udp {outer.dst_port}")
    elif outer.vni is not None and vtep.vxlan.vni != outer.vni:
        wrong = (f"{vtep.ifname} has vni {vtep.vxlan.vni}", f"vni {outer.vni}")
    if wrong is None:
        return None
    because = "the packet" if vtep.up else None
    return Entry(table="vtep", text=wrong[0], mark=Mark.BAD, expected=wrong[1], because=because)


def delivery_route(tables: Tables, inner: Inner, bridge: Link, iif: str | None) -> Entry:
    """The receiver's route to the pod. The bridge plugin made it, no lease says it."""
    answer = tables.route(inner.dst, src=inner.src, iif=iif)
    right = answer.route is not None and answer.route.ifindex == bridge.ifindex
    text = route_text(answer, tables)
    if right:
        return Entry(table="route", text=text, mark=Mark.OK)
    return Entry(
        table="route",
        text=text,
        mark=Mark.BAD,
        expected=f"dev {bridge.ifname}",
    )


def pod_neighbour(
    tables: Tables, inner: Inner, bridge: Link, pod: PodLink | None, *, failed: bool
) -> Entry | None:
    """Which MAC the receiver writes for the pod; the kernel learns it, no lease promises it.

    `failed`: the kernel gave up on it. A recording's state is of the moment before the packets.
    """
    entry = tables.neighbour(bridge.ifindex, inner.dst)
    if entry is None or entry.mac is None:
        if not failed:
            return None
        state = (
            f"{inner.dst} is {entry.state}" if entry is not None else f"no entry for {inner.dst}"
        )
        return Entry(table="neighbour", text=state, mark=Mark.BAD)
    text = f"{inner.dst} is at {entry.mac} {entry.state}"
    if pod is None or pod.mac is None or pod.mac == entry.mac:
        return Entry(table="neighbour", text=text)
    return Entry(
        table="neighbour",
        text=text,
        mark=Mark.BAD,
        expected=pod.mac,
        because=f"{pod.ifname} of the pod",
    )


def port_entry(tables: Tables, veth: Link | None, bridge: Link | None) -> Entry | None:
    """Only what is wrong: the host's end of a pod's veth pair that is off the bridge, or down."""
    if veth is None or bridge is None:
        return None
    master = tables.link(veth.master)
    if veth.master == bridge.ifindex and veth.up:
        return None
    where = f"master {master.ifname}" if master is not None else "no master"
    return Entry(
        table="port",
        text=f"{veth.ifname} {'has ' + where if veth.up else 'is down'}",
        mark=Mark.BAD,
        expected=f"up, master {bridge.ifname}",
    )


def route_text(answer: RouteAnswer, tables: Tables) -> str:
    """In iproute2's words."""
    route = answer.route
    unsure = f", rules by {', '.join(answer.not_evaluated)} not evaluated"
    if route is None:
        words = {"none": "no route", "local": "local"}.get(answer.kind)
        text = words or f"{answer.kind} by ip rule"
        return text + (unsure if answer.not_evaluated else "")
    default = route.destination in ("0.0.0.0/0", "::/0")
    said = [] if route.kind == "unicast" else [route.kind]
    said.append("default" if default else route.destination)
    if route.gateway is not None:
        said += ["via", route.gateway]
    link = tables.link(route.ifindex)
    if link is not None:
        said += ["dev", link.ifname]
    if route.onlink:
        said.append("onlink")
    return " ".join(said) + (unsure if answer.not_evaluated else "")
