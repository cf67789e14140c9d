# Commands of this repository; `make help` lists them. Needs GNU make, bash and Python 3.11 or later.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first of these that is new enough, unless given: make PYTHON=/path/to/python3 setup
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; exit; }; done; echo python3)
VENV := .venv
BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
PIP_INSTALL := $(BIN)/python -m pip install --require-hashes --no-deps --disable-pip-version-check --quiet
# Two processes suit two cores; PYTEST_ARGS adds options, for example PYTEST_ARGS=tests/mail
PYTEST_ARGS ?=
PYTEST := $(BIN)/python -m pytest -q -n 2 $(PYTEST_ARGS)
# Checks must neither read nor create the data directory of the server.
TEST_SETTINGS := DJANGO_SETTINGS_MODULE=inkbox_site.settings_test
# make lock UPGRADE=1 takes the newest versions that pyproject.toml allows; without it pins stay where they can.
UPGRADE ?=
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-header $(if $(UPGRADE),--upgrade)

# A stamp is newer than its lock file when the environment matches it.
VENV_STAMP := $(VENV)/.stamp-venv
RUN_STAMP := $(VENV)/.stamp-run
DEV_STAMP := $(VENV)/.stamp-dev

.PHONY: help setup run test lint format bench demo screenshots lock doctor clean

help: ## List the commands.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(RUN_STAMP) ## Create .venv with the pinned packages; instant when nothing changed.

run: setup ## Start the server on this machine: API, mail, worker, all in one process.
	@$(MANAGE) migrate --no-input --verbosity 0
	@$(MANAGE) bootstrap --first-run
	@exec $(MANAGE) serve

test: $(DEV_STAMP) ## Run the tests, on SQLite and, where they answer, on PostgreSQL and Redis.
	@distributed=yes; reason=$$($(BIN)/python -m tests.site.distributed) || distributed=no; \
	if [[ $$distributed == no ]]; then echo "The distributed run is skipped: $$reason"; fi; \
	echo "Embedded profile (SQLite, no broker):"; $(PYTEST); \
	if [[ $$distributed == yes ]]; then \
		echo "Distributed profile (PostgreSQL, Redis):"; INKBOX_TEST_PROFILE=distributed $(PYTEST) -m "not browser"; \
	fi

lint: $(DEV_STAMP) ## Check style, types, import directions and missing migrations.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(TEST_SETTINGS) $(MANAGE) makemigrations --check --dry-run

format: $(DEV_STAMP) ## Format the code and repair what can be repaired safely.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV_STAMP) ## Measure this machine; results go to bench/results.
	$(BIN)/python bench/run.py

demo: setup ## Send and read mail on the running server.
	@made=$$($(MANAGE) bootstrap --email demo@localhost --organization Demo --new-key --json); \
	read -r key url < <($(BIN)/python -c 'import json, sys; made = json.loads(sys.argv[1]); \
		print(made["api_key"], made["base_url"])' "$$made"); \
	INKBOX_API_KEY=$$key INKBOX_BASE_URL=$${INKBOX_BASE_URL:-$$url} $(BIN)/python docs/examples/demo.py

screenshots: $(DEV_STAMP) ## Take pictures of every page of the console into screenshots/.
	$(BIN)/python -m tests.browser.screenshots

doctor: setup ## Examine this installation and say what to repair.
	@$(MANAGE) doctor

lock: $(DEV_STAMP) ## Pin the packages of pyproject.toml in both lock files (UPGRADE=1: newest versions).
	$(UV_COMPILE) pyproject.toml --output-file requirements.lock
	$(UV_COMPILE) pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock

clean: ## Remove the environment and caches; the data of the server stays.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV_STAMP):
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or later is needed, and $(PYTHON) is not that. Give one: make PYTHON=python3.12 setup" >&2; \
		exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot create environments. On Debian and Ubuntu: sudo apt-get install -y python3-venv" >&2; \
		exit 1; }
	@[[ -x $(BIN)/python ]] || "$(PYTHON)" -m venv $(VENV)
	@touch $@

$(RUN_STAMP): requirements.lock | $(VENV_STAMP)
	@echo "Installing packages into $(VENV) ..."
	@$(PIP_INSTALL) -r requirements.lock
	@touch $@

# The development lock contains every pin of the other one, so both are satisfied afterwards.
$(DEV_STAMP): requirements-dev.lock requirements.lock | $(VENV_STAMP)
	@echo "Installing packages for development into $(VENV) ..."
	@$(PIP_INSTALL) -r requirements-dev.lock
	@touch $(RUN_STAMP) $@
