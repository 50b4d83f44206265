"""A recording's state as lines in iproute2's words, each under the key by which it is the same one.

What changes by itself is left out: counters, the age of learned neighbours, handles of rules.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tracer.core.firewall_lines import firewall_lines
from tracer.core.leases import leases, net_conf
from tracer.core.routes import LOCAL
from tracer.core.tables import Tables
from tracer.model.bundle import Bundle
from tracer.model.state import Link, Neighbour, NodeState, Route, Rule

CLUSTER = "cluster"
_LEARNED = frozenset({"REACHABLE", "STALE", "DELAY", "PROBE"})
LEARNED = " learned"
"""How the text of a neighbour ends that comes and goes by itself."""


class Line(NamedTuple):
    """One entry. Two lines of one place, table and key are the same entry, changed or not."""

    place: str
    table: str
    key: str
    text: str


def listing(bundle: Bundle) -> Iterator[Line]:
    """Every line of a recording: the cluster's promises, then each node's tables."""
    yield from _promises(bundle)
    for node, state in sorted(bundle.nodes.items()):
        for table, key, text in _tables(state):
            yield Line(node, table, key, text)


def _promises(bundle: Bundle) -> Iterator[Line]:
    for lease in leases(bundle.cluster):
        key = f"{lease.node} {lease.family}"
        values = {
            "podCIDR": lease.pod_cidr,
            "backend-type": lease.backend_type,
            "VNI": lease.vni,
            "VtepMAC": lease.vtep_mac,
            "public-ip": lease.public_ip,
            "public-ip-overwrite": lease.public_ip_overwrite,
        }
        for name, value in values.items():
            if value is not None:
                yield Line(CLUSTER, "lease", f"{key} {name}", f"{lease.node} {name} {value}")
    conf = net_conf(bundle.cluster)
    if conf is not None:
        for name in conf.__struct_fields__:
            if name not in ("source", "defect"):
                yield Line(CLUSTER, "net-conf", name, f"{name} {getattr(conf, name)}")
    for pod in bundle.cluster.flannel_pods:
        text = f"{pod.node} runs {pod.name} since {pod.started}, image {pod.image}"
        yield Line(CLUSTER, "flanneld", pod.node or pod.name, text)


def _tables(state: NodeState) -> Iterator[tuple[str, str, str]]:
    tables = Tables(state)
    yield "kernel", "", state.kernel
    for link in state.links:
        yield from (("link", f"{link.ifname} {key}", text) for key, text in _link(link, tables))
    for address in state.addresses:
        name = _name(address.ifindex, tables)
        text = f"{address.ip}/{address.prefix_length} dev {name} scope {address.scope}"
        yield "address", f"{name} {address.ip}", text
    for route in state.routes:
        if route.table == LOCAL:
            continue  # The addresses say the same.
        text = _route(route, tables)
        key = f"{route.table} {route.destination} {route.metric} {route.kind} {route.multipath}"
        yield "route", key, text
    for rule in state.rules:
        yield "rule", f"{rule.family} {rule.priority} {_rule(rule)}", _rule(rule)
    for neighbour in state.neighbours:
        if neighbour.state == "NOARP":
            continue
        name = _name(neighbour.ifindex, tables)
        yield "neighbour", f"{name} {neighbour.ip}", _neighbour(neighbour, name)
    for entry in state.fdb:
        name = _name(entry.ifindex, tables)
        to = f" dst {entry.dst}" if entry.dst is not None else ""
        text = " ".join((f"{entry.mac} dev {name}{to}", *entry.flags, entry.state))
        yield "fdb", f"{name} {entry.mac} {entry.vlan} {entry.dst is None}", text
    yield from _around(state, tables)


def _around(state: NodeState, tables: Tables) -> Iterator[tuple[str, str, str]]:
    """What is no table of routing or addressing: pods, sysctls, files, filters, firewall."""
    for pod in state.pods:
        veth = _name(pod.host_ifindex, tables)
        up = "up" if pod.up else "down"
        yield "pod", pod.ip, f"{pod.ip} at {pod.mac} mtu {pod.mtu} {up} behind {veth}"
    for name, value in state.sysctls.items():
        if not name.endswith("_count"):
            yield "sysctl", name, f"{name} = {value}"
    for path, content in state.files.items():
        for number, line in enumerate(content.splitlines()):
            yield "file", f"{path} {number}", f"{path}: {line}"
    for ip in state.host_local:
        yield "host-local", ip, f"{ip} is reserved"
    for filter_ in state.filters:
        name = _name(filter_.ifindex, tables)
        yield (
            "filter",
            f"{name} {filter_.hook} {filter_.name}",
            f"{name} {filter_.hook} {filter_.name}",
        )
    yield from (("firewall", key, text) for key, text in firewall_lines(state.firewall))


def _name(ifindex: int | None, tables: Tables) -> str:
    link = tables.link(ifindex)
    return link.ifname if link is not None else "-"


def _link(link: Link, tables: Tables) -> Iterator[tuple[str, str]]:
    """An attribute a line, so that the one that changed stands alone."""
    name = link.ifname
    yield "", f"{name} is there"
    yield "up", f"{name} {'up' if link.up else 'down'}"
    yield "mac", f"{name} link/ether {link.mac}"
    yield "mtu", f"{name} mtu {link.mtu}"
    master = f"master {_name(link.master, tables)}" if link.master is not None else "no master"
    yield "master", f"{name} {master}"
    vxlan = link.vxlan
    if vxlan is not None:
        yield "id", f"{name} vxlan id {vxlan.vni}"
        yield "local", f"{name} vxlan local {vxlan.local}"
        yield "dev", f"{name} vxlan dev {_name(vxlan.underlay_ifindex, tables)}"
        yield "port", f"{name} vxlan dstport {vxlan.port}"
        yield "learning", f"{name} vxlan {'learning' if vxlan.learning else 'nolearning'}"
        yield "gbp", f"{name} vxlan {'gbp' if vxlan.gbp else 'no gbp'}"


def _route(route: Route, tables: Tables) -> str:
    words = [] if route.kind == "unicast" else [route.kind]
    default = route.destination in ("0.0.0.0/0", "::/0")
    words.append("default" if default else route.destination)
    words += ["via", route.gateway] if route.gateway is not None else []
    words += ["dev", _name(route.ifindex, tables)] if route.ifindex is not None else []
    words += ["onlink"] if route.onlink else []
    words += ["table", str(route.table)] if route.table != 254 else []
    words += ["metric", str(route.metric)] if route.metric else []
    return " ".join(words)


def _rule(rule: Rule) -> str:
    words = [f"{rule.priority}:", *(["not"] if rule.inverted else [])]
    words += ["from", rule.source or "all"]
    for word, value in (("to", rule.destination), ("iif", rule.iif), ("oif", rule.oif)):
        words += [word, value] if value is not None else []
    words += [f"fwmark {rule.mark:#x}/{rule.mask or 0xFFFFFFFF:#x}"] if rule.mark else []
    words += list(rule.other)
    words.append(f"lookup {rule.table}" if rule.action == "table" else rule.action)
    return " ".join(words)


def _neighbour(entry: Neighbour, name: str) -> str:
    mac = f" lladdr {entry.mac}" if entry.mac is not None else ""
    state = LEARNED if entry.state in _LEARNED else f" {entry.state}"
    return f"{entry.ip} dev {name}{mac}{state}"
