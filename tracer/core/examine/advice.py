"""What to do about a fault that only traffic has shown, in the words of the rule of that name."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tracer.core.examine.explaining import (
    ANNOTATION,
    DEAD,
    LIVE,
    MOVED,
    STALE,
    TWINS,
    UNPUBLISHED,
)
from tracer.core.facts import Facts
from tracer.core.rules import remedies
from tracer.core.rules.entries import NO_PEER_REPAIRS
from tracer.core.rules.twins import KEEPS_IT, SHOW_IDENTITIES


class Advice(NamedTuple):
    """As a finding has it."""

    hits: str
    fix: tuple[str, ...]
    confirm: tuple[str, ...]
    useless: tuple[str, ...]


class Fault(NamedTuple):
    """What is known of it."""

    facts: Facts
    node: str
    """Where the cause sits."""
    other: str
    """The node at the other end."""
    vtep: str


def advice(rule: str, fault: Fault) -> Advice:
    """For every rule that core/examine/meaning.py and drop_meaning.py may name."""
    found = _BY_RULE.get(rule, _look)(fault)
    if fault.node in fault.facts.bundle.nodes:
        return found
    # nobody has seen its tables: they tell which entry it is
    first = f"see what stands on {fault.node}, then {found.fix[0]}"
    return found._replace(fix=(first, f"flantrace check {fault.node}", *found.fix[1:]))


def _entries(fault: Fault) -> Advice:
    node, other = fault.node, fault.other
    show = (
        remedies.on(node, f"ip neigh show dev {fault.vtep}"),
        remedies.on(node, f"bridge fdb show dev {fault.vtep}"),
    )
    return Advice(
        f"what {node} sends to pods of {other}",
        (
            f"restart flanneld on {node}; it writes the entries of all peers:",
            remedies.restart_flannel(fault.facts, node),
        ),
        show,
        (NO_PEER_REPAIRS, remedies.CNI_FILES),
    )


def _lease(fault: Fault) -> Advice:
    node = fault.node
    return Advice(
        f"every node that sends to pods of {node}, not only {fault.other}",
        (
            f"restart flanneld on {node}; it publishes what its device has, and peers follow:",
            remedies.restart_flannel(fault.facts, node),
        ),
        (
            remedies.show_annotations(node),
            remedies.on(node, f"ip -d link show {fault.vtep}"),
        ),
        (remedies.CNI_FILES, remedies.delete_devices(fault.vtep)),
    )


def _routes(fault: Fault) -> Advice:
    node = fault.node
    return Advice(
        f"what {node} sends to pods of {fault.other}",
        (
            f"see which route takes the packets; where flannel's is gone, restart flanneld on"
            f" {node}, which writes those of all peers:",
            remedies.on(node, "ip rule; ip route show table all"),
            remedies.restart_flannel(fault.facts, node),
        ),
        (remedies.on(node, f"ip route show dev {fault.vtep}"),),
        (NO_PEER_REPAIRS,),
    )


def _leftover(fault: Fault) -> Advice:
    node = fault.node
    return Advice(
        "whoever sends to these addresses; nothing, where nobody means to",
        (
            f"see whether {node} still has a route to them, of a node that was deleted:",
            remedies.on(node, f"ip route show dev {fault.vtep}"),
        ),
        ("kubectl get nodes -o custom-columns=NAME:.metadata.name,CIDR:.spec.podCIDRs",),
        ("restarting flanneld: it writes the entries of its peers and removes no others",),
    )


def _configured(fault: Fault) -> Advice:
    return Advice(
        f"everything between {fault.node} and {fault.other}",
        (
            "see that flannel's configuration names what is meant, then restart flanneld on every"
            f" node that does otherwise (here {fault.node}):",
            remedies.edit_net_conf(fault.facts),
            remedies.restart_flannel(fault.facts, fault.node),
        ),
        tuple(
            remedies.on(node, "ip -d link show type vxlan") for node in (fault.node, fault.other)
        ),
        ("editing the ConfigMap alone: flanneld reads it once, at its start",),
    )


def _twins(fault: Fault) -> Advice:
    return Advice(
        f"everything between pods of {fault.node} and other nodes",
        (
            f"give {fault.vtep} of {fault.node} a MAC of its own, and have flanneld publish it:",
            remedies.on(fault.node, f"ip link del {fault.vtep}"),
            remedies.restart_flannel(fault.facts, fault.node),
        ),
        SHOW_IDENTITIES,
        KEEPS_IT,
    )


def _checksum(fault: Fault) -> Advice:
    node, vtep = fault.node, fault.vtep
    return Advice(
        f"what {node} sends to pods of other nodes; with some drivers only UDP and TCP",
        (
            f"let the kernel of {node} compute them; a udev rule or a .link file keeps it so:",
            remedies.on(node, f"ethtool -K {vtep} tx-checksum-ip-generic off"),
        ),
        (
            remedies.on(fault.other, "nstat -az UdpInCsumErrors"),
            remedies.on(node, f"ethtool -k {vtep}"),
        ),
        ("restarting flannel: it does not touch offloads, and makes the device with them",),
    )


def _unplugged(fault: Fault) -> Advice:
    node, vtep = fault.node, fault.vtep
    return Advice(
        f"everything between pods of {node} and other nodes",
        (
            f"see whether {node} runs, and whether its uplink is up and has the address that it"
            " publishes:",
            f"kubectl get node {node}",
            remedies.on(node, "ip -br addr"),
        ),
        (remedies.on(node, f"ip -d link show {vtep}"),),
        ("restarting flannel: it has no part in whether the uplink answers",),
    )


def _lost(fault: Fault) -> Advice:
    facts = fault.facts
    port = facts.net_conf.port if facts.net_conf is not None else 8472
    return Advice(
        f"everything from {fault.node} to pods of {fault.other}, at least in part",
        (
            f"let udp {port} pass between the two, in the security group or firewall of both; where"
            " only large packets are lost, widen the link or lower Backend.MTU. To see which it is,"
            " trace a pair of their pods: flantrace then tests sizes and ports",
            remedies.on(fault.other, f"tcpdump -ni any udp port {port}"),
        ),
        (remedies.on(fault.other, f"tcpdump -ni any udp port {port}"),),
        ("restarting flannel or the nodes: the packets leave as they should",),
    )


def _look(fault: Fault) -> Advice:
    node = fault.node
    return Advice(
        f"packets between pods of {node} and of {fault.other}, at least",
        (
            "look at what decides there; the recording shows it to others, too:",
            remedies.on(node, "nft list ruleset"),
            remedies.on(node, "ip -s -s link show"),
        ),
        (remedies.on(node, "ip -s -s link show"),),
        (),
    )


_BY_RULE: Mapping[str, Callable[[Fault], Advice]] = {
    STALE: _entries,
    LIVE: _entries,
    DEAD: _entries,
    ANNOTATION: _lease,
    MOVED: _lease,
    UNPUBLISHED: _lease,
    "routes-lost": _routes,
    "stale-route-deleted-node": _leftover,
    "vni-mismatch": _configured,
    "port-mismatch": _configured,
    "gbp-mismatch": _configured,
    "directrouting-asymmetric": _configured,
    "backend-type-mixed": _configured,
    TWINS: _twins,
    "outer-udp-csum-bad": _checksum,
    "uplink-down": _unplugged,
    "unexplained-loss": _lost,
}
