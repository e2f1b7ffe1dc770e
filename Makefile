# Two commands matter: `make demo` and `make test`. Both set up what they need.
PYTHON ?= python3
PORT ?= 8501
PEOPLE ?= 60000
BIN := .venv/bin
# Python compiles what it imports; compiling all that is installed takes half of an install's time.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile
export CARETRACE_HOME ?= $(CURDIR)/var
# Many images say that Python must not keep what it compiles; it would compile all that it imports,
# which takes seconds, in each process that we start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo definitions test test-spark spark-unit lint types sql unit browser check-research check-mmm lock clean
.DEFAULT_GOAL := demo

.venv/run.ok: requirements/run.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) --require-hashes -r requirements/run.lock
	$(PIP) --no-build-isolation --editable .
	touch $@

.venv/dev.ok: .venv/run.ok requirements/dev.lock
	$(PIP) --require-hashes -r requirements/dev.lock
	touch $@

demo: .venv/run.ok
	$(BIN)/caretrace demo --port $(PORT) --people $(PEOPLE)

# After a number is added or changed: the docs, and what its wording is known by.
definitions: .venv/dev.ok
	$(BIN)/caretrace definitions --format md --out docs/definitions.md
	$(BIN)/python tests/pinned_definitions.py

test: .venv/dev.ok lint
	$(MAKE) --jobs 3 --no-print-directory types sql unit

lint: .venv/dev.ok
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev.ok
	$(BIN)/mypy

sql: .venv/dev.ok
	# sqlfluff, without the search for garbage in its parse trees, which takes a seventh of the time.
	$(BIN)/python -c "import gc; gc.disable(); from sqlfluff.cli.commands import cli; cli()" \
	  lint --disable-progress-bar sql

# What tests keep safe on a disk, they wait for, thousands of times; files in memory are as safe
# from a test that kills a process. Linux has such a folder; here it must have room.
IN_MEMORY = $(shell [ -w /dev/shm ] && [ "$$(df -k --output=avail /dev/shm | tail -1)" -gt 6000000 ] \
  && [ "$$(awk '/^MemAvailable/ {print $$2}' /proc/meminfo)" -gt 8000000 ] && echo TMPDIR=/dev/shm)

unit: .venv/dev.ok browser
	# One more than there are cores: browsers, servers and time-outs are waited for. A file stays
	# with one worker, which makes its servers and warehouses once; tests/conftest.py orders them.
	$(IN_MEMORY) $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# Spark with all its jars, 450 MB, which nothing else needs.
.venv/spark.ok: .venv/dev.ok requirements/spark.lock
	$(PIP) --require-hashes -r requirements/spark.lock
	touch $@

# A cluster of this computer alone: a master, two workers, a Spark Connect server.
SPARK_TESTS ?= tests/spark
test-spark:
	@if command -v java >/dev/null; then $(MAKE) --no-print-directory spark-unit; else \
	  echo "NOT TESTED: Spark, which needs Java 17 on the PATH; there is none." >&2; fi

spark-unit: .venv/spark.ok
	$(IN_MEMORY) $(BIN)/python -m pytest -n 0 --timeout 600 $(SPARK_TESTS)

# The pages are tested in a real browser: Debian's Chromium, driven by Playwright.
browser:
	@command -v chromium >/dev/null || { echo "installing chromium for the browser tests"; \
	  apt-get update -qq && apt-get install -qq -y chromium >/dev/null; } || \
	  { echo "The browser tests need Chromium on the PATH: install the package 'chromium' and run again." >&2; exit 1; }

# What research exports reach, measured again by another library, which pins an old pandas.
.venv-oracle/oracle.ok: requirements/oracle.txt
	$(PYTHON) -m venv .venv-oracle
	.venv-oracle/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --require-hashes -r requirements/oracle.txt
	touch $@

check-research: .venv/dev.ok .venv-oracle/oracle.ok
	$(BIN)/python benchmarks/check_research.py --oracle .venv-oracle/bin/python $(if $(wildcard $(CARETRACE_HOME)/CURRENT),--home $(CARETRACE_HOME))

# The full Bayesian mix against the default one, for real: pymc-marketing needs Python 3.12.
MMM_PYTHON ?= python3.12
.venv-mmm/mmm.ok: pyproject.toml
	@command -v $(MMM_PYTHON) >/dev/null || { \
	  echo "check-mmm needs Python 3.12 or later; say where it is: make check-mmm MMM_PYTHON=/path/to/python3.12" >&2; exit 1; }
	$(MMM_PYTHON) -m venv .venv-mmm
	.venv-mmm/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[mmm]'
	touch $@

# Some twenty processor seconds for each fit; WORLDS of them, each fitted with and without tests.
WORLDS ?= 2
check-mmm: .venv-mmm/mmm.ok
	OMP_NUM_THREADS=1 .venv-mmm/bin/python -m benchmarks.check_mmm $(WORLDS)

# uv resolves once for every Python from 3.11 on; pip installs from the result.
lock: .venv/dev.ok
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra all --group build --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --quiet --output-file requirements/run.lock
	$(BIN)/uv pip compile pyproject.toml --extra all --group build --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --constraints requirements/run.lock --quiet --output-file requirements/dev.lock
	$(BIN)/uv pip compile requirements/oracle.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --quiet --output-file requirements/oracle.txt
	$(BIN)/uv pip compile requirements/spark.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --constraints requirements/run.lock --quiet --output-file requirements/spark.lock

clean:
	rm -rf .venv .venv-oracle .venv-mmm var
