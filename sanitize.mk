# Sanitizer builds of the region tests, and Miri over what makes no system call. Needs a nightly compiler, or a stable one
# that is told to accept -Z (RUSTC_BOOTSTRAP). The standard library is the shipped one, without instrumentation: races
# inside it are not seen, races between our own loads and stores are. SIGBUS is left to the tests, which are about it.

SANITIZE_TARGET ?= $(shell rustc -vV | sed -n 's/^host: //p')
SANITIZE_TESTS = -p zcio --lib --test 'region_*'

.PHONY: sanitize sanitize-address sanitize-thread sanitize-miri

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
		cargo +nightly miri test -p zcio --lib -- region::range region::residency region::guard region::seals \
			region::advice memory::space memory::pages; \
	elif [ -n "$$ZCIO_REQUIRE" ]; then \
		echo "Miri is not installed, and ZCIO_REQUIRE is set" >&2; exit 1; \
	else \
		echo "skipped Miri: it is not installed (rustup component add --toolchain nightly miri rust-src)"; \
	fi
