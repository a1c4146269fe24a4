# Every command of the project. `make` alone lists them.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
APP     := build/app
AZURE   := build/azure
ZIP     := build/app.zip
# QuickJS is C made into Go: with the race detector in it, it is twenty times as slow, and no race of ours is in it.
NORACE  := modernc.org/...=-race=false
ACTIONS := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
COMPOSE := github.com/compose-spec/compose-go/v2/cmd@v2.16.2
# What looks at the built binary from outside, which is without the race detector; and every case of the sandbox, for which it is too slow.
UNRACED := ./test/... ./adapters/javascript
LINT    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.DEFAULT_GOAL := help
.PHONY: help run build package zip test check tools lint lint-infra release bench faults fuzz

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## serve on 127.0.0.1:8080 and keep the events in ./data
	@build/handler

build: ## build the binary, build/handler
	@CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o build/handler ./handler

package: ## stage the Functions app in build/app: what is published, zipped and tested
	@rm -rf $(APP) && mkdir -p $(APP)
	@CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(APP)/handler ./handler
	@cp host.json $(APP)/
	@for file in functions/*/function.json; do \
		mkdir -p "$(APP)/$$(basename "$$(dirname "$$file")")" && cp "$$file" "$(APP)/$$(basename "$$(dirname "$$file")")/" || exit 1; \
	done

zip: ## build the app for Azure and pack it in build/app.zip: what is published
	@GOOS=linux GOARCH=amd64 $(MAKE) -s package APP='$(AZURE)'
	@go run ./infra/zip '$(AZURE)' '$(ZIP)'

test: tools check package ## run every test, with the servers they use; installs what they need
	@rm -f build/faults.rows
	EVENTSTORE_TEST_APP='$(abspath $(APP))' EVENTSTORE_FAULTS='$(abspath build/faults.rows)' EVENTSTORE_TEST_SEED="$${SEED:-1}" go run ./test/servers/with \
		sh -c "go test -race -gcflags='$(NORACE)' -timeout 14m \$$(go list ./... | grep -v /test/) && go test -timeout 14m $(UNRACED)"
	@go run ./test/faults/run -draw build/faults.rows

check: ## formatting and go vet
	@unformatted="$$(gofmt -l $$(go list -f '{{.Dir}}' ./...))"; [ -z "$$unformatted" ] || { echo "run gofmt -w on: $$unformatted"; exit 1; }
	go vet ./...

tools: ## install what the tests need: npm and Debian packages
	@sh test/tools.sh

lint: ## the linters of .golangci.yml (the first run builds them, about a minute)
	go run $(LINT) run

lint-infra: ## check workflows and the compose file with their own tools (the first run builds them)
	go run $(ACTIONS)
	go run $(COMPOSE) infra/docker/compose.yaml >/dev/null

release: zip ## build every system's binary and the function app in build/release
	@rm -rf build/release && mkdir -p build/release && cp '$(ZIP)' build/release/eventstore-functions.zip
	@for target in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64; do \
		os=$${target%/*}; arch=$${target#*/}; ending=; [ $$os != windows ] || ending=.exe; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' \
			-o build/release/eventstore-$$os-$$arch$$ending ./handler || exit 1; \
	done

bench: tools ## measure what the design promises beside its peers, and draw docs/benchmarks.md; LONG=1 takes an hour
	go run ./test/bench $(if $(LONG),-long)
	go run ./test/bench/plots

faults: tools package ## inject faults into everything, and report what was lost (nothing); SEED=… repeats a run, SHORT=1 is quick
	EVENTSTORE_TEST_APP='$(abspath $(APP))' go run ./test/faults/run $(if $(SEED),-seed $(SEED)) $(if $(SHORT),-short)

FUZZTIME := 10s
fuzz: ## fuzz everything that parses what comes from outside, FUZZTIME=10s each
	@for file in $$(grep -rl --include='*_test.go' '^func Fuzz' adapters core handler); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z]*\)(.*/\1/p' $$file); do \
			echo "$$target ($$file)" && go test "./$$(dirname $$file)" -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) || exit 1; \
		done; \
	done
