export PYTHON ?= python3
# Compiled modules are kept, whatever the shell says: the tests start Python hundreds of times.
unexport PYTHONDONTWRITEBYTECODE
BIN := .leftfold/venv/bin
# A group of tests that shares an engine or a module's fixture stays in one process.
PARALLEL := -n auto --dist loadgroup
# A third of the histories and of the example's accounts; `make test-more` takes all accounts, and new seeds.
GATE := --share 0.3
# Few of them, few examples of each property, and two cases of each parametrised test.
QUICK := -q -m "not engine and not slow" --share 0.04 --cases 2 --hypothesis-profile=quick

.PHONY: help run tools engines check quick test test-more coverage docs audit lock

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

run: ## run Leftfold on this machine
	@./leftfold run

check: tools ## style, types, layers: in seconds
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

quick: tools ## the tests that need no engine, a few cases of each: in a minute
	$(BIN)/pytest $(QUICK) $(PARALLEL)

test: check engines ## everything: style, types, layers and behaviour, on the engines
	$(BIN)/pytest $(GATE) $(PARALLEL)

test-more: engines ## larger sizes and new seeds, drawn from the commit: half an hour
	$(BIN)/python -m tests.more

coverage: tools ## the tests that need no engine, and each line that none of them runs
	$(BIN)/pytest -q -m "not engine" --share 0.1 --hypothesis-profile=quick $(PARALLEL) --cov --cov-report=term-missing

docs: tools ## the docs site, in .leftfold/site/html; a broken link fails
	$(BIN)/python -m tools.site

audit: tools ## the templates by cfn-lint and SAM's transform, and the bill of materials (CycloneDX)
	@$(BIN)/python -m tools.audit

lock: tools ## write every lock file anew; with UPGRADE=1, with the newest versions
	$(BIN)/python -m tools.lock $(if $(UPGRADE),--upgrade)

tools:
	@$(PYTHON) tools/bootstrap.py

engines: tools
	@$(BIN)/python -m tools.engines
