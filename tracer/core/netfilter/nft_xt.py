"""iptables-nft's rules stand in both dumps: what nft leaves out, iptables-nft-save says."""

from collections.abc import Collection
from typing import Any

from tracer.core.netfilter.iptables_matches import module_steps
from tracer.core.netfilter.iptables_targets import ending, unexplained
from tracer.core.netfilter.iptables_whole import Setting
from tracer.core.netfilter.iptables_words import Module, Words
from tracer.core.netfilter.model import Step, Verdict
from tracer.core.netfilter.nft_rules import Foreign
from tracer.core.netfilter.steps import always, unclear

_ALIASES = {"state": "conntrack", "NOTRACK": "CT"}
"""One extension of the kernel under two names of iptables."""
_FREE = frozenset({"comment", "nfacct"})

_OPTIONS: dict[str, frozenset[str]] = {
    "saddr": frozenset({"-s", "--src-range", "--mac-source"}),
    "daddr": frozenset({"-d", "--dst-range"}),
    "protocol": frozenset({"-p"}),
    "nexthdr": frozenset({"-p"}),
    "l4proto": frozenset({"-p"}),
    "sport": frozenset({"--sport", "--sports", "--source-port"}),
    "dport": frozenset({"--dport", "--dports", "--destination-port"}),
    "flags": frozenset({"--tcp-flags"}),
    "frag-off": frozenset({"-f"}),
    "type": frozenset({"--icmp-type", "--icmpv6-type"}),
    "code": frozenset({"--icmp-type", "--icmpv6-type"}),
    "iif": frozenset({"-i"}),
    "iifname": frozenset({"-i"}),
    "oif": frozenset({"-o"}),
    "oifname": frozenset({"-o"}),
    "mark": frozenset({"--mark"}),
    "pkttype": frozenset({"--pkt-type"}),
    "length": frozenset({"--length"}),
}
"""What iptables calls that which iptables-nft writes as nft does (iptables/nft-shared.c)."""


def unworded(chains: Collection[str]) -> Foreign:
    """Without iptables' words: what the names alone tell."""

    def match(name: str) -> list[Step]:
        return [always if name in _FREE else unclear]

    return Foreign(match, lambda name: unexplained(name, chains))


def worded(words: Words, chains: Collection[str], setting: Setting) -> Foreign:
    """With them: the options of each match, and of the target."""
    unused = list(words.modules)

    def match(name: str) -> list[Step]:
        for module in unused:
            if _ALIASES.get(module.name, module.name) == name:
                unused.remove(module)
                return module_steps(module, setting)
        return [always if name in _FREE else unclear]

    def target(name: str) -> tuple[list[Step], Verdict | None]:
        said: Module | None = words.target
        if said is None or _ALIASES.get(said.name, said.name) != name:
            return unexplained(name, chains)
        return ending(said, goes=words.goes, chains=chains, family=setting.family)

    return Foreign(match, target)


def tells(words: Words, statements: Any) -> bool:
    """Whether iptables' words hold every condition of the rule.

    iptables-nft-save leaves out what it does not know: `iifname { "a", "b" } drop` becomes
    `-j DROP`, and so did marks written by another version (kubernetes/kubernetes#112477).
    """
    names = words.names
    return all(_told(statement, names) for statement in statements if isinstance(statement, dict))


def _told(statement: dict[str, Any], names: frozenset[str]) -> bool:
    if "limit" in statement:
        return "--limit" in names
    if "vmap" in statement:
        return False
    match = statement.get("match")
    if not isinstance(match, dict):
        return True
    right = match.get("right")
    if isinstance(right, dict) and "set" in right:
        return False
    if isinstance(right, str) and right.startswith("@"):
        return False
    return bool(_OPTIONS.get(_asked(match.get("left")), frozenset()) & names)


def _asked(left: Any) -> str:
    """The field or key that a match is about."""
    while isinstance(left, dict) and isinstance(left.get("&"), list) and left["&"]:
        left = left["&"][0]
    if not isinstance(left, dict):
        return ""
    for kind, name in (("payload", "field"), ("meta", "key")):
        if isinstance(left.get(kind), dict):
            return str(left[kind].get(name, ""))
    return ""
