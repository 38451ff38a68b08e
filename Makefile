# Two commands: `make demo` on a fresh machine, `make test` for everything. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install
LOCKED := --require-hashes --requirement requirements
OURSELVES := --no-deps --no-build-isolation --editable .
SPEC := pyproject.toml $(wildcard requirements/*.txt)

.PHONY: help demo desk test check proto sbom clean
help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.run ## install what is needed to run and play the bundled two-party call
	@$(BIN)/yuetone demo

desk: $(VENV)/.run ## install what is needed to run and show the bundled call on the desk and the wall, in the browser
	@$(BIN)/yuetone demo --desk

test: $(VENV)/.test ## install everything and run every test
	@$(BIN)/python -m pytest -n $$(( $$(nproc) + 1 )) --dist worksteal  # an eighth of the tests' time is waiting

check: $(VENV)/.test ## the whole gate: format, lint, types, import contracts, stub drift, tests
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

proto: $(VENV)/.test ## regenerate proto/gen from proto/yuetone
	@$(BIN)/python -m scripts.generate_proto

sbom: $(VENV)/.run ## write what is installed and under which licences: sbom.json (CycloneDX)
	@$(BIN)/python -m venv $(VENV)/sbom
	@$(VENV)/sbom/bin/python -m pip --quiet --disable-pip-version-check install $(LOCKED)/sbom.txt
	@$(VENV)/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.json $(BIN)/python
	@echo "sbom.json: what is installed, and under which licences"

clean: ## remove the virtual environment
	rm -rf $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Yuetone needs Python 3.11 to 3.13: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/bin/python $(SPEC)
	@echo "Installing Yuetone into $(VENV) (once) ..."
	@$(PIP) $(LOCKED)/run.txt
	@$(PIP) $(OURSELVES)
	@touch $@

$(VENV)/.test: $(VENV)/.run
	@echo "Installing the development tools and training libraries into $(VENV) (once) ..."
	@$(PIP) $(LOCKED)/all.txt
	@$(PIP) $(OURSELVES)
	@touch $@
