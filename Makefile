# What can be done with a checkout.  Each target first installs what it needs and this machine has not.
ARGS ?=
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin
python := .venv/bin/python

.PHONY: help setup run test test-xen check bench

help: ## Say what can be done here
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 10

setup: ## Install vmwatch into .venv, and what it needs
	@deploy/setup.sh run

run: ## Watch this machine's guests, or a demonstration; ARGS="--web.listen-address=:9000" is passed on
	@deploy/setup.sh run
	@exec .venv/bin/vmwatch run --or-demo $(ARGS)

test: ## Run all tests; ARGS="tests/traces -k panic" runs some
	@deploy/setup.sh test
	@$(python) -m pytest $(ARGS)

test-xen: ## Run the tests on a real Xen host, which is built (by root, with debootstrap) and interpreted: minutes
	@deploy/setup.sh xen
	@VMWATCH_TEST_XEN=1 $(python) -m pytest tests/xen $(ARGS)

check: ## Check format, lint and types
	@deploy/setup.sh check
	@$(python) -m ruff format --check .
	@$(python) -m ruff check .
	@$(python) -m mypy

bench: ## Measure, and write the figures to tests/bench/RESULTS.md
	@deploy/setup.sh test
	@$(python) -m tests.bench $(ARGS)
