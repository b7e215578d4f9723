# `make help` lists what can be made.
.DEFAULT_GOAL := help
SHELL := bash
TOOLS := $(CURDIR)/.tools
export PATH := $(TOOLS)/bin:$(PATH)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

.PHONY: test
test: nextest servers toxiproxy-client junit-schema chromium lua-tools ## every test: Rust, Lua specs, whole runs of the binary, the page in a browser
	cargo nextest run --all-targets
	cargo nextest run --test page --run-ignored only
	cargo test --doc --quiet

.PHONY: check
check: lua-tools ## format, lints, docs, Lua format and types
	cargo fmt --check
	cargo clippy --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --quiet
	stylua --check lib-lua scripts
	emmylua_check --warnings-as-errors .

.PHONY: elsewhere
elsewhere: ## does it compile for FreeBSD and macOS? (with rustup, from any system; about 1 GB in target/elsewhere)
	.ci/elsewhere

.PHONY: format
format: lua-tools ## rewrite Rust and Lua in the house style
	cargo fmt
	stylua lib-lua scripts

.PHONY: trained
trained: ## the build that costs the least CPU a call: target/trained/loadrun (10 to 20 minutes)
	.ci/trained

.PHONY: bench
bench: trained ## hot paths (criterion), then the trained build beside wrk, redis-benchmark, sysbench ... (Linux)
	cargo bench
	LOADRUN=target/trained/loadrun bash benches/side_by_side/run.sh

.PHONY: nextest
nextest:
	@cargo nextest --version >/dev/null 2>&1 || $(INSTALL) cargo-nextest

# The page is tested in a real browser; LOADRUN_CHROMIUM names one that is not on the path.
.PHONY: chromium
chromium:
	@[ -n "$$LOADRUN_CHROMIUM" ] || command -v chromium chromium-browser google-chrome >/dev/null \
		|| { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } \
		|| { echo "install Chromium, or set LOADRUN_CHROMIUM to its path" >&2; exit 1; }

# The real servers that tests start for themselves; a server package's own service is not needed.
SERVERS := redis-server postgresql mariadb-server

.PHONY: servers
servers: ## the servers that tests start: Redis, PostgreSQL, MariaDB
	@export PATH="$$PATH:/usr/sbin:$$(echo /usr/lib/postgresql/*/bin | tr ' ' ':')"; \
	missing=; for server in redis-server postgres mariadbd; do \
	  command -v $$server >/dev/null || missing="$$missing $$server"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  export DEBIAN_FRONTEND=noninteractive; \
	  apt-get update -q && apt-get install -qy --no-install-recommends $(SERVERS); \
	else \
	  echo "the tests need what is not on this machine:$$missing"; \
	  echo "  Debian  sudo apt install $(SERVERS)"; \
	  echo "  Fedora  sudo dnf install valkey postgresql-server mariadb-server"; \
	  echo "  macOS   brew install redis postgresql mariadb"; \
	  exit 1; \
	fi

# They work for a second here: to optimise them takes longer than it saves.
INSTALL := CARGO_PROFILE_DEV_DEBUG=none cargo install --debug --locked --root $(TOOLS)

.PHONY: lua-tools
lua-tools:
	@command -v stylua >/dev/null || $(INSTALL) stylua --features lua54
	@command -v emmylua_check >/dev/null || $(INSTALL) emmylua_check

# Toxiproxy's Python client, for the test that drives our proxies with it.
.PHONY: toxiproxy-client
toxiproxy-client: $(TOOLS)/toxiproxy/bin/toxiproxy-0.1.1

$(TOOLS)/toxiproxy/bin/toxiproxy-0.1.1:
	@python3 -m venv $(TOOLS)/toxiproxy
	@$(TOOLS)/toxiproxy/bin/python -m pip install --quiet --disable-pip-version-check toxiproxy-python==0.1.1
	@touch $@

# Jenkins' schema of JUnit files, which pytest's sources carry, and what holds files against it.
JUNIT := $(TOOLS)/junit
PYTEST := pytest-8.4.2
PYTEST_HASH := sha256:86c0d0b93306b961d58d62a4db4879f27fe25513d4b969df351abdddb3c30e01

.PHONY: junit-schema
junit-schema: $(JUNIT)/junit-10.xsd

$(JUNIT)/junit-10.xsd:
	@python3 -m venv $(JUNIT)
	@$(JUNIT)/bin/python -m pip install --quiet --disable-pip-version-check lxml==6.1.3
	@echo "$(subst -,==,$(PYTEST)) --hash=$(PYTEST_HASH)" >$(JUNIT)/sources.txt
	@$(JUNIT)/bin/python -m pip download --quiet --disable-pip-version-check --no-deps \
		--no-binary pytest --require-hashes --requirement $(JUNIT)/sources.txt --dest $(JUNIT)
	@tar -xzOf $(JUNIT)/$(PYTEST).tar.gz $(PYTEST)/testing/example_scripts/junit-10.xsd >$@.part
	@mv $@.part $@
