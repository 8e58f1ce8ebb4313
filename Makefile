# make demo     set up, then run the demonstration into runs/demo
# make test     set up, then check everything: style, types, storeys, tests
# make lint     the checks without the tests
# make docs     API pages, from the docstrings, into build/docs
# make clean    remove whatever make made
#
# make demo takes SCAN= (a path, or a study UID), PACS= (address of the study's PACS), LABELS=,
# NAMES= (the labels' naming scheme), ORGAN=, LESION= and STEPS=.
# make test takes PYTEST_ARGS= in place of "-n 2" (two processes), for example PYTEST_ARGS=tests/robot.

.DELETE_ON_ERROR:
.PHONY: demo test lint docs clean

# Python 3.11 where there is one: PyBullet offers a wheel for no other.
PYTHON ?= $(shell for p in python3 python3.11; do \
	if "$$p" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then \
	echo "$$p"; exit; fi; done; echo python3)
VENV := .venv
BIN := $(VENV)/bin
# The constraints pin torch too: left free, pip may take a build with gigabytes of GPU libraries.
INSTALL := $(BIN)/python -m pip --disable-pip-version-check --no-input install -q -c constraints.txt
PYTEST_ARGS ?= -n 2

demo: $(VENV)/.all
	$(BIN)/halsted demo \
		$(if $(SCAN),--scan "$(SCAN)") \
		$(if $(PACS),--pacs "$(PACS)") \
		$(if $(LABELS),--labels "$(LABELS)") \
		$(if $(NAMES),--label-names "$(NAMES)") \
		$(if $(ORGAN),--organ "$(ORGAN)") \
		$(if $(LESION),--lesion "$(LESION)") \
		$(if $(STEPS),--steps "$(STEPS)") \
		--out runs/demo

test: lint
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests
	cd .pkg && ../$(BIN)/lint-imports --config ../pyproject.toml --no-cache --no-logo

docs: $(VENV)/.dev
	cd .pkg && PYTHONPATH=. ../$(BIN)/pdoc --docformat google --output-directory ../build/docs halsted

clean:
	rm -rf $(VENV) build dist runs *.egg-info .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.python:
	@command -v "$(PYTHON)" >/dev/null || \
		{ echo "Halsted needs Python 3.11; there is no $(PYTHON). Install it or name another: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; found = ".".join(map(str, sys.version_info[:3])); \
		sys.exit(None if sys.version_info >= (3, 11) else "Halsted needs Python 3.11 or newer; $(PYTHON) is " + found + ". Install it or name another: make PYTHON=/path/to/python3.11")'
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make a virtual environment; on Debian run: apt-get install python3-venv" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	touch $@

$(VENV)/.all: $(VENV)/.python pyproject.toml constraints.txt
	@echo "Installing Halsted and what it needs into $(VENV): once, some minutes."
	$(INSTALL) -e '.[all]'
	touch $@

$(VENV)/.dev: $(VENV)/.all
	$(INSTALL) -e '.[all,dev]'
	touch $@
