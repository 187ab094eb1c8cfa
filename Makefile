# Two commands do everything on a fresh clone: `make demo` and `make test`.
# Without make: `bash scripts/demo.sh` and `bash scripts/test.sh` are the same.
PYTHON ?= python3
VENV ?= .venv
export PYTHON VENV

.PHONY: help setup demo test lint docs clean

help:
	@echo "make demo    set up, then turn a photograph into a 3D face (out/demo)"
	@echo "make test    set up, then lint and test"
	@echo "make lint    set up, then ruff, mypy and the import contracts"
	@echo "make docs    set up, then build the documentation's site (out/site)"
	@echo "make setup   virtual environment ($(VENV)) with tfface and all that it needs"
	@echo "make clean   remove $(VENV), caches and out/ (runs/ stays)"

setup:
	@bash scripts/setup.sh

demo:
	@bash scripts/demo.sh

test:
	@bash scripts/test.sh

lint:
	@bash scripts/lint.sh

docs:
	@bash scripts/docs.sh

clean:
	rm -rf "$(VENV)" out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find tfface tests data_tools tune benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
