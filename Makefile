# Everything goes through these few targets; CI runs `make test`.

.DEFAULT_GOAL := help
SHELL := /bin/sh
UV := scripts/uv
BIN := .venv/bin

# PYTHON=3.13, or a path: the Python that .venv is made with; without it the one that .venv has, or that uv finds.
ifdef PYTHON
export UV_PYTHON := $(PYTHON)
endif

# Containers often say that Python writes no bytecode: then each start compiles a thousand modules anew, and takes twice
# as long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help env run test check docs images chaos vendor screenshots bench bench-docs

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 16

env:
	@$(UV) sync --frozen --quiet

run: ## PostgreSQL, Kafka, the gateway and the workers on this machine; CLUSTER=1 for several of each, SECURE=1 for a Kafka with TLS and logins; Ctrl-C stops all
	@scripts/runnable
	@exec $(BIN)/headgate run

test: env ## every test, on real services; ARGS= for pytest, PYTHON=3.13 (or a path) to try that one
	@scripts/test-packages
	@$(BIN)/python -m pytest $(ARGS)

check: env ## format, lint, types, imports, files that are written from the code
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m cli.writing.documentation --check
	@$(BIN)/python -m contracts --check docs
	@scripts/check-workflows

docs: env ## what is written from the code, written anew, and the site in site/
	@$(BIN)/python -m cli.writing.documentation
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

images: ## build Dockerfile and run docker-compose.yaml on stand-in images (root, podman)
	@deploy/stand-in/check.sh
	@deploy/stand-in/check.sh --redis

chaos: env ## the long series of faults
	@$(BIN)/python -m pytest -n 0 -m chaos

vendor: env ## fetch the pinned browser files again (needs npm); see scripts/vendored.toml
	@$(BIN)/python scripts/vendor.py

bench: env ## measure everything, nearly two hours; ONLY=post,get and QUICK=1 for a look, ROUNDS= and SECONDS= for more, PARENT=folder beside another checkout
	@$(BIN)/python -m bench

bench-docs: env ## the latest figures of each part into docs/performance.md and docs/benchmark.svg
	@$(BIN)/python -m bench.publish

screenshots: env ## every page of the web view at two widths, into docs/screenshots
	@scripts/test-packages
	@$(BIN)/python -m pytest -n 0 tests/browser/view/screenshots.py
