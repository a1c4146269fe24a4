# Every command of the project. `make` alone lists them.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
APP     := build/app
AZURE   := build/azure
ZIP     := build/app.zip
# QuickJS is C made into Go: with the race detector in it, it is twenty times as slow, and no race of ours is in it.
NORACE  := modernc.org/...=-race=false
LINT    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.DEFAULT_GOAL := help
.PHONY: help run build package zip test check tools lint bench faults

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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
	EVENTSTORE_TEST_APP='$(abspath $(APP))' EVENTSTORE_FAULTS='$(abspath build/faults.rows)' EVENTSTORE_TEST_SEED="$${SEED:-$$(date +%s)}" go run ./test/servers/with \
		go test -race -gcflags='$(NORACE)' -timeout 14m ./...
	@go run ./test/faults/run -draw build/faults.rows
	go test ./adapters/javascript # every case: QuickJS is too slow for them under the race detector

check: ## formatting and go vet
	@unformatted="$$(gofmt -l $$(go list -f '{{.Dir}}' ./...))"; [ -z "$$unformatted" ] || { echo "run gofmt -w on: $$unformatted"; exit 1; }
	go vet ./...

tools: ## install what the tests need: npm and Debian packages
	@sh test/tools.sh

lint: ## the linters of .golangci.yml (the first run builds them, about a minute)
	go run $(LINT) run

bench: ## measure what the design promises, as ratios in one run
	go run ./test/bench

faults: tools package ## inject faults into everything, and report what was lost (nothing); SEED=… repeats a run, SHORT=1 is quick
	EVENTSTORE_TEST_APP='$(abspath $(APP))' go run ./test/faults/run $(if $(SEED),-seed $(SEED)) $(if $(SHORT),-short)
