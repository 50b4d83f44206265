"""Every packet is held against the leases: in the kernel, without a device (BPF_PROG_TEST_RUN)."""

import ctypes
import struct
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests import packets as p
from tracer.collect.counters import HOOKS, KINDS, Counted
from tracer.collect.holding import Holding
from tracer.collect.layout import FREED, HOOK_SHIFT, IN, OUT, RECORD, RawRecord
from tracer.collect.shape import shape
from tracer.collect.syscall import PROG_TEST_RUN, address
from tracer.collect.syscall import bpf as call
from tracer.core.held import Held, HeldOwn, HeldPeer
from tracer.core.sampling import is_sample

pytestmark = pytest.mark.kernel

NODE_A, NODE_B, NODE_C = "192.0.2.11", "192.0.2.12", "192.0.2.13"
MAC_A, MAC_B, MAC_C = "02:f1:00:00:00:01", "02:f1:00:00:00:02", "02:f1:00:00:00:03"
POD_A, POD_B, POD_C = "10.244.1.5", "10.244.2.7", "10.244.3.9"
SIX_A, SIX_B = "fd00:10:244:1::5", "fd00:10:244:2::7"
OUT_A, OUT_B = "2001:db8::11", "2001:db8::12"
OTHER_MAC = "02:bb:00:00:00:99"
LOOPBACK = "00:00:00:00:00:00"
"""The device on which BPF_PROG_TEST_RUN runs: a frame for any other MAC is another device's."""

PEER_B = HeldPeer(
    node="node-b", subnet="10.244.2.0/24", vtep_mac=MAC_B, public_ip=NODE_B, plain=False
)
PEER_C = HeldPeer(
    node="node-c", subnet="10.244.3.0/24", vtep_mac=MAC_C, public_ip=NODE_C, plain=False
)
SIX = HeldPeer(
    node="node-b", subnet="fd00:10:244:2::/64", vtep_mac=MAC_B, public_ip=OUT_B, plain=False
)
OWN = HeldOwn(
    family=4, subnet="10.244.1.0/24", vtep_ip="10.244.1.0", mac=MAC_A, local=NODE_A, vni=1,
    port=8472,
)  # fmt: skip
OWN6 = HeldOwn(
    family=6, subnet="fd00:10:244:1::/64", vtep_ip="fd00:10:244:1::", mac=MAC_A, local=OUT_A,
    vni=1, port=8472,
)  # fmt: skip
HELD = Held(
    networks=("10.244.0.0/16", "fd00:10:244::/48"),
    ports=(4789, 8472),
    own=(OWN, OWN6),
    peers=(PEER_B, PEER_C, SIX),
)


def inner(src: str, dst: str, *, to: str = MAC_B, by: str = MAC_A, seq: int = 1) -> bytes:
    """An echo request's frame as flannel.1 makes it."""
    if ":" in src:
        packet = p.ipv6(src, dst, p.ICMPV6, p.echo(7, seq))
        return p.ethernet(packet, p.IPV6, src=by, dst=to)
    return p.ethernet(p.ipv4(src, dst, p.ICMP, p.echo(7, seq), ip_id=seq), src=by, dst=to)


def on_wire(
    frame: bytes,
    src: str = NODE_A,
    dst: str = NODE_B,
    *,
    vni: int = 1,
    port: int = p.PORT,
    to: str = LOOPBACK,
) -> bytes:
    """The frame in VXLAN. `to`: the outer destination MAC."""
    datagram = p.udp(50000, port, p.vxlan(frame, vni=vni))
    if ":" in src:
        return p.ethernet(p.ipv6(src, dst, p.UDP, datagram), p.IPV6, dst=to)
    return p.ethernet(p.ipv4(src, dst, p.UDP, datagram), dst=to)


