"""`/healthz` beside the metrics: whether the watch itself still turns, not only its HTTP server."""

import time
from collections.abc import Callable
from typing import Any

from tracer.watching.httpd import App

PATH = "/healthz"

PATIENCE_S = 60.0
"""A turn takes a second; a recording of a large node some. The systemd unit waits as long."""


class Health:
    """The watch's pulse."""

    def __init__(self) -> None:
        self._last_s: float | None = None

    def beat(self) -> None:
        """At every turn of the watch. For any thread."""
        self._last_s = time.monotonic()

    def beside(self, app: App) -> App:
        """The application that also answers at PATH: 200 while it turns, else 503 and why."""

        def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            if environ.get("PATH_INFO") != PATH:
                return app(environ, start_response)
            said = self._trouble()
            status = "503 Service Unavailable" if said else "200 OK"
            body = f"{said or 'watching'}\n".encode()
            kind = ("Content-Type", "text/plain; charset=utf-8")
            start_response(status, [kind, ("Content-Length", str(len(body)))])
            return [body]

        return answer

    def _trouble(self) -> str:
        last = self._last_s
        if last is None:
            return "the watch has not begun"
        silent_s = time.monotonic() - last
        return f"the watch has stood still for {silent_s:.0f} s" if silent_s > PATIENCE_S else ""
