# mesokit: everything here needs Go and a way to the Go module proxy, nothing else by hand.

GO    ?= go
TOOL  := $(GO) tool -modfile=tools/go.mod
COUNT ?= 6

DAYS  := $(or $(N),3000)

.PHONY: help build test unit days real real-check lint generate generate-check bench fuzz demo-check zookeeper browser external clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

build: ## build the command line tool into bin/
	$(GO) build -o bin/mesokit ./cmd/mesokit

test: lint generate-check unit external zookeeper browser demo-check real-check ## everything that CI checks

unit: ## all tests with the race detector
	$(GO) test -race -timeout 10m ./...
	$(GO) -C tools vet ./...

days: ## N (default 3000) random days of the engine's simulator, and one killed at every point
	$(GO) test ./framework/sim -count 1 -v -timeout 60m -run 'Whatever|EveryBoundary' -seeds $(DAYS) -cuts 1

# What the suites are told about a Mesos.
MESOS := $(if $(MASTER),-master $(MASTER)) $(if $(AGENT_PID),-agent-pid $(AGENT_PID)) $(if $(AGENT_WORK_DIR),-agent-work-dir $(AGENT_WORK_DIR)) \
	$(if $(ZK),-zk $(ZK)) $(if $(UNLIKE),-any-amounts)

real: ## conformance and acceptance at MASTER (AGENT_PID, AGENT_WORK_DIR, ZK; UNLIKE=1 for other agents), else at a mesokit dev
	$(GO) run ./test/real/report $(MESOS) -kills 60 -renewals 6

real-check: ## a part of make real at a mesokit dev: five cases, a dozen kills
	$(GO) run ./test/real/report -case f01,f03,f06,f07,f14

lint: ## gofmt, tidy go.mod files, go vet, staticcheck; that other systems compile
	@files=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$files" || { echo "not gofmt-ed:"; echo "$$files"; exit 1; }
	@for dir in . tools test/external test/browser; do $(GO) -C $$dir mod tidy -diff || exit 1; done
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	GOOS=darwin $(GO) build ./...
	GOOS=windows $(GO) build ./...

generate: ## write the generated code anew
	$(GO) -C tools run ./protogen -root ..

generate-check: ## fail if generated code is not current
	$(GO) -C tools run ./protogen -root .. -check

zookeeper: ## the tests that talk to a real ZooKeeper
	./scripts/zookeeper-tests.sh

browser: ## what pages in a real browser can do to our servers
	./scripts/browser-tests.sh

external: ## vet and test what needs heavy servers (etcd): a module of its own
	$(GO) -C test/external vet ./...
	$(GO) -C test/external test -race -timeout 10m ./...

demo-check: ## the demo, from the command line, as a newcomer runs it
	./scripts/demo-check.sh

bench: ## all benchmarks, for benchstat: make bench > new.txt
	$(GO) test -run '^$$' -bench . -benchmem -count $(COUNT) ./...

fuzz: ## every fuzz test for FUZZTIME (default 1m) each
	./scripts/fuzz.sh

clean: ## remove what build and bench left
	rm -rf bin bench/out
