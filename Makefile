# Needs Go, make and a C compiler (the race detector). Everything else comes
# through the Go module cache; the gate's tools are pinned in tools.mod.

GO      ?= go
TOOL     = $(GO) tool -modfile=tools.mod
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# Tests read real feed documents where there are some, and say so where not.
CORPUS := $(wildcard ../shared/data)
ifneq ($(CORPUS),)
export TOCSIN_CORPUS ?= $(abspath $(CORPUS))
endif

PLATFORMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
FUZZTIME ?= 30s

.PHONY: test gate vuln bench bench-peers torture interop fuzz build dist clean

# These packages do no input or output and start nothing. What goroutines may share
# of them is in tests called AtOnce.
PURE = ./pipeline/watchlist/... ./pipeline/fold ./feeds/extract

test: gate ## the gate, then every test in random order, with the race detector where something runs at once
ifndef TOCSIN_CORPUS
	@echo "TOCSIN_CORPUS is not set and ../shared/data does not exist: tests on collected feeds are skipped"
endif
	$(GO) test -race -shuffle=on -timeout 20m -parallel 6 ./pipeline ./cmd/tocsin $$($(GO) list ./... | grep -vxF "$$($(GO) list $(PURE))")
	$(GO) test -shuffle=on $(PURE)
	$(GO) test -race -run AtOnce $(PURE)

gate: ## format, vet, old idioms, staticcheck
	@unformatted=$$($(TOOL) gofumpt -l .) || exit 1; \
	if [ -n "$$unformatted" ]; then echo "not formatted; run $(TOOL) gofumpt -w ."; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags interop ./cmd/tocsin ./notifiers
	$(GO) fix -diff ./...
	$(TOOL) staticcheck ./...

vuln: ## known vulnerabilities; fails where the database cannot be reached
	@out=$$($(TOOL) govulncheck ./... 2>&1); status=$$?; echo "$$out"; \
	case "$$out" in *"fetching vulnerabilities"*) echo "vuln: nothing was checked, because the database cannot be reached";; esac; \
	exit $$status

bench: ## benchmarks; docs/benchmarks.md says what each figure is
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-peers: ## the matching engine beside Hyperscan, on the same text: needs apt-get, dpkg-deb and a C++ compiler
	pipeline/watchlist/engine/testdata/peers/run.sh build/peers

KILLS ?= 120

torture: ## the real binary killed KILLS times under faulty providers, then the controls
	TOCSIN_THOROUGH=1 $(GO) test -count=1 -timeout 30m ./pipeline
	TOCSIN_KILLS=$(KILLS) $(GO) test -count=1 -timeout 90m -run TestKilledProcesses -v ./cmd/tocsin
	@for off in lookup repeat; do \
		echo "control: $$off switched off"; \
		TOCSIN_OFF=$$off TOCSIN_KILLS=20 $(GO) test -count=1 -timeout 20m -run TestKilledProcesses -v ./cmd/tocsin || exit 1; \
	done

interop: ## the real binary against programs that we did not write: as root on Debian, see docs/interop.md
	$(GO) vet -tags interop ./cmd/tocsin ./notifiers
	$(TOOL) staticcheck -tags interop ./cmd/tocsin ./notifiers
	$(GO) test -tags interop -count=1 -timeout 20m -run '^TestInterop$$' -v ./cmd/tocsin ./notifiers

fuzz: ## every fuzz target for FUZZTIME
	@for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done

build: ## a static binary for this machine
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" ./cmd/tocsin

dist: ## static binaries for PLATFORMS with checksums, in dist/
	rm -rf dist && mkdir dist
	@for platform in $(PLATFORMS); do \
		os=$${platform%/*} arch=$${platform#*/}; name=tocsin-$(VERSION)-$$os-$$arch; \
		if [ $$os = windows ]; then name=$$name.exe; fi; \
		echo dist/$$name; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch $(GO) build -trimpath \
			-ldflags "-s -w -X main.version=$(VERSION)" -o dist/$$name ./cmd/tocsin || exit 1; \
	done
	cd dist && { sha256sum tocsin-* 2>/dev/null || shasum -a 256 tocsin-*; } > SHA256SUMS

clean:
	rm -rf dist tocsin
