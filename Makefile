# Everything a developer runs. Each target does its own set-up.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
V := .venv
BIN := $(V)/bin
READY := $(V)/.ready
RUNS := $(V)/.runs
SOAKS := $(V)/.soaks
PEERS_READY := tests/peers/node_modules/.ready
# Else every process of ours that a test starts compiles all of us anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test check bench soak docs lock format wheel clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

demo: $(if $(wildcard $(READY)),$(READY),$(RUNS)) ## set up and run the demo plant with a month of history (ARGS="--past 0": none, ARGS=tank-farm, ARGS="--for 60s" to stop by itself)
	@bash tools/setup node tests/peers
	@bash tools/setup services
	@bash tools/setup ui
	@NODE_PATH="$(CURDIR)/tests/peers/node_modules:$$NODE_PATH" $(BIN)/isthmus demo $(ARGS)

test: $(READY) $(PEERS_READY) ## set up and run the tests, four at a time: they wait more than they compute (ARGS="-k name" to choose)
	@bash tools/setup ui
	@$(BIN)/python -m pytest -m "not soak" -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(READY) ## ruff, mypy --strict, import-linter, generated docs, types of the screen
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m isthmus.app.docs --check
	@bash tools/setup ui
	@if [ -x tools/ui/node_modules/.bin/tsc ]; then tools/ui/node_modules/.bin/tsc -p tools/ui; else echo "isthmus: no Node.js here: the types of the screen are not checked" >&2; fi

wheel: $(READY) ## build the wheel, with the screen in it, into dist/
	@bash tools/setup ui
	@$(BIN)/python -m build --wheel --no-isolation

docs: $(READY) ## write the generated pages of docs/
	@$(BIN)/python -m isthmus.app.docs

bench: $(READY) $(PEERS_READY) ## measure; writes docs/benchmarks.md
	@$(BIN)/python -m bench $(ARGS)

soak: $(READY) $(PEERS_READY) $(SOAKS) ## the long proofs: 200 and more rounds of every fault
	@$(BIN)/python -m pytest -m soak --timeout 7200 $(ARGS)

format: $(READY) ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only .

lock: ## write requirements/*.lock anew from pyproject.toml (needs uv)
	@uv pip compile -q pyproject.toml --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements/run.lock
	@uv pip compile -q pyproject.toml --group checkout --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements/demo.lock
	@uv pip compile -q pyproject.toml --group dev --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements/dev.lock
	@uv pip compile -q --group soak --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements/soak.lock
	@uv pip compile -q bench/peers/thingsboard.in --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -o bench/peers/thingsboard.lock

clean: ## remove what the set-up made
	rm -rf $(V) tests/peers/node_modules tools/ui/node_modules src/isthmus/app/ui/static/vendor

$(READY): requirements/dev.lock pyproject.toml
	@bash tools/setup python $(PYTHON) $(V) requirements/dev.lock
	@touch $@

# What only the long proofs need, beside the rest.
$(SOAKS): requirements/soak.lock $(READY)
	@bash tools/setup python $(PYTHON) $(V) requirements/soak.lock
	@touch $@

# What the demo needs and no more, at once: a newcomer waits for it.
$(RUNS): requirements/demo.lock pyproject.toml
	@bash tools/setup node tests/peers & bash tools/setup services & bash tools/setup ui & \
	bash tools/setup python $(PYTHON) $(V) requirements/demo.lock; code=$$?; wait; exit $$code
	@touch $@

$(PEERS_READY): tests/peers/package-lock.json tests/peers/modbus_server.c
	@bash tools/setup peers tests/peers
