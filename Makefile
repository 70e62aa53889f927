# make run   set up once, then serve the app on http://127.0.0.1:8501
# make test  set up once, then lint, type-check and run every test
# make coverage  which lines no test runs

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run test lint javascript unit acceptance coverage demo clean

run: $(VENV)/.installed demo
	$(BIN)/python -m draem_core run

test: lint javascript unit acceptance

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

javascript: $(VENV)/.installed-dev
	sh tests/javascript/run.sh $(BIN)/python

unit: $(VENV)/.installed-dev demo
	sh tests/install_browser.sh
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --durations=15

acceptance: $(VENV)/.installed-dev
	@if [ -d ../shared/acceptance ]; then $(BIN)/python -m pytest ../shared/acceptance -q -p no:cacheprovider; \
	else echo "../shared is not here: acceptance tests skipped"; fi

# which lines no test runs: without the browser tests, whose server is a process of its own
coverage: $(VENV)/.installed-dev demo
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/browser --cov draem_core --cov pages --cov-report term:skip-covered

demo: datasets/demo/README.txt

datasets/demo/README.txt: | $(VENV)/.installed
	$(BIN)/python -m draem_core demo --out datasets/demo

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(VENV)/bin/python
	$(INSTALL) -r requirements.txt
	touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(INSTALL) -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV) datasets/demo tests/javascript/node_modules
