"""Training on one set and reading another: what is counted, and that nothing is done twice."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from model.benchmarks import foreign
from model.benchmarks.active_curves import World
from model.errors import InputError
from model.events import event
from model.runs.recipes import NEVER, named
from model.shots.table import table_of_file
from model.taxonomy.taxonomy import Taxonomy
from tests.helpers.shots import make_file, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow_network")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return table_of_file(make_file(tmp_path_factory.mktemp("foreign") / "a.h5", 20))


def test_a_perfect_reading_scores_one_over_the_classes_that_occur(table):
    labels = table.labels.astype(bool)
    every = np.ones(len(table), bool)
    found = foreign.judge(table.classes, labels.astype(np.float32), labels, every, table)
    assert found["macro_f1"] == found["accuracy"] == 1
    assert found["contradiction_rate"] == 0
    there = [n for n, y in zip(table.class_names, labels.T, strict=True) if any(y)]
    assert list(found["f1"]) == there
    assert found["constant_macro_f1"] < 1


def test_classes_are_matched_by_name_and_unreadable_shots_left_out(table):
    labels = table.labels.astype(bool)
    readable = np.arange(len(table)) % 2 == 0
    backwards = slice(None, None, -1)
    classes = Taxonomy.of_names(table.class_names[backwards])
    found = foreign.judge(
        classes, labels[:, backwards].astype(np.float32), labels[:, backwards], readable, table
    )
    assert found["macro_f1"] == 1
    assert found["contradiction_rate"] == 0
    assert found["shots"] == readable.sum()


def test_a_class_that_a_run_called_otherwise_is_judged_as_that_class(table):
    labels, every = table.labels.astype(bool), np.ones(len(table), bool)
    names = ["Streifen" if name == "Streak" else name for name in table.class_names]
    was = ["Streak" if name == "Streifen" else "" for name in names]
    classes = Taxonomy.of_names(names, was)
    found = foreign.judge(classes, labels.astype(np.float32), labels, every, table)
    assert found["f1"]["Streifen"] == found["macro_f1"] == 1


def test_sets_without_a_class_in_common_are_refused(table):
    wrong = np.zeros((len(table), 1), np.float32)
    with pytest.raises(InputError, match="no class in common"):
        foreign.judge(Taxonomy.of_names(["Cat"]), wrong, wrong > 1, wrong[:, 0] < 1, table)


def test_both_ways_are_trained_once_and_told_in_a_table(table, tmp_path, monkeypatch):
    trained, numbers = [], {"macro_f1": 0.5, "shots": 20}

    def never(name, *args):
        trained.append(name)
        yield {"event": "progress", "what": name, "done": 1, "total": 1}

    def judged(name, *args):
        yield {"event": "progress", "what": name, "done": 1, "total": 1}
        return dict(numbers)

    monkeypatch.setattr(foreign, "_trained", never)
    monkeypatch.setattr(foreign, "_judged", judged)
    recipe = replace(tiny_recipe(), backbone="")
    for _ in range(2):
        last = list(foreign.run(table, table, recipe, tmp_path))[-1]
    assert trained == ["ours → foreign", "foreign → ours"]
    assert last["table"].count("0.500") == 2
    stopped = list(foreign.run(table, table, recipe, tmp_path / "b", stop=lambda: True))
    assert stopped[-1]["event"] == "cancelled"


@pytest.fixture
def four_scores(monkeypatch):
    """Trainings that take no time and are judged by one score after the other."""
    scores = iter((0.1, 0.2, 0.8, 0.9))

    def judged(name, *args):
        yield {"event": "progress", "what": name, "done": 1, "total": 1}
        return {"macro_f1": next(scores), "shots": 20}

    monkeypatch.setattr(foreign, "_trained", lambda *args: iter(()))
    monkeypatch.setattr(foreign, "_judged", judged)


@pytest.mark.usefixtures("four_scores")
def test_asked_again_it_tells_of_the_seed_that_was_asked_for(table, tmp_path):
    recipe = replace(tiny_recipe(), backbone="")
    for seed, expected in ((0, 0.1), (1, 0.8), (0, 0.1)):
        last = list(foreign.run(table, table, recipe, tmp_path, seed=seed))[-1]
        assert last["results"]["ours → foreign"]["macro_f1"] == expected


@pytest.mark.usefixtures("four_scores")
def test_another_number_of_epochs_is_another_training(table, tmp_path):
    for epochs, expected in ((1, 0.1), (14, 0.8), (1, 0.1)):
        recipe = tiny_recipe(epochs=epochs, backbone="")
        last = list(foreign.run(table, table, recipe, tmp_path))[-1]
        assert last["results"]["ours → foreign"]["macro_f1"] == expected
    rows = range(4)
    few, many = (foreign.Folds(recipe=tiny_recipe(epochs=n)) for n in (1, 14))
    assert [few.key(row) == many.key(row) for row in rows] == [True, True, True, False]


@pytest.fixture
def world(table, monkeypatch):
    rng = np.random.default_rng(0)
    x = table.labels @ rng.normal(size=(len(table.class_names), 24)) + rng.normal(
        scale=0.1, size=(len(table), 24)
    )
    made = World.of(x.astype(np.float32), table.labels.astype(bool), table.taxonomy, None)

    def embedded(shots, network, path, stop):
        """Says of every shot what is true where its counts are not those of the file."""
        *_, counts, _ = next(shots.iter_shots([0]))
        same = np.array_equal(counts, next(table.iter_shots([0]))[1])
        with h5py.File(path, "w") as file:
            file["decided"] = made.labels & ~same
            file["probabilities"] = (made.labels & ~same).astype(np.float32)
        yield event("progress", what="reading shots", done=1, total=1)

    monkeypatch.setattr(foreign.active, "embedded", embedded)
    monkeypatch.setattr(foreign.active, "world_of", lambda *_: made)
    monkeypatch.setattr(foreign.active, "digest_of", lambda _: "abc")
    return made


def test_in_folds_every_shot_is_judged_by_what_learnt_from_the_others(
    table, world, tmp_path, monkeypatch
):
    learnt = []
    fit = foreign.head.fit

    def watched(x, y, *args, **kwargs):
        learnt.append(len(y))
        return fit(x, y, *args, **kwargs)

    monkeypatch.setattr(foreign.head, "fit", watched)
    study = foreign.Folds(parts=4, seeds=1, chosen=10)
    last = list(foreign.in_folds(table, tmp_path, study, tmp_path, lambda: False))[-1]
    n = len(table)
    assert learnt[:4] == [0] * 4
    assert learnt[-4:] == [n - len(range(k, n, 4)) for k in range(4)]
    none, some, every = (last["results"][row][0]["macro_f1"] for row in study.rows)
    assert none < every
    assert some > none
    for detector in foreign.DETECTORS:
        (read,) = last["results"][f"no label, {detector}"]
        assert read["macro_f1"] == 1
    (blind,) = last["results"][foreign.BLIND]
    assert 0 < blind["macro_f1"] < every
    assert blind["accuracy"] < 1
    assert "| constant answer |" in last["table"]
    assert last["table"].count("\n") == 6 + len(foreign.DETECTORS)
    learnt.clear()
    again = list(foreign.in_folds(table, tmp_path, study, tmp_path, lambda: False))[-1]
    assert (again["results"], learnt) == (last["results"], [])


@pytest.mark.parametrize("name", ["paper", "quick"])
def test_the_fold_that_judges_chooses_no_epoch(table, world, tmp_path, monkeypatch, name):
    looked = []

    def trained(part, recipe, folder, *, stop, options):
        looked.append(recipe.evaluate_every < NEVER)
        yield event("finished", metrics={})

    def read(folder, shots, out):
        yield event("progress", what="reading", done=1, total=1)
        return shots.labels.astype(np.float32), shots.labels > 0

    monkeypatch.setattr(foreign, "train", trained)
    monkeypatch.setattr(foreign, "_read_by", read)
    monkeypatch.setattr(foreign, "DETECTORS", {})
    study = foreign.Folds(parts=2, seeds=1, chosen=4, recipe=named(name))
    *_, last = foreign.in_folds(table, tmp_path, study, tmp_path, lambda: False)
    assert last["event"] == "finished"
    assert looked == [name == "quick"] * 2, "quick keeps shots of the other folds aside for that"


def test_shots_of_another_gain_and_offset_are_the_same_shots_in_other_counts(table):
    other = foreign.Rescaled.of(table, foreign.OtherDetector(gain=4, offset=-12))
    for (row, counts, _), (same, changed, _) in zip(
        table.iter_shots([3, 1]), other.some(np.array([1, 3])).iter_shots(), strict=True
    ):
        assert row == (1, 3)[same]
        np.testing.assert_array_equal(changed, counts.astype(np.float32) * 4 - 12)


def test_a_detector_of_less_plate_or_larger_pixels_sees_the_same_light():
    counts = np.arange(100, dtype=np.uint16).reshape(10, 10)
    mask = np.ones((10, 10), bool)
    mask[0, 0] = False
    seen, good = foreign.OtherDetector(middle=0.8).sees(counts, mask)
    np.testing.assert_array_equal(seen, counts[1:-1, 1:-1])
    assert good.shape == seen.shape
    assert good.all()
    seen, good = foreign.OtherDetector(binned=2).sees(counts, mask)
    assert seen.sum() == counts.sum()
    assert seen[0, 1] == counts[:2, 2:4].sum()
    assert not good[0, 0]
    assert good.sum() == 24
    assert foreign.OtherDetector(binned=3).sees(counts, None)[0].shape == (3, 3)


def test_a_spoilt_detector_is_blind_in_a_gap_and_on_a_side_and_hot_in_the_same_pixels():
    counts = np.full((100, 50), 7, np.uint16)
    seen, _ = foreign.OtherDetector(gap=0.06, side=0.5).sees(counts, None)
    assert not seen[47:53].any()
    assert not seen[:, :25].any()
    assert (np.delete(seen[:, 25:], np.s_[47:53], 0) == 7).all()
    hot = foreign.OtherDetector(hot=0.01, noise=3)
    one, other = (hot.sees(counts, None, seed)[0] for seed in (1, 2))
    np.testing.assert_array_equal(one == foreign.HOT, other == foreign.HOT)
    assert 20 < (one == foreign.HOT).sum() < 90
    assert np.std(one[one < foreign.HOT]) == pytest.approx(3, rel=0.05)
    assert (one != other).mean() > 0.9


def test_a_study_in_folds_can_be_stopped_and_needs_labels(table, world, tmp_path):
    study = foreign.Folds(parts=4, seeds=1)
    stopped = list(foreign.in_folds(table, tmp_path, study, tmp_path, lambda: True))
    assert stopped[-1]["event"] == "cancelled"
    bare = replace(table, labelled=np.zeros(len(table), bool))
    with pytest.raises(InputError, match="cannot be judged in folds"):
        list(foreign.in_folds(bare, tmp_path, study, tmp_path, lambda: False))
