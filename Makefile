# Every target works on a fresh clone: the environment is made when it is missing or out of date.
# `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
# Tests start thousands of Python processes: each would compile everything anew, a second of CPU.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
READY := $(VENV)/.ready

# How many rounds each end-to-end scenario runs, how many seeds the simulator tries.
ROUNDS ?= 2
# How long the chaos lasts, and which faults there are: all, none, or kinds with commas between.
SECONDS ?= 60
FAULTS ?= all
SEEDS ?= 500
# Test processes at a time; 0 runs the tests in pytest's own process (for a debugger).
WORKERS ?= 2
# Passed on to pytest, the demo, the benchmark or the simulator.
ARGS ?=

PYTEST := $(PY) -m pytest
PARALLEL := -n $(WORKERS) --dist worksteal
# Scenarios with real processes wait for leases and starts: one more of them keeps the cores at work.
SCENARIOS := -n $(if $(filter 0,$(WORKERS)),0,$(shell expr $(WORKERS) + 1)) --dist worksteal
# Folders that exist, so that a room without tests yet does not stop the others.
suites = $(wildcard $(addprefix tests/,$(1)))
PURE := $(call suites,unit property golden architecture)
REAL := $(call suites,contract integration)
CODE := $(wildcard events orchestrator node_agent dalsegno docs tests examples)

# Node.js as .ci/node finds or fetches it; where it cannot, nothing after it is tried.
NODE = node="$$(.ci/node)" && PATH="$$node:$$PATH"

# The web console: packages from the lock file.
NPM = $(NODE) npm --prefix console
MODULES := console/node_modules/.ready
PAGES := orchestrator/api/static/index.html
CONSOLE := $(shell find console/src console/public -type f 2>/dev/null) \
  $(addprefix console/,index.html vite.config.ts tsconfig.json)

# The extension for VS Code, packed by its maker's tool.
VSIX := dist/dalsegno.vsix

# The public test client for debug adapters.
EDITOR := tests/editor/node_modules/.ready

# An environment that was made for another folder (a moved or copied clone) is made again.
ifneq ($(shell cat $(READY) 2>/dev/null),$(CURDIR))
MOVED := moved
endif

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*?## " } /^[a-z0-9-]+:.*?## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile
	@printf '\n  %s\n' \
	  'ROUNDS=20 SEEDS=2000 SEED=17 SECONDS=600 FAULTS=kill,promote WORKERS=0 ARGS="-k name" PYTHON=/path/to/python3.12'

.PHONY: moved
$(READY): pyproject.toml uv.lock .ci/environment $(MOVED)
	@PYTHON="$(PYTHON)" UV="$(UV)" .ci/environment

.PHONY: setup
setup: $(READY) ## make the environment (.venv) from the lock file

.PHONY: demo
demo: $(READY) ## run a workflow, kill an agent and the coordinator, watch it finish
	@$(BIN)/dalsegno demo $(ARGS)

.PHONY: test
test: $(READY) ## run every test on the embedded servers
	@failed=0; \
	suite() { echo "$$*"; "$$@" || failed=1; }; \
	suite $(PYTEST) $(PARALLEL) $(PURE) $(REAL) $(ARGS); \
	[ ! -d tests/simulation ] || suite env SEEDS=$(SEEDS) $(PYTEST) $(PARALLEL) tests/simulation $(ARGS); \
	[ ! -d tests/e2e ] || suite env ROUNDS=$(ROUNDS) $(PYTEST) $(SCENARIOS) tests/e2e $(ARGS); \
	exit $$failed

.PHONY: test-browser
test-browser: $(READY) $(PAGES) ## check the console and drive it in a real browser, screenshots in reports/console
	$(NPM) run --silent check
	$(NPM) run --silent test
	$(NODE) CHROMIUM="$$(.ci/browser)" $(PYTEST) tests/browser $(ARGS)
	@echo 'screenshots: reports/console'

.PHONY: test-editor
test-editor: $(READY) $(EDITOR) $(VSIX) ## drive the debug adapter by the public test client, at a real cluster
	$(NODE) $(PYTEST) tests/editor $(ARGS)

