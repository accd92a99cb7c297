# `make run` brings the whole service up, `make test` proves it. `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-pg15 check format openapi fuzz lock

# The first interpreter that runs and is new enough: a dead shim answers `command -v` and nothing else.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 /usr/bin/python3; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
TESTS ?= tests
PG15 ?= /usr/lib/postgresql/15/bin

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s - %s\n", $$1, $$2}' Makefile

setup: ## Install what requirements.lock names into .venv
	@test -n "$(PYTHON)" || { echo "Python 3.11 to 3.14 is needed: none was found"; exit 1; }
	@$(PYTHON) bootstrap.py

run: setup ## Bring the whole service up with sample data
	@exec $(BIN)/cockpit serve

test: setup ## Run every test
	@$(BIN)/python -m pytest -n auto --dist worksteal $(TESTS)

test-pg15: setup ## Run every test on PostgreSQL 15, from Debian's programs
	@test -x $(PG15)/postgres || { echo "No PostgreSQL 15 in $(PG15): set PG15 to where its programs are"; exit 1; }
	@COCKPIT_TEST_PG_BIN=$(PG15) $(BIN)/python -m pytest -n auto --dist worksteal $(TESTS)

check: setup ## Format, lint, types, imports, the OpenAPI document
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/cockpit openapi --check docs/openapi.json

format: setup ## Let ruff put the code in shape
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

openapi: setup ## Write docs/openapi.json anew
	@$(BIN)/cockpit openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json

fuzz: setup ## Throw 200 examples at every operation of the OpenAPI document
	@$(BIN)/python -m pytest -n 0 -s tests/acceptance/test_fuzz.py --fuzz-examples=200 \
		--fuzz-seed=$${FUZZ_SEED:-$$(date +%s)}

lock: setup ## Write requirements.lock anew (needs uv)
	@uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 \
		--extra dev --output-file requirements.lock pyproject.toml
