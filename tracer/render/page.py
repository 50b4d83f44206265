"""What the HTML page shows, put in order: the answer first, then the drawings, then the rest."""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from msgspec.structs import replace

from tracer.core.words import end_word
from tracer.model.diagnosis import Diagnosis, Evidence, Finding, Moment, ThreeMacs
from tracer.model.path import Hop, Mark, Outcome, Path, Way
from tracer.model.request import End
from tracer.render.findings import mac_rows
from tracer.render.folds import Fold, folds, title
from tracer.render.packets import describe
from tracer.render.paths import elapsed
from tracer.render.stops import crossing, journey, told
from tracer.render.swimlane import Drawing, drawing

DRAWN = 6
"""Different paths of one way that are drawn and listed: what is more is counted."""


class Row(NamedTuple):
    """One hop in the table of hops. `sign` is its number, or an X where it was freed."""

    sign: str
    hop: Hop
    time: str
    words: tuple[str, ...]


class Ride(NamedTuple):
    """One path for all packets that took it: drawn, and hop by hop."""

    name: str
    title: str
    path: Path
    drawing: Drawing
    told: str
    rows: tuple[Row, ...]
    open: bool
    """Nobody should have to look for what went wrong."""


class Clock(NamedTuple):
    """Moments of one clock and day."""

    name: str
    day: str
    moments: tuple[tuple[str, str, str], ...]
    """(at, until, what), times of day only."""


class Macs(NamedTuple):
    """One receiver's MACs, the odd ones marked."""

    node: str
    peer: str
    rows: tuple[Evidence, ...]


class Page(NamedTuple):
    """Everything that the template asks for besides the diagnosis itself."""

    recorded: str
    ends: tuple[tuple[str, End, str | None], ...]
    """(name, end, address of its node on the underlay), sender first."""
    cause: Finding | None
    further: tuple[Finding, ...]
    main: Ride | None
    others: tuple[Ride, ...]
    left_out: int
    macs: tuple[Macs, ...]
    clocks: tuple[Clock, ...]


def page(diagnosis: Diagnosis) -> Page:
    """Pure: of one diagnosis always the same page."""
    request, overlay = diagnosis.request, diagnosis.overlay
    ends = (
        (end_word(request.source), request.source, overlay.source_underlay),
        (end_word(request.destination), request.destination, overlay.destination_underlay),
    )
    findings = diagnosis.findings
    known = bool(findings) and findings[0].rule == diagnosis.verdict.rule
    found = {way: folds(diagnosis, way) for way in Way}
    every = [fold for among in found.values() for fold in among]
    main = _main(diagnosis, every)
    first = [id(fold) for among in found.values() for fold in among[:DRAWN]]
    kept = [fold for fold in every if fold is main or id(fold) in first]
    rides = [
        (fold, _ride(number, fold, found[fold.sample.way], diagnosis))
        for number, fold in enumerate(kept, start=1)
    ]
    return Page(
        recorded=_when(diagnosis.recorded_at),
        ends=ends,
        cause=findings[0] if known else None,
        further=findings[1:] if known else findings,
        main=next((ride for fold, ride in rides if fold is main), None),
        others=tuple(ride for fold, ride in rides if fold is not main),
        left_out=len(every) - len(kept),
        macs=tuple(_macs(row) for row in diagnosis.macs),
        clocks=tuple(_clocks(diagnosis.timeline)),
    )


def _is_wrong(path: Path) -> bool:
    marks = [entry.mark for hop in path.hops for entry in hop.entries]
    return path.outcome is not Outcome.DELIVERED or Mark.BAD in marks


def _main(diagnosis: Diagnosis, every: list[Fold]) -> Fold | None:
    """The path that the verdict is about; else one with a wrong entry; else the first."""
    verdict = diagnosis.verdict

    def fitness(fold: Fold) -> tuple[bool, bool, bool, bool, int]:
        sample = fold.sample
        end = sample.end
        there = end is not None and (end.node, end.ifname) == (verdict.node, verdict.device)
        failed = sample.outcome is verdict.outcome is not Outcome.DELIVERED
        wrong = any(entry.mark is Mark.BAD for hop in sample.hops for entry in hop.entries)
        return sample.way is verdict.way, failed, failed and there, wrong, len(fold.paths)

    if verdict.outcome is Outcome.DELIVERED and not verdict.exit_code:
        return every[0] if every else None
    return max(every, key=fitness, default=None)


def _ride(number: int, fold: Fold, among: list[Fold], diagnosis: Diagnosis) -> Ride:
    path, request, overlay = fold.sample, diagnosis.request, diagnosis.overlay
    stops = journey(path, request)
    addresses = {
        request.source.node: overlay.source_underlay,
        request.destination.node: overlay.destination_underlay,
    }
    words = title(fold, among, diagnosis)
    return Ride(
        name=f"way-{number}",
        title=words[:1].upper() + words[1:],
        path=path,
        drawing=drawing(stops, addresses, crossing(path)),
        told=told(stops),
        rows=tuple(_rows(path)),
        open=_is_wrong(path),
    )


def _rows(path: Path) -> Iterator[Row]:
    before: Hop | None = None
    for number, hop in enumerate(path.hops, start=1):
        words = tuple(word for word in describe(hop, before).split("  ") if word)
        yield Row("X" if hop.drop else str(number), hop, elapsed(hop.since_us), words)
        before = hop


def _macs(row: ThreeMacs) -> Macs:
    """The odd ones are those that most others are not; in a draw those that the device has not."""
    rows = mac_rows(row)
    known = [row.advertised, row.programmed, row.programmed_fdb, row.actual, row.wire]
    counted = Counter(mac for mac in known if mac is not None)
    usual = max(counted, key=lambda mac: (counted[mac], mac == row.actual), default=None)
    return Macs(
        node=row.node,
        peer=row.peer,
        rows=tuple(
            replace(shown, differs=mac is not None and mac != usual)
            for shown, mac in zip(rows, known, strict=True)
        ),
    )


def _clocks(timeline: tuple[Moment, ...]) -> Iterator[Clock]:
    """By clock and day, in the order of the timeline."""
    for (name, day), group in groupby(timeline, key=lambda moment: (moment.clock, _day(moment.at))):
        moments = tuple((_hour(one.at), _hour(one.until or ""), one.text) for one in group)
        yield Clock(name, day, moments)


def _when(at: str) -> str:
    """To the second, for people; as it stands if it is not UTC."""
    universal = at.endswith(("Z", "+00:00"))
    return f"{_day(at)} {at.partition('T')[2][:8]} UTC" if universal else at


def _day(at: str) -> str:
    return at.partition("T")[0]


def _hour(at: str) -> str:
    return at.partition("T")[2].removesuffix("Z")
