"""Which distribution of Kubernetes a cluster is, as far as an installation has to know."""

from tracer.collect.kube import Api
from tracer.errors import NotPermitted
from tracer.install.settings import K3S_PATHS, PATHS


def paths_of(api: Api) -> tuple[str, ...]:
    """The folders of its nodes that agents read: a kubelet of k3s says so in its version.

    Whoever may not list nodes gets the usual ones. CollectFailed: there is no answer.
    """
    try:
        versions = [node.kubelet_version or "" for node in api.nodes()]
    except NotPermitted:
        return PATHS
    return K3S_PATHS if any("+k3s" in version for version in versions) else PATHS
