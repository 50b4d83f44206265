"""Faults of the host: its firewall and its sysctls (part D of the catalogue)."""

from tracer.lab import firewall
from tracer.lab.faults.fault import (
    RECEIVER,
    Fault,
    Plan,
)
from tracer.lab.faults.writing import change_flannel_args
from tracer.lab.flanneld import DEFAULT_PORT
from tracer.lab.plan import NETWORK
from tracer.lab.shell import run_in_node, set_sysctls

INPUT_RULE = f"INPUT -p udp -m udp --dport {DEFAULT_PORT} -j DROP".split()
NO_FORWARD_RULES = "--iptables-forward-rules=false"


def input_drop_8472(_plan: Plan) -> None:
    """node-b's own firewall drops UDP port 8472 on its way in."""
    run_in_node(RECEIVER, ["iptables", "-w", "-A", *INPUT_RULE])


def heal_input_drop(_plan: Plan) -> None:
    """Remove the rule, as often as it is there."""
    _without_error(["iptables", "-w", "-D", *INPUT_RULE])


def forward_drop(plan: Plan) -> None:
    """node-b forwards nothing: Docker set FORWARD's policy to DROP, and flannel adds no accept.

    flanneld runs with --iptables-forward-rules=false on all nodes, so FLANNEL-FWD is on none
    (with the rules, its resync would put the accept back within five seconds, and the policy
    would do no harm). Only node-b has Docker.
    """
    change_flannel_args(lambda args: [*args, NO_FORWARD_RULES])
    for each in plan:
        firewall.remove_forward_rules(each.name)
    run_in_node(RECEIVER, ["iptables", "-w", "-P", "FORWARD", "DROP"])


def heal_forward_drop(plan: Plan) -> None:
    """Set the policy back and install flannel's forward rules again."""
    run_in_node(RECEIVER, ["iptables", "-w", "-P", "FORWARD", "ACCEPT"])
    for each in plan:
        firewall.remove_forward_rules(each.name)
        firewall.install_forward_rules(each.name, NETWORK)


def ip_forward_off(_plan: Plan) -> None:
    """node-b does not forward: something set net.ipv4.ip_forward to 0 after its pods were made."""
    set_sysctls(RECEIVER, {"net/ipv4/ip_forward": "0"})


def heal_ip_forward(_plan: Plan) -> None:
    """Forward again; the kernel then sets every interface's own value too."""
    set_sysctls(RECEIVER, {"net/ipv4/ip_forward": "1"})


def _without_error(command: list[str]) -> None:
    script = 'while "$@" 2>/dev/null; do :; done'
    run_in_node(RECEIVER, ["/bin/sh", "-c", script, "sh", *command])


FAULTS = (
    Fault(input_drop_8472, heal_input_drop, needs=("iptables",)),
    Fault(forward_drop, heal_forward_drop, needs=("iptables",)),
    Fault(ip_forward_off, heal_ip_forward),
)
