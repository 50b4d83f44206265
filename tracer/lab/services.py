"""A Service of two pods, and what kube-proxy (iptables mode) writes for it on every node."""

import base64
import hashlib
from typing import Any

from tracer.lab.plan import PlannedNode, PlannedPod
from tracer.lab.shape import Shape
from tracer.lab.shell import run_in_node

Object = dict[str, Any]

NAME = "web"
PORT_NAME = "http"
CLUSTER_IP = "10.96.0.80"
"""Of kubeadm's default --service-cluster-ip-range."""
PORT, TARGET_PORT = 80, 8080
_PORT = {"name": PORT_NAME, "protocol": "TCP"}


def backends(plan: tuple[PlannedNode, ...]) -> tuple[PlannedPod, ...]:
    """The pods behind the Service: those of the second and the third node."""
    return tuple(node.pods[0] for node in plan[1:3])


def objects(plan: tuple[PlannedNode, ...]) -> list[Object]:
    """The Service, and its endpoints in the new form and in the old."""
    pods = backends(plan)
    return [_service(), _slice(pods), _endpoints(pods)]


def _meta(name: str = NAME) -> Object:
    return {"name": name, "namespace": "default"}


def _service() -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta(),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": CLUSTER_IP,
            "clusterIPs": [CLUSTER_IP],
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "selector": {"app": "lab"},
            "ports": [{**_PORT, "port": PORT, "targetPort": TARGET_PORT}],
        },
        "status": {"loadBalancer": {}},
    }


def _slice(pods: tuple[PlannedPod, ...]) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": _meta(f"{NAME}-x7k2p") | {"labels": {"kubernetes.io/service-name": NAME}},
        "addressType": "IPv4",
        "ports": [{**_PORT, "port": TARGET_PORT}],
        "endpoints": [
            {
                "addresses": [pod.ip],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": pod.node,
                "targetRef": _reference(pod),
            }
            for pod in pods
        ],
    }


def _endpoints(pods: tuple[PlannedPod, ...]) -> Object:
    addresses = [{"ip": pod.ip, "nodeName": pod.node, "targetRef": _reference(pod)} for pod in pods]
    ports = [{**_PORT, "port": TARGET_PORT}]
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": _meta(),
        "subsets": [{"addresses": addresses, "ports": ports}],
    }


def _reference(pod: PlannedPod) -> Object:
    return {"kind": "Pod", "namespace": "default", "name": pod.name}


def install(node: str, shape: Shape, plan: tuple[PlannedNode, ...]) -> None:
    """Write the rules on a node. kube-proxy inserts its jumps before all others."""
    text = filter_rules() + nat_rules(shape.network, backends(plan))
    run_in_node(node, ["iptables-restore", "-w", "--noflush"], text=text)


def filter_rules() -> str:
    """pkg/proxy/iptables/proxier.go, the part that is there without any node port."""
    said = "-m comment --comment"
    return f"""*filter
:KUBE-FORWARD - [0:0]
-I FORWARD {said} "kubernetes forwarding rules" -j KUBE-FORWARD
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD {said} "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD {said} "kubernetes forwarding conntrack rule" \
-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
"""


def nat_rules(network: str, pods: tuple[PlannedPod, ...]) -> str:
    """The Service's chain, one chain for each of its endpoints, and who gets masqueraded."""
    port = f"default/{NAME}:{PORT_NAME}"
    service = f"KUBE-SVC-{hashed(port, 'tcp')}"
    ends = {pod.ip: f"KUBE-SEP-{hashed(port, 'tcp', f'{pod.ip}:{TARGET_PORT}')}" for pod in pods}
    hit = f'"{port} cluster IP" -m tcp -p tcp -d {CLUSTER_IP}/32 --dport {PORT}'
    said = "-m comment --comment"
    chains = ("KUBE-SERVICES", "KUBE-POSTROUTING", "KUBE-MARK-MASQ", service, *ends.values())
    lines = ["*nat", *(f":{chain} - [0:0]" for chain in chains)]
    lines += [
        f'-I PREROUTING {said} "kubernetes service portals" -j KUBE-SERVICES',
        f'-I OUTPUT {said} "kubernetes service portals" -j KUBE-SERVICES',
        f'-I POSTROUTING {said} "kubernetes postrouting rules" -j KUBE-POSTROUTING',
        "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000",
        "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
        "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000",
        f'-A KUBE-POSTROUTING {said} "kubernetes service traffic requiring SNAT"'
        " -j MASQUERADE --random-fully",
        f"-A KUBE-SERVICES {said} {hit} -j {service}",
        f"-A {service} {said} {hit} ! -s {network} -j KUBE-MARK-MASQ",
    ]
    for number, (ip, chain) in enumerate(ends.items()):
        left = len(ends) - number
        dice = f" -m statistic --mode random --probability {1 / left:.10f}" if left > 1 else ""
        lines.append(f'-A {service} {said} "{port} -> {ip}:{TARGET_PORT}"{dice} -j {chain}')
    for ip, chain in ends.items():
        lines += [
            f'-A {chain} {said} "{port}" -s {ip}/32 -j KUBE-MARK-MASQ',
            f'-A {chain} {said} "{port}" -m tcp -p tcp -j DNAT --to-destination {ip}:{TARGET_PORT}',
        ]
    return "\n".join([*lines, "COMMIT", ""])


def hashed(*words: str) -> str:
    """16 letters of a chain's name (proxier.go, portProtoHash, servicePortEndpointChainName)."""
    digest = hashlib.sha256("".join(words).encode()).digest()
    return base64.b32encode(digest).decode()[:16]
