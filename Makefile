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
# One that is new enough adds the classes that newer JDKs run with; without it they are left out.
JDK22 := $(lastword $(shell .ci/jdks 22))
MVN := mvn --batch-mode --no-transfer-progress -f java-bindings/pom.xml $(if $(JDK22),-Dzcio.jdk22=$(JDK22))
IN_VENV := VIRTUAL_ENV=$(CURDIR)/$(VENV) PATH=$(CURDIR)/$(VENV)/bin:$$PATH
LOGS := target/test-logs
# The demo's file: FILE=path for another; the program takes the JDK's own lib/modules otherwise.
FILE ?=

# For compare: make compare ARGS="--quick --only relay,file_to_pipe" (see target/release/compare --help).
ARGS ?=
RESULTS := target/compare/results.json

# Measurements and suites share one machine: one after the other, whatever -j says; cargo uses every processor by itself.
.NOTPARALLEL:

.PHONY: help demo compare compare-libraries benchmarks test docs lint package dist test-dist tools venv jar arrow compare-program test-rust test-java test-python clean
.PHONY: test-contained test-contained-root test-contained-user
.PHONY: test-kernels
.PHONY: sanitize sanitize-address sanitize-thread sanitize-miri

help:
	@echo "make demo           build all, then compare zcio, NIO and the standard libraries (FILE=path: on that file)"
	@echo "make compare        every route, size and lane, and a page of it (ARGS=--quick: in minutes)"
	@echo "make test           every test, in Rust, Java (on each JDK) and Python"
	@echo "make test-contained the same as in a container, and again as an ordinary user there"
	@echo "make test-kernels   old and new kernels, booted in virtual machines, with the tests of the mechanisms in each"
	@echo "make docs           the guide, with the references of all three languages, in target/site/index.html"
	@echo "make lint           import circles and long files, formatting, clippy, documentation, types"
	@echo "make dist           what a release publishes, for x86_64 and aarch64, in dist/"
	@echo "make test-dist      looks at what make dist made, and uses it"
	@echo "make sanitize       the region tests under AddressSanitizer, ThreadSanitizer and Miri, as far as they are here"
	@echo "make clean          remove what the other commands made"

tools:
	@PYTHON=$(PYTHON) .ci/check-tools

$(VENV)/.tools: python-bindings/pyproject.toml | tools
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1" "maturin>=1.9.4,<2"
	touch $@

venv: $(VENV)/.tools
	cd python-bindings && $(IN_VENV) pip install --quiet --disable-pip-version-check --group dev
	cd python-bindings && $(IN_VENV) maturin develop --quiet --release > /dev/null

jar: tools
	JAVA_HOME=$(OLDEST_JDK) $(MVN) -q package -DskipTests -pl zcio,zcio-netty

compare-program: tools
	cargo build --release -p zcio-compare

demo: venv jar compare-program
	target/release/compare --demo --require-all $(if $(FILE),--file "$(FILE)")

# Goes on where an earlier run was broken off with ARGS="--resume $(RESULTS) …".
compare: venv jar compare-program
	@mkdir -p $(dir $(RESULTS))
	target/release/compare --json $(RESULTS) $(ARGS)
	target/release/compare --page $(RESULTS) $(dir $(RESULTS))index.html
	@echo "$(RESULTS), $(dir $(RESULTS))index.html"

# From the last results; on a machine that does nothing else.
benchmarks:
	target/release/compare --markdown $(RESULTS) > BENCHMARKS.md

# What zcio is compared with and does not need itself; compare says what is missing without it.
compare-libraries: venv
	mvn --batch-mode --no-transfer-progress -q -f examples/compare/lanes/netty-pom.xml dependency:copy-dependencies \
	  -DoutputDirectory=$(CURDIR)/target/netty
	$(VENV)/bin/pip install --quiet --disable-pip-version-check uvloop

RUST_SUITE := cargo test 2>&1 | tee $(LOGS)/rust.log
PYTHON_SUITE := cd python-bindings && $(IN_VENV) python -m pytest -q 2>&1 | tee ../$(LOGS)/python.log

# Rust's and Python's suites wait more than they compute, so they run side by side; what Python's says comes when both are over.
# Java's comes behind them: it packs the jar anew, which both of them use.
test: venv jar arrow
	@mkdir -p $(LOGS)
	( $(PYTHON_SUITE) ) > /dev/null & \
	  rust=0; ( $(RUST_SUITE) ) || rust=$$?; \
	  python=0; wait $$! || python=$$?; \
	  cat $(LOGS)/python.log; \
	  test $$rust = 0 -a $$python = 0
	$(MAKE) test-java
	@tests/summary $(LOGS)

