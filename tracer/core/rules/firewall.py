"""Which rules of a node's firewall can drop, quoted. No rule is evaluated: the trace says what was.

Two dumps are read: `nft -j list ruleset` (JSON) and what the iptables-save tools print.
"""

import json
import re
from typing import Any, NamedTuple

from tracer.core.netfilter.nft_words import nft_words
from tracer.model.state import FirewallDump, NodeState


class Drops(NamedTuple):
    """One policy or rule that drops, or rejects, at a hook."""

    hook: str
    """`prerouting`, `input`, `forward`, `output` or `postrouting`."""
    quote: str
    tool: str
    policy: bool
    ports: frozenset[int]
    """UDP or TCP destination ports that it names; empty: none."""


_IPTABLES_HOOK = {
    "PREROUTING": "prerouting",
    "INPUT": "input",
    "FORWARD": "forward",
    "OUTPUT": "output",
    "POSTROUTING": "postrouting",
}
_TRANSLATED = re.compile("chain ip6? (filter|raw|mangle|security|nat) [A-Z]")
"""A chain of iptables-nft as nft names it."""

_TARGETS = {"DROP", "REJECT"}


def dropping(state: NodeState, hook: str) -> tuple[Drops, ...]:
    """Everything that can drop at a hook; rules before policies, as the kernel meets them."""
    found = [drop for dump in state.firewall for drop in _read(dump) if drop.hook == hook]
    if any("iptables" in drop.tool for drop in found):
        # iptables-nft's rules stand in both dumps; its own words are the ones people know.
        found = [drop for drop in found if not _TRANSLATED.search(drop.quote)]
    unique = {drop.quote: drop for drop in found}
    return tuple(sorted(unique.values(), key=lambda drop: drop.policy))


def _read(dump: FirewallDump) -> list[Drops]:
    if dump.text.lstrip().startswith("{"):
        try:
            return _nft(json.loads(dump.text), dump.tool)
        except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
            # A dump cut short or in another form says nothing; the trace still does.
            return []
    return _iptables(dump.text, dump.tool)


def _iptables(text: str, tool: str) -> list[Drops]:
    found: list[Drops] = []
    jumps: dict[str, set[str]] = {}
    rules: list[tuple[str, str, str]] = []
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":"):
            chain, _, rest = line[1:].partition(" ")
            if rest.split(" ")[0] == "DROP" and chain in _IPTABLES_HOOK:
                quote = f"policy DROP of chain {chain} in table {table}"
                hook = _IPTABLES_HOOK[chain]
                found.append(Drops(hook, quote, tool, True, frozenset()))
        elif line.startswith("-A "):
            chain = line.split(" ")[1]
            target = re.search(r" -[jg] (\S+)", line)
            if target is None:
                continue
            if target[1] in _TARGETS:
                rules.append((table, chain, line))
            else:
                jumps.setdefault(f"{table} {target[1]}", set()).add(f"{table} {chain}")
    for table, chain, line in rules:
        for base in _bases(f"{table} {chain}", jumps):
            hook_of = _IPTABLES_HOOK.get(base.partition(" ")[2])
            if hook_of is not None:
                ports = frozenset(int(n) for n in re.findall(r"--dports? (\d+)", line))
                found.append(Drops(hook_of, line, tool, False, ports))
    return found


def _bases(chain: str, jumps: dict[str, set[str]]) -> set[str]:
    """The chains from which this one is reached, itself included."""
    seen: set[str] = set()
    waiting = [chain]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting.extend(jumps.get(current, ()))
    return seen


def _nft(ruleset: dict[str, Any], tool: str) -> list[Drops]:
    found: list[Drops] = []
    hooks: dict[str, str] = {}
    jumps: dict[str, set[str]] = {}
    rules: list[tuple[str, list[Any]]] = []
    for item in ruleset.get("nftables", []):
        chain, rule = item.get("chain"), item.get("rule")
        if chain is not None and "hook" in chain and chain.get("type") == "filter":
            name = f"{chain['family']} {chain['table']} {chain['name']}"
            hooks[name] = chain["hook"]
            if chain.get("policy") == "drop":
                quote = f"policy drop of chain {name}"
                found.append(Drops(chain["hook"], quote, tool, True, frozenset()))
        elif rule is not None:
            name = f"{rule['family']} {rule['table']} {rule['chain']}"
            rules.append((name, rule.get("expr", [])))
            for target in _targets(rule.get("expr", [])):
                jumps.setdefault(f"{rule['family']} {rule['table']} {target}", set()).add(name)
    for name, expressions in rules:
        if not any("drop" in part or "reject" in part for part in expressions):
            continue
        for base in _bases(name, jumps):
            if base in hooks:
                quote = f"chain {name}: {nft_words(expressions)}"
                ports = frozenset(_ports(expressions))
                found.append(Drops(hooks[base], quote, tool, False, ports))
    return found


def _targets(expressions: list[Any]) -> list[str]:
    return [
        part[verb]["target"] for part in expressions for verb in ("jump", "goto") if verb in part
    ]


def _ports(expressions: list[Any]) -> list[int]:
    return [
        match["right"]
        for part in expressions
        if (match := part.get("match")) is not None
        and isinstance(match.get("left"), dict)
        and match["left"].get("payload", {}).get("field") == "dport"
        and isinstance(match.get("right"), int)
    ]
