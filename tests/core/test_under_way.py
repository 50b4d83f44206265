"""A changed lease takes its time; what is seen meanwhile is no evidence, and no fault."""

from msgspec.structs import replace

from tests import packets as p
from tests.builders import bundle, mac, state
from tests.changes import without_fdb, without_route
from tracer.core.leases import leases
from tracer.core.promised import with_promised
from tracer.core.suspects import suspects
from tracer.core.under_way import REMEMBERED_NS, SETTLES_NS, UnderWay
from tracer.model.lease import Lease
from tracer.model.observation import Device, Direction
from tracer.model.state import NodeState
from tracer.model.watch import Deviating, Kind

S = 1_000_000_000
PORTS = frozenset({8472})
IN, OUT = Direction.IN, Direction.OUT
A_POD, B_POD = "10.244.1.5", "10.244.2.7"
AT = 1000 * S
ONE = Deviating(
    node="node-a", peer="node-b", subnet="10.244.2.0/24", kind=Kind.PEER_MAC,
    direction=Direction.OUT, ifname="flannel.1", packets=3, first_ns=AT, last_ns=AT, seen=None,
)  # fmt: skip


def test_packets_of_the_moment_in_which_a_lease_changes_are_no_evidence() -> None:
    under_way = UnderWay()
    under_way.learn(AT - 10, ["node-b"])
    assert list(under_way.over([ONE], leases_of, PORTS)) == []


def test_they_are_when_they_go_on() -> None:
    under_way = UnderWay()
    under_way.learn(AT - 10, ["node-b"])
    later = replace(ONE, last_ns=AT + SETTLES_NS)
    assert list(under_way.over([later], leases_of, PORTS)) == [later]


def leases_of(node: str) -> list[Lease]:
    return [one for one in leases(bundle().cluster) if one.node == node]


def nobodys(direction: Direction, source: str, destination: str) -> Deviating:
    packet = p.ipv4(source, destination, p.UDP, p.udp(1, 2, b""))
    seen = p.seen("node-a", Device.VTEP, direction, packet, peer="node-b")
    return replace(ONE, peer=None, subnet=None, kind=Kind.NO_LEASE, direction=direction, seen=seen)


def test_packets_of_the_moment_in_which_their_address_is_leased_are_no_evidence() -> None:
    under_way = UnderWay()
    under_way.learn(AT - SETTLES_NS, ["node-b"])
    to, by = nobodys(OUT, A_POD, B_POD), nobodys(IN, B_POD, A_POD)
    assert list(under_way.over([to, by], leases_of, PORTS)) == []
    later = replace(to, last_ns=AT + 1)
    others = nobodys(OUT, A_POD, "10.244.99.1")
    assert list(under_way.over([later, others], leases_of, PORTS)) == [later, others]


def test_those_of_other_peers_are_and_those_to_nobody() -> None:
    under_way = UnderWay()
    under_way.learn(AT - 10, ["node-c"])
    nobody = replace(ONE, peer=None, subnet=None, kind=Kind.NO_LEASE)
    assert list(under_way.over([ONE, nobody], leases_of, PORTS)) == [ONE, nobody]


def test_a_change_of_long_ago_is_forgotten() -> None:
    under_way = UnderWay()
    under_way.learn(AT, ["node-b"])
    under_way.learn(AT + REMEMBERED_NS, ["node-c"])
    assert list(under_way.over([ONE], leases_of, PORTS)) == [ONE]


def test_a_peer_whose_lease_changed_after_the_tables_were_read_counts_as_having_all() -> None:
    known = leases(bundle().cluster)
    bare = without_fdb(without_route(state("node-a"), "10.244.2.0/24"), mac("node-b"))
    under_way = UnderWay()
    under_way.learn(AT, ["node-b"])
    early = under_way.settled(bare, AT, lambda node: [one for one in known if one.node == node])
    assert suspects(known, [early]) == suspects(known, [state("node-a")])
    assert tables(with_promised(early, known)) == tables(state("node-a"))
    late = under_way.settled(bare, AT + SETTLES_NS, lambda _: ())
    assert late is bare


def tables(one: NodeState) -> list[set[object]]:
    return [set(one.routes), set(one.neighbours), set(one.fdb)]
