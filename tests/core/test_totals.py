"""Counters of slots become totals of peers, whatever becomes of slots and programs."""

from tracer.core.totals import SlotCounts, Totals
from tracer.model.watch import HOOKS, Kind, PeerCounts

B, C = ("node-b", "10.244.2.0/24"), ("node-c", "10.244.3.0/24")
NOTHING = (0,) * len(tuple(Kind))


def counts(slot: int, peer: tuple[str, str], packets: int, vni: int = 0) -> SlotCounts:
    """At every hook so many packets of 100 bytes, one in ten the host's own."""
    at = ((packets, 100 * packets, packets // 10),) * len(HOOKS)
    deviations = tuple(vni if kind is Kind.VNI else 0 for kind in Kind)
    return SlotCounts(slot, peer, at, deviations)


def only(found: tuple[PeerCounts, ...]) -> tuple[int, int, int, int]:
    """Packets, bytes, the host's own, deviations, of the one that changed."""
    (one,) = found
    assert len(set(one.at)) == 1, "the same at every hook"
    return (one.at[0].packets, one.at[0].bytes, one.at[0].host, sum(one.deviations))


def test_totals_grow_by_what_a_slot_counted_since() -> None:
    totals = Totals()
    assert only(totals.take([counts(1, B, 20)])) == (20, 2000, 2, 0)
    assert totals.take([counts(1, B, 20)]) == ()
    assert only(totals.take([counts(1, B, 50, vni=3)])) == (50, 5000, 5, 3)


def test_a_lease_that_changes_goes_on_in_another_slot() -> None:
    totals = Totals()
    totals.take([counts(1, B, 20)])
    assert only(totals.take([counts(2, B, 30)])) == (50, 5000, 5, 0)
    assert only(totals.take([counts(1, B, 40)])) == (70, 7000, 7, 0), "a packet under way"


def test_a_slot_that_was_given_to_another_began_at_zero() -> None:
    totals = Totals()
    totals.take([counts(1, B, 20)])
    (found,) = totals.take([counts(1, C, 30)])
    assert (found.peer, found.at[0].packets) == ("node-c", 30)


def test_programs_that_were_put_in_others_place_count_from_zero() -> None:
    totals = Totals()
    totals.take([counts(1, B, 20)])
    totals.anew()
    assert only(totals.take([counts(1, B, 10)])) == (30, 3000, 3, 0)


def test_who_never_counted_has_no_totals() -> None:
    assert Totals().take([counts(1, B, 0)]) == ()
