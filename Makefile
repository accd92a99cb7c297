# `make run` brings the whole service up, `make test` proves it. `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help python setup run test test-pg15 test-compose check format openapi fuzz test-time test-replay lock bench bench-quick
.PHONY: dev-venv dev-setup dev-run dev-migrate dev-fixtures dev-shell dev-test
.PHONY: up up-dev up-db up-app up-split down logs migrate fixtures clean

# The first interpreter that runs and is new enough: a dead shim answers `command -v` and nothing else.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 /usr/bin/python3; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
TESTS ?= tests
EXAMPLES ?= 200
PG15 ?= /usr/lib/postgresql/15/bin

help:
	@awk -F ':.*## ' '/^##@ / {printf "%s%s\n", gap, substr($$0, 5); gap = "\n"} \
		/^[a-z0-9-]+:.*## / {printf "  make %-15s - %s\n", $$1, $$2}' Makefile

##@ Development commands (local):

# What a dev- target starts with: the database of `make up-db` where that runs and neither the environment nor .env names
# another. Without either, the service runs its own.
DATABASE = if [ -z "$$COCKPIT_DATABASE_URL" ] && ! grep -qs '^COCKPIT_DATABASE_URL=.' .env && \
		at=$$($(COMPOSE) port db 5432 2>/dev/null) && password=$$($(COMPOSE) exec -T db printenv POSTGRES_PASSWORD); then \
		echo "The database is that of make up-db, at $$at."; \
		export COCKPIT_DATABASE_URL="host=$${at%:*} port=$${at\#\#*:} user=cockpit dbname=cockpit" PGPASSWORD="$$password"; \
	fi

dev-venv: python ## Create virtual environment
	@$(PYTHON) bootstrap.py --empty

dev-setup: setup ## Setup development environment

dev-run: setup ## Run development server
	@$(DATABASE); exec $(BIN)/cockpit serve --reload

dev-migrate: setup ## Run migrations locally
	@$(DATABASE); exec $(BIN)/cockpit migrate

dev-fixtures: setup ## Load fixtures locally
	@$(DATABASE); exec $(BIN)/cockpit fixtures

dev-shell: setup ## Open Cockpit shell locally
	@$(DATABASE); exec $(BIN)/cockpit shell

dev-test: test ## Run tests locally

##@ Docker commands:

COMPOSE ?= docker compose
EVERY := $(COMPOSE) --profile dev --profile split
UP = up --detach --wait --wait-timeout 180
# One line, and no make's own below it; expanded before anything of a recipe runs.
NEED_DOCKER = $(if $(shell $(COMPOSE) version >/dev/null 2>&1 && docker version >/dev/null 2>&1 && echo yes),,\
	$(error This needs Docker with Compose v2, and its engine does not answer))
# Stop the application's containers but those named: two ways to run it would meet at one port.
STOP_BUT = $(EVERY) rm --force --stop $(filter-out $(1),api project write read dev) 2>/dev/null

up: ## Start both database and application
	$(NEED_DOCKER)@$(call STOP_BUT,api project)
	@$(COMPOSE) $(UP) --build

up-dev: ## Start development with hot reload
	$(NEED_DOCKER)@$(call STOP_BUT,dev)
	@$(COMPOSE) $(UP) --build dev

up-db: ## Start only database
	$(NEED_DOCKER)@$(COMPOSE) $(UP) db

up-app: ## Start only application
	$(NEED_DOCKER)@$(call STOP_BUT,api project)
	@$(COMPOSE) $(UP) --build --no-deps api project

down: ## Stop all services
	$(NEED_DOCKER)@$(EVERY) down --remove-orphans

logs: ## Show application logs
	$(NEED_DOCKER)@$(EVERY) logs $$(test -t 1 && echo --follow)

migrate: ## Run database migrations (Docker)
	$(NEED_DOCKER)@$(COMPOSE) run --rm --build migrate

fixtures: ## Load fixtures (Docker)
	$(NEED_DOCKER)@$(COMPOSE) run --rm --build migrate fixtures

clean: ## Clean up containers and volumes
	$(NEED_DOCKER)@$(EVERY) down --volumes --remove-orphans

##@ More:

run: setup ## Bring the whole service up with sample data
	@exec $(BIN)/cockpit serve

test: setup ## Run every test
	@$(BIN)/python -m pytest -n auto --dist worksteal $(TESTS)

test-pg15: setup ## Run every test on PostgreSQL 15, from Debian's programs
	@test -x $(PG15)/postgres || { echo "No PostgreSQL 15 in $(PG15): set PG15 to where its programs are"; exit 1; }
	@COCKPIT_TEST_PG_BIN=$(PG15) $(BIN)/python -m pytest -n auto --dist worksteal $(TESTS)

test-compose: ## Bring the containers up in every way, and down again (needs Docker)
	$(NEED_DOCKER)@$(MAKE) --no-print-directory setup
	@tests/compose.sh

up-split: ## Start with write and read API apart
	$(NEED_DOCKER)@$(call STOP_BUT,project write read)
	@$(COMPOSE) $(UP) --build write read

check: setup ## Format, lint, types, imports, the OpenAPI document
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/cockpit openapi --check docs/openapi.json

format: setup ## Let ruff put the code in shape
	@$(BIN)/ruff check --fix-only . && $(BIN)/ruff format .

openapi: setup ## Write docs/openapi.json anew
	@$(BIN)/cockpit openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json

fuzz: setup ## Throw 200 examples at every operation of the OpenAPI document
	@$(BIN)/python -m pytest -n 0 -s tests/acceptance/test_fuzz.py --fuzz-examples=$(EXAMPLES) \
		--fuzz-seed=$${FUZZ_SEED:-$$(date +%s)}

test-time: setup ## Check two-dimensional time with 2,000 histories and more
	@$(BIN)/python -m pytest -n 0 -s tests/unit/test_time_check.py tests/acceptance/test_time_machine.py \
		--time-histories=2000 --time-over-http=200 \
		--time-seed=$${TIME_SEED:-$$(date +%s)}

test-replay: setup ## Rebuild a million events under load, ingest a million rows, kill both often
	@$(BIN)/python -m pytest -n 0 -s tests/acceptance/test_rebuild_under_load.py tests/acceptance/test_ingest_many.py \
		tests/acceptance/test_rebuild_kills.py tests/acceptance/test_ingest_kills.py \
		--replay-events=$${REPLAY_EVENTS:-1000000}

bench: setup ## Measure it beside raw limits and peers, for an hour or two; BENCH=--write for docs/benchmarks.md
	@$(PYTHON) bootstrap.py --bench
	@exec $(BIN)/python -m tests.bench $(BENCH)

bench-quick: setup ## Measure everything in small, within 3 minutes
	@$(PYTHON) bootstrap.py --bench
	@exec $(BIN)/python -m tests.bench --quick $(BENCH)

lock: setup ## Write requirements.lock anew, and that of the benchmark (needs uv)
	@uv --version >/dev/null 2>&1 || { echo "This needs uv, and it does not run"; exit 1; }
	@uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 \
		--extra dev --output-file requirements.lock pyproject.toml
	@uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 \
		--no-deps --group bench --output-file tests/bench/requirements.lock

setup: python ## Install what requirements.lock names into .venv
	@$(PYTHON) bootstrap.py

python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 to 3.14 is needed: none was found"; exit 1; }
