"""What is said when no rule knows the fault: where it is, and what decided there."""

from tracer.core.case import WayView
from tracer.core.end import WayEnd
from tracer.core.rules import proof, remedies
from tracer.core.rules.firewall import quoted, stopping
from tracer.core.words import count_of, end_word
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step
from tracer.model.path import Mark, Outcome, Way

STEP = Step.DROPS


def unexplained_drop(way: WayView) -> Finding | None:
    """A kernel freed packets for a reason that no rule explains."""
    end = way.end
    if end is None or end.outcome is not Outcome.DROPPED or end.place is None:
        return None
    reason = end.drop.reason if end.drop is not None else None
    caller = (end.drop.caller if end.drop is not None else None) or "an unnamed function"
    place = end.place
    return Finding(
        rule="unexplained-drop",
        severity=Severity.ERROR,
        node=place.node,
        device=place.ifname,
        sentence=f"The kernel of {place.node} freed {_packets(way, end)} at {place.ifname}"
        f" ({reason or 'it names no reason'}, in {caller}); no rule of flantrace explains why.",
        evidence=(*_decided(end), *proof.kernel(way), *_firewall(way, end)),
        hits=f"packets from {way.src} to {way.dst}, at least",
        fix=(
            "look at what decided there; the recording shows it to others, too:",
            *((remedies.on(place.node, "nft list ruleset"),) if _filtered(end) else ()),
            remedies.on(place.node, f"ip route get {way.dst} from {way.src} iif {place.ifname}"),
            remedies.on(place.node, f"ip -s -s link show {place.ifname}"),
        ),
        way=way.way,
        explains=True,
    )


def unexplained_loss(way: WayView) -> Finding | None:
    """Packets were seen at one point and never again, and no rule explains why."""
    end = way.end
    if end is None or end.outcome is not Outcome.LOST:
        return None
    place, missed = end.place, end.sample.not_reached[:1]
    node = place.node if place is not None else way.sender
    points = [point for point in (place, *missed) if point is not None]
    return Finding(
        rule="unexplained-loss",
        severity=Severity.ERROR,
        node=node,
        device=place.ifname if place is not None else None,
        sentence=f"{_what_is_missing(way, end, node)}; no rule of flantrace explains why.",
        evidence=(*_decided(end), *proof.kernel(way)),
        hits=f"packets from {way.src} to {way.dst}, at least",
        fix=(
            "look behind the last point that saw them:",
            *dict.fromkeys(
                remedies.on(point.node, f"tcpdump -ni {point.ifname} host {way.dst}")
                for point in points
            ),
        ),
        way=way.way,
        explains=True,
    )


def _filtered(end: WayEnd) -> bool:
    return end.freed("NETFILTER_DROP")


def _firewall(way: WayView, end: WayEnd) -> tuple[Evidence, ...]:
    """The rule that stops what the node itself sends; else that no rule which was read does."""
    return quoted(stopping(way), end.place.node) if _filtered(end) and end.place else ()


def _what_is_missing(way: WayView, end: WayEnd, node: str) -> str:
    place, missed = end.place, end.sample.not_reached[:1]
    if not end.sample.hops:
        if way.way is Way.REPLY:
            return f"{end_word(way.source)} gets the requests and sends no reply"
        refused = f" ({end.sample.doubt})" if end.sample.doubt else ""
        return f"{end_word(way.source)} sends no request that reaches {node}'s devices{refused}"
    where = f", at {place.ifname} {place.direction.value}" if place is not None else ""
    following = f", and not at {missed[0].ifname} of {missed[0].node}" if missed else ""
    return (
        f"{_packets(way, end)} were last seen on {node}{where}{following}, and no kernel that was"
        " watched freed them"
    )


def _packets(way: WayView, end: WayEnd) -> str:
    noun = "reply" if way.way is Way.REPLY else "request"
    words = count_of(end.count, end.total, noun)
    return words.replace("replys", "replies")


def _decided(end: WayEnd) -> tuple[Evidence, ...]:
    """The entries of the last hop that has any, and every BAD one before it."""
    hops = [hop for hop in end.sample.hops if hop.entries]
    last = hops[-1:]
    return tuple(
        Evidence(
            label=entry.table,
            value=entry.text,
            source=f"{hop.node}, decided at {hop.ifname} {hop.direction.value}",
            differs=entry.mark is Mark.BAD,
        )
        for hop in hops
        for entry in hop.entries
        if hop in last or entry.mark is Mark.BAD
    )
