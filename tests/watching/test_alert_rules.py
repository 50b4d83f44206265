"""Alert rules: promtool takes them, their tests hold, and those tests would notice."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.promtool import needed, promtool
from tests.watching.deployed import (
    ALERTS,
    OF_PROMETHEUS,
    PROMETHEUS,
    RECORDED,
    ROOT,
    RULES,
    SCRAPED,
    TESTS,
    metrics_in,
    rules,
)

NEVER = "vector(1) > 2"


def test_promtool_takes_the_rules() -> None:
    assert "SUCCESS" in promtool("check", "rules", RULES)


def test_their_own_tests_hold() -> None:
    assert "SUCCESS" in promtool("test", "rules", TESTS)


def test_every_alert_is_tested_where_it_fires_and_where_it_does_not() -> None:
    fires: dict[str, set[bool]] = {alert: set() for alert in ALERTS}
    for test in yaml.safe_load(TESTS.read_text())["tests"]:
        for asked in test.get("alert_rule_test", ()):
            fires[asked["alertname"]].add(bool(asked["exp_alerts"]))
    assert fires == {alert: {True, False} for alert in ALERTS}


def hold_with(changed: list[dict[str, Any]], folder: Path) -> bool:
    """Whether the rules' tests hold with other rules."""
    groups = {"groups": [{"name": "changed", "rules": changed}]}
    (folder / RULES.name).write_text(yaml.safe_dump(groups))
    (folder / TESTS.name).write_text(TESTS.read_text())
    words = [needed("promtool"), "test", "rules", TESTS.name]
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert "error" not in done.stderr.lower() or "FAILED" in done.stdout + done.stderr
    return done.returncode == 0


def changed(name: str, **fields: Any) -> list[dict[str, Any]]:
    """All rules, one of them with other fields."""
    return [
        {**rule, **fields} if name in (rule.get("alert"), rule.get("record")) else rule
        for rule in rules()
    ]


def test_they_hold_with_the_same_rules_written_anew(tmp_path: Path) -> None:
    """So that what follows fails for its change, and for no other reason."""
    assert hold_with(rules(), tmp_path)


@pytest.mark.parametrize("name", [*ALERTS, *RECORDED])
def test_their_tests_notice_a_rule_that_never_says_anything(name: str, tmp_path: Path) -> None:
    assert not hold_with(changed(name, expr=NEVER), tmp_path)


@pytest.mark.parametrize("alert", ALERTS)
def test_their_tests_notice_an_alert_that_always_fires(alert: str, tmp_path: Path) -> None:
    assert not hold_with(changed(alert, expr="vector(1)"), tmp_path)


@pytest.mark.parametrize("alert", [rule["alert"] for rule in rules() if rule.get("for")])
def test_their_tests_notice_an_alert_that_does_not_wait(alert: str, tmp_path: Path) -> None:
    assert not hold_with(changed(alert, **{"for": "0s"}), tmp_path)


@pytest.mark.parametrize("alert", [rule for rule in rules() if "alert" in rule], ids=ALERTS)
def test_an_alert_says_what_it_is_how_bad_and_where_to_read_on(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    words = alert["annotations"]
    assert words["summary"]
    assert words["description"].endswith(".")
    runbook = words["runbook_url"]
    if "{{ $labels.rule }}" in runbook:
        runbook = runbook.replace("{{ $labels.rule }}", "vtepmac-annotation-stale")
    assert (ROOT / runbook).exists()


def test_the_guide_tells_of_every_alert() -> None:
    text = (ROOT / "docs" / "how-to" / "watch-with-prometheus.md").read_text()
    assert [alert for alert in ALERTS if f"| {alert} |" not in text] == []


def test_rules_read_only_what_is_scraped_or_recorded() -> None:
    for rule in rules():
        unknown = metrics_in(rule["expr"]) - SCRAPED - set(RECORDED) - OF_PROMETHEUS
        assert not unknown, rule


def test_promtool_takes_the_example_for_listed_nodes() -> None:
    promtool("check", "config", PROMETHEUS / "prometheus.yml")


def test_promtool_takes_the_example_for_pods_but_for_the_part_that_debians_does_not_know(
    tmp_path: Path,
) -> None:
    """Debian builds Prometheus without Kubernetes; the rest of the job is checked."""
    document = yaml.safe_load((PROMETHEUS / "kubernetes.yml").read_text())
    (job,) = document["scrape_configs"]
    assert job.pop("kubernetes_sd_configs")[0]["role"] == "pod"
    job["static_configs"] = [{"targets": ["192.0.2.11:18472"]}]
    document["rule_files"] = [str(RULES)]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(document))
    promtool("check", "config", tmp_path / "prometheus.yml")
