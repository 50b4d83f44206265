"""The addresses that host-local, the IPAM plugin, has reserved on a node."""

from ipaddress import ip_network

from tracer.core.case import MissingFact
from tracer.core.routes import within
from tracer.core.rules import remedies
from tracer.core.views import NodeView
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.packet import Ip, Net

STEP = Step.NODES

HOST_LOCAL = "/var/lib/cni/networks/cbr0"

LARGEST = 1 << 16
"""Addresses of a pod CIDR that anybody could use up; IPv6's are not counted."""

NEARLY = 0.75
"""Part of the addresses that is reserved when a leak is worth a warning."""

NOBODY_LOOKS = (
    "restarting flannel, the kubelet or containerd: reservations are files, and nobody looks"
    " whether their pods still exist",
)

_SHOW_LEAKED = (
    f"crictl pods -q --no-trunc > /tmp/live && cd {HOST_LOCAL} && for ip in *.*.*.*;"
    ' do grep -qF "$(head -c 64 "$ip")" /tmp/live || echo "$ip"; done'
)


def hostlocal_exhausted(node: NodeView) -> tuple[Finding, ...]:
    """A node has no pod address left: host-local has reserved them all.

    A reservation is a file that only the pod's DEL removes; sandboxes that went without one leave
    theirs behind, and the next pod does not start ("no IP addresses available in range set").
    """
    return tuple(
        finding
        for lease in node.leases
        if lease.pod_cidr is not None and (finding := _exhausted(node, lease.pod_cidr)) is not None
    )


def _exhausted(node: NodeView, cidr: Net) -> Finding | None:
    network, reserved = ip_network(cidr), node.state.host_local
    # Not to be given: the network's own address, the gateway's, and IPv4's broadcast address.
    usable = network.num_addresses - (3 if network.version == 4 else 2)
    if not 0 < usable < LARGEST or len(reserved) < usable * NEARLY:
        return None
    for gap in node.state.not_read:
        if gap.what == HOST_LOCAL:
            raise MissingFact(f"{gap.what} on {node.node}: {gap.why}")
    taken = [ip for ip in reserved if within(ip, cidr)]
    leaked = _leaked(node, taken)
    if len(taken) < usable:
        return _nearly(node, cidr, taken, leaked, usable) if leaked else None
    orphans = f", {len(leaked)} of them for no pod of {node.node}" if leaked else ""
    return Finding(
        rule="hostlocal-exhausted",
        # Pods that run keep their addresses: a trace of such is not hit.
        severity=Severity.WARNING if node.facts.bundle.request is not None else Severity.ERROR,
        node=node.node,
        device=None,
        sentence=f"{node.node} has no pod address left: all {usable} of {cidr} are reserved"
        f"{orphans}.",
        evidence=(
            Evidence(
                label="reserved",
                value=f"{len(taken)} of {usable}",
                source=f"{node.node} {HOST_LOCAL}",
                differs=True,
            ),
            *_orphans(node, leaked),
        ),
        hits=f"every pod that starts on {node.node} from now on; those that run keep theirs",
        fix=_remove_leaked(node.node),
        confirm=(remedies.on(node.node, f"ls {HOST_LOCAL} | wc -l"),),
        useless=NOBODY_LOOKS,
    )


def _remove_leaked(node: str) -> tuple[str, ...]:
    return (
        "remove the reservations of sandboxes that are gone; `echo` shows them, `rm` in its place"
        " removes them:",
        remedies.on(node, _SHOW_LEAKED),
    )


def _nearly(
    node: NodeView, cidr: Net, taken: list[Ip], leaked: list[Ip], usable: int
) -> Finding | None:
    """Leaks that leave little: no fault yet."""
    if len(taken) < usable * NEARLY:
        return None
    return Finding(
        rule="hostlocal-exhausted",
        severity=Severity.WARNING,
        node=node.node,
        device=None,
        sentence=f"{node.node} has {usable - len(taken)} of {usable} pod addresses of {cidr} left,"
        f" and {len(leaked)} are reserved for no pod of {node.node}.",
        evidence=(
            Evidence(
                label="reserved",
                value=f"{len(taken)} of {usable}",
                source=f"{node.node} {HOST_LOCAL}",
            ),
            *_orphans(node, leaked),
        ),
        hits=f"nothing yet; {usable - len(taken)} more pods can start on {node.node}",
        fix=_remove_leaked(node.node),
        confirm=(remedies.on(node.node, f"ls {HOST_LOCAL} | wc -l"),),
        useless=NOBODY_LOOKS,
    )


def _leaked(node: NodeView, taken: list[Ip]) -> list[Ip]:
    """Reserved for no pod that the API knows there. A trace has asked for its own pods only."""
    if node.facts.bundle.request is not None:
        return []
    known = {ip for pod in node.facts.pods_on(node.node) for ip in pod.ips}
    return [ip for ip in taken if ip not in known]


def _orphans(node: NodeView, leaked: list[Ip]) -> tuple[Evidence, ...]:
    if not leaked:
        return ()
    holder = node.state.host_local[leaked[0]].split()
    of = f"sandbox {holder[0][:13]}" if holder else "an empty file"
    return (
        Evidence(
            label="leaked",
            value=f"{len(leaked)}",
            source=f"of no Pod on {node.node}, such as {leaked[0]}: {of}",
        ),
    )
