"""Packets that VXLAN frees between two hooks are told as drops, and are no gap beside that."""

import pytest

from tracer.core.gaps import Gaps
from tracer.core.ledger import Ledger, S
from tracer.model.watch import HOOKS, Counts, DropCount, Gap, Kind, Passed, PeerCounts

B_NET = "10.244.2.0/24"


def counted(second: int, sent: int, left: int, freed: int, caller: str) -> Counts:
    at = dict.fromkeys(HOOKS, 0) | {"vtep_out": sent, "uplink_out": left}
    peer = PeerCounts(
        peer="node-b",
        subnet=B_NET,
        at=tuple(Passed(packets, 100 * packets, 0) for packets in at.values()),
        deviations=(0,) * len(Kind),
    )
    drop = DropCount(
        peer="node-b", subnet=B_NET, reason="NO_TX_TARGET", caller=caller, packets=freed
    )
    return Counts(
        node="node-a",
        time_ns=second * S,
        until_ns=second * S,
        peers=(peer,),
        drops=(drop,),
        lost=0,
        untold=0,
        one_in=0,
    )


def gaps_after(missing: int, freed: int, caller: str) -> tuple[Gap, ...]:
    """Ten packets a second pass, and then, for four seconds, so many of a hundred do not."""
    ledger, gaps = Ledger("node-a"), Gaps()
    sent = left = dropped = 0
    for second in range(1, 9):
        lose = second > 4
        sent += 100 if lose else 10
        left += 100 - missing if lose else 10
        dropped += freed if lose else 0
        ledger.take(counted(second, sent, left, dropped, caller))
        gaps.take("node-a", {"node-a": ledger}, {}, {})
    return gaps.gaps()


def test_what_vxlan_frees_is_no_gap() -> None:
    assert gaps_after(missing=40, freed=40, caller="vxlan_xmit+0xd25") == ()


def test_what_is_missing_beside_it_is_one() -> None:
    (gap,) = gaps_after(missing=40, freed=10, caller="vxlan_xmit+0xd25")
    assert (gap.after, gap.before) == ("vtep_out", "uplink_out")
    assert 0 < gap.missing <= 4 * (40 - 10), "of the last second much may be under way"


@pytest.mark.parametrize("caller", ["nf_hook_slow+0xaa", "ip_forward+0x1"])
def test_what_is_freed_elsewhere_explains_none(caller: str) -> None:
    assert gaps_after(missing=40, freed=40, caller=caller) != ()