$(EDITOR): tests/editor/package.json tests/editor/package-lock.json .ci/node
	$(NODE) npm --prefix tests/editor ci --no-audit --no-fund --prefer-offline --loglevel=error
	@touch $@

.PHONY: vscode
vscode: $(VSIX) ## build the extension for VS Code: dist/dalsegno.vsix

$(VSIX): $(wildcard deploy/vscode/*.js*) deploy/vscode/README.md .ci/node
	$(NODE) npm --prefix deploy/vscode ci --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error
	@mkdir -p dist
	$(NODE) npm --prefix deploy/vscode run --silent package -- --out $(CURDIR)/$@

.PHONY: check
check: lint types imports $(READY) ## all that is fast: format, lint, types, imports, pure tests
	$(PYTEST) $(PARALLEL) $(PURE) $(ARGS)

.PHONY: lint
lint: $(READY) ## check format and lint
	$(BIN)/ruff format --check --quiet $(CODE) || \
	  { echo 'not formatted: run `make format`' >&2; $(BIN)/ruff format --diff --quiet $(CODE); }
	$(BIN)/ruff check --quiet $(CODE)

.PHONY: types
types: $(READY) ## check types strictly
	$(BIN)/mypy

.PHONY: imports
imports: $(READY) ## check who may import whom
	$(BIN)/lint-imports

.PHONY: format
format: $(READY) ## format the code and mend what the linter can mend
	$(BIN)/ruff check --fix --quiet --exit-zero $(CODE)
	$(BIN)/ruff format $(CODE)

.PHONY: e2e
e2e: $(READY) ## real processes and kill -9, ROUNDS rounds a scenario
	ROUNDS=$(ROUNDS) $(PYTEST) $(SCENARIOS) tests/e2e $(ARGS)

.PHONY: simulate
simulate: $(READY) ## search SEEDS simulated histories for a broken promise (SEED=n repeats one)
	$(PY) -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS)) $(ARGS)

.PHONY: chaos
chaos: $(READY) ## break a real cluster under load for SECONDS, hold it to its promises (FAULTS=none: control)
	@$(PY) -m tests.chaos --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) --faults $(FAULTS) $(ARGS)

.PHONY: followers
followers: $(READY) ## follow 100,000 events of 20 writers, all of them killed now and then, and compare
	@$(PY) -m tests.e2e.follower_story $(ARGS)

.PHONY: bench
bench: $(READY) ## measure durable throughput and latency on this machine
	@$(BIN)/dalsegno bench $(ARGS)

.PHONY: bench-maps
bench-maps: $(READY) ## measure maps of 1,000, 10,000 and 100,000 items, and the memory that they take
	@$(PY) -m tests.benchmarks.bench_maps 1000 10000 100000

.PHONY: console
console: $(PAGES) ## build the web console, which `dalsegno api` then serves

$(MODULES): console/package.json console/package-lock.json .ci/node
	$(NPM) ci --no-audit --no-fund --prefer-offline --loglevel=error
	@touch $@

$(PAGES): $(MODULES) $(CONSOLE)
	$(NPM) run --silent build

.PHONY: wheel
wheel: $(READY) ## build the wheel into dist/, with the console's pages where they are built
	@[ -e $(PAGES) ] || echo 'without the pages of the console: `make console` builds them' >&2
	@$(PY) -m hatchling build --target wheel

.PHONY: docs
docs: $(READY) ## write what the reference takes from the code
	@$(PY) -m docs.generator

.PHONY: hooks
hooks: $(READY) ## install the git hooks that run the cheap checks before a commit
	$(BIN)/pre-commit install

.PHONY: clean
clean: ## remove the environment, caches and data folders of this clone
	rm -rf $(VENV) .venv-tools .dalsegno .hypothesis .import_linter_cache .mypy_cache \
	  .pytest_cache .ruff_cache build dist reports console/node_modules \
	  tests/editor/node_modules deploy/vscode/node_modules orchestrator/api/static
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
