"""Things to know about a trace that are no findings: what flantrace did, and what it could not."""

from collections import Counter
from collections.abc import Iterator

from tracer.core.case import Case
from tracer.core.words import WATCH, end_word, programs, said_of, watcher
from tracer.model.bundle import AgentEnd
from tracer.model.path import Outcome
from tracer.model.request import End


def notes(case: Case) -> tuple[str, ...]:
    """One sentence each, in order of weight."""
    return tuple(
        dict.fromkeys(
            (
                *_redacted(case),
                *_predicted(case),
                *_services(case),
                *_shape(case),
                *_answers(case),
                *_troubles(case),
                *(() if case.predicted else _agents(case)),
                *_datagrams(case),
                *_defects(case),
            )
        )
    )


def _redacted(case: Case) -> Iterator[str]:
    if case.bundle.redacted:
        yield (
            "Names, addresses and MACs in this recording were replaced: commands need the real"
            " ones."
        )


def _predicted(case: Case) -> Iterator[str]:
    if case.predicted:
        yield (
            "Nothing was sent: the nodes' tables alone were asked. What lies between the nodes is"
            " in none of them."
        )
        for node in dict.fromkeys((case.request.source.node, case.request.destination.node)):
            if node in case.bundle.nodes:
                yield from programs(case.state(node))


def _services(case: Case) -> Iterator[str]:
    """Which endpoint of a Service was traced: the Service's own address is nobody's."""
    for service in case.bundle.cluster.services:
        for end in (case.request.source, case.request.destination):
            alike = [ip for ip in service.endpoints if (":" in ip) == (":" in end.ip)]
            if end.ip in alike:
                count = (
                    f"one of {len(alike)} that are" if len(alike) > 1 else "the only one that is"
                )
                yield (
                    f"Service {service.namespace}/{service.name} stands for {end_word(end)} at"
                    f" {end.ip} here, {count} ready."
                )


def _shape(case: Case) -> Iterator[str]:
    """Where the ends stand, if not in two pods on two nodes."""
    source, destination = case.request.source, case.request.destination
    arrived = all(path.outcome is Outcome.DELIVERED for path in case.paths)
    if source.node == destination.node and not arrived:
        yield f"Both ends are on {source.node}: their packets never cross the overlay."
    for end in (source, destination):
        if end.host_network:
            yield (
                f"{end_word(end)} is on {end.node}'s own network (hostNetwork): packets to it go"
                f" by the underlay, not by the VTEP of {end.node}."
            )


def _answers(case: Case) -> Iterator[str]:
    """ICMP errors and refused system calls, as the probing socket saw them."""
    plain = ("echo reply", "SYN-ACK", "datagram")
    words: Counter[str] = Counter()
    for sent in case.bundle.sent:
        if sent.error is not None:
            words[f"the kernel refused to send: {sent.error}"] += 1
        elif sent.reply is not None and sent.reply not in plain:
            known = sent.reply_from is not None and sent.reply_from not in sent.reply
            came = f" from {sent.reply_from}" if known else ""
            words[f"the answer was {sent.reply}{came}"] += 1
    total = len(case.bundle.sent)
    for word, count in words.most_common():
        yield f"To {count} of {total} probes {word}."


def _troubles(case: Case) -> Iterator[str]:
    yield from dict.fromkeys(said_of(trouble) for trouble in case.bundle.troubles)


def _agents(case: Case) -> Iterator[str]:
    silent = {trouble.node for trouble in case.bundle.troubles}
    ends = (case.request.source.node, case.request.destination.node)
    for name, agent in case.bundle.agents.items():
        if name not in ends:
            # A third node sends test datagrams and watches nothing.
            continue
        if agent.end is not AgentEnd.BYE and name not in silent:
            yield f"The {watcher(agent)} stopped answering."
        elif agent.lost:
            yield f"The {watcher(agent)} lost {agent.lost} records: not all that passed was seen."
        elif agent.lost is None and agent.end is AgentEnd.BYE:
            yield f"The {watcher(agent)} does not know how many records it lost."
        if agent.attach == WATCH:
            yield f"On {name} few of the kernel's drops were recorded: the others look like loss."
        elif agent.end is AgentEnd.BYE and not agent.drops:
            yield f"On {name} the kernel's drops were not watched: they look like loss."
        elif agent.end is AgentEnd.BYE and not agent.reasons and _dropped_on(case, name):
            yield f"The kernel of {name} does not name drop reasons; the function that freed does."


def _dropped_on(case: Case, node: str) -> bool:
    return any(
        path.outcome is Outcome.DROPPED and path.end is not None and path.end.node == node
        for path in case.paths
    )


def _datagrams(case: Case) -> Iterator[str]:
    sizes = case.request.plan.sizes if case.request.plan is not None else ()
    if sizes:
        yield (
            f"flantrace itself sent {len(sizes)} further probes of {min(sizes)} to {max(sizes)} B,"
            " to find the size that passes."
        )
    for test in case.bundle.datagrams:
        ports = " and ".join(str(port) for port in test.ports)
        yield (
            f"flantrace itself sent one test datagram each to udp {ports}, from {test.src} to"
            f" {test.dst}."
        )


def _defects(case: Case) -> Iterator[str]:
    """Leases that peers pass over, where they concern this trace."""
    nodes = {_node(end) for end in (case.request.source, case.request.destination)}
    for lease in case.leases:
        if lease.defect is not None and lease.node in nodes and lease.family == case.family:
            yield f"Peers ignore the lease of {lease.node}: {lease.defect}."
    if case.net_conf is not None and case.net_conf.defect is not None:
        yield f"{case.net_conf.source}: {case.net_conf.defect}."


def _node(end: End) -> str:
    return end.node
