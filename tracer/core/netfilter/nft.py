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
from tracer.model.decoding import decoder

_HARMLESS_FLAGS = frozenset({"owner", "persist"})
_HOOKS = frozenset({
    "prerouting", "input", "forward", "output", "postrouting", "ingress", "egress",
})  # fmt: skip
_NONE = msgspec.Raw(b"[]")


class TableItem(msgspec.Struct, gc=False):
    """`{"table": ...}`"""

    family: str
    name: str
    flags: Any = None


class ChainItem(msgspec.Struct, gc=False):
    """`{"chain": ...}`; without a hook it is no base chain."""

    family: str
    table: str
    name: str
    type: str = "filter"
    hook: str | None = None
    prio: Any = 0
    policy: str = "accept"
    dev: Any = None


class RuleItem(msgspec.Struct, gc=False):
    """`{"rule": ...}`; its expressions stay bytes until its chain is asked for."""

    family: str
    table: str
    chain: str
    handle: Any = None
    expr: msgspec.Raw = _NONE


class SetItem(msgspec.Struct, gc=False):
    """`{"set": ...}` or `{"map": ...}`, its elements as bytes."""

    family: str
    table: str
    name: str
    elem: msgspec.Raw = _NONE
    map: Any = None


class Item(msgspec.Struct, gc=False):
    """One of them; what is something else says nothing of packets."""

    table: TableItem | None = None
    chain: ChainItem | None = None
    rule: RuleItem | None = None
    set: SetItem | None = None
    map: SetItem | None = None


class Document(msgspec.Struct, gc=False):
    """What `nft -j list ruleset` prints."""

    nftables: list[Item]


class Source:
    """One table of the document, before its rules are read."""

    def __init__(self, flags: Any) -> None:
        self.flags = flags
        self.chains: dict[str, ChainItem] = {}
        self.rules: dict[str, list[RuleItem]] = {}
        self.sets: dict[str, SetItem] = {}


def document_of(text: str) -> list[Item] | None:
    """The items of a dump; None: it is no ruleset, or not all of one."""
    try:
        return decoder(Document).decode(text).nftables
    except (ValueError, RecursionError):
        return None


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
    for (family, name), source in _sources(items).items():
        said = words.get((family, name))
        backend = "iptables-nft" if said is not None else "nft"
        shown_by = said[0] if said is not None else tool
        table = Table(backend, shown_by, family, name, nft_tool=tool)
        reader = _Reader(table, source, addresses, said[1] if said is not None else None)
        for chain in dict.fromkeys((*source.chains, *source.rules)):
            table.chains[chain] = reader.chain(chain)
        tables.append(table)
    return tables


def _sources(items: Sequence[Item]) -> dict[tuple[str, str], Source]:
    found: dict[tuple[str, str], Source] = {}

    def of(item: ChainItem | RuleItem | SetItem) -> Source:
        key = (item.family, item.table)
        if key not in found:
            found[key] = Source(None)
        return found[key]

    for item in items:
        if item.rule is not None:
            of(item.rule).rules.setdefault(item.rule.chain, []).append(item.rule)
        elif item.chain is not None:
            of(item.chain).chains[item.chain.name] = item.chain
        elif item.table is not None:
            found[item.table.family, item.table.name] = Source(item.table.flags)
        for named in (item.set, item.map):
            if named is not None:
                of(named).sets[named.name] = named
    return found


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
            addresses,
            source.chains,
            self._named,
            mixed=table.family not in ("ip", "ip6"),
            known={},
        )

    def chain(self, name: str) -> Chain:
        """One chain, its rules unread."""
        filled = bool(self._source.rules.get(name))
        chain = Chain(self._table, name, partial(self._rules, name), filled=filled)
        item = self._source.chains.get(name)
        if item is not None:
            if item.hook in _HOOKS and isinstance(item.prio, int):
                chain.based(item.hook, item.prio, item.type, drops=item.policy == "drop")
            devices = item.dev or ()
            names = (devices,) if isinstance(devices, str) else devices
            chain.devices = tuple(map(str, names)) if isinstance(names, list | tuple) else ()
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
        items = self._source.rules.get(name, [])
        lines: Sequence[str | None] = [None] * len(items)
        if self._section is not None and self._table.chains[name].worded:
            said = self._section.lines.get(name, [])
            if len(said) == len(items):
                lines = said
        rules: list[Rule] = []
        for item, line in zip(items, lines, strict=True):
            rule = self._rule(item, line)
            if rule is not None:
                rule.handle = item.handle if type(item.handle) is int else None
                rules.append(rule)
        return rules

    def _rule(self, item: RuleItem, line: str | None) -> Rule | None:
        """`line`: the same rule in iptables' words."""
        statements = _decoded(item.expr)
        if line is None:
            draft = draft_of(statements, self._scope, unworded(self._scope.chains))
            return draft.rule(statements)
        words = words_of(line)
        foreign = worded(words, self._scope.chains, self._setting)
        draft = draft_of(statements, self._scope, foreign)
        return draft.rule(line if tells(words, statements) else statements)

    def _named(self, name: str, keys: tuple[Key, ...]) -> Lookup | None:
        """A set or map; thousands of rules may ask for the same one."""
        item = self._source.sets.get(name)
        if item is None:
            return None
        literals = (name, *((key.parse, key.bits) for key in keys))
        if literals not in self._lookups:
            self._lookups[literals] = Lookup(keys, _elements(item))
        return self._lookups[literals]


def _elements(item: SetItem) -> list[tuple[Any, Any]]:
    elements = _decoded(item.elem)
    if item.map is None:
        return [(element, True) for element in elements]
    pairs = (element for element in elements if isinstance(element, list) and len(element) == 2)
    return [(key, value) for key, value in pairs]


def _decoded(raw: msgspec.Raw) -> list[Any]:
    """A list; what is none counts as one statement that nobody knows."""
    try:
        found = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, list) else [found]


def _active(flags: Any) -> bool | None:
    """A dormant table is no table. nft 1.0.6 prints flags in JSON that are none."""
    words = set(map(str, flags)) if isinstance(flags, list) else {str(flags)} if flags else set()
    if "dormant" in words:
        return False
    return True if words <= _HARMLESS_FLAGS else None
