"""Faults between the nodes."""

from cluster.faults.fault import Fault, all_of, shell
from cluster.faults.intent import as_it_was

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
        editor="""sed -i 's/"Type": "vxlan"/"Type": "vxlan", "Port": 4790/'""",
        heal=all_of(shell("underlay", "nft delete table bridge t"), as_it_was),
    ),
    Fault(
        name="underlay-mtu-blackhole",
        slug="underlay-mtu-blackhole",
        inject=shell("underlay", "ip link set p-node-a mtu 1400; ip link set p-node-b mtu 1400"),
        check=False,
        editor="""sed -i 's/"Type": "vxlan"/"Type": "vxlan", "MTU": 1404/'""",
        heal=all_of(
            shell("underlay", "ip link set p-node-a mtu 1500; ip link set p-node-b mtu 1500"),
            as_it_was,
        ),
    ),
)
