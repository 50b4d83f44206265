"""Pods' packets that a node's firewall stops where it forwards them: which table does, and how."""

from tracer.core.case import WayView
from tracer.core.netfilter.flannel import stands_elsewhere
from tracer.core.netfilter.stopped import rules_of
from tracer.core.rules import lines, proof, remedies
from tracer.core.rules.firewall import MOST, Stop, of_firewalld, quoted, stop_of
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.packet import Net

STEP = Step.DROPS


def firewalld_forward_reject(way: WayView) -> Finding | None:
    """A node's firewall rejects the pods' packets where it forwards them, as firewalld does.

    Their sender gets an ICMP error, so that TCP says "No route to host" at once. What firewalld
    does not know by a zone it rejects, whatever other tables accept.
    """
    stop = _stop(way, "firewalld-forward-reject")
    if stop is None:
        return None
    node, network = stop.node, pod_network(way)
    whose = "firewalld" if of_firewalld(stop) else "A firewall"
    told = next((line.reject for line in stop.lines if line.reject), None)
    return Finding(
        rule="firewalld-forward-reject",
        severity=Severity.ERROR,
        node=node,
        device=stop.place.ifname,
        sentence=f"{whose} of {node} rejects the pods' packets where {node} forwards them"
        + (f"; their sender is told {told}." if told else "."),
        evidence=_evidence(way, stop),
        hits=_hits(way, stop),
        fix=_trusted(way, node, network) if of_firewalld(stop) else _before_it(stop, network),
        confirm=(
            remedies.on(node, "nft list chain inet firewalld filter_FORWARD")
            if of_firewalld(stop)
            else remedies.on(node, "iptables-save -c | grep -e REJECT -e FLANNEL-FWD"),
        ),
        useless=(
            "accepting the packets with iptables: an accept ends its own table only"
            if of_firewalld(stop)
            else "restarting flannel: its rules are appended behind all others",
            "opening udp 8472: that is the outer packet, which came in",
        ),
        way=way.way,
        explains=True,
    )


def nft_other_table_drop(way: WayView) -> Finding | None:
    """Another firewall table than flannel's drops the pods' packets where a node forwards them.

    An accept ends its own table only, a drop ends all: nftables.conf, iptables-legacy beside
    iptables-nft, another base chain of a higher priority.
    """
    stop = _stop(way, "nft-other-table-drop")
    if stop is None:
        return None
    node, network, line = stop.node, pod_network(way), stop.lines[0]
    table = f"{line.table} of the legacy backend" if "legacy" in line.tool else line.table
    return Finding(
        rule="nft-other-table-drop",
        severity=Severity.ERROR,
        node=node,
        device=stop.place.ifname,
        sentence=f"Firewall table {table}, chain {line.chain}, of {node} drops the pods' packets;"
        " an accept in another table does not help.",
        evidence=(*_evidence(way, stop), *_in_both_backends(stop, way)),
        hits=_hits(way, stop),
        fix=_before_it(stop, network),
        confirm=(remedies.on(node, "nft list chains | grep -A2 forward; iptables-legacy-save"),),
        useless=(
            "restarting flannel, or accepting with iptables: that is another table, and an accept"
            " ends its own only",
        ),
        way=way.way,
        explains=True,
    )


def forward_drop(way: WayView) -> Finding | None:
    """A node's firewall drops the pods' packets where it forwards them.

    Docker, for one, sets the FORWARD policy to DROP. flannel's accepting rules are appended behind
    all others, and somebody may have told flanneld not to write them.
    """
    stop = _stop(way, "forward-drop")
    if stop is None:
        return None
    node = stop.node
    return Finding(
        rule="forward-drop",
        severity=Severity.ERROR,
        node=node,
        device=stop.place.ifname,
        sentence=f"The firewall of {node} drops the pods' packets where {node} forwards them.",
        evidence=_evidence(way, stop),
        hits=_hits(way, stop),
        fix=_by_rule(stop, pod_network(way)) or _by_policy(way, stop),
        confirm=(remedies.on(node, "iptables-save -c | grep -e FORWARD -e FLANNEL-FWD"),),
        useless=(
            "adding an accepting rule to another table: an accept ends its own table only, a drop"
            " ends all",
        ),
        way=way.way,
        explains=True,
    )


