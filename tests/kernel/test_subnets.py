"""Whose subnet an address is in: by number, by its length, by each of several lengths."""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.kernel.test_holding import (
    HELD,
    MAC_B,
    MAC_C,
    OTHER_MAC,
    PEER_B,
    PEER_C,
    POD_A,
    POD_B,
    POD_C,
    SIX,
    SIX_A,
    SIX_B,
    Kernel,
    inner,
)  # fmt: skip
from tracer.collect.shape import MOST_INDEXED, Network, shape
from tracer.core.held import Held

pytestmark = pytest.mark.kernel

WIDE = replace(PEER_C, node="wide", subnet="10.244.128.0/18")
WIDE6 = replace(SIX, node="wide", subnet="fd00:10:244:8000::/56")
WAYS = {
    "number": HELD,
    "one length": replace(HELD, networks=("10.0.0.0/7", "fd00::/16")),
    "several lengths": replace(HELD, peers=(*HELD.peers, WIDE, WIDE6)),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[tuple[Kernel, Held]]:
    """Programs that find subnets in one of the ways, and what they hold."""
    held = WAYS[request.param]
    wanted = shape(held)
    assert all((wanted.numbered(one) is not None) == (request.param == "number") for one in (4, 6))
    made = Kernel(held)
    yield made, held
    made.holding.close()


def test_each_finds_the_peers_of_both_families(way: tuple[Kernel, Held]) -> None:
    kernel, _ = way
    kernel.feed("vtep_out", inner(POD_A, POD_B), 1)
    kernel.feed("vtep_out", inner(POD_A, POD_C, to=MAC_C), 2)
    kernel.feed("vtep_out", inner(SIX_A, SIX_B), 3)
    counts = [kernel.packets(peer)["vtep_out"] for peer in (PEER_B, PEER_C, SIX)]
    assert counts == [1, 2, 3]
    assert not any(any(one.deviations) for one in kernel.holding.counted())


def test_each_knows_a_subnet_that_nobody_leases(way: tuple[Kernel, Held]) -> None:
    kernel, _ = way
    kernel.feed("vtep_out", inner(POD_A, "10.244.4.1"))
    kernel.feed("vtep_out", inner(SIX_A, "fd00:10:244:4::1"))
    assert kernel.packets(None) == {"vtep_out": 2}


def test_each_follows_a_lease_that_changes_and_one_that_goes(way: tuple[Kernel, Held]) -> None:
    kernel, held = way
    moved, moved6 = replace(PEER_B, vtep_mac=OTHER_MAC), replace(SIX, vtep_mac=OTHER_MAC)
    others = tuple(peer for peer in held.peers if peer not in (PEER_B, PEER_C, SIX))
    kernel.holding.hold(replace(held, peers=(moved, moved6, *others)))
    kernel.feed("vtep_out", inner(POD_A, POD_B, to=OTHER_MAC))
    kernel.feed("vtep_out", inner(SIX_A, SIX_B, to=OTHER_MAC))
    kernel.feed("vtep_out", inner(POD_A, POD_C, to=MAC_C))
    assert [kernel.packets(one) for one in (moved, moved6, None)] == [{"vtep_out": 1}] * 3
    assert kernel.deviates(moved) == kernel.deviates(moved6) == set()
    assert kernel.deviates(None) == {"no-lease"}


def test_of_subnets_within_each_other_the_longest_is_meant() -> None:
    wide = replace(PEER_C, node="wide", subnet="10.244.0.0/17")
    narrow = replace(PEER_C, node="narrow", subnet=f"{POD_C}/32")
    wide6 = replace(SIX, node="wide6", subnet="fd00:10:244::/48")
    narrow6 = replace(SIX, node="narrow6", subnet=f"{SIX_B}/128")
    kernel = Kernel(replace(HELD, peers=(*HELD.peers, wide, narrow, wide6, narrow6)))
    try:
        for to, destination in enumerate(("10.244.99.1", POD_B, POD_C), 1):
            kernel.feed("vtep_out", inner(POD_A, destination, to=MAC_C), to)
        for to, destination in enumerate(("fd00:10:244:99::1", f"{SIX_B}1", SIX_B), 1):
            kernel.feed("vtep_out", inner(SIX_A, destination), to)
        expected = [(wide, PEER_B, narrow), (wide6, SIX, narrow6)]
        counts = [[kernel.packets(one) for one in each] for each in expected]
        assert counts == [[{"vtep_out": 1}, {"vtep_out": 2}, {"vtep_out": 3}]] * 2
    finally:
        kernel.holding.close()


def test_a_lease_outside_of_the_cluster_s_network_takes_nobodys_place() -> None:
    stray = replace(PEER_C, subnet="10.99.2.0/24", vtep_mac=MAC_C)
    held = replace(HELD, peers=(PEER_B, stray))
    kernel = Kernel(held)
    try:
        kernel.feed("vtep_out", inner(POD_A, POD_B, to=MAC_B))
        kernel.holding.hold(replace(held, peers=(PEER_B,)))
        kernel.feed("vtep_out", inner(POD_A, POD_B, to=MAC_B))
        assert kernel.packets(PEER_B) == {"vtep_out": 2}
        assert kernel.deviates(PEER_B) == set()
    finally:
        kernel.holding.close()


@given(st.data())
def test_every_subnet_of_a_network_has_a_number_of_its_own(data: st.DataObject) -> None:
    family = data.draw(st.sampled_from([4, 6]))
    bits = 32 if family == 4 else 128
    length = data.draw(st.integers(8, bits))
    apart = data.draw(st.integers(0, min(length, 8)))
    address = data.draw(st.integers(0, 2**bits - 1))
    kind = IPv4Network if family == 4 else IPv6Network
    network = kind((address >> bits - length + apart << bits - length + apart, length - apart))
    subnets: list[Network] = list(network.subnets(new_prefix=length))
    held = Held(
        networks=(str(network),), ports=(), own=(),
        peers=tuple(replace(PEER_B, subnet=str(one)) for one in subnets),
    )  # fmt: skip
    index = shape(held).numbered(family)
    if index is None:
        assert (length - apart) // 32 < (length - 1) // 32, "its bits are in two words"
        return
    numbers = [index.of(one) for one in subnets]
    assert sorted(numbers) == list(range(index.size))


def test_what_has_room_for_too_many_subnets_has_no_numbers() -> None:
    just = replace(HELD, networks=("10.0.0.0/8", "fd00:10::/48"))
    assert [shape(just).numbered(one) is not None for one in (4, 6)] == [True, True]
    assert MOST_INDEXED == 1 << 24 - 8
    more = replace(HELD, networks=("10.0.0.0/7", "fd00:10::/47"))
    assert [shape(more).numbered(one) for one in (4, 6)] == [None, None]


def test_two_networks_of_a_family_have_no_numbers() -> None:
    two = replace(HELD, networks=("10.244.0.0/16", "10.245.0.0/16"))
    assert shape(two).numbered(4) is None
