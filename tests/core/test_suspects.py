"""Which peers of a node's are looked at closely, out of thousands."""

import time

import pytest
from msgspec.structs import replace

from tracer.core.leases import VXLAN
from tracer.core.promised import with_promised, without_promised
from tracer.core.suspects import MOST, suspects
from tracer.model.lease import Lease
from tracer.model.observation import Direction
from tracer.model.state import Link, NodeState, Route, Vxlan
from tracer.model.watch import Deviating, Gap, Kind, Watched

MANY = 5000
FLANNEL = 3


def lease(number: int) -> Lease:
    """Of the node of that number, as flannel publishes it."""
    high, low = divmod(number, 256)
    return Lease(
        node=f"node-{number}",
        family=4,
        pod_cidr=f"10.{high}.{low}.0/24",
        backend_type=VXLAN,
        vni=1,
        vtep_mac=f"02:f1:00:00:{high:02x}:{low:02x}",
        public_ip=f"192.168.{high}.{low}",
        source=f"Node/node-{number} flannel.alpha.coreos.com/backend-data",
    )


LEASES = tuple(lease(number) for number in range(MANY))


def state() -> NodeState:
    """node-0, with what flannel writes for all the others."""
    vxlan = Vxlan(
        vni=1, local="192.168.0.0", port=8472, learning=False, gbp=False, underlay_ifindex=2
    )
    link = Link(
        ifindex=FLANNEL, ifname="flannel.1", kind="vxlan", mac="02:f1:00:00:00:00", mtu=1450,
        up=True, carrier=True, vxlan=vxlan,
    )  # fmt: skip
    empty = NodeState(
        node="node-0", hostname="node-0", kernel="6.12", machine="x86_64", captured_at="",
        monotonic_ns=0, netns=1, links=(link,), promised=tuple(one.node for one in LEASES),
    )  # fmt: skip
    return with_promised(empty, LEASES)


STATE = state()


def without_fdb(number: int) -> NodeState:
    gone = lease(number).vtep_mac
    return replace(STATE, fdb=tuple(entry for entry in STATE.fdb if entry.mac != gone))


def changed(number: int, **what: str | None) -> tuple[Lease, ...]:
    return tuple(replace(one, **what) if one.node == f"node-{number}" else one for one in LEASES)


def test_of_a_small_cluster_every_peer_is_one() -> None:
    names = tuple(f"node-{number}" for number in range(1, MOST + 1))
    assert suspects(LEASES[: MOST + 1], [STATE]) == names


def test_where_nothing_is_odd_one_stands_for_all() -> None:
    assert suspects(LEASES, [STATE]) == ("node-1",)


def test_five_thousand_leases_are_looked_through_in_the_blink_of_an_eye() -> None:
    took = []
    for _ in range(5):
        begun = time.process_time()
        suspects(LEASES, [STATE])
        took.append(time.process_time() - begun)
    assert min(took) < 0.05, f"{min(took) * 1000:.0f} ms"


def test_a_peer_of_which_an_entry_differs_is_one_beside_the_one_that_stands_for_all() -> None:
    assert suspects(LEASES, [without_fdb(4321)]) == ("node-1", "node-4321")


def test_a_narrower_route_makes_the_owner_of_the_subnet_one() -> None:
    narrow = Route(destination="10.2.3.64/26", kind="blackhole")
    odd = replace(STATE, routes=(*STATE.routes, narrow))
    assert suspects(LEASES, [odd]) == ("node-1", f"node-{2 * 256 + 3}")


@pytest.mark.parametrize("key", ["vtep_mac", "public_ip", "pod_cidr"])
def test_two_that_share_what_each_should_have_alone_are_both(key: str) -> None:
    twins = changed(77, **{key: getattr(lease(4000), key)})
    found = suspects(twins, [STATE])
    assert {"node-77", "node-4000"} <= set(found)


def test_a_lease_that_flannel_ignores_makes_one() -> None:
    leases = changed(99, defect="it lacks the annotation public-ip", public_ip=None)
    assert suspects(leases, [STATE]) == ("node-1", "node-99")


def test_whom_the_packets_speak_of_is_always_among_them() -> None:
    watched = Watched(
        time_ns=0,
        deviating=(
            Deviating(
                node="node-0", peer="node-50", subnet=None, kind=Kind.OWN_MAC,
                direction=Direction.IN, ifname="flannel.1", packets=1, first_ns=0, last_ns=0,
                seen=None,
            ),
        ),
        gaps=(
            Gap(
                sender="node-0", receiver="node-60", peer="node-60", after="uplink_out",
                before="uplink_in", sent=9, missing=9, first_ns=0, last_ns=0,
            ),
        ),
    )  # fmt: skip
    all_odd = replace(STATE, fdb=())
    found = suspects(LEASES, [all_odd], watched)
    assert {"node-50", "node-60"} <= set(found)
    assert len(found) == MOST


def test_of_many_that_differ_so_many_are_followed_and_still_one_that_is_well() -> None:
    found = suspects(LEASES, [replace(STATE, fdb=STATE.fdb[1000:])])
    assert len(found) == MOST
    assert found[-1] == "node-8"


def test_a_state_without_what_is_as_promised_shows_the_same() -> None:
    torn = without_fdb(4711)
    assert suspects(LEASES, [without_promised(torn, LEASES)]) == suspects(LEASES, [torn])
    assert suspects(LEASES, [without_promised(STATE, LEASES)]) == suspects(LEASES, [STATE])