def _stop(way: WayView, rule: str) -> Stop | None:
    """What stops the way's packets at FORWARD, if it is this rule's affair."""
    stop = stop_of(way)
    if stop is None or stop.hook != "forward" or stop.before_routing:
        return None
    return stop if _kind(way, stop) == rule else None


def _kind(way: WayView, stop: Stop) -> str:
    if stop.rejects or of_firewalld(stop):
        return "firewalld-forward-reject"
    if stop.lines and stop.decision is not None:
        rules = rules_of(way.case.state(stop.node))
        if stands_elsewhere(rules, stop.lines[0], pod_network(way)):
            return "nft-other-table-drop"
    return "forward-drop"


def pod_network(way: WayView) -> Net:
    """flannel's Network of the traced family; the receiver's part of it where that is not known."""
    conf = way.case.net_conf
    whole = None
    if conf is not None:
        whole = conf.network_v6 if way.case.family == 6 else conf.network
    return whole or way.receiver_lease.pod_cidr or way.dst


def _evidence(way: WayView, stop: Stop) -> tuple[Evidence, ...]:
    return (*proof.kernel(way), *quoted(stop.decision, stop.node))


def _in_both_backends(stop: Stop, way: WayView) -> tuple[Evidence, ...]:
    if not rules_of(way.case.state(stop.node)).both_backends:
        return ()
    return (
        Evidence(
            label="backends",
            value="iptables-legacy and iptables-nft both hold rules",
            source=stop.node,
            differs=True,
        ),
    )


def _hits(way: WayView, stop: Stop) -> str:
    node = stop.node
    return f"everything that {node} forwards {'for' if node == way.sender else 'to'} its pods"


def _trusted(way: WayView, node: str, network: Net) -> tuple[str, ...]:
    tables, vtep = way.case.tables(node, "links"), way.case.vtep(node)
    devices = (link.ifname for link in (tables.bridge(), vtep) if link is not None)
    zone = "firewall-cmd --permanent --zone=trusted"
    return (
        "put the pods' devices and network in firewalld's zone `trusted`:",
        remedies.on(node, zone + "".join(f" --add-interface={name}" for name in devices)),
        remedies.on(node, f"{zone} --add-source={network}"),
        remedies.on(node, "firewall-cmd --reload"),
    )


def _before_it(stop: Stop, network: Net) -> tuple[str, ...]:
    """Accept in that very table, before the line that stops them; or remove the line."""
    line = stop.lines[0]
    return (
        "accept the pods' packets in that very table, before the line that stops them, and with the"
        " tool that keeps it:",
        *lines.network_accepted(line, stop.node, network),
        "or have the chain accept what no rule of it decides:"
        if line.policy
        else "or remove that line, and have whatever wrote it leave the pods' network alone:",
        lines.removed(line, stop.node),
    )


def _by_rule(stop: Stop, network: Net) -> tuple[str, ...]:
    """A rule before flannel's own goes, or pods' packets pass before they meet it."""
    line = next((each for each in stop.lines if not each.policy), None)
    if line is None:
        return ()
    which = "the rule that" if len(stop.lines) == 1 else "whichever of these"
    return (
        f"remove {which} drops them, and have whatever wrote it leave the pods' network alone:",
        *(lines.removed(each, stop.node) for each in stop.lines[:MOST]),
        "or accept the pods' packets before it (flannel's own rules are appended behind all"
        " others):",
        *lines.network_accepted(line, stop.node, network),
    )


def _by_policy(way: WayView, stop: Stop) -> tuple[str, ...]:
    """What no rule decides is dropped: flannel's rules are missing."""
    line = next(iter(stop.lines), None)
    return (
        f"restart flanneld on {stop.node}, which writes its accepting rules again unless it is told"
        " not to (--iptables-forward-rules=false):",
        remedies.restart_flannel(way.case, stop.node),
        "or accept what no rule decides:",
        lines.removed(line, stop.node)
        if line is not None
        else remedies.on(stop.node, "iptables -P FORWARD ACCEPT"),
    )
