"""A node that is not ready says why: by its pod's status, and where that is silent by events."""

from typing import Any

from tracer.install.manifests import CONTAINER
from tracer.install.readiness import Rollout, rollout


def daemon_set(wanted: int, ready: int, updated: int | None = None, **meta: int) -> dict[str, Any]:
    numbers = {
        "desiredNumberScheduled": wanted,
        "updatedNumberScheduled": wanted if updated is None else updated,
        "numberReady": ready,
        "observedGeneration": meta.pop("observed", 1),
    }
    return {"metadata": {"generation": 1, **meta}, "status": numbers}


def pod(name: str, node: str | None, state: dict[str, Any] | None, **status: Any) -> dict[str, Any]:
    states = {} if state is None else {"containerStatuses": [{"name": CONTAINER, "state": state}]}
    return {
        "metadata": {"name": name},
        "spec": {"nodeName": node},
        "status": {"phase": "Pending", **states, **status},
    }


def event(about: str, reason: str, message: str, at: str, kind: str = "Warning") -> dict[str, Any]:
    return {
        "type": kind, "reason": reason, "message": message, "lastTimestamp": at,
        "involvedObject": {"name": about},
    }  # fmt: skip


RUNNING = {"running": {"startedAt": "2026-11-23T03:12:07Z"}}
CREATING = {"waiting": {"reason": "ContainerCreating"}}
UNREADY = {
    "conditions": [
        {"type": "Ready", "status": "False", "message": "containers with unready status: [agent]"}
    ]
}


def waiting(*pods: dict[str, Any], events: tuple[dict[str, Any], ...] = ()) -> dict[str, str]:
    return dict(rollout(daemon_set(2, 0), pods, events, CONTAINER).waiting)


def test_it_is_done_when_the_newest_pods_run_everywhere() -> None:
    running = pod("a", "node-a", RUNNING, phase="Running")
    assert rollout(daemon_set(1, 1), [running], (), CONTAINER).done


def test_it_is_not_done_while_the_controller_has_not_looked() -> None:
    now = rollout(daemon_set(1, 1, generation=2, observed=1), [], (), CONTAINER)
    assert not now.done


def test_pods_of_the_version_before_do_not_count() -> None:
    now: Rollout = rollout(daemon_set(3, 3, updated=1), [], (), CONTAINER)
    assert (now.ready, now.done) == (1, False)


def test_the_kubelets_reason_counts() -> None:
    state = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
    assert waiting(pod("a", "node-a", state)) == {"node-a": "ErrImagePull: not found"}


def test_a_container_that_is_being_created_tells_by_the_last_warning() -> None:
    stuck = pod("a", "node-a", CREATING, **UNREADY)
    events = (
        event("a", "FailedMount", "MountVolume.SetUp failed\nfor volume", "2026-11-23T03:12:09Z"),
        event("a", "Older", "before", "2026-11-23T03:12:07Z"),
        event("a", "Pulled", "fine", "2026-11-23T03:12:10Z", kind="Normal"),
        event("b", "Other", "another pod's", "2026-11-23T03:12:11Z"),
    )
    assert waiting(stuck, events=events) == {
        "node-a": "FailedMount: MountVolume.SetUp failed for volume"
    }


def test_without_a_warning_it_is_what_it_is() -> None:
    stuck = pod("a", "node-a", CREATING, **UNREADY)
    assert waiting(stuck) == {"node-a": "Ready: containers with unready status: [agent]"}


def test_a_node_whose_kubelet_is_away_is_named() -> None:
    assert waiting(pod("a", "node-b", None)) == {"node-b": "Pending: no kubelet has taken it"}
