"""Recordings of a real cluster (cluster/) whose diagnosis was wrong once: named right since."""

from pathlib import Path

import pytest

from tracer.api import diagnose, load

RECORDINGS = sorted((Path(__file__).parent / "real").glob("*.tgz"))
"""SLUG--WHAT-WAS-SPECIAL.tgz"""


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_real_clusters_fault_is_named(path: Path) -> None:
    diagnosis = diagnose(load(path))
    assert diagnosis.verdict.rule == path.stem.partition("--")[0]
    assert diagnosis.verdict.exit_code == 1
