"""A recording's state as lines in iproute2's words, each under the key that makes it the same one.

What changes by itself is left out: counters, the age of learned neighbours, handles of rules.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import blake2s

from tracer.core.firewall_lines import firewall_lines
from tracer.core.leases import leases, net_conf
from tracer.core.routes import LOCAL
from tracer.core.tables import Tables
from tracer.model.bundle import Bundle
from tracer.model.state import Link, Neighbour, Route, Rule

CLUSTER = "cluster"
_LEARNED = frozenset({"REACHABLE", "STALE", "DELAY", "PROBE"})
LEARNED = " learned"
"""How the text of a neighbour ends that comes and goes by itself."""


Lines = Iterator[tuple[str, str]]
"""(key, text) of entries. Two entries of one table and key are the same one, changed or not."""

Table = Callable[[], Lines]

LONGEST = 1 << 18
"""Characters of a file that is compared line by line; flannel's and CNI's have a few hundred."""


def listing(bundle: Bundle) -> dict[tuple[str, str], Table]:
    """(place, table) -> its lines: the cluster's promises, then each node's tables.

    Nothing is put into words before it is asked for: a large cluster has millions of entries.
    """
    found: dict[tuple[str, str], Table] = {
        (CLUSTER, "lease"): partial(_leases, bundle),
        (CLUSTER, "net-conf"): partial(_net_conf, bundle),
        (CLUSTER, "flanneld"): partial(_flanneld, bundle),
    }
    for node, state in sorted(bundle.nodes.items()):
        tables = Tables(state)
        found |= {(node, name): partial(lines, tables) for name, lines in _TABLES.items()}
    return found


def _leases(bundle: Bundle) -> Lines:
    for lease in leases(bundle.cluster):
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
                yield f"{lease.node} {lease.family} {name}", f"{lease.node} {name} {value}"


def _net_conf(bundle: Bundle) -> Lines:
    conf = net_conf(bundle.cluster, bundle.nodes.values())
    for name in conf.__struct_fields__ if conf is not None else ():
        if name not in ("source", "defect", "differs_on"):
            yield name, f"{name} {getattr(conf, name)}"


def _flanneld(bundle: Bundle) -> Lines:
    for pod in bundle.cluster.flannel_pods:
        text = f"{pod.node} runs {pod.name} since {pod.started}, image {pod.image}"
        yield pod.node or pod.name, text


def _kernel(tables: Tables) -> Lines:
    yield "", tables.state.kernel


def _links(tables: Tables) -> Lines:
    for link in tables.state.links:
        for attribute, text in _link(link, tables):
            yield f"{link.ifname} {attribute}", text


def _addresses(tables: Tables) -> Lines:
    for address in tables.state.addresses:
        name = _name(address.ifindex, tables)
        text = f"{address.ip}/{address.prefix_length} dev {name} scope {address.scope}"
        yield f"{name} {address.ip}", text


def _routes(tables: Tables) -> Lines:
    for route in tables.state.routes:
        # What the local table says, the addresses say, too.
        if route.table != LOCAL:
            what = (route.table, route.destination, route.metric, route.kind, route.multipath)
            yield " ".join(map(str, what)), _route(route, tables)


def _rules(tables: Tables) -> Lines:
    for rule in tables.state.rules:
        yield f"{rule.family} {_rule(rule)}", _rule(rule)


def _neighbours(tables: Tables) -> Lines:
    for entry in tables.state.neighbours:
        if entry.state != "NOARP":
            name = _name(entry.ifindex, tables)
            yield f"{name} {entry.ip}", _neighbour(entry, name)


def _fdb(tables: Tables) -> Lines:
    for entry in tables.state.fdb:
        name = _name(entry.ifindex, tables)
        to = f" dst {entry.dst}" if entry.dst is not None else ""
        text = " ".join((f"{entry.mac} dev {name}{to}", *entry.flags, entry.state))
        yield f"{name} {entry.mac} {entry.vlan} {entry.dst is None}", text


def _pods(tables: Tables) -> Lines:
    for pod in tables.state.pods:
        veth = _name(pod.host_ifindex, tables)
        up = "up" if pod.up else "down"
        yield pod.ip, f"{pod.ip} at {pod.mac} mtu {pod.mtu} {up} behind {veth}"


def _sysctls(tables: Tables) -> Lines:
    for name, value in tables.state.sysctls.items():
        if not name.endswith("_count"):
            yield name, f"{name} = {value}"


def _files(tables: Tables) -> Lines:
    for path, content in tables.state.files.items():
        if len(content) > LONGEST:
            digest = blake2s(content.encode(errors="replace")).hexdigest()
            yield path, f"{path}: {len(content)} characters, blake2s {digest}"
            continue
        for number, line in enumerate(content.splitlines()):
            yield f"{path} {number}", f"{path}: {line}"


def _host_local(tables: Tables) -> Lines:
    for ip in tables.state.host_local:
        yield ip, f"{ip} is reserved"


def _filters(tables: Tables) -> Lines:
    for one in tables.state.filters:
        text = f"{_name(one.ifindex, tables)} {one.hook} {one.name}"
        yield text, text


def _firewall(tables: Tables) -> Lines:
    return firewall_lines(tables.state.firewall)


_TABLES: Mapping[str, Callable[[Tables], Lines]] = {
    "kernel": _kernel,
    "link": _links,
    "address": _addresses,
    "route": _routes,
    "rule": _rules,
    "neighbour": _neighbours,
    "fdb": _fdb,
    "pod": _pods,
    "sysctl": _sysctls,
    "file": _files,
    "host-local": _host_local,
    "filter": _filters,
    "firewall": _firewall,
}


def _name(ifindex: int | None, tables: Tables) -> str:
    link = tables.link(ifindex)
    return link.ifname if link is not None else "-"


def _link(link: Link, tables: Tables) -> Lines:
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
