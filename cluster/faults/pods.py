"""Faults at a pod's edge: bridge, veth, addresses, CNI."""

from cluster.faults.fault import Fault
from cluster.setup import PODS, Cluster


def _veth_of(cluster: Cluster, pod: str, node: str) -> str:
    """The host's end of a pod's veth."""
    index = cluster.kubectl("exec", pod, "--", "cat", "/sys/class/net/eth0/iflink").strip()
    for line in cluster.places[node].run("ip", "-o", "link").splitlines():
        if line.startswith(f"{index}: "):
            return line.split()[1].partition("@")[0]
    raise AssertionError(f"no device {index} on {node}")


def _detached(cluster: Cluster) -> None:
    veth = _veth_of(cluster, "web-b", "node-b")
    cluster.places["node-b"].run("ip", "link", "set", veth, "nomaster")


def _down(cluster: Cluster) -> None:
    veth = _veth_of(cluster, "web-b", "node-b")
    cluster.places["node-b"].run("ip", "link", "set", veth, "down")


def pods_anew(cluster: Cluster) -> None:
    """Every pod of the tests deleted and made again, with a network of its own made anew."""
    cluster.kubectl("delete", "pod", *PODS, "--wait")
    cluster.make_pods()


FAULTS = (
    Fault(name="veth-detached", slug="veth-detached", inject=_detached),
    Fault(name="veth-down", slug="veth-down", inject=_down),
)
