"""The evaluator's word against the kernel's deed."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from tests.kernel.netfilter.router import A4, A6, S4, S6, Router, Seen
from tracer.core.netfilter.decision import Decision, Outcome
from tracer.core.netfilter.probe import Probe
from tracer.core.netfilter.ruleset import Ruleset

HOOKS = {
    "forward": ("prerouting", "forward", "postrouting"),
    "input": ("prerouting", "input"),
    "output": ("output", "postrouting"),
}


class Compared(NamedTuple):
    """One packet: what was said, what was seen, and whether they agree (None: nothing was said)."""

    way: str
    probe: Probe
    decisions: tuple[Decision, ...]
    seen: Seen
    agrees: bool | None
    why: str = ""

    @property
    def text(self) -> str:
        """For a person who has to find out why."""
        lines = [f"{self.way}: {self.probe}", f"seen: {self.seen}", f"why: {self.why}"]
        for each in self.decisions:
            lines.append(f"{each.hook}: {each.outcome} {each.tool}: {each.quote}  [{each.unclear}]")
        return "\n".join(lines)


def compared(
    router: Router, rules: Ruleset, way: str, probe: Probe, *dimmer: Probe
) -> Iterator[Compared]:
    """Ask, send, compare. `dimmer`: the same packet, with less known of it."""
    seen = router.out(probe) if way == "output" else router.through(probe)
    for each in (probe, *dimmer):
        decisions = tuple(_course(rules, way, each))
        agrees, why = _agrees(rules, probe, decisions, seen)
        yield Compared(way, each, decisions, seen, agrees, why)


def _course(rules: Ruleset, way: str, probe: Probe) -> Iterator[Decision]:
    first, *rest = HOOKS[way]
    decision = rules.verdict(first, probe)
    yield decision
    packet = decision.packet
    if way == "input" and decision.rewrites:
        # Its new destination is behind the router.
        rest, packet = list(HOOKS["forward"][1:]), replace(packet, oif="eth1")
    elif way == "input" and decision.rewrites is None:
        # Nobody knows where it goes from here.
        return
    if decision.passes is not False:
        yield from rules.course(rest, packet)


def _agrees(
    rules: Ruleset, probe: Probe, decisions: Sequence[Decision], seen: Seen
) -> tuple[bool | None, str]:
    last = decisions[-1]
    if last.hook == "prerouting" and last.passes is not False:
        return None, ""
    if last.passes is False:
        if seen.arrived:
            return False, "it was said to be stopped, and arrived"
        if probe.src in (A4, A6) and all(each.passes for each in decisions[:-1]):
            return _told(rules, last, seen)
        return True, ""
    if not all(each.passes for each in decisions):
        return None, ""
    if not seen.arrived:
        return False, "it was said to pass, and did not arrive"
    return _rewritten(probe, decisions, seen)


def _told(rules: Ruleset, last: Decision, seen: Seen) -> tuple[bool | None, str]:
    """What the sender hears, where nothing can stop that."""
    family = last.packet.family
    if any(rules.base_chains(hook, family) for hook in ("output", "postrouting")):
        return True, ""
    told = {each.reject for each in last.ways}
    if (
        last.hook == "output"
        or len(told) > 1
        or (last.outcome is Outcome.REJECT and not last.reject)
    ):
        return True, ""
    wanted = last.reject
    if wanted != seen.told:
        return False, f"its sender was told {seen.told!r}, not {wanted!r}"
    return True, ""


def _rewritten(probe: Probe, decisions: Sequence[Decision], seen: Seen) -> tuple[bool | None, str]:
    src, dst = probe.src, probe.dst
    for each in decisions:
        if each.rewrites is None or each.outcome is Outcome.UNKNOWN:
            return None, ""
        if each.outcome is Outcome.MASQUERADE:
            src = S4 if probe.family == 4 else S6
        elif each.outcome is Outcome.SNAT:
            src = each.to
        elif each.outcome is Outcome.DNAT:
            dst = each.to
    if (seen.src, seen.dst) != (src, dst):
        return False, f"it came from {seen.src} to {seen.dst}, not from {src} to {dst}"
    return True, ""
