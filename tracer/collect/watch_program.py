"""The programs of bpf/watch.c in the kernel: compiled for one shape, loaded, not yet attached."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from tracer.collect import handed
from tracer.collect.capabilities import insist
from tracer.collect.counters import DEVIATIONS_SIZE, HOOKS, TALLIES_SIZE
from tracer.collect.expectations import EXPECTATION
from tracer.collect.layout import RECORD
from tracer.collect.maps import Map
from tracer.collect.ring import Ring
from tracer.collect.shape import Shape
from tracer.model.record import Record

LOOK_EVERY_NS = 100_000_000
"""Samples wait so long for the reader; deviations wake it, and so does a ring that fills."""

MOST_DROPS = 4096
"""Peers times reasons times functions; what finds no room is counted."""

MAPS = {
    "peers4": 4,
    "peers6": 4,
    "expected": EXPECTATION.size,
    "own": EXPECTATION.size,
    "tallies": TALLIES_SIZE,
    "deviated": DEVIATIONS_SIZE,
    "sampling": 8,
    "lost": 8,
}
"""Bytes of a value of each map."""
MAPS_OF_DROPS = {"drops": 8, "drops_left_out": 8}
_PER_CPU = {"tallies", "lost", *MAPS_OF_DROPS}


class Order(Record, frozen=True, kw_only=True):
    """What is to be compiled."""

    shape: Shape
    slots: int
    ring_bytes: int


class Made(Record, frozen=True, kw_only=True, tag="made"):
    """What came of it. Beside it come descriptors: of HOOKS, of the tracepoint's, of the maps."""

    maps: tuple[str, ...]
    """The ring is the last."""
    freed: bool
    """There is a program for the tracepoint."""
    reasons: dict[int, str]
    problem: str | None


class WatchProgram(NamedTuple):
    """Everything loaded. Its descriptors are the holder's to close."""

    hooks: Mapping[str, int]
    """Program of each hook."""
    freed: int | None
    """That of the tracepoint; None: it cannot be compiled here."""
    maps: Mapping[str, Map]
    ring: Ring
    reasons: Mapping[int, str]
    """Names of drop reasons, where the kernel tells them to the program."""
    problem: str | None
    """Why drops are not seen."""

    def programs(self) -> tuple[int, ...]:
        """All of them."""
        return (*self.hooks.values(), *(() if self.freed is None else (self.freed,)))

    def close(self) -> None:
        """Give everything back but the ring, which goes with its object."""
        for one in self.maps.values():
            one.close()
        for program in self.programs():
            os.close(program)


def loaded(wanted: Shape, slots: int, ring_bytes: int) -> WatchProgram:
    """In this thread's network namespace, whose drops are counted. By a child process.

    Raises NotSupported, NotPermitted, CollectFailed.
    """
    insist()
    order = Order(shape=wanted, slots=slots, ring_bytes=ring_bytes)
    text, fds = handed.handed_over(
        "tracer.collect.watch_compiler",
        msgspec.json.encode(order),
        doing="compile the BPF programs",
    )
    with contextlib.ExitStack() as stack:
        for fd in fds:
            stack.callback(os.close, fd)
        answer = msgspec.json.decode(text, type=Made | handed.Refused)
        if isinstance(answer, handed.Refused):
            raise answer.error()
        stack.pop_all()
    return _whole(answer, fds, ring_bytes)


def _whole(made: Made, fds: Sequence[int], ring_bytes: int) -> WatchProgram:
    """The descriptors, by what they are."""
    left = iter(fds)
    return WatchProgram(
        {hook: next(left) for hook in HOOKS},
        next(left) if made.freed else None,
        {
            name: Map(next(left), (MAPS | MAPS_OF_DROPS)[name], per_cpu=name in _PER_CPU)
            for name in made.maps[:-1]
        },
        Ring(next(left), ring_bytes, RECORD.size, LOOK_EVERY_NS),
        made.reasons,
        made.problem,
    )
