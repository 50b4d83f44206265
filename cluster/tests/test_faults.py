"""Every fault is named by its own name and no other, and what is printed against it heals it."""

import time
from collections.abc import Iterator

import pytest

from cluster.faults import FAULTS
from cluster.faults.fault import Fault
from cluster.setup import Cluster, renew
from cluster.shell import Failed
from cluster.tests.clock import Clock
from cluster.tests.flantrace import Answer, Flantrace
from cluster.tests.obeying import obey, ways_out
from cluster.tests.undoing import undo
from cluster.tests.whole import Lines, whole
from tests.state_lines import difference
from tracer.render.advice import Step

SPREADS_S = 15
"""flanneld on the other node has heard of it."""
HEALS_S = 120
"""A rollout of flannel takes half a minute."""
SETTLES_S = 30


@pytest.fixture(scope="module")
def before(cluster: Cluster) -> Lines:
    """The cluster as it is, which every test leaves so."""
    return whole(cluster)


class Trial:
    """One fault on the cluster, from its injection until nothing of it is left."""

    def __init__(
        self, fault: Fault, cluster: Cluster, flantrace: Flantrace, clock: Clock, before: Lines
    ) -> None:
        self.fault = fault
        self.cluster = cluster
        self.flantrace = flantrace
        self.clock = clock
        self.before = before
        self.clean = True

    def inject(self) -> None:
        self.clean = False
        with self.clock("inject"):
            self.fault.inject(self.cluster)

    def traced(self) -> Answer:
        """What a trace says once the fault has spread: one that finds nothing is repeated."""
        deadline = time.monotonic() + (SPREADS_S if self.fault.trace else 0)
        while True:
            with self.clock("trace"):
                answer = self.flantrace.trace(*self.fault.words)
            if not answer.healthy or time.monotonic() > deadline:
                return answer
            time.sleep(0.5)

    def checked(self) -> Answer:
        with self.clock("check"):
            return self.flantrace.check()

    def named(self) -> list[list[Step]]:
        """A trace and a check name it, and no other fault. The ways out that are printed."""
        trace, check = self.traced(), self.checked()
        print(trace, check, sep="\n")
        slug = self.fault.slug
        for answer, expected in ((trace, self.fault.trace), (check, self.fault.check)):
            assert answer.named("error") <= {slug}, answer
            assert (slug in answer.named()) is expected, answer
        if self.fault.trace:
            assert trace.verdict in (slug, "delivered"), trace
        return ways_out((trace if self.fault.trace else check).fix(slug))

    def obey(self, way: list[Step]) -> None:
        with self.clock("fix"):
            obey(self.cluster, way, self.fault.editor)

    def heals(self) -> None:
        """Packets arrive, and nothing whatever is found."""
        with self.clock("heals"):
            deadline = time.monotonic() + HEALS_S
            while True:
                answer = self.flantrace.check()
                if answer.healthy:
                    answer = self.flantrace.trace(*self.fault.words)
                if answer.healthy:
                    return
                assert time.monotonic() < deadline, f"it is not healed:\n{answer}"
                time.sleep(0.5)

    def undo(self) -> None:
        """Take away what the fault and its fix left; then the cluster is as it was."""
        if self.clean:
            return
        with self.clock("undo"):
            if self.fault.heal is not None:
                try:
                    self.fault.heal(self.cluster)
                except Failed as error:
                    print(f"nothing is left to undo: {error}")
            deadline = time.monotonic() + SETTLES_S
            undo(self.cluster, self.before, whole(self.cluster))
            while left := difference(list(self.before), list(whole(self.cluster))):
                assert time.monotonic() < deadline, f"the cluster is not as it was:\n{left}"
                time.sleep(0.5)
        self.clean = True


@pytest.fixture
def trial(
    request: pytest.FixtureRequest,
    cluster: Cluster,
    flantrace: Flantrace,
    clock: Clock,
    before: Lines,
) -> Iterator[Trial]:
    """A fault, which is undone whatever the test does."""
    one = Trial(FAULTS[request.param], cluster, flantrace, clock, before)
    yield one
    try:
        one.undo()
    except (AssertionError, Failed):
        # so that the next fault is not told of this one
        renew(cluster)
        before.clear()
        before.update(whole(cluster))
        raise


@pytest.mark.parametrize("trial", FAULTS, indirect=True)
def test_a_fault_is_named_and_what_is_printed_against_it_heals_it(trial: Trial) -> None:
    if not trial.fault.obey:
        trial.inject()
        trial.named()
        trial.undo()
        trial.heals()
        return
    number, ways = 0, 1
    while number < ways:
        # anew for each way: the commands name pods, which are others after a restart
        trial.inject()
        out = trial.named()
        ways = len(out)
        print(f"--- way {number + 1} of {ways}: {out[number][0].words}")
        trial.obey(out[number])
        trial.heals()
        trial.undo()
        number += 1
