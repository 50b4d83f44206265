"""`nft -j list ruleset` as tables of the model, iptables' own ones in its words."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from tracer.core.netfilter.addresses import Addresses
from tracer.core.netfilter.iptables import BASES
from tracer.core.netfilter.iptables_whole import Setting
from tracer.core.netfilter.iptables_words import Section, words_of
from tracer.core.netfilter.model import Chain, Rule, Table
from tracer.core.netfilter.nft_keys import Key
from tracer.core.netfilter.nft_lookup import Lookup
from tracer.core.netfilter.nft_matches import Scope
from tracer.core.netfilter.nft_rules import draft_of
from tracer.core.netfilter.nft_xt import tells, unworded, worded

Item = dict[str, Any]
_HARMLESS_FLAGS = frozenset({"owner", "persist"})
_HOOKS = frozenset({
    "prerouting", "input", "forward", "output", "postrouting", "ingress", "egress",
})  # fmt: skip


class Source:
    """One table of the document, before its rules are read."""

    def __init__(self, name: str, flags: Any) -> None:
        self.name = name
        self.flags = flags
        self.chains: dict[str, Item] = {}
        self.rules: dict[str, list[Item]] = {}
        self.sets: dict[str, Item] = {}


def document_of(text: str) -> list[Item] | None:
    """The items of a dump; None: it is no ruleset, or not all of one."""
    try:
        items = msgspec.json.decode(text)["nftables"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return None
    return items


def tables_of(
    items: Sequence[Item],
    tool: str,
    addresses: Addresses,
    words: Mapping[tuple[str, str], tuple[str, Section]],
) -> list[Table]:
    """Every table. `words`: what iptables-nft-save says of one, by family and name, and its tool.

    Tables come in the order in which they were made.
    """
    tables = []
    for (family, _), source in _sources(items).items():
        said = words.get((family, source.name))
        backend = "iptables-nft" if said is not None else "nft"
        shown_by = said[0] if said is not None else tool
        table = Table(backend, shown_by, family, source.name, nft_tool=tool)
        reader = _Reader(table, source, addresses, said[1] if said is not None else None)
        for name in dict.fromkeys((*source.chains, *source.rules)):
            table.chains[name] = reader.chain(name)
        tables.append(table)
    return tables


def _sources(items: Sequence[Item]) -> dict[tuple[str, str], Source]:
    found: dict[tuple[str, str], Source] = {}
    for item in items:
        for kind, body in item.items():
            if not isinstance(body, dict):
                continue
            name = body.get("name") if kind == "table" else body.get("table")
            key = str(body.get("family")), str(name)
            if kind == "table":
                found[key] = Source(key[1], body.get("flags"))
            elif kind in ("chain", "rule", "set", "map") and name is not None:
                _sort_in(found.setdefault(key, Source(key[1], None)), kind, body)
    return found


def _sort_in(source: Source, kind: str, body: Item) -> None:
    if kind == "rule":
        source.rules.setdefault(str(body.get("chain")), []).append(body)
    elif kind == "chain":
        source.chains[str(body.get("name"))] = body
    else:
        source.sets[str(body.get("name"))] = body


class _Reader:
    """Reads the chains of one table."""

    def __init__(
        self, table: Table, source: Source, addresses: Addresses, section: Section | None
    ) -> None:
        self._table = table
        self._source = source
        self._section = section
        self._setting = Setting(6 if table.family == "ip6" else 4, addresses)
        self._lookups: dict[tuple[Any, ...], Lookup] = {}
        self._scope = Scope(
            addresses, source.chains, self._named, mixed=table.family not in ("ip", "ip6")
        )

    def chain(self, name: str) -> Chain:
        """One chain, its rules unread."""
        filled = bool(self._source.rules.get(name))
        chain = Chain(self._table, name, partial(self._rules, name), filled=filled)
        body = self._source.chains.get(name, {})
        hook, priority = body.get("hook"), body.get("prio", 0)
        if hook in _HOOKS and isinstance(priority, int):
            drops = body.get("policy") == "drop"
            chain.based(hook, priority, str(body.get("type")), drops=drops)
        devices = body.get("dev", ())
        chain.devices = (devices,) if isinstance(devices, str) else tuple(map(str, devices or ()))
        chain.active = _active(self._source.flags)
        chain.worded = self._is_worded(chain)
        return chain

    def _is_worded(self, chain: Chain) -> bool:
        """iptables-save shows base chains of another hook or priority as if they were empty."""
        if self._section is None or chain.name not in self._section.policies:
            return False
        usual = BASES.get(self._table.name, {}).get(chain.name)
        if chain.hook is None:
            return usual is None
        return chain.hook == chain.name.lower() and chain.priority == usual

    def _rules(self, name: str) -> list[Rule]:
        bodies = self._source.rules.get(name, [])
        rules = map(self._unworded, bodies)
        if self._section is not None and self._table.chains[name].worded:
            lines = self._section.lines.get(name, [])
            if len(lines) == len(bodies):
                rules = map(self._worded, bodies, lines)
        return [rule for rule in rules if rule is not None]

    def _unworded(self, body: Item) -> Rule | None:
        statements = body.get("expr") or []
        draft = draft_of(statements, self._scope, unworded(self._scope.chains))
        return draft.rule(statements)

    def _worded(self, body: Item, line: str) -> Rule | None:
        statements = body.get("expr") or []
        words = words_of(line)
        foreign = worded(words, self._scope.chains, self._setting)
        draft = draft_of(statements, self._scope, foreign)
        return draft.rule(line if tells(words, statements) else statements)

    def _named(self, name: str, keys: tuple[Key, ...]) -> Lookup | None:
        """A set or map; thousands of rules may ask for the same one."""
        body = self._source.sets.get(name)
        if body is None:
            return None
        literals = (name, *((key.parse, key.bits) for key in keys))
        if literals not in self._lookups:
            self._lookups[literals] = Lookup(keys, _elements(body))
        return self._lookups[literals]


def _elements(body: Item) -> list[tuple[Any, Any]]:
    elements = body.get("elem") or []
    if "map" not in body:
        return [(element, True) for element in elements]
    pairs = (element for element in elements if isinstance(element, list) and len(element) == 2)
    return [(key, value) for key, value in pairs]


def _active(flags: Any) -> bool | None:
    """A dormant table is no table. nft 1.0.6 prints flags in JSON that are none."""
    words = {flags} if isinstance(flags, str) else set(map(str, flags or ()))
    if "dormant" in words:
        return False
    return True if words <= _HARMLESS_FLAGS else None
