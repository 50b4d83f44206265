"""Real samples of a real watch of all nodes: complete histories, and where a fault ends them."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from tests.lab.universe import Universe
from tests.lab.watched import OWN, A, B, C
from tracer.bundle.archive import read
from tracer.core.cutting import traced
from tracer.core.diagnose import diagnose
from tracer.core.examine import examine
from tracer.core.histories import histories
from tracer.core.inner_bytes import inner_bytes
from tracer.core.sampling import is_sample
from tracer.lab.plan import PlannedNode
from tracer.model.bundle import Bundle
from tracer.model.examination import Samples, Trajectories
from tracer.model.observation import Direction
from tracer.model.path import Outcome
from tracer.recording.ends import resolve

pytestmark = pytest.mark.lab

VARIED = str(Path(__file__).with_name("varied.py"))
PORT = "7000"
PORTS = frozenset({8472})
SEGMENT_S = 34
"""Recordings are written each half minute."""


@contextmanager
def talking(lab: Universe) -> Iterator[None]:
    """pod-a asks pod-b and pod-c, by UDP and TCP."""
    ask = (*B.pods[0].ips, *C.pods[0].ips)
    words: Sequence[tuple[str, ...]] = (("pod-b",), ("pod-c",), ("pod-a", *ask))
    started = [
        Popen(
            [*lab.inside, *OWN, "lab", "exec", pod, "--", sys.executable, VARIED, PORT, *to],
            stdin=PIPE,
        )
        for pod, *to in words
    ]
    try:
        yield
    finally:
        for one in started:
            one.communicate()


@contextmanager
def recording(lab: Universe, folder: Path, one_in: int) -> Iterator[None]:
    """A watch of all nodes, until it has written at least one segment."""
    words = ["watch", "--lab", "--sample", f"1/{one_in}", "--record", str(folder)]
    watch = Popen([*lab.inside, *OWN, *words], stdout=PIPE, stderr=PIPE, text=True)
    try:
        yield
    finally:
        watch.terminate()
        said = watch.communicate(timeout=60)
    assert watch.returncode == 0, said


def last(folder: Path, wanted: int = 1, patience_s: float = 3 * SEGMENT_S) -> Bundle:
    """The newest segment, once there are so many more than there were."""
    known, end = set(folder.glob("*.tgz")), time.monotonic() + patience_s
    while len(fresh := set(folder.glob("*.tgz")) - known) < wanted:
        assert time.monotonic() < end, "no segment is written"
        time.sleep(0.2)
    return read(max(fresh))


@pytest.fixture(scope="module")
def healthy(lab: Universe, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Bundle]:
    """A recording of a healthy lab, by one in how many packets is a sample; each is made once."""

    @cache
    def made(one_in: int) -> Bundle:
        folder = tmp_path_factory.mktemp("healthy")
        with talking(lab), recording(lab, folder, one_in):
            return last(folder)

    return made


def sampled(bundle: Bundle) -> Samples:
    found = examine(bundle).samples
    assert found is not None, "no samples"
    assert found.lost == 0
    return found


def way(of: Samples, sender: str, receiver: str) -> Trajectories:
    return next(one for one in of.ways if (one.sender, one.receiver) == (sender, receiver))


@pytest.mark.parametrize("one_in", [1, 8])
def test_in_a_healthy_lab_every_history_is_complete_on_both_nodes(
    healthy: Callable[[int], Bundle], one_in: int
) -> None:
    found = healthy(one_in)
    samples = sampled(found)
    assert samples.one_in >= one_in, "fewer are told where there are more than can be"
    for sender, receiver in ((A, B), (B, A), (A, C), (C, A)):
        one = way(samples, sender.name, receiver.name)
        assert len(one.hooks) == 6
        assert one.followed == one.complete > 20, one
    assert samples.begun_elsewhere == 0
    ends = resolve(("pod-a", "pod-b"), "default", found.cluster)
    assert diagnose(traced(found, *ends)).verdict.outcome is Outcome.DELIVERED


def test_the_samples_are_those_of_the_hash_and_so_many(healthy: Callable[[int], Bundle]) -> None:
    """Of one recording of every packet and the rule: one in eight of the packets, not more."""
    found = healthy(8)
    assert found.watched is not None
    aside = frozenset(found.watched.aside)
    packets = [
        inner_bytes(one, PORTS)
        for number, one in enumerate(found.observations)
        if number not in aside and one.direction is not Direction.FREED
    ]
    assert packets
    assert all(packet is not None and is_sample(packet, 8) for packet in packets)
    numbered = set()
    for history in histories(found):
        inner = history.inner
        if inner.protocol == "udp" and (inner.src, inner.dst_port) == (A.pods[0].ips[0], 7000):
            numbered.add(history.inner_id.token)
    # some 2 x 10 datagrams a second for half a minute, of which one in eight
    seconds = (found.watched.sampled[0].until_ns - found.watched.sampled[0].since_ns) / 1e9
    assert 0.04 < len(numbered) / (20 * seconds) < 0.25


@pytest.mark.parametrize(
    ("fault", "node", "ifname", "direction"),
    [("fdb-missing", A, "flannel.1", Direction.OUT), ("input-drop-8472", B, "eth0", Direction.IN)],
)
def test_a_fault_ends_them_where_it_sits(
    lab: Universe, tmp_path: Path, fault: str, node: PlannedNode, ifname: str, direction: Direction
) -> None:
    with talking(lab), recording(lab, tmp_path, 1):
        time.sleep(8)
        lab.lab("inject", fault)
        try:
            last(tmp_path)  # that of the finding's opening
            found = last(tmp_path)
        finally:
            lab.lab("heal")
    one = way(sampled(found), A.name, B.name)
    assert one.complete == 0
    (end,) = one.ended
    assert (end.node, end.ifname, end.direction) == (node.name, ifname, direction)
    assert end.packets == one.followed > 5
    assert end.freed > 0
    ends = resolve(("pod-a", "pod-b"), "default", found.cluster)
    assert diagnose(traced(found, *ends)).verdict.rule == fault
