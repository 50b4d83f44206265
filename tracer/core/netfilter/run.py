"""The walk of one packet through base chains, as nft_do_chain and ipt_do_table walk it.

Where a rule is unclear both ways are gone: what may end the packet there is noted, and the packet
goes on with what is not known any more left open. So the work stays linear in the rules.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tracer.core.netfilter.decision import Outcome
from tracer.core.netfilter.model import (
    KEPT,
    Chain,
    Choice,
    Kind,
    Place,
    Rewrite,
    Rule,
    Verdict,
)
from tracer.core.netfilter.names import NEW, RELATED
from tracer.core.netfilter.packet import Packet, join, same

DEEPEST = 64
"""Jumps within jumps; nft allows 16, iptables as many as its rules hold."""
MOST_RULES = 400_000
"""Rules asked for one answer; only a ruleset made for it, whose jumps multiply, needs more."""

_SURE, _MISS = -1, -2


class End(NamedTuple):
    """A way that ends at a hook."""

    outcome: Outcome
    place: Place
    reject: str = ""


class Run:
    """One packet at one hook.

    `ends`: where it may end, and the first rule that leaves that open. `accepted`: the packet as
    rules of the last base chain, or of the chain that was walked, let it pass.
    """

    def __init__(self, hook: str) -> None:
        self._hook = hook
        self.ends: dict[End, Place | None] = {}
        self.accepted: Packet | None = None
        self._asked = 0

    def through(self, chains: Sequence[Chain], packet: Packet) -> Packet | None:
        """Pass the base chains in order; None: it passes in no case."""
        for chain in chains:
            applies = _applies(chain, packet)
            if applies is False:
                continue
            entering = packet.copy()
            if applies is None:
                entering.doubt = entering.doubt or Place(chain, None)
            left = self._base(chain, entering, packet.doubt)
            if applies is None:
                left = join(left, packet)
            if left is None:
                return None
            packet = left
        return packet

    def _base(self, chain: Chain, packet: Packet, doubt: Place | None) -> Packet | None:
        before, ended = packet.copy(), len(self.ends)
        packet.at(self._hook, chain.priority)
        self.accepted = None
        left = self.walk(chain, packet)
        if left is not None and chain.drops:
            self._end(Outcome.DROP, Place(chain, None), left)
            left = None
        elif left is not None:
            left.accepted = left.accepted or Place(chain, None)
        passed = join(self.accepted, left)
        if passed is not None:
            passed.state = before.state
            if len(self.ends) == ended and same(passed, before):
                # Whatever was unclear in it changed nothing.
                passed.doubt = doubt
        return passed

    def walk(self, chain: Chain, start: Packet, depth: int = 0) -> Packet | None:
        """Pass a chain's rules; what is left of the packet fell out of its end, or returned."""
        packet: Packet | None = start
        returned: Packet | None = None
        for rule in chain.rules:
            if packet is None:
                return returned
            self._asked += 1
            if self._asked > MOST_RULES or depth > DEEPEST:
                self._end(Outcome.UNKNOWN, Place(chain, rule), packet)
                return None
            if rule.writes:
                at, hitting, other = _written(rule, packet, chain)
            else:
                at, hitting, other = _asked(rule, packet), packet, packet
            if at == _MISS:
                packet = other
                continue
            if at != _SURE:
                hitting = _doubting(hitting.copy(), Place(chain, rule, at))
            packet, back = self._apply(rule, chain, hitting, None if at == _SURE else other, depth)
            returned = join(returned, back)
        return join(returned, packet)

    def _apply(
        self, rule: Rule, chain: Chain, hitting: Packet, other: Packet | None, depth: int
    ) -> tuple[Packet | None, Packet | None]:
        """What goes on behind a rule that hits or may hit, and what returns from its chain.

        `other`: the packet as it goes on where the rule does not hit; None: it does.
        """
        verdicts: Sequence[Verdict | None] = (None,)
        if isinstance(rule.verdict, Choice):
            verdicts, may_miss = rule.verdict.find(hitting)
            if may_miss:
                other = join(other, hitting.copy())
            if len(verdicts) + may_miss > 1:
                _doubting(hitting, Place(chain, rule, len(rule.steps)))
        elif rule.verdict is not None:
            verdicts = (rule.verdict,)
        ended, accepted = len(self.ends), self.accepted
        after: Packet | None = None
        returned: Packet | None = None
        for verdict in verdicts:
            branch = hitting if len(verdicts) == 1 else hitting.copy()
            on, back = self._settle(verdict, branch, Place(chain, rule), depth)
            after, returned = join(after, on), join(returned, back)
        if other is None:
            return after, returned
        idle = len(self.ends) == ended and self.accepted is accepted and returned is None
        if idle and same(after, other):
            return other, None
        return join(after, _doubting(other.copy(), hitting.doubt)), returned

    def _settle(
        self, verdict: Verdict | None, packet: Packet, place: Place, depth: int
    ) -> tuple[Packet | None, Packet | None]:
        if verdict is None:
            return packet, None
        kind = verdict.kind
        if kind is Kind.RETURN:
            return None, packet
        if kind in (Kind.JUMP, Kind.GOTO):
            target = place.chain.table.chains.get(verdict.target)
            if target is None:
                self._end(Outcome.UNKNOWN, place, packet)
                return None, None
            left = self.walk(target, packet, depth + 1)
            return (left, None) if kind is Kind.JUMP else (None, left)
        if kind is Kind.ACCEPT or kind is Kind.NAT:
            if kind is Kind.NAT:
                packet = _rewritten(verdict, packet, place)
            if packet.accepted is None or packet.accepted.rule is None:
                packet.accepted = place
            self.accepted = join(self.accepted, packet)
        elif kind is Kind.REJECT:
            self._end(Outcome.REJECT, place, packet, verdict.target)
        else:
            self._end(_ENDS[kind], place, packet)
        return None, None

    def _end(self, outcome: Outcome, place: Place, packet: Packet, reject: str = "") -> None:
        self.ends.setdefault(End(outcome, place, reject), packet.doubt)


