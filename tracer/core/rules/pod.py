"""The pods themselves: whether they are there, and what their own routes say."""

from ipaddress import ip_network

from tracer.core.case import MissingFact, WayView
from tracer.core.end import WayEnd
from tracer.core.routes import within
from tracer.core.rules import proof, remedies
from tracer.core.rules.cni import outside
from tracer.core.rules.edge import (
    and_more,
    delete_pod,
    of_each_way,
    pod_name,
    undelivered,
    unsent,
)
from tracer.core.rules.hostlocal import HOST_LOCAL
from tracer.core.views import NodeView, Stops
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.packet import Ip
from tracer.model.state import Address, PodLink

STEP = Step.NODES

SHOWN = 3
"""Pods that are told one by one."""


def pod_gone(node: NodeView) -> tuple[Finding, ...]:
    """A pod that the API still knows is gone from its node.

    Nobody there has its address: ARP for it on the bridge goes unanswered (NEIGH_FAILED). Endpoints
    and clients that know the address go on sending to it.
    """
    missing = _missing(node)
    if not missing:
        return ()
    traced = [ip for ip in missing if _traced(node, ip)]
    certain = [ip for ip in missing if ip in traced or _given_back(node, ip) or node.state.pods]
    if not certain:
        raise MissingFact(f"pods on {node.node}: no network namespace of any pod was found there")
    return of_each_way(node, _stops(node.node, certain), _gone(node, traced or certain))


def _gone(node: NodeView, gone: list[Ip]) -> Finding:
    ip = gone[0]
    name = pod_name(node, ip)
    namespace, _, pod = name.rpartition("/")
    return Finding(
        rule="pod-gone",
        # A pod may have ended between the two readings: a check warns, a trace has asked for it.
        severity=Severity.ERROR if _traced(node, ip) else Severity.WARNING,
        node=node.node,
        device=None,
        sentence=f"Nothing on {node.node} has {ip}, the address that the API says {name} has there"
        f"{and_more([*gone])}.",
        evidence=(
            Evidence(label="promised", value=ip, source=f"Pod {name} status.podIPs"),
            Evidence(
                label="actual",
                value=proof.NONE,
                source=f"{node.node} network namespaces",
                differs=True,
            ),
            *_reservation(node, ip),
        ),
        hits=f"everything that is sent to {ip}",
        fix=(
            "have it made anew; where it was meant to go, remove its address from whatever still"
            " sends there, endpoints first:",
            delete_pod(name),
            f"kubectl get endpointslices -A -o wide | grep -wF {ip}",
        ),
        confirm=(f"kubectl -n {namespace or 'default'} get pod {pod} -o wide",),
        useless=(
            "restarting flannel or flushing neighbours: every entry on the way is right, nobody is"
            " there to answer",
        ),
    )


def _missing(node: NodeView) -> list[Ip]:
    """Addresses that were looked for and that no namespace of the node holds (snapshot.py)."""
    gaps = {gap.what for gap in node.state.not_read}
    if "pods" in gaps:
        node.tables("pods")
    return [what.removeprefix("pod ") for what in sorted(gaps) if what.startswith("pod ")]


def _traced(node: NodeView, ip: Ip) -> bool:
    return any(
        (end.node, end.ip, end.assumed) == (node.node, ip, False)
        for way in node.ways
        for end in (way.source, way.destination)
    )


def _given_back(node: NodeView, ip: Ip) -> bool:
    """host-local's reservations were read, and there is none for the address."""
    return not _unread(node) and ip not in node.state.host_local and not outside(node, ip)


def _unread(node: NodeView) -> bool:
    return any(gap.what == HOST_LOCAL for gap in node.state.not_read)


def _reservation(node: NodeView, ip: Ip) -> tuple[Evidence, ...]:
    if _unread(node) or outside(node, ip):
        return ()
    holder = node.state.host_local.get(ip, "").split()
    return (
        Evidence(
            label="reserved",
            value=f"for {holder[0][:13]}" if holder else proof.NONE,
            source=f"{node.node} {HOST_LOCAL}/{ip}",
        ),
    )


def _stops(node: str, gone: list[Ip]) -> Stops:
    def stops(way: WayView, end: WayEnd) -> bool:
        sends = way.sender == node and way.source.ip in gone
        takes = way.receiver == node and way.destination.ip in gone
        return (sends and unsent(way, end)) or (takes and undelivered(way, end))

    return stops


