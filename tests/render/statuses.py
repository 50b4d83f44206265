"""What a watch of the lab's three nodes shows, with one fault and with none."""

from functools import cache

from msgspec.structs import replace

from tests.cases import CHECK, bundle_of
from tracer.bundle.archive import read
from tracer.core.examine import examine
from tracer.model.diagnosis import Finding
from tracer.model.watch import SCHEMA, Rates, Status, Turn, Turned

OTHERS = {
    "node-a": ("node-b", "node-c"),
    "node-b": ("node-a", "node-c"),
    "node-c": ("node-a", "node-b"),
}
NUMBER = {"node-a": 1, "node-b": 2, "node-c": 3}


@cache
def finding(case: str) -> Finding:
    """What a check of a recorded case finds first."""
    return examine(read(bundle_of(case, CHECK))).findings[0]


def stale() -> Finding:
    return finding("neigh-stale-one-node")


def rates(node: str, peer: str | None, **other: object) -> Rates:
    """Traffic as it should be."""
    made = Rates(
        node=node,
        peer=peer,
        subnet=f"10.244.{NUMBER.get(peer or '', 9)}.0/24",
        packets_in_s=1234.0,
        packets_out_s=987.0,
        bytes_in_s=1_500_000.0,
        bytes_out_s=98_000.0,
        dropped_s=0.0,
        deviating_s=0.0,
        gap=0,
    )
    return replace(made, **other)


def status(node: str, *rows: Rates, **other: object) -> Status:
    """One node at one moment, with healthy traffic to both others unless told otherwise."""
    made = Status(
        node=node,
        time_ns=60_000_000_000,
        totals=(),
        drops=(),
        rates=rows or tuple(rates(node, peer) for peer in OTHERS.get(node, ())),
        standing=(),
        leases=3,
        leases_age_s=4.2,
        lost=0,
        untold=0,
        one_in=1024,
        overhead=0.0031,
        records=12_345,
        watched_s=11_530.0,
    )
    return replace(made, **other)


def healthy() -> tuple[Status, ...]:
    return tuple(map(status, OTHERS))


def faulty() -> tuple[Status, ...]:
    """node-a sends to a MAC that node-b does not have; node-c lost packets some time ago."""
    found = (stale(),)
    said = "neighbour entry of node-b replaced 42 s ago"
    return (
        status(
            "node-a",
            rates("node-a", "node-b", deviating_s=6.0, packets_in_s=0.4, last_change=said),
            rates("node-a", "node-c"),
            standing=found,
        ),
        status(
            "node-b",
            rates("node-b", "node-a", dropped_s=6.0, packets_in_s=6.0, packets_out_s=0.4),
            rates("node-b", "node-c"),
            standing=found,
        ),
        status(
            "node-c", rates("node-c", "node-a"), rates("node-c", "node-b", gap=17), standing=found
        ),
    )


def turned(turn: Turn = Turn.OPENED, **other: object) -> Turned:
    """A line of a watch, ten seconds after the finding was opened."""
    made = Turned(
        schema=SCHEMA,
        at="2026-07-28T12:34:56.789+00:00",
        turn=turn,
        since="2026-07-28T12:34:46.789+00:00",
        times=1,
        finding=stale(),
        before=(
            "the neighbour 10.244.2.0 at c6:47:97:42:06:eb (node-b) was written 3.2 s before"
            " the first packet that shows it",
            "flanneld on node-a started 3.4 s before the first packet that shows it",
        ),
    )
    return replace(made, **other)
