# Two commands: `make demo` builds everything and compares zcio with NIO and the standard libraries on a real file;
# `make test` runs every test. Both set up what they need inside the project (target/, .venv/) and say what else is missing.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
JDKS := $(shell .ci/jdks)
# The jar is built by the oldest JDK, so that every newer one can run it.
OLDEST_JDK := $(firstword $(JDKS))
MVN := mvn --batch-mode --no-transfer-progress -f java-bindings/pom.xml
LOGS := target/test-logs
# The demo's file: FILE=path for another; the program takes the JDK's own lib/modules otherwise.
FILE ?=

.PHONY: help demo test lint tools venv jar compare-program test-rust test-java test-python clean

help:
	@echo "make demo           build all, then compare zcio, NIO and the standard libraries (FILE=path: on that file)"
	@echo "make test           every test, in Rust, Java (on each JDK) and Python"
	@echo "make lint           formatting, clippy, documentation, types"
	@echo "make clean          remove what the other commands made"

tools:
	@PYTHON=$(PYTHON) .ci/check-tools

$(VENV)/.tools: python-bindings/pyproject.toml | tools
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check "maturin>=1.9.4,<2" pytest mypy ruff
	touch $@

venv: $(VENV)/.tools
	cd python-bindings && VIRTUAL_ENV=$(CURDIR)/$(VENV) ../$(VENV)/bin/maturin develop --quiet --release

jar: tools
	JAVA_HOME=$(OLDEST_JDK) $(MVN) -q package -DskipTests

compare-program: tools
	cargo build --release -p zcio-compare

demo: venv jar compare-program
	target/release/compare --python $(VENV)/bin/python $(if $(FILE),--file $(FILE))

test: test-rust test-java test-python
	@tests/summary $(LOGS)

test-rust: tools
	@mkdir -p $(LOGS)
	cargo test --workspace --exclude zcio-python 2>&1 | tee $(LOGS)/rust.log

test-java: tools
	@mkdir -p $(LOGS)
	for jdk in $(JDKS); do \
	  JAVA_HOME=$$jdk $(MVN) verify 2>&1 | tee $(LOGS)/java-$$(basename $$jdk).log; \
	done

test-python: venv
	@mkdir -p $(LOGS)
	cd python-bindings && ../$(VENV)/bin/python -m pytest 2>&1 | tee ../$(LOGS)/python.log

lint: venv
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	$(VENV)/bin/ruff check python-bindings examples
	$(VENV)/bin/ruff format --check python-bindings examples
	cd python-bindings && ../$(VENV)/bin/mypy --strict python tests

clean:
	cargo clean
	rm -rf $(VENV) java-bindings/target java-bindings/*/target dist
