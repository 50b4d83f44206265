"""Everything in a lab that a fault could touch, as lines of text that can be compared."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.request import urlopen

from tests import state_lines
from tests.lab.universe import Universe

NODES = ("node-a", "node-b", "node-c")
PODS = ("pod-a", "pod-a2", "pod-b", "pod-c")
UNDERLAY = "flantrace-underlay"
PLACES = (*NODES, *PODS, UNDERLAY)
API = (
    "/api/v1/nodes",
    "/api/v1/pods",
    "/api/v1/configmaps",
    "/apis/apps/v1/daemonsets",
)
SWITCH = tuple(key for key in state_lines.PLAIN if key != "address")
"""The MACs of a switch's ports are drawn by lot, and nobody sees them."""
BOOKKEEPING = ("resourceVersion", "uid", "creationTimestamp")


def state(lab: Universe) -> list[str]:
    """The sorted lines."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        kernel = dict(zip(PLACES, pool.map(lambda place: _asked(lab, place), PLACES), strict=True))
        nodes = pool.map(lambda node: _node(lab, node), NODES)
        lines = [f"{node}: {line}" for node, found in zip(NODES, nodes, strict=True)
                 for line in found]  # fmt: skip
    for place, answers in kernel.items():
        found = state_lines.kernel(answers, SWITCH if place == UNDERLAY else state_lines.PLAIN)
        lines += [f"{place}: {line}" for line in found]
    rules = lab.output(["ip", "netns", "exec", UNDERLAY, "nft", "list", "ruleset"])
    if rules.strip():
        lines.append(f"{UNDERLAY}: nft {' '.join(rules.split())}")
    lines += _api(lab)
    text = "\n".join(sorted(lines))
    for name, word in _veth_names(kernel).items():
        text = text.replace(name, word)
    return text.splitlines()


def _asked(lab: Universe, place: str) -> list[Any]:
    """The answers of iproute2 in a network namespace: addresses, routes, rules, neighbours, FDB."""
    script = state_lines.asked(f"ip -n {place}", f"bridge -n {place}")
    return state_lines.answers(lab.output(["sh", "-ec", script]))


def _veth_names(kernel: dict[str, list[Any]]) -> dict[str, str]:
    found = {}
    for pod in PODS:
        inside = next(each for each in kernel[pod][0] if each["ifname"] == "eth0")
        for link in kernel[f"node-{pod[4]}"][0]:
            if link["ifindex"] == inside["link_index"]:
                found[link["ifname"]] = f"veth-of-{pod}"
    return found


def _node(lab: Universe, node: str) -> list[str]:
    """Sysctls, firewall rules and files."""
    spaces = [f"--net=/run/netns/{node}", f"--mount=/run/flantrace-lab/mnt/{node}"]
    script = (
        "grep -r . /proc/sys/net/ipv4/conf /proc/sys/net/ipv4/ip_forward"
        " /proc/sys/net/bridge/bridge-nf-call-iptables; echo ---; iptables-save;"
        f"echo ---; ip6tables-save; echo ---; {state_lines.NFT_TABLES};"
        "echo ---; find /run/flannel /etc/cni /var/lib/cni -type f -size -9k -exec grep -H . {} +"
    )
    found = lab.output(["nsenter", *spaces, "--", "sh", "-c", script]).split("---\n")
    sysctls, rules, rules6, tables, files = (part.splitlines() for part in found)
    firewall = [
        *state_lines.iptables("iptables", rules),
        *state_lines.iptables("ip6tables", rules6),
        *state_lines.nft(tables),
    ]
    return [*state_lines.sysctls(sysctls), *firewall, *(f"file {line}" for line in files)]


def _api(lab: Universe) -> list[str]:
    server = lab.server()
    lines = []
    for path in API:
        with urlopen(server + path) as answer:
            found = json.load(answer)
        for each in found["items"]:
            meta = each["metadata"]
            for key in BOOKKEEPING:
                meta.pop(key, None)
            where = f"{meta['namespace']}/" if "namespace" in meta else ""
            about = f"api: {found['kind'][:-4]} {where}{meta['name']}"
            lines += [f"{about} {line}" for line in state_lines.flat(each, "")]
    return lines
