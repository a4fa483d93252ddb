export PYTHON ?= python3
BIN := .leftfold/venv/bin

.PHONY: help run test

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-6s %s\n", $$1, $$2}' Makefile

run: ## run Leftfold on this machine
	@./leftfold run

test: ## check style, types, layers and behaviour
	@$(PYTHON) tools/bootstrap.py
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/python -m tools.engines
	$(BIN)/pytest