def pod_route_missing(node: NodeView) -> tuple[Finding, ...]:
    """A pod has no route to pods of other nodes.

    Its own kernel refuses to send (Network is unreachable): nothing leaves the pod, not even an
    answer, and no device of the node sees anything.
    """
    lost = [pod for pod in node.tables("pods").state.pods if pod.up and not _routed(node, pod)]
    if not lost:
        return ()
    ips = [pod.ip for pod in lost]

    def stops(way: WayView, end: WayEnd) -> bool:
        return way.sender == node.node and way.source.ip in ips and unsent(way, end)

    return of_each_way(node, stops, _route_missing(node, lost))


def _route_missing(node: NodeView, lost: list[PodLink]) -> Finding:
    pod = lost[0]
    name, wanted, dst = pod_name(node, pod.ip), _written(node, pod), _far(node, pod)
    enter = f"nsenter --net={pod.found_in}"
    family = "-6 " if ":" in pod.ip else ""
    return Finding(
        rule="pod-route-missing",
        severity=Severity.ERROR,
        node=node.node,
        device=None,
        sentence=f"{name} on {node.node} has no route to other nodes: its default route is missing"
        f"{and_more([each.ip for each in lost])}.",
        evidence=(
            Evidence(
                label="expected",
                value=(wanted or ["a default route"])[-1],
                source="the bridge plugin (isDefaultGateway)",
            ),
            Evidence(
                label="actual",
                value=_own_routes(pod),
                source=f"{node.node} {pod.found_in}",
                differs=True,
            ),
            *_refused(node),
        ),
        hits=f"whatever {name} sends to other nodes, its replies too",
        fix=(
            "delete the pod so that it is made anew:",
            delete_pod(name),
            *_or_routed(node.node, [f"{enter} ip {family}route add {each}" for each in wanted]),
        ),
        confirm=(remedies.on(node.node, f"{enter} ip {family}route get {dst}"),),
        useless=(
            "restarting flannel: the pod's routes are the bridge plugin's work, done once when the"
            " pod starts",
        ),
    )


def _or_routed(node: str, commands: list[str]) -> tuple[str, ...]:
    if not commands:
        return ()
    return ("or give it the route back:", *(remedies.on(node, command) for command in commands))


def _routed(node: NodeView, pod: PodLink) -> bool:
    """Some route of the pod leads there, of whatever table: its policy rules are not recorded."""
    dst = _far(node, pod)
    return dst is None or any(
        route.kind == "unicast" and within(dst, route.destination) for route in pod.routes
    )


def _far(node: NodeView, pod: PodLink) -> Ip | None:
    """Whom the pod has to reach: the other end of the trace, else another node's pods."""
    for way in node.ways:
        if (way.sender, way.source.ip) == (node.node, pod.ip):
            return way.destination.ip
    family = 6 if ":" in pod.ip else 4
    for lease in node.facts.leases:
        if lease.node != node.node and lease.family == family and lease.pod_cidr is not None:
            return str(ip_network(lease.pod_cidr).network_address)
    return None


def _written(node: NodeView, pod: PodLink) -> list[str]:
    """What the bridge plugin would write and the pod lacks, in the order in which it can be added.

    The kernel takes no gateway to which it knows no way (`Nexthop has invalid gateway`), so the
    subnet's own route comes first.
    """
    bridge = _of_bridge(node, pod)
    if bridge is None:
        return []
    near = [route.destination for route in pod.routes if route.gateway is None]
    known = any(within(bridge.ip, destination) for destination in near)
    subnet = ip_network(f"{bridge.ip}/{bridge.prefix_length}", strict=False)
    own = [] if known else [f"{subnet} dev {pod.ifname}"]
    return [*own, f"default via {bridge.ip} dev {pod.ifname}"]


def _of_bridge(node: NodeView, pod: PodLink) -> Address | None:
    """The bridge's address in the pod's subnet."""
    tables = node.tables()
    bridge = tables.bridge()
    held = tables.addresses_of(bridge.ifindex) if bridge is not None else ()
    return next((each for each in held if within(pod.ip, f"{each.ip}/{each.prefix_length}")), None)


def _own_routes(pod: PodLink) -> str:
    family = ":" in pod.ip
    found = [
        route.destination
        for route in pod.routes
        if route.kind == "unicast"
        and (":" in route.destination) is family
        and not route.destination.startswith("fe80:")
    ]
    return f"only {', '.join(found[:SHOWN])}" if found else proof.NONE


def _refused(node: NodeView) -> tuple[Evidence, ...]:
    """What the pod's own kernel said to the probing socket."""
    errors = [sent.error for sent in node.facts.bundle.sent if sent.error is not None]
    if not errors:
        return ()
    total = len(node.facts.bundle.sent)
    return (
        Evidence(
            label="kernel",
            value=errors[0],
            source=f"said to {len(errors)} of {total} probes in the sending pod",
        ),
    )
