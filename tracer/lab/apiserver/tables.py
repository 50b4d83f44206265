"""The Table format: the columns that kubectl shows, made by the server as Kubernetes' own does."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from tracer.lab.apiserver.resources import Object, Resource
from tracer.lab.apiserver.store import timestamp

Column = tuple[str, int, Callable[[Object], Any]]
"""(heading, priority, cell): priority 1 is shown with `-o wide` only."""


def table(resource: Resource, rows: Sequence[Object], metadata: Object, query: Object) -> Object:
    """A Table of those objects. `query` may hold `version` and `include`."""
    columns = COLUMNS.get(resource.plural, PLAIN)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{query['version']}",
        "metadata": metadata,
        "columnDefinitions": [
            {
                "name": name,
                "type": "integer" if name in INTEGERS else "string",
                "format": "name" if name == "Name" else "",
                "description": "",
                "priority": priority,
            }
            for name, priority, _ in columns
        ]
        if query.get("headings", True)
        else None,
        "rows": [
            {"cells": [cell(each) for _, _, cell in columns], "object": _attached(each, query)}
            for each in rows
        ],
    }


def _attached(each: Object, query: Object) -> Object | None:
    wanted = query.get("include") or "Metadata"
    if wanted == "None":
        return None
    if wanted == "Object":
        return each
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{query['version']}",
        "metadata": each["metadata"],
    }


def human_duration(seconds: float) -> str:
    """As kubectl prints ages (k8s.io/apimachinery duration.HumanDuration)."""
    s = max(0, int(seconds))
    m, h, d = s // 60, s // 3600, s // 86400
    if s < 120:
        return f"{s}s"
    if m < 10:
        return f"{m}m{s % 60}s" if s % 60 else f"{m}m"
    if m < 180:
        return f"{m}m"
    if h < 8:
        return f"{h}h{m % 60}m" if m % 60 else f"{h}h"
    if h < 48:
        return f"{h}h"
    if h < 192:
        return f"{d}d{h % 24}h" if h % 24 else f"{d}d"
    return f"{d}d" if d < 730 else f"{d // 365}y{d % 365}d"


def _name(each: Object) -> str:
    return str(each["metadata"]["name"])


def _age(each: Object) -> str:
    made = each["metadata"].get("creationTimestamp")
    if not made:
        return "<unknown>"
    now, then = (
        datetime.strptime(t, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) for t in (timestamp(), made)
    )
    return human_duration((now - then).total_seconds())


def _condition(each: Object, kind: str) -> str:
    for condition in each.get("status", {}).get("conditions") or []:
        if condition.get("type") == kind:
            return str(condition.get("status"))
    return "Unknown"


def _node_status(each: Object) -> str:
    words = {"True": "Ready", "False": "NotReady"}.get(_condition(each, "Ready"), "Unknown")
    return words + (",SchedulingDisabled" if each.get("spec", {}).get("unschedulable") else "")


def _roles(each: Object) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = each["metadata"].get("labels") or {}
    roles = sorted(key[len(prefix) :] for key in labels if key.startswith(prefix))
    return ",".join(roles) or "<none>"


def _address(kind: str) -> Callable[[Object], str]:
    def cell(each: Object) -> str:
        for address in each.get("status", {}).get("addresses") or []:
            if address.get("type") == kind:
                return str(address.get("address"))
        return "<none>"

    return cell


def _info(name: str) -> Callable[[Object], str]:
    return lambda each: each.get("status", {}).get("nodeInfo", {}).get(name) or "<unknown>"


def _spec(name: str) -> Callable[[Object], str]:
    return lambda each: str(each.get("spec", {}).get(name) or "<none>")


def _status(name: str) -> Callable[[Object], str]:
    return lambda each: str(each.get("status", {}).get(name) or "<none>")


def _count(name: str) -> Callable[[Object], int]:
    return lambda each: int(each.get("status", {}).get(name) or 0)


def _ready(each: Object) -> str:
    states = each.get("status", {}).get("containerStatuses") or []
    return f"{sum(bool(s.get('ready')) for s in states)}/{len(each['spec'].get('containers', []))}"


def _restarts(each: Object) -> str:
    states = each.get("status", {}).get("containerStatuses") or []
    return str(sum(s.get("restartCount", 0) for s in states))


def _phase(each: Object) -> str:
    if each["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str(each.get("status", {}).get("phase", "Unknown"))


def _containers(field: str) -> Callable[[Object], str]:
    def cell(each: Object) -> str:
        inside = each.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
        return ",".join(str(container.get(field)) for container in inside)

    return cell


def _joined(pairs: dict[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((pairs or {}).items())) or "<none>"


def _node_selector(each: Object) -> str:
    template = each.get("spec", {}).get("template", {})
    return _joined(template.get("spec", {}).get("nodeSelector"))


def _selector(each: Object) -> str:
    return _joined(each.get("spec", {}).get("selector", {}).get("matchLabels"))


def _involved(each: Object) -> str:
    about = each.get("involvedObject", {})
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def _cluster_ip(each: Object) -> str:
    return str(each.get("spec", {}).get("clusterIP") or "<none>")


def _service_ports(each: Object) -> str:
    ports = each.get("spec", {}).get("ports") or []
    return ",".join(f"{p.get('port')}/{p.get('protocol', 'TCP')}" for p in ports) or "<none>"


def _slice_addresses(each: Object) -> str:
    found = [ip for one in each.get("endpoints") or [] for ip in one.get("addresses") or []]
    return ",".join(found) or "<unset>"


PLAIN: tuple[Column, ...] = (
    ("Name", 0, _name),
    ("Created At", 0, lambda each: each["metadata"].get("creationTimestamp", "")),
)
INTEGERS = {"Data", "Desired", "Current", "Up-to-date", "Available"}
COLUMNS: dict[str, tuple[Column, ...]] = {
    "nodes": (
        ("Name", 0, _name),
        ("Status", 0, _node_status),
        ("Roles", 0, _roles),
        ("Age", 0, _age),
        ("Version", 0, _info("kubeletVersion")),
        ("Internal-IP", 1, _address("InternalIP")),
        ("External-IP", 1, _address("ExternalIP")),
        ("OS-Image", 1, _info("osImage")),
        ("Kernel-Version", 1, _info("kernelVersion")),
        ("Container-Runtime", 1, _info("containerRuntimeVersion")),
    ),
    "pods": (
        ("Name", 0, _name),
        ("Ready", 0, _ready),
        ("Status", 0, _phase),
        ("Restarts", 0, _restarts),
        ("Age", 0, _age),
        ("IP", 1, _status("podIP")),
        ("Node", 1, _spec("nodeName")),
        ("Nominated Node", 1, _status("nominatedNodeName")),
        ("Readiness Gates", 1, lambda _: "<none>"),
    ),
    "services": (
        ("Name", 0, _name),
        ("Type", 0, lambda each: each.get("spec", {}).get("type", "ClusterIP")),
        ("Cluster-IP", 0, _cluster_ip),
        ("External-IP", 0, lambda _: "<none>"),
        ("Port(s)", 0, _service_ports),
        ("Age", 0, _age),
        ("Selector", 1, lambda each: _joined(each.get("spec", {}).get("selector"))),
    ),
    "endpointslices": (
        ("Name", 0, _name),
        ("AddressType", 0, lambda each: each.get("addressType", "")),
        ("Endpoints", 0, _slice_addresses),
        ("Age", 0, _age),
    ),
    "configmaps": (
        ("Name", 0, _name),
        ("Data", 0, lambda each: len(each.get("data") or {})),
        ("Age", 0, _age),
    ),
    "daemonsets": (
        ("Name", 0, _name),
        ("Desired", 0, _count("desiredNumberScheduled")),
        ("Current", 0, _count("currentNumberScheduled")),
        ("Ready", 0, _count("numberReady")),
        ("Up-to-date", 0, _count("updatedNumberScheduled")),
        ("Available", 0, _count("numberAvailable")),
        ("Node Selector", 0, _node_selector),
        ("Age", 0, _age),
        ("Containers", 1, _containers("name")),
        ("Images", 1, _containers("image")),
        ("Selector", 1, _selector),
    ),
    "namespaces": (("Name", 0, _name), ("Status", 0, _phase), ("Age", 0, _age)),
    "events": (
        ("Last Seen", 0, lambda each: each.get("lastTimestamp") or "<unknown>"),
        ("Type", 0, lambda each: each.get("type", "")),
        ("Reason", 0, lambda each: each.get("reason", "")),
        ("Object", 0, _involved),
        ("Message", 0, lambda each: each.get("message", "")),
    ),
}
