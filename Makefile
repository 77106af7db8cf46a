# `make` lists what there is; docs/ says more about each.

TARGET := $(or $(CARGO_TARGET_DIR),target)
PROGRAMS := $(TARGET)/debug
WORKERS ?= 1
MINUTES ?= 2
COMPOSE = $(shell if docker compose version >/dev/null 2>&1; then echo docker compose; else command -v docker-compose; fi)

.DEFAULT_GOAL := help
.PHONY: help demo test test-real up storm storm-small routing bench abuse fuzz torture lint ci setup build build-release compose-check

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

demo: setup build ## send real alerts through the whole system and show what became of each
	@$(PROGRAMS)/stack demo

test: setup build ## run all tests on a private RabbitMQ and Postgres
	@if cargo nextest --version >/dev/null 2>&1; then \
	    cargo test --workspace --doc && $(PROGRAMS)/stack with -- cargo nextest run --workspace; \
	else \
	    $(PROGRAMS)/stack with -- cargo test --workspace; \
	fi

# What needs a real server is behind features that no other command turns on.
test-real: setup build ## run the tests that need a real ITSM server, on a private Request Tracker
	@dev/setup.sh request-tracker
	@cargo test -p stack --features request-tracker --test request_tracker
	@$(PROGRAMS)/stack with --request-tracker -- \
	    cargo test -p worker --features real-itsm --test contract --test system request_tracker -- --nocapture

up: setup build ## run the stack until Ctrl-C; WORKERS=3 for three workers, BARE=1 without worker and ingest
	@$(PROGRAMS)/stack up --workers $(WORKERS) $(if $(filter-out 0,$(BARE)),--bare)

storm: setup build-release ## send 10,000 alerts of one outage, with and without a limit of tickets, and count the calls
	@$(TARGET)/release/stack storm

# Small enough for every change; the verdict is the same.
storm-small: setup build ## the same with 300 alerts and a debug build
	@$(PROGRAMS)/stack storm --alerts 300 --seconds 3 --limit 10 --latency-ms 20

routing: setup build-release ## measure intake with one route and with 500, in turns
	@$(TARGET)/release/stack routing

bench: setup build-release ## measure a release build and write target/bench.json
	@$(TARGET)/release/stack bench

torture: setup build ## attack the system for MINUTES=2 with the faults of SEED=…, and judge what became of every alert
	@$(PROGRAMS)/torture run --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

abuse: setup build ## attack ingest over real sockets and the worker by the texts of alerts, and say what was tried
	@log=$(TARGET)/abuse.log; \
	$(PROGRAMS)/stack with -- sh -c 'cargo test --quiet -p ingest --test abuse -- --nocapture --test-threads 2 && \
	    cargo test --quiet -p worker --test system injection -- --nocapture' >$$log 2>&1; \
	status=$$?; grep -ao 'abuse: .*' $$log | sort; [ $$status -eq 0 ] || tail -n 50 $$log; exit $$status

fuzz: ## send random input to whatever reads a stranger's; SECONDS=300 for five minutes for each target
	@SECONDS_EACH=$(or $(SECONDS),60) dev/fuzz/run.sh

lint: ## check formatting and lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features stack/request-tracker,worker/real-itsm -- -D warnings

# The same faults each time, so that a failure is the fault of the change.
ci: ## everything that has to pass before a change lands, with the time of each step
	@for step in lint test test-real compose-check demo storm-small torture; do \
	    echo "ci: $$step"; begin=$$(date +%s); \
	    $(MAKE) --no-print-directory SEED=$(or $(SEED),1) $$step || { echo "ci: $$step failed"; exit 1; }; \
	    echo "ci: $$step passed in $$(($$(date +%s) - begin)) s"; \
	done

setup:
	@dev/setup.sh

build:
	cargo build --workspace

build-release:
	cargo build --workspace --release

# A machine without compose can do everything else.
compose-check:
	@if [ -n "$(COMPOSE)" ]; then $(COMPOSE) config -q && echo "docker-compose.yml parses"; \
	else echo "docker-compose.yml not checked: compose is not installed"; fi
