# The two commands of the project; each sets up all it needs, from nothing but Python 3.11.
#     make study                              the default miniature study
#     make study STUDY=studies/other.yaml     another one
#     make test                               all checks and tests
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
UV_VERSION := 0.13.8
READY := $(VENV)/.ready
RUN := PATH="$(abspath $(VENV))/bin:$$PATH"

# Tests at a time; the files of tests are shared out among them.
WORKERS ?= 2
# Parallel tests and runs share the processor cores: one arithmetic thread each.
export OMP_NUM_THREADS ?= 1

.PHONY: study plan test check lock clean-environment

study: $(READY)
	$(RUN) snakemake $(if $(STUDY),--configfile $(STUDY)) $(ARGUMENTS)

plan: $(READY)
	$(RUN) snakemake plan $(if $(STUDY),--configfile $(STUDY)) $(ARGUMENTS)

test: check
	$(RUN) python -m pytest -n $(WORKERS) --dist loadfile $(ARGUMENTS)

# What needs no run: style, format, generated documents.
check: $(READY)
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) snakefmt --check Snakefile rules
	$(RUN) transfer-atlas docs --check
	$(RUN) transfer-atlas code

# The environment: exactly the locked versions, checked against their hashes.
$(READY): requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; assert sys.version_info[:2] == (3, 11), f"Python 3.11 is needed, found {sys.version}"'
	"$(PYTHON)" -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --require-hashes -r requirements.lock
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --no-deps --editable .
	touch $@

# Pin anew what pyproject.toml asks for.
lock: $(READY)
	$(VENV)/bin/uv pip compile pyproject.toml --extra development --python-version 3.11 --python-platform linux \
		--upgrade --no-header --no-annotate --generate-hashes --no-emit-index-url --quiet -o requirements.lock

clean-environment:
	rm -rf $(VENV)
