"""The API server answers in the nodes, too: at the same address, by sockets made in there.

Each word comes by one datagram, with a descriptor: `listen NODE` brings a listening socket, `leave
NODE` the end of a pipe that is closed when the node's socket is. They are handed over and not made
here, so that this process enters no node: `lab down` would take it for an inhabitant. And they end
with this process, however it ends.
"""

import asyncio
import functools
import os
import socket
from collections.abc import Callable

import uvicorn

LONGEST = 256
"""Bytes of a word; a node's name has at most 63."""


class ServerOfNodes(uvicorn.Server):
    """A server that is brought listening sockets while it runs."""

    def __init__(self, config: uvicorn.Config, control: socket.socket) -> None:
        super().__init__(config)
        self._control = control
        self._of_node: dict[str, asyncio.base_events.Server] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and to listen to `lab up`."""
        await super().startup(sockets)
        self._control.setblocking(False)
        asyncio.get_running_loop().add_reader(self._control, self._told)

    def _told(self) -> None:
        data, descriptors, _, _ = socket.recv_fds(self._control, LONGEST, 1)
        verb, _, node = data.decode().partition(" ")
        if verb == "listen" and descriptors:
            task = asyncio.ensure_future(self._listen(node, socket.socket(fileno=descriptors[0])))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._leave(node)
            for each in descriptors:
                os.close(each)

    async def _listen(self, node: str, listening: socket.socket) -> None:
        # As uvicorn's own startup does; that one would forget the servers that are there.
        kind: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        make = functools.partial(
            kind,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        server = await asyncio.get_running_loop().create_server(make, sock=listening)
        self._of_node[node] = server
        self.servers.append(server)

    def _leave(self, node: str) -> None:
        server = self._of_node.pop(node, None)
        if server is not None:
            server.close()
            self.servers.remove(server)
