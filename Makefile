# Commands of the project. Each creates .venv and installs what it needs on a fresh machine.

# Paths that users choose, the checkout's own too, may hold blanks and other signs. So make never
# handles them: targets are relative, and the shell takes values from the environment, in quotes.
PYTHON ?= python3
export PYTHON
PORT ?= 3000
VENV := .venv
BIN := $(VENV)/bin
# Marks of finished installations; a changed lock file or project file installs again.
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
BENCH := $(VENV)/.bench
SCALE := $(VENV)/.scale
# Of a command: COIN_HOME, completed, DAGSTER_HOME and COIN_DAGSTER_HOME.
IN_HOME := sh deploy/home.sh ./var
IN_DEMO_HOME := sh deploy/home.sh ./var/demo

.DEFAULT_GOAL := help
.PHONY: help demo up site status alerts alert-test ack launch doctor backup restore-check env compose-secrets compose-config test test-fast \
	test-influxdb test-live test-live-short test-scale test-scale-short test-slow fault-matrix lint format bench screenshots site-build site-check lock clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

demo: $(RUNTIME) ## Run the main job once (offline, sandbox market) and print what it made
	@$(IN_DEMO_HOME) $(BIN)/python -m coin_assets.demo

up: $(RUNTIME) ## Start web UI and daemon on localhost, port 3000 or PORT=; VERBOSE=1 logs all
	@$(IN_HOME) $(BIN)/python -m coin_assets.up --port $(PORT) $(if $(VERBOSE),--verbose)

site: $(RUNTIME) ## Serve the published files and their page on localhost, port COIN_SITE_PORT
	@$(IN_HOME) $(BIN)/python -m coin_assets.commands.site

status: $(RUNTIME) ## Show what readers get of each series now (JSON=1)
	@$(IN_HOME) $(BIN)/python -m coin_assets.commands.status $(if $(JSON),--json)

alerts: $(RUNTIME) ## Show open alerts (JSON=1)
	@$(IN_HOME) $(BIN)/python -m coin_assets.commands.alerts $(if $(JSON),--json)

alert-test: $(RUNTIME) ## Send a test message to every alert channel
	@$(IN_HOME) $(BIN)/python -m coin_assets.commands.alert_test

# As they were typed: make would read the $ in them.
ack launch: override export SUBJECT := $(value SUBJECT)
ack launch: override export HOURS := $(value HOURS)
ack launch: override export NOTE := $(value NOTE)
ack launch: override export JOB := $(value JOB)
ack launch: override export CONFIG := $(value CONFIG)
ack launch: override export PARTITION := $(value PARTITION)
ack launch: override export SHARD := $(value SHARD)

ack: $(RUNTIME) ## Acknowledge alerts: SUBJECT= HOURS= NOTE= MUTE=1 LIFT=1, all optional
	@$(IN_HOME) $(BIN)/python -m coin_assets.commands.ack --subject="$$SUBJECT" --hours="$$HOURS" \
		--note="$$NOTE" $(if $(MUTE),--mute) $(if $(LIFT),--lift)

launch: $(RUNTIME) ## Launch a job in the running make up: JOB= CONFIG='{...}' PARTITION= WAIT=1
	@$(IN_HOME) $(BIN)/python -m coin_assets.commands.launch --job="$$JOB" --config="$$CONFIG" \
		--partition="$$PARTITION" $(if $(SHARD),--shard="$$SHARD") $(if $(WAIT),--wait)

doctor: $(RUNTIME) ## Look at settings, disks, exchange, store, sensors, series, alerts (JSON=1)
	@$(IN_HOME) $(BIN)/python -m coin_assets.commands.doctor $(if $(JSON),--json)

backup: override export TO := $(value TO)
restore-check: override export FROM := $(value FROM)
restore-check: override export INTO := $(value INTO)

backup: $(RUNTIME) ## Copy the home, which may be in use, to a new folder: TO=
	@$(IN_HOME) $(BIN)/python -m coin_assets.commands.backup --to="$$TO"

restore-check: $(RUNTIME) ## Restore a backup elsewhere and compare it with what was saved: FROM=
	@$(IN_HOME) $(BIN)/python -m coin_assets.commands.restore_check --backup="$$FROM" --into="$$INTO"

env: ## Print what direct dagster commands need, for a shell to eval
	@$(IN_HOME) print

compose-secrets: ## Make the passwords and tokens that deploy/compose.yaml needs
	@sh deploy/secrets.sh

