# Thin: each target makes sure that everything is installed and calls one command. `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# With it set, every process of a test or of the stack compiles all that it imports once more.
unexport PYTHONDONTWRITEBYTECODE

PYTHON := .venv/bin/python
ROOTS := $(CURDIR)/include:$(CURDIR)/plugins:$(CURDIR)/spark_jobs
STACK := PYTHONPATH=$(ROOTS) $(PYTHON) -m local_stack.cli
PYTEST := $(PYTHON) -m pytest
SUITES := unit spark airflow stack e2e
SOURCES := include plugins spark_jobs dags deploy notebooks/execute.py tests

# make cdc-run RATE=50, or rate=50
RATE ?= $(rate)
SEED ?= $(seed)
CHANGES ?= $(changes)
RESTART ?= $(restart)
ROUNDS ?= $(rounds)
COMPONENT ?= $(component)
ONLY ?= $(only)
LIST ?= $(list)
REPORT ?= $(report)
FILE ?= $(file)
KEEP ?= $(keep)
SERVICE ?= $(service)
FOLLOW ?= $(follow)
JSON ?= $(json)
ARGS ?= $(args)
PEERS ?= $(peers)

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(firstword $(MAKEFILE_LIST)) | sort | awk -F ':.*## ' '{ printf "  %-12s %s\n", $$1, $$2 }'

.PHONY: bootstrap
bootstrap: ## Install the Python packages into .venv and the jars into .local/jars; nothing when they are there
	@scripts/bootstrap.sh

.PHONY: cdc-run
cdc-run: bootstrap ## The main job: start everything, make changes, watch them arrive (RATE=, SEED=); Ctrl+C stops all
	@$(STACK) run $(if $(RATE),--rate $(RATE)) $(if $(SEED),--seed $(SEED))

.PHONY: cdc-check
cdc-check: bootstrap ## Make changes, then compare every row and column of source and sinks (CHANGES=, SEED=, RESTART=1)
	@$(STACK) check $(if $(CHANGES),--changes $(CHANGES)) $(if $(SEED),--seed $(SEED)) $(if $(RESTART),--restart-in-the-middle)

.PHONY: chaos
chaos: bootstrap ## Kill components while changes flow, compare at the end (SEED=, ROUNDS=, COMPONENT=)
	@$(STACK) chaos $(if $(SEED),--seed $(SEED)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(COMPONENT),--component $(COMPONENT))

.PHONY: drill
drill: bootstrap ## Plant faults on the running stack, see each noticed and mended (LIST=1, ONLY="name name", SEED=, JSON=1, REPORT=)
	@$(STACK) drill $(if $(LIST),--list) $(foreach name,$(ONLY),--only $(name)) $(if $(SEED),--seed $(SEED)) $(if $(JSON),--json) $(if $(REPORT),--report $(REPORT))

.PHONY: case
case: bootstrap ## Run SQL cases through the platform in four deliveries (FILE="a.sql folder", JSON=1, KEEP=1)
	@$(STACK) case $(FILE) $(if $(JSON),--json) $(if $(KEEP),--keep)

.PHONY: bench bench-full
bench: bootstrap ## Measure speed beside other connectors, short (PEERS=folder of their jars)
	@$(if $(PEERS),PEERS=$(PEERS)) $(STACK) bench $(ARGS)

bench-full: bootstrap ## The same at length; goes on where it was broken off (PEERS=)
	@$(if $(PEERS),PEERS=$(PEERS)) $(STACK) bench --full $(ARGS)

.PHONY: up
up: bootstrap ## Start every component and wait until all are ready
	@$(STACK) up

.PHONY: down
down: bootstrap ## Stop the streams and every component, in order
	@$(STACK) down

.PHONY: status
status: bootstrap ## Show components, drivers and executors (JSON=1 for a list)
	@$(STACK) status $(if $(JSON),--json)

.PHONY: logs
logs: bootstrap ## Show the end of a log (SERVICE=kafka, FOLLOW=1); without SERVICE the supervisor's
	@$(STACK) logs $(SERVICE) $(if $(FOLLOW),-f)

.PHONY: env
env: bootstrap ## Print the stack's addresses and passwords as KEY=VALUE lines
	@$(STACK) env

.PHONY: clean
clean: bootstrap ## Stop the stack and delete its data, logs and checkpoints; jars and packages stay
	@$(STACK) clean --yes

