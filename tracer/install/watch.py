"""A watch on every node: a DaemonSet of its own beside the agents', whose pods ask the API."""

from __future__ import annotations

from typing import Any

from tracer.collect.kube_write import CLUSTER_ROLE_BINDINGS, RBAC, SERVICE_ACCOUNTS
from tracer.install.manifests import COMPONENT_LABEL, LABELS, Object, objects, pod_spec
from tracer.install.roles import WATCHER
from tracer.install.settings import METRICS_PORT, Settings

WATCH = "flantrace-watch"
"""Name of the DaemonSet, of its container and of its ServiceAccount."""

WATCH_LABELS = {**LABELS, COMPONENT_LABEL: "watch"}
WATCH_SELECTOR = ",".join(f"{key}={value}" for key, value in WATCH_LABELS.items())

RECORDINGS = "/var/lib/flantrace"

MEMORY = {"requests": {"memory": "96Mi", "cpu": "20m"}, "limits": {"memory": "512Mi"}}
"""Most is taken while LLVM compiles, for seconds, by a child: 140 MB (measured, Debian 12's LLVM
14), beside the watch itself. And BPF's maps are the container's: for 5,000 leases 8 MB, and 1.5 for
each CPU that the machine may have."""

_ROOM = {"record": "400M", "volume": "512Mi"}
"""A pod whose volume is full is evicted; the ring's own limit is reached before."""


def whole(settings: Settings) -> list[Object]:
    """Everything that an installation consists of, with the watch where it is asked for."""
    return [*objects(settings), *(watch_objects(settings) if settings.watch else ())]


def watch_objects(settings: Settings) -> list[Object]:
    """The watch's own, in the order in which they are applied."""
    account = {"name": WATCH, "namespace": settings.namespace}
    return [
        {
            "apiVersion": SERVICE_ACCOUNTS.api_version,
            "kind": SERVICE_ACCOUNTS.kind,
            "metadata": {**account, "labels": LABELS},
            "automountServiceAccountToken": False,
        },
        {
            "apiVersion": CLUSTER_ROLE_BINDINGS.api_version,
            "kind": CLUSTER_ROLE_BINDINGS.kind,
            # The cluster's, so that two namespaces with flantrace must not share its name.
            "metadata": {"name": f"{WATCH}-{settings.namespace}", "labels": LABELS},
            "roleRef": {
                "apiGroup": RBAC.partition("/")[0],
                "kind": "ClusterRole",
                "name": WATCHER,
            },
            "subjects": [{"kind": "ServiceAccount", **account}],
        },
        _daemon_set(settings),
    ]


def _daemon_set(settings: Settings) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": WATCH, "namespace": settings.namespace, "labels": WATCH_LABELS},
        "spec": {
            "selector": {"matchLabels": WATCH_LABELS},
            # Never all nodes unwatched at a time.
            "updateStrategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": "25%"},
            },
            "template": {
                "metadata": {"labels": WATCH_LABELS, "annotations": _scraped()},
                "spec": _pod_spec(settings),
            },
        },
    }


def _scraped() -> dict[str, str]:
    """As Prometheus' usual configuration for Kubernetes has it; for its operator: deploy/."""
    words = {"scrape": "true", "port": str(METRICS_PORT), "path": "/metrics"}
    return {f"prometheus.io/{key}": value for key, value in words.items()}


def _pod_spec(settings: Settings) -> Object:
    """As an agent's pod, but that it has a token, works by itself and keeps recordings."""
    spec = pod_spec(settings)
    (agent,) = spec["containers"]
    return {
        **spec,
        "serviceAccountName": WATCH,
        "automountServiceAccountToken": True,
        "terminationGracePeriodSeconds": 20,
        "containers": [_container(agent)],
        "volumes": [
            *spec["volumes"],
            # They outlive the container, and go with the pod: uninstall leaves nothing on a node.
            {"name": "recordings", "emptyDir": {"sizeLimit": _ROOM["volume"]}},
        ],
    }


def _container(agent: Object) -> Object:
    return {
        **agent,
        "name": WATCH,
        "command": [
            "flantrace",
            "watch",
            "--here",
            "--node=$(NODE_NAME)",
            # Not 0.0.0.0: the pod is on the host's network, which may have a public side.
            f"--metrics=[$(NODE_IP)]:{METRICS_PORT}",
            f"--record={RECORDINGS}",
            f"--record-size={_ROOM['record']}",
        ],
        "env": [
            _from_pod("NODE_NAME", "spec.nodeName"),
            _from_pod("NODE_IP", "status.hostIP"),
        ],
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"}],
        "resources": MEMORY,
        # It compiles, and reads the leases of a large cluster, before it is ready.
        "startupProbe": _probe(every_s=5, failures=36),
        "readinessProbe": _probe(every_s=15, failures=2),
        "livenessProbe": _probe(every_s=30, failures=4),
        "volumeMounts": [
            *agent["volumeMounts"],
            {"name": "recordings", "mountPath": RECORDINGS},
        ],
    }


def _from_pod(name: str, path: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _probe(*, every_s: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": "/healthz", "port": "metrics"},
        "periodSeconds": every_s,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
