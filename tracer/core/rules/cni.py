"""Which CNI configuration makes a node's pods."""

import json
import shlex
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from tracer.core.case import WayView
from tracer.core.end import WayEnd
from tracer.core.routes import within
from tracer.core.rules import remedies
from tracer.core.rules.edge import and_more, delete_pod, of_each_way, pod_name, unrouted
from tracer.core.views import NodeView, Stops
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.packet import Ip, Net

STEP = Step.NODES

CNI_FOLDERS = ("/etc/cni/net.d", "/var/lib/rancher/k3s/agent/etc/cni/net.d")

SHOWN = 3
"""Pods that are told one by one."""

LEAVES_TO_OTHERS = ("multus", "genie", "spiderpool", "danm", "multi-net")
"""Plugins that call the cluster's own one and stand before it on purpose."""


class Configuration(NamedTuple):
    """One file that libcni would load."""

    path: str
    network: str
    plugins: tuple[str, ...]

    @property
    def is_flannels(self) -> bool:
        """flannel's, or one of a plugin that hands on to it."""
        words = " ".join((self.network, *self.plugins))
        return any(word in words for word in ("flannel", *LEAVES_TO_OTHERS))


def other_cni_config(node: NodeView) -> tuple[Finding, ...]:
    """Another CNI configuration than flannel's gave pods their addresses.

    The container runtime takes the first file of its folder in alphabetical order. What that one
    gives lies outside of the node's pod CIDR: no peer has a route to it, and flannel's own rules
    rewrite what such pods send.
    """
    strange = _strange_pods(node)
    first = first_configuration(node)
    if first is None and not strange:
        return ()
    if first is None and all(_of_the_bridge(node, ip) for ip in strange):
        # The bridge has an address of that subnet: another rule.
        return ()
    return of_each_way(node, _stops(node.node, strange), _other(node, strange))


def _other(node: NodeView, strange: list[Ip]) -> Finding:
    first = first_configuration(node)
    return Finding(
        rule="other-cni-config",
        # Pods that start from now on get the wrong addresses; those that run have theirs.
        severity=Severity.ERROR if strange else Severity.WARNING,
        node=node.node,
        device=None,
        sentence=_sentence(node, strange, first),
        evidence=(
            *_addresses(node, strange),
            *_files(node, first),
        ),
        hits=_hits(node, strange),
        fix=_remove(node, strange, first),
        confirm=(
            remedies.on(node.node, f"ls {CNI_FOLDERS[0]}"),
            f"kubectl get pods -A -o wide --field-selector spec.nodeName={node.node}",
        ),
        useless=(
            "restarting flannel: its configuration is there, and the runtime takes the first file"
            " in alphabetical order",
            "adding routes to those addresses on the peers: flannel's own rules still rewrite what"
            " such pods send, and other nodes may have given the same ones",
        ),
    )


def _sentence(node: NodeView, strange: list[Ip], first: Configuration | None) -> str:
    if strange:
        cidrs = " and ".join(_cidrs(node))
        return (
            f"{pod_name(node, strange[0])} has {strange[0]}, which is outside of the pod CIDR of"
            f" {node.node}, {cidrs}{and_more([*strange])}."
        )
    path = first.path if first is not None else CNI_FOLDERS[0]
    return f"New pods of {node.node} are made by {path}, which comes before flannel's."


def _hits(node: NodeView, strange: list[Ip]) -> str:
    if not strange:
        return f"every pod that starts on {node.node} from now on"
    names = ", ".join(pod_name(node, ip) for ip in strange[:SHOWN])
    more = f" and {len(strange) - SHOWN} more" if len(strange) > SHOWN else ""
    return (
        f"everything that other nodes send to {names}{more}; what these send comes with the"
        f" address of {node.node}, if at all"
    )


def _addresses(node: NodeView, strange: list[Ip]) -> tuple[Evidence, ...]:
    if not strange:
        return ()
    cidrs = Evidence(
        label="pod cidr",
        value=", ".join(_cidrs(node)),
        source=f"Node/{node.node} spec.podCIDRs",
    )
    pods = (
        Evidence(label="actual", value=ip, source=f"Pod {pod_name(node, ip)}", differs=True)
        for ip in strange[:SHOWN]
    )
    return (cidrs, *pods)


