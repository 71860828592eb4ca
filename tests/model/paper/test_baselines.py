"""What a network must beat: baselines learn, are judged like a network, and say what is amiss."""

from __future__ import annotations

from collections import deque

import h5py
import numpy as np
import pytest

from model.errors import InputError
from model.events import event
from model.metrics.metrics import confident
from model.paper import features as physics
from model.paper.baselines import BASELINES, Known, _decided, _each_class, run
from model.paper.features import NAMES, features
from model.paper.studies import with_split
from model.prediction import embedding
from model.preprocessing.preparation import Preparation
from model.runs.recipes import Recipe
from model.shots.layouts import Geometry
from model.shots.table import table_of_file
from model.simulate.generate import simulate
from model.taxonomy.toml import load, shipped
from model.training.data import prepare
from model.training.judging import Judge
from tests.helpers.baselines import run_baseline
from tests.helpers.shots import make_file, make_shots, write_file


def never():
    return False


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """80 simulated shots, 50 of which train."""
    out = tmp_path_factory.mktemp("simulated") / "shots.h5"
    deque(simulate(out, 80, 3, 64, balanced=True, workers=1), maxlen=0)
    return with_split(table_of_file(out), 50, 0)


@pytest.fixture
def table(tmp_path):
    """36 shots of rings, streaks and nothing, 24 of which train."""
    return with_split(table_of_file(make_file(tmp_path / "shots.h5", 36)), 24, 0)


def test_support_vectors_and_boosting_beat_the_constant_on_simulated_shots(simulated, tmp_path):
    names = ("constant", "svm", "boosting")
    last = deque(run(names, simulated, 0, never, tmp_path), maxlen=1).pop()
    found = last["results"]
    assert (last["training"], last["evaluation"]) == (50, 30)
    assert found["constant"]["macro_f1"] < 0.2
    for name in ("svm", "boosting"):
        assert found[name]["macro_f1"] > found["constant"]["macro_f1"] + 0.1
        assert found[name]["macro_ap"] > found["constant"]["macro_ap"] + 0.1


def test_a_linear_probe_of_the_backbone_tells_rings_from_streaks(table, tmp_path):
    numbers = run_baseline("probe", table, 0, never, tmp_path)
    assert numbers["macro_f1"] > run_baseline("constant", table, 0, never)["macro_f1"]
    assert numbers["contradiction_rate"] == 0
    assert list(tmp_path.glob("embeddings-*"))


def test_a_baseline_has_the_keys_of_a_training_and_the_confident_ones(table):
    judge = Judge(prepare(table, Recipe(), 0), False, np.full(11, 0.5, np.float32))
    rows = judge.data.evaluation
    of_a_training = judge.quick(np.zeros((len(rows), 11), np.float32), rows)
    numbers = run_baseline("prevalence", table, 0, never)
    assert set(numbers) == set(of_a_training) | {"coverage", "confident_accuracy"}
    again = run_baseline("svm", table, 0, never)
    assert again == run_baseline("svm", table, 0, never)


def test_the_constant_says_what_training_shots_say_most_often(tmp_path):
    images, labels = make_shots(36)
    labels[:] = (1, 1, 0, 0, 0)
    labels[::4] = (0, 0, 1, 1, 0)
    table = with_split(table_of_file(write_file(tmp_path / "a.h5", images, labels)), 24, 0)
    last = deque(run(("constant",), table, 0, never), maxlen=1).pop()
    assert last["constant_labels"] == ["Spherical/Oblate", "Round"]
    true = labels[np.flatnonzero(table.role == 2)]
    share = (true[:, 0] == 1).mean()
    assert last["results"]["constant"]["exact_match"] == pytest.approx(share)


def test_the_constant_does_not_hold_undecided_classes_for_absent():
    taxonomy = load(shipped())
    y = np.zeros((5, len(taxonomy)), bool)
    y[:2, :2] = y[2:, 0] = True  # the last three say nothing of the second class
    known = np.ones_like(y)
    known[2:, 1] = False
    asked = np.zeros((1, 0))
    answer = BASELINES["constant"].answer(
        Known(np.zeros((5, 0)), y, asked, taxonomy, 0, never, known)
    )
    np.testing.assert_array_equal(answer.decided[0], y[0])


def test_prevalence_is_the_frequency_among_the_training_shots():
    y = np.array([[1, 0], [1, 1], [1, 0], [0, 0]], bool)
    known = Known(np.zeros((4, 0)), y, np.zeros((3, 0)), load(shipped()), 0, never)
    answer = BASELINES["prevalence"].answer(known)
    np.testing.assert_allclose(answer.probabilities, [[0.75, 0.25]] * 3)
    assert answer.decided.tolist() == [[True, False]] * 3


def test_coverage_counts_cells_or_shots_as_the_task_asks():
    labels = np.array([[1, 0], [0, 1]], bool)
    p = np.array([[0.9, 0.1], [0.6, 0.8]], np.float32)
    cells = confident(p, labels, exclusive=False)
    assert (cells["coverage"], cells["confident_accuracy"]) == (0.75, 1.0)
    shots = confident(np.array([[0.9, 0.1], [0.7, 0.3]], np.float32), labels, exclusive=True)
    assert (shots["coverage"], shots["confident_accuracy"]) == (0.5, 1.0)
    assert confident(np.full((1, 2), 0.5, np.float32), labels[:1], True) == {
        "coverage": 0.0,
        "confident_accuracy": None,
    }


