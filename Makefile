# The two commands of the README: `make chat` and `make test`. CMake does the building.
BUILD   := build/default
BINARY  := $(BUILD)/bin/mainspring
SOURCES := $(shell find CMakeLists.txt CMakePresets.json cmake src include -type f 2>/dev/null)

.PHONY: chat build test bench clean setup

chat: $(BINARY)
	@scripts/fetch_default_model.py > /dev/null
	@$(BINARY) chat $(if $(MODEL),$(MODEL))

build: $(BINARY)

$(BINARY): $(SOURCES)
	@scripts/setup.sh build
	@cmake --preset default -DMAINSPRING_TESTS=OFF > $(CURDIR)/.configure.log 2>&1 || { cat .configure.log; exit 1; }
	@rm -f .configure.log
	@cmake --build --preset default --target mainspring
	@touch $(BINARY)

# The whole suite; FULL=1 adds sanitizers, fuzzing, gcc, ARM and the long differential tests (what CI runs).
test:
	@scripts/setup.sh $(if $(FULL),full,test)
	@python3 scripts/test.py $(if $(FULL),--full)

# Speed against llama.cpp, interleaved: rows in bench/results, tables and plots in docs/performance.md.
bench: $(BINARY)
	@tools/bench_all.sh

clean:
	rm -rf build
