"""What a watch's samples say, as a table and as lines: who to whom, how many came through."""

from collections.abc import Iterator

from tabulate import tabulate

from tracer.model.examination import Ended, Samples, Trajectories
from tracer.render.prose import cell, prose
from tracer.render.style import wrapped

HEAD = ("from", "to", "followed", "complete", "unknown", "ended")
ELSEWHERE = "elsewhere"
MOST_WAYS = 20
"""Lines of the table: more are for `--depth full`."""


def samples_lines(samples: Samples | None, *, whole: bool) -> list[str]:
    """For a terminal; `whole`: every way."""
    if samples is None:
        return []
    ways = _shown(samples, whole=whole)
    lines = [*wrapped(headed(samples), 0)]
    if ways:
        rows = [_row(way) for way in ways]
        aligned = ("left", "left", *("right" for _ in HEAD[2:]))
        table = tabulate(rows, HEAD, tablefmt="plain", colalign=aligned, disable_numparse=True)
        lines += [f"  {line.rstrip()}" for line in table.splitlines()]
    left = len(samples.ways) - len(ways)
    if left:
        lines.append(f"  {left:,} more: --depth full")
    for words in (*(ended(one) for way in ways for one in way.ended), *asides(samples)):
        first, *others = wrapped(words, 4)
        lines += [f"  {first.lstrip()}", *others]
    return lines


def samples_markdown(samples: Samples | None, mark: str) -> list[list[str]]:
    """The same with every way."""
    if samples is None:
        return []
    lines = ["| " + " | ".join(HEAD) + " |", "|---|---|" + "---:|" * (len(HEAD) - 2)]
    for way in samples.ways:
        lines.append("| " + " | ".join(cell(prose(text)) for text in _row(way)) + " |")
    further = [f"- {prose(ended(one))}" for way in samples.ways for one in way.ended]
    further += [f"- {prose(words)}" for words in asides(samples)]
    return [
        [f"{mark}# Sampled packets"],
        [prose(headed(samples)) + "."],
        lines if samples.ways else [],
        further,
    ]


def headed(samples: Samples) -> str:
    """What was followed, and where."""
    part = f"1 in {samples.one_in:,}" if samples.one_in > 1 else "every one"
    return f"sampled packets ({part}), followed on {', '.join(samples.nodes)}"


def ended(one: Ended) -> str:
    """How many were seen where last, and the last of them."""
    freed = f", {one.freed:,} of them seen freed ({one.reason})" if one.freed else ""
    last = f"{one.last.src} > {one.last.dst} {one.last.protocol} {one.last.token}"
    return (
        f"{_packets(one.packets)} seen last at {one.node} {one.ifname} {one.direction.value}"
        f"{freed}; the last: {last}"
    )


def asides(samples: Samples) -> Iterator[str]:
    """What is not in the table, and why."""
    if any(way.unknown for way in samples.ways):
        yield (
            "unknown: not seen further, where a policy, a Service's address, the node itself, or"
            " what glues TCP segments may be the reason, or where records were lost"
        )
    for number, why in (
        (samples.at_the_edges, "near to the beginning or end of the recording, or like such"),
        (samples.cut, "super-packets and fragments, which are others at the next hook"),
        (samples.begun_elsewhere, "not seen where they must have come in"),
    ):
        if number:
            yield f"not followed: {_packets(number)} {why}"
    if samples.lost:
        yield f"records lost: {samples.lost:,}"


def _shown(samples: Samples, *, whole: bool) -> tuple[Trajectories, ...]:
    """Those in which packets ended come first where not all are shown."""
    if whole or len(samples.ways) <= MOST_WAYS:
        return samples.ways
    return tuple(sorted(samples.ways, key=lambda way: not way.ended)[:MOST_WAYS])


def _row(way: Trajectories) -> tuple[str, ...]:
    family = " (IPv6)" if way.family == 6 else ""
    numbers = (way.followed, way.complete, way.unknown, sum(one.packets for one in way.ended))
    ends = (way.sender or ELSEWHERE, f"{way.receiver or ELSEWHERE}{family}")
    return (*ends, *(f"{number:,}" if number else "-" for number in numbers))


def _packets(number: int) -> str:
    return f"{number:,} packet{'' if number == 1 else 's'}"
