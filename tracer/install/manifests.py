"""The objects of an installation, and pods that do without one: settings in, plain dicts out."""

from __future__ import annotations

from typing import Any, TypeAlias

from tracer.install.privileges import capabilities
from tracer.install.roles import roles
from tracer.install.settings import Settings

Object: TypeAlias = dict[str, Any]
"""A Kubernetes object, or a part of one, as JSON has it."""

AGENT = "flantrace-agent"
"""Name of the DaemonSet and of its ServiceAccount."""

CONTAINER = "agent"
EPHEMERAL_PREFIX = "flantrace-ephemeral-"

NAME_LABEL = "app.kubernetes.io/name"
COMPONENT_LABEL = "app.kubernetes.io/component"
RUN_LABEL = "flantrace/ephemeral"

LABELS = {NAME_LABEL: "flantrace"}
"""On everything that an installation makes: what uninstall looks for."""

AGENT_LABELS = {**LABELS, COMPONENT_LABEL: "agent"}
EPHEMERAL_LABELS = {**LABELS, COMPONENT_LABEL: "ephemeral-agent"}
"""Unlike the DaemonSet's: its controller adopts any pod that its selector matches, and would take
one of the two on a node away."""


SELECTOR, AGENT_SELECTOR = (
    ",".join(f"{key}={value}" for key, value in labels.items()) for labels in (LABELS, AGENT_LABELS)
)
"""The same as the API takes them."""


def objects(settings: Settings) -> list[Object]:
    """Everything that an installation consists of, in the order in which it is applied."""
    return [
        namespace(settings),
        _service_account(settings),
        *roles(settings.namespace, LABELS),
        _daemon_set(settings),
    ]


def pod_spec(settings: Settings) -> Object:
    """spec of a pod in which agents are started, and which by itself only waits."""
    return {
        "serviceAccountName": AGENT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostNetwork": True,
        "hostPID": True,
        "dnsPolicy": "Default",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 5,
        "containers": [_container(settings)],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            *(
                {"name": _volume(path), "hostPath": {"path": path, "type": ""}}
                for path in settings.paths
            ),
        ],
    }


def ephemeral_pod(settings: Settings, node: str, run_id: str, deadline_s: int) -> Object:
    """A pod for one trace on one node, which the kubelet ends after `deadline_s` in any case.

    It asks no scheduler, and its ServiceAccount is the namespace's own: nothing need be installed.
    """
    spec = pod_spec(settings)
    del spec["serviceAccountName"], spec["nodeSelector"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": EPHEMERAL_PREFIX,
            "namespace": settings.namespace,
            "labels": {**EPHEMERAL_LABELS, RUN_LABEL: run_id},
        },
        "spec": {
            **spec,
            "nodeName": node,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": deadline_s,
        },
    }


def namespace(settings: Settings) -> Object:
    """The namespace, which lets pods onto the host's network."""
    level = "pod-security.kubernetes.io"
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": settings.namespace,
            "labels": {
                **LABELS,
                **{f"{level}/{mode}": "privileged" for mode in ("enforce", "audit", "warn")},
            },
        },
    }


def _container(settings: Settings) -> Object:
    added = capabilities(passive_only=settings.passive_only, old_kernels=settings.old_kernels)
    pull = {"imagePullPolicy": settings.pull_policy} if settings.pull_policy else {}
    return {
        "name": CONTAINER,
        "image": settings.image,
        **pull,
        "command": ["flantrace", "idle"],
        "securityContext": {
            "runAsUser": 0,
            "privileged": False,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": added},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            *(
                {
                    "name": _volume(path),
                    "mountPath": path,
                    "readOnly": True,
                    "mountPropagation": "HostToContainer",
                }
                for path in settings.paths
            ),
        ],
    }


def _volume(path: str) -> str:
    """A name for a host's path: a DNS label."""
    return path.strip("/").replace("/", "-").replace(".", "-")


def _service_account(settings: Settings) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _named(AGENT, settings.namespace),
        "automountServiceAccountToken": False,
    }


def _daemon_set(settings: Settings) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {**_named(AGENT, settings.namespace), "labels": AGENT_LABELS},
        "spec": {
            "selector": {"matchLabels": AGENT_LABELS},
            "updateStrategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": "100%"},
            },
            "template": {"metadata": {"labels": AGENT_LABELS}, "spec": pod_spec(settings)},
        },
    }


def _named(name: str, inside: str | None = None) -> Object:
    return {"name": name, **({"namespace": inside} if inside else {}), "labels": LABELS}
