"""The watch of one node as tests/bench/memory.py weighs it: nothing but what a watch imports.

    python -m tests.bench.watching KUBECONFIG NODE LEASES

Says what it has come to, and goes on when a line comes.
"""

import sys
import threading
from collections.abc import Callable, Sequence

from tracer.collect import memory
from tracer.collect.kube import Api
from tracer.model.bundle import Bundle, Trouble
from tracer.model.watch import Status, Turned
from tracer.watching.here import HereWay
from tracer.watching.intent import Options
from tracer.watching.watcher import Watcher

GIVEN_BACK_EVERY = 5
"""Seconds; a watch for days may do so each minute."""


class Shown:
    """Says when the watch has seen as many leases as there are."""

    def __init__(self, leases: int) -> None:
        self._leases = leases
        self._said = False
        self._shown = 0

    def turn(self, turned: Turned, _recording: Callable[[], Bundle]) -> None:
        """Not expected."""
        print(f"{turned.turn}: {turned.finding.sentence}", file=sys.stderr, flush=True)

    def show(self, statuses: Sequence[Status], _recording: Callable[[], Bundle]) -> None:
        """The first time with everything; and as a watch does now and then, memory goes back."""
        self._shown += 1
        if self._shown % GIVEN_BACK_EVERY == 0:
            memory.give_back()
        if not self._said and any(status.leases >= self._leases for status in statuses):
            self._said = True
            print("watching", flush=True)

    def close(self) -> None:
        """Nothing is kept."""


def _say(trouble: Trouble) -> None:
    print(f"{trouble.what} ({trouble.hint})", file=sys.stderr, flush=True)


def main() -> None:
    """Until stdin ends."""
    memory.spare()
    kubeconfig, node, leases = sys.argv[1:]
    print("modules", flush=True)
    sys.stdin.readline()
    api = Api(kubeconfig, None, 10.0, lean=True)
    print("client of the API", flush=True)
    sys.stdin.readline()
    watcher = Watcher(api, HereWay(), [node], Options(one_in=64), [Shown(int(leases))], _say)
    threading.Thread(target=_leave_at_the_end, args=(watcher,), daemon=True).start()
    watcher.run()


def _leave_at_the_end(watcher: Watcher) -> None:
    sys.stdin.read()
    watcher.leave()


if __name__ == "__main__":
    main()
