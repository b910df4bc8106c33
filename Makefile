# Two commands are enough:
#
#   make compare    policies against the exact optimum (ARGS="problem.toml" for a problem of your own)
#   make test       every check
#
# Each does all of its own set-up from Python 3.12 or later, pip and make. Nothing is installed outside this folder.

VENV     := .venv
VENV_313 := .venv-3.13
VENV_LOWEST := .venv-lowest
FLOORS   := posteriors dp bandits benchmarks
# Folders are listed as well because only their time stamps change when a module is deleted.
SOURCES  := pyproject.toml __init__.py __main__.py py.typed $(shell find $(FLOORS) -type d -name __pycache__ -prune -o \( -type d -o -name "*.py" -o -name "*.toml" -o -name "*.c" \) -print)
KERNELS  := $(sort $(shell find $(FLOORS) -path "*/kernels/*.py"))
# Files with smoke tests: to collect the others takes as long as to run these.
SMOKE    := $(shell grep -rl --include="*.py" mark\.smoke tests)
WHEEL    := build/wheels/.built
PIP_OPTIONS := --quiet --quiet --no-input --disable-pip-version-check

# What runs is the installed wheel: neither the working folder nor a caller's PYTHONPATH may stand in for it.
unexport PYTHONPATH PYTHONHOME
# Byte code is not written at installation, so it must be written at first import.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONSAFEPATH := 1

# $(call find-python,names,condition,pyenv versions) prints the path of the first interpreter that runs and meets the
# condition. A name on PATH proves nothing (pyenv keeps one for versions that are not selected), so each one is run.
find-python = for selected in "$$PYENV_VERSION" $(3) system; do for name in $(1); do \
	PYENV_VERSION=$$selected "$$name" -c 'import sys; ($(2)) or sys.exit(1); print(sys.executable)' \
	2>/dev/null </dev/null && break 2; done; done
find-main := $(call find-python,$(PYTHON) python3.12 python3.13 python3 python,sys.hexversion >= 0x030C0000,3.12 3.13)
find-3.13 := $(call find-python,python3.13 python3 python,sys.hexversion >> 16 == 0x030D,3.13)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help compare test test-lowest quick setup-3.13 smoke-3.13 lint typecheck lock clean

help:
	@echo "make compare    policies against the exact optimum; ARGS=... is passed on"
	@echo "make test       lint, types, tests, docstring examples, smoke tests on Python 3.13 if there is one"
	@echo "make quick      tests without the deep statistical ones; FLOOR=dp for one floor"
	@echo "make test-lowest  smoke tests with the lowest allowed versions of dependencies (needs uv)"
	@echo "make lint       ruff: rules and formatting; numpydoc: sections of docstrings"
	@echo "make typecheck  mypy on the installed package"
	@echo "make lock       resolve requirements.lock again (needs uv)"
	@echo "make clean      remove all that the other targets made"

compare: $(VENV)/.installed
	@$(VENV)/bin/seqaudit compare $(ARGS)

# Each step keeps two cores busy.
test:
	@$(MAKE) --no-print-directory setup-3.13 & other=$$!; \
	$(MAKE) --no-print-directory $(VENV)/.installed; ready=$$?; wait $$other && exit $$ready
	@$(MAKE) --no-print-directory lint typecheck & checks=$$!; \
	$(VENV)/bin/python -c 'from seqaudit.benchmarks.runner.warm import warm_all; warm_all()'; \
	warm=$$?; wait $$checks && exit $$warm
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=40 --durations-min=3 --doctest-modules tests --pyargs seqaudit
	@if [ -n "$$($(find-3.13))" ]; then $(MAKE) --no-print-directory smoke-3.13; \
	else echo "Skipped the smoke tests on Python 3.13: no such interpreter was found."; fi

# The wheel is built, and installed here too, once the main environment is ready.
setup-3.13:
	@if [ -n "$$($(find-3.13))" ]; then $(MAKE) --no-print-directory $(VENV_313)/.locked; fi