class Kernel:
    """The programs, fed by hand."""

    def __init__(self, held: Held = HELD) -> None:
        self.holding = Holding(shape(held), 2 * len(held.peers))
        self.holding.hold(held)

    def feed(self, hook: str, frame: bytes, times: int = 1) -> None:
        data = ctypes.create_string_buffer(frame, len(frame))
        program = self.holding.program(hook)
        request = struct.pack("=IIIIQQII", program, 0, len(frame), 0, address(data), 0, times, 0)
        _, answer = call(PROG_TEST_RUN, request)
        assert struct.unpack_from("=i", answer, 4) == (-1,), "a hook must let packets pass"

    def records(self) -> list[RawRecord]:
        """But those of the kernel freeing a run's packet when the run is over."""
        found = (RawRecord._make(RECORD.unpack(one)) for one in self.holding.records())
        return [record for record in found if record.direction != FREED]

    def of(self, peer: HeldPeer | None) -> Counted:
        (found,) = (one for one in self.holding.counted() if one.peer == peer)
        return found

    def deviates(self, peer: HeldPeer | None) -> set[str]:
        numbers = self.of(peer).deviations
        return {kind for kind, count in zip(KINDS, numbers, strict=True) if count} - {"freed"}

    def packets(self, peer: HeldPeer | None) -> dict[str, int]:
        counts = zip(HOOKS, self.of(peer).at, strict=True)
        return {hook: tally.packets for hook, tally in counts if tally.packets}


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    made = Kernel()
    yield made
    made.holding.close()


def test_good_packets_are_counted_by_peer_and_hook_and_leave_no_record(kernel: Kernel) -> None:
    out, back = inner(POD_A, POD_B), inner(POD_B, POD_A, to=MAC_A, by=MAC_B)
    kernel.feed("from_pod", out, 3)
    kernel.feed("vtep_out", out, 3)
    kernel.feed("uplink_out", on_wire(out), 3)
    kernel.feed("uplink_in", on_wire(back, NODE_B, NODE_A), 2)
    kernel.feed("vtep_in", back, 2)
    kernel.feed("to_pod", back, 2)
    assert kernel.packets(PEER_B) == {
        "from_pod": 3, "vtep_out": 3, "uplink_out": 3, "uplink_in": 2, "vtep_in": 2, "to_pod": 2,
    }  # fmt: skip
    assert kernel.of(PEER_B).at[HOOKS.index("vtep_out")].bytes == 3 * len(out)
    assert kernel.deviates(PEER_B) == set()
    assert kernel.records() == []


def test_the_same_with_ipv6_inside_and_outside(kernel: Kernel) -> None:
    out, back = inner(SIX_A, SIX_B), inner(SIX_B, SIX_A, to=MAC_A, by=MAC_B)
    kernel.feed("vtep_out", out)
    kernel.feed("uplink_out", on_wire(out, OUT_A, OUT_B))
    kernel.feed("uplink_in", on_wire(back, OUT_B, OUT_A))
    kernel.feed("vtep_in", back)
    assert kernel.packets(SIX) == {"vtep_out": 1, "uplink_out": 1, "uplink_in": 1, "vtep_in": 1}
    assert kernel.deviates(SIX) == set()


