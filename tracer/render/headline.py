"""The top: two lines of who, then the verdict."""

from tracer.core.words import end_word
from tracer.model.diagnosis import Diagnosis
from tracer.model.request import End, ProbePlan
from tracer.render.style import WIDTH, Style, at_margin, fits, wrapped


def who(diagnosis: Diagnosis) -> list[str]:
    """Both ends with their places, and what was sent between them."""
    request, overlay = diagnosis.request, diagnosis.overlay
    ends = (
        (request.source, overlay.source_underlay),
        (request.destination, overlay.destination_underlay),
    )
    names = max(len(end_word(end)) for end, _ in ends)
    ips = max(len(end.ip) for end, _ in ends)
    nodes = max(len(on(end, underlay)) for end, underlay in ends)
    probes = sent(diagnosis)
    if names + ips + nodes + 4 > WIDTH:
        lines = [line for end, underlay in ends for line in _tall(end, underlay)]
        return [*lines, *wrapped(probes, 4)]
    lines = [
        f"{end_word(end):<{names}}  {end.ip:<{ips}}  {on(end, underlay)}" for end, underlay in ends
    ]
    wide = f"{lines[1]:<{names + ips + nodes + 4}}        {probes}"
    if len(wide) <= WIDTH:
        return [lines[0], wide]
    return [*lines, *wrapped(probes, 4)]


def _tall(end: End, underlay: str | None) -> list[str]:
    """A name too long for a table: below it what it is."""
    return [*wrapped(end_word(end), 0), *wrapped(f"{end.ip}  {on(end, underlay)}", 4)]


def on(end: End, underlay: str | None) -> str:
    """`on node-a 192.0.2.11`."""
    host = " (host network)" if end.host_network else ""
    return f"on {end.node} {underlay or ''}".rstrip() + host


def sent(diagnosis: Diagnosis) -> str:
    """`5 icmp probes, vxlan vni 1 udp 8472`."""
    plan, overlay = diagnosis.request.plan, diagnosis.overlay
    request = diagnosis.request
    words = [_probes(plan) if plan is not None else _watched(request.passive_s)]
    if request.predict:
        words = ["predicted, nothing sent"]
    near = request.source.node == request.destination.node
    if overlay.vni is not None and overlay.port is not None and not near:
        words.append(f"vxlan vni {overlay.vni} udp {overlay.port}")
    return ", ".join(words)


def _probes(plan: ProbePlan) -> str:
    port = f" to port {plan.port}" if plan.port is not None else ""
    size = f" of {plan.size} B" if plan.size is not None else ""
    return f"{plan.count} {plan.kind.value} probe{'' if plan.count == 1 else 's'}{port}{size}"


def _watched(seconds: float | None) -> str:
    return "own traffic" + (f", watched for {seconds:g} s" if seconds is not None else "")


def verdict(diagnosis: Diagnosis, style: Style) -> list[str]:
    """`DROPPED  on node-b, at flannel.1: 5 of 5 requests.`, and the rule at the margin."""
    found = diagnosis.verdict
    word = found.outcome.value.upper()
    lines = wrapped(found.sentence, len(word) + 2)
    rule = found.rule or ""
    if rule and fits(lines[-1], rule):
        lines[-1] = at_margin(lines[-1], rule)
    elif rule:
        lines.append(at_margin("", rule))
    fault = found.exit_code == 1
    lines[0] = style.outcome(found.outcome, fault=fault) + lines[0][len(word) :]
    return lines


def five_words(diagnosis: Diagnosis) -> str:
    """`OUTCOME rule node device reason`, `-` for what does not apply."""
    found = diagnosis.verdict
    words = (found.rule, found.node, found.device, found.reason)
    return " ".join((found.outcome.value.upper(), *(_word(word) for word in words)))


def _word(word: str | None) -> str:
    """Exactly one word, whatever a name holds."""
    return "_".join((word or "-").split()) or "-"
