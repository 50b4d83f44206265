"""Faults between the nodes."""

from cluster.faults.fault import Act, Fault, all_of, shell
from cluster.faults.intent import as_it_was, rolled_out
from cluster.faults.pods import pods_anew
from cluster.setup import NODES


def _dropping(match: str) -> Act:
    """The bridge between the nodes drops what matches."""
    table = "nft add table bridge t"
    chain = "nft 'add chain bridge t f { type filter hook forward priority 0; }'"
    return shell("underlay", f"{table}; {chain}; nft 'add rule bridge t f {match} drop'")


_PASSING = shell("underlay", "nft delete table bridge t")


def _uplink_mtu(size: int) -> Act:
    """Of node-a."""
    return shell("node-a", f"ip link set eth0 mtu {size}")


_TAKES_1404 = """sed -i 's/"Type": "vxlan"/"Type": "vxlan", "MTU": 1404/'"""
_TAKES_1400 = _TAKES_1404.replace("1404", "1400")
_MTU = "ip link set flannel.1 mtu 1450; ip link set cni0 mtu 1450"
_MTU_AS_IT_WAS = all_of(*(shell(node, _MTU) for node in NODES), as_it_was, pods_anew)

FAULTS = (
    Fault(
        name="nsx-intercepts-8472",
        slug="nsx-intercepts-8472",
        inject=_dropping("udp dport 8472"),
        check=False,
        editor="""sed -i 's/"Type": "vxlan"/"Type": "vxlan", "Port": 4790/'""",
        heal=all_of(_PASSING, as_it_was),
    ),
    Fault(
        # only VXLAN's: nodes that cannot carry full frames at all lose their API server, too
        name="underlay-mtu-blackhole",
        slug="underlay-mtu-blackhole",
        inject=_dropping("udp dport 8472 meta length > 1404"),
        check=False,
        editor=_TAKES_1404,
        after=all_of(rolled_out, pods_anew),
        heal=all_of(_PASSING, _MTU_AS_IT_WAS),
    ),
    Fault(
        name="uplink-mtu-lowered-late",
        slug="uplink-mtu-lowered-late",
        inject=_uplink_mtu(1400),
        editor=_TAKES_1400,
        after=all_of(rolled_out, pods_anew),
        heal=all_of(_uplink_mtu(1500), _MTU_AS_IT_WAS),
    ),
)
