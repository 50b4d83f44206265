"""Faults between the nodes."""

from cluster.faults.fault import Fault, shell

FAULTS = (
    Fault(
        name="nsx-intercepts-8472",
        slug="nsx-intercepts-8472",
        inject=shell(
            "underlay",
            "nft add table bridge t; nft 'add chain bridge t f { type filter hook forward priority"
            " 0; }'; nft add rule bridge t f udp dport 8472 drop",
        ),
        check=False,
        obey=False,
        heal=shell("underlay", "nft delete table bridge t"),
    ),
    Fault(
        name="underlay-mtu-blackhole",
        slug="underlay-mtu-blackhole",
        inject=shell("underlay", "ip link set p-node-a mtu 1400; ip link set p-node-b mtu 1400"),
        check=False,
        obey=False,
        heal=shell("underlay", "ip link set p-node-a mtu 1500; ip link set p-node-b mtu 1500"),
    ),
)
