# Requires git, make and Python 3.11, 3.12 or 3.13. `make` without a target lists the targets.
#
# The first target that runs creates .venv from the lock file. `make setup CUDA=1` installs the packages for NVIDIA GPUs,
# `make setup CUDA=0` installs the CPU packages again, and `make setup PYTHON=python3.13` selects the interpreter. Later calls
# keep the choice.

.DEFAULT_GOAL := help
.PHONY: help setup demo test repro ui lint format lock clean-demo force

# The variant, interpreter and folder of .venv. A different choice or a moved checkout creates .venv again.
BUILT := $(shell cat .venv/.locked 2>/dev/null)
VARIANT := $(or $(word 1,$(BUILT)),cpu)
ifeq ($(CUDA),1)
VARIANT := cuda
else ifeq ($(CUDA),0)
VARIANT := cpu
endif
CHOICE := $(or $(PYTHON),$(word 2,$(BUILT)),any)
WANTED := $(VARIANT) $(CHOICE) $(CURDIR)

LOCK := $(if $(filter cuda,$(VARIANT)),requirements-cuda.lock,requirements.lock)
SIZE := $(if $(filter cuda,$(VARIANT)),7.2 GB,2.5 GB)
PYTHONS := $(if $(filter any,$(CHOICE)),python3.11 python3.12 python3.13 python3 python,$(CHOICE))
# Prints the path of the base interpreter, because a pyenv shim may not run, and a virtual environment cannot be the base.
CHECK := import ensurepip, sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit(1); print(sys._base_executable)

# Stages call python by name, so .venv comes first. The search for the base interpreter leaves it out.
OUTER_PATH := $(subst $(CURDIR)/.venv/bin:,,$(PATH))
export PATH := $(CURDIR)/.venv/bin:$(OUTER_PATH)
export MLFLOW_DISABLE_TELEMETRY := true
# The user's pip settings choose the package index. The lock file alone chooses the packages.
PIP_INSTALL := .venv/bin/python -I scripts/pip_clean.py install --no-input --progress-bar off
UV_SOURCES := UV_DEFAULT_INDEX UV_INDEX% UV_EXTRA_INDEX_URL UV_FIND_LINKS UV_OFFLINE UV_INSECURE_HOST UV_NATIVE_TLS \
	UV_SYSTEM_CERTS UV_HTTP_% UV_KEYRING_PROVIDER UV_CACHE_DIR
unexport PYTHONHOME PYTHONPATH $(filter-out $(UV_SOURCES),$(filter UV_%,$(.VARIABLES)))

help:  ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: .venv/.ready  ## create .venv from the lock file (CUDA=1: for NVIDIA GPUs)
	@echo ".venv is ready: $$(python --version), $(LOCK)"

demo: .venv/.ready  ## run the whole pipeline on small generated data in .demo, and print the leaderboard
	@lineup demo

# Two processes run whole test files (tests/conftest.py), because most tests use one core.
test: .venv/.ready  ## run the tests, about 13 minutes
	@echo "All tests, the quick ones first: about 13 minutes on two cores, longer on busy ones"
	@pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder

repro: .venv/.ready  ## run all stages that are out of date (dvc repro)
	@dvc repro

ui: .venv/.ready  ## start the MLflow UI with this project's runs
	@lineup ui

lint: .venv/.ready  ## check style (ruff) and types (mypy)
	@ruff check
	@ruff format --check
	@mypy

format: .venv/.ready  ## sort imports and format the code (ruff)
	@ruff check --fix
	@ruff format

UV ?= uv
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --quiet --universal --python-version 3.11 \
	--fork-strategy fewest --no-emit-index-url --generate-hashes --extra dev pyproject.toml

lock:  ## write both lock files after a change to pyproject.toml (needs uv)
	@command -v $(UV) >/dev/null || { echo "make lock: no uv on the PATH; install it or name it: make lock UV=..." >&2; exit 1; }
	@$(COMPILE) --extra cpu --output-file requirements.lock
	@$(COMPILE) --extra cuda --output-file requirements-cuda.lock

clean-demo:  ## remove the demo's folder
	@rm -rf .demo

# The stamps are written last, so that the next call replaces the files of an interrupted call. Compiling without pip uses
# all cores and works if PYTHONDONTWRITEBYTECODE is set. Without byte code, importing TensorFlow takes 18 s.
.venv/.locked: $(LOCK) $(if $(filter-out $(BUILT),$(WANTED)),force)
	@base=$$(PATH="$(OUTER_PATH)"; for python in $(PYTHONS); do "$$python" -c '$(CHECK)' 2>/dev/null && break; done); \
	if [ -z "$$base" ]; then \
		echo "make: no working Python 3.11, 3.12 or 3.13 with its venv module (tried: $(PYTHONS)); install one, or name it: make setup PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi; \
	echo "set-up 1/4: a virtual environment in .venv, with $$base"; \
	rm -rf .venv && "$$base" -m venv .venv
	@echo "set-up 2/4: packages from $(LOCK), $(SIZE) on disk; this takes a few minutes"
	@$(PIP_INSTALL) --no-compile --require-hashes -r $(LOCK) 2>.venv/pip.log || { tail -n 20 .venv/pip.log >&2; exit 1; }
	@echo "set-up 3/4: compiling the packages, so that commands start faster"
	@.venv/bin/python -m compileall -qq -j 0 .venv/lib || true
	@echo "$(WANTED)" >$@

.venv/.ready: .venv/.locked pyproject.toml
	@echo "set-up 4/4: lineup itself, editable"
	@$(PIP_INSTALL) --quiet --no-deps --no-build-isolation --editable . 2>.venv/pip.log || { tail -n 20 .venv/pip.log >&2; exit 1; }
	@touch $@
