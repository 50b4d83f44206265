"""The way to nodes by pods that are made for one recording, on the nodes concerned only."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable

from tracer.collect.kube import Api
from tracer.collect.kube_exec import ExecChannel
from tracer.collect.kube_objects import PodObject
from tracer.collect.kube_pods import ENDED, hopeless, is_running, why_not
from tracer.collect.kube_stream import ExecStream
from tracer.collect.kube_ways import Inside, exec_into
from tracer.collect.kube_write import PODS, Object, Writer
from tracer.collect.pod_words import cannot_start, not_made, removed_by_itself
from tracer.collect.transport import Sink
from tracer.errors import CollectFailed, FlantraceError, NotFound, NotPermitted
from tracer.model.bundle import Trouble

START_S = 60.0
"""How long a pod may take to start: an image is pulled where a node has never had it."""

ACCOUNT_S = 5.0
"""How long a new namespace may be without its ServiceAccount, without which no pod is admitted."""

REMOVE_S = 45.0
"""How long removing all pods may take: an API server that restarts serves its open connections for
30 s before it goes, and takes no new ones."""

MAKING_S = 5.0
"""How long the end waits for pods whose creation was asked for and not yet confirmed."""

Make = Callable[[str], Object]
"""A node -> the Pod for it, with a generateName."""


class EphemeralWay:
    """Makes a pod on each node that is asked for, and removes it when its channel is closed.

    What survives even `kill -9` of this process ends by the pod's own deadline, and the next run
    removes what is left of it.
    """

    patience_s = START_S

    def __init__(self, api: Api, inside: Inside, make: Make, label: str, run: str) -> None:
        """`label`: the key whose value says which run a pod belongs to; `run`: ours."""
        self.where = f"pods for this run in namespace {inside.namespace}, by {api.server}"
        self._api = api
        self._writer = Writer(api)
        self._inside = inside
        self._make = make
        self._label = label
        self._run = run
        self._pods: dict[str, str] = {}
        """Node -> name."""
        self._making = 0
        self._closed = False
        self._changed = threading.Condition()
        self._swept = False

    def open(self, node: str, sink: Sink) -> ExecChannel:
        """Make a pod on a node, wait for it, and start the agent in it; all of it elsewhere."""
        if not self._swept:
            self._swept = True
            threading.Thread(target=self._sweep, daemon=True).start()
        return ExecChannel(
            node,
            lambda leaving: self._connected(node, leaving),
            sink,
            f"kubectl describe node {node}",
            lambda: self._drop(node),
        )

    def close(self) -> tuple[Trouble, ...]:
        """Remove every pod of this run, those included whose creation was never confirmed."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._making, MAKING_S)
            names = set(self._pods.values())
            if not self._swept:
                return ()
        until = time.monotonic() + REMOVE_S
        selector = f"{self._label}={self._run}"
        with contextlib.suppress(FlantraceError):
            listed = self._writer.listed(PODS, self._inside.namespace, labelSelector=selector)
            names |= {str(one["metadata"]["name"]) for one in listed}
        left = set(names)
        threads = [
            threading.Thread(target=self._remove, args=(name, until, left), daemon=True)
            for name in names
        ]
        for thread in threads:
            thread.start()
        # Whoever cannot wait for a dead API server, and says so by Ctrl-C, gets the answer now.
        with contextlib.suppress(KeyboardInterrupt):
            for thread in threads:
                thread.join(max(0.0, until + 1 - time.monotonic()))
        return tuple(removed_by_itself(self._inside.namespace, name) for name in sorted(left))

    def _connected(self, node: str, leaving: threading.Event) -> ExecStream:
        pod = self._made(node)
        self._await(node, pod, leaving)
        return exec_into(self._api, node, pod, self._inside)

    def _made(self, node: str) -> str:
        with self._changed:
            if self._closed:
                raise _given_up(self.where)
            self._making += 1
        try:
            name = self._create(node)
            with self._changed:
                self._pods[node] = name
            return name
        finally:
            with self._changed:
                self._making -= 1
                self._changed.notify_all()

    def _create(self, node: str) -> str:
        until = time.monotonic() + ACCOUNT_S
        while True:
            try:
                return str(self._writer.create(self._make(node))["metadata"]["name"])
            except FlantraceError as error:
                if "serviceaccount" not in error.what or time.monotonic() > until:
                    raise not_made(error, node, self._inside.namespace) from None
            time.sleep(0.3)

    def _await(self, node: str, name: str, leaving: threading.Event) -> None:
        """Until the pod runs. FlantraceError: it does not, and why."""
        until, pause_s = time.monotonic() + START_S, 0.1
        container, seen = self._inside.container, "nothing is known of it"
        while not leaving.wait(pause_s):
            pause_s = min(pause_s * 1.5, 1.0)
            pod = self._seen(name)
            if pod is not None:
                if is_running(pod, container):
                    return
                seen = why_not(pod, container)
                if hopeless(pod, container):
                    raise cannot_start(node, seen, self.where)
            if time.monotonic() > until:
                raise cannot_start(node, f"after {START_S:g} s: {seen}", self.where)
        raise _given_up(self.where)

    def _seen(self, name: str) -> PodObject | None:
        """The pod as it is; None: the API server does not answer just now."""
        namespace = self._inside.namespace
        try:
            return self._api.pod_object(namespace, name)
        except CollectFailed:
            return None
        except NotFound:
            what = f"somebody removed pod {namespace}/{name}"
            raise NotFound(what, where=self.where, hint="try again") from None

    def _drop(self, node: str) -> None:
        """A node's channel is closed: its pod is of no use any more."""
        with self._changed:
            name = self._pods.get(node)
        if name is not None:
            thread = threading.Thread(target=self._remove_soon, args=(node, name), daemon=True)
            thread.start()

    def _remove_soon(self, node: str, name: str) -> None:
        left = {name}
        self._remove(name, time.monotonic() + REMOVE_S, left)
        if not left:
            with self._changed:
                self._pods.pop(node, None)

    def _remove(self, name: str, until: float, left: set[str]) -> None:
        """Delete a pod, and take it out of `left` when it is gone."""
        while True:
            try:
                self._writer.delete(PODS, self._inside.namespace, name, grace_s=0)
                left.discard(name)
                return
            except NotPermitted:
                return
            except FlantraceError:
                if time.monotonic() > until:
                    return
            time.sleep(0.5)

    def _sweep(self) -> None:
        """Remove what ended runs have left: pods whose deadline has passed."""
        with contextlib.suppress(FlantraceError):
            listed: Iterable[Object] = self._writer.listed(
                PODS, self._inside.namespace, labelSelector=self._label
            )
            for one in listed:
                if (one.get("status") or {}).get("phase") in ENDED:
                    self._writer.delete(
                        PODS, self._inside.namespace, one["metadata"]["name"], grace_s=0
                    )


def _given_up(where: str) -> CollectFailed:
    return CollectFailed("the recording ended before the pod ran", where=where, hint="")
