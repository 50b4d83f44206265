"""Why there is no pod for a recording, and what to do: for people, in the cluster's own words."""

from tracer.errors import CollectFailed, FlantraceError, NotFound, NotPermitted
from tracer.model.bundle import Trouble

OTHER_WAY = "--node-exec 'ssh {node} sudo' needs no pod"
PRIVILEGED = "pod-security.kubernetes.io/enforce=privileged"


def not_made(error: FlantraceError, node: str, namespace: str) -> FlantraceError:
    """The API server did not create the pod: what else to say than the error's own hint."""
    said = error.what
    what = f"no pod could be made on {node}: {said.partition(': ')[2] or said}"
    if f'namespaces "{namespace}" not found' in said:
        return NotFound(
            f"namespace {namespace} does not exist",
            where=error.where,
            hint=f"kubectl create namespace {namespace} && kubectl label namespace {namespace}"
            f" {PRIVILEGED}; or --flantrace-namespace NAME",
        )
    if "violates PodSecurity" in said:
        return NotPermitted(
            what,
            where=error.where,
            hint=f"kubectl label namespace {namespace} {PRIVILEGED} --overwrite",
        )
    if "admission webhook" in said or "denied the request" in said:
        hint = f"exempt namespace {namespace} from that policy; {OTHER_WAY}"
        return NotPermitted(what, where=error.where, hint=hint)
    if "exceeded quota" in said:
        hint = f"kubectl -n {namespace} describe quota; {OTHER_WAY}"
        return NotPermitted(what, where=error.where, hint=hint)
    return error


def cannot_start(node: str, why: str, where: str) -> CollectFailed:
    """The pod is there, and does not run."""
    words = why.lower()
    if "image" in words:
        hint = f"can {node} pull it? --image REF; loaded on the node by hand: --pull-policy Never"
    elif "no kubelet has taken it" in words:
        hint = f"is {node} up? kubectl describe node {node}"
    else:
        hint = f"journalctl -u kubelet on {node} says more; {OTHER_WAY}"
    return CollectFailed(f"the pod on {node} does not start: {why}", where=where, hint=hint)


def removed_by_itself(namespace: str, name: str) -> Trouble:
    """What is said of a pod that could not be removed."""
    return Trouble(
        node=None,
        what=f"pod {namespace}/{name} could not be removed; it ends by its deadline",
        hint=f"kubectl -n {namespace} delete pod {name}",
    )
