"""Lines of evidence that several rules quote: the MACs side by side, the kernel, the counters."""

from tracer.core.case import Case, Crossing, WayView
from tracer.core.end import WayEnd
from tracer.core.rules.remedies import advertised_by
from tracer.model.diagnosis import Evidence
from tracer.model.path import Outcome, Place
from tracer.model.state import Counters, Link

NONE = "none"


def macs(way: WayView, crossing: Crossing | None, vtep: Link, odd: str) -> tuple[Evidence, ...]:
    """Advertised, programmed, actual and that on the wire; `odd` names the one that differs."""
    lease = way.receiver_lease
    rows = [("advertised", lease.vtep_mac, advertised_by(lease))]
    if crossing is not None:
        source = f"{way.sender} neighbour {crossing.gateway}"
        if crossing.dst is not None:
            source += f", fdb to {crossing.dst}"
        rows.append(("programmed", crossing.mac, source))
    else:
        rows.append(("programmed", "not known", f"the state of {way.sender} was not read"))
    if way.receiver in way.case.facts.assumed:
        rows.append(("actual", "not known", f"the state of {way.receiver} was not read"))
    else:
        rows.append(("actual", vtep.mac, f"{way.receiver} link {vtep.ifname}"))
    if way.wire_mac is not None and not way.case.predicted:
        rows.append(("wire", way.wire_mac, f"inner frames that came in at {way.receiver}"))
    return tuple(
        Evidence(label=label, value=value or NONE, source=source, differs=label == odd)
        for label, value, source in rows
    )


def kernel(way: WayView) -> tuple[Evidence, ...]:
    """What the kernel said when it freed the packets, or that nobody did."""
    end = way.end
    if end is None or end.place is None:
        return ()
    packets = f"{end.count} of {end.total}"
    if way.case.predicted:
        return _by_tables(end, end.place)
    if end.drop is not None:
        place = f"{end.place.node} freed {packets} in {end.drop.caller or 'an unnamed function'}"
        return (Evidence(label="kernel", value=end.drop.reason or "no reason", source=place),)
    if not end.sample.hops:
        where = f"{end.place.node} {end.place.ifname}, where they begin"
        return (Evidence(label="seen", value=f"0 of {end.total}", source=where),)
    if end.outcome is Outcome.LOST:
        where = f"{end.place.node} {end.place.ifname} {end.place.direction.value}"
        return (Evidence(label="last seen", value=packets, source=where),)
    return ()


def _by_tables(end: WayEnd, place: Place) -> tuple[Evidence, ...]:
    """Nothing was sent: this is what the kernel does with such tables."""
    if end.drop is None:
        return ()
    where = f"{place.node} would free it in {end.drop.caller or 'an unnamed function'}"
    return (Evidence(label="kernel", value=end.drop.reason or "no reason", source=where),)


def grown(case: Case, node: str, link: Link, counter: str) -> tuple[Evidence, ...]:
    """A counter of a device that grew while the trace ran, or that was not 0 before."""
    before: int | None = getattr(link.counters, counter)
    agent = case.bundle.agents.get(node)
    after_all = agent.counters.get(link.ifname) if agent is not None else None
    after: int | None = getattr(after_all or Counters(), counter) if after_all else None
    if before is None or (not before and not after):
        return ()
    word = counter.replace("_", " ")
    if after is None or after == before:
        # Nothing was sent in between, or nothing met it: what it counted before is all there is.
        value, source = f"{before}", f"{node} {link.ifname} {word}"
    else:
        value, source = f"+{after - before}", f"{node} {link.ifname} {word}: {before} to {after}"
    return (Evidence(label="counter", value=value, source=source),)
