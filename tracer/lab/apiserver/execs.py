"""pods/exec: a command in a pod, its streams as channels of a WebSocket (protocols v4 and v5).

What is before the command to get into the pod, the caller of `application` says.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from tracer.lab.apiserver.failures import ApiFailure, bad_request, no_such_path
from tracer.lab.apiserver.resources import Object
from tracer.lab.apiserver.store import Store
from tracer.lab.apiserver.target import target_of

Enter: TypeAlias = Callable[[Object, Sequence[str]], list[str]]
"""A Pod and a command -> the words that run it in there."""

V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
STDIN, STDOUT, STDERR, STATUS = range(4)
CLOSE = 255
PIECE = 32 << 10


async def execute(store: Store, enter: Enter, socket: WebSocket) -> None:
    """Serve one request, refusals included."""
    try:
        pod = _pod(store, socket)
        command = socket.query_params.getlist("command")
        if not command:
            raise bad_request("you must specify at least 1 command for the container")
        offered = socket.scope["subprotocols"]
        protocol = next((one for one in (V5, V4) if one in offered), None)
        if protocol is None:
            raise bad_request(f"unable to upgrade: none of {offered} is served")
    except ApiFailure as failure:
        await socket.send_denial_response(JSONResponse(failure.status(), failure.code))
        return
    await socket.accept(protocol)
    await _Exec(socket, enter(pod, command)).run()


def _pod(store: Store, socket: WebSocket) -> Object:
    path = socket.url.path
    if not path.endswith("/exec"):
        raise no_such_path()
    target = target_of(path.removesuffix("/exec"))
    if target.resource.plural != "pods" or target.name is None or target.status:
        raise no_such_path()
    pod = store.one(target.resource, target.key)
    names = [one.get("name") for one in pod.get("spec", {}).get("containers", ())]
    wanted = socket.query_params.get("container") or (names or [None])[0]
    if wanted not in names:
        raise bad_request(f"container {wanted} is not valid for pod {target.name}")
    phase = pod.get("status", {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise bad_request(
            f"cannot exec into a container in a completed pod; current phase is {phase}"
        )
    if phase != "Running":
        message = f'unable to upgrade connection: container not found ("{wanted}")'
        raise ApiFailure(500, "InternalError", message)
    return pod


class _Exec:
    """One command and its connection."""

    def __init__(self, socket: WebSocket, words: list[str]) -> None:
        self._socket = socket
        self._words = words

    async def run(self) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError:
            await self._end(_not_found(self._words[0]))
            return
        listening = asyncio.create_task(self._listen(process))
        try:
            pumps = (self._pump(process.stdout, STDOUT), self._pump(process.stderr, STDERR))
            await asyncio.gather(*pumps)
            await self._end(_status(await process.wait()))
        finally:
            listening.cancel()
            if process.stdin is not None:
                process.stdin.close()

    async def _pump(self, stream: asyncio.StreamReader | None, channel: int) -> None:
        """From the command to the caller; what nobody reads any more is thrown away."""
        while stream is not None and (piece := await stream.read(PIECE)):
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await self._socket.send_bytes(bytes((channel,)) + piece)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """From the caller to the command, whose stdin ends when the caller ends it or hangs up."""
        stdin = process.stdin
        assert stdin is not None
        with contextlib.suppress(WebSocketDisconnect, ConnectionError):
            while True:
                data = await self._socket.receive_bytes()
                if data[:2] == bytes((CLOSE, STDIN)):
                    break
                if data[:1] == bytes((STDIN,)):
                    stdin.write(data[1:])
                    await stdin.drain()
        stdin.close()

    async def _end(self, status: Object) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.send_bytes(bytes((STATUS,)) + json.dumps(status).encode())
            await self._socket.close()


def _status(code: int) -> Object:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    said = str(code if code > 0 else 128 - code)
    return _failure(
        "NonZeroExitCode",
        f"command terminated with non-zero exit code: error executing command, exit code {said}",
        causes=[{"reason": "ExitCode", "message": said}],
    )


def _not_found(word: str) -> Object:
    """containerd's words for a command that the image has not."""
    return _failure(
        "InternalError",
        "Internal error occurred: error executing command in container: failed to exec in"
        " container: failed to start exec: OCI runtime exec failed: exec failed: unable to start"
        f' container process: exec: "{word}": executable file not found in $PATH: unknown',
    )


def _failure(reason: str, message: str, **details: Any) -> Object:
    return {
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
    }
