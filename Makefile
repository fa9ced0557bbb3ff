# make demo        compile two models, show a derivation, train both
# make test        the tests
# make test-all    the tests, and those that take minutes
# make lint        ruff, mypy, and the look of the models
# make generated   compile the examples again, for generated/ as it is committed
# make bench       the benchmarks, the quick way
# make clean       remove what was built; the virtual environment stays (make distclean removes that too)

VENV ?= .venv
# The first Python that is new enough; PYTHON=/path/to/python chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := pyproject.toml Makefile

.PHONY: demo test test-all lint generated bench clean distclean compiler
.DELETE_ON_ERROR:

demo: compiler $(VENV)/.demo
	$(BIN)/gradwright compile examples/xor.gw examples/digits.gw
	$(BIN)/gradwright derive examples/neuron.gw
	$(BIN)/python examples/demo.py

test: compiler $(VENV)/.test
	$(BIN)/python -m pytest -q

test-all: compiler $(VENV)/.test
	$(BIN)/python -m pytest -q -m "slow or not slow"

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/mypy compiler runtime
	$(BIN)/gradwright fmt --check examples compiler/library

generated: compiler $(VENV)/.test
	$(BIN)/python -m pytest -q tests --refresh -k "golden or generated or committed"

bench: compiler $(VENV)/.bench
	$(BIN)/python -m benchmarks run --quick

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -f generated/*.so generated/*.c
	find compiler runtime tests examples benchmarks -name __pycache__ -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)

# A stamp a set of packages: a second make installs nothing.
$(VENV)/.venv:
	@if [ -z "$(PYTHON)" ]; then \
		echo "error: Python 3.11 or newer was not found; install one, or name it: make PYTHON=/path/to/python3" >&2; exit 2; fi
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: EXTRAS = examples
$(VENV)/.test: EXTRAS = test
$(VENV)/.lint: EXTRAS = test,lint
$(VENV)/.bench: EXTRAS = bench
$(VENV)/.demo $(VENV)/.test $(VENV)/.lint $(VENV)/.bench: $(VENV)/.venv $(SOURCES)
	$(PIP) install -qq --editable ".[$(EXTRAS)]"
	@$(BIN)/python -m compileall -q compiler runtime
	@touch $@

compiler:
	@if [ -n "$$CC" ]; then command -v $${CC%% *} >/dev/null; \
	else command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null; fi || { \
		echo "error: no C compiler was found (looked for \$$CC, cc, gcc and clang). To get one:"; \
		echo "  Debian, Ubuntu   sudo apt install gcc libc6-dev python3-dev"; \
		echo "  Fedora, RHEL     sudo dnf install gcc python3-devel"; \
		echo "  Alpine           sudo apk add gcc musl-dev python3-dev"; \
		echo "  Arch             sudo pacman -S gcc"; \
		echo "  macOS            xcode-select --install"; \
		exit 3; } >&2