# FLOOR=dp runs the tests of one floor, FLOOR=benchmarks/cli those of one room that has a folder of tests.
quick: $(VENV)/.installed
	$(VENV)/bin/python -m pytest -n 2 -m "not deep" tests$(FLOOR:%=/%)

# Fewer kernels than there are: they are compiled as the tests meet them.
smoke-3.13: $(VENV_313)/.installed
	$(VENV_313)/bin/python -m pytest -n 2 -m smoke $(SMOKE)

# Installed beside the lock, as it holds the newest versions. Nothing of it is kept.
test-lowest: $(WHEEL)
	@rm -rf $(VENV_LOWEST)
	uv venv --quiet --no-python-downloads --python "$$($(find-main))" $(VENV_LOWEST)
	uv pip compile pyproject.toml --extra test --resolution lowest-direct --no-python-downloads --quiet \
		--python-version 3.12 --output-file build/lowest.txt
	uv pip install --quiet --python $(VENV_LOWEST)/bin/python -r build/lowest.txt build/wheels/*.whl
	$(VENV_LOWEST)/bin/python -m pytest -n 2 -m smoke $(SMOKE)
	@rm -rf $(VENV_LOWEST)

lint: $(VENV)/.locked
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/numpydoc lint $$(find $(FLOORS) -name "*.py")

typecheck: $(VENV)/.installed
	$(VENV)/bin/python -m mypy -p seqaudit

lock:
	uv pip compile pyproject.toml --universal --python-version 3.12 --extra test --group build --generate-hashes \
		--upgrade --no-emit-index-url --no-python-downloads --quiet --custom-compile-command "make lock" \
		--output-file requirements.lock

clean:
	rm -rf $(VENV) $(VENV_313) $(VENV_LOWEST) build *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.locked: find := $(find-main)
$(VENV_313)/.locked: find := $(find-3.13)

# A changed lock makes a new environment, so that nothing of the old one is left in it. Where Python comes without
# ensurepip, its own pip fills the environment. Modules are compiled when first imported: few of them ever are.
$(VENV)/.locked $(VENV_313)/.locked: requirements.lock
	@python=$$($(find)); \
	if [ -z "$$python" ]; then echo "No Python 3.12 or later was found. Name one: make PYTHON=/path/to/python" >&2; exit 1; fi; \
	echo "Setting up $(@D) with $$python (once, about a minute)"; \
	rm -rf $(@D); \
	if "$$python" -c 'import ensurepip' 2>/dev/null; \
	then "$$python" -m venv $(@D) && set -- $(@D)/bin/python -m pip; \
	else "$$python" -m venv --without-pip $(@D) && set -- "$$python" -m pip --python $(@D)/bin/python; fi && \
	"$$@" install $(PIP_OPTIONS) --no-deps --no-compile --require-hashes -r requirements.lock
	@touch $@

# The fixed date makes the same sources give the same wheel.
$(WHEEL): $(SOURCES) $(VENV)/.locked
	@rm -rf build seqaudit.egg-info
	@SOURCE_DATE_EPOCH=315532800 $(VENV)/bin/python -m pip wheel $(PIP_OPTIONS) --no-deps --no-build-isolation -w build/wheels .
	@rm -rf build/lib build/bdist.* seqaudit.egg-info
	@touch $@

# A wheel that did not change is not installed again. The compiled functions that Numba keeps beside the modules stay
# until any kernel changes: each may have been built into others.
$(VENV)/.installed $(VENV_313)/.installed: %/.installed: $(WHEEL) %/.locked
	@cmp -s build/wheels/*.whl $(@D)/installed.whl || { \
	{ cat $(KERNELS) | cmp -s - $(@D)/installed.kernels || \
	rm -rf $(@D)/lib/python*/site-packages/seqaudit $(@D)/installed.kernels; } && \
	$(@D)/bin/python -m pip install $(PIP_OPTIONS) --no-deps --no-index --no-compile --force-reinstall build/wheels/*.whl && \
	cp build/wheels/*.whl $(@D)/installed.whl && cat $(KERNELS) > $(@D)/installed.kernels; }
	@touch $@
