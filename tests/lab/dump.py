"""Everything in a lab that a fault could touch, as lines of text that can be compared.

Left out: counters, times, IPv6's link-local and multicast addresses (they settle late), the state
of carriers (the kernel reports it up to a second late), and what traffic makes by itself (dynamic
neighbours).
"""

import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.request import urlopen

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
PLAIN = ("ifindex", "mtu", "address", "master", "link", "txqlen")
DATA = ("id", "local", "local6", "port", "link", "learning", "gbp")
PORT = ("hairpin", "learning", "flood", "isolated", "guard", "cost", "priority")
NFT_TABLES = (
    "nft list tables | grep -vE '^table ip6? (filter|nat|raw|mangle|security)$'"
    " | while read -r each; do nft list $each; done"
)
"""All but those of iptables, which iptables-save shows."""
PASSING = ("fe80:", "ff00:", "multicast ", "::1")
"""How IPv6 routes begin that come and go with devices."""
BOOKKEEPING = ("resourceVersion", "uid", "creationTimestamp")


def state(lab: Universe) -> list[str]:
    """The sorted lines."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        kernel = dict(zip(PLACES, pool.map(lambda place: _asked(lab, place), PLACES), strict=True))
        nodes = pool.map(lambda node: _node(lab, node), NODES)
        lines = [f"{node}: {line}" for node, found in zip(NODES, nodes, strict=True)
                 for line in found]  # fmt: skip
    for place, answers in kernel.items():
        lines += [f"{place}: {line}" for line in _kernel(place, answers)]
    rules = lab.output(["ip", "netns", "exec", UNDERLAY, "nft", "list", "ruleset"])
    if rules.strip():
        lines.append(f"{UNDERLAY}: nft {' '.join(rules.split())}")
    lines += _api(lab)
    text = "\n".join(sorted(lines))
    for name, word in _veth_names(kernel).items():
        text = text.replace(name, word)
    return text.splitlines()


def difference(before: list[str], after: list[str]) -> str:
    """What is gone and what is new, in order of the lines themselves."""
    gone, new = set(before) - set(after), set(after) - set(before)
    # The kernel numbers new devices by how many there have ever been.
    numbered = {re.sub(r"ifindex = \d+$", "ifindex = another", line) for line in new}
    changes = [(line, "-") for line in gone] + [(line, "+") for line in numbered]
    return "".join(f"{sign} {line}\n" for line, sign in sorted(changes, key=_order))


def _order(change: tuple[str, str]) -> tuple[str, int]:
    return change[0].split(" = ")[0], "-+".index(change[1])


def _asked(lab: Universe, place: str) -> list[Any]:
    """The answers of iproute2 in a network namespace: addresses, routes, rules, neighbours, FDB."""
    questions = (
        f"ip -n {place} -j -d address",
        f"ip -n {place} -j -4 route show table all",
        f"ip -n {place} -j -4 rule",
        f"ip -n {place} -j -4 neigh show nud permanent",
        f"ip -n {place} -j -6 route show table all",
        f"ip -n {place} -j -6 neigh show nud permanent",
        f"bridge -n {place} -j fdb show",
    )
    script = "; echo; echo ---; ".join(questions)
    return [json.loads(each or "[]") for each in lab.output(["sh", "-ec", script]).split("---\n")]


def _veth_names(kernel: dict[str, list[Any]]) -> dict[str, str]:
    found = {}
    for pod in PODS:
        inside = next(each for each in kernel[pod][0] if each["ifname"] == "eth0")
        for link in kernel[f"node-{pod[4]}"][0]:
            if link["ifindex"] == inside["link_index"]:
                found[link["ifname"]] = f"veth-of-{pod}"
    return found


def _kernel(place: str, answers: list[Any]) -> list[str]:
    links, routes, rules, neighbours, routes6, neighbours6, fdb = answers
    routes += [each for each in routes6 if not each["dst"].startswith(PASSING)]
    neighbours += neighbours6
    lines = [line for link in links for line in _link(place, link)]
    lines += [f"route {_words(each)}" for each in routes]
    lines += [f"rule {_words(each)}" for each in rules]
    lines += [f"neigh {_words(each)}" for each in neighbours]
    return lines + [f"fdb {_words(each)}" for each in fdb if "dst" in each]


def _link(place: str, link: dict[str, Any]) -> list[str]:
    about = f"link {link['ifname']}"
    info = link.get("linkinfo", {})
    facts = {key: link[key] for key in PLAIN if key in link}
    if place == UNDERLAY:
        del facts["address"]  # A switch's ports: drawn by lot, and nobody sees them.
    facts["up"] = "UP" in link["flags"]
    facts["kind"] = info.get("info_kind")
    facts |= {key: info["info_data"][key] for key in DATA if key in info.get("info_data", {})}
    slave = info.get("info_slave_data", {})
    facts |= {f"port.{key}": slave[key] for key in PORT if key in slave}
    lines = [f"{about} {key} = {value}" for key, value in facts.items()]
    for each in link["addr_info"]:
        if each["family"] == "inet" or each["scope"] == "global":
            lines.append(f"{about} address {each['local']}/{each['prefixlen']} {each['scope']}")
    return lines


def _words(each: dict[str, Any]) -> str:
    each = {**each, "flags": [flag for flag in each.get("flags", []) if flag != "linkdown"]}
    words = []
    for key, value in each.items():
        if isinstance(value, list):
            words += [str(item) for item in value]
        elif key in ("dst", "mac") or value is None:
            words.append(str(value if value is not None else key))
        else:
            words += [key, str(value)]
    return " ".join(words)


def _node(lab: Universe, node: str) -> list[str]:
    """Sysctls, firewall rules and files."""
    spaces = [f"--net=/run/netns/{node}", f"--mount=/run/flantrace-lab/mnt/{node}"]
    script = (
        "grep -r . /proc/sys/net/ipv4/conf /proc/sys/net/ipv4/ip_forward"
        " /proc/sys/net/bridge/bridge-nf-call-iptables; echo ---; iptables-save;"
        f"echo ---; ip6tables-save; echo ---; {NFT_TABLES};"
        "echo ---; find /run/flannel /etc/cni /var/lib/cni -type f -size -9k -exec grep -H . {} +"
    )
    found = lab.output(["nsenter", *spaces, "--", "sh", "-c", script]).split("---\n")
    sysctls, rules, rules6, tables, files = (part.splitlines() for part in found)
    firewall = [*_rules("iptables", rules), *_rules("ip6tables", rules6), *_nft(tables)]
    return [*_sysctls(sysctls), *firewall, *(f"file {line}" for line in files)]


def _sysctls(lines: list[str]) -> list[str]:
    """A device's own values only where they differ from the default for devices."""
    values = dict(line.removeprefix("/proc/sys/").split(":", 1) for line in lines)
    shown = []
    for path, value in values.items():
        conf = re.fullmatch(r"net/ipv4/conf/(.+)/([^/]+)", path)
        own = conf is not None and conf[1] not in ("all", "default")
        if conf and own and values[f"net/ipv4/conf/default/{conf[2]}"] == value:
            continue
        shown.append(f"sysctl {path} = {value}")
    return shown


