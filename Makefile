# Two commands for a fresh machine: `make demo` and `make test`. Both make their own environment.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS := constraints/$(shell $(PYTHON) -c 'import sys; print("python3.11" if sys.version_info[:2] == (3, 11) else "python3.12")').txt
DEMO ?= runs/demo

.PHONY: demo test test-heavy test-all test-experiments results docs links lint audit clean

$(BIN)/.installed: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[test,docs]'
	touch $@

demo: $(BIN)/.installed
	$(BIN)/python -m iae_jax.launch --config=demo --workdir=$(DEMO)
	$(BIN)/python -m iae_jax.launch --workdir=$(DEMO) --mode=evaluate
	$(BIN)/python -m iae_jax.launch --workdir=$(DEMO) --mode=page
	@echo "Open this page in a browser: $(abspath $(DEMO))/page.html"

lint: $(BIN)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# What compiles or trains for seconds: CI runs it after the others.
test-heavy: $(BIN)/.installed
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "heavy and not slow and not experiment"

# All of these, and what starts, kills or joins processes, or takes thousands of inputs.
test-all: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not experiment"

# What the small problems of the slides promise, by whole sweeps.
test-experiments: $(BIN)/.installed
	$(BIN)/python -m pytest -m experiment

results: $(BIN)/.installed
	$(BIN)/python -m iae_jax.report

# The site, in build/docs: no network, and warnings are errors.
docs: $(BIN)/.installed
	$(BIN)/python -m sphinx -W --keep-going -E -q -j 2 docs build/docs
	@echo "Read build/docs/index.html"

# Whether the addresses that the site names answer: this one needs a network.
links: $(BIN)/.installed
	$(BIN)/python -m sphinx -b linkcheck -D nb_execution_mode=off -E -q docs build/links

# Known vulnerabilities of the tested versions; fails too if one of them cannot be looked up.
audit:
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet pip-audit
	for file in constraints/*.txt; do \
		$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip -r $$file || exit 1; \
	done

clean:
	rm -rf $(VENV) build dist *.egg-info .compiled_cache
