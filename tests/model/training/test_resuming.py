"""An interrupted training goes on as the one that it was, whatever is said when it is resumed."""

from __future__ import annotations

import json

import pytest
from safetensors.torch import load_file, save_file

from model.runs.folder import RESUME
from model.shots.table import table_of_file
from model.training import resume
from model.training.train import Options, train
from tests.helpers.shots import make_file, tiny_recipe
from tests.model.training.test_training import losses, run

pytestmark = pytest.mark.usefixtures("narrow_network")

GENTLE = tiny_recipe(epochs=3, gentle=2.0, backbone="helium-resnet18")
"""It names a backbone, whose scale of counts is another than that of the run to begin from."""


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A run to begin from, its shots, and a whole training that began from it."""
    folder = tmp_path_factory.mktemp("begun")
    path = make_file(folder / "shots.h5", 40)
    first = tiny_recipe(epochs=5, batch=8)
    assert run(path, folder / "first", first)[-1]["event"] == "finished"
    run(path, folder / "whole", GENTLE, warm_start=folder / "first")
    return folder, path


def interrupt(path, out, recipe, epochs, **options):
    """Train so many epochs, and end before the next."""
    going = train(table_of_file(path), recipe, out, options=Options(**options))
    for item in going:
        if item["event"] == "epoch" and item["epoch"] == epochs:
            break
    next(going)
    going.close()
    assert resume.read_state(out)["epoch"] == epochs


@pytest.mark.parametrize("named", [True, False])
def test_what_began_from_a_run_goes_on_the_same_whether_that_run_is_named_again(
    named, begun, tmp_path
):
    folder, path = begun
    warm = folder / "first"
    interrupt(path, tmp_path / "cut", GENTLE, 1, warm_start=warm)
    events = run(path, tmp_path / "cut", GENTLE, resume=True, warm_start=warm if named else None)
    assert events[-1]["event"] == "finished", events[-1]
    assert losses(tmp_path / "cut") == losses(folder / "whole")
    assert "Begun from first" in " ".join(e.get("text", "") for e in events)


def test_a_state_of_an_earlier_version_goes_on_from_the_run_that_is_named(begun, tmp_path):
    folder, path = begun
    out, warm = tmp_path / "cut", folder / "first"
    interrupt(path, out, GENTLE, 1, warm_start=warm)
    _forget(out, "start")
    events = run(path, out, GENTLE, resume=True, warm_start=warm)
    assert events[-1]["event"] == "finished", events[-1]
    assert losses(out) == losses(folder / "whole")


def _forget(out, key):
    state = resume.read_state(out)
    del state[key]
    tensors = load_file(out / RESUME)
    save_file(tensors, out / RESUME, {"state": json.dumps(state)})


def test_a_training_that_was_killed_when_it_had_stopped_early_learns_no_more(begun, tmp_path):
    recipe = tiny_recipe(epochs=9, patience=1, rate=0.3, schedule="steps", tuning=0.0, gentle=0.0)
    going = run(begun[1], tmp_path / "whole", recipe)
    epochs = max(losses(tmp_path / "whole"))
    assert epochs < 9, going[-1]
    interrupt(begun[1], tmp_path / "cut", recipe, epochs)
    events = run(begun[1], tmp_path / "cut", recipe, resume=True)
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    assert "stopped early" in " ".join(e.get("text", "") for e in events)
