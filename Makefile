# demo and test are complete in themselves on a machine with Python 3.11+, git, make and the package registries.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PARALLEL := -n logical --maxprocesses 4
DATA := $(or $(SHIPPER_BENCH_DATA),../shared/data)
comma := ,

.PHONY: audit sbom demo test check format clean stop test-logstash bench-emit bench-ship bench-index bench-latency bench-recovery bench-detect costs chaos fuzz
.DEFAULT_GOAL := help

help:
	@echo "make demo    the whole way on the real servers: fetch, start, log, index, detect; leaves the stack up"
	@echo "make stop    stop the servers that the demo left up"
	@echo "make test    every test, those on the real servers included"
	@echo "make check   format, lint, types, import rules, fast tests"
	@echo "make bench-ship  what bringing records to Kafka costs, ours and others'; fails beyond a promise"
	@echo "make bench-index  what bringing records from Kafka into Elasticsearch costs; fails beyond a promise"
	@echo "make bench-latency  how long a record takes from the logging call to searchable; fails beyond a promise"
	@echo "make bench-recovery  a spool of 1 GB after a crash: ready to append, read in bounded memory"
	@echo "make bench-detect  how well detection finds what was planted or labelled, beside others; fails beyond a promise"
	@echo "make fuzz        damaged spools at random, ROUNDS=N SEED=S"
	@echo "make bench-emit  what a logging call costs, ours and others'; fails beyond a promise"
	@echo "make costs   the same, written to docs/reference/costs.md"
	@echo "make chaos   kill everything, again and again, then balance the books (ROUNDS=5 of 40 s, SEED=any number)"
	@echo "make audit   look all dependencies up in a database of vulnerabilities; says so where that was not possible"
	@echo "make sbom    dist/: the wheel, and what an installation of it is made of (CycloneDX)"
	@echo "make clean   remove what the above made here (not the download cache)"

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "shipper needs Python 3.11 or later; set PYTHON=python3.11 (or later) and run make again.")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "The virtual environment could not be made; install the venv module of Python (Debian: python3-venv)." >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev$(if $(shell which go 2>/dev/null),,$(comma)go)]'
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/shipper demo

stop: $(VENV)/.installed
	$(BIN)/shipper stack down

# The tests on the servers run one after the other in one process, all others beside them.
test: $(VENV)/.installed
	$(BIN)/python -m pytest $(PARALLEL)

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/shipper schema generate --check
	$(BIN)/shipper kibana generate --check
	$(BIN)/python -m pytest -q $(PARALLEL) -m 'not service and not slow' tests/unit tests/property tests/golden tests/docs

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The peers stand beside the rest in the same environment; one that cannot be installed here is skipped.
$(VENV)/.installed-bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,bench]'
	@touch $@

bench-emit: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/emit.py --check $(BENCH)

costs: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/emit.py --markdown $(BENCH) > docs/reference/costs.md.new
	mv docs/reference/costs.md.new docs/reference/costs.md

bench-recovery: $(VENV)/.installed
	$(BIN)/python benchmarks/recovery.py --check $(BENCH)

# Its peers need an older pandas than we do, so they have an environment of their own; one that is missing is skipped.
.venv-bench-detect/.installed: pyproject.toml
	test -x .venv-bench-detect/bin/python || $(PYTHON) -m venv .venv-bench-detect
	.venv-bench-detect/bin/python -m pip install --quiet --disable-pip-version-check -e '.[detect,bench-detect]'
	@touch $@

# All run, whether or not one before them missed a promise; DATA names the folder of nab/ and loghub/, BENCH='--seed 7' a
# seed for all that is made up.
bench-detect: .venv-bench-detect/.installed $(VENV)/.installed
	@set +e; missed=0; \
	if [ -d "$(DATA)/nab" ]; then \
	  .venv-bench-detect/bin/python benchmarks/nab.py --data "$(DATA)/nab" --windows "$(DATA)/nab/windows.json" \
	    --out "$$(mktemp -d)" --peers --check || missed=1; \
	else echo "No $(DATA)/nab: the Numenta benchmark is skipped."; fi; \
	if [ -d "$(DATA)/loghub" ]; then \
	  .venv-bench-detect/bin/python benchmarks/grouping.py --data "$(DATA)/loghub" --check || missed=1; \
	else echo "No $(DATA)/loghub: the grouping of log lines is skipped."; fi; \
	$(BIN)/python benchmarks/faults.py --check $(BENCH) || missed=1; \
	.venv-bench-detect/bin/python benchmarks/drift.py --check $(BENCH) || missed=1; \
	$(BIN)/python benchmarks/training.py --check $(BENCH) || missed=1; \
	$(BIN)/python benchmarks/quality.py $(BENCH) || missed=1; \
	$(BIN)/python benchmarks/data_checks.py $(BENCH) || missed=1; \
	$(BIN)/python benchmarks/detect_cost.py --check || missed=1; \
	exit $$missed

fuzz: $(VENV)/.installed
	ROUNDS=$(or $(ROUNDS),5000) SEED=$(or $(SEED),1) $(BIN)/python -m pytest -q --timeout 3600 tests/fault/test_spool_fuzz.py

# Needs a broker, kcat, rsyslog and rsyslog-kafka; what is missing is skipped. BENCH='--kafka HOST:PORT' names it.
bench-ship: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/ship.py --check $(BENCH)

# Both need the servers: BENCH='--kafka HOST:PORT --elasticsearch URL' names them.
bench-index: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/index.py --check $(BENCH)

bench-latency: $(VENV)/.installed
	$(BIN)/python benchmarks/end_to_end.py --check $(BENCH)

# CHAOS='--report docs/explanation/chaos.md' puts the report into that page.
chaos: $(VENV)/.installed
	$(BIN)/python -m tests.chaos --rounds $(or $(ROUNDS),5) $(if $(SEED),--seed $(SEED)) $(CHAOS)

test-logstash: $(VENV)/.installed
	@test -n "$(LOGSTASH_HOME)" || { echo "Set LOGSTASH_HOME to a Logstash 9.2 and run again." >&2; exit 2; }
	$(BIN)/python -m pytest tests/golden tests/service/test_logstash*.py

# AUDIT='-s osv' asks another database; see tools/audit.py for the exit codes.
audit: $(VENV)/.installed
	$(BIN)/python tools/audit.py $(AUDIT)

# Of the wheel as a user installs it with all extras, in an environment of its own: none of the tools of development.
sbom: $(VENV)/.installed
	rm -rf build/sbom dist
	$(BIN)/python -m build --wheel --outdir dist .
	$(PYTHON) -m venv build/sbom
	build/sbom/bin/python -m pip install --quiet --disable-pip-version-check "$$(ls dist/*.whl)[all,fast]"
	build/sbom/bin/python -m pip uninstall --quiet --yes pip setuptools wheel
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o dist/shipper.cdx.json build/sbom/bin/python
	rm -rf build/sbom

clean:
	@test ! -x $(BIN)/shipper || $(BIN)/shipper stack down >/dev/null 2>&1 || true
	rm -rf $(VENV) .venv-bench-detect .shipper build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
