"""What people need who trace, and a watch. Agents ask the API nothing, and are bound to no role.

A test holds these rules against everything that flantrace asks, in both directions.
"""

from typing import Any

from tracer.collect.kube import CONFIG_MAPS
from tracer.collect.kube_write import CLUSTER_ROLES, ROLES, Resource

OPERATOR = "flantrace-operator"
"""ClusterRole and Role of whoever traces."""

EPHEMERAL_OPERATOR = "flantrace-ephemeral"
"""Role of whoever makes pods for a trace. Such pods may do on a node whatever root may, since the
namespace lets privileged ones in: not everybody who traces should have it."""


WATCHER = "flantrace-watch"
"""ClusterRole of a watch, on a node or of an operator: it reads less, and follows what it reads."""


def roles(namespace: str, labels: dict[str, str]) -> list[dict[str, Any]]:
    """ClusterRoles to read what a trace and a watch are about, and Roles for our own namespace."""
    net_conf = sorted({name for _, name in CONFIG_MAPS})
    return [
        _role(
            CLUSTER_ROLES,
            {"name": OPERATOR, "labels": labels},
            _rule("", ["pods", "services"], ["get", "list"]),
            _rule("", ["nodes"], ["list"]),
            {**_rule("", ["configmaps"], ["get"]), "resourceNames": net_conf},
            _rule("discovery.k8s.io", ["endpointslices"], ["list"]),
            _rule("", ["endpoints"], ["get"]),
        ),
        _role(
            CLUSTER_ROLES,
            {"name": WATCHER, "labels": labels},
            _rule("", ["nodes", "pods"], ["list", "watch"]),
            {**_rule("", ["configmaps"], ["get", "list", "watch"]), "resourceNames": net_conf},
        ),
        _role(
            ROLES,
            {"name": OPERATOR, "namespace": namespace, "labels": labels},
            # A WebSocket begins as a GET; from Kubernetes 1.35 on, create is asked for, too.
            _rule("", ["pods/exec"], ["create", "get"]),
            _rule("apps", ["daemonsets"], ["get"]),
        ),
        _role(
            ROLES,
            {"name": EPHEMERAL_OPERATOR, "namespace": namespace, "labels": labels},
            _rule("", ["pods"], ["create", "delete"]),
        ),
    ]


def _role(kind: Resource, metadata: dict[str, Any], *rules: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": metadata,
        "rules": list(rules),
    }


def _rule(group: str, resources: list[str], verbs: list[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}
