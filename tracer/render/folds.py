"""Packets that took one path, told once."""

from typing import NamedTuple

from tracer.core.words import NOUN
from tracer.model.diagnosis import Diagnosis
from tracer.model.path import Path, Way


class Fold(NamedTuple):
    """Packets that took one path, and the first of them."""

    sample: Path
    paths: tuple[Path, ...]


def folds(diagnosis: Diagnosis, way: Way) -> list[Fold]:
    """The different paths of one way, in order of their first packet."""
    groups: dict[object, list[Path]] = {}
    for path in diagnosis.paths:
        if path.way is way:
            groups.setdefault(_shape(path), []).append(path)
    return [Fold(paths[0], tuple(paths)) for paths in groups.values()]


def _shape(path: Path) -> object:
    """All that makes one path different from another to a reader: not its time, size or number."""
    hops = tuple(
        (h.node, h.device, h.direction, h.ifname, h.entries, h.drop, h.times > 1) for h in path.hops
    )
    return hops, path.outcome, path.end, path.not_reached, path.doubt


def title(fold: Fold, among: list[Fold], diagnosis: Diagnosis) -> str:
    """`request 1 of 5 (all 5 took this path)`; the probe of full MTU is named apart."""
    way = fold.sample.way
    noun = NOUN[way][0]
    full = {t.size for t in diagnosis.tallies if t.way is way and t.size is not None}
    plan = diagnosis.request.plan
    count = plan.count if plan is not None else None
    large: list[Path] = []
    small: list[Path] = []
    for path in fold.paths:
        of_full_mtu = full and count is not None and path.seq and path.seq > count
        (large if of_full_mtu else small).append(path)
    if not small:
        sizes = sorted({path.size for path in large})
        if len(sizes) > 1:
            return f"{NOUN[way][1]} of {sizes[0]} to {sizes[-1]} B"
        return f"{noun} of {sizes[0]} B"
    if diagnosis.request.predict:
        return noun + (f", and that of {large[0].size} B" if large else f" of {small[0].size} B")
    total = sum(t.sent for t in diagnosis.tallies if t.way is way and t.size is None) or len(small)
    number = small[0].seq if small[0].seq is not None else 1
    who = f"all {total}" if len(small) == total else f"{len(small)} of {total}"
    sizes = sorted({path.size for path in large}, reverse=True)
    also = f" and the one of {sizes[0]} B" if len(sizes) == 1 else ""
    if len(sizes) > 1:
        also = f" and those of {sizes[-1]} to {sizes[0]} B"
    if total == 1 and not also:
        return f"{noun} 1 of 1"
    took = "took this path" if len(among) == 1 or len(small) > 1 or also else "took this one"
    return f"{noun} {number} of {total} ({who}{also} {took})"