# Needs no engine. The old docker-compose knows the format as well.
compose-config: ## Check deploy/compose.yaml
	@if docker compose version >/dev/null 2>&1; then docker compose -f deploy/compose.yaml config -q; \
		elif command -v docker-compose >/dev/null; then docker-compose -f deploy/compose.yaml config -q; \
		else echo "compose-config: neither docker compose nor docker-compose is installed" >&2; exit 1; fi
	@echo "deploy/compose.yaml is valid"

test: $(DEV) ## Run the test suite (about 20 minutes on two cores)
	$(BIN)/python -m pytest

test-fast: $(DEV) ## The tests of functions and files alone (under 2 minutes)
	$(BIN)/python -m pytest --fast

test-influxdb: $(DEV) ## Test the store on the InfluxDB 2 that INFLUXDB_V2_* name
	@echo "On $${INFLUXDB_V2_URL:-a stand-in, for INFLUXDB_V2_URL, _TOKEN, _ORG, COIN_INFLUXDB_BUCKET name no server}"
	$(BIN)/python -m pytest -m influxdb --numprocesses 0

test-live: $(DEV) ## Run the platform live through outages and kills (about 25 minutes)
	$(BIN)/python -m coin_assets_tests.live

test-live-short: $(DEV) ## The cut of the live test that CI runs (about 5 minutes)
	$(BIN)/python -m coin_assets_tests.live --short

test-scale: $(DEV) $(SCALE) ## Shards, workers, PostgreSQL and Redis through outages, and two hosts (about 45 minutes)
	$(BIN)/python -m coin_assets_tests.scale
	$(BIN)/python -m coin_assets_tests.scale.hosts

test-scale-short: $(DEV) $(SCALE) ## The cut of the scale test (about 10 minutes)
	$(BIN)/python -m coin_assets_tests.scale --short

test-slow: $(DEV) ## What make test leaves out: every cell, two simulated years, more kills (more than an hour)
	$(BIN)/python -m pytest -m slow -s --numprocesses 2

fault-matrix: $(DEV) ## Every fault of files, writes, databases and servers, and a table (an hour)
	$(BIN)/python -m pytest -m "slow or not slow" --durations 0 --numprocesses 2 --dist load \
		-q coin_assets_tests/orchestration/faults

lint: $(DEV) ## Check style, formatting, types and import directions
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -c 'import sys, importlinter.cli as cli; sys.exit(cli.lint_imports_command())'
	$(BIN)/python -m coin_assets_tests.site.sources

format: $(DEV) ## Format the code
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

bench: $(BENCH) ## Measure, and write benchmarks/results.json and docs/benchmarks.md
	$(IN_HOME) $(BIN)/python -m benchmarks

screenshots: $(DEV) ## Take the pictures of docs/images anew (needs Chromium)
	$(IN_HOME) $(BIN)/python -m docs.screenshots
	$(BIN)/python -m docs.page_screenshots

site-build: ## Build coin_assets/site from site/, the page's sources (needs node)
	cd site && npm ci --silent && npm run --silent build

site-check: ## Type check and test the page's sources, and compare a fresh build (needs node)
	cd site && npm ci --silent && npm run --silent check && npm test --silent
	cd site && npm run --silent build -- ../var/site-check && cmp SOURCES.sha256 ../var/site-check/SOURCES.sha256

lock: ## Resolve the dependencies again (needs uv)
	uv pip compile pyproject.toml --no-strip-extras --universal --generate-hashes \
		--python-version 3.11 -o requirements.lock -q
	uv pip compile pyproject.toml --extra dev -c requirements.lock --no-strip-extras --universal \
		--generate-hashes --python-version 3.11 -o requirements-dev.lock -q
	uv pip compile pyproject.toml --extra bench -c requirements-dev.lock --no-strip-extras \
		--universal --generate-hashes --python-version 3.11 -o requirements-bench.lock -q
	uv pip compile pyproject.toml --extra scale -c requirements-dev.lock --no-strip-extras \
		--universal --generate-hashes --python-version 3.11 -o requirements-scale.lock -q

clean: ## Remove the environment and the caches, never the data
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(BIN)/python:
	@"$$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "coin_assets needs Python 3.11 or newer; set PYTHON=<interpreter>" >&2; exit 1; }
	"$$PYTHON" -m venv $(VENV)

$(RUNTIME): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing the pinned dependencies (once, a minute or two) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	@echo "Installing the development tools ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# What workers need; nothing else imports it.
$(SCALE): requirements-scale.lock $(RUNTIME)
	@echo "Installing what workers need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-scale.lock
	@touch $@

# What forecasts are compared with is optional: without it the benchmarks leave its rows out.
$(BENCH): requirements-bench.lock $(DEV)
	@echo "Installing what the benchmarks compare with ..."
	@if $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements-bench.lock; then touch $@; \
		else echo "It could not be installed; the benchmarks run without it." >&2; fi
