"""Faults whose tests do not belong to `make cluster-test` yet, each with the reason."""

UNPROVEN: dict[str, str] = {}
"""Run by `make cluster-test-all` (pytest --all) only."""
