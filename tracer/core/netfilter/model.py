"""The one model of every backend: tables, chains, and rules of steps and a verdict."""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any, NamedTuple

from tracer.core.netfilter.decision import Outcome
from tracer.core.netfilter.nft_words import nft_words
from tracer.core.netfilter.packet import Packet

Step = Callable[[Packet], bool | None]
"""A match: does the packet fit? None: not known. Or an effect, which changes it and says True."""


class Kind(Enum):
    """What a verdict does."""

    ACCEPT = auto()
    DROP = auto()
    REJECT = auto()
    RETURN = auto()
    JUMP = auto()
    GOTO = auto()
    NAT = auto()
    ELSEWHERE = auto()
    """Decided by something that no dump shows: a program, an extension nobody here knows."""


class Verdict(NamedTuple):
    """The end of a rule."""

    kind: Kind
    target: str = ""
    """The chain of a jump or goto; what a rejected sender is told."""
    outcome: Outcome = Outcome.ACCEPT
    """Of nat: MASQUERADE, SNAT or DNAT."""
    rewrite: Callable[[Packet], tuple[int | None, int | None]] | None = None
    """Of nat: the address and the port that the packet gets, KEPT, or None: not known."""


class Choice(NamedTuple):
    """A verdict map: which verdicts are possible, and whether there may be none."""

    find: Callable[[Packet], tuple[Sequence[Verdict], bool]]


KEPT = -1
"""An address or a port that nat leaves alone."""
ACCEPT, DROP, RETURN = Verdict(Kind.ACCEPT), Verdict(Kind.DROP), Verdict(Kind.RETURN)
ELSEWHERE = Verdict(Kind.ELSEWHERE)


class Rule:
    """One rule: steps in order, then a verdict if all of them hold."""

    __slots__ = ("_parts", "_quote", "handle", "steps", "verdict", "writes")

    def __init__(
        self,
        steps: tuple[Step, ...],
        verdict: Verdict | Choice | None,
        *,
        quote: str | list[Any],
        parts: Sequence[Any],
        writes: bool = False,
    ) -> None:
        self.steps = steps
        self.verdict = verdict
        self.writes = writes
        """Some steps are effects."""
        self.handle: int | None = None
        """By what nft names it."""
        self._quote = quote
        self._parts = parts

    @property
    def worded(self) -> bool:
        """Quoted in iptables' words; else in nft's."""
        return isinstance(self._quote, str)

    @property
    def quote(self) -> str:
        """The rule in its tool's words."""
        return self._quote if isinstance(self._quote, str) else nft_words(self._quote)

    def part(self, step: int) -> str:
        """One of its steps in its tool's words."""
        if not 0 <= step < len(self._parts):
            return ""
        part = self._parts[step]
        return part if isinstance(part, str) else nft_words([part])


class Chain:
    """A chain. Its rules are read when they are first asked for: most chains never are."""

    __slots__ = (
        "_compile", "_rules", "active", "devices", "drops", "filled", "hook", "kind", "name",
        "priority", "table", "worded",
    )  # fmt: skip

    def __init__(
        self, table: "Table", name: str, rules: Callable[[], Sequence[Rule]], *, filled: bool
    ) -> None:
        self.table = table
        self.name = name
        self.filled = filled
        """There are rules in it."""
        self.hook: str | None = None
        """None: no base chain."""
        self.kind = "filter"
        """`filter`, `nat` or `route`."""
        self.priority = 0
        self.drops = False
        """The policy is drop."""
        self.devices: tuple[str, ...] = ()
        """Of an ingress or egress chain."""
        self.active: bool | None = True
        """False: its table is dormant; None: that could not be read."""
        self.worded = table.backend != "nft"
        """iptables-save shows it."""
        self._compile = rules
        self._rules: Sequence[Rule] | None = None

    @property
    def rules(self) -> Sequence[Rule]:
        """Its rules in order."""
        if self._rules is None:
            self._rules = self._compile()
        return self._rules

    def based(self, hook: str, priority: int, kind: str, *, drops: bool) -> "Chain":
        """Make a base chain of it."""
        self.hook, self.priority, self.kind, self.drops = hook, priority, kind, drops
        return self


class Table:
    """A table with its chains by name. `backend`: `legacy`, `iptables-nft` or `nft`."""

    __slots__ = ("backend", "chains", "family", "name", "nft_tool", "tool")

    def __init__(
        self, backend: str, tool: str, family: str, name: str, *, nft_tool: str = ""
    ) -> None:
        self.backend = backend
        self.tool = tool
        self.nft_tool = nft_tool or tool
        """The dump that shows the same table as nft sees it."""
        self.family = family
        """As nft says it: `ip`, `ip6`, `inet`, `bridge`, `netdev`, `arp`."""
        self.name = name
        self.chains: dict[str, Chain] = {}


class Place(NamedTuple):
    """A rule of a chain, or (None) the chain's policy. `step`: the one that was unclear."""

    chain: Chain
    rule: Rule | None
    step: int = -1


class Rewrite(NamedTuple):
    """One nat that a packet met."""

    outcome: Outcome
    place: Place
    to: int | None
