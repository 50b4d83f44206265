"""flannel's own rules: whether they are there, and what wins over them.

Names and rules are those of pkg/trafficmngr/iptables/iptables.go and nftables/nftables.go of
flannel; before 0.20 its rules stood in FORWARD and POSTROUTING themselves.
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from tracer.core.netfilter.decision import Decision, Outcome, Way
from tracer.core.netfilter.iptables_words import words_of
from tracer.core.netfilter.model import Chain, Rule, Verdict
from tracer.core.netfilter.packet import Packet
from tracer.core.netfilter.probe import Probe
from tracer.core.netfilter.ruleset import Ruleset
from tracer.core.netfilter.run import Run
from tracer.model.packet import Net
from tracer.model.record import Record

TABLE = {4: "flannel-ipv4", 6: "flannel-ipv6"}
"""Of its nftables mode."""
_OWN = {"forward": ("FORWARD", "FLANNEL-FWD"), "postrouting": ("POSTROUTING", "FLANNEL-POSTRTG")}
_OUTSIDE = {4: ("192.0.2.1", "198.51.100.1"), 6: ("2001:db8::1", "3fff::1")}
"""Addresses for documentation; no pod has one."""


class Overruled(Record, frozen=True, kw_only=True):
    """A rule or policy that wins over flannel's accepting rules."""

    decision: Decision
    why: str
    """Why flannel's rules do not help, for a sentence."""


def has_flannel_forward(rules: Ruleset, network: Net) -> bool | None:
    """flannel's rules let pods' packets pass FORWARD, both ways; None: a dump is missing."""
    if _forward(rules, network) is not None:
        return True
    return None if rules.missing_for(_family(network)) else False


def has_flannel_masquerade(rules: Ruleset, network: Net) -> bool | None:
    """flannel's rules hide pods from the world (`--ip-masq`); None: a dump is missing."""
    inside, outside = _hosts(network)
    probe = Probe(src=inside, dst=outside, protocol="udp")
    for chain in _chains(rules, "postrouting", network):
        left = _accepted(chain, probe)
        done = left.rewritten if left is not None else ()
        if any(each is not None and each.outcome is Outcome.MASQUERADE for each in done):
            return True
    return None if rules.missing_for(_family(network)) else False


def wins_over_flannel(rules: Ruleset, packet: Probe, network: Net) -> Overruled | None:
    """What certainly stops a packet at FORWARD, and why flannel's rules do not help there."""
    decision = rules.verdict("forward", packet)
    if decision.passes is not False:
        return None
    own = _forward(rules, network)
    if own is None:
        why = "flannel's own rules are not there"
    elif _accepted(own, packet) is None:
        why = f"flannel's rules let only packets of {network} pass"
    elif (decision.tool, decision.table) not in _places(own):
        why = "it stands in another table: an accept ends its own table only, a drop ends all"
    else:
        why = "it stands before flannel's rules, which are appended behind all others"
    return Overruled(decision=decision, why=why)


def stands_elsewhere(rules: Ruleset, stop: Way, network: Net) -> bool:
    """A line stands in another table than flannel's accepting rules do, or would in iptables.

    There no rule of flannel's helps: an accept ends its own table only, a drop ends all.
    """
    own = _forward(rules, network)
    if own is not None:
        return (stop.tool, stop.table) not in _places(own)
    return stop.table.rpartition(" ")[2] != "filter" or stop.table.startswith("inet ")


def _forward(rules: Ruleset, network: Net) -> Chain | None:
    """The chain with flannel's accepting rules, if it holds them both and is in use."""
    inside, outside = _hosts(network)
    leaving = Probe(src=inside, dst=outside, protocol="udp")
    coming = Probe(src=outside, dst=inside, protocol="udp")
    for chain in _chains(rules, "forward", network):
        if _accepted(chain, leaving) is not None and _accepted(chain, coming) is not None:
            return chain
    return None


def _chains(rules: Ruleset, hook: str, network: Net) -> Iterator[Chain]:
    """Chains that hold flannel's rules: its own ones, and what stands in the built-in ones."""
    (base, own), family = _OWN[hook], _family(network)
    for chain in rules.base_chains(hook, family):
        table = chain.table
        if table.name == TABLE[family]:
            yield chain
        elif chain.name == base and table.backend != "nft":
            if own in table.chains and any(_leads_to(rule, own) for rule in chain.rules):
                yield table.chains[own]
            elif table.name in ("filter", "nat"):
                yield _only(chain, [rule for rule in chain.rules if _is_old(rule, network)])


def _leads_to(rule: Rule, chain: str) -> bool:
    return isinstance(rule.verdict, Verdict) and rule.verdict.target == chain


def _is_old(rule: Rule, network: Net) -> bool:
    """`-s NETWORK -j ACCEPT` and its like, with nothing but a comment besides."""
    words = words_of(rule.quote) if rule.worded else None
    if words is None or any(module.name != "comment" for module in words.modules):
        return False
    named = [option.values for option in words.base if not option.negated]
    return named == [(network,)] and all(option.name in ("-s", "-d") for option in words.base)


def _only(chain: Chain, rules: list[Rule]) -> Chain:
    return Chain(chain.table, chain.name, lambda: rules, filled=bool(rules))


def _accepted(chain: Chain, probe: Probe) -> Packet | None:
    """The packet as the chain's own rules let it pass; None: they leave it to others."""
    run = Run("forward")
    left = run.walk(chain, Packet.of(probe, "forward"))
    return run.accepted if left is None and not run.ends else None


def _places(chain: Chain) -> set[tuple[str, str]]:
    """Tool and table as a decision names them, in either tool's words."""
    table = chain.table
    return {(table.tool, table.name), (table.nft_tool, f"{table.family} {table.name}")}


def _family(network: Net) -> int:
    return 6 if ":" in network else 4


def _hosts(network: Net) -> tuple[str | None, str]:
    """An address of the network, and one that is not; no first one where it is no network."""
    try:
        pods = ip_network(network, strict=False)
    except ValueError:
        return None, _OUTSIDE[4][0]
    outside = [each for each in _OUTSIDE[pods.version] if ip_address(each) not in pods]
    return str(pods[min(1, pods.num_addresses - 1)]), (outside or _OUTSIDE[pods.version])[0]
