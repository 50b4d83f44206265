"""Faults of half a change: some nodes run flannel's present configuration, some an earlier one."""

from dataclasses import replace

from tracer.lab import flanneld, overlay
from tracer.lab.faults.fault import (
    RECEIVER,
    Fault,
    Plan,
    node,
    others,
)
from tracer.lab.faults.writing import annotate, change_config, restarted_flannel
from tracer.lab.plan import NETWORK
from tracer.lab.shell import run_in_node, set_sysctls, sysctl

MARKED = ["FORWARD", "-s", NETWORK, "-j", "MARK", "--set-xmark", "0x4000/0x4000"]
STRICT = "net/ipv4/conf/all/rp_filter"


def gbp_mismatch(plan: Plan) -> None:
    """node-b's flannel.1 is without GBP after an edit of net-conf.json; the others have it.

    Half of a change: GBP is gone from the ConfigMap, and flanneld was restarted on node-b only,
    where it made flannel.1 anew (vxlanLinksIncompat compares GBP). An agent on all nodes marks
    what comes from pods, as kube-proxy marks what goes to a Service.
    """
    change_config({"GBP": False})
    receiver = node(plan, RECEIVER)
    healthy = overlay.healthy_vtep(receiver)
    vtep = replace(healthy, backend=replace(healthy.backend, gbp=False))
    overlay.recreate_device(receiver, vtep)
    annotate(RECEIVER, flanneld.annotations(vtep))
    flanneld.add_peers(RECEIVER, vtep.backend.device, overlay.healthy_peers(receiver, plan))
    restarted_flannel(RECEIVER)
    for each in plan:
        run_in_node(each.name, ["iptables", "-w", "-I", *MARKED])


def heal_gbp_mismatch(plan: Plan) -> None:
    """Mark nothing."""
    script = 'while "$@" 2>/dev/null; do :; done'
    command = ["iptables", "-w", "-D", *MARKED]
    for each in plan:
        run_in_node(each.name, ["/bin/sh", "-c", script, "sh", *command])


def directrouting_asymmetric(plan: Plan) -> None:
    """node-b sends by flannel.1 after DirectRouting was switched off; the others route to it bare.

    Half of a change: flanneld was restarted on node-b only and replaced its direct routes. node-b
    checks the way back to a source strictly (rp_filter 1, as Red Hat's systems do), and what comes
    in bare would go back by flannel.1.
    """
    change_config({"DirectRouting": False})
    receiver = node(plan, RECEIVER)
    peers = overlay.healthy_peers(receiver, plan)
    flanneld.add_peers(RECEIVER, overlay.healthy_vtep(receiver).backend.device, peers)
    restarted_flannel(RECEIVER)
    set_sysctls(RECEIVER, {STRICT: "1"})


def heal_directrouting(plan: Plan) -> None:
    """Take node-b's entries for VXLAN away and check sources as the other nodes do."""
    device = overlay.healthy_vtep(node(plan, RECEIVER)).backend.device
    flanneld.put_entries_right(RECEIVER, device, [])
    set_sysctls(RECEIVER, {STRICT: sysctl(others(plan, RECEIVER)[0].name, STRICT)})


FAULTS = (
    Fault(gbp_mismatch, heal_gbp_mismatch, needs=("iptables",), shapes=("gbp",)),
    Fault(directrouting_asymmetric, heal_directrouting, shapes=("direct-routing",)),
)
