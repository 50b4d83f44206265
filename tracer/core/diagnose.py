"""From one recording to one diagnosis: the table of contents of the core."""

from collections.abc import Mapping, Sequence
from typing import Any

from tracer.core.annotate import annotated
from tracer.core.beyond import beyond
from tracer.core.case import Case, MissingFact, WayView
from tracer.core.correlate import correlate
from tracer.core.facts import Facts
from tracer.core.forecast import forecasts, surprises
from tracer.core.macs import routed_directly, three_macs
from tracer.core.notes import notes
from tracer.core.predict import predicted
from tracer.core.rules.catalogue import CATALOGUE, LAST, one_for_same, said, slug, subject
from tracer.core.tally import tallies
from tracer.core.timeline import timeline, utc
from tracer.core.verdict import decide, other_backend
from tracer.core.views import ClusterView, NodeView
from tracer.model.bundle import Bundle
from tracer.model.diagnosis import SCHEMA, Diagnosis, Finding, Overlay, Severity, Skipped
from tracer.model.path import Way


def diagnose(bundle: Bundle) -> Diagnosis:
    """Turn everything recorded into one verdict with its evidence: same bundle, same answer."""
    facts, request = Facts(bundle), bundle.traced
    paths = predicted(facts, request) if request.predict else correlate(bundle)
    return judge(Case(facts, request, annotated(paths, facts)))


def judge(case: Case) -> Diagnosis:
    """The second half: from annotated paths to findings, tallies and the verdict."""
    findings, skipped = apply_rules(case) if other_backend(case) is None else ((), ())
    counted = tallies(case)
    verdict = decide(case, findings, counted)
    held = () if case.predicted else forecasts(case.facts, case.request, case)
    return Diagnosis(
        schema=SCHEMA,
        recorded_at=utc(case.bundle.created_at) or case.bundle.created_at,
        recorded_by=case.bundle.tool_version,
        request=case.request,
        overlay=overlay(case),
        verdict=verdict,
        findings=by_weight(findings, verdict.way),
        tallies=counted,
        paths=case.paths,
        macs=three_macs(case),
        skipped=skipped,
        notes=(*notes(case), *surprises(held)),
        forecasts=held,
        timeline=timeline(case),
    )


def apply_rules(case: Case) -> tuple[tuple[Finding, ...], tuple[Skipped, ...]]:
    """Ask every rule of what it looks at, in order; the last two only where none explains."""
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    subjects = subjects_of(case)
    for rule in CATALOGUE:
        for about in subjects[subject(rule)]:
            if rule in LAST and _explained(findings, about):
                continue
            try:
                findings += said(rule, about)
            except MissingFact as fact:
                skipped.append(Skipped(rule=slug(rule), missing=fact.missing))
    kept = _once(findings)
    every = one_for_same((*kept, *beyond(case, kept)))
    return tuple(every), tuple(dict.fromkeys(skipped))


def subjects_of(case: Case) -> Mapping[type, Sequence[Any]]:
    """Both ways, the nodes at their ends, the cluster: each with the ways that concern it."""
    nodes = dict.fromkeys((case.request.source.node, case.request.destination.node))
    return {
        WayView: case.ways,
        NodeView: [NodeView(case.facts, node, case.ways) for node in nodes],
        ClusterView: [ClusterView(case.facts, case.ways)],
    }


def _explained(findings: list[Finding], about: Any) -> bool:
    return isinstance(about, WayView) and any(f.explains and f.way is about.way for f in findings)


def _once(findings: list[Finding]) -> tuple[Finding, ...]:
    """One fault met on both ways is one finding: the one that explains packets, else the first."""
    kept: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = (finding.rule, finding.node)
        if key not in kept or (finding.explains and not kept[key].explains):
            kept[key] = finding
    return tuple(one_for_same(kept.values()))


def by_weight(findings: tuple[Finding, ...], way: Way | None) -> tuple[Finding, ...]:
    """What stops traffic first: findings that explain the verdict's way, others, then the rest."""
    severities = list(Severity)
    return tuple(
        sorted(
            findings,
            key=lambda f: (
                not (f.explains and f.way is way),
                not f.explains,
                severities.index(f.severity),
            ),
        )
    )


def overlay(case: Case) -> Overlay:
    """The overlay as the headline names it: the sender's device, else what is configured."""
    request, port, vni = case.ways[0], None, None
    try:
        vtep = request.sender_vtep
    except MissingFact:
        vtep = None
    encapsulated = not routed_directly(request) and other_backend(case) is None
    if encapsulated and vtep is not None and vtep.vxlan is not None:
        port, vni = vtep.vxlan.port, vtep.vxlan.vni
    elif encapsulated and case.net_conf is not None:
        port, vni = case.net_conf.port, case.vni
    source, destination = (_underlay(case, node) for node in (request.sender, request.receiver))
    return Overlay(vni=vni, port=port, source_underlay=source, destination_underlay=destination)


def _underlay(case: Case, node: str) -> str | None:
    try:
        published = case.lease(node).public_ip
    except MissingFact:
        published = None
    found = case.api_node(node)
    return published or (next(iter(found.internal_ips), None) if found is not None else None)
