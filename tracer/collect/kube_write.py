"""What flantrace writes to a cluster: objects are applied, created and deleted, whole as JSON."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote, urlencode

import msgspec

from tracer.collect.kube import Api
from tracer.errors import CollectFailed, FlantraceError, NotFound, NotPermitted

Object: TypeAlias = dict[str, Any]
"""A Kubernetes object as JSON has it."""

FIELD_MANAGER = "flantrace"
"""Whose fields are ours: what was applied before and no longer is goes away."""

APPLY = "application/apply-patch+yaml"

LONGEST_SAID = 500


class Resource(NamedTuple):
    """A kind of object, as its path and as RBAC name it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def qualified(self) -> str:
        """As kubectl takes it: `daemonsets.apps`."""
        group = self.api_version.rpartition("/")[0]
        return f"{self.plural}.{group}" if group else self.plural

    def path(self, namespace: str | None) -> str:
        """Of all objects, or of those in a namespace."""
        root = "/apis" if "/" in self.api_version else "/api"
        within = f"/namespaces/{quote(namespace)}" if namespace and self.namespaced else ""
        return f"{root}/{self.api_version}{within}/{self.plural}"


RBAC = "rbac.authorization.k8s.io/v1"
NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
PODS = Resource("v1", "Pod", "pods")
NODES = Resource("v1", "Node", "nodes", namespaced=False)
SERVICES = Resource("v1", "Service", "services")
EVENTS = Resource("v1", "Event", "events")
DAEMON_SETS = Resource("apps/v1", "DaemonSet", "daemonsets")
ROLE_BINDINGS = Resource(RBAC, "RoleBinding", "rolebindings")
ROLES = Resource(RBAC, "Role", "roles")
SERVICE_ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts")
CLUSTER_ROLE_BINDINGS = Resource(
    RBAC, "ClusterRoleBinding", "clusterrolebindings", namespaced=False
)
CLUSTER_ROLES = Resource(RBAC, "ClusterRole", "clusterroles", namespaced=False)
RESOURCES = (
    NAMESPACES,
    PODS,
    EVENTS,
    SERVICE_ACCOUNTS,
    DAEMON_SETS,
    CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS,
    ROLES,
)


def resource_of(each: Mapping[str, Any]) -> Resource:
    """The resource of an object of ours."""
    wanted = (each["apiVersion"], each["kind"])
    return next(one for one in RESOURCES if (one.api_version, one.kind) == wanted)


class Writer:
    """One API server, written to. NotPermitted names the verb and the resource that are missing."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @property
    def server(self) -> str:
        """Its address."""
        return self._api.server

    def apply(self, each: Object) -> Object:
        """Server-side apply: made where there is none, else our fields of it as they are here."""
        resource, meta = resource_of(each), each["metadata"]
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return self._call(
            "PATCH", resource, meta.get("namespace"), meta["name"], query=query, body=each
        )

    def create(self, each: Object) -> Object:
        """The object as the server made it, with the name that it gave where none was given."""
        query = {"fieldManager": FIELD_MANAGER}
        namespace = each["metadata"].get("namespace")
        return self._call("POST", resource_of(each), namespace, query=query, body=each)

    def read(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        """The object as it is now; None: there is none."""
        try:
            return self._call("GET", resource, namespace, name)
        except NotFound:
            return None

    def listed(
        self, resource: Resource, namespace: str | None = None, **selectors: str
    ) -> list[Object]:
        """All objects that the selectors (labelSelector, fieldSelector) choose."""
        answer = self._call("GET", resource, namespace, query=selectors)
        about = {"apiVersion": resource.api_version, "kind": resource.kind}
        return [{**about, **each} for each in answer.get("items") or ()]

    def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        grace_s: int | None = None,
        uid: str | None = None,
    ) -> bool:
        """Whether there was one to delete. `uid`: only if it is still that object."""
        options: Object = {"propagationPolicy": "Foreground" if grace_s is None else "Background"}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            self._call("DELETE", resource, namespace, name, body=options)
        except NotFound:
            return False
        return True

    def _call(
        self,
        method: str,
        resource: Resource,
        namespace: str | None,
        name: str | None = None,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
    ) -> Object:
        path = resource.path(namespace) + (f"/{quote(name)}" if name is not None else "")
        if query:
            path += f"?{urlencode(query)}"
        kind = APPLY if method == "PATCH" else "application/json"
        status, said = self._api.call(method, path, body, kind)
        if status in (200, 201, 202):
            return _object(said, f"{self.server}{path}")
        verb = _verb(method, name)
        where = f"{self.server}{path.partition('?')[0]}"
        raise refused(status, said, Attempt(verb, resource, namespace, name), where)


class Attempt(NamedTuple):
    """Something that was asked of the API server."""

    verb: str
    resource: Resource
    namespace: str | None
    name: str | None

    def __str__(self) -> str:
        """`patch daemonsets.apps flantrace-agent in namespace flantrace`."""
        words = f"{self.verb} {self.resource.qualified}"
        words += f" {self.name}" if self.name else ""
        inside = self.resource.namespaced and self.namespace
        return f"{words} in namespace {self.namespace}" if inside else words

    @property
    def question(self) -> str:
        """What asks the API server whether we may."""
        inside = self.resource.namespaced and self.namespace
        option = f" -n {self.namespace}" if inside else ""
        return f"kubectl auth can-i {self.verb} {self.resource.qualified}{option}"


def _verb(method: str, name: str | None) -> str:
    """RBAC's word for a request."""
    if method == "GET":
        return "get" if name is not None else "list"
    return {"POST": "create", "PATCH": "patch", "DELETE": "delete"}[method]


def _object(said: bytes, where: str) -> Object:
    try:
        return msgspec.json.decode(said, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CollectFailed(
            f"the API server's answer cannot be understood: {error}",
            where=where,
            hint="is this the address of a Kubernetes API server?",
        ) from None


def refused(status: int, said: bytes, attempt: Attempt, where: str) -> FlantraceError:
    """The API server's answer in our own family of errors, with its own words."""
    words = ""
    with contextlib.suppress(CollectFailed):
        words = str(_object(said, where).get("message", ""))[:LONGEST_SAID]
    if status in (401, 403):
        return NotPermitted(
            f"the API server does not let us {attempt}" + (f": {words}" if words else ""),
            where=where,
            hint=f"{attempt.question} says no; ask whoever administers the cluster",
        )
    what = f"the API server did not {attempt}: {words or f'it answered {status}'}"
    if status == 404:
        return NotFound(what, where=where, hint=f"kubectl get {attempt.resource.qualified} -A")
    return CollectFailed(what, where=where, hint="try again; the API server's log says more")
