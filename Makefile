# `make demo` and `make test` need Python 3.11 or newer with venv and headers, g++ and nothing else.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
# An editable install keeps a list of its modules: where one comes or goes, it is made again.
MODULES := $(shell find relhop -name '*.py' | LC_ALL=C sort | cksum | cut -d ' ' -f 1)
INSTALLED := $(VENV)/installed-$(MODULES)
NATIVE := $(wildcard native/*/*.cpp native/*/*.h) CMakeLists.txt
SMALLEST_SUITE := 3900

.PHONY: demo test lint fuzz sanitize bench clean

demo: $(INSTALLED)
	$(PY) examples/f1/demo.py

# Fails, too, if fewer tests ran than the suite holds. `make test COVERAGE=…`, options of pytest-cov, takes half as long again.
test: $(INSTALLED)
	$(PY) -m pytest --numprocesses=2 --dist=worksteal $(COVERAGE) --junitxml=build/tests.xml
	$(PY) tests/count.py build/tests.xml $(SMALLEST_SUITE)

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy relhop
	$(VENV)/bin/lint-imports
	$(VENV)/bin/clang-format --dry-run --Werror native/*/*.cpp native/*/*.h

# The property tests with examples that are new in each run; `make test` repeats its own.
fuzz: $(INSTALLED)
	$(PY) -m pytest -m hypothesis --hypothesis-profile=fuzz

# The native tests on the native code as sanitizers see it; some minutes.
sanitize: $(INSTALLED)
	$(PY) -m tests.sanitize address
	$(PY) -m tests.sanitize thread

bench: $(INSTALLED)
	$(PY) -m benchmarks.sampling
	$(PY) -m benchmarks.build
	$(PY) -m benchmarks.capacity
	$(PY) -m benchmarks.rows
	$(PY) -m benchmarks.memory
	$(PY) -m benchmarks.pyg
	$(PY) -m benchmarks.labels

# An editable install: Python files are used where they stand, native ones are compiled again when they change.
$(INSTALLED): pyproject.toml constraints.txt $(NATIVE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "relhop needs Python 3.11 or newer; name one with: make PYTHON=python3.11"; exit 1; }
	test -x $(PY) || $(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "Python's venv is missing: apt install python3-venv python3-dev"; exit 1; }
	$(PY) -m pip install --quiet --constraint constraints.txt \
	  --config-settings=cmake.define.RELHOP_WERROR=ON --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
