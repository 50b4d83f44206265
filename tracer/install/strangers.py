"""What in a namespace is not flantrace's: it would go with the namespace."""

from tracer.collect.kube import Api
from tracer.collect.kube_contents import Held, contents
from tracer.collect.kube_write import ROLE_BINDINGS, Writer
from tracer.install.manifests import NAME_LABEL
from tracer.install.roles import EPHEMERAL_OPERATOR, OPERATOR, WATCHER

PASSED_OVER = frozenset({"events", "events.events.k8s.io", "leases.coordination.k8s.io"})
"""Kinds that tell of others' objects, and end by themselves."""

EVERYWHERE = {("configmaps", "kube-root-ca.crt"), ("serviceaccounts", "default")}
"""What Kubernetes puts into every namespace."""

MOST_NAMED = 5


def strangers(api: Api, namespace: str) -> list[str]:
    """`deployments.apps/web`: objects of others, but for those that follow from other objects.

    A binding to our roles is no stranger: without them it means nothing.
    """
    held = contents(api, namespace, PASSED_OVER)
    bound = _bound_to_us(Writer(api), namespace) if _any_binding(held) else set()
    return sorted(
        f"{one.resource.qualified}/{one.metadata.name}"
        for one in held
        if not _ours(one)
        and not one.metadata.owner_references
        and (one.resource.plural, one.metadata.name) not in EVERYWHERE
        and not (one.resource == ROLE_BINDINGS and one.metadata.name in bound)
    )


def named(found: list[str]) -> str:
    """The first of them in words."""
    more = len(found) - MOST_NAMED
    return ", ".join(found[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _ours(one: Held) -> bool:
    return (one.metadata.labels or {}).get(NAME_LABEL) == "flantrace"


def _any_binding(held: list[Held]) -> bool:
    return any(one.resource == ROLE_BINDINGS for one in held)


def _bound_to_us(writer: Writer, namespace: str) -> set[str]:
    ours = (OPERATOR, EPHEMERAL_OPERATOR, WATCHER)
    return {
        str(one["metadata"]["name"])
        for one in writer.listed(ROLE_BINDINGS, namespace)
        if (one.get("roleRef") or {}).get("name") in ours
    }
