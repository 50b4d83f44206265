"""What filters besides INPUT and FORWARD: raw, tc; and flannel's own rules, where they are lost."""

from collections.abc import Iterable

from tracer.core.case import MissingFact, WayView
from tracer.core.netfilter.flannel import TABLE, has_flannel_masquerade
from tracer.core.netfilter.ruleset import NFT
from tracer.core.netfilter.stopped import rules_of
from tracer.core.rules import lines, proof, remedies
from tracer.core.rules.firewall import Stop, quoted, stop_of
from tracer.core.views import NodeView
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.state import TcFilter

STEP = Step.DROPS

KIND = {4: "ip", 6: "ip6"}
"""nft's families."""

BY_PROGRAM = {
    "TC_INGRESS": ("ingress", "tcx ingress"),
    "TC_EGRESS": ("egress", "tcx egress"),
    "XDP": ("xdp",),
}
"""Drop reason -> hooks of the programs that it speaks of."""


def raw_or_tc_drop(way: WayView) -> Finding | None:
    """A node drops packets before it routes them: in raw or mangle PREROUTING, or by tc.

    Neither INPUT nor FORWARD ever sees them, so that no accept there helps. Policy agents and other
    CNIs leave such rules and programs behind.
    """
    stop = stop_of(way)
    if stop is not None and stop.before_routing:
        return _by_rule(way, stop)
    return _by_program(way)


def _by_rule(way: WayView, stop: Stop) -> Finding:
    node, line = stop.node, next(iter(stop.lines), None)
    where = f"table {line.table}" if line is not None and line.table else "PREROUTING"
    what = "VXLAN packets" if stop.hook == "input" else f"packets to {way.dst}"
    return Finding(
        rule="raw-or-tc-drop",
        severity=Severity.ERROR,
        node=node,
        device=stop.place.ifname,
        sentence=f"The firewall of {node} drops {what} before it routes them: PREROUTING of"
        f" {where}.",
        evidence=(*proof.kernel(way), *quoted(stop.decision, node)),
        hits=_hits(stop),
        fix=(
            "remove the rule, and whatever wrote it or left it behind:",
            *((lines.removed(line, node),) if line is not None else ()),
        ),
        confirm=(
            remedies.on(node, "iptables-save -c | grep PREROUTING; nft list chains prerouting"),
        ),
        useless=(
            "accepting the packets in INPUT or FORWARD: they never come there",
            "restarting flannel: it has no rule in PREROUTING",
        ),
        way=way.way,
        explains=True,
    )


def _hits(stop: Stop) -> str:
    if stop.hook == "input":
        return f"every node that sends to pods of {stop.node}"
    return f"what the rule fits of what comes in at {stop.place.ifname} of {stop.node}"


def _by_program(way: WayView) -> Finding | None:
    end = way.end
    if end is None or end.place is None or not end.freed(*BY_PROGRAM):
        return None
    node, ifname = end.place.node, end.place.ifname
    reason = (end.drop.reason or "") if end.drop is not None else ""
    found = _programs(way, node, ifname, BY_PROGRAM.get(reason, ()))
    return Finding(
        rule="raw-or-tc-drop",
        severity=Severity.ERROR,
        node=node,
        device=ifname,
        sentence=f"A program on {ifname} of {node} drops packets to {way.dst}: {reason}.",
        evidence=(
            *proof.kernel(way),
            *(
                Evidence(label="program", value=each.name, source=f"{node} {ifname} {each.hook}")
                for each in found
            ),
        ),
        hits=f"what passes {ifname} of {node}, as the program has it",
        fix=(
            "find whose program it is; where that one is gone, detach it:",
            remedies.on(node, f"bpftool net show dev {ifname}"),
            remedies.on(node, f"tc filter show dev {ifname} {_side(reason)}"),
        ),
        confirm=(remedies.on(node, f"bpftool net show dev {ifname}"),),
        useless=("changing iptables or restarting flannel: the program stands outside of both",),
        way=way.way,
        explains=True,
    )


def _side(reason: str) -> str:
    return "egress" if reason == "TC_EGRESS" else "ingress"


def _programs(way: WayView, node: str, ifname: str, hooks: Iterable[str]) -> list[TcFilter]:
    tables = way.case.facts.tables_if_read(node)
    link = tables.link_named(ifname) if tables is not None else None
    if tables is None or link is None:
        return []
    return [
        each for each in tables.state.filters if each.ifindex == link.ifindex and each.hook in hooks
    ]


def rules_flushed(node: NodeView) -> Finding | None:
    """flannel's nftables rules are gone from a node: flanneld writes them once, when it starts.

    In iptables mode it looks every five seconds; in nftables mode (EnableNFTables) never again. A
    flush leaves its pods without masquerading, so that they reach nobody outside of the cluster.
    """
    conf = node.facts.net_conf
    if conf is None or not conf.enable_nftables:
        return None
    if all(dump.tool != NFT for dump in node.state.firewall):
        raise MissingFact(f"nft ruleset of {node.node}: not read")
    rules = rules_of(node.state)
    for family in node.families:
        network = conf.network_v6 if family == 6 else conf.network
        table = (KIND[family], TABLE[family])
        if network is None or rules.missing_for(family) or next(rules.table(*table), None):
            continue
        # With these a flanneld runs that was not restarted since the mode was switched.
        if not has_flannel_masquerade(rules, network):
            return _flushed(node, " ".join(table), conf.source)
    return None


def _flushed(node: NodeView, table: str, source: str) -> Finding:
    name, hides = node.node, node.tables().subnet_env.get("FLANNEL_IPMASQ") == "true"
    checked = node.facts.bundle.request is None
    return Finding(
        rule="rules-flushed",
        # No pod's packet to another pod needs these rules: a trace of such is not hit.
        severity=Severity.ERROR if hides and checked else Severity.WARNING,
        node=name,
        device=None,
        sentence=f"flannel's nftables table {table} is gone from {name}, and flanneld does not"
        " write it again by itself.",
        evidence=(
            Evidence(label="expected", value=f"table {table}", source=f"EnableNFTables, {source}"),
            Evidence(label="actual", value="none", source=f"{name} nft list tables", differs=True),
        ),
        hits=f"pods of {name} that call addresses outside of the cluster: their own addresses are"
        " hidden no more, and no answer comes back",
        fix=(
            f"restart flanneld on {name}; and have whatever flushes the rules (nftables.service,"
            " firewalld without FlushAllOnReload=no) leave other tables alone:",
            remedies.restart_flannel(node.facts, name),
        ),
        confirm=(remedies.on(name, f"nft list table {table}"),),
        useless=(
            "waiting: in iptables mode flanneld looks every five seconds, in nftables mode never",
        ),
    )
