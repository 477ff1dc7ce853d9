# Everything needs only Python >= 3.11 and make; nothing is downloaded outside pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What the demo and the UI need, and what tests, lint and everything else need beside it.
USABLE := $(VENV)/.usable
READY := $(VENV)/.ready
SCALE ?= 1
EMR_SCALE ?= 0.1
SEEDS ?= 20
PORT ?= 3000
# Test processes at once: one more than cores, for a test also waits; each may start a Java of a gigabyte.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(max(2, min(4, 1 + (os.cpu_count() or 1))))')
TORCH ?= torch
# An environment has a Dagster home of its own.
export DAGSTER_HOME ?= $(CURDIR)/.dagster$(if $(PIPELINE_ENVIRONMENT),/environments/$(PIPELINE_ENVIRONMENT))
# Every process would compile what it imports, three seconds for the graph: uv installs no bytecode.
export PYTHONDONTWRITEBYTECODE :=
# After a demo the daily tables start with its samples, unless somebody says when.
SINCE := [ -n "$$PIPELINE_RENTALS_START" ] || [ ! -f "$$DAGSTER_HOME/sample_start" ] \
	|| { read -r PIPELINE_RENTALS_START < "$$DAGSTER_HOME/sample_start"; export PIPELINE_RENTALS_START; }

.PHONY: help demo demo-emr demo-athena athena-check dev look test lint format docs snapshots lock audit bench bench-quick chaos mutants clean deploy-check image-check site test-daemon test-dynalite test-engines test-machines test-trainers

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

# uv takes a third of pip's time; where it finds no packages, as behind an index that only pip is told of, pip installs.
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url

define install
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| (echo "Python 3.11 or later is needed; say which: make PYTHON=python3.11" && exit 1)
@echo "Installing into $(VENV): $(2); minutes at most, once."
@$(PYTHON) -m venv $(VENV)
@($(PIP) --no-deps --require-hashes -r constraints/installer.txt \
	&& $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r $(1)) \
	|| $(PIP) --no-deps --require-hashes -r $(1)
@$(PIP) --no-deps --no-build-isolation -e .
@touch $@
endef

$(USABLE): pyproject.toml constraints/demo.txt constraints/installer.txt
	$(call install,constraints/demo.txt,1.5 GB on disk)

$(READY): pyproject.toml constraints.txt constraints/installer.txt
	$(call install,constraints.txt,2.5 GB on disk)
	@touch $(USABLE)

demo: $(USABLE) ## write sample landing files and a Postgres, bring the whole graph up to date, say what was made
	$(BIN)/python -m pipeline_assets.command.demo --scale $(SCALE)

demo-emr: $(READY) ## the whole graph through EMR steps, then EMR Serverless, on a double of Amazon in this process
	DAGSTER_HOME="$$PWD/.dagster-emr" PIPELINE_LANDING_URI=.dagster-emr/landing \
		$(BIN)/python -m pipeline_assets_tests.demo_emr --scale $(EMR_SCALE)

demo-athena: $(READY) ## the graph with its filter, rankings and metric on a double of Athena in this process
	DAGSTER_HOME="$$PWD/.dagster-athena" PIPELINE_LANDING_URI=.dagster-athena/landing \
		$(BIN)/python -W ignore -m pipeline_assets_tests.demo_athena --scale $(EMR_SCALE)

athena-check: $(READY) ## assets of a lake on AWS, on Athena beside the embedded engine; publishes nothing; ASSETS="…" for some
	$(BIN)/python -W ignore -m pipeline_assets_tests.athena_check $(ASSETS)

dev: $(USABLE) ## the Dagster UI on the same lake, on port 3000 or another: make dev PORT=3001
	@$(SINCE); $(BIN)/pipeline-assets doctor --ui-port $(PORT)
	@echo "The UI: http://127.0.0.1:$(PORT); stop it with Ctrl-C"
	@$(SINCE); PYTHONWARNINGS="ignore:Function,ignore:Class,ignore:Parameter,ignore:Asset job" \
		$(BIN)/dg dev --port $(PORT) --log-level error --code-server-log-level error

look: $(USABLE) ## the UI without sensors, for runs that are over, such as those of demo-emr and demo-athena
	@echo "The UI: http://127.0.0.1:$(PORT); stop it with Ctrl-C"
	@$(BIN)/dagster-webserver --port $(PORT) --dagster-log-level error --code-server-log-level error \
		--uvicorn-log-level error

test: $(READY) ## run every test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-daemon: $(READY) ## deliver to a lake in S3 and let Dagster's own daemon make everything, once
	$(BIN)/python -m pytest -m daemon -n 4

