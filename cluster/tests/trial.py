"""One fault, from its injection until nothing of it is left."""

import time

from cluster.faults.fault import Fault
from cluster.setup import NODES, Cluster, renew
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
STAYS_S = 3
MOST_ROUNDS = 3


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
        self.said: Answer | None = None
        """What was said of it last, by the trace or, where that is spared, by the check."""
        self._clean = True

    def inject(self) -> None:
        self._clean = False
        with self.clock("inject"):
            self.fault.inject(self.cluster)

    def traced(self) -> Answer:
        """What a trace says once the fault has spread: one that finds nothing is repeated.

        So is one to which a node was not open: with its Node, a node's pods go, flantrace's too.
        """
        deadline = time.monotonic() + (SPREADS_S if self.fault.trace else 0)
        while True:
            with self.clock("trace"):
                answer = self.flantrace.trace(*self.fault.words)
            told = not answer.healthy and answer.verdict != "unknown"
            if told or time.monotonic() > deadline:
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
        self.said = trace if self.fault.trace else check
        return ways_out(self.said.fix(slug))

    def obey(self, way: list[Step]) -> None:
        with self.clock("fix"):
            obey(self.cluster, way, self.fault.editor)
            if self.fault.after is not None:
                self.fault.after(self.cluster)

    def stays(self) -> None:
        """After a time in which flanneld would have heard of it, packets still do not arrive."""
        time.sleep(STAYS_S)
        answer = self.traced()
        assert answer.document["verdict"]["outcome"] in ("dropped", "lost"), answer
        assert answer.named("error"), answer

    def follow(self) -> None:
        """Do what is printed first, whatever is named by now; in the end that heals."""
        for _ in range(MOST_ROUNDS):
            answer = self.traced()
            finding = answer.document["findings"][0]
            print(answer)
            self.obey(ways_out(finding["fix"])[0])
            try:
                return self.heals(SETTLES_S)
            except AssertionError as error:
                print(error)
        return self.heals()

    def heals(self, patience_s: float = HEALS_S) -> None:
        """Packets arrive, and nothing whatever is found."""
        with self.clock("heals"):
            deadline = time.monotonic() + patience_s
            while True:
                answer = self.flantrace.check()
                if answer.healthy or (self.fault.ghost and answer.read_all_of(NODES)):
                    answer = self.flantrace.trace(*self.fault.words)
                if answer.healthy:
                    return
                assert time.monotonic() < deadline, f"it is not healed:\n{answer}"
                time.sleep(0.5)

    def undo(self) -> None:
        """Take away what the fault and its fix left; then the cluster is as it was."""
        if self._clean:
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
        self._clean = True

    def end(self) -> None:
        """The same at the end of a test; a cluster that stays broken is replaced."""
        try:
            self.undo()
        except (AssertionError, Failed):
            with self.clock("a new cluster"):
                renew(self.cluster)
            self.before.clear()
            self.before.update(whole(self.cluster))
            raise
