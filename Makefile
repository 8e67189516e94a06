# Two commands on a bare machine (Python 3.10 to 3.12 and a C compiler): `make bench` and `make test`.
# Options go in ARGS: make bench ARGS="--data fer2013=/data/fer2013 --preset smoke"

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

.PHONY: bench test install
.DELETE_ON_ERROR:

bench: install
	$(VENV)/bin/fer-meta bench --suite cross-domain $(ARGS)

test: install
	$(VENV)/bin/python -m pytest -n auto --dist worksteal --maxprocesses 8 $(ARGS)

install: $(VENV)/.installed

# learn2learn's source release ships C files that do not compile on Python 3.11 and later: `build_ext` on its command line makes it
# run Cython (older pips do not pass it on), CYTHON_FORCE_REGEN replaces the stale files, and --no-deps keeps this unisolated step to the one package.
# constraints.txt holds the versions that are known to work together.
$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v <= (3, 12) else \
	  "fer-meta needs Python 3.10 to 3.12, this is %d.%d; say which to use: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q -U -c constraints.txt pip setuptools wheel cython
	$(VENV)/bin/python -m pip show -q learn2learn 2>/dev/null || \
	  CYTHON_FORCE_REGEN=1 $(VENV)/bin/python -m pip install -q --no-build-isolation --no-deps \
	  --config-settings=--global-option=build_ext learn2learn==0.2.0
	$(VENV)/bin/python -m pip install -q -c constraints.txt --no-build-isolation -e '.[test]'
	$(VENV)/bin/python -m pip check
	touch $@