def _files(node: NodeView, first: Configuration | None) -> tuple[Evidence, ...]:
    """The two files in the order in which the runtime sees them."""
    files = configurations(node)
    flannels = next((one for one in files if one.is_flannels), None)
    rows = []
    if first is not None:
        plugins = ", ".join(first.plugins)
        rows.append(
            Evidence(
                label="first",
                value=first.path.rpartition("/")[2],
                source=f"{node.node} {first.path}: network {first.network}, plugin {plugins}",
                differs=True,
            )
        )
    if flannels is not None:
        label = "flannel's" if first is not None else "first"
        name = flannels.path.rpartition("/")[2]
        rows.append(Evidence(label=label, value=name, source=f"{node.node} {flannels.path}"))
    return tuple(rows)


def _remove(node: NodeView, strange: list[Ip], first: Configuration | None) -> tuple[str, ...]:
    pods = tuple(delete_pod(pod_name(node, ip)) for ip in strange[:SHOWN])
    if first is None:
        return (
            "the first file is flannel's now: delete the pods, so that they are made anew by it:",
            *pods,
        )
    return (
        "remove the other configuration, then delete the pods that it made:",
        remedies.on(node.node, f"mv {shlex.quote(first.path)} /root/"),
        *pods,
    )


def _stops(node: str, strange: list[Ip]) -> Stops:
    """No node has a route to such an address: neither for requests to it nor for replies."""

    def stops(way: WayView, end: WayEnd) -> bool:
        meant = way.receiver == node and way.destination.ip in strange
        return meant and way.sender != node and unrouted(way, end, way.sender)

    return stops


def _strange_pods(node: NodeView) -> list[Ip]:
    """Addresses of the node's pods that are none of its pod CIDR's."""
    pods = node.facts.pods_on(node.node)
    return [ip for pod in pods for ip in pod.ips if outside(node, ip)]


def outside(node: NodeView, ip: Ip) -> bool:
    """The address is none of the node's pod CIDR; without one of its family nobody can say."""
    try:
        address = ip_address(ip)
    except ValueError:
        return False
    lease = node.lease(address.version)
    if lease is None or lease.pod_cidr is None:
        return False
    return address not in ip_network(lease.pod_cidr)


def _of_the_bridge(node: NodeView, ip: Ip) -> bool:
    """It lies in a subnet that the node's own bridge has an address of."""
    tables = node.facts.tables_if_read(node.node)
    bridge = tables.bridge() if tables is not None else None
    if tables is None or bridge is None:
        return False
    return any(
        within(ip, f"{held.ip}/{held.prefix_length}")
        for held in tables.addresses_of(bridge.ifindex)
    )


def _cidrs(node: NodeView) -> list[Net]:
    return [lease.pod_cidr for lease in node.leases if lease.pod_cidr is not None]


def first_configuration(node: NodeView) -> Configuration | None:
    """The configuration that the runtime takes, where it is not flannel's although that is there.

    Only flannel's own file tells that pods are meant to be made by it: canal has none of that type.
    """
    files = configurations(node)
    if not any(one.is_flannels for one in files) or files[0].is_flannels:
        return None
    return files[0]


def configurations(node: NodeView) -> list[Configuration]:
    """What libcni would load of the node's folder, in its order; of several folders the first.

    They were recorded in that order. Names do not tell: redaction replaces unknown ones.
    """
    state = node.facts.bundle.nodes.get(node.node)
    if state is None:
        return []
    for folder in CNI_FOLDERS:
        paths = [path for path in state.files if path.rpartition("/")[0] == folder]
        found = [one for path in paths if (one := _configuration(path, state.files[path]))]
        if found:
            return found
    return []


def _configuration(path: str, text: str) -> Configuration | None:
    """None: it is none, and the runtime passes it over."""
    try:
        raw: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict):
        return None
    listed = raw.get("plugins")
    plugins = listed if isinstance(listed, list) else [raw]
    types = [each.get("type") for each in plugins if isinstance(each, dict)]
    named = tuple(kind for kind in types if isinstance(kind, str))
    return Configuration(path, str(raw.get("name", "")), named) if named else None