_ENDS = {Kind.DROP: Outcome.DROP, Kind.ELSEWHERE: Outcome.UNKNOWN}


def _asked(rule: Rule, packet: Packet) -> int:
    """_SURE, _MISS, or which step was the first that is unclear."""
    unclear = _SURE
    for at, step in enumerate(rule.steps):
        answer = step(packet)
        if answer is False:
            return _MISS
        if answer is None and unclear == _SURE:
            unclear = at
    return unclear


def _written(rule: Rule, packet: Packet, chain: Chain) -> tuple[int, Packet, Packet]:
    """The same for a rule with effects, which hold though a later match of it fails.

    Then the packet as it is where the rule hits, and as it is where it does not.
    """
    changed, unclear = packet.copy(), _SURE
    for at, step in enumerate(rule.steps):
        answer = step(changed)
        if answer is None and unclear == _SURE:
            unclear = at
        if answer is False:
            if unclear == _SURE:
                return _MISS, changed, changed
            return _MISS, changed, _either(packet, changed, Place(chain, rule, unclear))
    return unclear, changed, _either(packet, changed, None)


def _either(packet: Packet, changed: Packet, doubt: Place | None) -> Packet:
    if same(packet, changed):
        return packet
    return _doubting(join(packet, changed) or packet, doubt)


def _doubting(packet: Packet, doubt: Place | None) -> Packet:
    packet.doubt = packet.doubt or doubt
    return packet


def _applies(chain: Chain, packet: Packet) -> bool | None:
    """Whether the packet meets a base chain at all."""
    if chain.kind == "nat":
        # The first packet of a connection, until a chain translates it (nf_nat_inet_fn).
        if packet.tracked is False or None not in packet.rewritten:
            return False
        if packet.flow not in (NEW, RELATED, None):
            return False
        if packet.flow != NEW or packet.tracked is None:
            return None
    if chain.devices:
        device = packet.oif if chain.hook == "egress" else packet.iif
        if device is not None and device not in chain.devices:
            return False
        if device is None:
            return None
    return chain.active


def _rewritten(verdict: Verdict, packet: Packet, place: Place) -> Packet:
    address, port = verdict.rewrite(packet) if verdict.rewrite is not None else (None, None)
    made = packet.copy()
    there = verdict.outcome is Outcome.DNAT
    changes = [
        _put(made, "dst" if there else "src", address),
        _put(made, "dport" if there else "sport", port),
    ]
    # A translation to what it is already is none (nf_nat_setup_info).
    changed = True if True in changes else None if None in changes else False
    if changed is not False:
        setattr(made, "dnat" if there else "snat", changed)
    done = Rewrite(verdict.outcome, place, None if address == KEPT else address)
    made.rewritten = tuple(dict.fromkeys(each or done for each in packet.rewritten))
    # Where an earlier chain may have translated it, this one may not have.
    return made if packet.rewritten == (None,) else join(packet, made) or made


def _put(packet: Packet, field: str, value: int | None) -> bool | None:
    """Whether that changed it."""
    seen = getattr(packet, field)
    if value == KEPT:
        return False
    setattr(packet, field, value)
    return None if value is None or seen is None else value != seen
