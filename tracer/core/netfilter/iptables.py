"""A dump of an iptables-save tool as tables of the model."""

from collections.abc import Collection, Sequence
from functools import partial

from tracer.core.netfilter.iptables_matches import words_steps
from tracer.core.netfilter.iptables_targets import ending
from tracer.core.netfilter.iptables_whole import Setting
from tracer.core.netfilter.iptables_words import Section, words_of
from tracer.core.netfilter.model import Chain, Rule, Table
from tracer.core.netfilter.steps import always

_FILTER = {"INPUT": 0, "FORWARD": 0, "OUTPUT": 0}
_EVERY = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
BASES = {
    "raw": dict.fromkeys(("PREROUTING", "OUTPUT"), -300),
    "mangle": dict.fromkeys(_EVERY, -150),
    "nat": {"PREROUTING": -100, "OUTPUT": -100, "INPUT": 100, "POSTROUTING": 100},
    "filter": _FILTER,
    "security": dict.fromkeys(_FILTER, 50),
}
"""Table -> base chain -> priority (enum nf_ip_hook_priorities)."""


def table_of(section: Section, setting: Setting, *, backend: str, tool: str) -> Table:
    """One table, its chains at their well-known hooks and priorities."""
    family = "ip" if setting.family == 4 else "ip6"
    table = Table(backend, tool, family, section.name)
    names = frozenset(section.policies) | frozenset(section.lines)
    bases = BASES.get(section.name, {})
    for name in names:
        lines = section.lines.get(name, ())
        chain = Chain(table, name, partial(rules_of, lines, names, setting), filled=bool(lines))
        if name in bases:
            kind = "nat" if section.name == "nat" else "filter"
            drops = section.policies.get(name) == "DROP"
            chain.based(name.lower(), bases[name], kind, drops=drops)
        table.chains[name] = chain
    return table


def rules_of(lines: Sequence[str], chains: Collection[str], setting: Setting) -> list[Rule]:
    """The rules of a chain; those that neither decide nor change anything are left out."""
    rules = (_rule(line, chains, setting) for line in lines)
    return [rule for rule in rules if rule is not None]


def _rule(line: str, chains: Collection[str], setting: Setting) -> Rule | None:
    words = words_of(line)
    effects, verdict = ending(words.target, goes=words.goes, chains=chains, family=setting.family)
    if verdict is None and not effects:
        return None
    steps, parts = [], []
    for step, part in words_steps(words, setting):
        if step is not always:
            steps.append(step)
            parts.append(part)
    return Rule((*steps, *effects), verdict, quote=line, parts=tuple(parts), writes=bool(effects))
