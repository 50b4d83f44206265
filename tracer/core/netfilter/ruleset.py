"""Everything that a node's firewall dumps hold, and what it does with a packet."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from tracer.core.netfilter.addresses import Addresses
from tracer.core.netfilter.answer import Result, decide
from tracer.core.netfilter.decision import Decision
from tracer.core.netfilter.iptables import table_of
from tracer.core.netfilter.iptables_whole import Setting
from tracer.core.netfilter.iptables_words import Dump, Section, dump_of
from tracer.core.netfilter.model import Chain, Table
from tracer.core.netfilter.nft import document_of, tables_of
from tracer.core.netfilter.packet import Packet
from tracer.core.netfilter.probe import Probe
from tracer.core.netfilter.run import Run
from tracer.model.state import NodeState, NotRead

NFT = "nft -j list ruleset"
NO_DUMP = "no such dump"
LEGACY = {4: "iptables-legacy-save", 6: "ip6tables-legacy-save"}
_FAMILIES = {4: frozenset({"ip", "inet"}), 6: frozenset({"ip6", "inet"})}
_LAYERS = {"bridge": frozenset({"bridge"}), "device": frozenset({"netdev", "inet"})}
_AT_DEVICES = ("ingress", "egress")
_NAT_AT = {"prerouting": -100, "output": -100, "input": 100, "postrouting": 100}
"""All nat chains of a hook are met there, whatever their own priorities, which order them only
among each other (nf_nat_register_fn)."""


class Ruleset:
    """The tables of every backend that a node has loaded. Built once per state; asked often."""

    def __init__(self, tables: Sequence[Table], missing: Sequence[NotRead]) -> None:
        self.tables = tuple(tables)
        """Each table once; nft's in the order in which they were made."""
        self.missing = tuple(missing)
        """Dumps without which no packet can be said to pass."""
        self._orders: dict[tuple[str, str, int], list[list[Chain]]] = {}

    @property
    def backends(self) -> frozenset[str]:
        """`legacy`, `iptables-nft`, `nft`: those that hold a rule or a policy that drops."""
        return frozenset(
            table.backend
            for table in self.tables
            if any(chain.drops or chain.filled for chain in table.chains.values())
        )

    @property
    def both_backends(self) -> bool:
        """iptables' rules stand in the legacy backend and in nft's: each tool shows one half."""
        return {"legacy", "iptables-nft"} <= self.backends

    def table(self, family: str, name: str) -> Iterator[Table]:
        """Tables by nft's family (`ip`, `ip6`, `inet`, `bridge`, `netdev`) and name."""
        return (table for table in self.tables if (table.family, table.name) == (family, name))

    def verdict(self, hook: str, packet: Probe, *, layer: str = "ip") -> Decision:
        """What every base chain at a hook together does with a packet.

        `hook`: `prerouting`, `input`, `forward`, `output`, `postrouting`; `ingress`, `egress` are
        nft's at a device. `layer`: `bridge` for the bridge family's chains.
        """
        layer = "device" if hook in _AT_DEVICES else layer
        results = []
        for chains in self._chains(hook, layer, packet.family):
            run = Run(hook)
            results.append(Result(run, run.through(chains, Packet.of(packet, hook))))
        return decide(hook, packet, results, self.missing_for(packet.family))

    def course(self, hooks: Iterable[str], packet: Probe) -> Iterator[Decision]:
        """Hook after hook, each asked about the packet as the one before let it go; to the end."""
        for hook in hooks:
            decision = self.verdict(hook, packet)
            yield decision
            if decision.passes is False:
                return
            packet = decision.packet

    def base_chains(self, hook: str, family: int, *, layer: str = "ip") -> tuple[Chain, ...]:
        """Those that a packet meets at a hook, in order."""
        return tuple(self._chains(hook, layer, family)[0])

    def as_recorded(self) -> "Ruleset":
        """The same, where a dump that is not there and that nobody failed to read held nothing."""
        return Ruleset(self.tables, [each for each in self.missing if each.why != NO_DUMP])

    def missing_for(self, family: int) -> list[NotRead]:
        """Dumps that may hold chains which packets of this family meet, and were not read."""
        other = LEGACY[10 - family]
        return [each for each in self.missing if each.what != other]

    def _chains(self, hook: str, layer: str, family: int) -> list[list[Chain]]:
        """One order, or two where some chains of one priority may come in either."""
        key = (hook, layer, family)
        if key not in self._orders:
            families = _LAYERS.get(layer, _FAMILIES[family])
            chains = [
                chain
                for table in self.tables
                if table.family in families
                for chain in table.chains.values()
                if chain.hook == hook and chain.active is not False
                if chain.drops or chain.filled
            ]
            self._orders[key] = _orders(hook, chains)
        return self._orders[key]


