# make demo   set everything up, open the console on a sandbox
# make test   set everything up, run every test (JOBS=1: one process; DAY="2027-01-01 00:03")
# make check  lint, format, types, import rules
# make faults kill workers and servers by the hundred, print what became of each unit
# make soak   the whole system for 10 minutes, a fault every few seconds (MINUTES=, SEED=)
# make package        build what is released, install it in a clean environment, use it there
# make release-check  whether version, changelog and tag (TAG=v1.2.3) agree
# make bench  measure, print the ratios

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# More than cores: a third of the run is waiting for servers and terminals.
JOBS   ?= 5
PYTEST_ARGS ?=
# Another day for the whole of a run of the tests.
DAY ?=
ON_DAY := $(if $(DAY),$(BIN)/python -m tests.support.other_day "$(DAY)")
# Of a soak.
MINUTES ?= 10
SEED ?= 1

.PHONY: demo test faults soak check format bench package release-check clean
.DEFAULT_GOAL := test

demo: $(VENV)/.installed
	@$(BIN)/meterdeck demo

# Bytecode is kept, whatever the environment says: else each process compiles all tests.
test: $(VENV)/.installed-dev
	@PYTHONDONTWRITEBYTECODE= $(ON_DAY) $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

faults: $(VENV)/.installed-dev
	@METERDECK_FAULTS=full $(BIN)/python -m pytest tests/faults -k delivery $(PYTEST_ARGS)

soak: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.soak --minutes $(MINUTES) --seed $(SEED)

check: $(VENV)/.installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/mypy --no-error-summary tests bench docs
	@$(BIN)/lint-imports --no-logo >/dev/null || $(BIN)/lint-imports --no-logo

format: $(VENV)/.installed-dev
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

bench: $(VENV)/.installed-dev
	@$(BIN)/python -m bench

package: $(VENV)/.installed-dev
	@$(BIN)/python contrib/check_package.py dist

release-check: $(VENV)/.installed-dev
	@$(BIN)/python contrib/release_check.py $(TAG)

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache
	rm -rf tests/interop/node_modules

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "meterdeck needs Python 3.11 or later; say which: make PYTHON=python3.12 …"; exit 2; }
	@echo "Setting up $(VENV) (once) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --upgrade 'pip>=25.1'

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing meterdeck (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable .
	@$(BIN)/python -m compileall -q core tui
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing meterdeck and its test tools (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable . --group dev
	@$(BIN)/python -m compileall -q core tui
	@touch $@ $(VENV)/.installed
