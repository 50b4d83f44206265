"""Whose entries a node lacks, by the kernel's news alone."""

from msgspec.structs import replace

from tracer.core.mirror import LEFTOVERS, Mirror
from tracer.core.promised import promised_of, vteps_of, without_promised
from tracer.model.lease import Lease
from tracer.model.state import FdbEntry, Link, Neighbour, NodeState, Route, Vxlan

VXLAN = Vxlan(vni=1, local="192.0.2.1", port=8472, learning=False, gbp=False, underlay_ifindex=2)
VTEP = Link(
    ifindex=7, ifname="flannel.1", kind="vxlan", mac="02:00:00:00:00:01", mtu=1450, up=True,
    carrier=True, vxlan=VXLAN,
)  # fmt: skip


def lease(number: int, mac: str | None = None) -> Lease:
    return Lease(
        node=f"node-{number}",
        family=4,
        pod_cidr=f"10.244.{number}.0/24",
        backend_type="vxlan",
        vni=1,
        vtep_mac=mac or f"02:00:00:00:00:0{number}",
        public_ip=f"192.0.2.{number}",
        source=f"Node/node-{number} flannel.alpha.coreos.com/backend-data",
    )


def node(*peers: Lease, more: tuple[Route, ...] = ()) -> NodeState:
    bare = NodeState(
        node="node-1", hostname="node-1", kernel="6.12", machine="x86_64",
        captured_at="2026-11-30T06:00:00Z", monotonic_ns=0, netns=1, links=(VTEP,),
    )  # fmt: skip
    entries = [entries for _, entries in promised_of("node-1", vteps_of(bare), peers)]
    return replace(
        bare,
        routes=(*(one.route for one in entries), *more),
        neighbours=tuple(one.neighbour for one in entries),
        fdb=tuple(one.fdb for one in entries),
    )


def told(made: Mirror, state: NodeState) -> Mirror:
    entries: tuple[Route | Neighbour | FdbEntry, ...] = (
        *state.routes, *state.neighbours, *state.fdb,
    )  # fmt: skip
    for entry in entries:
        made.read(entry)
    return made


def mirror(state: NodeState, *peers: Lease) -> Mirror:
    made = Mirror(state.node, vteps_of(state))
    told(made, state)
    made.begin(0, {one.node: (one,) for one in peers})
    return made


TWO, THREE = lease(2), lease(3)


def test_nothing_is_odd_where_all_is_as_promised() -> None:
    assert mirror(node(TWO, THREE), TWO, THREE).odd() == {}


def test_a_lost_entry_is_odd_from_then_on_and_well_when_it_is_back() -> None:
    state = node(TWO, THREE)
    made = mirror(state, TWO, THREE)
    entries: list[Route | Neighbour | FdbEntry] = [
        state.routes[0], state.neighbours[1], state.fdb[0],
    ]  # fmt: skip
    for now, entry in enumerate(entries, 5):
        made.apply(now, True, entry)
    assert made.odd() == {"node-2": 5, "node-3": 6}
    for entry in entries:
        made.apply(9, False, entry)
    assert made.odd() == {}


def test_an_entry_that_was_replaced_is_no_longer_the_promised_one() -> None:
    state = node(TWO)
    made = mirror(state, TWO)
    made.apply(4, False, replace(state.fdb[0], dst="192.0.2.99"))
    assert made.odd() == {"node-2": 4, LEFTOVERS: 4}
    made.apply(6, False, state.fdb[0])
    assert made.odd() == {}


def test_a_changed_lease_is_odd_until_the_entries_follow() -> None:
    state, moved = node(TWO), lease(2, mac="02:00:00:00:00:99")
    made = mirror(state, TWO)
    made.hold(3, {"node-2": (moved,)})
    assert made.odd() == {"node-2": 3, LEFTOVERS: 3}
    fresh = node(moved)
    made.apply(4, False, fresh.fdb[0])
    made.apply(5, False, fresh.neighbours[0])
    assert made.odd() == {}, "the old FDB entry stays for good, and is nobody's"


def test_entries_of_a_lease_that_went_are_left_over() -> None:
    state = node(TWO, THREE)
    made = mirror(state, TWO, THREE)
    made.hold(8, {"node-3": ()})
    assert made.odd() == {LEFTOVERS: 8}
    for entry in (state.routes[1], state.neighbours[1], state.fdb[1]):
        made.apply(9, True, entry)
    assert made.odd() == {}


