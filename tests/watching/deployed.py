"""What a Prometheus and a Grafana are given (deploy/), and the names that it uses."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tracer.watching.described import METRICS

ROOT = Path(__file__).parent.parent.parent
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = PROMETHEUS / "flantrace.rules.yml"
TESTS = PROMETHEUS / "flantrace.rules.test.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "flantrace.json"

SCRAPED = {one.name for one in METRICS}
OF_THE_PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total"}
OF_PROMETHEUS = {"up", "ALERTS"}

# A metric is what stands before a selector, or a word with one of our prefixes.
NAME = re.compile(r"\b(?:[a-z_]+:)?(?:flantrace|process)_\w+(?::\w+)?|\bup\b|\bALERTS\b")


def rules() -> list[dict[str, Any]]:
    """All of them, in their order."""
    document: dict[str, Any] = yaml.safe_load(RULES.read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


ALERTS = [rule["alert"] for rule in rules() if "alert" in rule]
RECORDED = list(dict.fromkeys(rule["record"] for rule in rules() if "record" in rule))


def metrics_in(expression: str) -> set[str]:
    """The metrics that a query reads. What stands in quotes is none."""
    return set(NAME.findall(re.sub(r'"[^"]*"', '""', expression)))


def dashboard() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return document


def panels() -> list[dict[str, Any]]:
    """Those that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    """Title and query, of every target of every panel."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