def test_exclusive_classes_get_one_answer_whose_probabilities_add_up():
    known = Known(np.zeros((1, 0)), np.ones((1, 5), bool), np.zeros((2, 0)),
                  load(shipped("cxidb")), 0, never)  # fmt: skip
    answer = _decided(np.array([[0.2, 0.1, 0, 0.1, 0], [0.9, 0.9, 0, 1, 0]]), known)
    np.testing.assert_allclose(answer.probabilities.sum(1), 1, rtol=1e-5)
    assert answer.decided.sum(1).tolist() == [1, 1]
    assert answer.decided.argmax(1).tolist() == [0, 3]


def test_a_class_that_is_hardly_there_keeps_its_frequency(table):
    y = np.zeros((12, 11), bool)
    y[0, 0] = True
    known = Known(np.random.default_rng(0).normal(size=(12, 4)), y, np.zeros((2, 4)),
                  table.taxonomy, 0, never)  # fmt: skip
    answer = _each_class(known, lambda fewer: pytest.fail("nothing can be learnt here"))
    np.testing.assert_allclose(answer.probabilities[:, 0], 1 / 12, rtol=1e-6)


def test_a_baseline_stops_when_asked(table, monkeypatch):
    assert run_baseline("svm", table, 0, lambda: True) == {}
    stopped = [event("progress", what="reading", done=1, total=2), event("cancelled", text="")]
    monkeypatch.setattr(embedding, "embed", lambda *_, **__: iter(stopped))
    assert run_baseline("probe", table, 0, never) == {}


def test_unknown_names_and_shots_that_look_all_the_same_are_said(tmp_path):
    images, labels = make_shots(36)
    table = table_of_file(write_file(tmp_path / "a.h5", np.full_like(images, 7), labels))
    with pytest.raises(InputError, match=r"'svn'.*constant, prevalence, svm, probe, boosting"):
        run_baseline("svn", table, 0, never)
    with pytest.raises(InputError, match="look the same"):
        run_baseline("svm", table, 0, never)


# -- the physics -----------------------------------------------------------------------------------


def test_features_do_not_change_when_the_pattern_is_turned():
    (rings, streak), _ = make_shots(2)
    turned = features(np.rot90(streak))
    np.testing.assert_allclose(features(streak), turned, atol=2e-2 * np.abs(turned).max())
    order_2 = [i for i, name in enumerate(NAMES) if name.endswith("order 2")]
    assert features(streak)[order_2].max() > 3 * features(rings)[order_2].max()


def test_features_heed_mask_and_centre():
    shot = make_shots(1)[0][0].astype(np.float32)
    whole = features(shot)
    hurt, mask = shot.copy(), np.ones(shot.shape, bool)
    hurt[40:44, 10:20], mask[40:44, 10:20] = 1e9, False
    np.testing.assert_allclose(features(hurt, mask), whole, atol=0.2)
    assert np.abs(features(hurt) - whole).max() > 5

    moved = np.zeros_like(shot)
    moved[5:, :] = shot[:-5, :]
    beam = Geometry(centre=(36.5, 31.5))
    off = np.abs(features(moved) - whole)[:40].sum()
    assert np.abs(features(moved, geometry=beam) - whole)[:40].sum() < off / 3
    found = features(moved, preparation=Preparation(centre=True))
    assert np.abs(found - whole)[:40].sum() < off / 3


@pytest.mark.parametrize(
    "counts", [np.zeros((40, 30)), np.full((16, 16), np.nan), -np.ones((9, 9))]
)
def test_features_of_dark_and_unusable_shots_are_finite(counts):
    assert np.isfinite(features(counts)).all()


def test_features_are_kept_by_source_and_read_again(table, tmp_path, monkeypatch):
    rows = np.arange(30, 0, -1)
    first = read_all(table, rows, cache=tmp_path)
    monkeypatch.setattr(physics, "features", lambda *_: pytest.fail("computed again"))
    np.testing.assert_array_equal(read_all(table, rows, cache=tmp_path), first)
    np.testing.assert_array_equal(read_all(table, rows[::2], cache=tmp_path), first[::2])
    (kept,) = tmp_path.glob("features-*.npz")
    kept.write_bytes(b"damaged")
    monkeypatch.undo()
    np.testing.assert_array_equal(read_all(table, rows, cache=tmp_path), first)


def test_a_shot_that_cannot_be_read_is_left_out(tmp_path):
    path = tmp_path / "shots.h5"
    images, labels = make_shots(36)
    with h5py.File(path, "w") as file:
        made = file.create_dataset("images", data=images, chunks=(1, 64, 64), compression="gzip")
        offset = made.id.get_chunk_info(4).byte_offset
        file["labels"] = labels
        file["labels"].attrs["class_names"] = ["Spherical/Oblate", "Round", "Prolate", "Streak",
                                               "Empty"]  # fmt: skip
    table = with_split(table_of_file(path), 24, 0)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\0" * 40)
    *events, last = run(("svm",), table, 0, never)
    assert [e["text"] for e in events if e["event"] == "note"][-1].endswith("cannot be read: 1.")
    assert last["results"]["svm"]["macro_f1"] > 0


def read_all(table, rows, **more):
    reading = physics.read(table, rows, **more)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return end.value