def test_leftovers_are_as_old_as_the_last_of_them() -> None:
    state = node(TWO, THREE)
    made = mirror(state, TWO, THREE)
    made.hold(8, {"node-3": ()})
    again = told(made.anew(), state)
    again.begin(20, {"node-2": (TWO,)})
    assert (again.odd(), again.leftovers) == ({LEFTOVERS: 8}, 2), "the same, read once more"
    again.hold(25, {"node-2": ()})
    assert (again.odd(), again.leftovers) == ({LEFTOVERS: 25}, 4)
    again.apply(30, True, state.routes[0])
    assert (again.odd(), again.leftovers) == ({LEFTOVERS: 25}, 3)


def test_what_was_odd_before_a_reading_and_right_by_it_is_odd_anew() -> None:
    state = node(TWO, THREE)
    made = mirror(node(THREE), TWO, THREE)
    assert made.odd() == {"node-2": 0}
    again = told(made.anew(), state)
    again.begin(5, {"node-2": (TWO,), "node-3": (THREE,)})
    assert again.odd() == {}
    again.apply(9, True, state.neighbours[0])
    assert again.odd() == {"node-2": 9}


def test_leftovers_of_a_moment_ago_are_not_judged_yet() -> None:
    state = node(TWO, THREE)
    made = mirror(state, TWO, THREE)
    made.hold(8, {"node-3": ()})
    made.hold(20, {"node-2": ()})
    assert made.settled(state, 10).routes == state.routes[1:]
    assert made.settled(state, 10).neighbours == state.neighbours[1:]
    assert made.settled(state, 20) == state


def test_a_peer_that_is_routed_directly_lacks_nothing() -> None:
    direct = Route(destination="10.244.2.0/24", gateway="192.0.2.2", ifindex=2)
    made = mirror(node(THREE, more=(direct,)), TWO, THREE)
    assert made.odd() == {}
    made.apply(2, True, direct)
    assert made.odd() == {"node-2": 2}


def test_a_new_fdb_entry_that_no_lease_promises_is_odd_until_it_was_looked_at() -> None:
    made = mirror(node(TWO), TWO)
    foreign = FdbEntry(ifindex=7, mac="02:00:00:00:00:77", dst="192.0.2.99", flags=("self",))
    made.apply(5, False, foreign)
    assert made.odd() == {LEFTOVERS: 5}
    state = node(TWO)
    again = told(made.anew(), replace(state, fdb=(*state.fdb, foreign)))
    again.begin(9, {"node-2": (TWO,)})
    assert again.odd() == {}


def test_what_the_kernel_says_of_a_neighbour_that_goes_is_followed() -> None:
    state = node(TWO)
    made = mirror(state, TWO)
    failed = Neighbour(ifindex=7, ip="10.244.2.0", mac=None, state="FAILED")
    assert made.follows(failed)
    made.apply(3, False, failed)
    made.apply(3, True, failed)
    assert made.odd() == {"node-2": 3}


def test_what_is_not_of_the_overlay_is_never_odd() -> None:
    made = mirror(node(TWO), TWO)
    made.apply(1, False, Route(destination="198.51.100.0/24", gateway="192.0.2.77", ifindex=2))
    made.apply(1, False, Neighbour(ifindex=3, ip="10.244.1.5", mac=None, state="FAILED"))
    made.apply(1, False, FdbEntry(ifindex=3, mac="02:00:00:00:00:77"))
    assert made.odd() == {}


def test_of_what_is_read_whole_peers_are_named_and_the_others_entries_are_there() -> None:
    state = node(TWO, THREE)
    local = Route(destination="192.0.2.0/24", ifindex=2)
    torn = replace(state, fdb=state.fdb[:1], routes=(*state.routes, local))
    made = mirror(torn, TWO, THREE).anew()
    read = replace(
        torn,
        routes=tuple(filter(made.read, torn.routes)),
        neighbours=tuple(filter(made.read, torn.neighbours)),
        fdb=tuple(filter(made.read, torn.fdb)),
    )
    made.begin(0, {"node-2": (TWO,), "node-3": (THREE,)})
    assert (read.routes, read.neighbours, read.fdb) == ((local,), (), ())
    named = made.named(read, lambda peer: (TWO,) if peer == "node-2" else (THREE,))
    wanted = without_promised(torn, (TWO, THREE))
    assert named.promised == wanted.promised == ("node-2",)
    assert set(named.routes) == set(wanted.routes)
    assert (named.neighbours, named.fdb) == (wanted.neighbours, wanted.fdb)


def test_a_mirror_of_another_device_knows_nothing_of_what_was_promised_at_the_old_one() -> None:
    made = mirror(node(TWO), TWO)
    state = replace(node(), links=(replace(VTEP, ifindex=9),))
    assert not made.fits(state)
    again = told(Mirror(state.node, vteps_of(state), made), state)
    again.begin(4, {"node-2": (TWO,)})
    assert again.odd() == {"node-2": 4}
