"""The pods' bridge: cni0, which the bridge plugin makes when a node's first pod starts."""

from collections.abc import Iterator
from ipaddress import ip_network

from tracer.core.case import WayView
from tracer.core.end import WayEnd
from tracer.core.routes import within
from tracer.core.rules import remedies
from tracer.core.rules.allocation import is_outside
from tracer.core.rules.edge import of_each_way, unrouted, unsent
from tracer.core.tables import SUBNET_ENV
from tracer.core.views import NodeView, Stops
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.lease import Lease
from tracer.model.packet import Ip, Net
from tracer.model.record import Record
from tracer.model.state import Link

STEP = Step.NODES

_ENV = {4: "FLANNEL_SUBNET", 6: "FLANNEL_IPV6_SUBNET"}


class Bridge(Record, frozen=True, kw_only=True):
    """A node's bridge in one family, and the subnet that its pods should have."""

    node: str
    link: Link
    family: int
    subnet: Net
    held: tuple[str, ...]
    """Its addresses of that family with their prefix lengths."""

    @property
    def gateway(self) -> str:
        """What it should hold, as FLANNEL_SUBNET says it: `10.244.2.1/24`."""
        network = ip_network(self.subnet)
        return f"{network.network_address + 1}/{network.prefixlen}"

    @property
    def fits(self) -> bool:
        """It holds an address of the subnet."""
        return any(within(each.partition("/")[0], self.subnet) for each in self.held)

    def has(self, ip: Ip) -> bool:
        """The address is of a subnet that the bridge has an address of."""
        return any(within(ip, each) for each in self.held)


def cni0_down(node: NodeView) -> tuple[Finding, ...]:
    """The pods' bridge is down.

    The kernel takes its connected route away with it: what comes in for the pods finds none
    (IP_INNOROUTES on flannel.1), and the bridge forwards nothing.
    """
    for bridge in _bridges(node):
        if not bridge.link.up:
            return of_each_way(node, _stops(bridge), _down(node, bridge))
    return ()


def _down(node: NodeView, bridge: Bridge) -> Finding:
    name = bridge.link.ifname
    return _finding(
        "cni0-down",
        node,
        bridge,
        f"{name} on {node.node} is down: {node.node} has no route to its own pods, and they have no"
        " gateway.",
        evidence=(
            Evidence(label="device", value="down", source=f"{node.node} link {name}", differs=True),
            *_route(node, bridge),
        ),
        fix=(
            "set it up; its address is still there, and the kernel's route comes back with it:",
            remedies.on(node.node, f"ip link set {name} up"),
        ),
        useless=("restarting flannel: the bridge is the bridge plugin's, flanneld has no part",),
    )


def cni0_no_ip(node: NodeView) -> tuple[Finding, ...]:
    """The pods' bridge has no address: the node has no route to its own pods.

    What comes in for them finds none (IP_INNOROUTES on flannel.1), and nobody answers when pods
    ask for their gateway.
    """
    for bridge in _bridges(node):
        if bridge.link.up and not bridge.held:
            return of_each_way(node, _stops(bridge), _no_ip(node, bridge))
    return ()


def _no_ip(node: NodeView, bridge: Bridge) -> Finding:
    name, family = bridge.link.ifname, f"IPv{bridge.family}"
    return _finding(
        "cni0-no-ip",
        node,
        bridge,
        f"{name} on {node.node} has no {family} address: {node.node} has no route to its own pods,"
        " and they have no gateway.",
        evidence=(
            *_expected(node, bridge),
            Evidence(
                label="actual",
                value="none",
                source=f"{node.node} addresses of {name}",
                differs=True,
            ),
            *_route(node, bridge),
        ),
        fix=(
            "give it back; the bridge plugin does the same when the next pod starts there:",
            remedies.on(node.node, f"ip address add {bridge.gateway} brd + dev {name}"),
        ),
        useless=(
            "restarting flannel: it writes /run/flannel/subnet.env, and only the bridge plugin"
            " puts that address on the bridge",
        ),
    )


def cni0_wrong_subnet(node: NodeView) -> tuple[Finding, ...]:
    """The pods' bridge has an address of another subnet than the node's pod CIDR.

    As after `kubeadm reset` with cni0 left in place: the node has no route to its present pods, and
    the bridge plugin refuses to start new ones ("already has an IP address different from").
    """
    for bridge in _bridges(node):
        if (
            bridge.link.up
            and bridge.held
            and not bridge.fits
            and not disputed(node, node.lease(bridge.family))
        ):
            return of_each_way(node, _stops(bridge), _wrong_subnet(node, bridge))
    return ()


