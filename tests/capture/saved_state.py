"""A state folder as the script of the how-to leaves it, made from the builders' example nodes."""

import json
from pathlib import Path
from typing import Any

from tests.builders import cluster, state
from tracer.model.cluster import Node, Pod
from tracer.model.state import Link, NodeState

STATES = {"permanent": "permanent", "reachable": ""}


def _link(link: Link, names: dict[int | None, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ifindex": link.ifindex,
        "ifname": link.ifname,
        "flags": (["UP"] if link.up else []) + (["LOWER_UP"] if link.carrier else []),
        "mtu": link.mtu,
        "address": link.mac,
        "stats64": {"rx": {"packets": 0}, "tx": {"packets": 0}},
    }
    if link.master is not None:
        found["master"] = names[link.master]
    if link.kind is not None:
        found["linkinfo"] = {"info_kind": link.kind}
    if link.vxlan is not None:
        found["linkinfo"]["info_data"] = {
            "id": link.vxlan.vni,
            "local": link.vxlan.local,
            "port": link.vxlan.port,
            "link": names[link.vxlan.underlay_ifindex],
            "learning": link.vxlan.learning,
        }
    return found


def write_node(folder: Path, node: str, found: NodeState | None = None) -> None:
    """The files of one node."""
    one = found or state(node)
    place = folder / node
    place.mkdir(parents=True)
    names: dict[int | None, str] = {link.ifindex: link.ifname for link in one.links}
    pods = {pod.ip: pod for pod in one.pods}
    texts: dict[str, Any] = {
        "link.json": [_link(link, names) for link in one.links],
        "addr.json": [
            {
                "ifindex": a.ifindex,
                "addr_info": [{"local": a.ip, "prefixlen": a.prefix_length, "scope": a.scope}],
            }
            for a in one.addresses
        ],
        "route4.json": [
            {
                "dst": r.destination,
                "gateway": r.gateway,
                "dev": names[r.ifindex],
                "flags": ["onlink"] if r.onlink else [],
                "table": str(r.table),
                "type": {"unicast": "1", "local": "2"}[r.kind],
                "scope": {"global": "0", "link": "253", "host": "254"}[r.scope],
                "protocol": str(r.protocol),
            }
            for r in one.routes
        ],
        "rule4.json": [{"priority": 32766, "src": "all", "table": "254"}],
        "neigh.json": [
            {"dst": n.ip, "dev": names[n.ifindex], "lladdr": n.mac, "state": [n.state]}
            for n in one.neighbours
        ],
        "fdb.json": [
            *(
                {"mac": f.mac, "ifname": names[f.ifindex], "dst": f.dst, "flags": ["self"],
                 "state": f.state}
                for f in one.fdb
            ),
            *(
                {"mac": pod.mac, "ifname": names[pod.host_ifindex], "flags": [], "state": "",
                 "master": "cni0"}
                for pod in pods.values()
            ),
        ],
    }  # fmt: skip
    for name, value in texts.items():
        (place / name).write_text(json.dumps(value))
    (place / "about").write_text(f"2026-11-23T03:12:07Z\n{node} {one.kernel} x86_64\n")
    (place / "sysctl").write_text("".join(f"{k} = {v}\n" for k, v in one.sysctls.items()))
    number = 1 if node == "node-a" else 2
    (place / "subnet.env").write_text(
        f"FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.{number}.1/24\n"
    )


def _node(node: Node) -> dict[str, Any]:
    return {
        "metadata": {"name": node.name, "annotations": dict(node.annotations) | {"secret": "x"}},
        "spec": {"podCIDRs": list(node.pod_cidrs)},
        "status": {"addresses": [{"type": "InternalIP", "address": node.internal_ips[0]}]},
    }


def _pod(pod: Pod) -> dict[str, Any]:
    return {
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "spec": {"nodeName": pod.node, "containers": [{"env": [{"name": "PASSWORD"}]}]},
        "status": {"phase": "Running", "podIPs": [{"ip": ip} for ip in pod.ips]},
    }


def write_cluster(folder: Path, nodes: dict[str, Node] | None = None) -> None:
    """The files of kubectl."""
    found = cluster(nodes=nodes)
    flannel = [
        {
            "metadata": {
                "name": one.name,
                "namespace": one.namespace,
                "labels": {"app": "flannel"},
            },
            "spec": {"nodeName": one.node},
            "status": {"startTime": one.started},
        }
        for one in found.flannel_pods
    ]
    assert found.net_conf is not None
    conf = {
        "metadata": {"name": "kube-flannel-cfg", "namespace": "kube-flannel"},
        "data": {"net-conf.json": found.net_conf.text, "cni-conf.json": "{}"},
    }
    texts = {
        "nodes.json": {"kind": "List", "items": [_node(node) for node in found.nodes]},
        "pods.json": {"items": [_pod(pod) for pod in found.pods] + flannel},
        "configmaps.json": conf,
    }
    for name, value in texts.items():
        (folder / name).write_text(json.dumps(value))


def write_all(folder: Path, *states: NodeState, nodes: dict[str, Node] | None = None) -> Path:
    """A healthy cluster; `states` and `nodes` replace those of their names."""
    changed = {one.node: one for one in states}
    for node in ("node-a", "node-b"):
        write_node(folder, node, changed.get(node))
    write_cluster(folder, nodes)
    return folder
