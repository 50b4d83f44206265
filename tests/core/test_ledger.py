"""Counters over the periods: what stands, what is over, and what is missing."""

from collections.abc import Sequence

from msgspec.structs import replace

from tracer.core.gaps import Gaps
from tracer.core.held import EVERY_NS
from tracer.core.ledger import Ledger, S
from tracer.core.missing import GUESSES
from tracer.model.observation import Device, Direction, Drop, Observation
from tracer.model.watch import (
    HOOKS,
    Counts,
    Deviant,
    DropCount,
    Kind,
    Passed,
    PeerCounts,
)

KINDS = tuple(Kind)
B_NET, A_NET = "10.244.2.0/24", "10.244.1.0/24"


class Node:
    """One node's agent: counts on, and says so at the end of each second."""

    def __init__(self, name: str, peer: str, subnet: str) -> None:
        self.ledger = Ledger(name)
        self.name, self.peer, self.subnet = name, peer, subnet
        self.at = dict.fromkeys(HOOKS, 0)
        self.kinds = dict.fromkeys(KINDS, 0)
        self.drops: dict[str, int] = {}
        self.now = 0
        self.second()

    def second(
        self,
        passed: Sequence[str] = (),
        packets: int = 0,
        deviating: dict[Kind, int] | None = None,
        dropped: dict[str, int] | None = None,
    ) -> None:
        self.now += S
        for hook in passed:
            self.at[hook] += packets
        for kind, count in (deviating or {}).items():
            self.kinds[kind] += count
        for reason, count in (dropped or {}).items():
            self.drops[reason] = self.drops.get(reason, 0) + count
        peer = PeerCounts(
            peer=self.peer,
            subnet=self.subnet,
            at=tuple(Passed(count, count * 100, 0) for count in self.at.values()),
            deviations=tuple(self.kinds.values()),
        )
        drops = tuple(
            DropCount(peer=self.peer, subnet=self.subnet, reason=reason, caller="f", packets=count)
            for reason, count in self.drops.items()
        )
        self.ledger.take(
            Counts(
                node=self.name, time_ns=self.now, until_ns=self.now, peers=(peer,), drops=drops,
                lost=0, untold=0, one_in=0,
            )
        )  # fmt: skip

    def recorded(self, kind: Kind, reason: str | None = None, at: Device = Device.UPLINK) -> None:
        freed = kind is Kind.FREED
        seen = Observation(
            node=self.name, device=at,
            direction=Direction.FREED if freed else Direction.IN,
            ifindex=2, ifname="eth0", netns=1, skb=1, time_ns=self.now + S // 2, length=100,
            gso_size=0, ethernet=True, headers=b"",
            drop=Drop(reason=reason, caller="f") if freed else None,
        )  # fmt: skip
        self.ledger.record(Deviant(kinds=(kind,), peer=self.peer, subnet=self.subnet, seen=seen))


ALL_OUT = ("from_pod", "vtep_out", "uplink_out")
ALL_IN = ("uplink_in", "vtep_in", "to_pod")


def test_a_deviation_stands_from_its_record_until_the_first_second_of_good_packets_alone() -> None:
    node = Node("node-b", "node-a", A_NET)
    node.recorded(Kind.OWN_MAC)
    (one,) = node.ledger.deviating()
    assert (one.kind, one.direction, one.ifname, one.packets) == (Kind.OWN_MAC, "in", "eth0", 1)
    node.second(("uplink_in",), 10, {Kind.OWN_MAC: 10})
    assert node.ledger.deviating()[0].packets == 10
    node.second()
    assert len(node.ledger.deviating()) == 1, "silence is no proof"
    node.second(("uplink_in",), 10, {Kind.OWN_MAC: 1})
    assert node.ledger.deviating()[0].packets == 11
    node.second(ALL_IN, 1)
    assert node.ledger.deviating() == ()


def test_what_enters_the_bridge_leaves_the_node() -> None:
    node = Node("node-b", "node-a", A_NET)
    node.recorded(Kind.PLAIN, at=Device.BRIDGE)
    assert node.ledger.deviating()[0].direction is Direction.OUT


def test_a_deviation_ended_soon_after_the_last_that_was_recorded() -> None:
    node = Node("node-b", "node-a", A_NET)
    node.recorded(Kind.VNI)
    node.second(("uplink_in",), 10, {Kind.VNI: 10})
    assert node.ledger.deviating()[0].last_ns == node.now - S // 2 + EVERY_NS
    node.second(("uplink_in",), 10, {Kind.VNI: 10})
    assert node.ledger.deviating()[0].last_ns == node.now, "none was recorded since"


