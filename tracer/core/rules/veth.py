"""Pods' veth pairs: one end in the pod, the other a port of the node's bridge."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tracer.core.case import WayView
from tracer.core.end import WayEnd
from tracer.core.rules import remedies
from tracer.core.rules.cni import outside
from tracer.core.rules.edge import and_more, delete_pod, of_each_way, pod_name, undelivered, unsent
from tracer.core.views import NodeView, Stops
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.state import Link, PodLink

STEP = Step.NODES

SHOWN = 3
"""Pods that are told one by one."""

CONFIGURATIONS = "/cni/net.d/"
HAIRPIN = re.compile(r'"hairpinMode"\s*:\s*true')


class Pair(NamedTuple):
    """A pod, the host's end of its veth pair, and the bridge whose port that should be."""

    pod: PodLink
    veth: Link
    bridge: Link


def veth_detached(node: NodeView) -> tuple[Finding, ...]:
    """The host's end of a pod's veth pair is not a port of the bridge.

    The bridge then has no port that leads to the pod: ARP for it goes unanswered (NEIGH_FAILED), or
    the bridge has no running port at all (QDISC_DROP).
    """
    pairs = [pair for pair in _pairs(node) if pair.veth.master != pair.bridge.ifindex]
    return of_each_way(node, _stops(node.node, pairs), _detached(node, pairs)) if pairs else ()


def _detached(node: NodeView, pairs: list[Pair]) -> Finding:
    pod, veth, bridge = pairs[0]
    master = node.tables("links").link(veth.master)
    actual = f"master {master.ifname}" if master is not None else "no master"
    name = pod_name(node, pod.ip)
    more = and_more([pair.veth.ifname for pair in pairs])
    return Finding(
        rule="veth-detached",
        severity=Severity.ERROR,
        node=node.node,
        device=veth.ifname,
        sentence=f"{veth.ifname} on {node.node}, the host's end of {name}, is not a port of"
        f" {bridge.ifname}{more}.",
        evidence=_links(node.node, bridge, veth, actual),
        hits=_hits(node, pairs),
        fix=(
            "put it back:",
            *(
                remedies.on(node.node, command)
                for pair in pairs[:SHOWN]
                for command in _put_back(node, pair)
            ),
            *_or_anew(node, pairs),
        ),
        confirm=(remedies.on(node.node, f"bridge link show dev {veth.ifname}"),),
        useless=(
            "restarting flannel: the veth pair is the bridge plugin's work, done once when the pod"
            " starts",
        ),
    )


def veth_down(node: NodeView) -> tuple[Finding, ...]:
    """One end of a pod's veth pair is down.

    A port that is down forwards nothing, and neither end has a carrier: ARP for the pod goes
    unanswered (NEIGH_FAILED), or the bridge has no running port at all (QDISC_DROP).
    """
    pairs = [
        pair
        for pair in _pairs(node)
        if pair.veth.master == pair.bridge.ifindex and not (pair.veth.up and pair.pod.up)
    ]
    return of_each_way(node, _stops(node.node, pairs), _down(node, pairs)) if pairs else ()


def _down(node: NodeView, pairs: list[Pair]) -> Finding:
    pod, veth, bridge = pairs[0]
    name, more = pod_name(node, pod.ip), and_more([pair.veth.ifname for pair in pairs])
    if veth.up:
        what = f"{pod.ifname} in {name} on {node.node} is down{more}."
        actual = Evidence(
            label="actual",
            value=f"{pod.ifname} down",
            source=f"{node.node} {pod.found_in}",
            differs=True,
        )
    else:
        what = f"{veth.ifname} on {node.node}, the host's end of {name}, is down{more}."
        actual = _links(node.node, bridge, veth, "down")[1]
    return Finding(
        rule="veth-down",
        severity=Severity.ERROR,
        node=node.node,
        device=veth.ifname,
        sentence=what,
        evidence=(
            _links(node.node, bridge, veth, "down")[0],
            actual,
        ),
        hits=_hits(node, pairs),
        fix=_set_up(node, pairs, name),
        confirm=(remedies.on(node.node, f"ip link show dev {veth.ifname}"),),
        useless=(
            "restarting flannel: the veth pair is the bridge plugin's work, done once when the pod"
            " starts",
        ),
    )


def _set_up(node: NodeView, pairs: list[Pair], name: str) -> tuple[str, ...]:
    if all(pair.pod.up for pair in pairs):
        return (
            "set it up:",
            *(
                remedies.on(node.node, f"ip link set {pair.veth.ifname} up")
                for pair in pairs[:SHOWN]
            ),
            *_or_anew(node, pairs),
        )
    return (
        "delete the pod so that it is made anew: its routes went when its device went down, and do"
        " not come back with it:",
        delete_pod(name),
    )


def _put_back(node: NodeView, pair: Pair) -> Iterator[str]:
    yield f"ip link set {pair.veth.ifname} master {pair.bridge.ifname} up"
    files = node.state.files.items()
    if any(CONFIGURATIONS in path and HAIRPIN.search(text) for path, text in files):
        # Set by the plugin when it makes the port: a pod that calls its own Service needs it.
        yield f"bridge link set dev {pair.veth.ifname} hairpin on"


def _or_anew(node: NodeView, pairs: list[Pair]) -> tuple[str, ...]:
    names = dict.fromkeys(pod_name(node, pair.pod.ip) for pair in pairs[:SHOWN])
    return ("or delete the pod so that it is made anew:", *map(delete_pod, names))


def _pairs(node: NodeView) -> list[Pair]:
    """Pods of flannel's own making. MissingFact: nobody could look for the pods."""
    tables = node.tables("links", "pods")
    bridge = tables.bridge()
    if bridge is None:
        return []
    found = []
    for pod in tables.state.pods:
        veth = tables.link(pod.host_ifindex)
        if veth is not None and not outside(node, pod.ip):
            found.append(Pair(pod, veth, bridge))
    return found


def _stops(node: str, pairs: list[Pair]) -> Stops:
    """Packets ended at the edge of one of these pods."""
    ips = {pair.pod.ip for pair in pairs}

    def stops(way: WayView, end: WayEnd) -> bool:
        sends = way.sender == node and way.source.ip in ips
        takes = way.receiver == node and way.destination.ip in ips
        return (sends and unsent(way, end)) or (takes and undelivered(way, end))

    return stops


def _hits(node: NodeView, pairs: list[Pair]) -> str:
    names = [pod_name(node, pair.pod.ip) for pair in pairs[:SHOWN]]
    more = f" and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
    return f"everything to and from {', '.join(names)}{more}"


def _links(node: str, bridge: Link, veth: Link, actual: str) -> tuple[Evidence, ...]:
    return (
        Evidence(
            label="expected",
            value=f"master {bridge.ifname}, up",
            source=f"{node} bridge of the pod subnet",
        ),
        Evidence(label="actual", value=actual, source=f"{node} link {veth.ifname}", differs=True),
    )
