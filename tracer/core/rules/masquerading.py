"""What rewrites the source of what pods send to pods."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from msgspec.structs import replace

from tracer.core.case import WayView
from tracer.core.netfilter.decision import Decision
from tracer.core.netfilter.flannel import TABLE
from tracer.core.netfilter.probe import Probe
from tracer.core.netfilter.stopped import rules_of
from tracer.core.rules import lines, remedies
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.packet import Ip

STEP = Step.DROPS


def masq_pod_to_pod(way: WayView) -> Finding | None:
    """A node rewrites the source of what pods of one node send to pods of another.

    Packets arrive, and from the wrong address: the node's flannel.1, or its cni0 where the receiver
    does it. NetworkPolicies and allow lists fail. flannel's own rules let what goes from pod to pod
    return before they masquerade.
    """
    if not way.crosses or not way.from_pod or not way.to_pod:
        return None
    for node, asked in _new_connections(way):
        decision = _rewriting(way, node, asked)
        if decision is None:
            continue
        back = replace(asked, src=asked.dst, dst=asked.src, iif=asked.oif, oif=asked.iif)
        if node == way.sender or _rewriting(way, node, back) is None:
            # Whoever rewrites what its own pods send is told of there.
            return _masqueraded(way, node, asked.oif or "", decision)
    return None


def _rewriting(way: WayView, node: str, asked: Probe) -> Decision | None:
    hooks = ("prerouting", "forward", "postrouting")
    *_, decision = rules_of(way.case.state(node)).course(hooks, asked)
    return decision if decision.hook == "postrouting" and decision.rewrites else None


def _masqueraded(way: WayView, node: str, out: str, decision: Decision) -> Finding:
    sends = node == way.sender
    seen = f"{way.dst} sees {_rewritten(way, node, decision, out)} instead of {way.src}"
    return Finding(
        rule="masq-pod-to-pod",
        severity=Severity.WARNING,
        node=node,
        device=out,
        sentence=f"{node} rewrites the source of what its pods send to other nodes' pods: {seen}."
        if sends
        else f"{node} rewrites the source of what its pods get from other nodes' pods: {seen}.",
        evidence=(
            Evidence(
                label="rule",
                value=decision.quote,
                source=f"{node} {decision.tool}, table {decision.table}",
                differs=True,
            ),
        ),
        hits=(
            f"everything that pods of {node} send to pods of other nodes"
            if sends
            else f"everything that pods of other nodes send to pods of {node}"
        )
        + ": NetworkPolicies and allow lists that know pods by their address",
        fix=_fix(way, node, decision),
        confirm=(remedies.on(node, f"tcpdump -ni {out} host {way.dst}"),),
        useless=(
            "restarting flannel: its rules return before its own masquerading, and any rule behind"
            " them still applies",
        ),
        way=way.way,
    )


def _fix(way: WayView, node: str, decision: Decision) -> tuple[str, ...]:
    """Take the rule away where nobody writes it again at once; and tell who wrote it."""
    if decision.chain.startswith("FLANNEL-") or decision.table.endswith(tuple(TABLE.values())):
        return (
            "have net-conf's Network hold the addresses of all pods; the rule is flanneld's own,"
            " which writes it again:",
            remedies.edit_net_conf(way.case),
            remedies.restart_all(way.case),
        )
    if decision.chain.startswith("KUBE-"):
        return (
            "correct kube-proxy's --cluster-cidr and masqueradeAll; the rule is its own, which it"
            " writes again:",
            remedies.on(node, "iptables-save -t nat | grep KUBE-"),
        )
    return (
        "remove the rule, and have whatever wrote it leave the pods' network out, or it comes back:"
        " kube-proxy's --cluster-cidr and masqueradeAll, firewalld's masquerade, ipMasq of a CNI"
        " configuration, Docker:",
        lines.removed(decision, node),
    )


def _inside(ip: Ip, cidr: str | None) -> bool:
    return cidr is not None and ip_address(ip) in ip_network(cidr, strict=False)


def _new_connections(way: WayView) -> Iterator[tuple[str, Probe]]:
    """Its first packet, as either node forwards it: only that one meets the nat chains."""
    tables = way.case.tables(way.sender, "links")
    bridge, route = tables.bridge(), way.route.route
    out = tables.link(route.ifindex) if route is not None else None
    if bridge is None or out is None or not _inside(way.src, way.sender_lease.pod_cidr):
        # A pod outside of its node's subnet is masqueraded by flannel's own rules, and rightly.
        return
    yield way.sender, _first(way, bridge.ifname, out.ifname)
    there = way.case.facts.tables_if_read(way.receiver)
    last = there.bridge() if there is not None else None
    vtep = way.receiver_vtep if last is not None else None
    if last is not None and vtep is not None and out.vxlan is not None:
        yield way.receiver, _first(way, vtep.ifname, last.ifname)


def _first(way: WayView, iif: str, oif: str) -> Probe:
    six = way.case.family == 6
    return Probe(
        src=way.src,
        dst=way.dst,
        protocol="icmpv6" if six else "icmp",
        icmp_type=128 if six else 8,
        icmp_code=0,
        iif=iif,
        oif=oif,
    )


def _rewritten(way: WayView, node: str, decision: Decision, oif: str) -> str:
    if decision.to is not None:
        return decision.to
    tables = way.case.tables(node, "links")
    link = tables.link_named(oif)
    held = tables.addresses_of(link.ifindex) if link is not None else ()
    alike = (each.ip for each in held if (":" in each.ip) is (way.case.family == 6))
    return next(alike, "another address")
