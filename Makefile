.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
BIN := .venv/bin
MEMBERS := sdk migrations kernel $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml)) tests/exampleplugin
NAMES := $(shell sed -n 's/^name = "\(riveredge-[a-z]*\)"/\1/p' $(MEMBERS:%=%/pyproject.toml))
PACKAGES := $(subst -,_,$(NAMES))
TYPED_TESTS := conftest.py $(wildcard */tests tests/*/tests plugins/*/tests) \
  $(filter-out tests/exampleplugin/,$(wildcard tests/*/))
# Two more than there are cores: many tests wait for processes and sockets.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1mmake %-8s\033[0m %s\n", $$1, $$2}'

.PHONY: setup
setup: ## Set up .venv for development
	@RIVEREDGE_SETUP=dev tools/setup.sh

.PHONY: run
run: ## Set everything up and start the platform with demo data
	@tools/setup.sh
	@exec $(BIN)/riveredge run

.PHONY: test
test: setup check ## Set everything up and pass all tests, on SQLite and PostgreSQL
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

.PHONY: check
check: setup ## Formatting, lints, types and architecture rules
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy $(addprefix -p ,$(PACKAGES) benchmarks)
	@$(BIN)/mypy --config-file tests/mypy.ini $(TYPED_TESTS)
	@$(BIN)/lint-imports
	@tools/lint-tree.sh

.PHONY: format
format: setup ## Format and mend what can be mended
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

.PHONY: bench
bench: setup ## Measure against what a user would use instead
	@$(BIN)/python -m benchmarks

.PHONY: openapi
openapi: setup ## Renew the OpenAPI snapshot
	@$(BIN)/riveredge openapi --output docs/openapi.json

.PHONY: lock
lock: ## Renew requirements.lock
	@"$$(tools/setup.sh --print-uv)" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --all-extras --group pyproject.toml:dev \
	  $(addprefix --no-emit-package ,$(NAMES)) \
	  pyproject.toml $(MEMBERS:%=%/pyproject.toml) --output-file requirements.lock

.PHONY: wheels
wheels: ## Build the wheels and source distributions into dist/
	@rm -rf dist
	@"$$(tools/setup.sh --print-uv)" build --quiet --all-packages --out-dir dist

.PHONY: clean
clean: ## Remove everything that can be made again, and the data of `make run`
	@rm -rf .venv .uv dist build var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
