"""From one recording without packets to one examination: what `flantrace check` concludes."""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from tracer.core.annotate import annotated
from tracer.core.case import Case
from tracer.core.evidence import Piece
from tracer.core.examine.answer import Told, answer, remarks
from tracer.core.examine.asking import Asking
from tracer.core.examine.beyond import beyond
from tracer.core.examine.census import Census, census
from tracer.core.examine.pairs import requests
from tracer.core.examine.promises import contradictions
from tracer.core.examine.reach import Reached
from tracer.core.examine.steps import steps
from tracer.core.examine.traffic import with_traffic
from tracer.core.facts import Facts
from tracer.core.noticed import noticed
from tracer.core.predict import predicted
from tracer.core.timeline import utc
from tracer.core.trajectories import samples
from tracer.core.views import ClusterView
from tracer.model.bundle import Bundle
from tracer.model.examination import SCHEMA, Examination
from tracer.model.request import CheckRequest

MOST_STOPPED = 2000
"""Pairs that are listed one by one; of all of them the number is known."""


class Examined(NamedTuple):
    """An examination, and of a watch's evidence what a fault in the tables explains."""

    examination: Examination
    explained: tuple[Piece, ...]


def examine(bundle: Bundle) -> Examination:
    """Compare everything recorded: same bundle, same answer."""
    return examined(bundle).examination


def examined(bundle: Bundle) -> Examined:
    """The same, for a watch."""
    facts = Facts(bundle)
    asked = asked_nodes(facts)
    read = tuple(node for node in asked if node in bundle.nodes)
    counted = [census(facts, family) for family in families(facts)]
    asking, reached = Asking(facts), Reached()
    _ask(facts, counted, asked, asking, reached)
    further = beyond(facts, counted, read)
    asking.take(further.findings)
    findings, explained = with_traffic(facts, asking.findings())
    reached.explained(findings)
    stopped = tuple(reached.stopped(counted, read))
    ways = len(read) * (len(read) - 1) * len(counted)
    told = Told(facts, asked, read, findings, stopped, ways, reached.doubts, further)
    sentence, exit_code = answer(told)
    found = Examination(
        schema=SCHEMA,
        recorded_at=utc(bundle.created_at) or bundle.created_at,
        recorded_by=bundle.tool_version,
        check=bundle.check or CheckRequest(),
        asked=asked,
        read=read,
        vni=facts.vni,
        port=facts.net_conf.port if facts.net_conf is not None else None,
        sentence=sentence,
        exit_code=exit_code,
        steps=steps(
            facts, counted, reached.followed + further.followed, findings, asking.skipped()
        ),
        findings=tuple(replace(finding, way=None) for finding in findings),
        ways=told.ways,
        stopped=len(stopped),
        reach=stopped[:MOST_STOPPED],
        skipped=asking.skipped(),
        notes=tuple(remarks(told)),
        timeline=noticed(bundle),
        samples=samples(facts),
    )
    return Examined(found, explained)


def _ask(
    facts: Facts, counted: Sequence[Census], asked: Sequence[str], asking: Asking, reached: Reached
) -> None:
    """Of every way between nodes that were read, of every node, and of all together."""
    read = [node for node in asked if node in facts.bundle.nodes]
    for one in counted:
        for request in requests(facts, one, read):
            case = Case(facts, request, annotated(predicted(facts, request), facts, request))
            for way in case.ways:
                reached.add(way, asking.of_way(way))
    for request in contradictions(facts, asked):
        for way in Case(facts, request, ()).ways:
            asking.of_way(way)
    for node in asked:
        asking.of_node(node)
    asking.of_cluster()


def asked_nodes(facts: Facts) -> tuple[str, ...]:
    """Those that the check is about: the named ones, else all."""
    check = facts.bundle.check
    return check.nodes if check is not None and check.nodes else ClusterView(facts, ()).nodes


def families(facts: Facts) -> tuple[int, ...]:
    """The address families of the overlay."""
    return tuple(sorted({lease.family for lease in facts.leases}))
