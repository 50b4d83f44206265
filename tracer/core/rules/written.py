"""What flanneld wrote on a node for itself and for the CNI plugin, held against its lease."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_interface, ip_network
from typing import NamedTuple

from tracer.core.leases import VXLAN
from tracer.core.rules import remedies
from tracer.core.rules.bridge import disputed
from tracer.core.tables import SUBNET_ENV
from tracer.core.views import NodeView
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.lease import Lease
from tracer.model.state import Link, Vxlan

STEP = Step.NODES

_SUBNET = {4: "FLANNEL_SUBNET", 6: "FLANNEL_IPV6_SUBNET"}
_NETWORK = {4: "FLANNEL_NETWORK", 6: "FLANNEL_IPV6_NETWORK"}


class Difference(NamedTuple):
    """One thing that is not as it should be."""

    name: str
    wanted: str
    by: str
    """Who says so."""
    actual: str


def subnet_env_stale(node: NodeView) -> Finding | None:
    """flannel's subnet.env does not say what the node's lease and the configuration say.

    The CNI plugin reads it whenever a pod starts: that pod gets an address that no peer routes to,
    or too large a MTU. flanneld writes it when it starts, and never again.
    """
    env = node.tables("links").subnet_env
    found = [one for lease in node.leases for one in _unlike_lease(node, env, lease)]
    if not env or not found:
        return None
    checked = node.facts.bundle.request is None
    astray = any(one.name in _SUBNET.values() for one in found)
    first = found[0]
    return Finding(
        rule="subnet-env-stale",
        # Pods that run keep what they have: a trace of such is not hit.
        severity=Severity.ERROR if checked and astray else Severity.WARNING,
        node=node.node,
        device=None,
        sentence=f"{SUBNET_ENV} on {node.node} says {first.name}={first.actual}, and it should be"
        f" {first.wanted}.",
        evidence=_evidence(found, f"{node.node} {SUBNET_ENV}"),
        hits=f"every pod that starts on {node.node} from now on; those that run keep what they"
        " have",
        fix=(
            f"restart flanneld on {node.node}; it writes the file anew. If it does not start, its"
            " log says why:",
            remedies.restart_flannel(node.facts, node.node),
        ),
        confirm=(remedies.on(node.node, f"cat {SUBNET_ENV}"),),
        useless=(
            "editing the file by hand: it is right until flanneld starts with what it reads from"
            " the API",
        ),
    )


def _unlike_lease(node: NodeView, env: Mapping[str, str], lease: Lease) -> Iterator[Difference]:
    family, conf = lease.family, node.facts.net_conf
    if lease.pod_cidr is None or disputed(node, lease):
        return
    network = ip_network(lease.pod_cidr, strict=False)
    wanted = f"{network.network_address + 1}/{network.prefixlen}"
    by = f"spec.podCIDR {lease.pod_cidr}"
    yield from _other(env, _SUBNET[family], wanted, by)
    if conf is not None and (whole := conf.network_v6 if family == 6 else conf.network):
        yield from _other(env, _NETWORK[family], whole, conf.source)
    vtep = node.vtep(family)
    size = env.get("FLANNEL_MTU", "")
    pods = max((pod.mtu for pod in node.state.pods if pod.mtu is not None), default=0)
    # Another backend's packets have another size, and leave a VXLAN device of before as it is.
    if lease.backend_type not in (None, VXLAN):
        return
    # Over IPv6 flannel takes off too little: another rule's affair, as are pods that are too large.
    if family == 4 and vtep is not None and size.isdigit() and int(size) > vtep.mtu >= pods:
        yield Difference("FLANNEL_MTU", f"{vtep.mtu}", f"link {vtep.ifname}", size)


def _other(env: Mapping[str, str], name: str, wanted: str, by: str) -> Iterator[Difference]:
    if name in env and not _same(env[name], wanted):
        yield Difference(name, wanted, by, env[name])


def _same(one: str, other: str) -> bool:
    """However they are written."""
    try:
        return ip_interface(one) == ip_interface(other)
    except ValueError:
        return one == other


def vtep_unlike_configured(node: NodeView) -> Finding | None:
    """A node's VTEP has not the attributes that flanneld gives it.

    Somebody changed it, or another tool made it. Packets may pass all the same, until one of them
    matters: an entry that is learned, an answer from another address, another way out.
    """
    found = [one for family, vtep in node.vteps() for one in _unlike(node, family, vtep)]
    if not found:
        return None
    vtep = next(vtep for _, vtep in node.vteps())
    names = " and ".join(dict.fromkeys(one.name for one in found))
    return Finding(
        rule="vtep-unlike-configured",
        severity=Severity.WARNING,
        node=node.node,
        device=vtep.ifname,
        sentence=f"{vtep.ifname} on {node.node} is not as flanneld makes it: {names}.",
        evidence=_evidence(found, f"{node.node} link {vtep.ifname}"),
        hits="nothing for certain; what a learned entry, another source address or another uplink"
        " leads astray",
        fix=(
            "delete the device and restart flanneld, which makes it and writes all entries again:",
            remedies.on(node.node, f"ip link del {vtep.ifname}"),
            remedies.restart_flannel(node.facts, node.node),
        ),
        confirm=(
            remedies.on(node.node, f"ip -d link show {vtep.ifname}"),
            remedies.on(node.node, f"ip address show dev {vtep.ifname}"),
        ),
        useless=(
            "restarting flanneld alone: it keeps a device whose VNI, port, local address and"
            " group fit (device.go, vxlanLinksIncompat)",
        ),
    )


def _unlike(node: NodeView, family: int, vtep: Link) -> Iterator[Difference]:
    lease, conf, vxlan = node.lease(family), node.facts.net_conf, vtep.vxlan
    if vxlan is None:
        return
    if conf is not None and vxlan.learning is not conf.learning:
        words = {True: "learning", False: "nolearning"}
        yield Difference("learning", words[conf.learning], conf.source, words[vxlan.learning])
    held = [
        f"{each.ip}/{each.prefix_length}"
        for each in node.tables("addresses").addresses_of(vtep.ifindex)
        if (":" in each.ip) is (family == 6) and each.scope != "link"
    ]
    if lease is not None and lease.pod_cidr is not None and not disputed(node, lease):
        first = ip_network(lease.pod_cidr, strict=False).network_address
        wanted = f"{first}/{first.max_prefixlen}"
        if vtep.up and wanted not in held:
            actual = ", ".join(held) or "none"
            yield Difference("address", wanted, f"spec.podCIDR {lease.pod_cidr}", actual)
    yield from _bound_elsewhere(node, vxlan)


def _bound_elsewhere(node: NodeView, vxlan: Vxlan) -> Iterator[Difference]:
    """flanneld binds it to the interface whose address it sends from."""
    tables = node.tables("addresses", "links")
    holder = next((each for each in node.state.addresses if each.ip == vxlan.local), None)
    rightful = tables.link(holder.ifindex) if holder is not None else None
    bound = tables.link(vxlan.underlay_ifindex) if vxlan.underlay_ifindex is not None else None
    if rightful is not None and bound != rightful:
        actual = bound.ifname if bound is not None else "no device"
        by = f"the holder of {vxlan.local}, its local address"
        yield Difference("bound device", rightful.ifname, by, actual)


def _evidence(found: list[Difference], source: str) -> tuple[Evidence, ...]:
    return tuple(
        line
        for one in found
        for line in (
            Evidence(label="expected", value=f"{one.name} {one.wanted}", source=one.by),
            Evidence(label="actual", value=f"{one.name} {one.actual}", source=source, differs=True),
        )
    )
