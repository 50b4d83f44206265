"""Words that the core's sentences share."""

from collections.abc import Iterator

from tracer.model.bundle import AgentReport, Trouble
from tracer.model.path import Way
from tracer.model.request import CheckRequest, End, EndKind, ProbeKind, ProbePlan, Request
from tracer.model.state import NodeState

NOUN = {Way.REQUEST: ("request", "requests"), Way.REPLY: ("reply", "replies")}
"""What the packets of a way are called: one, and several."""

CAPTURE = "capture"
"""How an "agent" watched that was tcpdump: AgentReport.attach of imported recordings."""

WATCH = "watch"
"""The same of a watch, which sees samples, and looks at no pod's own device."""

USUAL = 5
"""Probes that a trace sends unless it is told otherwise."""


def programs(state: NodeState) -> Iterator[str]:
    """A sentence for each device with programs of others: no table says what they do."""
    names = {link.ifindex: link.ifname for link in state.links}
    for ifindex, ifname in names.items():
        found = [one for one in state.filters if one.ifindex == ifindex]
        if found:
            listed = ", ".join(f"{one.name or 'a program'} ({one.hook})" for one in found[:3])
            more = f" and {len(found) - 3} more" if len(found) > 3 else ""
            yield f"What {listed}{more} on {ifname} of {state.node} does is in no table."


def said_of(trouble: Trouble) -> str:
    """What could not be collected, and what to try, as one sentence."""
    text = f"{trouble.what}; {trouble.hint}" if trouble.hint else trouble.what
    return text if text.endswith((".", "?")) else f"{text}."


def end_word(end: End) -> str:
    """An end as it is typed: a node's own address, or its name for its flannel address."""
    if end.kind is not EndKind.NODE:
        return end.name
    return end.ip if end.host_network else f"node/{end.name}"


def watcher(agent: AgentReport) -> str:
    """What watched a node: `agent on node-a`, `capture of node-a`."""
    words = {CAPTURE: "capture of", WATCH: "watch on"}
    return f"{words.get(agent.attach or '', 'agent on')} {agent.node}"


def trace_command(request: Request) -> str:
    """The command that asks the same question again."""
    words = ["flantrace", end_word(request.source), end_word(request.destination)]
    if ":" in request.destination.ip:
        words.append("--family 6")
    plan = request.plan
    if plan is None:
        words.append("--passive")
        if request.passive_s is not None:
            words.append(f"--for {request.passive_s:g}s")
    elif plan.kind in (ProbeKind.TCP, ProbeKind.UDP):
        words.append(f"--probe {plan.kind.value} --port {plan.port}")
    if plan is not None and plan.size is not None:
        words.append(f"--size {plan.size}")
    if plan is not None and not request.predict and (plan.count != USUAL or _bare_icmp(plan)):
        words.append(f"--count {plan.count}")
    return " ".join(words)


def check_command(check: CheckRequest) -> str:
    """The command that checks the same nodes again."""
    return " ".join(("flantrace check", *check.nodes, *([] if check.agents else ["--no-agents"])))


def _bare_icmp(plan: ProbePlan) -> bool:
    """Five of them and none of full MTU: only --count says that."""
    return plan.kind is ProbeKind.ICMP and not plan.full_mtu and plan.size is None


def count_of(part: int, whole: int, noun: str) -> str:
    """`3 of 5 requests`."""
    return f"{part} of {whole} {noun}{'' if whole == 1 else 's'}"
