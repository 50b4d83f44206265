"""Faults of a host: firewalls, sysctls, policy."""

from cluster.faults.fault import Act, Fault, all_of, on, shell
from cluster.faults.tables import lease
from cluster.setup import Cluster


def _answering_by(way: str) -> Act:
    """The route of node-b to the pods of node-a."""

    def act(cluster: Cluster) -> None:
        first, _, _ = lease(cluster, "node-a")
        words = way.format(first=first).split()
        cluster.places["node-b"].run("ip", "route", "replace", f"{first}/24", *words)

    return act


def _by_rule(name: str, slug: str, node: str, rule: str, table: str = "filter") -> Fault:
    """A rule of iptables before all others of its chain; it goes again as it came."""
    tool = f"iptables -t {table}"
    return Fault(
        name=name,
        slug=slug,
        inject=shell(node, f"{tool} -I {rule}"),
        heal=shell(node, f"{tool} -D {rule}"),
    )


FAULTS = (
    _by_rule("input-drop-8472", "input-drop-8472", "node-b", "INPUT -p udp --dport 8472 -j DROP"),
    _by_rule(
        "forward-drop-at-sender", "forward-drop", "node-a", "FORWARD -i cni0 -o flannel.1 -j DROP"
    ),
    Fault(
        name="forward-policy-without-flannel",
        slug="forward-drop",
        inject=shell("node-b", "iptables -P FORWARD DROP; iptables -I FLANNEL-FWD 1 -j RETURN"),
        heal=shell("node-b", "iptables -P FORWARD ACCEPT; iptables -D FLANNEL-FWD 1"),
    ),
    _by_rule(
        "firewalld-forward-reject",
        "firewalld-forward-reject",
        "node-b",
        "FORWARD -j REJECT --reject-with icmp-host-prohibited",
    ),
    Fault(
        name="nft-other-table-drop",
        slug="nft-other-table-drop",
        inject=shell(
            "node-b",
            "nft add table inet fw; nft 'add chain inet fw f"
            " { type filter hook forward priority 10; policy drop; }'",
        ),
        heal=shell("node-b", "nft delete table inet fw"),
    ),
    Fault(
        name="ip-forward-off",
        slug="ip-forward-off",
        inject=on("node-b", "sysctl", "-qw", "net.ipv4.ip_forward=0"),
    ),
    _by_rule(
        "raw-or-tc-drop",
        "raw-or-tc-drop",
        "node-a",
        "PREROUTING -i cni0 -d 10.244.0.0/16 -j DROP",
        "raw",
    ),
    Fault(
        name="rp-filter",
        slug="rp-filter",
        inject=all_of(
            _answering_by("via 192.168.79.11 dev eth0"),
            on("node-b", "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1"),
        ),
        heal=all_of(
            _answering_by("via {first} dev flannel.1 onlink"),
            on("node-b", "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0"),
        ),
        useless=on("node-b", "sysctl", "-qw", "net.ipv4.conf.flannel/1.rp_filter=0"),
    ),
    _by_rule(
        "masq-pod-to-pod",
        "masq-pod-to-pod",
        "node-a",
        "POSTROUTING -s 10.244.0.0/16 -j MASQUERADE",
        "nat",
    ),
    Fault(
        name="subnet-env-stale",
        slug="subnet-env-stale",
        inject=shell(
            "node-b",
            "sed -i s,^FLANNEL_SUBNET=.*,FLANNEL_SUBNET=10.244.77.1/24, /run/flannel/subnet.env",
        ),
    ),
    Fault(
        name="br-netfilter-off",
        slug="br-netfilter-off",
        inject=on("node-b", "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0"),
    ),
)
