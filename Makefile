# flantrace: `make demo` shows it, `make test` proves it. Both install what is missing first.

SHELL := /bin/bash
PYTHON ?= /usr/bin/python3
VENV := .venv
RUN := $(VENV)/bin

.PHONY: demo test cluster-test cluster-test-all watch-test soak lint bench fuzz image release setup clean

setup:
	@.ci/setup $(VENV) $(PYTHON)

demo: setup
	@.ci/demo $(RUN)/flantrace

test: setup
	@.ci/timed "lint" $(RUN)/ruff check tracer tests tools cluster
	@.ci/timed "format" $(RUN)/ruff format --check tracer tests tools cluster
	@.ci/timed "types" $(RUN)/mypy
	@.ci/tests $(RUN)/python

# A real cluster of two nodes on this machine (cluster/). Exit code 77: it cannot be built here.
cluster-test: setup
	@.ci/cluster $(RUN)/python

# Beside it, on a second one, the tests of flannel itself (docs/reference/flannel-behaviour.md).
cluster-test-all: setup
	@.ci/cluster $(RUN)/python all

# What takes a watch minutes: every fault of the lab under it, and what it survives.
watch-test: setup
	@.ci/timed "what a watch survives" $(RUN)/python -m pytest -m watched tests/lab
	@.ci/timed "every fault under a watch" $(RUN)/python -m tests.watched $(FAULTS)

# A watch of 5,000 leases under load and churn: an hour, or MINUTES=10.
soak: setup
	@$(RUN)/python -m tests.soak --minutes $(or $(MINUTES),60)

lint: setup
	$(RUN)/ruff check tracer tests tools cluster
	$(RUN)/ruff format --check tracer tests tools cluster
	$(RUN)/mypy

bench: setup
	@$(RUN)/python -m tests.bench

# 10,000 hostile bundles and as many captures; FUZZ=100 for fewer.
fuzz: setup
	@$(RUN)/python -m pip install -q --disable-pip-version-check -c .ci/constraints.txt atheris
	@$(RUN)/python -m tests.fuzz $(FUZZ)

# dist/flantrace.yaml for krew: make release VERSION=1.0.0 URL=... [SHA256=...] [PLATFORM=linux/arm64]
release: setup
	@$(RUN)/python -m tools.release --version "$(VERSION)" --url "$(URL)" \
		$(if $(SHA256),--sha256 $(SHA256)) $(if $(PLATFORM),--platform $(PLATFORM))

# dist/flantrace-image.tar, an OCI archive; IMAGE=--help tells what else can be said.
image: setup
	@$(RUN)/python -m tools.image $(IMAGE)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
