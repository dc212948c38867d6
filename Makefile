# Everything a newcomer or CI does is a target here, and each target does the set-up that it needs.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TYPES := $(BIN)/mypy --no-error-summary .

.PHONY: help demo test explore e2e mutants attacks soak check style types workflows vulnerabilities format cluster cluster-stop benchmark benchmark-cluster benchmark-watcher benchmark-wrapper benchmark-reaper benchmark-doctor benchmark-explain benchmark-site picture recording docs docs-site requirements release clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Made again when a pin or the version changes. An interrupted run starts again from nothing.
$(VENV)/ready: requirements/dev.txt pyproject.toml webhook/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/ready ## a real Airflow pod in, the patch out, the patched command run to its end beside a proxy
	@$(BIN)/python -m demo

# The tests start some 400 programs in Python, which would each compile the webhook again.
test: export PYTHONDONTWRITEBYTECODE =
test: style ## style, types, import rules and the fast tests: what to run before each commit
	@# The tests also wait, so the types are checked beside them. Errors in types are shown at the end.
	@$(TYPES) >$(VENV)/types.txt 2>&1 & types=$$!; \
	$(BIN)/python -m pytest --numprocesses 4 --dist worksteal; tests=$$?; \
	wait $$types || { echo "$(TYPES)"; cat $(VENV)/types.txt; exit 1; }; \
	exit $$tests

explore: SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
explore: $(VENV)/ready ## search for failures: the property tests with random examples, ten times as many; SEED=n repeats a search
	@echo "make explore SEED=$(SEED) repeats this search"
	$(BIN)/python -m pytest --numprocesses 3 --timeout 0 -m hypothesis --hypothesis-profile explore --hypothesis-seed $(SEED)

e2e: $(VENV)/ready ## the tests on a real API server, node, mesh and Airflow; builds what is missing, once; needs Go, and root for pods
	$(BIN)/python -m testbed build
	@# Alone, because it compares the machine before and after. The other levels wait more than they compute.
	$(BIN)/python -m pytest tests/e2e/harness
	$(BIN)/python -m pytest --numprocesses 4 --ignore tests/e2e/harness tests/e2e

mutants: $(VENV)/ready ## change the rules, the certificate authority and the decisions of the reaper in each place, and see that a test notices; MODULE=certs.rotation alone; EVERY=10: a sample
	$(BIN)/python -m tests.mutation --every $(or $(EVERY),1) $(MODULE)

check: style types workflows vulnerabilities ## style, types, import rules, workflows and known vulnerabilities, without changing anything

style: $(VENV)/ready
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/lint-imports --no-cache --verbose > /dev/null || $(BIN)/lint-imports --no-cache

types: $(VENV)/ready
	$(TYPES)

workflows: $(VENV)/ready
	$(BIN)/zizmor --offline --quiet --no-progress .github
	@$(BIN)/python -m release.workflows

vulnerabilities: $(VENV)/ready
	@$(BIN)/python -m release.vulnerabilities

format: $(VENV)/ready ## format the code and apply safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

cluster: $(VENV)/ready ## a real Kubernetes with Istio and the webhook, to try things on; LEVEL=airflow has Airflow too; needs root
	@$(BIN)/python -m testbed start $(LEVEL)

cluster-stop: $(VENV)/ready ## end that cluster, and remove every trace of it
	@$(BIN)/python -m testbed stop

benchmark-cluster: $(VENV)/ready ## time from a task's end to its pod's end, on a real node with Istio; needs root
	@$(BIN)/python -m benchmarks.pod_ends

benchmark-watcher: $(VENV)/ready ## what watching a cluster costs the service, on a real API server; needs wrk, and Go once
	@$(BIN)/python -m benchmarks.watcher

benchmark-wrapper: $(VENV)/ready ## what the wrapper adds to a task, in each shell
	@$(BIN)/python -m benchmarks.overhead

benchmark-reaper: $(VENV)/ready ## what a pass of the reaper over 10,000 pods and its controller cost, on a real API server; needs Go, once
	@$(BIN)/python -m benchmarks.reaper

benchmark-doctor: $(VENV)/ready ## what doctor -A and report -A over 10,000 pods in 100 namespaces cost, on a stand-in API server
	@$(BIN)/python -m benchmarks.doctor

benchmark-explain: $(VENV)/ready ## what explain of one pod, and the summary of 10,000, cost on one core
	@$(BIN)/python -m benchmarks.explain

benchmark-site: $(VENV)/ready ## how soon the site shows a page in a browser, from a local server; needs chromium with its driver
	@$(BIN)/python -m benchmarks.first_paint

attacks: $(VENV)/ready ## attack a running service, and measure an honest client beside it: docs/attacks.md
	@$(BIN)/python -m tests.attacks

soak: $(VENV)/ready ## an hour of honest and hostile load through a real API server; MINUTES=5 for less; needs Go, once
	@$(BIN)/python -m tests.attacks.soak $(MINUTES)

benchmark: $(VENV)/ready ## the service and the wrapper against their peers; BESIDE=../before: and a checkout of an earlier commit; needs wrk, and Go for one of them
	$(BIN)/python -m benchmarks $(if $(BESIDE),--beside $(BESIDE))

picture: $(VENV)/ready ## draw the dashboard's panels from their own queries, on a real Prometheus under two minutes of load; needs prometheus and chromium
	@$(BIN)/python -m tests.pictures

recording: $(VENV)/ready ## record `make demo` and `explain` on a terminal again, and draw them; needs dash
	@$(BIN)/python -m tests.pictures.recordings

docs: $(VENV)/ready ## write the generated pages and manifests again; needs Helm, or Go to build it once
	$(BIN)/python -m docs.generate
	$(BIN)/python -m manifests.generate

release: docs-site ## build every file of a release into dist, the same bytes each time; IMAGE=…@sha256:… names the published image, REPOSITORY=https://… its source; needs Helm, or Go to build it once
	@$(BIN)/python -m release --site build/site $(if $(IMAGE),--image $(IMAGE)) $(if $(REPOSITORY),--repository $(REPOSITORY)) $(addprefix --image-archive ,$(IMAGE_ARCHIVES)) $(if $(TAG),--tag $(TAG))

docs-site: $(VENV)/ready ## the documentation as a site of files, in build/site: open build/site/index.html
	$(BIN)/python -m docs.site.build build/site

requirements: ## pin all dependencies again, with hashes; needs uv
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade pyproject.toml --output-file requirements/runtime.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade --extra dev --constraint requirements/runtime.txt pyproject.toml --output-file requirements/dev.txt
	cd testbed/images/airflow && uv pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_36 --only-binary :all: --generate-hashes --no-header --no-annotate --upgrade requirements.in --output-file requirements.txt
	cd testbed/images/proxy && uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade requirements.in --output-file requirements.txt
	cd testbed/images/secrets_agent && uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade requirements.in --output-file requirements.txt
	cd testbed/images/webhook_base && uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade requirements.in --output-file requirements.txt

clean: ## delete what the targets made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis mutants benchmarks/results
