"""The watch of this very node: in a thread instead of an agent, and otherwise the same."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import threading
import time

from tracer import __version__
from tracer.collect.transport import Sink, StreamEnd
from tracer.core.known import Known
from tracer.errors import FlantraceError
from tracer.model.bundle import Trouble
from tracer.model.message import PROTOCOL, FromAgent, Hello, Hold, Stop, ToAgent
from tracer.watching.node import NodeWatch


class HereWay:
    """The way to this node: nothing lies between."""

    where = "this node"
    patience_s = 0.0
    known: Known | None = None
    """Of whoever watches: thousands of leases need not be there twice."""

    def open(self, node: str, sink: Sink) -> HereChannel:
        """Begin to watch. What fails later arrives at the sink as the stream's end."""
        return HereChannel(node, sink, self.known)

    def close(self) -> tuple[Trouble, ...]:
        """Nothing outlives the channels."""
        return ()


class HereChannel:
    """One watch in a thread of its own, in the network namespace of whoever opens it."""

    def __init__(self, node: str, sink: Sink, known: Known | None = None) -> None:
        self._node = node
        self._known = known
        self._sink = sink
        self._orders: queue.SimpleQueue[ToAgent] = queue.SimpleQueue()
        self._wakes, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._waking = threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def send(self, message: ToAgent) -> None:
        """Hand over one order."""
        self._orders.put(message)
        with self._waking, contextlib.suppress(BlockingIOError):
            if not self._ended:
                os.write(self._wake, b"!")

    def close(self, patience_s: float = 2.0) -> None:
        """Detach and end."""
        self.send(Stop())
        self._thread.join(patience_s)

    def _run(self) -> None:
        end: FlantraceError | None = None
        why = "the watch was told to end"
        try:
            self._watch()
        except FlantraceError as error:
            end = error
        except Exception as error:  # a thread's traceback reaches nobody: it is started anew
            why = f"{type(error).__name__}: {error}"
            if os.environ.get("FLANTRACE_DEBUG"):
                raise
        finally:
            self._sink(self._node, StreamEnd(None, "", why=why, refused=end))
            with self._waking:  # a late order must not meet another file of that number
                self._ended = True
                os.close(self._wakes)
                os.close(self._wake)

    def _watch(self) -> None:
        self._sink(
            self._node,
            Hello(protocol=PROTOCOL, version=__version__, node=self._node, pid=os.getpid()),
        )
        with NodeWatch(self._node, self._say, self._known) as watch:
            while self._obey(watch):
                wait = max(0.0, watch.due() - time.monotonic())
                select.select([self._wakes, *watch.files()], [], [], wait)
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wakes, 4096)
                watch.step()

    def _say(self, message: FromAgent) -> None:
        self._sink(self._node, message)

    def _obey(self, watch: NodeWatch) -> bool:
        while True:
            try:
                order = self._orders.get_nowait()
            except queue.Empty:
                return True
            if isinstance(order, Stop):
                return False
            if isinstance(order, Hold):
                watch.obey(order)
