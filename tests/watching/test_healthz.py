"""`/healthz` tells whether the watch turns, over real HTTP."""

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.watching.statuses import status
from tracer.watching import healthz
from tracer.watching.metrics import Metrics


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    made = Metrics("127.0.0.1", 0)
    yield made
    made.close()


def asked(metrics: Metrics, path: str = healthz.PATH) -> tuple[int, str]:
    """Code and text."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics.port}{path}", timeout=5) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def test_a_watch_that_has_not_begun_is_not_ready(metrics: Metrics) -> None:
    assert asked(metrics) == (503, "the watch has not begun\n")


def test_a_watch_that_turns_is_healthy(metrics: Metrics) -> None:
    metrics.show([status()])
    assert asked(metrics) == (200, "watching\n")


def test_one_that_has_no_status_yet_turns_all_the_same(metrics: Metrics) -> None:
    metrics.show([])
    assert asked(metrics)[0] == 200


def test_a_watch_that_stands_still_is_not_and_its_metrics_are_there_for_whoever_asks_why(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics.show([status()])
    monkeypatch.setattr(healthz, "PATIENCE_S", -1.0)
    code, said = asked(metrics)
    assert code == 503
    assert said.startswith("the watch has stood still for ")
    code, text = asked(metrics, "/metrics")
    assert code == 200
    assert "flantrace_build_info" in text