def _orders(hook: str, chains: list[Chain]) -> list[list[Chain]]:
    """nf_hook_entries_grow puts a chain before those of its priority that were there first."""

    def place(chain: Chain) -> tuple[int, int]:
        if chain.kind == "nat" and hook in _NAT_AT:
            return _NAT_AT[hook], chain.priority
        return chain.priority, 0

    groups = [list(group) for _, group in groupby(sorted(chains, key=place), place)]
    latest_first = [chain for group in groups for chain in reversed(group)]
    if all(len(group) == 1 for group in groups):
        return [latest_first]
    return [latest_first, [chain for group in groups for chain in group]]


def ruleset(state: NodeState) -> Ruleset:
    """Read the firewall dumps of a node. Cached by the caller; nothing in them can raise."""
    addresses = Addresses(state)
    missing = [each for each in state.not_read if _tells(each.what)]
    legacy: list[Table] = []
    words: dict[tuple[str, str], tuple[str, Section]] = {}
    found: set[str] = set()
    for dump in state.firewall:
        if dump.text.lstrip().startswith("{"):
            continue
        read, family = dump_of(dump.text), 6 if "ip6tables" in dump.tool else 4
        if _is_legacy(dump.tool, read):
            found.add(LEGACY[family])
            setting = Setting(family, addresses)
            legacy += [
                table_of(each, setting, backend="legacy", tool=dump.tool) for each in read.sections
            ]
            if not read.whole:
                missing.append(NotRead(what=dump.tool, why="it ends before its last table does"))
        else:
            name = "ip" if family == 4 else "ip6"
            words |= {(name, each.name): (dump.tool, each) for each in read.sections}
    nft = _nft(state, addresses, words, missing)
    for tool in LEGACY.values():
        if tool not in found and all(each.what != tool for each in missing):
            missing.append(NotRead(what=tool, why=NO_DUMP))
    return Ruleset([*nft, *legacy], missing)


def _nft(
    state: NodeState,
    addresses: Addresses,
    words: dict[tuple[str, str], tuple[str, Section]],
    missing: list[NotRead],
) -> list[Table]:
    for dump in state.firewall:
        if not dump.text.lstrip().startswith("{"):
            continue
        items = document_of(dump.text)
        if items is not None:
            return tables_of(items, dump.tool, addresses, words)
        missing.append(NotRead(what=dump.tool, why="it is no ruleset in JSON"))
    if all(each.what != NFT for each in missing):
        missing.append(NotRead(what=NFT, why=NO_DUMP))
    return [
        table_of(
            section,
            Setting(4 if family == "ip" else 6, addresses),
            backend="iptables-nft",
            tool=tool,
        )
        for (family, _), (tool, section) in words.items()
    ]


def _tells(what: str) -> bool:
    return what == NFT or what in LEGACY.values()


def _is_legacy(tool: str, dump: Dump) -> bool:
    """By its name, or where it has none by what it says of itself (`v1.8.9 (nf_tables)`)."""
    if "legacy" in tool or "-nft-" in tool:
        return "legacy" in tool
    return bool(dump.generated_by) and "nf_tables" not in dump.generated_by
