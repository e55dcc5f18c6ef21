# The front door. On a bare Debian 12 each target first installs what it lacks, as root or with
# sudo. Test servers come pinned into .cache/ (or $SWITCHGEAR_CACHE).
#
#   make build            the binary: build/release/switchgear
#   make demo             builds it and shows an outage with and without a circuit
#   make test             all tests; the last line is "N passed, N failed"
#   make test-sanitize    every C++ test under Address-, UndefinedBehavior- and ThreadSanitizer
#   make bench            benchmarks; JSON under build/bench/
#   make bench-fleet      the protocol's figures in virtual time, SEEDS=n (default 20) of each;
#                         ONLY=fleet, false-trips, recovery, capacity or controller for a part
#   make bench-peers      other circuit breakers beside this one, in one run (10 to 20 minutes)
#   make bench-store      2,000 store operations/s on Redis, plain and TLS, beside other clients
#   make soak SECONDS=n   random lives of simulated fleets for n seconds (default 600)
#   make fuzz SECONDS=n   each fuzzer for n seconds (default 60); make test runs two of them
#   make format, lint     clang-format; clang-format and clang-tidy as a check
#   make lock             rewrites the lock files of the test servers
#   make prove-bare       runs `make demo` and `make test` in a fresh Debian 12
#   make clean            removes build/ (not the cache)

SHELL := /bin/sh
.DEFAULT_GOAL := build
JOBS ?= $(shell nproc)
INNER_ROOMS := core,fleet,guard,queue
INNER_TESTS := core_test fleet_test guard_test queue_test
BINARY := build/release/switchgear
# Tests that mostly wait, as lists that run beside each other, and what needs a processor but no
# clock and runs beside them: programs in virtual time, and the fuzzers of what others wrote, a
# minute each.
comma := ,
empty :=
listed = $(subst $(empty) $(empty),$(comma),$(strip $(1)))
WAITING := $(call listed,$(wildcard tests/e2e/test_*.py)) \
  $(call listed,$(wildcard tests/controller/test_*.py))
IN_VIRTUAL_TIME := build/dev:lab,lab_mutants build/asan:core,fleet,lab_seeds build/tsan:core,fleet
FUZZERS := record_fuzzer resp_fuzzer
# Sets `cache`, and lets the tests find Redis, which Debian's redis-tools has under another name.
WITH_PEERS = cache=$$(scripts/peers.sh) && export SWITCHGEAR_CACHE="$$cache" \
  PATH="$$cache/bin:$$PATH" &&
RUN_TESTS = "$$cache/py/bin/python" scripts/run_tests.py --jobs $(JOBS)

.PHONY: build demo test test-sanitize bench bench-fleet bench-peers bench-store soak fuzz format \
        lint lock prove-bare clean help packages-build packages-test

packages-build:
	@scripts/install.sh build

packages-test:
	@scripts/install.sh build test

build: packages-build
	@scripts/build.sh release

demo: build
	@$(BINARY) demo

test: packages-test
	@$(WITH_PEERS) \
	scripts/build.sh dev && scripts/build.sh release && \
	scripts/build.sh asan $(INNER_TESTS) lab_seeds_test && scripts/build.sh tsan $(INNER_TESTS) && \
	scripts/build.sh fuzz $(FUZZERS) && \
	$(RUN_TESTS) --build build/dev --build build/asan:$(INNER_ROOMS) \
	  --build build/tsan:$(INNER_ROOMS) --pytest tests $(WAITING:%=--waiting %) \
	  $(IN_VIRTUAL_TIME:%=--background-build %) $(FUZZERS:%=--fuzz build/fuzz/%)

test-sanitize: packages-test
	@$(WITH_PEERS) \
	scripts/build.sh asan && scripts/build.sh tsan && \
	$(RUN_TESTS) --limit-scale 3 --build build/asan --build build/tsan

bench: packages-build
	@scripts/install.sh bench
	@scripts/build.sh bench
	@scripts/bench.sh

bench-fleet: SEEDS = 20
bench-fleet: packages-build
	@scripts/install.sh bench
	@scripts/build.sh bench fleet_figures
	@build/bench/fleet_figures --seeds $(SEEDS) --json build/bench/fleet_figures.json $(ONLY)

# BENCH_PEERS_ARGS: see bench/peers/compare.py
bench-peers: packages-test
	@$(WITH_PEERS) \
	scripts/bench_peers.sh >/dev/null && \
	scripts/build.sh bench call_path_bench peers_paced && \
	"$$cache/py/bin/python" bench/peers/compare.py $(BENCH_PEERS_ARGS)

# BENCH_STORE_ARGS: see bench/store/redis_clients.py
bench-store: packages-test
	@$(WITH_PEERS) \
	scripts/bench_peers.sh bench-py bench-hiredis bench-go-store >/dev/null && \
	scripts/build.sh bench switchgear_ops && \
	"$$cache/py/bin/python" bench/store/redis_clients.py $(BENCH_STORE_ARGS)

soak: SECONDS = 600
soak: packages-test
	@scripts/build.sh dev lab_test
	@SWITCHGEAR_SOAK_SECONDS=$(SECONDS) build/dev/lab_test \
	  --gtest_filter=Seeds.KeepAllProperties

fuzz: SECONDS = 60
fuzz: packages-build
	@scripts/build.sh fuzz
	@scripts/fuzz.sh $(SECONDS)

format:
	@scripts/install.sh build lint
	@scripts/lint.sh --fix

lint:
	@scripts/install.sh build test lint
	@scripts/lint.sh

lock: packages-test
	@scripts/lock_peers.sh

prove-bare:
	@scripts/install.sh prove
	@scripts/prove_bare.sh

clean:
	@rm -rf build

help:
	@awk '/^#/ { sub(/^# ?/, ""); print; next } { exit }' Makefile
