"""What a watch knows, for Prometheus. The home of prometheus-client."""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tracer import __version__
from tracer.core.rules.catalogue import CATALOGUE, slug
from tracer.model.diagnosis import Finding
from tracer.model.watch import HOOKS, Status
from tracer.watching import described as d
from tracer.watching.accounts import DEVIATIONS, OTHER, Account
from tracer.watching.healthz import Health
from tracer.watching.httpd import Server, parse_address

__all__ = ["MOST_NODES", "Metrics", "parse_address"]

MOST_NODES = 100
"""Nodes by name among the open findings; a fault of the whole cluster may be on 5,000."""

BRIDGE = ("from_pod", "to_pod")
"""Hooks that no packet of the node itself passes."""


class _Kept(NamedTuple):
    """The last status of one node, and when it came, by this process's monotonic clock."""

    status: Status
    came_s: float


class Metrics:
    """An HTTP server of its own, which shows the last that it was told."""

    def __init__(self, address: str, port: int) -> None:
        """`port` 0: any that is free; `.port` tells. UsageError where nothing can listen."""
        registry = CollectorRegistry(auto_describe=False)
        self._collector = _Collector()
        registry.register(self._collector)
        ProcessCollector(registry=registry)
        self._health = Health()
        app = self._health.beside(make_wsgi_app(registry))
        self._server = Server(app, address, port)
        self.port = self._server.port

    def show(self, statuses: Sequence[Status]) -> None:
        """From now on these, one of each watched node. For any thread, and at once.

        What a scrape costs is paid by the scrape.
        """
        self._health.beat()
        self._collector.show(statuses)

    def close(self) -> None:
        """Nothing listens any more when it returns."""
        self._server.close()


class _Collector(Collector):
    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._accounts: dict[str, Account] = {}
        # Two Prometheus servers may scrape at the same time; the accounts are of one process.
        self._one_scrape = threading.Lock()

    def show(self, statuses: Sequence[Status]) -> None:
        now, before = time.monotonic(), self._kept
        kept = {}
        for status in statuses:
            last = before.get(status.node)
            silent = last is not None and last.status.time_ns == status.time_ns
            kept[status.node] = _Kept(status, last.came_s if last and silent else now)
        self._kept = kept

    def describe(self) -> Iterable[Metric]:
        """For registries that ask which names are whose (`?name[]=`)."""
        return [_family(one) for one in d.METRICS]

    def collect(self) -> Iterable[Metric]:
        with self._one_scrape:
            kept = self._kept
            for node, (status, _) in kept.items():
                self._accounts.setdefault(node, Account()).take(status)
            accounts = {node: self._accounts[node] for node in kept}
            return [*_findings(kept), *_traffic(accounts), *_watch(kept, accounts), _build()]


def _family(one: d.Described) -> Metric:
    kinds: dict[str, type[CounterMetricFamily | GaugeMetricFamily | InfoMetricFamily]] = {
        d.COUNTER: CounterMetricFamily,
        d.GAUGE: GaugeMetricFamily,
        d.INFO: InfoMetricFamily,
    }
    return kinds[one.kind](one.name.removesuffix("_info"), one.help, labels=one.labels)


def _filled(one: d.Described, rows: Iterable[tuple[Sequence[str], float]]) -> Metric:
    family = _family(one)
    for labels, value in rows:
        family.add_sample(one.name, dict(zip(one.labels, labels, strict=True)), value)
    return family


def _findings(kept: dict[str, _Kept]) -> Iterator[Metric]:
    # Each status has those of all nodes.
    open_now: dict[tuple[str, str, str | None], Finding] = {
        (one.rule, one.node, one.device): one
        for status, _ in kept.values()
        for one in status.standing
    }
    nodes = list(dict.fromkeys([*kept, *(one.node for one in open_now.values())]))
    named = set(nodes[: max(MOST_NODES, len(kept))])
    count = Counter(
        (one.node if one.node in named else OTHER, one.rule, one.severity.value)
        for one in open_now.values()
    )
    yield _filled(d.FINDINGS, count.items())
    # A counter that begins at its first opening would hide that one from `increase`.
    opened = {slug(rule): 0 for rule in CATALOGUE} if kept else {}
    for status, _ in kept.values():
        for rule, times in status.opened:
            opened[rule] = max(times, opened.get(rule, 0))
    yield _filled(d.OPENED, (((rule,), times) for rule, times in opened.items()))


def _traffic(accounts: dict[str, Account]) -> Iterator[Metric]:
    passed = [
        ((node, peer, hook), sums)
        for node, account in accounts.items()
        for peer, hooks in account.passed.items()
        for hook, sums in zip(HOOKS, hooks, strict=True)
        if sums[0]
    ]
    yield _filled(d.PACKETS, ((labels, sums[0]) for labels, sums in passed))
    yield _filled(d.BYTES, ((labels, sums[1]) for labels, sums in passed))
    yield _filled(
        d.HOST_PACKETS, ((labels, sums[2]) for labels, sums in passed if labels[2] not in BRIDGE)
    )
    yield _filled(
        d.DEVIATING,
        (
            ((node, peer, kind.value), packets)
            for node, account in accounts.items()
            for peer, kinds in account.deviated.items()
            for kind, packets in zip(DEVIATIONS, kinds, strict=True)
            if packets
        ),
    )
    yield _filled(
        d.DROPPED,
        (
            ((node, *labels), packets)
            for node, account in accounts.items()
            for labels, packets in account.dropped.items()
        ),
    )


def _watch(every: dict[str, _Kept], accounts: dict[str, Account]) -> Iterator[Metric]:
    now = time.monotonic()
    # Of a node that has counted nothing yet a nought would read as if nothing were lost there.
    kept = {node: one for node, one in every.items() if one.status.counted}
    shown: list[tuple[d.Described, dict[str, float | None]]] = [
        (d.UNTOLD, {node: one.status.untold for node, one in kept.items()}),
        (d.LEASES, {node: one.status.leases for node, one in kept.items()}),
        (d.LEASES_AGE, {node: one.status.leases_age_s for node, one in kept.items()}),
        (d.SAMPLING, {node: _part(one.status.one_in) for node, one in kept.items()}),
        (d.RECORDS, {node: one.status.records for node, one in kept.items()}),
        (d.LOST_RECORDS, {node: one.status.lost for node, one in kept.items()}),
        (d.OVERHEAD, {node: one.status.overhead for node, one in kept.items()}),
        (d.WATCHED, {node: one.status.watched_s for node, one in kept.items()}),
        (d.STATUS_AGE, {node: now - one.came_s for node, one in every.items()}),
        (d.UNNAMED, {node: accounts[node].unnamed for node in kept}),
    ]
    for one, values in shown:
        rows = ((node, value) for node, value in values.items())
        yield _filled(one, (((node,), value) for node, value in rows if value is not None))


def _part(one_in: int) -> float:
    return 1 / one_in if one_in else 0.0


def _build() -> Metric:
    return _filled(d.BUILD, [((__version__,), 1)])
