"""Rulesets in a few words, and what they say to a pod's packet."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tests.builders import state
from tracer.core.netfilter.decision import Decision, Outcome
from tracer.core.netfilter.probe import Probe
from tracer.core.netfilter.ruleset import Ruleset, ruleset
from tracer.model.state import FirewallDump

NFT, WORDS, LEGACY = "nft -j list ruleset", "iptables-nft-save", "iptables-legacy-save"
LEGACY6 = "ip6tables-legacy-save"
NONE_LEGACY = (FirewallDump(tool=LEGACY, text=""), FirewallDump(tool=LEGACY6, text=""))

POD = Probe(
    src="10.244.1.2", dst="10.244.2.2", protocol="tcp", sport=40000, dport=80, iif="cni0",
    oif="flannel.1", length=60,
)  # fmt: skip
POD6 = replace(POD, src="fd00:1::2", dst="fd00:2::2")
ECHO = replace(POD, protocol="icmp", sport=None, dport=None, icmp_type=8, icmp_code=0)
VXLAN = Probe(
    src="192.0.2.12", dst="192.0.2.11", protocol="udp", sport=50000, dport=8472, iif="eth0"
)

ACCEPT, DROP, REJECT, UNKNOWN = Outcome.ACCEPT, Outcome.DROP, Outcome.REJECT, Outcome.UNKNOWN
DNAT, SNAT, MASQUERADE = Outcome.DNAT, Outcome.SNAT, Outcome.MASQUERADE


def rules_of(*dumps: tuple[str, str], **node: Any) -> Ruleset:
    """Of dumps by tool; what every node has besides is there and empty."""
    given = [FirewallDump(tool=tool, text=text) for tool, text in dumps]
    tools = {dump.tool for dump in given}
    empty = [FirewallDump(tool=NFT, text=document()), *NONE_LEGACY]
    every = (*given, *(dump for dump in empty if dump.tool not in tools))
    return ruleset(state("node-a", firewall=every, **node))


def saved(*lines: str, table: str = "filter", policy: str = "ACCEPT", chains: str = "") -> str:
    """A table as iptables-save prints it; `chains`: its own ones."""
    bases = {
        "filter": "INPUT FORWARD OUTPUT", "nat": "PREROUTING INPUT OUTPUT POSTROUTING",
        "mangle": "PREROUTING INPUT FORWARD OUTPUT POSTROUTING", "raw": "PREROUTING OUTPUT",
    }[table]  # fmt: skip
    heads = [f":{chain} {policy} [0:0]" for chain in bases.split()]
    heads += [f":{chain} - [0:0]" for chain in chains.split()]
    return "\n".join((f"*{table}", *heads, *lines, "COMMIT", ""))


def legacy(*lines: str, **table: str) -> Ruleset:
    """One table of the legacy backend."""
    return rules_of((LEGACY, saved(*lines, **table)))


def document(*items: dict[str, Any]) -> str:
    """What `nft -j list ruleset` prints."""
    return json.dumps({"nftables": [{"metainfo": {"json_schema_version": 1}}, *items]})


def base(
    *rules: Sequence[dict[str, Any]], table: str = "inet fw", chain: str = "f",
    hook: str = "forward", prio: int = 0, policy: str = "accept", kind: str = "filter",
) -> list[dict[str, Any]]:  # fmt: skip
    """A table with one base chain."""
    family, name = table.split()
    head = {"family": family, "table": name, "name": chain, "type": kind, "hook": hook}
    return [
        {"table": {"family": family, "name": name}},
        {"chain": {**head, "prio": prio, "policy": policy}},
        *own(*rules, table=table, chain=chain)[1:],
    ]


def own(
    *rules: Sequence[dict[str, Any]], table: str = "inet fw", chain: str
) -> list[dict[str, Any]]:
    """A chain that is jumped to."""
    family, name = table.split()
    return [
        {"chain": {"family": family, "table": name, "name": chain}},
        *(
            {"rule": {"family": family, "table": name, "chain": chain, "expr": list(rule)}}
            for rule in rules
        ),
    ]


def nft(*items: dict[str, Any], **node: Any) -> Ruleset:
    """A ruleset of nft alone."""
    return rules_of((NFT, document(*items)), **node)


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def payload(protocol: str, field: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": field}}


def meta(key: str) -> dict[str, Any]:
    return {"meta": {"key": key}}


def ct(key: str) -> dict[str, Any]:
    return {"ct": {"key": key}}


def jump(chain: str) -> dict[str, Any]:
    return {"jump": {"target": chain}}


YES, NO, GONE, BACK = {"accept": None}, {"drop": None}, {"reject": None}, {"return": None}


def forward(rules: Ruleset, probe: Probe = POD, **changed: Any) -> Decision:
    """What happens at FORWARD."""
    return rules.verdict("forward", replace(probe, **changed))


def recorded(program: str, **node: Any) -> Ruleset:
    """The rules of a real program, dumped from a kernel that had them."""
    path = Path(__file__).parent / "recorded" / f"{program}.json"
    dumps = tuple(FirewallDump(**each) for each in json.loads(path.read_text()))
    return ruleset(state("node-a", firewall=dumps, **node))
