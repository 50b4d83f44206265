"""An agent that is none: `fake_agent.py FOLDER NODE ... agent` behaves as the node's name says.

It keeps a file in FOLDER while it runs, and writes how many there are.
"""

import os
import sys
import time
from pathlib import Path

from msgspec.structs import replace

from tests.builders import state
from tracer.bundle import codec
from tracer.core.promised import without_promised
from tracer.model.message import PROTOCOL, Bye, Hello, Ready, Start, Stop
from tracer.model.record import Record


def say(message: Record) -> None:
    os.write(1, codec.line(message))


def told() -> Record:
    return codec.to_agent(sys.stdin.buffer.readline())


def serve(node: str) -> None:
    """One snapshot, as the agent takes it."""
    start = told()
    assert isinstance(start, Start)
    assert start.pair is None
    say(Hello(protocol=PROTOCOL, version="0", node=node, pid=os.getpid()))
    if node.startswith("hanging"):
        time.sleep(60)
    if node.startswith("raving"):
        os.write(1, b"Segmentation fault\n")
    if node.startswith("broken"):
        sys.exit("bcc: no such thing")
    time.sleep(0.1)
    made = replace(state("node-a"), node=node, hostname=" ".join(start.pods), pods=())
    sent = without_promised(made, start.leases)
    say(replace(sent, machine=f"{len(sent.promised)} peers left out"))
    say(Ready(points=(), attach="none", drops=False, reasons=False))
    while not isinstance(told(), Stop):
        pass
    say(Bye(lost=None))


def main() -> None:
    folder, node = Path(sys.argv[1]), sys.argv[2]
    mark = folder / f"running-{node}"
    mark.touch()
    with (folder / "counts").open("a") as counts:
        counts.write(f"{len(list(folder.glob('running-*')))}\n")
    try:
        serve(node)
    finally:
        mark.unlink()


if __name__ == "__main__":
    main()