BAD: dict[str, tuple[str, bytes]] = {
    "peer-mac": ("vtep_out", inner(POD_A, POD_B, to=OTHER_MAC)),
    "own-mac": ("vtep_in", inner(POD_B, POD_A, to=OTHER_MAC, by=MAC_B)),
    "sender-mac": ("vtep_in", inner(POD_B, POD_A, to=MAC_A, by=MAC_C)),
    "outer-dst": ("uplink_out", on_wire(inner(POD_A, POD_B), dst=NODE_C)),
    "outer-src": ("uplink_out", on_wire(inner(POD_A, POD_B), src=NODE_C)),
    "vni": ("uplink_out", on_wire(inner(POD_A, POD_B), vni=2)),
    "port": ("uplink_out", on_wire(inner(POD_A, POD_B), port=4789)),
    "plain": ("uplink_out", p.ethernet(p.ipv4(POD_A, POD_B, p.ICMP, p.echo(7, 1)))),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_packet_that_deviates_is_counted_by_how_and_recorded(kernel: Kernel, kind: str) -> None:
    hook, frame = BAD[kind]
    kernel.feed(hook, frame)
    assert kernel.deviates(PEER_B) == {kind}
    (record,) = kernel.records()
    assert record.reason == 1 << KINDS.index(kind)
    assert record.headers[: record.captured] == frame[:160]
    direction = OUT if hook.endswith(("_out", "to_pod")) else IN
    assert record.direction == direction | HOOKS.index(hook) << HOOK_SHIFT


@pytest.mark.parametrize("kind", ["outer-dst", "outer-src"])
def test_the_outer_addresses_of_what_arrives_are_held_too(kernel: Kernel, kind: str) -> None:
    ends = (NODE_B, NODE_C) if kind == "outer-dst" else (NODE_C, NODE_A)
    frame = inner(POD_B, POD_A, to=MAC_A, by=MAC_B)
    kernel.feed("uplink_in", on_wire(frame, *ends))
    assert kernel.deviates(PEER_B) == {kind}


def test_what_a_switch_floods_for_another_node_is_nobodys_here(kernel: Kernel) -> None:
    frame = inner(POD_B, POD_C, to=MAC_C, by=MAC_B)
    kernel.feed("uplink_in", on_wire(frame, NODE_B, NODE_C, to=OTHER_MAC))
    bare = p.ipv4(POD_B, POD_C, p.ICMP, p.echo(7, 1))
    kernel.feed("uplink_in", p.ethernet(bare, dst=OTHER_MAC))
    assert kernel.packets(PEER_B) == {}
    assert kernel.deviates(PEER_B) == set()
    assert kernel.records() == []


def test_what_is_for_our_address_by_a_wrong_mac_is_held_like_any_other(kernel: Kernel) -> None:
    frame = inner(POD_B, POD_A, to=MAC_A, by=MAC_B)
    kernel.feed("uplink_in", on_wire(frame, NODE_B, NODE_A, to=OTHER_MAC))
    assert kernel.packets(PEER_B) == {"uplink_in": 1}


def test_of_many_that_deviate_all_are_counted_and_few_recorded(kernel: Kernel) -> None:
    hook, frame = BAD["peer-mac"]
    kernel.feed(hook, frame, 10_000)
    assert kernel.of(PEER_B).deviations[KINDS.index("peer-mac")] == 10_000
    assert 1 <= len(kernel.records()) <= 2


def test_one_kind_does_not_keep_another_nor_one_peer_another_from_being_recorded(
    kernel: Kernel,
) -> None:
    kernel.feed(*BAD["vni"])
    kernel.feed(*BAD["port"])
    kernel.feed("vtep_out", inner(POD_A, POD_C, to=OTHER_MAC))
    kernel.feed(*BAD["peer-mac"])
    assert len(kernel.records()) == 4


def test_addresses_of_the_network_that_nobody_leases_are_counted_by_themselves(
    kernel: Kernel,
) -> None:
    kernel.feed("vtep_out", inner(POD_A, "10.244.77.1"))
    assert kernel.packets(None) == {"vtep_out": 1}
    assert kernel.deviates(None) == {"no-lease"}


@pytest.mark.parametrize(
    "frame",
    [
        inner(POD_A, "10.244.1.9"),
        inner(POD_A, "198.51.100.7"),
        inner(SIX_A, "fd00:10:244:1::9"),
        p.ethernet(p.arp("10.244.2.7", "10.244.1.5"), p.ARP),
        b"\x00" * 60,
        p.ethernet(b"\x45", p.IPV4),
    ],
)
@pytest.mark.parametrize("hook", ["from_pod", "vtep_out", "uplink_out"])
def test_packets_of_no_peer_are_no_business_of_ours(
    kernel: Kernel, hook: str, frame: bytes
) -> None:
    kernel.feed(hook, frame.ljust(60, b"\x00"))
    assert kernel.records() == []
    assert not any(tally.packets for one in kernel.holding.counted() for tally in one.at)


def test_the_nodes_own_packets_are_told_from_the_pods(kernel: Kernel) -> None:
    kernel.feed("vtep_out", inner("10.244.1.0", POD_B), 2)
    kernel.feed("vtep_out", inner(POD_A, POD_B), 3)
    tally = kernel.of(PEER_B).at[HOOKS.index("vtep_out")]
    assert (tally.packets, tally.host) == (5, 2)


def test_a_lease_that_changes_is_held_from_the_next_packet_on(kernel: Kernel) -> None:
    moved = replace(PEER_B, vtep_mac=OTHER_MAC)
    kernel.feed("vtep_out", inner(POD_A, POD_B))
    kernel.holding.hold(replace(HELD, peers=(moved, PEER_C, SIX)))
    kernel.feed("vtep_out", inner(POD_A, POD_B, to=OTHER_MAC), 2)
    assert kernel.packets(moved) == {"vtep_out": 2}
    assert kernel.packets(PEER_B) == {"vtep_out": 1}, "what was counted before stays"
    assert kernel.deviates(moved) == kernel.deviates(PEER_B) == set()


def test_a_lease_that_goes_leaves_addresses_of_nobody(kernel: Kernel) -> None:
    kernel.holding.hold(replace(HELD, peers=(PEER_C, SIX)))
    kernel.feed("vtep_out", inner(POD_A, POD_B))
    assert kernel.deviates(None) == {"no-lease"}


def test_a_slot_that_is_used_again_begins_at_nought(kernel: Kernel) -> None:
    kernel.feed("vtep_out", inner(POD_A, POD_B, to=OTHER_MAC), 5)
    kernel.records()
    for number in range(300):
        moved = replace(PEER_B, vtep_mac=f"02:bb:00:00:{number // 256:02x}:{number % 256:02x}")
        kernel.holding.hold(replace(HELD, peers=(moved, PEER_C, SIX)))
    assert kernel.packets(moved) == {}
    kernel.feed("vtep_out", inner(POD_A, POD_B, to=moved.vtep_mac or ""), 1)
    assert kernel.packets(moved) == {"vtep_out": 1}
    assert kernel.deviates(moved) == set()


def test_subnets_of_several_lengths_are_found_by_the_longest() -> None:
    wide = replace(PEER_C, subnet="10.244.0.0/18")
    held = replace(HELD, peers=(PEER_B, wide, SIX))
    kernel = Kernel(held)
    try:
        kernel.feed("vtep_out", inner(POD_A, POD_B))
        kernel.feed("vtep_out", inner(POD_A, POD_C, to=MAC_C))
        assert kernel.packets(PEER_B) == kernel.packets(wide) == {"vtep_out": 1}
        assert kernel.deviates(PEER_B) == kernel.deviates(wide) == set()
    finally:
        kernel.holding.close()


def test_plain_packets_are_right_between_nodes_that_route_to_each_other() -> None:
    near = replace(PEER_B, plain=True)
    kernel = Kernel(replace(HELD, peers=(near, PEER_C, SIX)))
    try:
        kernel.feed(*BAD["plain"])
        assert kernel.deviates(near) == set()
        assert kernel.packets(near) == {"uplink_out": 1}
    finally:
        kernel.holding.close()


def test_what_a_lease_does_not_say_is_not_held_against_it() -> None:
    vague = replace(PEER_B, vtep_mac=None, public_ip=None)
    kernel = Kernel(replace(HELD, peers=(vague, PEER_C, SIX)))
    try:
        kernel.feed("uplink_out", on_wire(inner(POD_A, POD_B, to=OTHER_MAC), dst=NODE_C))
        assert kernel.deviates(vague) == set()
    finally:
        kernel.holding.close()


@pytest.fixture
def sampling() -> Iterator[Kernel]:
    made = Kernel()
    made.holding.sample(3)
    yield made
    made.holding.close()


PAYLOADS = st.one_of(
    st.tuples(st.just(p.ICMP), st.binary(min_size=8, max_size=40)),
    st.tuples(st.just(p.TCP), st.binary(min_size=20, max_size=40)),
    st.tuples(st.just(p.UDP), st.binary(min_size=8, max_size=40)),
    st.tuples(st.sampled_from([p.ICMPV6, 132, 47]), st.binary(max_size=40)),
)


@settings(max_examples=300, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    payload=PAYLOADS,
    ident=st.integers(0, 0xFFFF),
    offset=st.sampled_from([0, 0, 0, 1480]),
    options=st.sampled_from([b"", b"", b"\x01" * 4]),
    six=st.booleans(),
)
def test_the_kernel_takes_the_samples_that_python_takes(
    sampling: Kernel, payload: tuple[int, bytes], ident: int, offset: int, options: bytes, six: bool
) -> None:
    protocol, data = payload
    if six:
        packet, ethertype = p.ipv6(SIX_A, SIX_B, protocol, data), p.IPV6
    else:
        packet = p.ipv4(POD_A, POD_B, protocol, data, ip_id=ident, offset=offset, options=options)
        ethertype = p.IPV4
    frame = p.ethernet(packet, ethertype, src=MAC_A, dst=MAC_B)
    for hook in ("from_pod", "vtep_out"):
        sampling.feed(hook, frame)
    outer = (OUT_A, OUT_B) if six else (NODE_A, NODE_B)
    sampling.feed("uplink_out", on_wire(frame, *outer))
    assert len(sampling.records()) == 3 * is_sample(packet, 3)