# Arrow's file format for Java, which an example reads a table with.
arrow: target/arrow/.there

target/arrow/.there: | tools
	for artifact in org.apache.arrow:arrow-format:18.3.0 com.google.flatbuffers:flatbuffers-java:25.1.24; do \
	  mvn --batch-mode --no-transfer-progress -q dependency:copy -Dartifact=$$artifact -DoutputDirectory=$(CURDIR)/target/arrow; \
	done
	touch $@

# The example programs are tests too: they need the jar and the virtual environment.
test-rust: venv jar arrow
	@mkdir -p $(LOGS)
	$(RUST_SUITE)

test-java: tools
	@mkdir -p $(LOGS) && rm -f $(LOGS)/java-*.log
	for jdk in $(JDKS); do \
	  JAVA_HOME=$$jdk $(MVN) verify 2>&1 | tee $(LOGS)/java-$$(basename $$jdk).log; \
	done

test-python: venv
	@mkdir -p $(LOGS)
	$(PYTHON_SUITE)

# The suites behind the system call filter and with the capabilities that container engines have (tests/container), and again
# as an ordinary user (CONTAINED_USER). What is denied there is skipped, with the name of the call, which cargo and pytest are
# asked to show.
CONTAINED := $(CURDIR)/tests/container/run
CONTAINED_USER ?= nobody
RUNNER = CARGO_TARGET_$(shell rustc -vV | sed -n 's/^host: //p' | tr a-z- A-Z_)_RUNNER

test-contained: test-contained-root test-contained-user

# Cargo and Maven themselves run as they are called; what they run the tests with is contained. Maven takes for a JVM what
# stands in a folder like a JDK's, and for its version what the file "release" there says.
test-contained-root: IN := $(CONTAINED)
test-contained-user: IN := $(CONTAINED) --user $(CONTAINED_USER)
test-contained-root test-contained-user: venv jar arrow
	$(RUNNER)="$(IN)" cargo test -- --show-output
	mkdir -p target/contained/bin && ln -sf $(CURDIR)/tests/container/java target/contained/bin/
	for jdk in $(JDKS); do \
	  ln -sf $$jdk/release target/contained/; \
	  CONTAINED="$(IN) $$jdk/bin/java" JAVA_HOME=$$jdk $(MVN) verify -Djvm=$(CURDIR)/target/contained/bin/java; \
	done
	cd python-bindings && $(IN_VENV) $(IN) python -m pytest -q -rs -p no:cacheprovider

# Debian's kernels under QEMU, emulated (tests/kernels): some 20 minutes each. MACHINES="6.1/xfs" boots one alone.
MACHINES ?=
KERNELS := target/kernels

test-kernels: venv jar
	@for tool in qemu-system-x86_64 debootstrap busybox cpio depmod mke2fs; do PATH=$$PATH:/usr/sbin:/sbin command -v $$tool > /dev/null || \
	  { echo "missing: $$tool (apt-get install qemu-system-x86 debootstrap busybox-static cpio kmod e2fsprogs)" >&2; exit 1; }; done
	@mkdir -p $(KERNELS)
	cargo build -p zcio --features cli --bin zcio
	cargo test -p zcio -p zcio-tests --no-run --message-format=json > $(KERNELS)/built.json
	$(OLDEST_JDK)/bin/javac -cp java-bindings/zcio/target/classes -d $(KERNELS) tests/kernels/Smoke.java tests/kernels/Ktls.java
	PATH=$$PATH:/usr/sbin:/sbin $(PYTHON) tests/kernels/run $(MACHINES)
	$(if $(MACHINES),,$(PYTHON) tests/kernels/table)

