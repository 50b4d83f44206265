"""Run a watch for long, under load and churn, and judge what becomes of it.

    .venv/bin/python -m tests.soak --minutes 10

Needs root. A lab of three nodes, and thousands that are no more than leases; the watch runs on
node-a as its unit starts it. Exit code 1: a criterion is missed.
"""

import argparse
import json
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.lab.universe import Universe
from tests.soak import measure, report, verdicts
from tests.soak.verdicts import Fault, Opened
from tracer.lab.paths import KUBECONFIG, NETNS_DIR

LEASES, CHANGES = 5000, 200
NODE, PORT = "node-a", 9469
EVERY_S = 5.0
RULE = "fdb-missing"
STANDS_S = 10.0
"""How long the fault at the end is let be."""
RECORDINGS = "/run/recordings"
MODULE = ["env", f"PYTHONPATH={Path(__file__).parents[2]}", sys.executable, "-m"]
"""Of the tests, wherever it is started."""


class Beside:
    """A module in the lab's mount namespace, to be told things by lines."""

    def __init__(self, lab: Universe, *words: str) -> None:
        self.process = subprocess.Popen(
            [*lab.inside, *MODULE, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def told(self, patience_s: float = 300) -> str:
        """Its next line."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], patience_s)
        line = self.process.stdout.readline().strip() if ready else ""
        assert line, f"{self.process.args!r} says nothing"
        return line

    def ask(self, word: str) -> str:
        """And its answer."""
        assert self.process.stdin is not None
        print(word, file=self.process.stdin, flush=True)
        return self.told()

    def end(self) -> str:
        """By the end of its stdin; its last line."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        said = self.told(30)
        self.process.wait(30)
        return said

    def kill(self) -> None:
        """If it is there still."""
        self.process.kill()
        self.process.wait(10)


class Watch:
    """`flantrace watch --here`, and what it has said."""

    def __init__(self, lab: Universe, words: list[str]) -> None:
        self.began = time.monotonic()
        own = [sys.executable, "-m", "tracer"]
        watch = [
            *own, "watch", "--here", "--node", NODE, "--json", "--metrics", f":{PORT}",
            "--record", RECORDINGS, "--record-size", "50M", *words,
        ]  # fmt: skip
        self.process = subprocess.Popen(
            [
                *lab.inside,
                *own,
                "lab",
                "exec",
                NODE,
                "--",
                "env",
                f"KUBECONFIG={KUBECONFIG}",
                *watch,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.netns = Path(f"/proc/{lab.mount_namespace.split('/')[2]}/root{NETNS_DIR}/{NODE}")
        self.turns: list[Opened] = []
        self.samples: list[measure.Sample] = []
        threading.Thread(target=self._hear, daemon=True).start()

    @property
    def now_s(self) -> float:
        """Since it was started."""
        return time.monotonic() - self.began

    def look(self) -> None:
        """One sample more."""
        assert self.process.poll() is None, "the watch has ended"
        scraped = measure.scrape(self.netns, PORT)
        self.samples.append(measure.sample(self.process.pid, self.now_s, scraped))

    def until_it_watches(self, leases: int, patience_s: float = 120) -> None:
        """It counts, and knows all leases. What its programs take is told of such as are there."""
        while self.now_s < patience_s:
            time.sleep(0.5)
            try:
                found = measure.scrape(self.netns, PORT)
            except OSError:
                continue
            holds = found.get(f'flantrace_leases{{node="{NODE}"}}', 0) >= leases
            if holds and f'flantrace_overhead_ratio{{node="{NODE}"}}' in found:
                return
        raise AssertionError("the watch does not begin")

    def end(self) -> int:
        """As systemd ends it; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        """If it is there still."""
        self.process.kill()
        self.process.wait(10)

    def _hear(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            finding = said["finding"]
            turn = Opened(
                self.now_s, said["turn"], finding["rule"], finding["node"], finding["sentence"]
            )
            self.turns.append(turn)
            print(report.told([turn]), flush=True)


@contextmanager
def soaked(leases: int, changes: int, words: list[str]) -> Iterator[tuple[Watch, Beside, Beside]]:
    """The watch, the world and the load, each under way."""
    with ExitStack() as stack:
        lab = Universe()
        stack.callback(lab.close)
        lab.output([*MODULE, "tests.soak.wide", "up"])
        lab.output(["mkdir", RECORDINGS])
        world = Beside(lab, "tests.soak.world", str(leases), str(changes))
        stack.callback(world.kill)
        assert world.told() == "ready"
        watch = Watch(lab, words)
        stack.callback(watch.kill)
        watch.until_it_watches(leases)
        load = Beside(lab, "tests.soak.load", str(leases))
        stack.callback(load.kill)
        load.told()
        yield watch, world, load


def soak(minutes: float, leases: int, changes: int, words: list[str]) -> bool:
    """Whether every criterion was met."""
    with soaked(leases, changes, words) as (watch, world, load):
        print(f"watching {leases} leases after {watch.now_s:.1f} s", flush=True)
        world.ask("go")
        end, tick = watch.began + 60 * minutes, time.monotonic()
        while time.monotonic() < end:
            watch.look()
            tick += EVERY_S
            time.sleep(max(0.0, tick - time.monotonic()))
        healthy_s = watch.now_s
        healthy = list(watch.samples)
        broken = _broken(watch, world)
        done = json.loads(world.ask("end"))
        sent = json.loads(load.end())
        time.sleep(3)
        watch.look()
        code = watch.end()
        print(f"\nexit code {code}; around it: {done}; sent: {sent}\n")
        found = [
            *verdicts.memory(healthy),
            *verdicts.pace(healthy),
            verdicts.counted(watch.samples, "node-c", sent["counted"]),
            verdicts.quiet(watch.turns, healthy_s),
            *verdicts.fault(watch.turns, broken),
            verdicts.Verdict("exit code", str(code), "0", code == 0),
            verdicts.Verdict(
                "what failed around it", str(done["failed"]), "[]", not done["failed"]
            ),
        ]
        print(report.course(watch.samples), report.picture(healthy), sep="\n\n")
        print(f"\n{report.told(watch.turns)}\n\n{report.table(found)}", flush=True)
        return all(one.met for one in found)


def _broken(watch: Watch, world: Beside) -> Fault:
    broken_s = watch.now_s
    world.ask("fault")
    time.sleep(STANDS_S)
    repaired_s = watch.now_s
    world.ask("repair")
    time.sleep(STANDS_S)
    return Fault(RULE, broken_s, repaired_s)


def main() -> int:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--leases", type=int, default=LEASES)
    parser.add_argument("--changes", type=int, default=CHANGES, help="of leases, a minute")
    parser.add_argument("words", nargs="*", help="for the watch, after --")
    said = parser.parse_args()
    return 0 if soak(said.minutes, said.leases, said.changes, said.words) else 1


if __name__ == "__main__":
    sys.exit(main())
