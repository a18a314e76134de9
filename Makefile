# The verbs of the project. Everything they need is fetched into this folder, without root.
PYTHON ?= python3
UV := .tools/bin/uv
BIN := .venv/bin
SUITE ?= standard
JOBS ?= 1
WORKERS ?= auto
READY := .venv/.ready
SPARK_READY := .venv/.ready-spark

# Images that set this make every command compile its imports again, which takes seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-browser test-gateways test-stores test-spark test-worlds test-faults check format bench bench-peers suite lock clean

help: ## show the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 20

$(UV):
	@$(PYTHON) tools/fetch_uv.py .tools

$(READY): pyproject.toml requirements.lock | $(UV)
	@$(UV) venv --quiet --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv
	@$(UV) pip install --quiet --python $(BIN)/python -r requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $(READY)

setup: $(READY) ## everything for development, .venv/bin/stillwatch included

demo: $(READY) ## simulate a world, scan it, and say where the dossier lies
	@$(BIN)/python tools/demo.py demo

test: $(READY) ## the tests, without root or services
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test-browser: $(READY) ## the dossier in headless Chromium, which it installs if it is missing
	@sh tools/install_chromium.sh
	@$(BIN)/python -m pytest -m browser tests/dossier

test-gateways: $(READY) ## real LiteLLM, Envoy, nginx and Caddy, and an instrumented client, which it installs
	@$(BIN)/python -m pytest -m gateways tests/gateways

test-stores: $(READY) ## shared counters in a real Redis and Valkey, the verdict store in a real PostgreSQL; it installs them
	@sh tools/install_packages.sh "The tests of stores" redis-server valkey-server initdb=postgresql
	@$(BIN)/python -m pytest -m stores tests/stores tests/policy

$(SPARK_READY): requirements-spark.lock $(READY)
	@$(UV) pip install --quiet --python $(BIN)/python -r requirements-spark.lock
	@touch $(SPARK_READY)

test-spark: $(SPARK_READY) ## the embedded engine's findings from a cluster of Apache Spark, which it installs
	@$(BIN)/python -m pytest -m spark tests/spark

test-worlds: $(READY) ## campaigns found and look-alikes left alone, on worlds of realistic size and in every format
	@$(BIN)/python -m pytest -n $(WORKERS) -m slow tests/worlds tests/sources

test-faults: $(READY) ## a hundred rounds of killed commands, and an hour (FUZZ_SECONDS) of hostile files
	@$(BIN)/python -m pytest -m faults -rP tests/lake tests/sources tests/receiver

check: $(READY) ## format, lint, types, imports and docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python tools/check_docs.py

format: $(READY) ## rewrite the code in the house's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY) ## benchmarks: a table, and benchmarks/latest.json
	@$(BIN)/python benchmarks/run.py

bench-peers: $(READY) ## stillwatch beside Splink and others on the same worlds, installed apart
	@$(BIN)/python benchmarks/peers.py $(if $(FOLDER),--folder $(FOLDER))

suite: $(READY) ## measure detection on a grid of worlds and write docs/evaluation.md; resumable
	@$(BIN)/stillwatch evaluate --suite $(SUITE) --out docs/suite --page docs/evaluation.md --jobs $(JOBS)

lock: | $(UV) ## pin every dependency anew
	@$(UV) pip compile --quiet --universal --python-version 3.11 --extra receiver --extra gateway --extra postgresql --extra redis --group dev pyproject.toml -o requirements.lock
	@$(UV) pip compile --quiet --universal --python-version 3.11 --extra spark -c requirements.lock pyproject.toml -o requirements-spark.lock

clean: ## remove what the verbs made
	@rm -rf .venv .tools demo .cache
