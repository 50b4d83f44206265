"""Faults of a host's routing policy and of its switches (part D of the catalogue)."""

from tracer.lab.faults.fault import (
    RECEIVER,
    SENDER,
    Fault,
    Plan,
    node,
)
from tracer.lab.plan import UPLINK
from tracer.lab.shell import ip, set_sysctls

PRIORITY, TABLE = 100, 100
STORAGE, MACS = "eth1", ("02:00:00:00:05:01", "02:00:00:00:05:02")
NF_CALL = "net/bridge/bridge-nf-call-iptables"
RP_FILTER = "net/ipv4/conf/all/rp_filter"


def policy_route(plan: Plan) -> None:
    """A policy rule on node-a sends what its pods send to a table of its own, which refuses it.

    As a VPN client's kill switch does while its tunnel is down: its rule is asked before the main
    table, where flannel's routes are.
    """
    pods = node(plan, SENDER).pod_cidr
    ip(
        SENDER,
        [
            f"route add blackhole default table {TABLE}",
            f"rule add priority {PRIORITY} from {pods} lookup {TABLE}",
        ],
    )


def heal_policy_route(_plan: Plan) -> None:
    """Remove the rule and the table."""
    ip(SENDER, [f"rule del priority {PRIORITY}", f"route flush table {TABLE}"])


def rp_filter(plan: Plan) -> None:
    """node-b filters by reverse path, strictly, and has a route to node-a's pods by its uplink.

    Somebody wrote the route by hand, straight to node-a; a hardening profile set rp_filter to 1.
    Either alone does no harm.
    """
    sender = node(plan, SENDER)
    ip(RECEIVER, [f"route replace {sender.pod_cidr} via {sender.address} dev {UPLINK}"])
    set_sysctls(RECEIVER, {RP_FILTER: "1"})


def heal_rp_filter(_plan: Plan) -> None:
    """Filter no more; flannel's own route replaces the other."""
    set_sysctls(RECEIVER, {RP_FILTER: "0"})


def br_netfilter_off(_plan: Plan) -> None:
    """What node-b's bridge passes from pod to pod bypasses iptables: the switch is 0.

    As a sysctl profile for hypervisors sets it. kube-proxy's rules are there and do their half.
    """
    set_sysctls(RECEIVER, {NF_CALL: "0"})


def heal_br_netfilter(_plan: Plan) -> None:
    """Bridged packets meet iptables again."""
    set_sysctls(RECEIVER, {NF_CALL: "1"})


def host_route_overlaps(plan: Plan) -> None:
    """node-a has a storage network with addresses of node-b's pods: the longer prefix wins."""
    pods = node(plan, RECEIVER).pod_cidr.partition("/")[0].rpartition(".")[0]
    ip(
        SENDER,
        [
            f"link add {STORAGE} address {MACS[0]} type veth peer name {STORAGE}-peer"
            f" address {MACS[1]}",
            f"link set {STORAGE} up",
            f"link set {STORAGE}-peer up",
            f"address add {pods}.100/25 dev {STORAGE}",
        ],
    )


def heal_host_route_overlaps(_plan: Plan) -> None:
    """Remove the network; its address and its route go with it."""
    ip(SENDER, [f"link del {STORAGE}"])


FAULTS = (
    Fault(host_route_overlaps, heal_host_route_overlaps),
    Fault(policy_route, heal_policy_route),
    Fault(rp_filter, heal_rp_filter),
    Fault(
        br_netfilter_off,
        heal_br_netfilter,
        shapes=("services",),
        spares="only a Service whose endpoint is on its client's own node is hit",
    ),
)
