# Every target sets up what it needs: a virtual environment in .venv with this package and its tools.
# On a machine whose python3 is older than 3.10:  make test PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

# Threads that wait for each other actively slow a machine down that has other work to do.
export OMP_WAIT_POLICY ?= PASSIVE

# glibc would give the memory of each step back and fetch it again for the next one, which takes longer than the step.
export MALLOC_MMAP_MAX_ ?= 0
export MALLOC_TRIM_THRESHOLD_ ?= 8589934592

# Two test processes of one thread each.
PYTEST := OMP_NUM_THREADS=1 OMP_THREAD_LIMIT=1 $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: help install demo test test-fast lint reference docs

help:
	@echo "make demo       train nnU-Net and SynFoC on synthetic images, up to 10 minutes on two cores"
	@echo "make test       all tests"
	@echo "make test-fast  all but the slow ones"
	@echo "make lint       ruff, import-linter and mypy"
	@echo "make reference  write docs/reference anew from the code"
	@echo "make docs       the documentation as a site in site/, to be opened without a server"

install: $(INSTALLED)

$(INSTALLED): setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -e '.[dev]'
	touch $@

demo: $(INSTALLED)
	$(BIN)/python -m demo

test: $(INSTALLED)
	$(PYTEST)

test-fast: $(INSTALLED)
	$(PYTEST) -m "not slow"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/mypy docs

reference: $(INSTALLED)
	$(BIN)/python docs/generate_reference.py

# The theme's advertisement of its successor is no warning of ours.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "Open site/index.html in a browser."
