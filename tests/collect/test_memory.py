"""What was needed for a moment goes back to the kernel, and what is kept is kept once."""

import subprocess
import sys

import msgspec

from tracer.collect.counters import DEVIATIONS_SIZE, TALLIES_SIZE, deviations, tallies
from tracer.collect.kube_objects import NodeObject

CODE = """
import sys
from tracer.collect import memory
def anonymous():
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))
if sys.argv[1] == "spare":
    memory.spare()
before = anonymous()
first = bytes([1]) * (30 << 20)
del first
pages = [(bytes([number]) * (4 << 20), bytes([number]) * 700) for number in range(1, 20)]
kept = [small for _, small in pages]
del pages
print(anonymous() - before)
memory.give_back()
print(anonymous() - before)
"""
"""Like a list of the API that is read page by page, and little of each is kept."""


def left(mode: str) -> list[int]:
    """kB that are not with the kernel again: when all is free, and when it was given back."""
    words = [sys.executable, "-c", CODE, mode]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]


def test_large_pieces_go_back_when_they_are_free_or_when_they_are_given_back() -> None:
    at_once, later = left("spare")
    assert max(at_once, later) < 1_000
    by_itself, later = left("as it is")
    assert by_itself > 10_000, "glibc keeps them: else there would be no need of any of this"
    assert later < 1_000


def test_keys_of_annotations_are_kept_once() -> None:
    key = "flannel.alpha.coreos.com/backend-data"
    text = msgspec.json.encode({"metadata": {"name": "n", "annotations": {key: "{}"}}})
    nodes = [msgspec.json.decode(text, type=NodeObject).node() for _ in range(2)]
    first, second = (next(iter(node.annotations)) for node in nodes)
    assert first is second


def test_counters_of_those_who_are_silent_are_one_object() -> None:
    silent, heard = bytes(TALLIES_SIZE), b"\x01" + bytes(TALLIES_SIZE - 1)
    assert tallies(silent) is tallies(bytes(TALLIES_SIZE))
    assert tallies(silent) == tuple((0, 0, 0) for _ in range(6))
    assert sum(tallies(heard)[0]) == 1
    assert deviations(bytes(DEVIATIONS_SIZE)) is deviations(bytes(2 * DEVIATIONS_SIZE))
    assert set(deviations(bytes(DEVIATIONS_SIZE))) == {0}
