"""Statuses of a watch, with overrides by keyword, and one scrape of them."""

import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from tests.builders import pod_cidr
from tracer.model.diagnosis import Finding, Severity
from tracer.model.watch import HOOKS, DropCount, Kind, Passed, PeerCounts, Status

STALE = Finding(
    rule="neigh-stale-one-node",
    severity=Severity.ERROR,
    node="node-a",
    device="flannel.1",
    sentence="node-a has an old MAC for node-b.",
    evidence=(),
    hits="pods of node-b",
    fix=("restart flanneld on node-a:",),
)

Key = tuple[tuple[str, str], ...]


def counts(
    peer: str | None,
    packets: int | Mapping[str, int] = 0,
    *,
    subnet: str | None = None,
    host: int = 0,
    deviations: Mapping[Kind, int] | None = None,
) -> PeerCounts:
    """`packets` at each hook, or by hook; 100 B each."""
    at = dict.fromkeys(HOOKS, packets) if isinstance(packets, int) else packets
    return PeerCounts(
        peer=peer,
        subnet=subnet,
        at=tuple(
            Passed(at.get(hook, 0), 100 * at.get(hook, 0), host if "pod" not in hook else 0)
            for hook in HOOKS
        ),
        deviations=tuple((deviations or {}).get(kind, 0) for kind in Kind),
    )


def drops(peer: str | None, packets: int, reason: str | None, caller: str | None) -> DropCount:
    return DropCount(peer=peer, subnet=None, reason=reason, caller=caller, packets=packets)


def status(*totals: PeerCounts, **changes: Any) -> Status:
    """node-a's, which has watched for ten minutes, and of which nothing bad is known."""
    healthy = Status(
        node="node-a",
        time_ns=600_000_000_000,
        totals=totals,
        drops=(),
        rates=(),
        standing=(),
        leases=3,
        leases_age_s=12.0,
        lost=0,
        untold=0,
        one_in=64,
        overhead=0.004,
        records=9,
        watched_s=600.0,
    )
    return replace(healthy, **changes)


def everything() -> tuple[Status, ...]:
    """Two nodes of which there is something to tell in every metric."""
    kinds = {Kind.PEER_MAC: 7, Kind.OUTER_DST: 2}
    bad = counts("node-b", 80, subnet=pod_cidr("node-b"), host=3, deviations=kinds)
    one = status(
        bad,
        counts(None, {"from_pod": 4}, deviations={Kind.NO_LEASE: 4}),
        drops=(drops("node-b", 5, "NETFILTER_DROP", "nf_hook_slow+0x9c"),),
        standing=(STALE,),
        opened=((STALE.rule, 2),),
        lost=1,
        untold=6,
    )
    return one, replace(one, node="node-b", totals=(counts("node-a", 78),), drops=())


def scraped(port: int, host: str = "127.0.0.1", path: str = "/metrics") -> str:
    """One scrape, by HTTP."""
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


def samples(text: str) -> dict[str, dict[Key, float]]:
    """Name -> labels -> value. A label set that comes twice is no exposition."""
    found: dict[str, dict[Key, float]] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            values = found.setdefault(one.name, {})
            key = tuple(sorted(one.labels.items()))
            assert key not in values, f"{one.name}{dict(key)} twice"
            values[key] = one.value
    return found


def rows(text: str, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """A metric's values by these labels."""
    return {
        tuple(dict(key)[label] for label in labels): value
        for key, value in samples(text).get(name, {}).items()
    }


def names(text: str) -> Iterable[str]:
    return samples(text).keys()
