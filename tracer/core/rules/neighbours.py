"""The kernel's neighbour table as a whole: one for all network namespaces of a node."""

from tracer.core.case import MissingFact, WayView
from tracer.core.end import WayEnd
from tracer.core.rules import remedies
from tracer.core.rules.edge import of_each_way
from tracer.core.views import NodeView, Stops
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.state import Neighbour

STEP = Step.DROPS

DEFAULT_LIMIT = 1024
"""gc_thresh3 of IPv4 and IPv6 alike (net/ipv4/arp.c, net/ipv6/ndisc.c)."""


def neigh_table_overflow(node: NodeView) -> tuple[Finding, ...]:
    """A node's neighbour table is full: the kernel makes no new entry.

    From gc_thresh3 entries on, which all network namespaces of the node share, what needs a new one
    is freed (NEIGH_CREATEFAIL). PERMANENT entries, flannel's own, do not count (neigh_alloc).
    """
    stops = _stops(node.node)
    for family in node.families:
        limit = _limit(node, family)
        counted = _counted(node, family, limit or DEFAULT_LIMIT)
        if limit is None and counted >= DEFAULT_LIMIT:
            raise MissingFact(f"sysctl {_name(family, 3)} of {node.node}: not read")
        if (limit is not None and counted >= limit) or node.stopped(stops) is not None:
            return of_each_way(node, stops, _overflow(node, family, _counted(node, family, 0)))
    return ()


def _overflow(node: NodeView, family: int, counted: int) -> Finding:
    limit = _limit(node, family)
    wanted = max(8 * DEFAULT_LIMIT, 2 * counted)
    return Finding(
        rule="neigh-table-overflow",
        severity=Severity.ERROR,
        node=node.node,
        device=None,
        sentence=f"The neighbour table of {node.node} is full: its kernel makes no new entry for a"
        " pod or a node.",
        evidence=(
            Evidence(
                label="entries",
                value=f"{counted}",
                source=f"{node.node} IPv{family} neighbours that are not PERMANENT, its pods'"
                " included",
                differs=True,
            ),
            Evidence(
                label="limit",
                value=f"{limit}" if limit is not None else "not known",
                source=f"{node.node} sysctl {_name(family, 3)}",
            ),
        ),
        hits=f"whatever needs a new neighbour entry on {node.node}, in any pod there; entries that"
        " exist go on working",
        fix=(
            "raise the three thresholds, and keep them in /etc/sysctl.d:",
            remedies.on(
                node.node,
                f"sysctl -w {_name(family, 1)}={wanted // 8} {_name(family, 2)}={wanted // 2}"
                f" {_name(family, 3)}={wanted}",
            ),
        ),
        confirm=(
            remedies.on(node.node, f"ip -{family} -s ntable show name {_TABLE[family]}"),
            remedies.on(node.node, "dmesg | grep 'neighbor table overflow'"),
        ),
        useless=(
            "`ip neigh flush all`: the table fills up again in a moment",
            "setting them inside of a pod or a namespace: the thresholds are the node's, and only"
            " its first network namespace has them",
        ),
    )


_TABLE = {4: "arp_cache", 6: "ndisc_cache"}


def _stops(node: str) -> Stops:
    """The kernel's own word for it (__neigh_create failed)."""

    def stops(_way: WayView, end: WayEnd) -> bool:
        return end.on(node) and end.freed("NEIGH_CREATEFAIL")

    return stops


def _counted(node: NodeView, family: int, limit: int) -> int:
    """Entries that the garbage collector counts, as far as they were read.

    Below the limit nobody needs to know: then it is how many there are of any kind.
    """
    state = node.tables("neighbours").state
    tables = (state.neighbours, *(pod.neighbours for pod in state.pods))
    most = sum(map(len, tables))
    if most < limit:
        return most
    return sum(_counts(entry, family) for table in tables for entry in table)


def _counts(entry: Neighbour, family: int) -> bool:
    return entry.state != "PERMANENT" and (":" in entry.ip) == (family == 6)


def _limit(node: NodeView, family: int) -> int | None:
    value = node.tables().sysctl(_name(family, 3))
    return int(value) if value is not None and value.isdigit() else None


def _name(family: int, threshold: int) -> str:
    return f"net.ipv{family}.neigh.default.gc_thresh{threshold}"
