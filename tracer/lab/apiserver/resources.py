"""Which resources the API serves, and the discovery documents that say so."""

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True)
class Resource:
    """One resource, as discovery names it."""

    plural: str
    kind: str
    namespaced: bool
    group: str = ""
    version: str = "v1"
    short: tuple[str, ...] = ()
    has_status: bool = False
    fields: tuple[str, ...] = ()
    """Fields that a fieldSelector may name, besides metadata.name and metadata.namespace."""

    @property
    def api_version(self) -> str:
        """`v1` or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As error messages name it: `daemonsets.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


_POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
)
_EVENT_FIELDS = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)

_RBAC = "rbac.authorization.k8s.io"

NAMESPACES = Resource("namespaces", "Namespace", False, short=("ns",), has_status=True)

RESOURCES = (
    Resource("configmaps", "ConfigMap", namespaced=True, short=("cm",)),
    Resource("events", "Event", namespaced=True, short=("ev",), fields=_EVENT_FIELDS),
    NAMESPACES,
    Resource(
        "nodes", "Node", False, short=("no",), has_status=True, fields=("spec.unschedulable",)
    ),
    Resource("pods", "Pod", True, short=("po",), has_status=True, fields=_POD_FIELDS),
    Resource(
        "services",
        "Service",
        namespaced=True,
        short=("svc",),
        has_status=True,
        fields=("spec.clusterIP", "spec.type"),
    ),
    Resource("endpoints", "Endpoints", namespaced=True, short=("ep",)),
    Resource("endpointslices", "EndpointSlice", True, group="discovery.k8s.io"),
    Resource("daemonsets", "DaemonSet", True, group="apps", short=("ds",), has_status=True),
    Resource("leases", "Lease", True, group="coordination.k8s.io"),
    Resource("serviceaccounts", "ServiceAccount", True, short=("sa",)),
    Resource("clusterroles", "ClusterRole", False, group=_RBAC),
    Resource("clusterrolebindings", "ClusterRoleBinding", False, group=_RBAC),
    Resource("roles", "Role", True, group=_RBAC),
    Resource("rolebindings", "RoleBinding", True, group=_RBAC),
)

VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
VERSION = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.0+flantrace.lab",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}


def find(group: str, version: str, plural: str) -> Resource | None:
    """The resource of that name in a group, if it is served."""
    for each in RESOURCES:
        if (each.group, each.version, each.plural) == (group, version, plural):
            return each
    return None


def core_versions(server: str) -> Object:
    """The answer to /api."""
    address = [{"clientCIDR": "0.0.0.0/0", "serverAddress": server}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": address}


def group_list() -> Object:
    """The answer to /apis."""
    groups = sorted({each.group for each in RESOURCES if each.group})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in groups]}


def group(name: str) -> Object | None:
    """The answer to /apis/GROUP."""
    if not any(each.group == name for each in RESOURCES):
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name)}


def _group(name: str) -> Object:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def resource_list(group_name: str, version: str) -> Object | None:
    """The answer to /api/v1 and /apis/GROUP/VERSION."""
    served = [each for each in RESOURCES if (each.group, each.version) == (group_name, version)]
    if not served:
        return None
    entries: list[Object] = []
    for each in served:
        entry: Object = {
            "name": each.plural,
            "singularName": each.kind.lower(),
            "namespaced": each.namespaced,
            "kind": each.kind,
            "verbs": VERBS,
        }
        entries.append({**entry, "shortNames": list(each.short)} if each.short else entry)
        if each.has_status:
            status = {"name": f"{each.plural}/status", "singularName": ""}
            entries.append({**entry, **status, "verbs": ["get", "patch", "update"]})
    version_name = served[0].api_version
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": version_name,
        "resources": entries,
    }
