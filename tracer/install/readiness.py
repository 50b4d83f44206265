"""How far a rollout of the DaemonSet is: on which nodes its pods run, and why not on the others."""

from collections.abc import Iterable, Mapping

import msgspec

from tracer.collect.kube_objects import PodObject
from tracer.collect.kube_pods import is_running, why_not
from tracer.collect.kube_write import Object
from tracer.model.record import Record

VAGUE = ("container is being created", "containers with unready status", "no kubelet has taken")
"""Where a pod's status says no more, its events may."""


class Rollout(Record, frozen=True, kw_only=True):
    """One look at it."""

    wanted: int
    """Nodes that are to have a pod."""
    ready: int
    """Nodes whose pod runs, and is the newest."""
    known: bool
    """The DaemonSet's controller has seen what was applied."""
    waiting: Mapping[str, str]
    """Node -> why its pod does not run, in the kubelet's words."""
    pods: Mapping[str, str]
    """Node -> name of the pod that does not run."""

    @property
    def done(self) -> bool:
        """Every node has its pod."""
        return self.known and self.ready == self.wanted


def is_vague(why: str) -> bool:
    """Every pod that starts says so: no reason to worry."""
    return any(words in why for words in VAGUE)


def rollout(
    daemon_set: Object, pods: Iterable[Object], events: Iterable[Object], container: str
) -> Rollout:
    """From the objects as the API server gives them. `container`: the pods' one."""
    status, meta = daemon_set.get("status") or {}, daemon_set["metadata"]
    wanted = int(status.get("desiredNumberScheduled") or 0)
    numbers = (status.get(key) or 0 for key in ("updatedNumberScheduled", "numberReady"))
    said = _last_warnings(events)
    waiting: dict[str, str] = {}
    names: dict[str, str] = {}
    for pod in (msgspec.convert(each, PodObject) for each in pods):
        if not is_running(pod, container):
            node, name = pod.spec.node_name or "no node yet", pod.metadata.name
            why = why_not(pod, container)
            waiting[node] = said.get(name, why) if is_vague(why) else why
            names[node] = name
    return Rollout(
        wanted=wanted,
        ready=min((int(number) for number in numbers), default=0),
        known=int(status.get("observedGeneration") or 0) >= int(meta.get("generation") or 1),
        waiting=dict(sorted(waiting.items())),
        pods=names,
    )


def _last_warnings(events: Iterable[Object]) -> dict[str, str]:
    """Pod -> the last warning about it."""
    found: dict[str, str] = {}
    for event in sorted(events, key=_moment):
        if event.get("type") == "Warning":
            reason, message = event.get("reason") or "", event.get("message") or ""
            name = str((event.get("involvedObject") or {}).get("name"))
            found[name] = f"{reason}: {' '.join(message.split())}"[:400]
    return found


def _moment(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")
