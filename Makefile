# The commands of this checkout; `make help` lists them.
#
# All they install goes into $(VENV), but for the few system libraries that Debian's python3 and PyQt5
# need, which come through apt-get (as root, or through sudo). A stamp file tells that a step is done,
# so that the next run starts at once and needs no network.

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
EXAMPLE := docs/examples/digits_sweep.vt
SOURCES := $(shell find parallelflow tests -name '*.py')

# Another Python than the environment's, if one is asked for, makes the environment anew.
ifdef PYTHON
ifneq ($(PYTHON),$(shell cat $(STAMPS)/venv 2>/dev/null))
ANEW := FORCE
endif
endif

# The same for a VisTrails given by hand: a Debian package or a folder.
ifdef VISTRAILS
ifneq ($(VISTRAILS),$(shell cat $(STAMPS)/vistrails 2>/dev/null))
VISTRAILS_ANEW := FORCE
endif
endif

.PHONY: help run gui test style typing pytest test-slow test-pythons test-fresh test-fleet test-packages examples docs bench lint clean FORCE
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

help:
	@echo 'make run        run the example workflow on two engines ($(EXAMPLE))'
	@echo 'make gui        open the VisTrails window with Parallel Flow in it'
	@echo 'make test       linting, typing and all tests but the slow ones'
	@echo 'make test-slow  the slow tests alone'
	@echo 'make test-pythons  more of the tests on every Python from 3.10 to 3.15 that is here'
	@echo 'make test-fresh  make run and make test on fresh Debian and Ubuntu systems, each in a folder (root, debootstrap)'
	@echo 'make test-fleet tests on several machines, made of namespaces: a real Slurm, real ssh servers, MPI (root)'
	@echo 'make test-packages  the tests of VisTrails'\'' packages matplotlib, persistence, sklearn and vtk, with their libraries'
	@echo 'make examples   run all of VisTrails'\''s own examples; a table of the results in docs/examples.md'
	@echo 'make docs       the documentation as pages, in build/docs'
	@echo 'make bench      the benchmark: a table of ratios, measured side by side on this machine'
	@echo 'make lint       linting and typing alone'
	@echo 'make clean      remove what these commands made'
	@echo 'Each first brings what it needs into $(VENV). With another Python: make PYTHON=python3.12 run'
	@echo 'With what packages of VisTrails need, of matplotlib, persistence, sklearn and vtk: make PACKAGES="matplotlib vtk" run'
	@echo 'With a VisTrails given by hand, a .deb or a folder: make VISTRAILS=PATH run'

run: $(STAMPS)/run
	$(BIN)/parallelflow run $(EXAMPLE) --engines 2

gui: $(STAMPS)/gui
	$(BIN)/parallelflow gui

# mypy has one core for some seconds. The environments of other Pythons are made beside it, and
# the tests, which wait now and then, go on beside it.
test: style
	@$(MAKE) --no-print-directory -j 2 typing pytest

# Clusters spend half of their time waiting for each other, so six tests run at once, also on two
# cores. Each process has a part of the tests, in their order, since neighbours share clusters; one that
# has finished takes half of what another has left.
pytest: $(STAMPS)/pythons $(STAMPS)/compiled
	$(BIN)/python -m pytest -m 'not slow and not fleet' -n 6 --dist worksteal --durations=10 --durations-min=5 $(PYTEST_OPTIONS)

test-slow: $(STAMPS)/slow-pythons
	$(BIN)/python -m pytest -m 'slow and not fleet' $(PYTEST_OPTIONS)

test-pythons: $(STAMPS)/test
	@sh tools/test-pythons.sh $(VENV)

test-fresh:
	@python3 tools/test_fresh.py $(if $(COMMANDS),--commands $(COMMANDS)) $(SYSTEMS)

# A machine's processes, network and mounts end with the tests, whatever ends them.
test-fleet: $(STAMPS)/test
	@sh tools/install-fleet.sh $(VENV)
	$(BIN)/python -m pytest -m fleet tests/fleet $(PYTEST_OPTIONS)

test-packages: $(STAMPS)/test $(STAMPS)/examples
	$(BIN)/python -m pytest tests/host tests/map/test_bundled_packages.py tests/examples/test_measures.py \
	    -k 'matplotlib or persistence or sklearn or vtk or measures' $(PYTEST_OPTIONS)

examples: $(STAMPS)/examples
	$(BIN)/python tools/examples_table.py --table docs/examples.md

docs: $(STAMPS)/test
	$(BIN)/python -m sphinx -W --keep-going -q docs build/docs
	@echo 'open build/docs/index.html'

bench: $(STAMPS)/test
	$(BIN)/python -m tests.benchmarks $(ROWS)

lint: style typing

style: $(STAMPS)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typing: $(STAMPS)/test
	$(BIN)/mypy

clean:
	@sh tools/clean.sh $(VENV)

$(STAMPS)/venv: $(ANEW)
	@sh tools/make-venv.sh $(VENV) $(PYTHON)
	@mkdir -p $(STAMPS) && echo '$(PYTHON)' > $@

$(STAMPS)/vistrails: $(STAMPS)/venv $(VISTRAILS_ANEW)
	@sh tools/get-vistrails.sh $(VENV) '$(VISTRAILS)'
	@echo '$(VISTRAILS)' > $@

$(STAMPS)/libraries: $(STAMPS)/venv
	@sh tools/install-libraries.sh $(VENV)
	@touch $@

$(STAMPS)/run: $(STAMPS)/vistrails $(PACKAGES:%=$(STAMPS)/package-%) setup.py
	@sh tools/install.sh $(VENV) examples "what the example needs"
	@touch $@

$(STAMPS)/gui: $(STAMPS)/run $(STAMPS)/libraries
	@sh tools/install.sh $(VENV) gui "PyQt5"
	@touch $@

$(STAMPS)/test: $(STAMPS)/vistrails $(STAMPS)/libraries setup.py
	@sh tools/install.sh $(VENV) test "the tests' tools"
	@touch $@

# What is not compiled is compiled by each of the processes that are started, hundreds of them, where
# Python is told not to keep that. So are the files of tests by pytest, in a way of its own, while it
# collects them: for four seconds in each of its processes.
KEEP_COMPILED = env -u PYTHONDONTWRITEBYTECODE $(BIN)/python

$(STAMPS)/compiled: $(STAMPS)/test $(SOURCES)
	-@$(KEEP_COMPILED) -m compileall -q -x '/test_[^/]*$$' parallelflow tests
	-@$(KEEP_COMPILED) -m pytest --collect-only -qq > /dev/null 2>&1
	@touch $@

$(STAMPS)/pythons: $(STAMPS)/test tools/test-pythons.sh
	@sh tools/test-pythons.sh $(VENV) quick prepare
	@touch $@

$(STAMPS)/slow-pythons: $(STAMPS)/test tools/test-pythons.sh
	@sh tools/test-pythons.sh $(VENV) quick prepare slow
	@touch $@

$(STAMPS)/package-%: $(STAMPS)/vistrails setup.py
	@sh tools/install.sh $(VENV) $* "what VisTrails' package $* needs"
	@touch $@

$(STAMPS)/examples: $(STAMPS)/run $(STAMPS)/libraries $(STAMPS)/package-matplotlib $(STAMPS)/package-sklearn $(STAMPS)/package-vtk
	@touch $@

FORCE:
