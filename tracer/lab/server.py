"""The API server's process: the only one that outlives `lab up`."""

import os
import select
import signal
import socket
import subprocess
import sys
import urllib.parse

from tracer.collect.netns import inside, opened
from tracer.errors import CollectFailed
from tracer.lab import paths
from tracer.lab.rest import Api, write_kubeconfig


def start(lab_id: str) -> None:
    """Start it on a free port of 127.0.0.1 and write the kubeconfig. Does not wait for it:

    the socket listens before the process does, so that first requests queue.
    """
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as control,
    ):
        control.bind(paths.SERVER_CONTROL)
        port = listening.getsockname()[1]
        descriptors = listening.fileno(), control.fileno()
        log = os.open(paths.SERVER_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tracer.lab.apiserver", *map(str, descriptors), lab_id],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=descriptors,
            start_new_session=True,
            cwd="/",
        )
        os.close(log)
    with open(paths.SERVER_PID, "w") as stream:
        stream.write(f"{process.pid} {_started(process.pid)}\n")
    write_kubeconfig(port)


def answer_in(node: str) -> None:
    """Let the API answer in a node at the address that the kubeconfig has, as a real one is reached

    from its nodes. The node's loopback is up, and the server runs. Raises CollectFailed.
    """
    where = urllib.parse.urlsplit(Api().server)
    address = where.hostname or "", where.port or 0
    with opened(f"{paths.NETNS_DIR}/{node}") as netns:
        listening = inside(netns, lambda: socket.create_server(address))
    with listening:
        _tell(f"listen {node}", listening.fileno())


def leave(node: str) -> None:
    """Let it answer there no longer: its socket would keep the node's namespace alive.

    Nothing is done where the server is gone, and its sockets with it.
    """
    read, write = os.pipe()
    with open(read, "rb") as done:
        try:
            _tell(f"leave {node}", write)
        except CollectFailed:
            return
        finally:
            os.close(write)
        select.select([done], [], [], 5)


def _tell(word: str, descriptor: int) -> None:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.connect(paths.SERVER_CONTROL)
            socket.send_fds(to, [word.encode()], [descriptor])
    except OSError as error:
        raise CollectFailed(
            f"the lab's API server does not answer: {error!r}",
            where=paths.SERVER_CONTROL,
            hint="flantrace lab down, then flantrace lab up",
        ) from error


def check_answers() -> None:
    """Raise CollectFailed, with the end of its log, when the server does not answer."""
    try:
        api = Api()
        api.request("GET", "/version")
        api.close()
    except CollectFailed as failure:
        with open(paths.SERVER_LOG) as stream:
            last = stream.read().strip().splitlines()[-1:]
        raise CollectFailed(
            f"the API server did not start: {last[0] if last else failure.what}",
            where=paths.SERVER_LOG,
            hint="pip install starlette uvicorn (the extra `lab` of flantrace)",
        ) from failure


def alive() -> bool:
    """Whether the process is there."""
    try:
        return _recorded() is not None
    except OSError:
        return False


def stop(lab_id: str) -> None:
    """End the process, and return when it is gone."""
    pid = _recorded() or _marked(lab_id)
    if pid is None:
        return
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if lab_id not in _command_line(pid):
            return
        for each in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(handle, each)
            if select.select([handle], [], [], 3)[0]:
                break
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def _started(pid: int) -> str | None:
    """When a living process was started; None when there is none."""
    try:
        with open(f"/proc/{pid}/stat") as stream:
            facts = stream.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if facts[0] in ("Z", "X") else facts[19]


def _command_line(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/cmdline") as stream:
            return stream.read().split("\0")
    except OSError:
        return []


def _recorded() -> int | None:
    """The process of the pid file, if it still is the one that was started."""
    try:
        with open(paths.SERVER_PID) as stream:
            pid, started = stream.read().split()
    except (OSError, ValueError):
        return None
    return int(pid) if _started(int(pid)) == started else None


def _marked(lab_id: str) -> int | None:
    """The process that bears the lab's mark: it was started and not yet written down."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        words = _command_line(int(entry))
        if lab_id in words and "tracer.lab.apiserver" in words:
            return int(entry)
    return None