.PHONY: notebook
notebook: .venv-notebook/.complete ## Open the notebook in Jupyter Lab on the running stack
	@source $${CDC_HOME:-.local}/activate && exec .venv-notebook/bin/jupyter-lab notebooks/ecom_cdc_processing.ipynb

# Jupyter Lab in an environment of its own; the notebook itself runs in .venv.
.venv-notebook/.complete: requirements-notebook.txt | bootstrap
	@echo "installing Jupyter Lab into .venv-notebook"
	@$(PYTHON) -m venv --clear .venv-notebook
	@.venv-notebook/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-notebook.txt
	@$(PYTHON) -m ipykernel install --prefix .venv-notebook --name python3 --display-name "Spark CDC Platform"
	@touch $@

.PHONY: lint
lint: bootstrap ## ruff, mypy and import-linter
	@.venv/bin/ruff check $(wildcard $(SOURCES))
	@.venv/bin/ruff format --check --quiet $(wildcard $(SOURCES)) || { echo "make format puts it right"; exit 1; }
	@.venv/bin/mypy $(wildcard $(SOURCES))
	@PYTHONPATH=$(ROOTS):$(CURDIR) .venv/bin/lint-imports

.PHONY: format
format: bootstrap ## Format the code and mend what ruff can mend
	@.venv/bin/ruff check --fix --quiet $(wildcard $(SOURCES)) || true
	@.venv/bin/ruff format $(wildcard $(SOURCES))

# A part of what a slow suite takes is waiting. Two at a time use two cores; each further one brings a stack of its
# own, which takes half a core of a slow machine without doing anything. Beside the whole stack of tests/e2e, the
# longest, come first those that start the least; its cases have a stack of their own, and so are a suite here. The
# last ones are short, so that both lanes end at about the same time.
LANES ?= 2
CASES := tests/e2e/test_cases.py
SERVICES := tests/stack/cdc
SLOW_SUITES := e2e spark services cases airflow stack
CHOSEN = -m "not drill" --durations=15 --durations-min=5 $(ARGS)

.PHONY: test
test: bootstrap ## All checks and tests: lint and all suites, two at a time (LANES=1: one at a time)
	@$(MAKE) --keep-going --jobs $(LANES) $(addprefix suite-,$(SLOW_SUITES) unit) lint || \
	{ echo "lint or tests failed, see above"; exit 1; }; echo "all suites passed: $(SLOW_SUITES) unit"

.PHONY: $(addprefix suite-,unit $(SLOW_SUITES))
suite-unit:
	@echo "== tests/unit"; $(PYTEST) tests/unit $(CHOSEN)
suite-cases: TESTS = $(CASES)
suite-e2e: TESTS = tests/e2e --ignore $(CASES)
suite-services: TESTS = $(SERVICES)
suite-stack: TESTS = tests/stack --ignore $(SERVICES)
$(addprefix suite-,$(SLOW_SUITES)): TESTS ?= tests/$*
$(addprefix suite-,$(SLOW_SUITES)): suite-%:
	@$(PYTEST) $(TESTS) -v $(CHOSEN) 2>&1 | sed -u 's|^|$*: |'

.PHONY: $(addprefix test-,$(SUITES))
test-unit: bootstrap ## Tests that take seconds
test-spark: bootstrap ## Tests with a SparkSession
test-airflow: bootstrap ## Tests that load Airflow
test-stack: bootstrap ## Tests of single components of the stack
test-e2e: bootstrap ## Tests of the whole stack
$(addprefix test-,$(SUITES)): test-%:
	@$(PYTEST) tests/$* $(ARGS)

.PHONY: test-drills
test-drills: bootstrap ## The longer cases on a whole stack, which `make test` leaves out
	@$(PYTEST) tests -m drill $(ARGS)

.PHONY: types-doc
types-doc: bootstrap ## Write docs/types.md from the type map and the recorded events
	@PYTHONPATH=$(ROOTS):$(CURDIR) $(PYTHON) -m tests.postgres_types.document

.PHONY: lock
lock: bootstrap ## Compile requirements.txt from requirements.in, and resolve the jars anew
	@for name in requirements requirements-notebook; do \
	.venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes $$name.in -o $$name.txt; done
	@PYTHONPATH=$(ROOTS) $(PYTHON) -m local_stack.bootstrap lock
