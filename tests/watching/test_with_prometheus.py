"""A real Prometheus scrapes two nodes' watches: loss between them, alerts, every panel."""

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from msgspec.structs import replace

from tests.watching.deployed import DASHBOARD, dashboard, panels, queries
from tests.watching.prometheus import Prometheus, running
from tests.watching.statuses import STALE, counts, drops, status
from tracer.model.diagnosis import Severity
from tracer.model.watch import Kind, Status
from tracer.watching.metrics import Metrics

INTERVAL = "5m"
"""In place of what Grafana puts for $__rate_interval."""


def node_a(second: int) -> Status:
    """Of what it sends to node-b half never reaches its uplink; all sorts of things are bad."""
    sent = {"from_pod": 200 * second, "uplink_out": 100 * second, "uplink_in": 50 * second}
    return status(
        counts("node-b", sent, deviations={Kind.PEER_MAC: 3 * second}),
        time_ns=second,
        drops=(drops("node-b", 100 * second, "NEIGH_FAILED", "neigh_invalidate+0x5a"),),
        standing=(STALE, replace(STALE, rule="outer-udp-csum-bad", severity=Severity.WARNING)),
        opened=((STALE.rule, second),),
        lost=second,
        untold=second,
        records=5 * second,
        watched_s=600.0 + second,
    )


def node_b(second: int) -> Status:
    """It has never had a packet of node-a's, and its own arrive there."""
    back = {"from_pod": 50 * second, "vtep_out": 50 * second, "uplink_out": 50 * second}
    return status(counts("node-a", back), node="node-b", time_ns=second, watched_s=600.0 + second)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    stop = threading.Event()
    with closing(Metrics("127.0.0.1", 0)) as a, closing(Metrics("127.0.0.1", 0)) as b:

        def live() -> None:
            second = 0
            while not stop.wait(0.25):
                second += 1
                a.show([node_a(second)])
                b.show([node_b(second)])

        thread = threading.Thread(target=live)
        thread.start()
        try:
            targets = [f"127.0.0.1:{one.port}" for one in (a, b)]
            with running(tmp_path_factory.mktemp("prometheus"), targets) as asked:
                yield asked
        finally:
            stop.set()
            thread.join()


def test_it_scrapes_both(prometheus: Prometheus) -> None:
    prometheus.until('up{job="flantrace"} == 1', lambda rows: len(rows) == 2)


def test_loss_between_nodes_is_what_one_counts_and_the_other_does_not(
    prometheus: Prometheus,
) -> None:
    ratio = "sender_receiver:flantrace_lost_packets:ratio_rate5m"
    prometheus.until(ratio, lambda rows: len(rows) == 2)
    # Two nodes are not scraped at the same moment: of a few seconds, that is a part.
    prometheus.until(f'{ratio}{{sender="node-b"}} < 0.3', lambda rows: len(rows) == 1)
    ((labels, value),) = prometheus.query(f'{ratio}{{sender="node-a"}}')
    assert (labels["receiver"], value) == ("node-b", 1)


def test_an_open_finding_fires_at_once(prometheus: Prometheus) -> None:
    firing = 'ALERTS{alertname="FlantraceFault", alertstate="firing"}'
    prometheus.until(firing, lambda rows: [labels["rule"] for labels, _ in rows] == [STALE.rule])


def filled(expression: str) -> str:
    """As Grafana asks, with all nodes chosen."""
    return expression.replace("$node", ".*").replace("$__rate_interval", INTERVAL)


@pytest.mark.parametrize(("title", "expression"), list(queries()), ids=str)
def test_every_panel_shows_something(prometheus: Prometheus, title: str, expression: str) -> None:
    prometheus.until(filled(expression), bool)
    assert "$" not in filled(expression), title


def test_the_dashboards_annotations_are_the_alerts_that_fire(prometheus: Prometheus) -> None:
    (annotations,) = dashboard()["annotations"]["list"]
    prometheus.until(annotations["expr"], bool)


def test_the_nodes_to_choose_from_are_those_that_are_watched(prometheus: Prometheus) -> None:
    (node,) = [one for one in dashboard()["templating"]["list"] if one["name"] == "node"]
    name, label = node["definition"].removeprefix("label_values(").removesuffix(")").split(", ")
    prometheus.until(f"count({name})", lambda rows: bool(rows) and rows[0][1] == 2)
    assert prometheus.get(f"label/{label}/values", **{"match[]": name}) == ["node-a", "node-b"]


def test_panels_do_not_lie_on_each_other_and_have_a_number_of_their_own() -> None:
    every = dashboard()["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in every)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) == 23


def test_every_panel_says_what_it_shows_and_asks_the_chosen_prometheus() -> None:
    for panel in panels():
        assert panel["description"].endswith("."), panel["title"]
        uids = {panel["datasource"]["uid"], *(one["datasource"]["uid"] for one in panel["targets"])}
        assert uids == {"${datasource}"}
    assert "uid" in dashboard()
    assert DASHBOARD.read_text().endswith("}\n")
