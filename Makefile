# Two commands are all a fresh machine needs: make run, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo
# Tests at once; with more than there are cores, the tests of speed judge the load.
JOBS ?= 2

.PHONY: run test pytest committed release gauntlet fuzz mutation install lint clean pictures backbone

run: $(VENV)/.installed
	$(BIN)/python -m labeler demo $(DEMO)

test: lint pytest

pytest: install
	QT_QPA_PLATFORM=offscreen OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

lint: install
	$(BIN)/ruff check labeler model tests
	$(BIN)/ruff format --check labeler model tests
	$(BIN)/mypy
	$(BIN)/lint-imports

# Everything that could cost a label, tried for several minutes: kills, full disks, damaged files.
gauntlet: install
	QT_QPA_PLATFORM=offscreen OMP_WAIT_POLICY=passive $(BIN)/python -m tests.gauntlet

# Every parser of what strangers wrote, a million inputs each: hours. RUNS=10000 for a first look.
RUNS ?= 1000000
fuzz: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[fuzz]"
	$(BIN)/python -m tests.fuzz --runs $(RUNS)

# Small faults put into the code that labels and scores depend on, one by one: which does no test
# notice? Hours; MUTANTS="model.taxonomy.decoding*" for one module.
MUTANTS ?=
mutation: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[mutation]"
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m mutmut run $(MUTANTS)
	$(BIN)/python -m mutmut results

# What tests and linters need; `run` installs only what the program needs.
install: $(VENV)/.tests-installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[all]"
	touch $@

$(VENV)/.tests-installed: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	touch $@

# What is released is a commit, no more and no less.
committed:
	@test -z "$$(git status --porcelain)" || { git status --short; \
	    echo "These files are not those of the commit: commit them, or take them away."; exit 1; }

# Wheel and sdist, made twice and compared byte by byte; checks of the package; a list of all parts.
release: committed test
	$(PYTHON) -m venv build/tools && $(PYTHON) -m venv build/citation
	build/tools/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	build/tools/bin/python -m pip install --quiet --group release
	build/citation/bin/python -m pip install --quiet cffconvert setuptools
	.ci/release build/tools/bin build/citation/bin

clean:
	rm -rf $(VENV) build dist *.egg-info

# The pictures of the README, taken of the real window on the demo project; heat on its shots, by the
# network that ships.
FIGURE = $(BIN)/python -m labeler figure resources/backbones/helium-resnet18 --file $(DEMO)-shots.h5 \
    --class Streak --class Bent --dpi 130 --force
pictures: install
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m labeler demo $(DEMO) --pictures
	mkdir -p resources/screens
	for name in labelling heatmap learn inspect class-streak light physics grid queue map live agreement \
	    drift forecast history; do cp $(DEMO)/report/$$name-1280.png resources/screens/$$name.png; done
	$(FIGURE) --form paper --out resources/screens/fig5.png
	$(FIGURE) --form paper --form directions --out resources/screens/heat-forms.png

# The network trained on simulated shots that `quick` begins from: about four hours. First
# plain scenes, of two sizes of detector, because what is reduced from a larger one has less noise;
# then scenes of many causes and shots as frequent as in reality beside them; at last it learns to
# see what a half turn changes.
SIMULATE = $(BIN)/python -m labeler simulate build/backbone
backbone: install
	rm -rf build/backbone && mkdir -p build/backbone
	$(SIMULATE)/fine.h5 --shots 5000 --seed 2019 --size 224 --balanced
	$(SIMULATE)/coarse.h5 --shots 4000 --seed 2020 --size 112 --balanced
	$(BIN)/python -m labeler create build/backbone/shots build/backbone/fine.h5 build/backbone/coarse.h5
	$(BIN)/python -m labeler train build/backbone/shots --recipe resources/backbones/recipe.toml --out build/backbone/run
	$(BIN)/python -m model.runs.backbone build/backbone/run build/backbone/first
	$(SIMULATE)/broad-balanced.h5 --shots 3120 --seed 4105 --size 112 --balanced --broad
	$(SIMULATE)/broad-usual.h5 --shots 1500 --seed 4106 --size 112 --broad
	$(SIMULATE)/plain-balanced.h5 --shots 2500 --seed 4102 --size 112 --balanced
	$(SIMULATE)/plain-balanced-fine.h5 --shots 1200 --seed 4101 --size 224 --balanced
	$(SIMULATE)/plain-usual.h5 --shots 2500 --seed 4104 --size 112
	$(SIMULATE)/plain-usual-fine.h5 --shots 1000 --seed 4103 --size 224
	$(SIMULATE)/more-broad-balanced.h5 --shots 6000 --seed 5105 --size 112 --balanced --broad
	$(SIMULATE)/more-broad-usual.h5 --shots 3000 --seed 5106 --size 112 --broad
	$(SIMULATE)/more-plain-balanced.h5 --shots 3000 --seed 5102 --size 112 --balanced
	$(SIMULATE)/more-plain-balanced-fine.h5 --shots 1500 --seed 5101 --size 224 --balanced
	$(SIMULATE)/more-plain-usual.h5 --shots 2500 --seed 5104 --size 112
	$(SIMULATE)/more-plain-usual-fine.h5 --shots 1000 --seed 5103 --size 224
	$(SIMULATE)/last-broad-balanced.h5 --shots 9000 --seed 6105 --size 112 --balanced --broad
	$(SIMULATE)/last-broad-usual.h5 --shots 4500 --seed 6106 --size 112 --broad
	$(SIMULATE)/last-plain-balanced.h5 --shots 4500 --seed 6102 --size 112 --balanced
	$(SIMULATE)/last-plain-balanced-fine.h5 --shots 2500 --seed 6101 --size 224 --balanced
	$(SIMULATE)/last-plain-usual.h5 --shots 3500 --seed 6104 --size 112
	$(SIMULATE)/last-plain-usual-fine.h5 --shots 1500 --seed 6103 --size 224
	$(SIMULATE)/end-broad-balanced.h5 --shots 9000 --seed 7105 --size 112 --balanced --broad
	$(BIN)/python -m model.training.broaden build/backbone/first build/backbone resources/backbones/helium-resnet18
	$(BIN)/python -m model.prediction.expected resources/backbones/helium-resnet18 0.59375 \
	    build/backbone/last-plain-usual-fine.h5 build/backbone/last-broad-usual.h5
	$(BIN)/python -m labeler faithfulness resources/backbones/helium-resnet18 --truth
