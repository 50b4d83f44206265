"""Pods' devices by the real CNI plugins, called as the flannel CNI plugin calls them."""

import json
import os
from collections.abc import Sequence
from typing import Any

from tracer.errors import NotSupported
from tracer.lab.flanneld import Vtep
from tracer.lab.plan import PlannedNode, PlannedPod
from tracer.lab.shape import Shape
from tracer.lab.shell import TOOL_PATH, run_in_node, write_in_node
from tracer.lab.topology import take_addresses_at_once

PLUGIN_DIRECTORIES = ("/opt/cni/bin", "/usr/lib/cni")
CONFLIST = "/etc/cni/net.d/10-flannel.conflist"
K3S_CONFLIST = "/var/lib/rancher/k3s/agent/etc/cni/net.d/10-flannel.conflist"
DELEGATES = "/var/lib/cni/flannel"
HOST_LOCAL = "/var/lib/cni/networks/cbr0"

CNI_CONF = {
    "name": "cbr0",
    "cniVersion": "0.3.1",
    "plugins": [
        {"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}
"""cni-conf.json of flannel's manifest (Documentation/kube-flannel.yml:71-90)."""

K3S_CNI_CONF = {
    "name": "cbr0",
    "cniVersion": "1.0.0",
    "plugins": [
        {
            "type": "flannel",
            "delegate": {"hairpinMode": True, "forceAddress": True, "isDefaultGateway": True},
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
        {"type": "bandwidth", "capabilities": {"bandwidth": True}},
    ],
}
"""k3s pkg/agent/flannel/setup.go."""


def cni_conf(shape: Shape) -> dict[str, Any]:
    """What stands in the node's CNI configuration."""
    return K3S_CNI_CONF if shape.k3s else CNI_CONF


def plugin(name: str) -> str:
    """The path of a reference plugin. Raises NotSupported that names the package."""
    for directory in PLUGIN_DIRECTORIES:
        path = f"{directory}/{name}"
        if os.access(path, os.X_OK):
            return path
    raise NotSupported(
        f"the CNI plugin {name} is not installed",
        where=" and ".join(PLUGIN_DIRECTORIES),
        hint="apt-get install containernetworking-plugins",
    )


def delegate(*vteps: Vtep, base: dict[str, Any] = CNI_CONF) -> str:
    """What the flannel plugin hands to `bridge` (cni-plugin flannel_linux.go:34-119)."""
    conf = {
        "cniVersion": base["cniVersion"],
        **base["plugins"][0]["delegate"],
        "ipMasq": False,
        "ipam": {
            "ranges": [[{"subnet": vtep.pod_cidr}] for vtep in vteps],
            "routes": [{"dst": vtep.backend.network} for vtep in vteps],
            "type": "host-local",
        },
        "isGateway": True,
        "mtu": vteps[0].mtu,
        "name": base["name"],
        "type": "bridge",
    }
    return json.dumps(dict(sorted(conf.items())), separators=(",", ":"))


def install_conf(node: PlannedNode) -> None:
    """What the init container install-cni does, or k3s itself."""
    conf = json.dumps(cni_conf(node.shape), indent=2) + "\n"
    write_in_node(node.name, K3S_CONFLIST if node.shape.k3s else CONFLIST, conf)


def add_pods(node: PlannedNode, *vteps: Vtep) -> None:
    """ADD every pod of a node, one after the other, as a kubelet would.

    Raises CollectFailed with the plugin's own words, or when it gave another address.
    """
    for pod in node.pods:
        add_pod(node, pod, vteps)


def add_pod(node: PlannedNode, pod: PlannedPod, vteps: Sequence[Vtep]) -> None:
    """ADD one pod. Errors as `add_pods`."""
    plugin("host-local")
    conf = delegate(*vteps, base=cni_conf(node.shape))
    if 6 in node.shape.families:
        take_addresses_at_once(pod.name)
    text = '{"cniVersion":"0.3.1","name":"cni-loopback","type":"loopback"}'
    loopback = {**_environ(pod, "ADD"), "CNI_IFNAME": "lo"}
    run_in_node(node.name, [plugin("loopback")], text=text, environ=loopback)
    write_in_node(node.name, f"{DELEGATES}/{pod.container_id}", conf, mode="0600")
    environ = _environ(pod, "ADD")
    result = json.loads(run_in_node(node.name, [plugin("bridge")], text=conf, environ=environ))
    given = tuple(each["address"].split("/")[0] for each in result["ips"])
    if given != pod.ips:
        raise NotSupported(
            f"host-local gave {', '.join(given)} to {pod.name}, and the lab expects"
            f" {', '.join(pod.ips)}",
            where=f"{node.name}: {HOST_LOCAL}",
            hint="flantrace lab down, then flantrace lab up",
        )


def delete_pod(node: PlannedNode, pod: PlannedPod, vteps: Sequence[Vtep]) -> None:
    """DEL one pod. Its namespace stays. Raises CollectFailed with the plugin's own words."""
    conf = delegate(*vteps, base=cni_conf(node.shape))
    run_in_node(node.name, [plugin("bridge")], text=conf, environ=_environ(pod, "DEL"))
    run_in_node(node.name, ["rm", "-f", f"{DELEGATES}/{pod.container_id}"])


def forget_reservations(node: PlannedNode) -> None:
    """Have host-local begin with the first address again, instead of after the last one given."""
    run_in_node(node.name, ["sh", "-c", f"rm -f {HOST_LOCAL}/last_reserved_ip.*"])


def _environ(pod: PlannedPod, command: str) -> dict[str, str]:
    return {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": pod.container_id,
        "CNI_NETNS": f"/var/run/netns/{pod.netns}",
        "CNI_IFNAME": "eth0",
        "CNI_PATH": ":".join(PLUGIN_DIRECTORIES),
        "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;"
        f"K8S_POD_NAME={pod.name};K8S_POD_INFRA_CONTAINER_ID={pod.container_id}",
        "PATH": TOOL_PATH,
    }