def disputed(node: NodeView, lease: Lease | None) -> bool:
    """The pod CIDR itself is wrong: outside of flannel's network, or another node's as well."""
    if lease is None or lease.pod_cidr is None or is_outside(lease, node.facts.net_conf):
        return True
    return len(node.facts.subnets.get(lease.pod_cidr, ())) > 1


def _wrong_subnet(node: NodeView, bridge: Bridge) -> Finding:
    name = bridge.link.ifname
    return _finding(
        "cni0-wrong-subnet",
        node,
        bridge,
        f"{name} on {node.node} has {' and '.join(bridge.held)}, and the pods of {node.node} belong"
        f" into {bridge.subnet}.",
        evidence=(
            *_expected(node, bridge),
            *(
                Evidence(
                    label="actual",
                    value=each,
                    source=f"{node.node} address of {name}",
                    differs=True,
                )
                for each in bridge.held
            ),
            *_route(node, bridge),
        ),
        fix=(
            "empty the node, remove the bridge and what was remembered of its pods; the bridge"
            " plugin makes it anew when the first pod starts:",
            f"kubectl drain {node.node} --ignore-daemonsets",
            remedies.on(node.node, f"ip link del {name}"),
            remedies.on(node.node, "rm -rf /var/lib/cni/networks/cbr0 /var/lib/cni/flannel"),
            f"kubectl uncordon {node.node}",
        ),
        useless=(
            "restarting flannel or the kubelet: neither touches a bridge that exists, and the"
            " bridge plugin refuses it while it has another address",
        ),
    )


def _finding(
    rule: str,
    node: NodeView,
    bridge: Bridge,
    sentence: str,
    *,
    evidence: tuple[Evidence, ...],
    fix: tuple[str, ...],
    useless: tuple[str, ...],
) -> Finding:
    name, family = bridge.link.ifname, f"-{bridge.family} "
    return Finding(
        rule=rule,
        severity=Severity.ERROR,
        node=node.node,
        device=name,
        sentence=sentence,
        evidence=evidence,
        hits=f"everything between pods of {node.node} and other nodes",
        fix=fix,
        confirm=(
            remedies.on(node.node, f"ip {family}address show dev {name}"),
            remedies.on(node.node, f"ip {family}route show {bridge.subnet}"),
        ),
        useless=useless,
    )


def _bridges(node: NodeView) -> Iterator[Bridge]:
    """The node's bridge in each family that it has a lease of; none: no pod was started yet."""
    for family in node.families:
        lease = node.lease(family)
        if lease is None or lease.pod_cidr is None:
            continue
        tables = node.tables("links", "addresses")
        link = tables.bridge()
        if link is not None:
            held = tuple(
                f"{each.ip}/{each.prefix_length}"
                for each in tables.addresses_of(link.ifindex)
                if (":" in each.ip) == (family == 6) and each.scope != "link"
            )
            yield Bridge(node=node.node, link=link, family=family, subnet=lease.pod_cidr, held=held)


def _stops(bridge: Bridge) -> Stops:
    """Pods cannot reach their gateway, and what comes in for them finds no route."""

    def stops(way: WayView, end: WayEnd) -> bool:
        if way.sender == bridge.node and unsent(way, end):
            return True
        if way.receiver != bridge.node or not way.to_pod:
            return False
        if way.sender != bridge.node and unrouted(way, end, bridge.node):
            return True
        # A pod of the bridge's own subnet, if that is another one, is one that no peer routes to.
        strange = not bridge.fits and bridge.has(way.destination.ip)
        return strange and unrouted(way, end, way.sender)

    return stops


def _expected(node: NodeView, bridge: Bridge) -> Iterator[Evidence]:
    """The subnet as Kubernetes gave it, and as flanneld wrote it down."""
    yield Evidence(
        label="expected",
        value=bridge.gateway,
        source=f"lease of {node.node} (spec.podCIDR {bridge.subnet})",
    )
    written = node.tables().subnet_env.get(_ENV[bridge.family])
    if written is not None:
        yield Evidence(
            label="written",
            value=written,
            source=f"{node.node} {SUBNET_ENV}",
            differs=written != bridge.gateway,
        )


def _route(node: NodeView, bridge: Bridge) -> tuple[Evidence, ...]:
    """The connected route is the kernel's own work: it comes and goes with the address."""
    if any(route.destination == bridge.subnet for route in node.state.routes):
        return ()
    return (
        Evidence(
            label="route",
            value="none",
            source=f"{node.node} to {bridge.subnet}",
        ),
    )
