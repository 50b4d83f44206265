"""flannel's own firewall rules (pkg/trafficmngr), as text for iptables-restore and for nft."""

from tracer.lab.shell import has_tool, run_in_node

FORWARD = '-m comment --comment "flanneld forward"'
MASQ = '-m comment --comment "flanneld masq"'
RESTORE = {4: "iptables-restore", 6: "ip6tables-restore"}
_MULTICAST = {4: "224.0.0.0/4", 6: "ff00::/8"}


def family_of(network: str) -> int:
    """4 or 6."""
    return 6 if ":" in network else 4


def forward_rules(network: str) -> str:
    """The filter table: accept what comes from pods and goes to pods."""
    return f"""*filter
:FLANNEL-FWD - [0:0]
-A FORWARD {FORWARD} -j FLANNEL-FWD
-A FLANNEL-FWD -s {network} {FORWARD} -j ACCEPT
-A FLANNEL-FWD -d {network} {FORWARD} -j ACCEPT
COMMIT
"""


def masquerade_rules(network: str, pod_cidr: str) -> str:
    """The nat table: hide pods behind their node outside of the pod network."""
    multicast = _MULTICAST[family_of(network)]
    return f"""*nat
:FLANNEL-POSTRTG - [0:0]
-A POSTROUTING {MASQ} -j FLANNEL-POSTRTG
-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 {MASQ} -j RETURN
-A FLANNEL-POSTRTG -s {pod_cidr} -d {network} {MASQ} -j RETURN
-A FLANNEL-POSTRTG -s {network} -d {pod_cidr} {MASQ} -j RETURN
-A FLANNEL-POSTRTG ! -s {network} -d {pod_cidr} {MASQ} -j RETURN
-A FLANNEL-POSTRTG -s {network} ! -d {multicast} {MASQ} -j MASQUERADE --random-fully
-A FLANNEL-POSTRTG ! -s {network} -d {network} {MASQ} -j MASQUERADE --random-fully
COMMIT
"""


def install(node: str, network: str, pod_cidr: str) -> None:
    """Install all of them, where iptables is; without it the node does as well."""
    tool = RESTORE[family_of(network)]
    if has_tool(tool):
        text = forward_rules(network) + masquerade_rules(network, pod_cidr)
        run_in_node(node, [tool, "-w", "--noflush"], text=text)


def renew_masquerade_rules(node: str, network: str, pod_cidr: str) -> None:
    """Write those of the nat table for another pod CIDR; naming the chain again empties it."""
    tool = RESTORE[family_of(network)]
    lines = masquerade_rules(network, pod_cidr).splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("-A POSTROUTING"))
    if has_tool(tool):
        run_in_node(node, [tool, "-w", "--noflush"], text=text)


def nftables_rules(network: str, pod_cidr: str) -> str:
    """Both in a table of its own, which it writes once (pkg/trafficmngr/nftables/nftables.go)."""
    number = family_of(network)
    ip, multicast = ("ip6" if number == 6 else "ip"), _MULTICAST[number]
    return f"""
table {ip} flannel-ipv{number} {{
    comment "rules for flannel-ipv{number}"
    chain forward {{
        comment "chain to accept flannel traffic"
        type filter hook forward priority filter;
        {ip} saddr {network} accept
        {ip} daddr {network} accept
    }}
    chain postrtg {{
        comment "chain to manage traffic masquerading by flannel"
        type nat hook postrouting priority srcnat;
        meta mark 0x4000 return
        {ip} saddr {pod_cidr} {ip} daddr {network} return
        {ip} saddr {network} {ip} daddr {pod_cidr} return
        {ip} saddr != {pod_cidr} {ip} daddr {network} return
        {ip} saddr {network} {ip} daddr != {multicast} masquerade fully-random
        {ip} saddr != {network} {ip} daddr {network} masquerade fully-random
    }}
}}
"""


def install_nftables(node: str, network: str, pod_cidr: str) -> None:
    """Install these."""
    run_in_node(node, ["nft", "-f", "-"], text=nftables_rules(network, pod_cidr))


def install_forward_rules(node: str, network: str) -> None:
    """Install those of the filter table."""
    text = forward_rules(network)
    run_in_node(node, [RESTORE[family_of(network)], "-w", "--noflush"], text=text)


def remove_forward_rules(node: str) -> None:
    """Remove those of the filter table, where they are."""
    script = """
iptables -w -D FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
iptables -w -F FLANNEL-FWD && iptables -w -X FLANNEL-FWD
true"""
    run_in_node(node, ["/bin/sh", "-c", f"exec 2>/dev/null{script}"])
