"""What a person needs of the Kubernetes API, for what; and what its answers mean."""

from collections.abc import Sequence
from enum import StrEnum

from tracer.model.checkup import Item, Standing
from tracer.model.record import Record


class Use(StrEnum):
    """What something is needed for."""

    TRACE = "traces and checks"
    FLANNEL = "flannel's configuration and its pods"
    SERVICES = "ends that are Services"
    EXEC = "agents in the pods of an installation"
    EPHEMERAL = "--ephemeral"
    WATCH = "watch"
    INSTALL = "install and uninstall"


class Need(Record, frozen=True, kw_only=True):
    """A verb on a resource."""

    use: Use
    verb: str
    resource: str
    """As RBAC names it: `pods`, `pods/exec`, `daemonsets.apps`."""
    ours: bool = False
    """In flantrace's own namespace only, not everywhere."""
    name: str | None = None
    """One object's: a role may be for it alone."""


def _needs(
    use: Use, resource: str, *verbs: str, ours: bool = False, name: str | None = None
) -> list[Need]:
    return [Need(use=use, verb=verb, resource=resource, ours=ours, name=name) for verb in verbs]


_APPLIED = ("get", "create", "patch", "delete")

NEEDS = (
    *_needs(Use.TRACE, "pods", "get", "list"),
    *_needs(Use.TRACE, "nodes", "list"),
    *_needs(Use.FLANNEL, "configmaps", "get", name="kube-flannel-cfg"),
    *_needs(Use.SERVICES, "services", "get", "list"),
    *_needs(Use.SERVICES, "endpointslices.discovery.k8s.io", "list"),
    *_needs(Use.EXEC, "pods", "list", ours=True),
    *_needs(Use.EXEC, "pods/exec", "get", "create", ours=True),
    *_needs(Use.EPHEMERAL, "pods", "get", "list", "create", "delete", ours=True),
    *_needs(Use.EPHEMERAL, "pods/exec", "get", "create", ours=True),
    *_needs(Use.WATCH, "nodes", "list", "watch"),
    *_needs(Use.WATCH, "pods", "list", "watch"),
    *_needs(Use.WATCH, "configmaps", "get", "list", "watch", name="kube-flannel-cfg"),
    *_needs(Use.INSTALL, "namespaces", *_APPLIED),
    *_needs(Use.INSTALL, "clusterroles.rbac.authorization.k8s.io", *_APPLIED),
    *_needs(Use.INSTALL, "clusterrolebindings.rbac.authorization.k8s.io", *_APPLIED),
    *_needs(Use.INSTALL, "roles.rbac.authorization.k8s.io", *_APPLIED, ours=True),
    *_needs(Use.INSTALL, "serviceaccounts", *_APPLIED, ours=True),
    *_needs(Use.INSTALL, "daemonsets.apps", *_APPLIED, ours=True),
)


class Review(Record, frozen=True, kw_only=True):
    """The API server's answer about one need; None: it gave none."""

    need: Need
    allowed: bool | None


def items(reviews: Sequence[Review], way: Use | None, namespace: str) -> list[Item]:
    """One item for all that is allowed, and one for each use that is not.

    `way`: how nodes are to be reached; None: not by the Kubernetes API.
    """
    needed = {Use.TRACE} | ({way} if way is not None else set())
    uses = dict.fromkeys(review.need.use for review in reviews)
    refused = {use: [one for one in reviews if _lacks(one, use)] for use in uses}
    unknown = [use for use in uses if any(_unknown(one, use) for one in reviews)]
    allowed = [use for use in uses if not refused[use] and use not in unknown]
    found = [_item(use, refused[use], needed, namespace) for use in uses if refused[use]]
    if unknown:
        said = f"the API server gives no access reviews: {', '.join(unknown)} not asked"
        found.append(Item(name="access", standing=Standing.UNKNOWN, said=said))
    if allowed:
        said = ", ".join(allowed) if len(allowed) < len(uses) else "to all that flantrace asks for"
        found.insert(0, Item(name="access", standing=Standing.OK, said=said))
    return found


def _lacks(review: Review, use: Use) -> bool:
    return review.need.use is use and review.allowed is False


def _unknown(review: Review, use: Use) -> bool:
    return review.need.use is use and review.allowed is None


def _item(use: Use, refused: Sequence[Review], needed: set[Use], namespace: str) -> Item:
    verbs: dict[str, list[str]] = {}
    for one in refused:
        verbs.setdefault(one.need.resource, []).append(one.need.verb)
    lacks = "; ".join(f"{', '.join(words)} {resource}" for resource, words in verbs.items())
    where = f" in namespace {namespace}" if refused[0].need.ours else ""
    said = f"you may not {lacks}{where}"
    if use is Use.INSTALL:
        return Item(name="access", standing=Standing.OK, said=f"{use}: {said}; others may")
    role = "flantrace-watch" if use is Use.WATCH else "flantrace-operator"
    return Item(
        name="access",
        standing=Standing.MISSING if use in needed else Standing.LESS,
        said=said,
        without=f"no {use}",
        remedy=f"bind the role {role}, which `flantrace install` makes, to yourself",
    )
