"""Where packets of one way ended, and what the kernel said when it freed them."""

from collections import Counter
from dataclasses import dataclass

from tracer.model.observation import Device, Direction, Drop
from tracer.model.path import Hop, Outcome, Path, Place

FREED_BY = {
    "OTHERHOST": ("ip_rcv_core", "ip6_rcv_core"),
    "NO_TX_TARGET": ("vxlan_xmit",),
    "NEIGH_FAILED": ("neigh_invalidate", "arp_error_report", "ndisc_error_report"),
    "IP_OUTNOROUTES": ("vxlan_xmit_one", "vxlan_xmit"),
    "IP_INNOROUTES": ("ip_error", "ip6_pkt_drop", "ip6_pkt_discard"),
    "IP_INADDRERRORS": ("ip_error", "ip6_forward"),
    "IP_RPFILTER": ("ip_rcv_finish_core",),
    "IP_INHDR": ("ip_forward", "ip6_forward"),
    "NO_SOCKET": ("__udp4_lib_rcv", "__udp6_lib_rcv", "udp_queue_rcv_one_skb"),
    "VXLAN_VNI_NOT_FOUND": ("vxlan_rcv",),
    "LOCAL_MAC": ("vxlan_rcv",),
    "VXLAN_INVALID_HDR": ("vxlan_rcv",),
    "UDP_CSUM": ("__udp4_lib_rcv", "__udp6_lib_rcv", "udp_queue_rcv_one_skb"),
    "PKT_TOO_BIG": ("ip_forward", "ip6_forward"),
    "NETFILTER_DROP": ("nf_hook_slow", "nft_do_chain", "ipt_do_table", "ip6t_do_table"),
    "QDISC_DROP": ("__dev_queue_xmit", "__dev_xmit_skb"),
}
"""Reason -> functions that free for it: all there is below Linux 5.17, and where a reason came
later than its function (VXLAN's: 6.13), so that the kernel says NOT_SPECIFIED."""

_VAGUE = (None, "NOT_SPECIFIED")


def freed_for(drop: Drop | None, *reasons: str) -> bool:
    """The kernel names one of these reasons, or a function that stands for one and no reason.

    IPv6 names fewer: ndisc_error_report frees without any (Linux 6.18).
    """
    if drop is None or drop.reason not in _VAGUE:
        return drop is not None and drop.reason in reasons
    caller = (drop.caller or "").partition("+")[0].partition(".")[0]
    return any(caller in FREED_BY.get(reason, ()) for reason in reasons)


@dataclass(frozen=True, kw_only=True)
class WayEnd:
    """The most frequent end of one way's failed packets."""

    outcome: Outcome
    place: Place | None
    drop: Drop | None
    count: int
    total: int
    sample: Path

    def on(self, node: str, *devices: Device) -> bool:
        """They ended on this node, at one of these devices (without any: at any)."""
        place = self.place
        return place is not None and place.node == node and (not devices or place.device in devices)

    def lost_at(self, node: str, device: Device, direction: Direction) -> bool:
        """They were last seen there, and nobody freed them."""
        return (
            self.outcome is Outcome.LOST
            and self.on(node, device)
            and self.place is not None
            and self.place.direction is direction
        )

    def freed(self, *reasons: str) -> bool:
        """The kernel freed them for one of these reasons, or in a function that stands for one."""
        return self.outcome is Outcome.DROPPED and freed_for(self.drop, *reasons)

    @property
    def last_hop(self) -> Hop | None:
        """The hop at which it ended, with its packet and the entries that decided."""
        return self.sample.hops[-1] if self.sample.hops else None

    @property
    def outer(self) -> bool:
        """What ended was the outer packet, not the inner one."""
        hop = self.last_hop
        return hop is not None and hop.packet is not None and hop.packet.outer is not None


def where_most_ended(paths: tuple[Path, ...]) -> WayEnd | None:
    """None: none of these failed. Of equal counts the first that happened wins."""
    failed = [path for path in paths if path.outcome in (Outcome.DROPPED, Outcome.LOST)]
    if not failed:
        return None
    ends = Counter(_signature(path) for path in failed)
    most, count = max(ends.items(), key=lambda item: item[1])
    sample = next(path for path in failed if _signature(path) == most)
    return WayEnd(
        outcome=sample.outcome,
        place=sample.end,
        drop=sample.drop,
        count=count,
        total=len(paths),
        sample=sample,
    )


def _signature(path: Path) -> tuple[Outcome, Place | None, str | None]:
    return path.outcome, path.end, path.drop.reason if path.drop is not None else None
