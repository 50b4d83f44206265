"""What an installation may be told."""

from tracer.model.record import Record

DEFAULT_IMAGE: str | None = None
"""The image of the release. None: none was published, so `--image` is required."""

NAMESPACE = "flantrace"

METRICS_PORT = 18472
"""TCP, of `install --watch` and of the systemd unit. Prometheus' list of exporters' ports has given
9100 to 9999 away; this is none of a Service's NodePorts, nor one that Linux picks by itself."""

PATHS = ("/run/flannel", "/run/netns", "/etc/cni/net.d", "/var/lib/cni")
"""Folders of a node that an agent reads; each exists where flannel has run a pod."""

K3S_PATHS = (
    "/run/flannel",
    "/run/netns",
    "/var/lib/cni",
    "/var/lib/rancher/k3s/agent/etc/cni/net.d",
    "/var/lib/rancher/k3s/agent/etc/flannel",
)
"""Where k3s has the same. Its containerd's configuration lies beside them, and may hold a
registry's password: hence not the folder above."""


class Settings(Record, frozen=True, kw_only=True):
    """One installation, as asked for."""

    image: str
    namespace: str = NAMESPACE
    pull_policy: str | None = None
    """Of the image: Always, IfNotPresent or Never; None: as Kubernetes chooses by the tag."""
    passive_only: bool = False
    """No agent may enter a pod's namespace: nothing is sent, the pods' own traffic is watched."""
    old_kernels: bool = False
    """Some node runs Linux 5.10, where BPF's memory counts as locked."""
    paths: tuple[str, ...] = PATHS
    watch: bool = False
    """A watch runs on every node beside the agents."""
