"""From one recording to one diagnosis: the table of contents of the core."""

from tracer.core.annotate import annotated
from tracer.core.case import Case, MissingFact
from tracer.core.correlate import correlate
from tracer.core.macs import routed_directly, three_macs
from tracer.core.notes import notes
from tracer.core.rules.catalogue import CATALOGUE, LAST, slug
from tracer.core.tables import Tables
from tracer.core.tally import tallies
from tracer.core.timeline import timeline, utc
from tracer.core.verdict import decide, other_backend
from tracer.model.bundle import Bundle
from tracer.model.diagnosis import SCHEMA, Diagnosis, Finding, Overlay, Severity, Skipped
from tracer.model.path import Way


def diagnose(bundle: Bundle) -> Diagnosis:
    """Turn everything recorded into one verdict with its evidence: same bundle, same answer."""
    tables = {node: Tables(state) for node, state in bundle.nodes.items()}
    return judge(Case(bundle, annotated(correlate(bundle), bundle, tables), tables))


def judge(case: Case) -> Diagnosis:
    """The second half: from annotated paths to findings, tallies and the verdict."""
    findings, skipped = apply_rules(case) if other_backend(case) is None else ((), ())
    counted = tallies(case)
    verdict = decide(case, findings, counted)
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
        notes=notes(case),
        timeline=timeline(case),
    )


def apply_rules(case: Case) -> tuple[tuple[Finding, ...], tuple[Skipped, ...]]:
    """Ask every rule of both ways, in order; those that know nothing only where none explains."""
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    for rule in CATALOGUE:
        for way in case.ways:
            explained = any(f.explains and f.way is way.way for f in findings)
            if rule in LAST and explained:
                continue
            try:
                finding = rule(way)
            except MissingFact as fact:
                skipped.append(Skipped(rule=slug(rule), missing=fact.missing))
                continue
            if finding is not None:
                findings.append(finding)
    return _once(findings), tuple(dict.fromkeys(skipped))


def _once(findings: list[Finding]) -> tuple[Finding, ...]:
    """One fault met on both ways is one finding: the one that explains packets, else the first."""
    kept: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = (finding.rule, finding.node)
        if key not in kept or (finding.explains and not kept[key].explains):
            kept[key] = finding
    return tuple(kept.values())


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
        return case.lease(node).public_ip
    except MissingFact:
        found = case.api_node(node)
        return next(iter(found.internal_ips), None) if found is not None else None
