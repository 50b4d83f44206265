# flantrace: `make demo` shows it, `make test` proves it. Both install what is missing first.

SHELL := /bin/bash
PYTHON ?= /usr/bin/python3
VENV := .venv
RUN := $(VENV)/bin

.PHONY: demo test lint bench setup clean

setup:
	@.ci/setup $(VENV) $(PYTHON)

demo: setup
	@.ci/demo $(RUN)/flantrace

test: setup
	@.ci/timed "lint" $(RUN)/ruff check tracer tests
	@.ci/timed "format" $(RUN)/ruff format --check tracer tests
	@.ci/timed "types" $(RUN)/mypy
	@.ci/timed "tests" $(RUN)/python -m pytest --durations=15

lint: setup
	$(RUN)/ruff check tracer tests
	$(RUN)/ruff format --check tracer tests
	$(RUN)/mypy

bench: setup
	@$(RUN)/python -m tests.bench

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
