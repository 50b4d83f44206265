"""The first sentence of a check, its exit code, and what to know about it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tracer.core.examine.beyond import Beyond
from tracer.core.facts import Facts
from tracer.core.words import programs, said_of
from tracer.model.diagnosis import Finding, Severity
from tracer.model.examination import Reach
from tracer.model.path import Outcome

HEALTHY, FAULT, UNKNOWN = 0, 1, 3
"""Exit codes (docs/reference/exit-codes.md)."""

MOST_DOUBTS = 3
"""Reasons for not knowing that are told one by one."""


class Told(NamedTuple):
    """What the answer is made of."""

    facts: Facts
    asked: Sequence[str]
    read: Sequence[str]
    findings: Sequence[Finding]
    stopped: Sequence[Reach]
    ways: int
    doubts: Mapping[str, int]
    """Why ways could not be followed to the end -> how many for that."""
    beyond: Beyond


def answer(told: Told) -> tuple[str, int]:
    """(sentence, exit code). What was not read makes a clean answer UNKNOWN."""
    errors = [finding for finding in told.findings if finding.severity is Severity.ERROR]
    dead = [one for one in told.stopped if one.outcome is not Outcome.UNKNOWN]
    if errors or dead:
        return _faults(told, errors, dead), FAULT
    unread = [node for node in told.asked if node not in told.read]
    check = told.facts.bundle.check
    if unread and (check is None or check.agents):
        return f"no fault was found, but {_were_not_read(unread, told)}.", UNKNOWN
    if told.stopped:
        return f"no fault was found, but {_unsure(told)}.", UNKNOWN
    if not told.read:
        return f"no fault in what the API shows of {_nodes(len(told.asked))}.", HEALTHY
    return f"no fault on {_nodes(len(told.read))}: {_all_promised(told)}.", HEALTHY


def _faults(told: Told, errors: Sequence[Finding], dead: Sequence[Reach]) -> str:
    if len(errors) == 1:
        return f"{errors[0].sentence.rstrip('.')}: {_harm(told, dead)}."
    nodes = dict.fromkeys(finding.node for finding in errors)
    where = f" on {', '.join(list(nodes)[:3])}" if nodes else ""
    where += f" and {len(nodes) - 3} more nodes" if len(nodes) > 3 else ""
    count = f"{len(errors)} fault{'' if len(errors) == 1 else 's'}" if errors else "a fault"
    return f"{count}{where}: {_harm(told, dead)}."


def _harm(told: Told, dead: Sequence[Reach]) -> str:
    if not told.ways:
        return _harm_beyond(told)
    if not dead and told.stopped:
        return f"{len(told.stopped):,} of {told.ways:,} ways between nodes could not be followed"
    if not dead:
        return "by the tables all ways between nodes work"
    return f"{len(dead):,} of {told.ways:,} ways between nodes do not work"


def _harm_beyond(told: Told) -> str:
    """Of one node by itself, by what its peers' leases say."""
    beyond = told.beyond
    if not beyond.followed:
        return "what it stops could not be followed"
    if not beyond.stopped and told.facts.bundle.watched is not None:
        return "no table that was read stops packets to or from its peers"
    if not beyond.stopped:
        return "by the leases and its tables its ways to other nodes work"
    count = f"{beyond.stopped} of {beyond.followed}"
    return f"{count} ways to and from its peers do not work by their leases"


def _were_not_read(unread: Sequence[str], told: Told) -> str:
    if len(unread) == 1:
        return f"{unread[0]} was not read: {told.facts.why_silent(unread[0]).rstrip('.')}"
    named = ", ".join(unread[:3]) + (f" and {len(unread) - 3} more" if len(unread) > 3 else "")
    return f"{len(unread)} of {len(told.asked)} nodes were not read: {named}"


def _unsure(told: Told) -> str:
    return f"{len(told.stopped)} of {told.ways} ways between nodes could not be followed to the end"


def _nodes(count: int) -> str:
    return f"{count:,} node{'' if count == 1 else 's'}"


def _all_promised(told: Told) -> str:
    if len(told.read) == 1:
        return "its tables are what the leases promise"
    return f"all {told.ways:,} ways between them work by the tables"


def remarks(told: Told) -> Iterator[str]:
    """Sentences to know: what a check cannot see, and what was not read."""
    bundle = told.facts.bundle
    if bundle.redacted:
        yield (
            "Names, addresses and MACs in this recording were replaced: commands need the real"
            " ones."
        )
    if bundle.check is not None and not bundle.check.agents:
        yield "Nothing ran on the nodes: only what the API shows was compared."
    elif told.read and bundle.watched is None:
        yield (
            "No packet was sent: what lies between the nodes is in no table. flantrace POD_A POD_B"
            " follows one."
        )
    if told.beyond.peers:
        named = ", ".join(told.beyond.peers)
        yield f"Not read, and taken to be as their leases say: {named}."
    yield from _doubts(told)
    yield from _for_another(told)
    yield from (line for node in told.read for line in programs(told.facts.state(node)))
    # of a hundred nodes that cannot be reached for one reason, that reason
    yield from dict.fromkeys(said_of(trouble) for trouble in bundle.troubles)
    for lease in told.facts.leases:
        if lease.defect is not None and lease.node in told.asked:
            yield f"Peers ignore the lease of {lease.node}: {lease.defect}."


def _doubts(told: Told) -> Iterator[str]:
    for doubt, count in list(told.doubts.items())[:MOST_DOUBTS]:
        ways = f"{count} way{'' if count == 1 else 's'}"
        yield f"{ways} could not be followed to the end: {doubt.rstrip('.')}."
    if len(told.doubts) > MOST_DOUBTS:
        yield f"Others could not for {len(told.doubts) - MOST_DOUBTS} more reasons."


def _for_another(told: Told) -> Iterator[str]:
    """Nothing but a frame for another MAC moves this counter of a VTEP (Linux 5.19)."""
    named = {finding.node for finding in told.findings}
    for node in told.read:
        for link in told.facts.state(node).links:
            count = link.counters.rx_otherhost if link.vxlan is not None else None
            if count and node not in named:
                yield (
                    f"{link.ifname} of {node} has counted {count} frames for another MAC since it"
                    " was made: some peer misaddressed it, now or before."
                )