def _nft(lines: list[str]) -> list[str]:
    """Each table of nft in one line, without counters."""
    text = re.sub(r" packets \d+ bytes \d+", "", " ".join(" ".join(lines).split()))
    return [f"nft {table}" for table in re.split(r" (?=table )", text) if table]


def _rules(tool: str, lines: list[str]) -> list[str]:
    """iptables-save, each rule with its place in its chain, without counters."""
    shown, table, places = [], "", Counter[str]()
    for line in lines:
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":"):
            policy = re.sub(r" \[.*", "", line)
            shown.append(f"{tool} {table} {policy}")
        elif line.startswith("-A"):
            chain = f"{table} {line.split()[1]}"
            places[chain] += 1
            shown.append(f"{tool} {chain} {places[chain]}: {line}")
    return shown


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
            lines += [f"{about} {line}" for line in _flat(each, "")]
    return lines


def _flat(value: Any, path: str) -> list[str]:
    if isinstance(value, str) and value.startswith("{"):
        return _flat(json.loads(value), path)
    if isinstance(value, dict):
        step = {key: f"{path}.{key}" if path else key for key in value}
        return [line for key in value for line in _flat(value[key], step[key])]
    if isinstance(value, list):
        return [line for i, each in enumerate(value) for line in _flat(each, f"{path}[{i}]")]
    shown = re.sub(r"^\d{4}-\d\d-\d\dT.*Z$", "<time>", str(value))
    return [f"{path} = {shown}"]
