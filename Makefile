.DELETE_ON_ERROR:
.SUFFIXES:

bin := .venv/bin
ready := .venv/ready

# What `make run` hands to the program: make run ARGS=network.toml
ARGS ?=
# What `make test` and its like hand to pytest: make test TESTS="tests/gui -x"
TESTS ?=
# Where `make bench` writes its figures. `make bench QUICK=1` takes small sizes, to see that the benchmarks work.
JSON ?= .benchmarks/$(shell date +%Y%m%d-%H%M%S).json
QUICK ?=
# For how long `make soak` uses the window.
MINUTES ?= 10
# How much `make monkey` does in the window, drawn from which seed.
ACTIONS ?= 20000
SEED ?= 0
# The files whose mutants `make mutants` tries, and how many of them it draws; without PATHS of the whole core.
PATHS ?=
SAMPLE ?= 1000
# The two files that `make bench-compare` reads: A from before, B from after.
A ?=
B ?=
# `make test-kernels KERNELS=--farthest` takes one kernel alone: the oldest, or the newest where tests use the oldest.
KERNELS ?=
# How many drawn configs `make equality` runs.
CONFIGS ?= 500
# `make lock UPGRADE=--upgrade` takes the newest releases that resolve; without it the lock changes only where it must.
UPGRADE ?=

# Files of tests are shared out over the processors, each as a whole and in their order: what one leaves behind is looked
# for at its end, and the window's keep engines warm from one file to the next. `make test TESTS="-n 0 --pdb"` does without.
# A process that crashes ends the run: pytest-xdist 3.8 hands files that it had done to the others, which wait for ever.
workers := --numprocesses=logical --maxprocesses=4 --dist=loadfile --no-loadscope-reorder --max-worker-restart=0 \
    --benchmark-disable

# The tests start hundreds of processes, and each would compile the whole program.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help venv run test test-slow test-nightly test-drawn test-kernels golden bench bench-compare equality soak long-run monkey mutants screenshots gallery installer lint format lock clean

help:
	@echo 'make run             open the window; ARGS=FILE opens it on a config'
	@echo 'make test            run the tests; TESTS=... narrows them'
	@echo 'make test-slow       run the slow tests'
	@echo 'make test-nightly    run the full products of options, random use, long runs and other systems'
	@echo 'make test-drawn      run property-based tests with more examples'
	@echo 'make test-kernels    run the numeric tests with every matrix kernel that this processor can execute'
	@echo 'make golden          update the golden files: texts that tests compare'
	@echo 'make bench           run the benchmarks, and write their figures to .benchmarks; QUICK=1 takes small sizes'
	@echo 'make bench-compare   compare two files of figures: A=before.json B=after.json'
	@echo 'make equality        compare what drawn runs write with what they wrote at a commit: A=COMMIT CONFIGS=500'
	@echo 'make soak            use the window at random; nothing may grow; MINUTES=10'
	@echo 'make monkey          use every control at random; nothing may break; ACTIONS=20000 SEED=0'
	@echo 'make mutants         change the core in one place at a time; a test must fail; PATHS=FILE... SAMPLE=1000'
	@echo 'make long-run        run 2,000 times in one window, and play for 12 hours; nothing may grow'
	@echo 'make screenshots     take the pictures of the documents from the program'
	@echo 'make gallery         draw every state of the window on one page, build/gallery/index.html'
	@echo 'make installer       make the .deb, .rpm and .tar.gz of the program, in dist'
	@echo 'make lint            check style, types, imports and words'
	@echo 'make format          format the code'
	@echo 'make lock            resolve the dependencies; UPGRADE=--upgrade takes newer releases'
	@echo 'make clean           remove generated files'

run: $(ready)
	@$(bin)/python -m rnnviz $(ARGS)

test: $(ready)
	$(bin)/python -m pytest $(workers) $(TESTS)

test-slow: $(ready)
	$(bin)/python -m pytest -m 'slow and not nightly' $(workers) $(TESTS)

test-nightly: $(ready)
	HYPOTHESIS_PROFILE=many $(bin)/python -m pytest -m nightly $(workers) $(TESTS)

