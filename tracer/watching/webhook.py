"""`--webhook URL`: the JSON document of a finding that opens or closes, by HTTP POST."""

import base64
import contextlib
import http.client
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from tracer import __version__
from tracer.bundle import codec
from tracer.errors import UsageError
from tracer.model.watch import Turned
from tracer.watching.failures import Failures

LIMIT_S = 10.0
"""For one attempt, from the connection to the answer's first line."""

PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Between attempts. After the last one it is given up."""

LONGEST_PAUSE_S = 60.0
"""What Retry-After may ask for."""

_AGAIN = (408, 425, 429)
"""Beside 5xx: answers after which another attempt makes sense."""

_QUOTED = 500
"""Bytes of an answer that are read."""


class Webhook:
    """One URL. Proxies are those of the environment (http_proxy, https_proxy, no_proxy)."""

    name = "--webhook"

    def __init__(
        self,
        url: str,
        trouble: Callable[[str], None],
        *,
        limit_s: float = LIMIT_S,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        """UsageError for what is no URL of http or https; it quotes no part that may be secret."""
        parts = _checked(url)
        self._url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": f"flantrace/{__version__}",
            **_authorization(parts),
        }
        self._shown = f"the webhook at {parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._limit_s = limit_s
        self._pauses_s = pauses_s
        self._failures = Failures(trouble)
        self._given_up = threading.Event()
        self._line: _Line | None = None

    def give_up(self) -> None:
        """Cut the attempt that is under way, and make no other."""
        self._given_up.set()
        line = self._line
        if line is not None:
            line.cut()

    def send(self, turned: Turned) -> None:
        """Until it is taken, refused, or has been tried often enough."""
        body = codec.line(turned)
        attempts, pauses = 1, list(self._pauses_s)
        while (answer := self._attempt(body)) is not None:
            if not answer.again:
                self._failures.failed(f"{self._shown} {answer.what}", answer.said)
                return
            wait_s = min(max(pauses[0], answer.after_s), LONGEST_PAUSE_S) if pauses else 0.0
            if not pauses or self._given_up.wait(wait_s):
                given_up = f"given up after {attempts} attempt{'' if attempts == 1 else 's'}"
                self._failures.failed(f"{self._shown} {answer.what}; {given_up}", answer.said)
                return
            attempts, pauses = attempts + 1, pauses[1:]
        self._failures.worked()

    def _attempt(self, body: bytes) -> "_Refused | None":
        """None: it was taken."""
        request = urllib.request.Request(self._url, body, self._headers, method="POST")
        self._line = line = _Line()
        cut = threading.Timer(self._limit_s, line.cut)
        cut.daemon = True
        cut.start()
        try:
            with _opener(line).open(request, timeout=self._limit_s):
                return None
        except HTTPError as error:
            return _refused(error)
        except (OSError, http.client.HTTPException) as error:
            return self._unreached(error, line)
        finally:
            cut.cancel()

    def _unreached(self, error: OSError | http.client.HTTPException, line: "_Line") -> "_Refused":
        reason = error.reason if isinstance(error, URLError) else error
        if self._given_up.is_set():
            return _Refused("was not waited for")
        if line.was_cut or isinstance(reason, TimeoutError):
            return _Refused(f"did not answer within {self._limit_s:g} s")
        if isinstance(reason, ssl.SSLCertVerificationError):
            return _Refused(f"has a wrong certificate: {reason.verify_message}", again=False)
        words = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
        return _Refused("cannot be reached", said=words)


class _Refused(NamedTuple):
    """Why an attempt came to nothing."""

    what: str
    said: str = ""
    again: bool = True
    after_s: float = 0.0
    """What Retry-After asks for."""


def _refused(error: HTTPError) -> _Refused:
    said = b""
    with error, contextlib.suppress(OSError, http.client.HTTPException):
        said = error.read(_QUOTED)
    after = error.headers.get("Retry-After", "")
    return _Refused(
        f"answered {error.code}",
        said=said.decode(errors="replace"),
        again=error.code in _AGAIN or error.code >= 500,
        after_s=float(after) if after.isascii() and after.isdecimal() else 0.0,
    )


class _Line:
    """The connection of one attempt, which may be cut by another thread.

    A socket's own time limit is for each piece: an answer that drips would never reach it.
    """

    def __init__(self) -> None:
        self._holding = threading.Lock()
        self._sock: socket.socket | None = None
        self.was_cut = False

    def hold(self, sock: socket.socket) -> None:
        """TimeoutError if its time is over already."""
        with self._holding:
            self._sock = sock
            if self.was_cut:
                raise TimeoutError

    def cut(self) -> None:
        """Whoever reads from it, or writes, gets its end."""
        with self._holding:
            self.was_cut = True
            if self._sock is not None:
                with contextlib.suppress(OSError):
                    self._sock.shutdown(socket.SHUT_RDWR)


def _opener(line: _Line) -> urllib.request.OpenerDirector:
    """What sends one request by `line`, and follows no redirection: a POST would become a GET."""

    class Plain(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            line.hold(self.sock)

    class Secure(http.client.HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            line.hold(self.sock)

    class Http(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Plain, request)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Secure, request)

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    return urllib.request.build_opener(Http, Https, Stay)


def _checked(url: str) -> SplitResult:
    why = None
    if not url.isascii() or not url.isprintable() or " " in url:
        why = "it holds characters that no URL has"
    else:
        try:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https"):
                why = "it does not begin with http:// or https://"
            elif not parts.hostname or not parts.hostname.encode("idna") or parts.port == 0:
                why = "it names no host and port"
        except ValueError:
            why = "its host or port cannot be read"
    if why is not None:
        raise UsageError(
            f"the webhook's URL cannot be meant: {why}",
            where="--webhook",
            hint="for instance --webhook https://alerts.example.com/flantrace",
        )
    return parts


def _authorization(parts: SplitResult) -> dict[str, str]:
    """`user:password@` of the URL, as HTTP has it (RFC 7617)."""
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