# Javadoc reads the compiled modules, and one of them reads another.
lint: venv jar package
	$(PYTHON) .ci/circles --self-test
	$(PYTHON) .ci/circles
	.ci/version --check
	.ci/notices --check
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	cargo clippy --quiet -p zcio --lib -- -D warnings
	cargo clippy --quiet -p zcio --lib --features tokio -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet --features zcio/tokio
	JAVA_HOME=$(OLDEST_JDK) $(MVN) -q compile javadoc:javadoc
	cd python-bindings && $(IN_VENV) ruff check . ../examples ../docs/experiments ../docs/hooks.py ../tests/dist
	cd python-bindings && $(IN_VENV) ruff format --check . ../examples ../docs/experiments ../docs/hooks.py ../tests/dist
	cd python-bindings && $(IN_VENV) mypy python tests
	cd python-bindings && $(IN_VENV) python -m mypy.stubtest zcio --allowlist stubtest-allowed.txt
	$(VENV)/bin/mypy --config-file python-bindings/pyproject.toml examples/compare/lanes/python/lane.py examples/python/*.py \
	  docs/experiments/*.py

# The guide (docs/), and below api/ what rustdoc, Javadoc and pdoc make of the sources. A link that leads nowhere, or to a place
# that its page does not have, ends it. The references' own pages are checked by who makes them.
SITE := target/site

docs: venv
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r docs/requirements.txt
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps -p zcio --features laboratory,tokio
	JAVA_HOME=$(OLDEST_JDK) $(MVN) -q compile javadoc:javadoc -pl zcio,zcio-netty
	cd docs && NO_MKDOCS_2_WARNING=1 $(CURDIR)/$(VENV)/bin/mkdocs build --quiet --strict --site-dir $(CURDIR)/$(SITE)
	mkdir $(SITE)/api
	cp -r target/doc $(SITE)/api/rust
	cp -r java-bindings/zcio/target/reports/apidocs $(SITE)/api/java
	cp -r java-bindings/zcio-netty/target/reports/apidocs $(SITE)/api/java-netty
	$(VENV)/bin/pdoc zcio '!zcio._zcio' --output-directory $(SITE)/api/python
	$(PYTHON) docs/check-links $(SITE)
	@echo "$(SITE)/index.html"

# What crates.io would be given, from there alone: its licences are in it, and its documentation's examples run.
# (Cargo packs old times, by which it would take what it built before for up to date.)
package:
	rm -f target/package/zcio-*.crate
	cargo package --quiet --allow-dirty --no-verify -p zcio
	rm -rf target/packed && mkdir -p target/packed
	tar -C target/packed --strip-components 1 --touch -xf target/package/zcio-*.crate
	echo '[workspace]' >> target/packed/Cargo.toml
	cd target/packed && test -s LICENSE-MIT -a -s LICENSE-APACHE
	cd target/packed && cargo test --quiet --doc --features laboratory,tokio --target-dir ..

# What a release publishes, for both processors, the same bytes each time; and whether it is right (tests/dist has more: in
# other Linuxes, and in a virtual machine).
dist:
	@PYTHON=$(PYTHON) .ci/dist

test-dist:
	tests/dist/run

clean:
	cargo clean
	rm -rf $(VENV) java-bindings/target java-bindings/*/target dist

# Sanitizer builds of the region tests, and Miri over what makes no system call. Needs a nightly compiler, or a stable one
# that is told to accept -Z (RUSTC_BOOTSTRAP). The standard library is the shipped one, without instrumentation: races
# inside it are not seen, races between our own loads and stores are. SIGBUS is left to the tests, which are about it.

SANITIZE_TARGET ?= $(shell rustc -vV | sed -n 's/^host: //p')
SANITIZE_TESTS = -p zcio --features laboratory --lib --test 'region_*'

sanitize: sanitize-address sanitize-thread sanitize-miri

sanitize-address:
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" ZCIO_SANITIZER=address \
	ASAN_OPTIONS=handle_sigbus=0 \
	cargo test --target $(SANITIZE_TARGET) --target-dir target/sanitize-address $(SANITIZE_TESTS)

sanitize-thread:
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" ZCIO_SANITIZER=thread \
	TSAN_OPTIONS="handle_sigbus=0 suppressions=$(CURDIR)/core/tests/thread-sanitizer.txt" \
	cargo test --target $(SANITIZE_TARGET) --target-dir target/sanitize-thread $(SANITIZE_TESTS)

# Miri knows no madvise, mincore or process_vm_readv: it runs the arithmetic of ranges and bitmaps, the list of slots that
# the signal handler searches, and the readers of /proc.
sanitize-miri:
	@if cargo +nightly miri --version >/dev/null 2>&1; then \
		cargo +nightly miri test -p zcio --features laboratory --lib -- region::range region::residency region::guard region::seals \
			region::advice memory::space memory::pages; \
	elif [ -n "$$ZCIO_REQUIRE" ]; then \
		echo "Miri is not installed, and ZCIO_REQUIRE is set" >&2; exit 1; \
	else \
		echo "skipped Miri: it is not installed (rustup component add --toolchain nightly miri rust-src)"; \
	fi
