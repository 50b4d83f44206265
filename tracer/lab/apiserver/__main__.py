"""`python -m tracer.lab.apiserver FD LAB_ID`: serve on a listening socket that was inherited.

LAB_ID is not read: it marks the process as that lab's, for `flantrace lab down`.
"""

import socket
import sys

import uvicorn

from tracer.lab.apiserver.app import application
from tracer.lab.apiserver.store import Store


def main() -> None:
    """Serve until a signal ends us."""
    listening = socket.socket(fileno=int(sys.argv[1]))
    config = uvicorn.Config(
        application(Store()),
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
