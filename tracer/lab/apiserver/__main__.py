"""`python -m tracer.lab.apiserver FD CONTROL LAB_ID`: serve on an inherited socket, and on those

that CONTROL brings. LAB_ID is not read: it marks the process as that lab's, for `flantrace lab
down`.
"""

import shlex
import socket
import sys
from collections.abc import Sequence

import uvicorn

from tracer.collect.command import own_command
from tracer.lab.apiserver.app import application
from tracer.lab.apiserver.nodes import ServerOfNodes
from tracer.lab.apiserver.resources import Object
from tracer.lab.apiserver.store import Store


def enter(pod: Object, command: Sequence[str]) -> list[str]:
    """The words that run a command in one of the lab's pods.

    A pod on its node's network is its node; every image has flantrace, and it is this one.
    """
    spec, meta = pod["spec"], pod["metadata"]
    place = spec["nodeName"] if spec.get("hostNetwork") else meta["name"]
    own = shlex.split(own_command())
    words = [*own, *command[1:]] if command[0] == "flantrace" else command
    return [*own, "lab", "exec", place, "--", *words]


def main() -> None:
    """Serve until a signal ends us."""
    listening, control = (socket.socket(fileno=int(word)) for word in sys.argv[1:3])
    config = uvicorn.Config(
        application(Store(), enter),
        loop="asyncio",
        http="h11",
        ws="wsproto",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    ServerOfNodes(config, control).run(sockets=[listening])


if __name__ == "__main__":
    main()
