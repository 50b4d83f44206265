"""Names of objects, for whoever types one: quickly, or not at all."""

import msgspec

from tracer.collect.kube import Api
from tracer.collect.kube_contents import METADATA, List
from tracer.collect.kube_write import NODES, PODS, SERVICES, Resource
from tracer.model.decoding import decoder

MOST = 500
"""Names; nobody reads so many."""


def names(api: Api, kind: Resource, namespace: str | None = None) -> list[str]:
    """Of the first objects of a kind. FlantraceError; none: the API server refuses."""
    status, said = api.call("GET", f"{kind.path(namespace)}?limit={MOST}", accept=METADATA)
    if status != 200:
        return []
    try:
        items = decoder(List).decode(said).items or ()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    return [one.metadata.name for one in items]


def ends(api: Api, namespace: str, incomplete: str) -> list[str]:
    """What an end of a trace may be called, as far as `incomplete` tells what is meant."""
    kind, slash, _ = incomplete.partition("/")
    if not slash:
        return [*names(api, PODS, namespace), "node/", "svc/"]
    if kind == "node":
        return [f"node/{name}" for name in names(api, NODES)]
    if kind == "svc":
        within = incomplete.removeprefix("svc/").rpartition("/")[0]
        prefix = f"svc/{within}/" if within else "svc/"
        return [prefix + name for name in names(api, SERVICES, within or namespace)]
    return [f"{kind}/{name}" for name in names(api, PODS, kind)]
