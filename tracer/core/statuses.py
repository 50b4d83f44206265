"""What a watch shows of its nodes at one moment: for metrics, for a live view."""

from collections.abc import Iterator

from tracer.core.ledger import Ledger
from tracer.core.vigil import Vigil
from tracer.model.watch import HOOKS, Kind, PeerCounts, Rates, Status

S = 1_000_000_000

_IN, _OUT = HOOKS.index("uplink_in"), HOOKS.index("uplink_out")
_FREED = tuple(Kind).index(Kind.FREED)


def statuses(
    vigil: Vigil, now: int, began: int, heard: int, *, rates: bool = True
) -> tuple[Status, ...]:
    """One for each node. Times in nanoseconds of one clock.

    `heard`: when the API server last said anything; 0: it has not yet. `rates`: each peer's, too,
    which nobody but a live view shows.
    """
    news = _news(vigil, now) if rates else {}
    standing = vigil.findings.standing()
    return tuple(
        Status(
            node=node,
            time_ns=ledger.last.time_ns if ledger.last is not None else 0,
            totals=tuple(ledger.totals.values()),
            drops=tuple(ledger.drops.values()),
            rates=tuple(_rates(vigil, ledger, news)) if rates else (),
            standing=standing,
            opened=tuple(sorted(vigil.openings.items())),
            leases=len(vigil.known.leases()),
            leases_age_s=(now - heard) / S if heard else None,
            lost=ledger.last.lost if ledger.last is not None else 0,
            untold=ledger.last.untold if ledger.last is not None else 0,
            one_in=ledger.last.one_in if ledger.last is not None else 0,
            overhead=ledger.last.overhead if ledger.last is not None else None,
            records=ledger.last.records if ledger.last is not None else 0,
            watched_s=(now - began) / S,
            counted=ledger.last is not None,
        )
        for node, ledger in vigil.ledgers.items()
    )


def _news(vigil: Vigil, now: int) -> dict[str, str]:
    """Peer -> the last news about it."""
    found: dict[str, str] = {}
    for one in vigil.happened():
        for thing in one.about:
            if thing in vigil.known.nodes:
                found[thing] = f"{one.what} {(now - one.time_ns) / S:.0f} s ago"
    return found


def _rates(vigil: Vigil, ledger: Ledger, news: dict[str, str]) -> Iterator[Rates]:
    for (peer, subnet), total in ledger.totals.items():
        moved = ledger.moved.get((peer, subnet))
        seconds = ledger.period_s or 1.0
        yield Rates(
            node=ledger.node,
            peer=peer,
            subnet=subnet,
            packets_in_s=_rate(moved, _IN, seconds),
            packets_out_s=_rate(moved, _OUT, seconds),
            bytes_in_s=moved.at[_IN].bytes / seconds if moved is not None else 0.0,
            bytes_out_s=moved.at[_OUT].bytes / seconds if moved is not None else 0.0,
            dropped_s=ledger.freed.get((peer, subnet), 0) / seconds,
            deviating_s=_deviating(moved) / seconds,
            gap=vigil.gaps.lost(ledger.node, peer) if total.peer and peer else None,
            last_change=news.get(peer) if peer is not None else None,
        )


def _rate(moved: PeerCounts | None, hook: int, seconds: float) -> float:
    return moved.at[hook].packets / seconds if moved is not None else 0.0


def _deviating(moved: PeerCounts | None) -> int:
    if moved is None:
        return 0
    return sum(count for kind, count in enumerate(moved.deviations) if kind != _FREED)
