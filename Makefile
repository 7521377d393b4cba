# The commands of the project; each sets up all it needs. `make help` lists them.
#     make study                              the default miniature study
#     make study STUDY=studies/other.yaml     another one
#     make test                               all checks and tests
# The environment is set up by envs/make_environment.sh, which says what it downloads. CPU=1, given to the first call,
# leaves out what only NVIDIA GPUs need; PYTHON=... names an interpreter.
VENV ?= .venv
READY := $(VENV)/.ready$(if $(CPU),-without-cuda)
RUN := PATH="$(abspath $(VENV))/bin:$$PATH"
CONFIGFILES := $(if $(STUDY),--configfile $(STUDY))

# Tests at a time; the files of tests are shared out among them.
WORKERS ?= 2
# Parallel tests and runs share the processor cores: one arithmetic thread each.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := study
.PHONY: study plan test test-cluster check faults faults-cluster coverage environment hooks lock site clean-environment help readable

study: readable ## compute what is missing of a study (STUDY=file.yaml; else the miniature study), tables, figures
	$(RUN) snakemake $(CONFIGFILES) $(ARGUMENTS)

plan: readable ## say what a study would compute, and how long it would take
	$(RUN) snakemake plan $(CONFIGFILES) $(ARGUMENTS)

test: check ## all checks, then all tests (WORKERS=2 at a time; ARGUMENTS for pytest)
	$(RUN) python -m pytest -n $(WORKERS) --dist loadfile $(ARGUMENTS)

test-cluster: $(READY) ## the tests of profiles/cluster, on a real Slurm that they start (Debian packages: tests/support/slurm.py)
	$(RUN) ATLAS_NEEDS_SLURM=1 python -m pytest tests/workflow/test_cluster.py $(ARGUMENTS)

check: $(READY) ## what needs no run: style, format, imports, types, generated documents, versions of code
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) snakefmt --check Snakefile rules
	$(RUN) lint-imports
	$(RUN) mypy
	$(RUN) transfer-atlas docs --check
	$(RUN) transfer-atlas catalogue --check
	$(RUN) transfer-atlas code

faults: $(READY) ## a small study while its processes are killed at random (KILLS=24 SEED=0): nothing may be lost
	$(RUN) PYTHONPATH=src:tests/support python tests/support/kills.py --kills $(or $(KILLS),24) --seed $(or $(SEED),0)

faults-cluster: $(READY) ## the same on a Slurm that is started for it, then one by one what a cluster does (SEED=0 KILLS=50)
	$(RUN) PYTHONPATH=src:tests/support python tests/support/kills.py --slurm --kills $(or $(KILLS),50) --seed $(or $(SEED),0)
	$(RUN) PYTHONPATH=src:tests/support python tests/support/cluster_faults.py

coverage: $(READY) ## how much of the rooms that decide what runs is reached by their unit tests; fails below a floor
	$(RUN) python -m pytest tests/unit/study tests/unit/planning tests/unit/store tests/unit/running \
		tests/unit/test_command.py -n $(WORKERS) --dist loadfile --cov --cov-report=term $(ARGUMENTS)

hooks: $(READY) ## check what is committed before each commit (.pre-commit-config.yaml)
	$(RUN) pre-commit install

environment: $(READY) ## only set up the environment (CPU=1: without CUDA; PYTHON=python3.12: with that one)

lock: $(READY) ## pin anew what pyproject.toml asks for, for Linux and macOS and Python 3.11 to 3.13
	$(VENV)/bin/uv pip compile pyproject.toml --extra development --universal --python-version 3.11 \
		--upgrade --no-header --no-annotate --generate-hashes --no-emit-index-url --quiet -o requirements.lock
	UV=$(VENV)/bin/uv envs/lock_clouds.sh

site: $(READY) ## the documentation as a searchable site, in site/
	$(RUN) NO_MKDOCS_2_WARNING=1 PYTHONPATH=src mkdocs build --strict

clean-environment: ## remove the environment
	rm -rf $(VENV)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# A file that is not there or no YAML is told in one line, before Snakemake would with a traceback around it.
readable: $(READY)
	@$(if $(STUDY),$(RUN) transfer-atlas check --syntax $(STUDY))

# The environment: exactly the locked versions, checked against their hashes.
$(READY): requirements.lock envs/uv.lock envs/make_environment.sh pyproject.toml
	@VENV="$(VENV)" CPU="$(CPU)" PYTHON="$(PYTHON)" envs/make_environment.sh
	@touch $@
