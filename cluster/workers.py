"""What runs on each node: containerd with runc, kubelet, and kube-proxy."""

import json
from pathlib import Path

from cluster.build import programs
from cluster.control import PODS
from cluster.daemons import HIERARCHIES, cgroup_of, end, pid_of, start, until
from cluster.nodes import Place
from cluster.paths import state
from cluster.pki import authority
from cluster.shell import Failed

SOCKET = "/run/containerd/containerd.sock"
PAUSE = "localhost/pause:1"
PLUGINS = Path("/usr/lib/cni")
"""Debian's containernetworking-plugins: bridge, host-local, loopback, portmap and more."""

_CONTAINERD = f"""
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  # without CAP_SYS_RESOURCE no process may lower its own oom_score_adj: every sandbox would die
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
"""


def make_cgroups(place: Place) -> None:
    """kubelet's cgroupRoot, in every v1 hierarchy, before kubelet starts."""
    cgroup = cgroup_of(place)
    for hierarchy in sorted(HIERARCHIES.iterdir()):
        if hierarchy.name == "unified" or not (hierarchy / "cgroup.procs").exists():
            continue
        (hierarchy / cgroup).mkdir(exist_ok=True)
        if hierarchy.name == "cpuset":
            for part in ("cpuset.cpus", "cpuset.mems"):
                (hierarchy / cgroup / part).write_text((hierarchy / part).read_text())


def start_containerd(place: Place) -> None:
    """containerd, with images of the tests only: there is no registry."""
    place.write("/etc/containerd/config.toml", _CONTAINERD)
    place.run("mkdir", "-p", "/opt/cni/bin")
    place.run("sh", "-c", f"cp {PLUGINS}/* /opt/cni/bin/; rm -f /opt/cni/bin/flannel")
    _run_containerd(place)


def restart(place: Place, address: str) -> None:
    """containerd and kubelet, as systemctl restarts them: pods run on."""
    for name in ("kubelet", "containerd"):
        end(pid_of(place.name, name))
    _run_containerd(place)
    start_kubelet(place, address)


def _run_containerd(place: Place) -> None:
    start(place, "containerd", ["containerd"])

    def answers() -> bool:
        try:
            ctr(place, "version")
        except Failed:
            return False
        return True

    until(f"containerd on {place.name}", answers, 30)


def ctr(place: Place, *words: str | Path) -> str:
    """containerd's own client, in the namespace of Kubernetes."""
    return place.run("ctr", f"--address={SOCKET}", "--namespace=k8s.io", *words)


def start_kubelet(place: Place, address: str) -> None:
    """kubelet, which registers the node."""
    place.write("/etc/kubernetes/kubelet.json", json.dumps(_kubelet(cgroup_of(place)), indent=1))
    words: list[str | Path] = [
        programs() / "kubelet",
        "--config=/etc/kubernetes/kubelet.json",
        f"--kubeconfig={state() / place.name}.conf",
        f"--hostname-override={place.name}",
        f"--node-ip={address}",
        "--root-dir=/var/lib/kubelet",
        "--v=1",
    ]
    start(place, "kubelet", words)


def _kubelet(cgroup: str) -> dict[str, object]:
    """KubeletConfiguration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority().certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "enforceNodeAllocatable": [],
        "evictionHard": {"nodefs.available": "0%", "imagefs.available": "0%"},
        # this machine has cgroup v1 only; 1.35 refuses it unless told otherwise
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": False,
        "resolvConf": "",
        "syncFrequency": "10s",
    }


def start_proxy(place: Place, pods: str = PODS) -> None:
    """kube-proxy in iptables mode: flanneld reaches the API server by its Service."""
    config = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(state() / "proxy.conf")},
        "clusterCIDR": pods,
        # the machine's own limit of connections is not ours to set
        "conntrack": {"maxPerCore": 0, "min": 0},
        "hostnameOverride": place.name,
        "mode": "iptables",
    }
    place.write("/etc/kubernetes/proxy.json", json.dumps(config, indent=1))
    words: list[str | Path] = [programs() / "kube-proxy", "--config=/etc/kubernetes/proxy.json"]
    start(place, "kube-proxy", words)