def test_a_deviation_of_which_nobody_sends_any_more_is_let_go() -> None:
    node = Node("node-b", "node-a", A_NET)
    node.second(("uplink_in",), 10, {Kind.VNI: 10})
    for _ in range(119):
        node.second()
    assert len(node.ledger.deviating()) == 1
    for _ in range(3):
        node.second()
    assert node.ledger.deviating() == ()


def test_what_was_there_before_the_watch_is_no_evidence() -> None:
    node = Node("node-b", "node-a", A_NET)
    fresh = Ledger("node-b")
    node.second(("uplink_in",), 10, {Kind.VNI: 10}, {"NETFILTER_DROP": 3})
    last = node.ledger.last
    assert last is not None
    fresh.take(last)
    assert (fresh.deviating(), fresh.dropping()) == ((), ())


def test_a_drop_stands_until_packets_get_on_for_two_seconds() -> None:
    node = Node("node-b", "node-a", A_NET)
    node.second(("uplink_in",), 5, dropped={"NETFILTER_DROP": 5})
    node.recorded(Kind.FREED, "NETFILTER_DROP")
    (one,) = node.ledger.dropping()
    assert (one.reason, one.packets) == ("NETFILTER_DROP", 5)
    assert one.seen is not None
    node.second()
    node.second(ALL_IN, 5)
    node.second(("uplink_in",), 5, dropped={"NETFILTER_DROP": 2})
    node.second(ALL_IN, 5)
    assert node.ledger.dropping()[0].packets == 7
    node.second(ALL_IN, 5)
    assert node.ledger.dropping() == ()


class Both:
    """Two nodes that are watched together."""

    def __init__(self) -> None:
        self.a, self.b = Node("node-a", "node-b", B_NET), Node("node-b", "node-a", A_NET)
        self.gaps = Gaps()
        self.offsets: dict[str, int] = {}
        self._look()
        for _ in range(GUESSES):
            self.second(0, 0)

    def second(self, sent: int, arrived: int) -> None:
        self.a.second(ALL_OUT, sent)
        self.b.second(ALL_IN, arrived)
        self._look()

    def _look(self) -> None:
        ledgers = {"node-a": self.a.ledger, "node-b": self.b.ledger}
        subnets = {"node-a": (A_NET,), "node-b": (B_NET,)}
        for node in ledgers:
            self.gaps.take(node, ledgers, subnets, self.offsets)


def test_what_was_counted_as_nobodys_while_a_lease_changed_is_not_missing() -> None:
    both = Both()
    for arrived in (10,) * 4:
        both.second(10, arrived)
    both.gaps.learn(both.a.now, ["node-a"])
    for arrived in (0, 0, *(10,) * 6):
        both.second(10, arrived)
        assert both.gaps.gaps() == ()
    for arrived in (0,) * 3:
        both.second(10, arrived)
    assert both.gaps.gaps(), "what is lost after that is told"


def test_what_was_lost_before_a_lease_changed_stays_counted() -> None:
    both = Both()
    for arrived in (10, 10, 0, 10, 10):
        both.second(10, arrived)
    both.second(0, 0)
    lost = both.gaps.lost("node-a", "node-b")
    assert lost == 10
    both.gaps.learn(both.a.now, ["node-a"])
    for packets in (10, 10, 10, 0, 0, 0, 0, 0):  # it rests when both are compared anew
        both.second(packets, packets)
        assert both.gaps.lost("node-a", "node-b") == lost
    for arrived in (0, 10, 10):
        both.second(10, arrived)
    both.second(0, 0)
    assert both.gaps.lost("node-a", "node-b") == 2 * lost


def test_no_packet_is_missing_while_it_may_be_under_way() -> None:
    both = Both()
    for sent, arrived in ((100, 60), (100, 110), (5000, 300), (0, 4830)):
        both.second(sent, arrived)
    for _ in range(3):
        both.second(0, 0)
    assert both.gaps.gaps() == ()
    assert both.gaps.lost("node-a", "node-b") == 0


def test_what_passes_before_both_count_is_not_missing() -> None:
    """The receiver's programs are attached in the middle of the sender's flow."""
    both = Both()
    both.gaps = Gaps()
    both.a.second(ALL_OUT, 1000)
    both.a.second(ALL_OUT, 1000)
    both.b = Node("node-b", "node-a", A_NET)
    both.b.second(ALL_IN, 600)
    both.b.now = both.a.now
    both._look()
    for _ in range(4):
        both.second(1000, 1000)
    both.second(0, 0)
    assert both.gaps.gaps() == ()
    both.second(5000, 0)
    both.second(0, 0)
    assert [gap.missing for gap in both.gaps.gaps() if gap.receiver == "node-b"] == [5000]


