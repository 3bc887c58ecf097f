# One command for each thing a developer, an operator's trial or CI does.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Build output lives outside the checkout, so that a fresh clone on a known machine starts warm.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/peruri-chain/target
# Test vectors are read from beside the checkout where they exist; without them those tests say so.
ifneq ($(wildcard $(CURDIR)/../shared/vectors),)
export PERURI_VECTORS ?= $(abspath $(CURDIR)/../shared/vectors)
endif

BIN := $(CARGO_TARGET_DIR)/debug

.PHONY: help deps pilot pilot-check build test soak bench fmt lint

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

deps: ## install what is missing: build packages (Debian, Ubuntu) and the npm tools of the tests
	@testnet/scripts/deps.sh build e2e

pilot: ## build, start the pilot network (3 validators, 1 transaction node), show it; stays until Ctrl-C
	@testnet/scripts/deps.sh build
	@echo "==> build"
	@cargo build --workspace --bins --tests
	@exec $(BIN)/peruri-pilot --node $(BIN)/peruri-node --out target/pilot

pilot-check: ## the same, unattended: exit 0 or 1
	@testnet/scripts/deps.sh build
	@cargo build --workspace --bins --tests
	@$(BIN)/peruri-pilot --check --node $(BIN)/peruri-node --out target/pilot

build: ## build every binary and test with the one profile that CI uses
	@cargo build --workspace --bins --tests

test: ## everything that CI runs; ends with one line "N passed, N failed, N skipped"
	@testnet/scripts/deps.sh build e2e
	@testnet/scripts/check.sh test

soak: ## the long checks at their full numbers; ends with the same line
	@testnet/scripts/deps.sh build e2e
	@testnet/scripts/check.sh soak

bench: ## measure against anvil and bare revm (release build); prints a table, JSON in target/bench
	@testnet/scripts/deps.sh build e2e
	@testnet/scripts/bench.sh

fmt: ## format the code
	@cargo fmt --all

lint: ## formatting, clippy and documentation, warnings denied
	@testnet/scripts/check.sh lint
