# Commands of the project. Each creates .venv and installs what it needs on a fresh machine.

PYTHON ?= python3
PORT ?= 3000
VENV := .venv
BIN := $(VENV)/bin
# Marks of finished installations; a changed lock file or project file installs again.
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
BENCH := $(VENV)/.bench

ifeq ($(origin COIN_HOME),undefined)
demo: export COIN_HOME := $(CURDIR)/var/demo
endif
COIN_HOME ?= ./var
export COIN_HOME := $(abspath $(COIN_HOME))
export DAGSTER_HOME = $(CURDIR)
export COIN_DAGSTER_HOME = $(abspath $(COIN_HOME))/dagster

.DEFAULT_GOAL := help
.PHONY: help demo up env compose-secrets compose-config test test-influxdb test-live test-live-short \
	test-slow lint format bench screenshots lock clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

demo: $(RUNTIME) ## Run the main job once (offline, sandbox market) and print what it made
	@$(BIN)/python -m coin_assets.demo

up: $(RUNTIME) ## Start web UI and daemon on localhost, port 3000 or PORT=
	@$(BIN)/python -m coin_assets.up --port $(PORT)

# Secrets stay out: what carries them is read from the environment only.
env: ## Print what direct dagster commands need, for a shell to eval
	@mkdir -p "$(COIN_DAGSTER_HOME)"
	@export -p | sed -nE 's/^(export|declare -x) (COIN_[A-Z_]+|DAGSTER_HOME|INFLUXDB_V2_(URL|ORG))=/export \2=/p' \
		| grep -vE 'WEBHOOKS|HEARTBEAT'
	@echo 'export PATH="$(CURDIR)/$(BIN):$$PATH"'

compose-secrets: ## Make the passwords and tokens that deploy/compose.yaml needs
	@sh deploy/secrets.sh

# Needs no engine. The old docker-compose knows the format as well.
compose-config: ## Check deploy/compose.yaml
	@if docker compose version >/dev/null 2>&1; then docker compose -f deploy/compose.yaml config -q; \
		elif command -v docker-compose >/dev/null; then docker-compose -f deploy/compose.yaml config -q; \
		else echo "compose-config: neither docker compose nor docker-compose is installed" >&2; exit 1; fi
	@echo "deploy/compose.yaml is valid"

test: $(DEV) ## Run the test suite
	$(BIN)/python -m pytest

test-influxdb: $(DEV) ## Test the store on the InfluxDB 2 that INFLUXDB_V2_* name
	@echo "On $${INFLUXDB_V2_URL:-a stand-in, for INFLUXDB_V2_URL, _TOKEN, _ORG, COIN_INFLUXDB_BUCKET name no server}"
	$(BIN)/python -m pytest -m influxdb --numprocesses 0

test-live: $(DEV) ## Run the platform live through outages and kills (about 25 minutes)
	$(BIN)/python -m coin_assets_tests.live

test-live-short: $(DEV) ## The cut of the live test that CI runs (about 5 minutes)
	$(BIN)/python -m coin_assets_tests.live --short

test-slow: $(DEV) ## The slow tests: two simulated years with faults, kills, promotions (an hour)
	$(BIN)/python -m pytest -m slow -s --numprocesses 2

lint: $(DEV) ## Check style, formatting, types and import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(BENCH) ## Measure, and write benchmarks/results.json and docs/benchmarks.md
	$(BIN)/python -m benchmarks

screenshots: $(DEV) ## Take the pictures of docs/images anew (needs Chromium)
	$(BIN)/python -m docs.screenshots

lock: ## Resolve the dependencies again (needs uv)
	uv pip compile pyproject.toml --no-strip-extras --universal --generate-hashes \
		--python-version 3.11 -o requirements.lock -q
	uv pip compile pyproject.toml --extra dev -c requirements.lock --no-strip-extras --universal \
		--generate-hashes --python-version 3.11 -o requirements-dev.lock -q
	uv pip compile pyproject.toml --extra bench -c requirements-dev.lock --no-strip-extras \
		--universal --generate-hashes --python-version 3.11 -o requirements-bench.lock -q

clean: ## Remove the environment and the caches, never the data
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "coin_assets needs Python 3.11 or newer; set PYTHON=<interpreter>" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing the pinned dependencies (once, a minute or two) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	@echo "Installing the development tools ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# What forecasts are compared with is optional: without it the benchmarks leave its rows out.
$(BENCH): requirements-bench.lock $(DEV)
	@echo "Installing what the benchmarks compare with ..."
	@if $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements-bench.lock; then touch $@; \
		else echo "It could not be installed; the benchmarks run without it." >&2; fi
