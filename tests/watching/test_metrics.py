"""What Prometheus reads of a watch, over real HTTP."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from tests.promtool import promtool
from tests.watching.statuses import (
    STALE,
    counts,
    drops,
    everything,
    names,
    rows,
    samples,
    scraped,
    status,
)
from tracer.core.rules.catalogue import CATALOGUE
from tracer.errors import UsageError
from tracer.model.diagnosis import Severity
from tracer.model.watch import Kind
from tracer.watching.described import METRICS
from tracer.watching.httpd import MOST_CLIENTS, Server
from tracer.watching.metrics import MOST_NODES, Metrics, parse_address

PACKETS = "flantrace_packets_total"


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    served = Metrics("127.0.0.1", 0)
    yield served
    served.close()


def test_promtool_finds_nothing_to_say_about_a_scrape(metrics: Metrics) -> None:
    metrics.show(everything())
    assert promtool("check", "metrics", text=scraped(metrics.port)) == ""


def test_every_metric_that_is_described_is_scraped_and_no_other(metrics: Metrics) -> None:
    metrics.show(everything())
    own = {name for name in names(scraped(metrics.port)) if name.startswith("flantrace_")}
    assert own == {one.name for one in METRICS}
    assert {name for name in names(scraped(metrics.port)) if name not in own} >= {
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
    }


def test_packets_count_by_peer_and_hook_and_a_hook_without_any_is_left_out(
    metrics: Metrics,
) -> None:
    metrics.show([status(counts("node-b", {"from_pod": 5, "uplink_out": 4}), counts("node-c"))])
    assert rows(scraped(metrics.port), PACKETS, "node", "peer", "hook") == {
        ("node-a", "node-b", "from_pod"): 5,
        ("node-a", "node-b", "uplink_out"): 4,
    }


def test_both_families_subnets_of_a_peer_are_one_peer(metrics: Metrics) -> None:
    four = counts("node-b", 10, subnet="10.244.2.0/24", deviations={Kind.PEER_MAC: 1})
    six = counts("node-b", 20, subnet="fd00:10:244:2::/64", deviations={Kind.PEER_MAC: 2})
    metrics.show([status(four, six)])
    text = scraped(metrics.port)
    assert set(rows(text, PACKETS, "peer", "hook").values()) == {30}
    assert rows(text, "flantrace_deviating_packets_total", "peer", "kind") == {
        ("node-b", "peer-mac"): 3
    }


def test_of_a_drop_the_function_is_told_without_its_offset_and_what_is_not_known_as_such(
    metrics: Metrics,
) -> None:
    metrics.show(
        [
            status(
                drops=(
                    drops("node-b", 2, "NO_SOCKET", "udp_queue_rcv+0x1a"),
                    drops("node-b", 3, "NO_SOCKET", "udp_queue_rcv+0x2b"),
                    drops(None, 4, None, None),
                )
            )
        ]
    )
    name = "flantrace_dropped_packets_total"
    assert rows(scraped(metrics.port), name, "peer", "reason", "caller") == {
        ("node-b", "NO_SOCKET", "udp_queue_rcv"): 5,
        ("nobody", "unknown", "unknown"): 4,
    }


def test_findings_that_are_open_on_all_nodes_count_once_though_each_status_has_them(
    metrics: Metrics,
) -> None:
    on_b = replace(STALE, node="node-b", severity=Severity.WARNING)
    other_device = replace(STALE, device="eth0")
    found = (STALE, on_b, other_device)
    metrics.show([status(standing=found), status(node="node-b", standing=found)])
    assert rows(scraped(metrics.port), "flantrace_findings", "node", "rule", "severity") == {
        ("node-a", STALE.rule, "error"): 2,
        ("node-b", STALE.rule, "warning"): 1,
    }
    metrics.show([status()])
    assert rows(scraped(metrics.port), "flantrace_findings", "node") == {}


def test_a_rule_counts_its_openings_from_nought_so_that_the_first_is_an_increase(
    metrics: Metrics,
) -> None:
    metrics.show([status(opened=((STALE.rule, 2),))])
    opened = rows(scraped(metrics.port), "flantrace_findings_opened_total", "rule")
    assert len(opened) == len(CATALOGUE)
    assert {rule: times for rule, times in opened.items() if times} == {(STALE.rule,): 2}


def test_a_fault_of_5_000_nodes_takes_a_bounded_number_of_series(metrics: Metrics) -> None:
    everywhere = tuple(replace(STALE, node=f"node-{number}") for number in range(5000))
    metrics.show([status(standing=everywhere)])
    found = rows(scraped(metrics.port), "flantrace_findings", "node")
    assert len(found) == MOST_NODES
    assert sum(found.values()) == 5000


def test_what_is_not_known_has_no_series(metrics: Metrics) -> None:
    metrics.show([status(leases_age_s=None, overhead=None, one_in=0)])
    text = scraped(metrics.port)
    assert "flantrace_leases_age_seconds" not in samples(text)
    assert "flantrace_overhead_ratio" not in samples(text)
    assert rows(text, "flantrace_sampling_ratio", "node") == {("node-a",): 0}


def test_a_node_that_says_nothing_new_is_seen_to_be_silent(metrics: Metrics) -> None:
    a, b = status(), status(node="node-b")
    metrics.show([a, b])
    time.sleep(0.3)
    metrics.show([a, replace(b, time_ns=b.time_ns + 1)])
    age = rows(scraped(metrics.port), "flantrace_status_age_seconds", "node")
    assert age["node-a",] >= 0.3 > age["node-b",]


def test_of_a_node_that_has_counted_nothing_yet_only_its_silence_is_told(metrics: Metrics) -> None:
    metrics.show([status(counts("node-b", 5)), status(node="node-b", counted=False)])
    told = {
        name
        for name, values in samples(scraped(metrics.port)).items()
        if any(("node", "node-b") in key for key in values)
    }
    assert told == {"flantrace_status_age_seconds"}


def test_before_the_first_status_only_the_process_is_shown(metrics: Metrics) -> None:
    own = {name for name in names(scraped(metrics.port)) if name.startswith("flantrace_")}
    assert own == {"flantrace_build_info"}


def test_one_metric_can_be_asked_for(metrics: Metrics) -> None:
    metrics.show(everything())
    text = scraped(metrics.port, path="/metrics?name[]=flantrace_leases")
    assert list(names(text)) == ["flantrace_leases"]


def test_scrapes_and_news_at_the_same_time_lose_nothing(metrics: Metrics) -> None:
    texts: list[str] = []

    def scrape() -> None:
        texts.extend(scraped(metrics.port) for _ in range(20))

    threads = [threading.Thread(target=scrape) for _ in range(3)]
    for thread in threads:
        thread.start()
    for packets in range(1, 500):
        metrics.show([status(counts("node-b", packets))])
    for thread in threads:
        thread.join()
    assert len(texts) == 60
    assert set(rows(scraped(metrics.port), PACKETS, "hook").values()) == {499}


def test_clients_that_say_nothing_do_not_keep_others_out_for_ever(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tracer.watching.httpd._Quiet.timeout", 2.0)
    served = Metrics("127.0.0.1", 0)
    silent = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(MOST_CLIENTS + 2)]
    turned_away = silent[MOST_CLIENTS:]
    for one in turned_away:
        one.settimeout(1.5)
        assert one.recv(1) == b"", "closed at once"
    with pytest.raises(ConnectionError):
        scraped(served.port)
    assert silent[0].recv(1) == b"", "given up after a while"
    time.sleep(0.5)
    assert "flantrace_build_info" in scraped(served.port)
    for one in silent:
        one.close()
    served.close()
    assert capfd.readouterr().err == ""


def test_a_client_that_stops_reading_is_given_up_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tracer.watching.httpd._Quiet.timeout", 0.3)

    def much(_: Any, start: Any) -> list[bytes]:
        start("200 OK", [])
        return [bytes(50_000_000)]

    server = Server(much, "127.0.0.1", 0)
    with socket.create_connection(("127.0.0.1", server.port)) as lazy:
        lazy.send(b"GET /metrics HTTP/1.0\r\n\r\n")
        time.sleep(1)
        got = 0
        while part := lazy.recv(1 << 20):
            got += len(part)
    assert 0 < got < 50_000_000
    server.close()
    assert capfd.readouterr().err == ""


def test_nothing_listens_any_more_after_close() -> None:
    served = Metrics("127.0.0.1", 0)
    served.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", served.port))
    Metrics("127.0.0.1", served.port).close()


def test_it_listens_on_an_ipv6_address() -> None:
    served = Metrics("::1", 0)
    assert "flantrace_build_info" in scraped(served.port, "::1")
    served.close()


def test_a_port_that_is_taken_is_the_users_business(metrics: Metrics) -> None:
    with pytest.raises(UsageError) as error:
        Metrics("127.0.0.1", metrics.port)
    assert f"port {metrics.port}" in error.value.what
    assert error.value.where == "--metrics"


def test_an_address_that_is_not_this_machines_is_the_users_business() -> None:
    with pytest.raises(UsageError):
        Metrics("192.0.2.200", 0)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (":18472", ("127.0.0.1", 18472)),
        ("0.0.0.0:18472", ("0.0.0.0", 18472)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:18472", ("::1", 18472)),
        ("[::]:18472", ("::", 18472)),
        ("[192.0.2.11]:18472", ("192.0.2.11", 18472)),
        ("[fe80::1%eth0]:18472", ("fe80::1%eth0", 18472)),
    ],
)
def test_an_address_is_read(text: str, meant: tuple[str, int]) -> None:
    assert parse_address(text) == meant


@pytest.mark.parametrize(
    "text",
    ["", "18472", "::1:18472", "[]:18472", "[::1]", "a b:1", ":65536", ":-1", ":http", ":1 "],
)
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_address(text)
    assert ":18472" in error.value.hint
