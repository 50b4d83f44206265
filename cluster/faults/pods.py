"""Faults at a pod's edge: bridge, veth, addresses, CNI."""

import json
from pathlib import Path

from cluster.faults.fault import Act, Fault, on
from cluster.faults.tables import lease
from cluster.setup import PODS, Cluster, pod


def _veth_of(cluster: Cluster, name: str, node: str) -> str:
    """The host's end of a pod's veth."""
    index = cluster.kubectl("exec", name, "--", "cat", "/sys/class/net/eth0/iflink").strip()
    for line in cluster.places[node].run("ip", "-o", "link").splitlines():
        if line.startswith(f"{index}: "):
            return line.split()[1].partition("@")[0]
    raise AssertionError(f"no device {index} on {node}")


def _veth_set(word: str) -> Act:
    """`ip link set` of the host's end of web-b's veth."""

    def act(cluster: Cluster) -> None:
        veth = _veth_of(cluster, "web-b", "node-b")
        cluster.places["node-b"].run("ip", "link", "set", veth, word)

    return act


def pods_anew(cluster: Cluster) -> None:
    """Every pod of the tests deleted and made again, with a network of its own made anew."""
    cluster.kubectl("delete", "pod", *PODS, "--ignore-not-found", "--wait")
    cluster.make_pods()


def _inside(cluster: Cluster, name: str, node: str) -> list[str]:
    """What enters the network namespace of a pod, on its node."""
    uid = cluster.get("pod", name)["metadata"]["uid"]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"pod{uid}" in (process / "cgroup").read_text():
                return ["nsenter", f"--target={process.name}", "--net", "--"]
        except OSError:
            continue
    raise AssertionError(f"no process of {name} on {node}")


def _without_routes(cluster: Cluster) -> None:
    inside = _inside(cluster, "web-a", "node-a")
    cluster.places["node-a"].run(*inside, "ip", "route", "flush", "table", "main")


_OTHER = {
    "cniVersion": "0.3.1",
    "name": "other",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "other0",
            "isGateway": True,
            "ipMasq": True,
            "ipam": {
                "type": "host-local",
                "subnet": "10.88.0.0/16",
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
}
_OTHER_FILE = "/etc/cni/net.d/05-other.conflist"


def _other_cni(cluster: Cluster) -> None:
    """A leftover of another CNI comes first by its name, and takes the next pod."""
    cluster.places["node-b"].write(_OTHER_FILE, json.dumps(_OTHER))
    pod_anew(cluster, "web-b")


def _without_other_cni(cluster: Cluster) -> None:
    cluster.places["node-b"].run("rm", "-f", _OTHER_FILE)
    pod_anew(cluster, "web-b")
    cluster.places["node-b"].run("sh", "-c", "ip link del other0; true")


def pod_anew(cluster: Cluster, name: str) -> None:
    """One pod deleted and made again."""
    cluster.kubectl("delete", "pod", name, "--ignore-not-found", "--wait")
    cluster.make_pods()


def _bridge_removed(cluster: Cluster) -> None:
    """As in the story that flantrace comes from; then a new pod makes the bridge again."""
    cluster.places["node-b"].run("ip", "link", "del", "cni0")
    pod_anew(cluster, "db-b")


_RESERVED = "/var/lib/cni/networks/cbr0"


def _exhausted(cluster: Cluster) -> None:
    """Every address of node-b is reserved for a container that is gone."""
    first, _, _ = lease(cluster, "node-b")
    net = first.rpartition(".")[0]
    script = (
        f"for i in $(seq 2 254); do [ -e {_RESERVED}/{net}.$i ] ||"
        f" printf 'gone\r\neth0' > {_RESERVED}/{net}.$i; done"
    )
    cluster.places["node-b"].run("sh", "-c", script)
    cluster.apply([pod("late-b", "node-b")])


def _room_again(cluster: Cluster) -> None:
    cluster.kubectl("delete", "pod", "late-b", "--ignore-not-found", "--force")
    cluster.places["node-b"].run("sh", "-c", f"grep -l '^gone' {_RESERVED}/* | xargs -r rm -f")


FAULTS = (
    Fault(name="veth-detached", slug="veth-detached", inject=_veth_set("nomaster")),
    Fault(name="veth-down", slug="veth-down", inject=_veth_set("down")),
    Fault(
        name="pod-route-missing",
        slug="pod-route-missing",
        inject=_without_routes,
        after=Cluster.make_pods,
        heal=pods_anew,
    ),
    Fault(
        name="other-cni-config",
        slug="other-cni-config",
        inject=_other_cni,
        after=Cluster.make_pods,
        heal=_without_other_cni,
    ),
    Fault(name="cni0-removed", slug="veth-detached", inject=_bridge_removed, heal=pods_anew),
    Fault(
        name="cni0-down", slug="cni0-down", inject=on("node-b", "ip", "link", "set", "cni0", "down")
    ),
    Fault(name="cni0-no-ip", slug="cni0-no-ip", inject=on("node-b", "ip", "addr", "flush", "cni0")),
    Fault(
        name="hostlocal-exhausted",
        slug="hostlocal-exhausted",
        inject=_exhausted,
        obey=False,  # its command asks crictl, which no Debian package holds
        heal=_room_again,
    ),
)
