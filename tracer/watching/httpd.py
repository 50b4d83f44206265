"""A small HTTP server in a thread of its own, for days: no client can hold it up or fill it."""

import io
import re
import socket
import threading
from collections.abc import Callable
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, TextIO, TypeAlias
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from tracer.errors import UsageError

App: TypeAlias = Callable[[dict[str, Any], Any], Any]
"""A WSGI application."""

LOOPBACK = "127.0.0.1"
OPTION = "--metrics"

MOST_CLIENTS = 8
"""At a time; further ones are turned away, so that threads cannot pile up."""

PATIENCE_S = 10.0
"""For a client that neither asks nor reads."""

WRITTEN = re.compile(r"(?:(?P<host>[^:\[\]\s]*)|\[(?P<ip6>[0-9A-Fa-f:.%\w]+)\]):(?P<port>\d{1,5})")


def parse_address(text: str) -> tuple[str, int]:
    """Address and port of `[ADDR]:PORT`: `:18472`, `0.0.0.0:18472`, `[::1]:18472`. UsageError.

    Without an address it is the loopback's: whoever wants to be read from elsewhere says so.
    """
    found = WRITTEN.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise UsageError(
            f"{text!r} is no address to listen at",
            where=OPTION,
            hint=f"[ADDR]:PORT, such as :18472 (on {LOOPBACK}), 192.0.2.11:18472 or [::]:18472",
        )
    return found["ip6"] or found["host"] or LOOPBACK, int(found["port"])


class _Quiet(WSGIRequestHandler):
    timeout = PATIENCE_S

    def log_message(self, *_: Any) -> None:
        """A line for each scrape would fill a journal in days."""

    def get_stderr(self) -> TextIO:
        """Of a client that stopped reading wsgiref would print a traceback. A bug is a 500."""
        return io.StringIO()


class _Bounded(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, family: socket.AddressFamily, address: tuple[Any, ...]) -> None:
        self.address_family = family
        self._room = threading.BoundedSemaphore(MOST_CLIENTS)
        super().__init__(address, _Quiet)

    def server_bind(self) -> None:
        """As HTTPServer's, but for its question to DNS, which may not answer for a minute."""
        TCPServer.server_bind(self)
        host, self.server_port = self.socket.getsockname()[:2]
        self.server_name = str(host)
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread, where there is room for one."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One client's."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or said nothing: its own affair."""


class Server:
    """Serves until it is closed."""

    def __init__(self, app: App, address: str, port: int) -> None:
        """`port` 0: any that is free. UsageError where nothing can listen."""
        try:
            found = socket.getaddrinfo(
                address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            family, _, _, _, sockaddr = found[0]
            self._server = _Bounded(family, sockaddr)
        except OSError as error:
            raise UsageError(
                f"cannot listen at {address} port {port}: {error.strerror or error}",
                where=OPTION,
                hint="an address of this machine, and a port that nobody has: ss -tlnp",
            ) from error
        self._server.set_app(app)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Nothing listens any more when it returns."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
