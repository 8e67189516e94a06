# Two commands on a bare machine (Python 3.10 or later and a C compiler): `make bench` and `make test`.
# `make lint` checks style, format and types; `make format` rewrites what ruff can.
# Options go in ARGS: make bench ARGS="--data fer2013=/data/fer2013 --preset smoke"
# TORCH_INDEX takes torch and torchvision from another package index, such as that of PyTorch's CPU builds, which need none of CUDA's 4 GB.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
TORCH_INDEX ?=

.PHONY: bench test lint format docs install
.DELETE_ON_ERROR:

bench: install
	$(VENV)/bin/fer-meta bench --suite cross-domain $(ARGS)

test: install
	$(VENV)/bin/python -m pytest -n auto --dist worksteal --maxprocesses 8 $(ARGS)

lint: install
	$(VENV)/bin/ruff check --output-format concise .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: install
	$(VENV)/bin/ruff check --fix --output-format concise .
	$(VENV)/bin/ruff format .

# The site, in site/index.html. Material for MkDocs announces its successor at every build; the pinned version needs none.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build

install: $(VENV)/.installed

# constraints.txt holds the versions that are known to work together. learn2learn needs a build of its own.
$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt fer_meta/install_learn2learn.py
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if v >= (3, 10) else \
	  "fer-meta needs Python 3.10 or later, this is %d.%d; say which to use: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q -U pip
ifneq ($(TORCH_INDEX),)
	$(VENV)/bin/python -m pip install -q -c constraints.txt --no-deps --index-url $(TORCH_INDEX) torch torchvision
endif
	PYTHONWARNINGS=ignore $(VENV)/bin/python -m pip install -q -c constraints.txt -e '.[dev]'
	$(VENV)/bin/python -m fer_meta.install_learn2learn
	$(VENV)/bin/python -m pip check
	touch $@

$(VENV)/.docs: $(VENV)/.installed
	$(VENV)/bin/python -m pip install -q -c constraints.txt -e '.[docs]'
	touch $@
