"""What the API server refuses, and what keeps us from asking it, in our own family of errors."""

from tracer.errors import CollectFailed, NotFound, NotPermitted


class Expired(CollectFailed):
    """410: the list that was asked for, or is to be followed, has been compacted away."""


def unanswered(server: str, error: Exception) -> CollectFailed:
    """Nothing came back, or it broke off."""
    return CollectFailed(
        f"the API server does not answer: {type(error).__name__}",
        where=server,
        hint="is the cluster up and the kubeconfig the right one? (kubectl get nodes)",
    )


def garbled(error: Exception, what: str, where: str) -> CollectFailed:
    """What came back is no answer of a Kubernetes API."""
    return CollectFailed(
        f"the API server's answer on {what} cannot be understood: {error}",
        where=where,
        hint="is this the address of a Kubernetes API server?",
    )


def no_config(kubeconfig: str | None, context: str | None, why: str) -> CollectFailed:
    """Nobody knows which API server is meant, or as whom to ask it."""
    return CollectFailed(
        f"cannot load a kubeconfig: {why}",
        where=kubeconfig or "$KUBECONFIG, ~/.kube/config, in-cluster service account",
        hint="pass --kubeconfig FILE"
        + (f"; is there a context {context!r}?" if context else "")
        + " (or --lab for the lab's cluster)",
    )


def refused(status: int, what: str, where: str) -> Exception:
    """The API server's answer in our own family of errors."""
    behind = what.startswith(("service", "endpoints"))
    if status == 404:
        kind = "services" if behind else "pods"
        return NotFound(
            f"{what} does not exist", where=where, hint=f"kubectl get {kind} -A shows what does"
        )
    if status in (401, 403):
        needed = "get and list of pods, nodes and flannel's configmap"
        if behind:
            needed = "get and list of services and endpointslices for a Service; or name a pod"
        return NotPermitted(
            f"the API server does not let us read {what}",
            where=where,
            hint=f"flantrace needs {needed}",
        )
    kind_of_failure = Expired if status == 410 else CollectFailed
    return kind_of_failure(
        f"the API server answered {status} on {what}", where=where, hint="try again; see its log"
    )
