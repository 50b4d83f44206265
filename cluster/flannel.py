"""flannel as its users install it: its own manifest, with the images that were built here."""

import json
from collections.abc import Mapping

import yaml

from cluster.build import manifest
from cluster.images import FLANNEL_IMAGE

CNI_VERSION = "0.3.1"
"""The newest CNI plugin of flannel that can be had as a Go module (containernetworking/plugins
0.9.1, from before it got a repository of its own) speaks no 1.0.0; the manifest said 0.3.1 for
years.
"""


def objects(net_conf: Mapping[str, object] | None = None) -> list[dict[str, object]]:
    """Everything of kube-flannel.yml. `net_conf`: what differs from its net-conf.json."""
    found: list[dict[str, object]] = list(yaml.safe_load_all(manifest().read_text()))
    for one in found:
        if one["kind"] == "ConfigMap":
            _configure(one, net_conf or {})
        if one["kind"] == "DaemonSet":
            _with_own_images(one)
            _asked_often(one)
    return found


def _configure(config_map: dict[str, object], net_conf: Mapping[str, object]) -> None:
    data = config_map["data"]
    assert isinstance(data, dict)
    conf = json.loads(data["cni-conf.json"])
    conf["cniVersion"] = CNI_VERSION
    data["cni-conf.json"] = json.dumps(conf, indent=2) + "\n"
    data["net-conf.json"] = (
        json.dumps({**json.loads(data["net-conf.json"]), **net_conf}, indent=2) + "\n"
    )


def _with_own_images(daemon_set: object) -> None:
    spec = daemon_set["spec"]["template"]["spec"]  # type: ignore[index]
    for container in (*spec["initContainers"], *spec["containers"]):
        container["image"] = FLANNEL_IMAGE
        container["imagePullPolicy"] = "Never"


def _asked_often(daemon_set: object) -> None:
    """The kubelet asks every second whether flannel is ready: tests restart it many times."""
    spec = daemon_set["spec"]["template"]["spec"]  # type: ignore[index]
    for container in spec["containers"]:
        container["readinessProbe"] |= {"initialDelaySeconds": 0, "periodSeconds": 1}
