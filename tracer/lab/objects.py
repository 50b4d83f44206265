"""The API's objects as kubeadm, kubelet and flannel's manifest (v0.28.9) would have made them."""

import json
import os
from typing import Any

from tracer.lab.cni import cni_conf
from tracer.lab.flanneld import annotation
from tracer.lab.plan import PlannedNode, PlannedPod
from tracer.lab.shape import PLAIN, Shape

Object = dict[str, Any]

FLANNEL_IMAGE = "ghcr.io/flannel-io/flannel:v0.28.9"
KUBELET = "v1.32.0"
FLANNEL_LABELS = {"tier": "node", "app": "flannel", "k8s-app": "flannel"}


def flannel_args(shape: Shape) -> list[str]:
    """As in the manifest, with --iface: most of the lab's nodes have no default route to go by."""
    args = ["--ip-masq", "--kube-subnet-mgr", "--healthz-port=8081", f"--iface={shape.uplink}"]
    if shape.prefix != PLAIN.prefix:
        args.append(f"--kube-annotation-prefix={shape.prefix}")
    return args


def namespaces(shape: Shape) -> list[Object]:
    """The namespaces of a cluster."""
    flannel = () if shape.k3s else ("kube-flannel",)
    names = ("default", *flannel, "kube-node-lease", "kube-public", "kube-system")
    return [
        _object("v1", "Namespace", name, labels={"kubernetes.io/metadata.name": name})
        | {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
        for name in names
    ]


def _object(
    version: str, kind: str, name: str, namespace: str = "", labels: dict[str, str] | None = None
) -> Object:
    meta: Object = {"name": name}
    if namespace:
        meta["namespace"] = namespace
    if labels:
        meta["labels"] = labels
    return {"apiVersion": version, "kind": kind, "metadata": meta}


def node(planned: PlannedNode, now: str) -> Object:
    """A Node as the kubelet registers it and the controller manager completes it.

    No annotation of flannel's yet but the administrator's own: the others are flanneld's to write.
    """
    shape = planned.shape
    labels = {
        "kubernetes.io/arch": architecture(),
        "kubernetes.io/hostname": planned.name,
        "kubernetes.io/os": "linux",
    }
    if planned.number == 1:
        labels["node-role.kubernetes.io/control-plane"] = ""
    if shape.k3s:
        labels["node.kubernetes.io/instance-type"] = "k3s"
    made = _object("v1", "Node", planned.name, labels=labels)
    if shape.natted:
        overwrite = annotation(shape.prefix, "public-ip-overwrite")
        made["metadata"]["annotations"] = {overwrite: planned.stand().public_ip}
    cidrs = [stand.pod_cidr for stand in planned.stands]
    amount = {"cpu": "2", "memory": "4030000Ki", "pods": "110"}
    return made | {
        "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs},
        "status": {
            "addresses": [
                *({"type": "InternalIP", "address": stand.address} for stand in planned.stands),
                {"type": "Hostname", "address": planned.name},
            ],
            "capacity": amount,
            "allocatable": amount,
            "conditions": [
                _condition("NetworkUnavailable", "False", "FlannelIsUp", now),
                _condition("Ready", "True", "KubeletReady", now),
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "images": [],
            "nodeInfo": _node_info(planned),
        },
    }


def architecture() -> str:
    """This machine's, in Go's words."""
    machine = os.uname().machine
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _node_info(planned: PlannedNode) -> Object:
    identity = planned.vtep_mac.replace(":", "") * 3
    version = f"{KUBELET}+k3s1" if planned.shape.k3s else KUBELET
    return {
        "architecture": architecture(),
        "bootID": identity[:32],
        "containerRuntimeVersion": "containerd://1.7.24",
        "kernelVersion": os.uname().release,
        "kubeProxyVersion": version,
        "kubeletVersion": version,
        "machineID": identity[:32],
        "operatingSystem": "linux",
        "osImage": "flantrace lab",
        "systemUUID": identity[:32],
    }


def _condition(kind: str, value: str, reason: str, now: str) -> Object:
    return {
        "type": kind,
        "status": value,
        "reason": reason,
        "message": "",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }


def lease(planned: PlannedNode, now: str) -> Object:
    """The kubelet's heartbeat."""
    made = _object("coordination.k8s.io/v1", "Lease", planned.name, "kube-node-lease")
    fresh = now.replace("Z", ".000000Z")
    spec = {"holderIdentity": planned.name, "leaseDurationSeconds": 40, "renewTime": fresh}
    return made | {"spec": spec}


def flannel_config(shape: Shape) -> Object:
    """ConfigMap kube-flannel/kube-flannel-cfg."""
    made = _object("v1", "ConfigMap", "kube-flannel-cfg", "kube-flannel", FLANNEL_LABELS)
    return made | {
        "data": {
            "cni-conf.json": json.dumps(cni_conf(shape), indent=2) + "\n",
            "net-conf.json": json.dumps(shape.net_conf, indent=2) + "\n",
        }
    }


def _flannel_spec(shape: Shape) -> Object:
    return {
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "serviceAccountName": "flannel",
        "tolerations": [{"operator": "Exists", "effect": "NoSchedule"}],
        "containers": [
            {
                "name": "kube-flannel",
                "image": FLANNEL_IMAGE,
                "command": ["/opt/bin/flanneld"],
                "args": flannel_args(shape),
                "env": [{"name": "EVENT_QUEUE_DEPTH", "value": "5000"}],
                "resources": {"requests": {"cpu": "100m", "memory": "50Mi"}},
            }
        ],
    }


def flannel_daemonset(nodes: int, shape: Shape) -> Object:
    """DaemonSet kube-flannel/kube-flannel-ds."""
    made = _object("apps/v1", "DaemonSet", "kube-flannel-ds", "kube-flannel", FLANNEL_LABELS)
    counts = ("desired", "current", "updated")
    numbers = {f"{each}NumberScheduled": nodes for each in counts}
    return made | {
        "spec": {
            "selector": {"matchLabels": {"app": "flannel"}},
            "template": {
                "metadata": {"labels": {"tier": "node", "app": "flannel"}},
                "spec": _flannel_spec(shape),
            },
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
        },
        "status": {
            **numbers,
            "numberAvailable": nodes,
            "numberMisscheduled": 0,
            "numberReady": nodes,
            "observedGeneration": 1,
        },
    }


def flannel_pod(planned: PlannedNode, now: str) -> Object:
    """The DaemonSet's pod on a node."""
    suffix = planned.vtep_mac.replace(":", "")[-5:]
    labels = {"tier": "node", "app": "flannel", "controller-revision-hash": "6f7d8c9b5"}
    made = _object("v1", "Pod", f"kube-flannel-ds-{suffix}", "kube-flannel", labels)
    made["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "name": "kube-flannel-ds",
            "uid": "00000000-0000-0000-0000-000000000000",
            "controller": True,
        }
    ]
    spec = _flannel_spec(planned.shape) | {"nodeName": planned.name}
    return made | {"spec": spec, "status": _running(spec, planned, _addresses(planned), now)}


def controller_manager(planned: PlannedNode, now: str) -> Object:
    """The static pod that gives every Node its podCIDR."""
    labels = {"component": "kube-controller-manager", "tier": "control-plane"}
    name = f"kube-controller-manager-{planned.name}"
    made = _object("v1", "Pod", name, "kube-system", labels)
    spec = {
        "nodeName": planned.name,
        "hostNetwork": True,
        "containers": [
            {
                "name": "kube-controller-manager",
                "image": f"registry.k8s.io/kube-controller-manager:{KUBELET}",
                "command": [
                    "kube-controller-manager",
                    "--allocate-node-cidrs=true",
                    f"--cluster-cidr={','.join(planned.shape.networks)}",
                    "--leader-elect=true",
                ],
            }
        ],
    }
    return made | {"spec": spec, "status": _running(spec, planned, _addresses(planned), now)}


def pod(planned: PlannedPod, on: PlannedNode, now: str) -> Object:
    """A pod with its own network namespace."""
    made = _object("v1", "Pod", planned.name, "default", {"app": "lab"})
    spec = {"nodeName": on.name, "containers": [_container()]}
    status = _running(spec, on, planned.ips, now)
    status["containerStatuses"][0]["containerID"] = f"containerd://{planned.container_id}"
    return made | {"spec": spec, "status": status}


def host_pod(on: PlannedNode, now: str) -> Object:
    """A pod in its node's network namespace."""
    made = _object("v1", "Pod", on.name.replace("node-", "host-"), "default", {"app": "lab"})
    spec = {"nodeName": on.name, "hostNetwork": True, "containers": [_container()]}
    return made | {"spec": spec, "status": _running(spec, on, _addresses(on), now)}


def pending_pod() -> Object:
    """A pod that no node has taken: it has no address."""
    made = _object("v1", "Pod", "pod-pending", "default", {"app": "lab"})
    return made | {"spec": {"containers": [_container()]}, "status": {"phase": "Pending"}}


def _container() -> Object:
    return {"name": "main", "image": "lab", "resources": {}}


def _addresses(on: PlannedNode) -> tuple[str, ...]:
    """Of a pod on its node's own network."""
    return tuple(stand.address for stand in on.stands)


def _running(spec: Object, on: PlannedNode, addresses: tuple[str, ...], now: str) -> Object:
    return {
        "phase": "Running",
        "hostIP": on.address,
        "podIP": addresses[0],
        "podIPs": [{"ip": address} for address in addresses],
        "startTime": now,
        "conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": now, "lastProbeTime": None}
        ],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            }
            for container in spec["containers"]
        ],
    }
