"""`flantrace top` over recorded statuses: what a terminal test runs in a process of its own."""

import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from unittest.mock import patch

import msgspec

from tracer.cli.board import Say
from tracer.cli.main import flantrace, run
from tracer.cli.top import top_of
from tracer.errors import CollectFailed
from tracer.model.top import Top
from tracer.model.watch import Status

DISMISSED = "agents dismissed"
"""Goes to stderr when the source is closed, as the agents of a real one are."""


def main(file: str, what: str) -> int:
    """`goes-on`: the recorded moment each tenth of a second. `ends`, `fails`: after the third.

    `waits`: says what it does, and nothing ever comes.
    """
    statuses = msgspec.json.decode(Path(file).read_bytes(), type=Top).nodes

    def begin(say: Say) -> Generator[Sequence[Status], None, None]:
        try:
            say("starting agents")
            if what == "waits":
                time.sleep(60)
            moment = 0
            while what == "goes-on" or moment < 3:
                moment += 1
                yield tuple(
                    msgspec.structs.replace(one, time_ns=one.time_ns + moment) for one in statuses
                )
                time.sleep(0.1)
            if what == "fails":
                raise CollectFailed("node-b went away", where="node-b", hint="look there")
        finally:
            print(DISMISSED, file=sys.stderr, flush=True)

    return top_of(begin, (), color=True)


if __name__ == "__main__":
    # The command's words are not what is tested here: errors become words and codes as always.
    with patch.object(flantrace, "main", lambda *_words, **_more: main(*sys.argv[1:])):
        sys.exit(run([]))
