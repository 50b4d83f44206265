"""Pods' devices by the real CNI plugins, called as the flannel CNI plugin calls them."""

import json
import os

from tracer.errors import NotSupported
from tracer.lab.flanneld import Vtep
from tracer.lab.plan import PlannedNode, PlannedPod
from tracer.lab.shell import TOOL_PATH, run_in_node, write_in_node

PLUGIN_DIRECTORIES = ("/opt/cni/bin", "/usr/lib/cni")
CONFLIST = "/etc/cni/net.d/10-flannel.conflist"
DELEGATES = "/var/lib/cni/flannel"

CNI_CONF = {
    "name": "cbr0",
    "cniVersion": "0.3.1",
    "plugins": [
        {"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}
"""cni-conf.json of flannel's manifest (Documentation/kube-flannel.yml:71-90)."""


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


def delegate(vtep: Vtep) -> str:
    """What the flannel plugin hands to `bridge` (cni-plugin flannel_linux.go:34-119)."""
    conf = {
        "cniVersion": CNI_CONF["cniVersion"],
        "hairpinMode": True,
        "ipMasq": False,
        "ipam": {
            "ranges": [[{"subnet": vtep.pod_cidr}]],
            "routes": [{"dst": vtep.backend.network}],
            "type": "host-local",
        },
        "isDefaultGateway": True,
        "isGateway": True,
        "mtu": vtep.mtu,
        "name": CNI_CONF["name"],
        "type": "bridge",
    }
    return json.dumps(conf, separators=(",", ":"))


def install_conf(node: str) -> None:
    """What the init container install-cni does."""
    write_in_node(node, CONFLIST, json.dumps(CNI_CONF, indent=2) + "\n")


def add_pods(node: PlannedNode, vtep: Vtep) -> None:
    """ADD every pod of a node, one after the other, as a kubelet would.

    Raises CollectFailed with the plugin's own words, or when it gave another address.
    """
    for pod in node.pods:
        _add_pod(node, pod, delegate(vtep))


def _add_pod(node: PlannedNode, pod: PlannedPod, conf: str) -> None:
    bridge = plugin("bridge")
    plugin("host-local")
    environ = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": pod.container_id,
        "CNI_NETNS": f"/var/run/netns/{pod.netns}",
        "CNI_IFNAME": "eth0",
        "CNI_PATH": ":".join(PLUGIN_DIRECTORIES),
        "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;"
        f"K8S_POD_NAME={pod.name};K8S_POD_INFRA_CONTAINER_ID={pod.container_id}",
        "PATH": TOOL_PATH,
    }
    loopback = {**environ, "CNI_IFNAME": "lo"}
    text = '{"cniVersion":"0.3.1","name":"cni-loopback","type":"loopback"}'
    run_in_node(node.name, [plugin("loopback")], text=text, environ=loopback)
    write_in_node(node.name, f"{DELEGATES}/{pod.container_id}", conf, mode="0600")
    result = json.loads(run_in_node(node.name, [bridge], text=conf, environ=environ))
    given = result["ips"][0]["address"].split("/")[0]
    if given != pod.ip:
        raise NotSupported(
            f"host-local gave {given} to {pod.name}, and the lab expects {pod.ip}",
            where=f"{node.name}: /var/lib/cni/networks/cbr0",
            hint="flantrace lab down, then flantrace lab up",
        )
