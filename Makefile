# SPDX-License-Identifier: Apache-2.0
# The front door; the build itself is CMake's. `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

BUILD := build
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
EXAMPLEDIR ?= $(PREFIX)/share/doc/bulkhead/examples
T ?= 60

.PHONY: all
all: ## build release binaries into build/
	@tools/install-deps build
	@tools/build release

.PHONY: demo
demo: ## a small estate run from a Console: who was let through, who was not, by which rule (root)
	@tools/install-deps test
	@tools/build release
	@BULKHEAD_BUILD=$(CURDIR)/$(BUILD) demo/run

.PHONY: demo-standalone
demo-standalone: ## the same estate run from files on each host, without a Console (root)
	@tools/install-deps test
	@tools/build release
	@BULKHEAD_BUILD=$(CURDIR)/$(BUILD) demo/run-standalone

.PHONY: check
check: ## every test: unit, property, fuzz corpora, BPF, end to end (root); ends with the counts
	@tools/install-deps test
	@tools/check

.PHONY: check-console-faults
check-console-faults: ## the long tests of the Console's faults: 100 kills, 10,000 idle clients, fuzzing (root)
	@tools/install-deps test
	@tools/build release
	@tools/build debug
	@CONSOLE_FAULTS=long BULKHEAD_BUILD=$(CURDIR)/$(BUILD) /usr/bin/python3 -B -m pytest -p no:cacheprovider -ra \
		tests/e2e/console/test_faults.py

.PHONY: lint
lint: ## format, static analysis, layering, house rules
	@tools/install-deps lint
	@tools/lint

.PHONY: bench
bench: ## measure: a table and build/bench.json (root)
	@tools/install-deps bench
	@tools/build release
	@BULKHEAD_BUILD=$(CURDIR)/$(BUILD) tests/bench/run --json $(BUILD)/bench.json

.PHONY: bench-console
bench-console: ## load on the Console, SQLite and PostgreSQL: a table and build/bench-console.json (root)
	@tools/install-deps bench
	@tools/build release
	@cmake --build $(BUILD) --target console_bench_tools
	@BULKHEAD_BUILD=$(CURDIR)/$(BUILD) tests/bench/console_run --json $(BUILD)/bench-console.json $(BENCH)

.PHONY: fuzz
fuzz: ## every fuzz target for T seconds each: make fuzz T=60
	@tools/install-deps fuzz
	@tools/build fuzz
	@tools/fuzz $(T)

.PHONY: check-kernels
check-kernels: ## the same programs on Debian's kernels 5.10, 6.1 and 6.12, in emulation (root)
	@tools/install-deps kernels
	@tools/build release
	@tests/kernels/run all

.PHONY: check-bare
check-bare: ## the README's commands on a Debian 12 with nothing installed, made for it and removed again (root)
	@tools/install-deps bare
	@tests/bare/run

.PHONY: install
install: ## install under $(DESTDIR)$(PREFIX) what `make` has built
	@test -x $(BUILD)/bulkhead-enforcer -a -x $(BUILD)/bulkhead -a -x $(BUILD)/bulkhead-console || { echo "run 'make' first" >&2; exit 1; }
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' UNITDIR='$(UNITDIR)' MANDIR='$(MANDIR)' \
		COMPLETIONDIR='$(COMPLETIONDIR)' EXAMPLEDIR='$(EXAMPLEDIR)' BUILD='$(BUILD)' tools/install install

.PHONY: uninstall
uninstall: ## remove what install put there; configuration and state stay
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' UNITDIR='$(UNITDIR)' MANDIR='$(MANDIR)' \
		COMPLETIONDIR='$(COMPLETIONDIR)' EXAMPLEDIR='$(EXAMPLEDIR)' BUILD='$(BUILD)' tools/install uninstall

.PHONY: install-deps
install-deps: ## install every Debian package that any target needs (root)
	@tools/install-deps build test lint fuzz bench kernels bare

.PHONY: format
format: ## rewrite C sources with clang-format
	@tools/install-deps lint
	@tools/lint --fix-format

.PHONY: clean
clean: ## remove build/
	rm -rf $(BUILD)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
