"""A trace of two ends, cut out of a watch's segment: the samples between them, as a passive trace.

What a watch recorded of the pair is diagnosed as if it had been traced. No pod's own device was
watched, TCP data is left out, and of the packets that the kernel freed at most ten a second are
there.
"""

from msgspec.structs import replace

from tracer.core.histories import History, histories, is_whole
from tracer.core.words import WATCH
from tracer.model.bundle import AgentEnd, AgentReport, Bundle, Trouble
from tracer.model.packet import Ip
from tracer.model.request import End, Request
from tracer.model.sampled import Sampled


def traced(bundle: Bundle, source: End, destination: End) -> Bundle:
    """The same recording as a trace from `source` to `destination`. ValueError: it has no samples.

    Packets near to its beginning and end are left out, as they are half recorded.
    """
    sampled = bundle.watched.sampled if bundle.watched is not None else ()
    if not sampled:
        raise ValueError("no samples were recorded")
    spans = {one.node: one for one in sampled}
    span = spans.get(source.node, sampled[0])
    between = [one for one in histories(bundle) if _ends(one) == {source.ip, destination.ip}]
    whole = [one for one in between if is_whole(one, sampled)]
    kept = [one for one in whole if one.told_apart and not one.is_data]
    return replace(
        bundle,
        request=Request(
            source=source,
            destination=destination,
            plan=None,
            passive_s=round((span.until_ns - span.since_ns) / 1e9, 1),
        ),
        check=None,
        agents={one.node: _as_agent(one) for one in sampled},
        observations=tuple(
            sighting.observation for one in kept for sighting in (*one.seen, *one.freed)
        ),
        troubles=(*bundle.troubles, *_left_out(len(whole) - len(kept))),
        watched=None,
    )


def _ends(history: History) -> set[Ip]:
    return {history.inner_id.src, history.inner_id.dst}


def _left_out(packets: int) -> tuple[Trouble, ...]:
    if not packets:
        return ()
    what = f"packets that are cut and glued on the way are left out: {packets}"
    return (Trouble(node=None, what=what, hint="TCP data, super-packets and fragments"),)


def _as_agent(sampled: Sampled) -> AgentReport:
    return AgentReport(
        node=sampled.node,
        end=AgentEnd.BYE,
        points=sampled.points,
        attach=WATCH,
        drops=False,
        lost=sampled.lost,
    )
