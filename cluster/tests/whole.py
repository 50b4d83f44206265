"""Everything of the cluster that a fault or its fix could leave behind, as lines to compare.

What every run has anew is left out or named by its owner: pods' veths and addresses, MACs that
flanneld draws, which node got which pod CIDR.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cluster.paths import state
from cluster.setup import NODES, Cluster
from tests import state_lines

PLAIN = ("mtu", "address", "master", "link", "txqlen")
DEVICES = ("flannel.1", "cni0")
"""Their MACs are drawn by lot."""
FLANNEL = "flannel.alpha.coreos.com/"
_SYSCTLS = "net/ipv4/conf net/ipv4/ip_forward net/bridge/bridge-nf-call-iptables"
_NODE = (
    f"{state_lines.asked('ip', 'bridge')}; echo; echo ---;"
    f" cd /proc/sys; grep -r . {_SYSCTLS}; echo ---;"
    " iptables-save; echo ---; ip6tables-save; echo ---;"
    f" {state_lines.NFT_TABLES}; echo ---;"
    " ls /var/lib/cni/networks/cbr0; echo ---; cat /run/flannel/subnet.env"
)


Lines = dict[str, str]
"""Line -> the same line with what was drawn by lot as it is."""


def whole(cluster: Cluster) -> Lines:
    """The lines, sorted."""
    objects = cluster.get("nodes,pods,services")["items"]
    with ThreadPoolExecutor() as pool:
        printed = dict(zip(NODES, pool.map(lambda node: _asked(cluster, node), NODES), strict=True))
    lines = [f"underlay: {line}" for line in _underlay(cluster)]
    names = _subnets(objects)
    for node, parts in printed.items():
        kernel = state_lines.answers("---\n".join(parts[:7]))
        names |= _macs(node, kernel[0])
        lines += [f"{node}: {line}" for line in (*_node(kernel, parts[7:], objects), *_files(node))]
    lines += _api(objects, cluster.get("-n", "kube-flannel", "configmaps,daemonsets")["items"])
    named = {_named(line, names): line for line in lines}
    return dict(sorted(named.items()))


def _named(line: str, names: Mapping[str, str]) -> str:
    for drawn, name in names.items():
        line = re.sub(drawn, name, line)
    return line


def _asked(cluster: Cluster, node: str) -> list[str]:
    return cluster.places[node].run("sh", "-c", _NODE).split("---\n")


def _macs(node: str, links: Iterable[dict[str, Any]]) -> dict[str, str]:
    return {
        link["address"]: f"<MAC of {link['ifname']} of {node}>"
        for link in links
        if link["ifname"] in DEVICES
    }


def _subnets(objects: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The first three bytes of each node's pod CIDR."""
    cidrs = {
        one["metadata"]["name"]: one["spec"].get("podCIDR", "")
        for one in objects
        if one["kind"] == "Node"
    }
    return {
        # The first node's begins as the whole network does.
        re.escape(cidr.rpartition(".")[0]) + r"\.(?!0/16)": f"<{node}'s pods>."
        for node, cidr in cidrs.items()
        if cidr
    }


def _node(kernel: list[Any], parts: list[str], objects: list[dict[str, Any]]) -> Iterator[str]:
    sysctls, rules, rules6, tables, reserved, subnet_env = (part.splitlines() for part in parts)
    veths = 0
    for line in state_lines.kernel(kernel, PLAIN):
        name = re.match(r"link (veth\w+) (\w+)", line)
        if name is None:
            yield line
        elif name[2] != "address":
            veths += name[2] == "mtu"
            yield line.replace(name[1], "veth")
    yield f"veths = {veths}"
    yield from state_lines.sysctls([line for line in sysctls if "/veth" not in line])
    for tool, printed in (("iptables", rules), ("ip6tables", rules6)):
        # an empty chain that accepts is there or not: whoever looks at a table makes it
        yield from (
            line
            for line in state_lines.iptables(tool, printed)
            if not line.endswith((" ACCEPT", " -")) or " -A " in line
        )
    yield from state_lines.nft(tables)
    yield from (f"subnet.env {line}" for line in subnet_env)
    pods = {one["status"].get("podIP") for one in objects if one["kind"] == "Pod"}
    yield from (f"leaked {name}" for name in reserved if name[0].isdigit() and name not in pods)


def _files(node: str) -> Iterator[str]:
    """What lies in /etc of a node and not in that of the machine."""
    upper = state() / "nodes" / node / "upper"
    for file in sorted((upper / "etc").rglob("*")):
        if file.is_file():
            yield f"file /{file.relative_to(upper)} = {_digest(file)}"


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def _underlay(cluster: Cluster) -> Iterator[str]:
    script = state_lines.asked("ip", "bridge")
    answers = state_lines.answers(cluster.places["underlay"].run("sh", "-ec", script))
    yield from state_lines.kernel(answers, ("mtu", "master"))
    yield from state_lines.nft(
        cluster.places["underlay"].run("nft", "list", "ruleset").splitlines()
    )


def _api(objects: list[dict[str, Any]], flannel: list[dict[str, Any]]) -> Iterator[str]:
    for one in objects:
        about = f"api: {one['kind']} {one['metadata']['name']}"
        match one["kind"]:
            case "Node":
                notes = one["metadata"].get("annotations", {})
                yield from (f"{about} {k} = {v}" for k, v in notes.items() if FLANNEL in k)
                yield from (f"{about} spec.{k} = {json.dumps(v)}" for k, v in one["spec"].items())
            case "Pod":
                ready = any(
                    each["type"] == "Ready" and each["status"] == "True"
                    for each in one["status"].get("conditions", [])
                )
                yield f"{about} on {one['spec'].get('nodeName')}, ready: {ready}"
            case _:
                yield about
    for one in flannel:
        about = f"api: {one['kind']} {one['metadata']['name']}"
        if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "kube-flannel-cfg":
            yield from (f"{about} {line}" for line in state_lines.flat(one["data"], ""))
        if one["kind"] == "DaemonSet":
            pods = one["spec"]["template"]["spec"]
            yield from (f"{about} {line}" for line in state_lines.flat(pods, ""))
            status = one["status"]
            yield f"{about} up to date = {status.get('updatedNumberScheduled')}"
