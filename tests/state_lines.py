"""The state of a machine as lines of text that can be compared: what `ip`, iptables, nft say.

Left out: counters, times, IPv6's link-local and multicast addresses (they settle late), the state
of carriers (the kernel reports it up to a second late), and what traffic makes by itself (dynamic
neighbours).
"""

import json
import re
from collections import Counter
from collections.abc import Collection
from typing import Any

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


def difference(before: list[str], after: list[str]) -> str:
    """What is gone and what is new, in order of the lines themselves."""
    gone, new = set(before) - set(after), set(after) - set(before)
    # The kernel numbers new devices by how many there have ever been.
    numbered = {re.sub(r"ifindex = \d+$", "ifindex = another", line) for line in new}
    changes = [(line, "-") for line in gone] + [(line, "+") for line in numbered]
    return "".join(f"{sign} {line}\n" for line, sign in sorted(changes, key=_order))


def _order(change: tuple[str, str]) -> tuple[str, int]:
    return change[0].split(" = ")[0], "-+".index(change[1])


def asked(ip: str, bridge: str) -> str:
    """The questions of `kernel`, as a shell's script; `ip` and `bridge`: how these are called."""
    questions = (
        f"{ip} -j -d address",
        f"{ip} -j -4 route show table all",
        f"{ip} -j -4 rule",
        f"{ip} -j -4 neigh show nud permanent",
        f"{ip} -j -6 route show table all",
        f"{ip} -j -6 neigh show nud permanent",
        f"{bridge} -j fdb show",
    )
    return "; echo; echo ---; ".join(questions)


def answers(printed: str) -> list[Any]:
    """What iproute2 printed for them."""
    return [json.loads(each or "[]") for each in printed.split("---\n")]


def kernel(found: list[Any], plain: Collection[str] = PLAIN) -> list[str]:
    """Devices with what is in `plain`, addresses, routes, rules, neighbours, FDB entries."""
    links, routes, rules, neighbours, routes6, neighbours6, fdb = found
    routes += [each for each in routes6 if not each["dst"].startswith(PASSING)]
    neighbours += neighbours6
    lines = [line for link in links for line in _link(link, plain)]
    lines += [f"route {_words(each)}" for each in routes]
    lines += [f"rule {_words(each)}" for each in rules]
    lines += [f"neigh {_words(each)}" for each in neighbours]
    return lines + [f"fdb {_words(each)}" for each in fdb if "dst" in each]


def _link(link: dict[str, Any], plain: Collection[str]) -> list[str]:
    about = f"link {link['ifname']}"
    info = link.get("linkinfo", {})
    facts = {key: link[key] for key in plain if key in link}
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


def sysctls(lines: list[str]) -> list[str]:
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


def nft(lines: list[str]) -> list[str]:
    """Each table of nft in one line, without counters."""
    text = re.sub(r" packets \d+ bytes \d+", "", " ".join(" ".join(lines).split()))
    return [f"nft {table}" for table in re.split(r" (?=table )", text) if table]


def iptables(tool: str, lines: list[str]) -> list[str]:
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


def flat(value: Any, path: str) -> list[str]:
    """Each value of an object of the API with the path to it; JSON in a text is gone into."""
    if isinstance(value, str) and value.startswith("{"):
        return flat(json.loads(value), path)
    if isinstance(value, dict):
        step = {key: f"{path}.{key}" if path else key for key in value}
        return [line for key in value for line in flat(value[key], step[key])]
    if isinstance(value, list):
        return [line for i, each in enumerate(value) for line in flat(each, f"{path}[{i}]")]
    shown = re.sub(r"^\d{4}-\d\d-\d\dT.*Z$", "<time>", str(value))
    return [f"{path} = {shown}"]
