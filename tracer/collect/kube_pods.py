"""Whether a pod's container runs, and if not, why: in the kubelet's own words."""

from tracer.collect.kube_objects import ContainerState, PodObject

HOPELESS = (
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "CrashLoopBackOff",
    "PostStartHookError",
)
"""What a container waits for (kubelet, pkg/kubelet/images and kuberuntime) when waiting is no use:
the kubelet tries again, but whoever stands before the terminal wants to know now."""

LONGEST_WORDS = 600
"""Characters of the kubelet's words that we repeat."""

ENDED = ("Succeeded", "Failed")


def is_running(pod: PodObject, container: str) -> bool:
    """Whether one can exec into it."""
    if pod.metadata.deletion_timestamp is not None or pod.status.phase != "Running":
        return False
    return _state(pod, container).running is not None


def hopeless(pod: PodObject, container: str) -> str | None:
    """Why it will not run, or not soon; None: it may."""
    if pod.status.phase in ENDED or pod.metadata.deletion_timestamp is not None:
        return why_not(pod, container)
    waiting = _state(pod, container).waiting
    return why_not(pod, container) if waiting and waiting.reason in HOPELESS else None


def why_not(pod: PodObject, container: str) -> str:
    """The last that is known of a pod that does not run."""
    if pod.metadata.deletion_timestamp is not None:
        return "it is being deleted"
    state = _state(pod, container)
    for because in (state.waiting, state.terminated):
        if because is not None and because.reason != "ContainerCreating":
            return _words(because.reason, because.message)
    if pod.status.reason or pod.status.message:
        return _words(pod.status.reason, pod.status.message)
    for condition in pod.status.conditions or ():
        if condition.status == "False" and condition.message:
            return _words(condition.type, condition.message)
    if pod.status.container_statuses is None:
        return f"{pod.status.phase}: no kubelet has taken it"
    return "its container is being created"


def _state(pod: PodObject, container: str) -> ContainerState:
    for one in pod.status.container_statuses or ():
        if one.name == container and one.state is not None:
            return one.state
    return ContainerState()


def _words(reason: str | None, message: str | None) -> str:
    said = " ".join((message or "").split())[:LONGEST_WORDS]
    if reason and said and reason not in said:
        return f"{reason}: {said}"
    return said or reason or "no reason is given"
