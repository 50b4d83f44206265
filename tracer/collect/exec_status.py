"""What the API server says of an exec that has ended or is refused: Status objects in words."""

import msgspec

from tracer.collect.transport import StreamEnd
from tracer.errors import CollectFailed, FlantraceError, NotFound, NotPermitted
from tracer.model.decoding import decoder

LONGEST_WORDS = 500
"""Characters of the API server's words that we repeat."""

SIGNALS = {130: "interrupted", 137: "killed", 139: "crashed", 143: "ended by SIGTERM"}
"""128 and a signal's number: how shells and runc say it."""


class Cause(msgspec.Struct):
    """One of details.causes."""

    reason: str = ""
    message: str = ""


class Details(msgspec.Struct):
    """details of a Status."""

    causes: list[Cause] | None = None


class Status(msgspec.Struct):
    """A Status object, as far as we read it."""

    status: str = ""
    message: str = ""
    reason: str = ""
    details: Details | None = None

    @property
    def exit_code(self) -> int | None:
        """Of the command; None: it did not run to an end of its own."""
        if self.status == "Success":
            return 0
        for cause in (self.details.causes if self.details else None) or ():
            if cause.reason == "ExitCode" and cause.message.isdecimal():
                return int(cause.message)
        return None


def read(text: bytes) -> Status:
    """A Status; for what is none, one whose message is the text."""
    try:
        found = decoder(Status).decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = Status(message=text.decode(errors="replace"))
    found.message = " ".join(found.message.split())[:LONGEST_WORDS]
    return found


def end(text: bytes, said: str, hint: str) -> StreamEnd:
    """How an agent's stream ended, by the last word of its exec; empty: none came."""
    if not text:
        return StreamEnd(None, said, hint=hint)
    status = read(text)
    code = status.exit_code
    if code is None:
        return StreamEnd(
            None, said, why=_without_prefixes(status.message), hint=_hint(status, hint)
        )
    if code in SIGNALS:
        return StreamEnd(code, said, why=f"it was {SIGNALS[code]} (exit code {code})", hint=hint)
    why = "" if said else f"exit code {code}"
    return StreamEnd(code, said, why=why, hint=hint)


def _without_prefixes(message: str) -> str:
    """containerd wraps runc's words in its own, and kubelet both: the innermost say what it is."""
    for prefix in ("unable to start container process: ", "failed to exec in container: "):
        if prefix in message:
            return message.partition(prefix)[2].removesuffix(": unknown")
    return message


def _hint(status: Status, hint: str) -> str:
    words = status.message.lower()
    if "not found" in words or "no such file" in words:
        return "is that an image of flantrace? --agent CMD says how it is called there"
    return hint


def refusal(code: int, body: bytes, pod: str, node: str, where: str) -> FlantraceError:
    """An exec that was answered by an HTTP status, in our own family of errors."""
    said = read(body).message
    tail = f": {said}" if said else ""
    namespace, name = pod.split("/")
    if code in (401, 403):
        return NotPermitted(
            f"the API server does not let us exec into pod {pod}{tail}",
            where=where,
            hint=f"flantrace needs get and create of pods/exec in namespace {namespace}",
        )
    if code == 404:
        return NotFound(
            f"pod {pod} on {node} is gone",
            where=where,
            hint=f"kubectl -n {namespace} get pods -o wide",
        )
    if code == 500:
        return CollectFailed(
            f"the API server cannot exec into pod {pod} on {node}{tail}",
            where=where,
            hint=f"is {node} up, and can the API server reach its kubelet (TCP 10250)?"
            " --node-exec 'ssh {node} sudo' goes another way",
        )
    if code in (400, 409, 422, 429, 503, 504):
        return CollectFailed(
            f"the API server answered {code} on exec into pod {pod}{tail}",
            where=where,
            hint=f"try again; kubectl -n {namespace} describe pod {name}",
        )
    what = f"the API server answered {code} instead of a WebSocket{tail}"
    return CollectFailed(
        what,
        where=where,
        hint="do proxies on the way let WebSockets pass? --node-exec 'ssh {node} sudo' needs none",
    )
