# The PostgreSQL integration for Plakar. "make help" lists the targets.

SHELL   := /bin/sh
VERSION ?= v0.2.0
GO      ?= go
GOOS    ?= $(shell $(GO) env GOOS)
GOARCH  ?= $(shell $(GO) env GOARCH)

CACHE   := $(CURDIR)/.cache
# The user's own plakar, else the one that is built for the tests.
PLAKAR  ?= $(or $(shell command -v plakar 2>/dev/null),$(CACHE)/plakar)

NAME     := postgresql
BINARIES := $(notdir $(patsubst %/,%,$(wildcard cmd/*/)))
PACKAGE  := $(NAME)_$(VERSION)_$(GOOS)_$(GOARCH).ptar

# The tests drive the plakar that tests/plakar pins, unless PLAKAR was given.
ifeq ($(origin PLAKAR),file)
TEST_PLAKAR := $(CACHE)/plakar
else
TEST_PLAKAR := $(PLAKAR)
endif
# Tests run here, whatever GOOS and GOARCH say.
HOST_OS      := $(shell $(GO) env GOHOSTOS)
HOST_ARCH    := $(shell $(GO) env GOHOSTARCH)
TEST_VERSION := v0.0.1-test
# A package that is given is not built again.
PLAKAR_PKG   ?=
TEST_PACKAGE := $(or $(PLAKAR_PKG),$(CURDIR)/$(NAME)_$(TEST_VERSION)_$(HOST_OS)_$(HOST_ARCH).ptar)
TEST_ENV      = PLAKAR="$(TEST_PLAKAR)" PLAKAR_PKG="$(TEST_PACKAGE)"
UNIT          = $$($(GO) list ./... | grep -v /tests/)

# Servers in containers: the image of a major version, and which versions.
IMAGE     ?= postgres:%d
MAJORS    ?= 15 16 17 18
TESTFLAGS ?=

GOLANGCI_VERSION := v2.12.2
GOLANGCI         := $(CACHE)/bin/golangci-lint-$(GOLANGCI_VERSION)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help build package install uninstall reinstall demo test test-long unit-test e2e fuzz integration-test \
	test-tools test-package test-package-name engine testdb lint bench clean FORCE

help: ## list the targets
	@echo "targets:"
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
		awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'
	@echo "variables:"
	@echo "  VERSION=$(VERSION)  PLAKAR=$(PLAKAR)  GOOS=$(GOOS)  GOARCH=$(GOARCH)"
	@echo "  IMAGE=$(IMAGE)  MAJORS='$(MAJORS)'  TESTFLAGS=$(TESTFLAGS)  (integration-test)"

build: $(BINARIES) ## build the plugin's programs (GOOS and GOARCH choose the platform)

$(BINARIES): FORCE
	CGO_ENABLED=0 GOOS=$(GOOS) GOARCH=$(GOARCH) $(GO) build -trimpath -buildvcs=false -ldflags='-s -w' -o '$@' './cmd/$@'

FORCE:

# plakar writes caches even to make a package: it gets a home for the moment.
package: build $(PLAKAR) ## make the package postgresql_VERSION_GOOS_GOARCH.ptar
	@rm -f '$(PACKAGE)'
	@home=$$(mktemp -d) && trap 'rm -rf "$$home"' EXIT && \
	plakar() { env -u XDG_CACHE_HOME -u XDG_CONFIG_HOME -u XDG_DATA_HOME HOME="$$home" \
		GOOS=$(GOOS) GOARCH=$(GOARCH) '$(PLAKAR)' "$$@"; } && \
	plakar -disable-security-check >/dev/null && plakar pkg create ./manifest.yaml '$(VERSION)'
	@test -f '$(PACKAGE)'

install: package ## install the package into your plakar
	'$(PLAKAR)' pkg add './$(PACKAGE)'

uninstall: ## remove the package from your plakar
	'$(PLAKAR)' pkg rm '$(NAME)'

reinstall: package ## replace the package in your plakar
	-'$(PLAKAR)' pkg rm '$(NAME)'
	'$(PLAKAR)' pkg add './$(PACKAGE)'

# Only this path is a target of ours; a plakar from elsewhere exists already.
$(CACHE)/plakar: tests/plakar/go.mod tests/plakar/go.sum
	tests/setup/plakar.sh

demo: ## back up and restore a throw-away server, with every command shown
	tests/demo/demo.sh

test-tools: $(TEST_PLAKAR)
	tests/setup/postgres.sh

test-package: $(TEST_PLAKAR)
ifeq ($(PLAKAR_PKG),)
	@$(MAKE) -s package VERSION=$(TEST_VERSION) PLAKAR='$(TEST_PLAKAR)' GOOS=$(HOST_OS) GOARCH=$(HOST_ARCH)
endif

test-package-name:
	@echo '$(TEST_PACKAGE)'

# go vet has all of what go test would vet once more.
test: test-tools test-package ## set up what is missing, vet, unit tests, end-to-end tests on one server version
	$(GO) vet ./...
	$(MAKE) -s unit-test
	$(TEST_ENV) $(GO) test -count=1 -vet=off -timeout 60m ./tests/...

test-long: ## everything, on every server version, with the newest client tools and in containers, and fuzzing: hours
	PG_LONG=true .ci/run

# The race detector needs a C compiler. What has much data runs in part with it, and whole without.
unit-test: ## the tests that need neither plakar nor a whole cluster
	@race=; if command -v "$$($(GO) env CC)" >/dev/null 2>&1; then race=-race; export CGO_ENABLED=1; fi; \
	set -x; $(GO) test $$race -short -vet=off -timeout 10m $(UNIT) && \
	CGO_ENABLED=0 $(GO) test -vet=off -timeout 10m ./importer/wal

E2E ?= ./tests/e2e/... ./tests/faults/...

e2e: test-tools test-package ## end-to-end tests on one server version (PG_MAJOR=17, TESTFLAGS)
	$(TEST_ENV) $(GO) test -count=1 -vet=off -timeout 60m $(TESTFLAGS) $(E2E)

engine:
	@tests/setup/container.sh '$(IMAGE)'

# Every target, for so long each; "make test" runs the inputs that are kept in the tree.
FUZZTIME ?= 1m

fuzz: ## look for inputs that break what reads them (FUZZTIME=1m for each target)
	@for pkg in $(UNIT); do \
		listed=$$($(GO) test -list '^Fuzz' $$pkg) || exit 1; \
		for target in $$(printf '%s\n' "$$listed" | grep '^Fuzz'); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done

# all, or those that call harness.AlsoInContainers: marked
CONTAINER_TESTS ?= all

integration-test: engine test-package ## end-to-end tests with servers in containers (IMAGE, MAJORS, CONTAINER_TESTS, TESTFLAGS)
	@bindirs=$$(tests/setup/container.sh '$(IMAGE)' $(MAJORS)) || exit 1; \
	image=$$(printf '%s' '$(IMAGE)' | sed 's/%d/$(lastword $(MAJORS))/g'); \
	(cd tests/container && PGCONTAINER_IMAGE=$$image $(GO) test -count=1 ./...) || exit 1; \
	for major in $(MAJORS); do \
		echo "== PostgreSQL $$major in containers of $(IMAGE)"; \
		$(TEST_ENV) PG_IMAGE='$(IMAGE)' PG_BINDIRS="$$bindirs" PG_MAJOR=$$major PG_CONTAINER_TESTS=$(CONTAINER_TESTS) \
			$(GO) test -count=1 -vet=off -timeout 60m $(TESTFLAGS) ./tests/e2e/... ./tests/faults/... || exit 1; \
	done

testdb: ## a throw-away server on port 9999, until Ctrl-C (PG_MAJOR, PORT, IMAGE)
	tests/setup/testdb.sh

# A cache of this tree alone: findings carry paths, which the exclusions match.
lint: $(GOLANGCI) ## golangci-lint, as .golangci.yml says
	GOLANGCI_LINT_CACHE='$(CACHE)/golangci-lint' '$(GOLANGCI)' run ./...
	cd tests/container && GOLANGCI_LINT_CACHE='$(CACHE)/golangci-lint' '$(GOLANGCI)' run ./...

$(GOLANGCI):
	@mkdir -p '$(CACHE)/bin'
	GOBIN='$(CACHE)/bin' GOOS=$(HOST_OS) GOARCH=$(HOST_ARCH) CGO_ENABLED=0 $(GO) install \
		github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv '$(CACHE)/bin/golangci-lint' '$@'

BENCH  ?= .
ROUNDS ?= 3

bench: test-package ## measure against the tools under it, and write docs/benchmarks.* (BENCH=Logical/D4, ROUNDS=3)
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m ./manifest
	$(TEST_ENV) $(GO) test -run '^$$' -bench '$(BENCH)' -benchtime 1x -timeout 180m ./tests/bench -write -rounds $(ROUNDS)

clean: ## remove what was built, but not the tools in .cache
	rm -f $(BINARIES) $(NAME)_*.ptar
