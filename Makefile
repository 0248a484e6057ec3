# Everything a newcomer needs: `make gameday` and `make test`. Each sets itself up.
# PYTHON picks the interpreter that makes the venv (3.11 or later).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
ARGS ?=

.PHONY: gameday test realkube lint typecheck lock soak clean help

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: no $(PYTHON) here: install Python 3.11 or later, or say PYTHON=/path/to/python3"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $$($(PYTHON) --version) is too old: 3.11 or later is needed; say PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "make: $(PYTHON) cannot make a venv: install its venv package (Debian: apt-get install python3-venv)"; exit 2; }
	@echo "setting up $(VENV) from requirements.lock (about a minute, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@# An editable install lists no package, which `chaos discover` looks for; this says which one it is.
	@$(BIN)/python -c 'import importlib.metadata as m; (m.distribution("chaostoolkit-gameday")._path / "top_level.txt").write_text("gameday\n")'
	@touch $@

gameday: $(STAMP) ## run the game day on the embedded cluster: verdicts, journals, an HTML report
	@$(BIN)/gameday run $(ARGS)

test: $(STAMP) ## all checks and tests; ARGS='…' for pytest instead of all tests
	@$(MAKE) --no-print-directory lint typecheck
ifneq ($(strip $(ARGS)),)
	@$(BIN)/python -m pytest $(ARGS)
else
	@echo "unit tests, four at a time"
	@$(BIN)/python -m pytest --quiet --numprocesses 4 --dist loadfile tests/unit
	@echo "end to end, two files at a time"
	@$(BIN)/python -m pytest --quiet --numprocesses 2 --dist loadfile -m "not realkube" tests/e2e
endif

realkube: $(STAMP) ## the storefront on the real Kubernetes beside the checkout, where there is one (as root)
	@$(BIN)/python -m pytest --quiet -m realkube tests/e2e/test_realkube.py

lint: $(STAMP) ## style, formatting and the import rules
	@echo "ruff, import rules"
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check . && $(BIN)/lint-imports --no-logo >.import-linter.log || { cat .import-linter.log; exit 1; }

typecheck: $(STAMP) ## mypy, strict
	@echo "mypy"
	@$(BIN)/mypy --no-error-summary

soak: $(STAMP) ## 50 game days on the sound storefront and 50 on weaknesses; writes docs/noise.md (an hour and more)
	@$(BIN)/python -m tests.bench.noise $(ARGS)

lock: ## resolve the lock file anew, for all supported Pythons (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --extra dev pyproject.toml -o requirements.lock

clean: ## remove what the above made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .import-linter.log gameday-report dist
