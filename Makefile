# make demo   the whole product with a simulated organisation, on one machine
# make test   everything that must hold before a change lands
# make help   every target

SHELL   := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:

GO      ?= go
NPM     ?= npm
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
DEMO    ?= --data data/demo
SCREENS ?= data/screens

WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path 'web/dist/*' 2>/dev/null)

.PHONY: help
help: ## print every target
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: build
build: web/dist/index.html ## bin/qrie, with everything (AWS's clients take minutes to compile the first time)
	@$(GO) build -trimpath -pgo cmd/qrie/pipeline.pgo -ldflags '$(LDFLAGS)' -o bin/qrie ./cmd/qrie

.PHONY: demo
demo: tools bin/qrie-demo ## build what the demo needs and run it
	@exec bin/qrie-demo up --demo $(DEMO)

.PHONY: bin/qrie-demo
bin/qrie-demo: web/dist/index.html
	@echo "== building qrie for the demo (without AWS's service clients)"
	$(GO) build -trimpath -tags noaws -ldflags '$(LDFLAGS)' -o bin/qrie-demo ./cmd/qrie

# The dashboard, embedded in the binary.
web/dist/index.html: web/node_modules/.installed $(WEB_SOURCES)
	@echo "== building the dashboard"
	cd web && $(NPM) run --silent build

web/node_modules/.installed: web/package-lock.json
	@echo "== installing the dashboard's packages"
	cd web && $(NPM) ci --no-audit --no-fund --loglevel=error && touch node_modules/.installed

.PHONY: tools
tools:
	@command -v $(GO) >/dev/null || { echo "qrie needs Go 1.26 or newer: https://go.dev/dl/" >&2; exit 1; }
	command -v node >/dev/null || { echo "qrie needs Node 20 or newer: https://nodejs.org/" >&2; exit 1; }
	node -e 'if (+process.versions.node.split(".")[0] < 20) { console.error("qrie needs Node 20 or newer, this is " + process.version); process.exit(1) }'

.PHONY: test
test: tools check test-web test-go test-sim test-e2e ## everything

.PHONY: test-go
test-go: ## Go tests on real servers, one room at a time; what takes minutes is shortened
	@echo "== Go tests, on kinesalite, kinesis-local and DynamoDB Local"
	scripts/emulators.sh run kinesis,kinesis_local,dynamodb $(GO) test -short -p 1 -parallel 6 -timeout 20m ./...

.PHONY: test-kinesis
test-kinesis: ## the stream on a Kinesis server and DynamoDB Local, each in a process of its own
	@echo "== stream/kinesis on kinesalite, kinesis-local and DynamoDB Local"
	scripts/emulators.sh run kinesis,kinesis_local,dynamodb $(GO) test -count=1 -timeout 20m -parallel 6 ./stream/kinesis

.PHONY: test-dynamo
test-dynamo: ## the store's contract and fault tests on DynamoDB Local
	@echo "== store/dynamo on DynamoDB Local"
	scripts/emulators.sh run dynamodb $(GO) test -count=1 -timeout 20m ./store/dynamo

SEEDS ?= 2000
FIRST ?= 1
SEED  ?=
.PHONY: test-sim
test-sim: ## SEEDS simulated runs of the worker from seed FIRST on; SEED=n runs one and prints what happens
	@scripts/simulate.sh "$(FIRST)" "$(SEEDS)" "$(SEED)"

.PHONY: test-mutants
test-mutants: ## plant each bug of a list and see that a simulation finds it within SEEDS seeds
	@GOMAXPROCS=1 GOGC=400 $(GO) test -v -count=1 -timeout 0 -run TestMutants ./simulation -mutants=. -seeds=$(SEEDS)

.PHONY: test-web
test-web: web/dist/index.html ## types, style and unit tests of the dashboard
	@echo "== dashboard: types, style, unit tests"
	cd web && $(NPM) run --silent check && $(NPM) test --silent

.PHONY: test-e2e
test-e2e: bin/qrie-demo chromium ## the dashboard in a real browser, against the real binary
	@echo "== dashboard in Chromium"
	scripts/e2e.sh bin/qrie-demo $(SCREENS)

.PHONY: chromium
chromium:
	@if [ ! -x /usr/bin/chromium ]; then
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	    echo "== installing Chromium"
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null
	  else
	    echo "the browser tests need Chromium at /usr/bin/chromium: apt-get install chromium" >&2; exit 1
	  fi
	fi

.PHONY: check
check: web/dist/index.html ## format, vet, staticcheck, import rules, generated files
	@echo "== format, vet, staticcheck, architecture, generated files"
	unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go'))
	[ -z "$$unformatted" ] || { echo "not formatted, run gofmt -w: $$unformatted" >&2; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff
	$(GO) test -count=1 -run 'TestRooms|TestProcess|TestFaults' .
	$(GO) test -count=1 -run 'TestReference|TestOpenAPIIsCommitted' ./policies ./resources ./query

.PHONY: faults
faults: ## run the tests of docs/faults.tsv and write their results into docs/reliability.md
	@scripts/emulators.sh run kinesis,kinesis_local,dynamodb scripts/faults.sh

.PHONY: race
race: ## Go tests with the race detector (all rooms but the AWS clients)
	@$(GO) test -race $$($(GO) list -tags noaws ./... | grep -v /scanners)

FUZZTIME ?= 20s
.PHONY: fuzz
fuzz: ## each fuzz test for FUZZTIME
	@for room in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do
	  for name in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$room/*_test.go | sed 's/func //'); do
	    echo "== $$room $$name"
	    $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$room
	  done
	done

.PHONY: bench
bench: ## benchmarks; the figures are in docs/performance.md
	@bash scripts/bench.sh | tee bench.txt

.PHONY: profile
profile: ## record anew where the pipeline spends its time, which make build compiles by
	@$(GO) test -tags noaws -run '^$$' -bench 'Pipeline/50000' -benchtime 400000x -cpuprofile cmd/qrie/pipeline.pgo -o /dev/null ./cmd/qrie

.PHONY: clean
clean: ## remove what was built, and nothing that was recorded
	@rm -rf bin web/node_modules bench.txt
	find web/dist -mindepth 1 -not -name .gitkeep -delete
