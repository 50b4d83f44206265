"""The ways of a run, put together to one answer."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from tracer.core.netfilter.decision import STOPS, Decision, Outcome, Way
from tracer.core.netfilter.model import Chain, Place
from tracer.core.netfilter.names import rejection
from tracer.core.netfilter.packet import Packet, join, text_of
from tracer.core.netfilter.probe import Probe
from tracer.core.netfilter.run import End, Run
from tracer.model.state import NotRead

SAME_PRIORITY = "chains of one priority, in an order that no dump shows"


class Result(NamedTuple):
    """One run with what is left of its packet."""

    run: Run
    left: Packet | None


def decide(
    hook: str, probe: Probe, results: Sequence[Result], missing: Sequence[NotRead]
) -> Decision:
    """One answer from runs that differ in the order of chains, and what was not read."""
    ways = list(dict.fromkeys(way for result in results for way in _ways(result, probe.family)))
    left: Packet | None = None
    for result in results:
        left = join(left, result.left)
    packet = left.probe(probe) if left is not None else probe
    outcomes = {way.outcome for way in ways}
    if missing and not outcomes <= STOPS:
        gap = missing[0]
        ways.append(Way(outcome=Outcome.UNKNOWN, tool=gap.what))
        return _decision(
            hook, packet, ways, Way(outcome=Outcome.UNKNOWN, tool=gap.what), f"not read: {gap.why}"
        )
    if outcomes <= STOPS or (len(outcomes) == 1 and Outcome.UNKNOWN not in outcomes):
        return _decision(hook, packet, ways, _agreed(ways), "")
    said, unclear = _doubt(results)
    return _decision(hook, packet, ways, said, unclear)


def _agreed(ways: Sequence[Way]) -> Way:
    """The first, without what the others say differently; some drop and some reject: dropped."""
    first = ways[0]
    told, to = {way.reject for way in ways}, {way.to for way in ways}
    return replace(
        first,
        outcome=first.outcome if len({way.outcome for way in ways}) == 1 else Outcome.DROP,
        reject=first.reject if len(told) == 1 else "",
        to=first.to if len(to) == 1 else None,
    )


def _decision(hook: str, packet: Probe, ways: Sequence[Way], said: Way, unclear: str) -> Decision:
    return Decision(
        outcome=said.outcome,
        tool=said.tool,
        table=said.table,
        chain=said.chain,
        quote=said.quote,
        policy=said.policy,
        handle=said.handle,
        reject=said.reject,
        to=said.to,
        hook=hook,
        packet=packet,
        unclear=unclear,
        ways=tuple(ways),
    )


def _ways(result: Result, family: int) -> Iterator[Way]:
    """Ends first: they are what matters."""
    for end in result.run.ends:
        yield _way(end.outcome, end.place, reject=_rejection(end, family))
    left = result.left
    if left is None:
        return
    for rewrite in left.rewritten:
        if rewrite is not None:
            to = text_of(rewrite.to, family)
            yield _way(rewrite.outcome, rewrite.place, to=to)
        elif left.accepted is not None:
            yield _way(Outcome.ACCEPT, left.accepted)
        else:
            yield Way(outcome=Outcome.ACCEPT)


def _rejection(end: End, family: int) -> str:
    kind, _, code = end.reject.partition(" ")
    return rejection(kind, code, family) if kind else ""


def _doubt(results: Sequence[Result]) -> tuple[Way, str]:
    """The first rule that leaves it open, and the part of it that is unclear."""
    for result in results:
        for end, doubt in result.run.ends.items():
            if doubt is not None:
                return _said(doubt)
            if end.outcome is Outcome.UNKNOWN:
                return _said(end.place)
        if result.left is not None and result.left.doubt is not None:
            return _said(result.left.doubt)
    for result in results:
        for end in result.run.ends:
            return _way(Outcome.UNKNOWN, end.place), SAME_PRIORITY
    return Way(outcome=Outcome.UNKNOWN), SAME_PRIORITY


def _said(place: Place) -> tuple[Way, str]:
    part = place.rule.part(place.step) if place.rule is not None else ""
    return _way(Outcome.UNKNOWN, place), part


def _way(outcome: Outcome, place: Place, *, reject: str = "", to: str | None = None) -> Way:
    chain, rule = place.chain, place.rule
    worded = chain.worded and (rule is None or rule.worded)
    table = chain.table
    return Way(
        outcome=outcome,
        tool=table.tool if worded else table.nft_tool,
        table=table.name if worded else f"{table.family} {table.name}",
        chain=chain.name,
        quote=_quote(place, worded=worded),
        policy=rule is None,
        handle=rule.handle if rule is not None else None,
        reject=reject,
        to=to,
    )


def _quote(place: Place, *, worded: bool) -> str:
    chain, rule = place.chain, place.rule
    if rule is not None:
        return rule.quote if worded else f"chain {title(chain)}: {rule.quote}"
    if worded:
        policy = "DROP" if chain.drops else "ACCEPT"
        return f"policy {policy} of chain {chain.name} in table {chain.table.name}"
    return f"policy {'drop' if chain.drops else 'accept'} of chain {title(chain)}"


def title(chain: Chain) -> str:
    """As nft names it: `inet firewalld filter_FORWARD`."""
    return f"{chain.table.family} {chain.table.name} {chain.name}"
