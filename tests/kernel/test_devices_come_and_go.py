"""Devices come and go under a watch, and other programs take the place of its own, with traffic."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.bpf_objects import gone, ids
from tests.kernel.overlay import MACS, POD2, Overlay, inside, ip
from tests.kernel.test_holding_on_devices import (
    ARRIVES,
    LEAVES,
    deviations,
    held,
    holding,
    packets,
)
from tracer.collect.counters import HOOKS
from tracer.collect.holding import Holding
from tracer.collect.shape import shape
from tracer.model.observation import AttachedPoint, Device

pytestmark = pytest.mark.kernel

BOTH_WAYS = pytest.mark.parametrize("prefer", ["tcx", "clsact"])


class Sender:
    """Datagrams from pod1 to pod2, as fast as one thread sends them."""

    def __init__(self, overlay: Overlay) -> None:
        self.sent = 0
        self._ends = threading.Event()
        with inside(overlay.pod(1)):
            self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self._sock.connect((POD2, 9))
        while not self._ends.is_set():
            # pod2 has nobody on that port, and says so
            try:
                self._sock.send(b"one of many")
            except ConnectionRefusedError:
                continue
            self.sent += 1

    def __enter__(self) -> "Sender":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        self._sock.close()


@contextmanager
def loaded(overlay: Overlay, number: int, prefer: str) -> Iterator[Holding]:
    """Attached nowhere yet."""
    with inside(overlay.node(number)):
        made = Holding(shape(held(number)), 2, prefer=prefer)
        made.hold(held(number))
    try:
        yield made
    finally:
        with inside(overlay.node(number)):
            made.close()


def vtep(overlay: Overlay, number: int) -> AttachedPoint:
    (found,) = (one for one in overlay.points(number) if one.device is Device.VTEP)
    return found


@BOTH_WAYS
def test_programs_that_replace_others_miss_no_packet_and_count_none_twice(
    overlay: Overlay, prefer: str
) -> None:
    with ExitStack() as stack:
        chains = {
            number: [
                stack.enter_context(holding(overlay, number, prefer)),
                *(stack.enter_context(loaded(overlay, number, prefer)) for _ in range(2)),
            ]
            for number in (1, 2)
        }
        with Sender(overlay) as sender:
            for step in range(2):
                for number, chain in chains.items():
                    time.sleep(0.1)
                    before = sender.sent
                    with inside(overlay.node(number)):
                        chain[step].replaced_by(chain[step + 1])
                    final = packets(chain[step], LEAVES + ARRIVES)
                    time.sleep(0.05)
                    assert packets(chain[step], LEAVES + ARRIVES) == final, "it counts no more"
                    assert sender.sent > before
        time.sleep(0.2)
        for number, way in ((1, LEAVES), (2, ARRIVES)):
            chain = chains[number]
            counted = [packets(one, way) for one in chain]
            assert [sum(at_hook) for at_hook in zip(*counted, strict=True)] == [sender.sent] * 3
            assert min(map(min, counted)) > 0
            assert all(deviations(one) == {} for one in chain)
            assert [len(one.attached()) for one in chain] == [0, 0, 3]


@BOTH_WAYS
def test_a_replacement_that_is_attached_already_counts_from_then_on(
    overlay: Overlay, prefer: str
) -> None:
    with holding(overlay, 1, prefer) as one, holding(overlay, 1, prefer) as two:
        overlay.send(b"for both", times=5)
        with inside(overlay.node(1)):
            one.replaced_by(two)
        overlay.send(b"for the new ones", times=3)
        assert packets(one, LEAVES) == [5] * 3
        assert packets(two, LEAVES) == [8] * 3
        assert one.attached() == frozenset()
        assert len(two.attached()) == 3


def test_what_is_freed_is_counted_by_the_programs_that_took_over(overlay: Overlay) -> None:
    words = f"{MACS[2]} dev flannel.1 dst 192.0.2.12 self permanent".split()
    bridge = ["bridge", "-n", overlay.node(1), "fdb"]
    with holding(overlay, 1) as one, loaded(overlay, 1, "tcx") as two:
        with inside(overlay.node(1)):
            one.replaced_by(two)
        subprocess.run([*bridge, "del", *words], check=True)
        try:
            overlay.send(b"into nothing", times=7)
        finally:
            subprocess.run([*bridge, "add", *words], check=True)
        assert one.dropped() == []
        assert [drop.packets for drop in two.dropped()] == [7]


@BOTH_WAYS
@pytest.mark.parametrize("same_number", [False, True])
def test_a_device_that_is_deleted_and_made_anew_is_watched_again(
    overlay: Overlay, prefer: str, same_number: bool
) -> None:
    first = vtep(overlay, 1)
    with holding(overlay, 1, prefer) as one, inside(overlay.node(1)):
        whole = one.attached()
        assert first.ifindex in whole
        overlay.send(b"before", times=3)
        ip("link del flannel.1", ns=overlay.node(1))
        assert one.attached() == whole - {first.ifindex}
        if not same_number:
            one.detach(first.ifindex)
            one.detach(first.ifindex)
        overlay.vtep_up(1, 2, f"index {first.ifindex}" if same_number else "")
        again = vtep(overlay, 1)
        assert (again.ifindex == first.ifindex) is same_number
        assert again.ifindex not in one.attached(), "what it is called does not make it the same"
        one.attach(again)
        assert one.attached() == whole - {first.ifindex} | {again.ifindex}
        overlay.send(b"after", times=4)
        assert packets(one, LEAVES) == [7] * 3


@BOTH_WAYS
def test_attaching_twice_counts_once_and_detaching_ends_it(overlay: Overlay, prefer: str) -> None:
    with holding(overlay, 1, prefer) as one, inside(overlay.node(1)):
        for point in overlay.points(1):
            one.attach(point)
        overlay.send(b"once", times=3)
        assert packets(one, LEAVES) == [3] * 3
        one.detach(vtep(overlay, 1).ifindex)
        overlay.send(b"at two of three", times=2)
        assert packets(one, LEAVES) == [5, 3, 5]
        one.attach(vtep(overlay, 1))
        overlay.send(b"again", times=1)
        assert packets(one, LEAVES) == [6, 4, 6]


def test_a_device_of_another_role_is_counted_in_that_alone(overlay: Overlay) -> None:
    point = vtep(overlay, 1)
    with loaded(overlay, 1, "tcx") as one, inside(overlay.node(1)):
        one.attach(AttachedPoint(device=Device.BRIDGE, ifindex=point.ifindex, ifname="flannel.1"))
        one.attach(point)
        overlay.send(b"once", times=3)
        assert packets(one, LEAVES) == [0, 3, 0]


@BOTH_WAYS
def test_a_device_that_is_not_there_cannot_be_watched(overlay: Overlay, prefer: str) -> None:
    gone = AttachedPoint(device=Device.VTEP, ifindex=4711, ifname="flannel.1")
    with loaded(overlay, 1, prefer) as one, inside(overlay.node(1)):
        with pytest.raises(OSError, match="No such device"):
            one.attach(gone)
        one.detach(4711)
        assert one.attached() == frozenset()


@BOTH_WAYS
def test_what_is_detached_or_replaced_leaves_nothing_behind(overlay: Overlay, prefer: str) -> None:
    with (
        holding(overlay, 1, prefer) as one,
        loaded(overlay, 1, prefer) as two,
        inside(overlay.node(1)),
    ):
        one.replaced_by(two)
        for ifindex in two.attached():
            two.detach(ifindex)
        assert two.attached() == frozenset()
        programs = ids(made.program(hook) for made in (one, two) for hook in HOOKS)
    assert gone(programs)