def test_a_loss_between_nodes_shows_after_two_periods_and_to_the_packet() -> None:
    both = Both()
    both.second(100, 100)
    both.second(100, 0)
    both.second(100, 0)
    (gap,) = both.gaps.gaps()
    assert (gap.sender, gap.receiver, gap.peer) == ("node-a", "node-b", "node-b")
    assert (gap.after, gap.before, gap.missing) == ("uplink_out", "uplink_in", 100)
    both.second(0, 0)
    assert both.gaps.gaps()[0].missing == 200
    assert both.gaps.gaps()[0].sent == 200
    assert both.gaps.lost("node-b", "node-a") == 200


def test_a_gap_closes_when_packets_arrive_and_none_is_missing_any_more() -> None:
    both = Both()
    for _ in range(3):
        both.second(100, 0)
    for _ in range(2):
        both.second(100, 100)
    assert both.gaps.gaps() == ()
    both.second(0, 0)
    assert both.gaps.lost("node-a", "node-b") == 300
    assert both.gaps.gaps() == (), "what was lost before is no new gap"


def test_one_packet_of_ten_thousand_is_found_missing_when_the_flow_rests() -> None:
    both = Both()
    both.second(10_000, 9_999)
    both.second(0, 0)
    assert both.gaps.gaps()[0].missing == 1


def test_what_a_node_takes_from_the_wire_and_never_unpacks_is_a_gap_of_its_own() -> None:
    node, gaps = Node("node-b", "node-a", A_NET), Gaps()
    for passed in (ALL_IN, ("uplink_in",), ("uplink_in",), ()):
        gaps.take("node-b", {"node-b": node.ledger}, {}, {})
        node.second(passed, 50)
    gaps.take("node-b", {"node-b": node.ledger}, {}, {})
    (gap,) = gaps.gaps()
    assert (gap.sender, gap.receiver, gap.peer) == ("node-b", "node-b", "node-a")
    assert (gap.after, gap.before, gap.missing) == ("uplink_in", "vtep_in", 100)


def test_the_first_packets_of_a_peer_may_be_those_that_are_missing() -> None:
    node, gaps = Node("node-b", "node-a", A_NET), Gaps()
    for passed in ((), (), ("uplink_in",), ()):
        gaps.take("node-b", {"node-b": node.ledger}, {}, {})
        node.second(passed, 50)
    gaps.take("node-b", {"node-b": node.ledger}, {}, {})
    assert [(gap.before, gap.missing) for gap in gaps.gaps()] == [("vtep_in", 50)]


def test_counters_that_are_heard_late_and_out_of_order_are_no_gap() -> None:
    """The receiver's reading of a second ago comes in after the sender's of just now."""
    both = Both()
    for _ in range(5):
        both.a.second(ALL_OUT, 1000)
        both.b.second(ALL_IN, 1000)
        both.b.ledger.last = replace(both.b.ledger.last, time_ns=both.b.now - S)  # type: ignore[type-var]
        both._look()
    assert both.gaps.gaps() == ()


def test_counters_that_begin_anew_are_no_gap() -> None:
    both = Both()
    both.second(100, 100)
    both.b = Node("node-b", "node-a", A_NET)
    both.gaps.forget("node-b")
    for _ in range(4):
        both.second(10, 10)
    assert both.gaps.gaps() == ()


def test_a_gap_within_a_node_is_let_go_when_its_peer_rests_for_long() -> None:
    node, gaps = Node("node-b", "node-a", A_NET), Gaps()
    for passed in (ALL_IN, ("uplink_in",), ()):
        gaps.take("node-b", {"node-b": node.ledger}, {}, {})
        node.second(passed, 50)
    for _ in range(100):
        node.second((), 0)
        gaps.take("node-b", {"node-b": node.ledger}, {}, {})
    assert [gap.missing for gap in gaps.gaps()] == [50]
    for _ in range(30):
        node.second((), 0)
        gaps.take("node-b", {"node-b": node.ledger}, {}, {})
    assert gaps.gaps() == ()


def test_a_loss_after_a_rest_is_all_that_is_missing_then() -> None:
    node, gaps = Node("node-b", "node-a", A_NET), Gaps()
    for passed in (ALL_IN, ALL_IN, (), (), (), ALL_IN, ("uplink_in",), ()):
        gaps.take("node-b", {"node-b": node.ledger}, {}, {})
        node.second(passed, 50)
    gaps.take("node-b", {"node-b": node.ledger}, {}, {})
    assert [(gap.before, gap.missing) for gap in gaps.gaps()] == [("vtep_in", 50)]
