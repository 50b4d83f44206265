"""What a ruleset answers: the outcome, and the line of the dump that decided."""

from enum import StrEnum

from tracer.core.netfilter.probe import Probe
from tracer.model.record import Record


class Outcome(StrEnum):
    """What becomes of a packet at one hook. The last three: it passes, rewritten.

    DROP stands, too, where it is certain to be stopped and not known whether its sender is told.
    """

    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    UNKNOWN = "unknown"
    MASQUERADE = "masquerade"
    SNAT = "snat"
    DNAT = "dnat"


STOPS = frozenset({Outcome.DROP, Outcome.REJECT})
REWRITES = frozenset({Outcome.MASQUERADE, Outcome.SNAT, Outcome.DNAT})


class Way(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that may happen, and the rule or policy that would make it happen."""

    outcome: Outcome
    tool: str = ""
    """The dump in which the line stands, such as `iptables-nft-save`."""
    table: str = ""
    """`filter` for iptables, with its family for nft: `inet firewalld`."""
    chain: str = ""
    quote: str = ""
    """The rule as the tool prints it, without counters, or the policy in words."""
    policy: bool = False
    handle: int | None = None
    """By what nft names the rule."""
    reject: str = ""
    """What the sender is told: `icmp host-prohibited`, `icmpv6 no-route`, `tcp reset`; empty: that
    is not known."""
    to: str | None = None
    """The address that a packet is rewritten to; None: the device's own, one of several, or not
    known."""


class Decision(Way, frozen=True, kw_only=True, omit_defaults=True):
    """The answer for one packet at one hook. UNKNOWN quotes the first rule that is unclear."""

    hook: str
    packet: Probe
    """As it leaves the hook, marks and addresses rewritten: what the next hook is asked about."""
    unclear: str = ""
    """The part of the quoted rule that a dump cannot answer, or why a dump is missing."""
    ways: tuple[Way, ...] = ()
    """Everything that may happen; more than one unless the outcome is certain."""

    @property
    def passes(self) -> bool | None:
        """True, False, or None: not known. True and False are certain."""
        stopped = [way.outcome in STOPS for way in self.ways]
        if all(stopped):
            return False
        return None if any(stopped) or self._open else True

    @property
    def certain(self) -> bool:
        """It is stopped, whatever else is not known."""
        return self.passes is False

    @property
    def family(self) -> int:
        """4 or 6: of the packet that was asked about."""
        return self.packet.family

    @property
    def stops(self) -> tuple[Way, ...]:
        """What stops it or may stop it, in the order in which the packet meets it."""
        return tuple(way for way in self.ways if way.outcome in STOPS)

    @property
    def _open(self) -> bool:
        return any(way.outcome is Outcome.UNKNOWN for way in self.ways)

    @property
    def rewrites(self) -> bool | None:
        """Whether a rule translates a packet that passes; None: not known."""
        passing = [way.outcome for way in self.ways if way.outcome not in STOPS]
        if Outcome.UNKNOWN in passing:
            return None
        changed = {outcome in REWRITES for outcome in passing}
        return changed.pop() if len(changed) == 1 else None if changed else False