test-machines: $(READY) ## the demo and the UI in clones on machines like those of newcomers; see docs/machines.md
	$(BIN)/python -m pytest -m machines

test-trainers: $(READY) ## read exported releases with RecBole, FuxiCTR and datasets; installs them, some GB with torch, once
	@for it in "recbole $(TORCH) recbole==1.2.1 numpy<2 pandas<3 setuptools<81" \
		"fuxictr $(TORCH) fuxictr==2.3.10 torch-rechub==0.9.0 aiohttp" "datasets datasets==5.2.0"; do \
		set -- $$it; home=.trainers/$$1; shift; [ -f $$home/ready ] && continue; \
		$(PYTHON) -m venv $$home && $$home/bin/python -m pip install --quiet "$$@" && touch $$home/ready || exit 1; \
	done
	$(BIN)/python -m pytest -m trainers

# From 1.0.3 on the package has a runtime without its HTTP client, which catalogs are asked with.
test-engines: $(READY) ## open the lake with Spark 3.5 by the URL of its catalog; installs it with Iceberg's runtime, once
	@home=.engines/spark; [ -f $$home/ready ] || { $(PYTHON) -m venv $$home && $$home/bin/python -m pip install --quiet \
		pyspark==3.5.7 snowpark-connect-deps-iceberg==1.0.2 setuptools && touch $$home/ready; }
	$(BIN)/python -m pytest -m engines

test-dynalite: $(READY) ## publish rows by key to dynalite, beside moto; installs it by npm, once
	[ -d .dynalite/node_modules/dynalite ] || npm install --silent --prefix .dynalite dynalite@4.0.0
	$(BIN)/python -m pytest -m dynalite

lint: $(READY) ## ruff, mypy, who may import whom, and whether Dagster loads the definitions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	DAGSTER_DISABLE_TELEMETRY=1 $(BIN)/dg check defs
	DAGSTER_DISABLE_TELEMETRY=1 $(BIN)/dg list defs >/dev/null

format: $(READY) ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

deploy-check: $(READY) ## lint templates and image, create the stacks on a stand-in for AWS; installs its tools once
	deploy/check.sh $(BIN)/python

image-check: ## the steps of the Dockerfile in a bare virtual environment, as far as the web server's answer
	deploy/check_image.sh $(PYTHON)

docs: $(READY) ## renew the generated pages of docs/
	$(BIN)/python -m pipeline_assets.command.docs
	$(BIN)/python -m pipeline_assets_tests.dependencies.licences
	$(BIN)/python -m pipeline_assets_tests.deploy.page
	$(BIN)/python -m pipeline_assets_tests.engines.page

site: $(READY) ## the documentation as a site in site/; look at it with: python3 -m http.server -d site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lock: $(USABLE) ## renew what is pinned after a change of pyproject.toml; versions that still fit stay
	$(LOCK) pyproject.toml --extra dev -o constraints.txt
	$(LOCK) pyproject.toml --extra demo -c constraints.txt -o constraints/demo.txt
	$(LOCK) --group installer -c constraints.txt -o constraints/installer.txt
	$(LOCK) pyproject.toml --extra serve --group build -c constraints.txt -o deploy/requirements.txt

audit: $(READY) ## ask the public registry whether a pinned package has a known vulnerability; needs the internet
	$(BIN)/pre-commit run --hook-stage manual audit --all-files

snapshots: $(READY) ## renew what tests compare with after an expected change: generated pages, the graph
	$(BIN)/python -m pipeline_assets.command.docs
	$(BIN)/python -m pytest -q --update-snapshots pipeline_assets_tests/test_definitions.py
	git diff --stat -- docs pipeline_assets_tests

bench: $(READY) ## side-by-side timings against hand-written peers; see benchmarks/README.md
	$(BIN)/python -m benchmarks

bench-quick: $(READY) ## those timings that can be had in five minutes on two cores
	$(BIN)/python -m benchmarks --quick

chaos: $(READY) ## kill updates, spoil S3's answers, fill the disk: many seeds; see benchmarks/README.md
	$(BIN)/python -W ignore -m pipeline_assets_tests.chaos --seeds $(SEEDS)

mutants: $(READY) ## break the rules of what has to be made, one by one, and see whether a test notices; see docs/testing.md
	$(BIN)/mutmut run --max-children 2
	$(BIN)/mutmut results

clean: ## remove the environment, the sample landing zone and the local lake
	@case "$$(readlink .dagster/postgres)" in \
		/var/lib/pipeline-assets/postgres-*/data) rm -rf "$$(dirname "$$(readlink .dagster/postgres)")" ;; esac
	rm -rf $(VENV) .venv-deploy site landing lake .dagster .dagster-emr .dagster-athena build mutants