test-drawn: $(ready)
	HYPOTHESIS_PROFILE=many $(bin)/python -m pytest -m 'drawn and not slow and not nightly' $(workers) $(TESTS) || test $$? = 5

# The tests of what rounds, with the kernels of other processors.
test-kernels: $(ready)
	$(bin)/python -m tests.kernels $(KERNELS) $(or $(TESTS),tests/cells tests/core tests/engines tests/verify \
	    --ignore=tests/engines/custom_code)

golden: $(ready)
	$(bin)/python -m pytest -q tests/golden --golden

bench: $(ready)
	env $$($(bin)/python -c 'from rnnviz.execution.child_process import openblas_kernels as k; print(*map("=".join, k().items()))') \
	    $(bin)/python -m pytest -o python_files='bench_*.py' -o python_functions='bench_*' -o timeout=0 \
	    --bench-json $(JSON) $(and $(QUICK),--quick) $(or $(TESTS),tools/benchmarks)

bench-compare: $(ready)
	@$(bin)/python -m tools.benchmarks.table $(A) $(B)

# What the code wrote at A, in a checkout of its own, against what it writes now.
equality: $(ready)
	rm -rf build/equality && mkdir -p build/equality && git archive $(A) | tar -x -C build/equality
	rm -rf build/equality/tools && cp -r tools build/equality/tools
	cd build/equality && PYTHONPATH=. $(CURDIR)/$(bin)/python -m tools.equality $(CONFIGS) before.json
	$(bin)/python -m tools.equality $(CONFIGS) build/equality/after.json
	$(bin)/python -m tools.equality build/equality/before.json build/equality/after.json

soak: $(ready)
	$(bin)/python -m tools.soak use $(MINUTES)

long-run: $(ready)
	$(bin)/python -m tools.soak runs 2000
	$(bin)/python -m tools.soak playing 12

monkey: $(ready)
	$(bin)/python -m tools.monkey $(ACTIONS) --seed $(SEED)

mutants: $(ready)
	$(bin)/python -m tools.mutation $(or $(PATHS),--sample $(SAMPLE))

screenshots: $(ready)
	$(bin)/python packaging/screenshots.py

gallery: $(ready)
	$(bin)/python packaging/gallery.py

# The bundle is made in an environment of its own, so that nothing gets into it that only a developer needs.
packer := build/installer/venv

installer: $(packer)/ready
	@PYTHONPATH=packaging:. $(packer)/bin/python -m installer

$(packer)/ready: packaging/requirements-build.txt
	@python=$$(sh packaging/find-python) && "$$python" -m venv --clear $(packer)
	$(packer)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes \
	    -r packaging/requirements-build.txt
	@touch $@

lint: $(ready)
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy
	$(bin)/lint-imports
	$(bin)/python -m pytest -q -k cycle tests/test_architecture.py
	$(bin)/python -m tests.wording

format: $(ready)
	$(bin)/ruff check --fix
	$(bin)/ruff format

venv: $(ready)

$(ready): packaging/requirements-dev.txt pyproject.toml
	@if ! $(bin)/python -m pip --version >/dev/null 2>&1; then \
	    python=$$(sh packaging/find-python) || exit 1; \
	    echo "Making .venv with $$python"; \
	    "$$python" -m venv --clear .venv || exit 1; \
	fi
	$(bin)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r packaging/requirements-dev.txt
	$(bin)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The markers in the lock serve every Python and system that the project supports. The second file is held to the first,
# so that the program is tested with what its users get.
extras := --extra window --extra onnx --extra gluon
lock: export UV_CUSTOM_COMPILE_COMMAND := make lock
lock: $(ready)
	$(bin)/python -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links $(UPGRADE) \
	    pyproject.toml $(extras) --output-file packaging/requirements.txt
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links $(UPGRADE) \
	    pyproject.toml $(extras) --extra notebook --extra cluster --group dev --constraints packaging/requirements.txt \
	    --output-file packaging/requirements-dev.txt
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links $(UPGRADE) \
	    pyproject.toml $(extras) --group installer --constraints packaging/requirements.txt \
	    --output-file packaging/requirements-build.txt

clean:
	rm -rf .venv build dist .benchmarks .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
