# Two commands are all a fresh machine needs: make run, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo

.PHONY: run test install lint clean pictures backbone

run: install
	$(BIN)/python -m labeler demo $(DEMO)

test: lint
	QT_QPA_PLATFORM=offscreen OMP_WAIT_POLICY=passive $(BIN)/python -m pytest

lint: install
	$(BIN)/ruff check labeler model tests
	$(BIN)/ruff format --check labeler model tests
	$(BIN)/mypy
	$(BIN)/lint-imports

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info

# The pictures of the README, taken of the real window on the demo project.
pictures: install
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m labeler demo $(DEMO)
	mkdir -p resources/screens
	for name in labelling heatmap learn inspect class-streak class-bent light; do \
	    cp $(DEMO)/report/$$name-1280.png resources/screens/$$name.png; done

# The network trained on simulated shots that `quick` begins from: about a quarter of an hour.
backbone: install
	mkdir -p build
	$(BIN)/python -m labeler simulate build/backbone.h5 --shots 8000 --seed 2019 --size 112 --balanced
	$(BIN)/python -m labeler train build/backbone.h5 --recipe resources/backbones/recipe.toml --out build/backbone
	$(BIN)/python -m model.backbone build/backbone resources/backbones/helium-resnet18
