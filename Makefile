# Everything a developer or a newcomer runs. `make` alone explains the targets.
# Needs python3 with venv, a C compiler and make; all else is installed by the targets themselves.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The tools of the environment come first, so that its cmake, ninja and python are the ones used.
export PATH := $(CURDIR)/$(BIN):$(PATH)

LOCK := requirements/lock.txt
BUILD := build/native
NATIVE_SOURCES = $(shell find native tests/native workbench/control/cffi_build.py -type f 2>/dev/null)
NOTEBOOK := notebooks/01_live_tuning.ipynb

# Stamps: a step whose inputs did not change is not run again.
ENVIRONMENT := $(VENV)/.stamp-environment
PACKAGE := $(VENV)/.stamp-package
STRESS_SECONDS ?= 10

.PHONY: help
help: ## Explain the targets (this text).
	@echo "usage: make TARGET"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- environment -----------------------------------------------------------------------------------

$(ENVIRONMENT): $(LOCK)
	@scripts/debian_packages.sh build
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement $(LOCK)
	@touch $@

# The editable installation serves the Python sources from this folder and keeps the native parts
# beside the environment's packages. Its CMake build folder is the one `make native` goes on with.
$(PACKAGE): $(ENVIRONMENT) pyproject.toml native/CMakeLists.txt $(wildcard workbench/control/cffi_build.py)
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --editable . \
	    --config-settings=build-dir=$(BUILD)
	@touch $@

.PHONY: setup
setup: $(PACKAGE) native ## Create .venv with pinned dependencies and an editable installation.

.PHONY: native
native: $(PACKAGE) ## Build and install the native parts; DEFAULTS=file.h builds in exported defaults.
	@cmake -S native -B $(BUILD) -DHAKMEM_DEFAULTS_FILE="$(abspath $(DEFAULTS))" >/dev/null
	@cmake --build $(BUILD) -- --quiet
	@cmake --install $(BUILD) --prefix "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')" >/dev/null

.PHONY: lock
lock: $(ENVIRONMENT) ## Pin all dependencies again, with hashes, in requirements/lock.txt.
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --no-annotate --quiet --upgrade --output-file $(LOCK)

.PHONY: clean
clean: ## Remove .venv, builds and caches.
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find workbench tests -name __pycache__ -type d -prune -exec rm -rf {} +
