"""What the API server says of itself, of our rights, and of an installation."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from tracer.collect.kube import Api
from tracer.collect.kube_pods import is_running
from tracer.collect.kube_write import DAEMON_SETS, Writer
from tracer.core.access import Need, Review
from tracer.core.checkup import Installed
from tracer.errors import FlantraceError
from tracer.model.decoding import decoder

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_WORKERS = 6


class _Version(msgspec.Struct, rename="camel"):
    git_version: str | None = None


class _Status(msgspec.Struct):
    allowed: bool = False


class _Answer(msgspec.Struct):
    status: _Status | None = None


def server_version(api: Api) -> str | None:
    """`v1.34.1`; None: it does not say. CollectFailed: it does not answer."""
    status, body = api.call("GET", "/version")
    try:
        return decoder(_Version).decode(body).git_version if status == 200 else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def reviews(api: Api, needs: Iterable[Need], namespace: str) -> tuple[Review, ...]:
    """The server's own answers to what we may do. CollectFailed: it does not answer.

    Needs that differ only in their use are asked once.
    """
    wanted = tuple(needs)
    unique = dict.fromkeys(_attributes(need, namespace) for need in wanted)
    with ThreadPoolExecutor(_WORKERS) as pool:
        asked = {one: pool.submit(_review, api, dict(one)) for one in unique}
        answers = {one: answer.result() for one, answer in asked.items()}
    return tuple(
        Review(need=need, allowed=answers[_attributes(need, namespace)]) for need in wanted
    )


def _attributes(need: Need, namespace: str) -> tuple[tuple[str, str], ...]:
    plural, _, group = need.resource.partition(".")
    plural, _, part = plural.partition("/")
    found = {"verb": need.verb, "group": group, "resource": plural, "subresource": part}
    if need.ours:
        found["namespace"] = namespace
    if need.name is not None:
        found["name"] = need.name
    return tuple(found.items())


def _review(api: Api, attributes: dict[str, str]) -> bool | None:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    status, said = api.call("POST", _REVIEWS, body)
    if status not in (200, 201):
        return None
    try:
        answer = decoder(_Answer).decode(said)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return answer.status.allowed if answer.status is not None else None


def installed(api: Api, namespace: str, name: str, container: str, labels: str) -> Installed:
    """An installation's DaemonSet and pods, as far as they may be read."""
    image: str | None = None
    wanted: int | None = None
    try:
        found = Writer(api).read(DAEMON_SETS, namespace, name)
        if found is not None:
            wanted = found.get("status", {}).get("desiredNumberScheduled")
            image = found["spec"]["template"]["spec"]["containers"][0]["image"]
    except (FlantraceError, KeyError, IndexError, TypeError, AttributeError):
        pass  # it may not be read, or is none of ours; its pods tell more
    try:
        pods = api.pods_with(labels, namespace)
    except FlantraceError:
        pods = []
    running = {pod.spec.node_name for pod in pods if is_running(pod, container)}
    return Installed(
        image=image, wanted=wanted, running=tuple(sorted(name for name in running if name))
    )
