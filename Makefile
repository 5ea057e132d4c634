# make run    try kaizen: your own sessions, or a made-up workspace where there are none
# make test   lint, types and tests, as in CI
#
# Everything is installed into .venv from requirements.lock; a second run installs nothing.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help run test lint types tests test-postgres crash bench docs lock clean

help:
	@sed -n 's/^# //p' Makefile | head -2
	@echo "also: lint, types, tests, test-postgres, crash, docs, bench, lock, clean"

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "kaizen needs Python 3.11 or newer; name one: make $(or $(firstword $(MAKECMDGOALS)),run) PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

run: $(STAMP)
	@$(BIN)/kaizen load
	@echo
	@if [ "$$($(BIN)/kaizen sessions list --all --no-refresh --format jsonl --limit 1 | wc -l)" -gt 0 ]; then \
	  $(BIN)/kaizen summary --all --no-refresh; \
	else \
	  echo "No agent sessions on this machine yet, so here is a made-up workspace:"; echo; $(BIN)/kaizen demo; \
	fi

test: lint types tests

lint: $(STAMP)
	$(BIN)/ruff check src tests bench scripts

types: $(STAMP)
	$(BIN)/mypy --strict src scripts

tests: $(STAMP)
	$(BIN)/pytest -n auto

# The crash model at length: each point 20 times with real processes, 10,000 random steps against a model.
crash: $(STAMP)
	KAIZEN_CRASH_ROUNDS=20 KAIZEN_MODEL_STEPS=10000 $(BIN)/pytest -n auto tests/outbox/test_crash.py tests/outbox/test_model.py

# The hub's tests on a PostgreSQL of their own, in a temporary folder. Debian: apt-get install postgresql
test-postgres: $(STAMP)
	$(BIN)/python tests/hub/private_postgres.py $(BIN)/pytest -n 2 tests/hub

# Every command, error code and decision is documented, and every link leads somewhere.
docs: $(STAMP)
	$(BIN)/pytest -n 0 tests/test_docs.py

# A corpus of 1 GB and its known totals; what to measure with it: bench/README.md
CORPUS ?= /tmp/kaizen-corpus
bench: $(STAMP)
	$(BIN)/python bench/corpus.py $(CORPUS) --sessions 3000 --bytes 1e9 --seed 1
	$(BIN)/python bench/rates.py $(CORPUS)

# The newest versions that pyproject.toml allows, pinned.
lock:
	rm -rf .venv && $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet ".[dev,postgres]" "hatchling>=1.25" editables
	{ head -1 requirements.lock; $(BIN)/python -m pip freeze --exclude kaizen-retro; } > requirements.lock.new
	mv requirements.lock.new requirements.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
