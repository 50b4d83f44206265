"""Put an installation into a cluster, or bring the one that is there up to date."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tracer.collect.kube import Api
from tracer.collect.kube_write import (
    DAEMON_SETS,
    EVENTS,
    NAMESPACES,
    PODS,
    Object,
    Writer,
    resource_of,
)
from tracer.collect.pod_words import cannot_start
from tracer.errors import CollectFailed, FlantraceError, NotFound, UsageError
from tracer.install.manifests import AGENT, AGENT_SELECTOR, CONTAINER, LABELS
from tracer.install.readiness import Rollout, is_vague, rollout
from tracer.install.settings import Settings
from tracer.install.strangers import named, strangers
from tracer.install.watch import WATCH, WATCH_SELECTOR, watch_objects, whole

Say = Callable[[str], None]

PAUSE_S = 1.0
"""Between two looks."""

MOST_NODES = 3
"""Nodes whose reasons are told."""


class Fleet(NamedTuple):
    """The pods of one DaemonSet."""

    daemon_set: str
    selector: str
    container: str
    what: str
    """In words, of the pod on one node."""
    prefix: str
    """Of what is told while they start."""


AGENTS = Fleet(AGENT, AGENT_SELECTOR, CONTAINER, "flantrace", "")
WATCHES = Fleet(WATCH, WATCH_SELECTOR, WATCH, "flantrace's watch", "watch: ")


def install(api: Api, settings: Settings, say: Say, wait_s: float) -> int:
    """Apply every object, and wait until each node runs the pods. How many nodes do.

    UsageError: the namespace is somebody else's. CollectFailed: some node's pod does not run in
    time; what was applied stays, and the next install goes on from there.
    """
    writer, until = Writer(api), time.monotonic() + wait_s
    _take_namespace(api, writer, settings.namespace, say, until)
    for each in whole(settings):
        writer.apply(each)
        say(f"applied {each['kind']} {each['metadata']['name']}")
    if not settings.watch:
        _retire(writer, settings, say)
    count = _wait(writer, settings.namespace, AGENTS, say, until)
    if settings.watch:
        _wait(writer, settings.namespace, WATCHES, say, until)
    return count


def _retire(writer: Writer, settings: Settings, say: Say) -> None:
    """A watch that is no longer asked for would go on with the old image."""
    for each in reversed(watch_objects(settings)):
        resource, meta = resource_of(each), each["metadata"]
        found = writer.read(resource, meta.get("namespace"), meta["name"])
        if found is not None and is_ours(found):
            writer.delete(resource, meta.get("namespace"), meta["name"])
            say(f"removed {each['kind']} {meta['name']}")


def _take_namespace(api: Api, writer: Writer, name: str, say: Say, until: float) -> None:
    """It is ours, or there is none, or nobody else uses it; one that is going is waited for."""
    space = writer.read(NAMESPACES, None, name)
    if space is not None and space["metadata"].get("deletionTimestamp"):
        say(f"waiting until the old namespace {name} is gone")
    while space is not None and space["metadata"].get("deletionTimestamp"):
        if time.monotonic() > until:
            raise still_there(space, api.server)
        time.sleep(PAUSE_S)
        space = writer.read(NAMESPACES, None, name)
    if space is None or is_ours(space):
        return
    others = strangers(api, name)
    if others:
        raise UsageError(
            f"namespace {name} holds other people's things: {named(others)}",
            where=api.server,
            hint="flantrace wants one of its own, since pods on the host's network may start there:"
            " --flantrace-namespace NAME",
        )


def is_ours(each: Object) -> bool:
    """An installation made it, or took it."""
    labels = each["metadata"].get("labels") or {}
    return LABELS.items() <= labels.items()


def still_there(space: Object, where: str) -> CollectFailed:
    """A namespace that was deleted and does not go, in Kubernetes' words."""
    conditions = (space.get("status") or {}).get("conditions") or ()
    said = [str(one.get("message")) for one in conditions if one.get("status") == "True"]
    name = space["metadata"]["name"]
    why = f": {' '.join(said[-1].split())}" if said else ""
    return CollectFailed(
        f"namespace {name} is being deleted, and still there{why}",
        where=where,
        hint=f"wait for it, or see what holds it: kubectl get namespace {name} -o yaml",
    )


def _wait(writer: Writer, namespace: str, fleet: Fleet, say: Say, until: float) -> int:
    told: set[str] = set()
    while True:
        try:
            now = _look(writer, namespace, fleet)
        except CollectFailed:
            if time.monotonic() > until:
                raise
            now = None  # the API server does not answer just now
        if now is not None:
            for line in _news(now):
                if line not in told:
                    told.add(line)
                    say(f"{fleet.prefix}{line}")
            if now.done:
                return _some(now, writer.server)
            if time.monotonic() > until:
                raise _not_ready(now, namespace, fleet, writer.server)
        time.sleep(PAUSE_S)


def _look(writer: Writer, namespace: str, fleet: Fleet) -> Rollout:
    daemon_set = writer.read(DAEMON_SETS, namespace, fleet.daemon_set)
    if daemon_set is None:
        raise NotFound(
            f"somebody removed DaemonSet {namespace}/{fleet.daemon_set}",
            where=writer.server,
            hint="run flantrace install again",
        )
    pods = writer.listed(PODS, namespace, labelSelector=fleet.selector)
    return rollout(daemon_set, pods, _events(writer, namespace), fleet.container)


def _events(writer: Writer, namespace: str) -> list[Object]:
    """They only explain: who may not read them does without."""
    try:
        return writer.listed(EVENTS, namespace, fieldSelector="type=Warning")
    except FlantraceError:
        return []


def _news(now: Rollout) -> Iterator[str]:
    if now.known:
        yield f"{now.ready} of {now.wanted} nodes are ready"
    for node, why in now.waiting.items():
        if not is_vague(why):
            yield f"{node}: {why}"


def _some(now: Rollout, where: str) -> int:
    if not now.wanted:
        raise CollectFailed(
            "no node of the cluster is to have flantrace's pod",
            where=where,
            hint="kubectl get nodes -l kubernetes.io/os=linux",
        )
    return now.ready


def _not_ready(now: Rollout, namespace: str, fleet: Fleet, where: str) -> CollectFailed:
    if not now.waiting:
        return CollectFailed(
            f"only {now.ready} of {now.wanted} nodes run {fleet.what}",
            where=where,
            hint=f"kubectl -n {namespace} describe daemonset {fleet.daemon_set};"
            " more time: --wait SECONDS",
        )
    told = [f"{node}: {why}" for node, why in list(now.waiting.items())[:MOST_NODES]]
    more = len(now.waiting) - MOST_NODES
    node, why = next(iter(now.waiting.items()))
    return CollectFailed(
        f"{fleet.what} does not run on {len(now.waiting)} of {max(now.wanted, len(now.waiting))}"
        f" nodes: {'; '.join(told)}" + (f"; and {more} more" if more > 0 else ""),
        where=where,
        hint=f"{cannot_start(node, why, where).hint}; kubectl -n {namespace} describe pod"
        f" {now.pods[node]}",
    )
