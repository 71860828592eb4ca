"""A network that begins a training has learnt some shots already; those do not judge it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from model.preprocessing.cache import ShotCache
from model.runs import learned_shots as learned
from model.runs.folder import LEARNED
from model.shots.table import EVALUATION, TRAINING, table_of_file, table_of_files
from model.training.data import prepare
from model.training.roles import with_roles
from model.training.train import Options, train
from tests.helpers.shots import make_file, make_shots, tiny_recipe, write_file
from tests.model.training.test_training import run

pytestmark = pytest.mark.usefixtures("narrow_network")


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A run that learnt from 45 shots, and 15 shots more than those."""
    folder, (images, labels) = tmp_path_factory.mktemp("few"), make_shots(60)
    write_file(folder / "few.h5", images[:45], labels[:45])
    run(folder / "few.h5", folder / "first", tiny_recipe(epochs=1))
    return folder / "first", write_file(folder / "more.h5", images, labels)


@pytest.fixture(scope="module")
def same(tmp_path_factory):
    """A run, and the 40 shots of which it learnt some."""
    folder = tmp_path_factory.mktemp("same")
    path = make_file(folder / "shots.h5", 40)
    run(path, folder / "first", tiny_recipe(epochs=1))
    return folder / "first", path


def _warm(first, second, table, **changes):
    """A training on the table that begins from the run `first`; its events, roles and report."""
    recipe, options = tiny_recipe(epochs=1), Options(warm_start=first, **changes)
    events = list(train(table, recipe, second, options=options))
    assert events[-1]["event"] == "finished", events[-1]
    kept, _ = learned.read(second)
    before = set(learned.read(first)[0].tolist())
    started = next(e for e in events if e["event"] == "started")
    report = json.loads((second / "metrics.json").read_text())
    said = " ".join(e["text"] for e in events if e["event"] == "note")
    return started, before <= set(kept.tolist()), report["evaluation_trained_on_before"], said


@pytest.mark.parametrize("seed", [0, 1])
def test_a_warm_start_is_judged_on_shots_that_its_network_never_learnt(few, tmp_path, seed):
    first, more = few
    started, all_train_again, met, said = _warm(
        first, tmp_path / "second", table_of_file(more), seed=seed
    )
    assert started["evaluation"] == 9
    assert all_train_again
    assert met == 0
    assert "judge" not in said


def test_where_its_shots_must_judge_a_warm_start_says_so(same, tmp_path):
    first, path = same
    table = table_of_file(path)
    learnt = table.some(np.flatnonzero(with_roles(table).role == TRAINING))
    *_, met, said = _warm(first, tmp_path / "second", learnt)
    assert met == 5
    assert "trained on 5 of the 5 evaluation shots: the scores are too good" in said


def test_roles_that_a_project_gave_stay_and_shots_known_already_do_not_judge(same, tmp_path):
    first, path = same
    table = with_roles(table_of_file(path))
    given = table.role.copy()
    given[np.flatnonzero(given == TRAINING)[:4]] = EVALUATION
    started, _, met, said = _warm(first, tmp_path / "second", replace(table, role=given))
    assert (started["evaluation"], met) == (6, 0)
    assert "Left out 4 shots of those for evaluation" in said


def test_a_run_of_an_earlier_version_begins_a_training_with_a_warning(same, tmp_path):
    first = shutil.copytree(same[0], tmp_path / "first")
    (first / LEARNED).unlink()
    events = run(same[1], tmp_path / "second", tiny_recipe(epochs=1), warm_start=first)
    assert events[-1]["event"] == "finished", events[-1]
    assert "does not say on which shots" in " ".join(e.get("text", "") for e in events)


def test_copies_of_a_shot_never_train_and_judge_together(tmp_path):
    """A file of chosen shots beside the one that they were exported from."""
    images, labels = make_shots(60)
    images[2::3] = 0  # dark shots are alike without being copies
    write_file(tmp_path / "all.h5", images, labels)
    write_file(tmp_path / "some.h5", images[:30], labels[:30])
    table = table_of_files([tmp_path / "all.h5", tmp_path / "some.h5"])
    data = prepare(table, tiny_recipe(), 0)
    first = data.table.index_of  # a copy has the place that its shot has in the other file
    lit = [set(first[rows][first[rows] % 3 < 2]) for rows in (data.training, data.evaluation)]
    assert lit[0] & lit[1]
    dark = int((first[data.training] % 3 == 2).sum())
    list(data.fill(ShotCache.open(tmp_path / "cache", data.preprocessing, table)))
    lit = [set(first[rows][first[rows] % 3 < 2]) for rows in (data.training, data.evaluation)]
    assert not lit[0] & lit[1]
    assert int((first[data.training] % 3 == 2).sum()) == dark
    assert "the same counts are among the evaluation shots" in data.notes[-1]


@pytest.mark.parametrize("damage", [b"", b"PK\3\4 and no more", b"\x93NUMPY"])
def test_a_damaged_record_is_one_that_is_not_there(tmp_path, damage):
    (tmp_path / LEARNED).write_bytes(damage)
    assert learned.read(tmp_path) is None
    assert learned.judging(tmp_path) is None
