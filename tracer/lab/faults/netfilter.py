"""Faults of firewalls beside flannel's own rules (part D of the catalogue)."""

from tracer.lab import firewall, overlay
from tracer.lab.faults.fault import (
    RECEIVER,
    SENDER,
    Fault,
    Plan,
    node,
)
from tracer.lab.plan import NETWORK
from tracer.lab.shell import run_in_node

LEFTOVER = "-i cni0 -d {pods} -j DROP"

HIDE_ALL = f"POSTROUTING -s {NETWORK} -j MASQUERADE"

OTHER_TABLE = """
table inet filter {
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
    }
}
"""
"""/etc/nftables.conf of a host that is no router; nftables.service loads it at each boot."""

FIREWALLD = """
table inet firewalld {
    chain filter_FORWARD {
        type filter hook forward priority filter + 10; policy accept;
        ct state { established, related } accept
        ct status dnat accept
        iifname "lo" accept
        ct state { invalid } drop
        jump filter_FORWARD_ZONES
        reject with icmpx type admin-prohibited
    }
    chain filter_FORWARD_ZONES {
        iifname "eth0" goto filter_FWD_public
        goto filter_FWD_public
    }
    chain filter_FWD_public {
        jump filter_FWD_public_allow
        reject with icmpx type admin-prohibited
    }
    chain filter_FWD_public_allow {
        oifname "eth0" accept
    }
}
"""
"""The part that firewalld 1.3 writes for forwarding, where all devices are in its default zone."""


def raw_or_tc_drop(plan: Plan) -> None:
    """A policy agent left a rule on node-a, in raw: what its pods send to node-b's is dropped.

    The agent itself is gone. raw's PREROUTING comes before routing and before FORWARD.
    """
    pods = node(plan, RECEIVER).pod_cidr
    words = LEFTOVER.format(pods=pods).split()
    run_in_node(SENDER, ["iptables", "-w", "-t", "raw", "-A", "PREROUTING", *words])


def heal_raw(_plan: Plan) -> None:
    """Remove the table, which nobody else uses; where iptables is not nft's, empty it."""
    script = "nft delete table ip raw 2>/dev/null || iptables -w -t raw -F"
    run_in_node(SENDER, ["/bin/sh", "-c", script])


def masq_pod_to_pod(_plan: Plan) -> None:
    """node-a hides its pods from other pods, too: a rule behind flannel's masquerades them all."""
    run_in_node(SENDER, ["iptables", "-w", "-t", "nat", "-A", *HIDE_ALL.split()])


def heal_masquerade(_plan: Plan) -> None:
    """Remove the rule, and what conntrack remembers of it with the next packet."""
    run_in_node(SENDER, ["iptables", "-w", "-t", "nat", "-D", *HIDE_ALL.split()])


def nft_other_table_drop(_plan: Plan) -> None:
    """node-b's nftables.conf drops what it forwards, in a table of its own.

    flannel's accepting rules are in place, in iptables' table.
    """
    run_in_node(RECEIVER, ["nft", "-f", "-"], text=OTHER_TABLE)


def heal_other_table(_plan: Plan) -> None:
    """Delete the table."""
    run_in_node(RECEIVER, ["nft", "delete table inet filter"])


def firewalld_forward_reject(_plan: Plan) -> None:
    """firewalld runs on node-b, and cni0 and flannel.1 are in no zone that may forward.

    It rejects what it does not know; flannel's accepting rules are in another table.
    """
    run_in_node(RECEIVER, ["nft", "-f", "-"], text=FIREWALLD)


def heal_firewalld(_plan: Plan) -> None:
    """Delete the table."""
    run_in_node(RECEIVER, ["nft", "delete table inet firewalld"])


def rules_flushed(_plan: Plan) -> None:
    """nftables.service was restarted on node-b: it flushed all rules, flannel's among them.

    In nftables mode flanneld writes them once, at its start.
    """
    run_in_node(RECEIVER, ["nft", "flush", "ruleset"])


def heal_rules_flushed(plan: Plan) -> None:
    """Write flannel's rules again, as its restart does."""
    vtep = overlay.healthy_vtep(node(plan, RECEIVER))
    firewall.install_nftables(RECEIVER, vtep.backend.network, vtep.pod_cidr)


FAULTS = (
    Fault(raw_or_tc_drop, heal_raw, needs=("iptables",)),
    Fault(
        masq_pod_to_pod,
        heal_masquerade,
        needs=("iptables",),
        spares="packets arrive, with another source address",
    ),
    Fault(nft_other_table_drop, heal_other_table, needs=("nft",)),
    Fault(firewalld_forward_reject, heal_firewalld, needs=("nft",)),
    Fault(
        rules_flushed,
        heal_rules_flushed,
        needs=("nft",),
        shapes=("nftables",),
        spares="only what pods send out of the cluster is hit",
    ),
)
