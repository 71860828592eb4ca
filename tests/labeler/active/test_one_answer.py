"""One answer: the same shots get the same labels wherever the program says any."""

from __future__ import annotations

from datetime import datetime

import h5py
import numpy as np
import pytest

from labeler.active import asking
from labeler.active.embeddings import of_cache, shipped_network
from labeler.active.instant import InstantReading
from labeler.active.instant_child import InstantServer
from labeler.active.messages import Lesson
from labeler.project.folder import CACHE
from labeler.project.project import Project
from labeler.quality.week_report import contents
from labeler.runs.predictions import Predictions
from labeler.runs.train_project import Wishes, train_project
from model.active import head
from model.benchmarks import foreign
from model.metrics.metrics import f1_scores
from model.networks.table import NETWORKS
from model.prediction.embedding import embed
from model.prediction.predict import predict
from model.runs.folder import PREDICTIONS
from model.shots.table import EVALUATION, table_of_file
from model.simulate.generate import simulate
from tests.helpers.narrow import NARROW
from tests.helpers.shots import make_file, tiny_recipe

pytestmark = pytest.mark.usefixtures("without_openvino")


@pytest.fixture(scope="module")
def week(tmp_path_factory):
    """A project of shots as frequent as in reality, read by the shipped network: its folder, and
    the predictions of that network."""
    folder = tmp_path_factory.mktemp("one")
    path = folder / "shots.h5"
    list(simulate(path, 90, 6, 64, workers=1))
    with Project.create(folder / "week", [path], labels=False) as project:
        table = project.shot_table()
    *_, last = embed(table, shipped_network(), folder / "week" / CACHE, engine="torch")
    assert last["event"] == "finished"
    out = folder / "predictions.h5"
    *notes, last = predict(table, shipped_network(), out, engine="torch")
    assert last["event"] == "finished"
    assert any("fitted to these without labels" in item.get("text", "") for item in notes)
    return folder, table, out


def learnt(folder, table, rows, labels):
    """What the window shows after these labels."""
    server = InstantServer()
    with Project.open(folder / "week") as project:
        ground = of_cache(1, project, table)
    assert server.answer(ground) is None
    none = np.zeros(0, np.int64)
    found = server.answer(Lesson(1, rows, table.taxonomy.pack(labels), none))
    return InstantReading(table.taxonomy, found, {})


def test_few_shots_are_read_each_by_itself_and_that_is_said(week):
    folder, table, _ = week
    decided = []
    for n in (2, 6):
        out = folder / f"few{n}.h5"
        *notes, _ = predict(table.some(np.arange(n)), shipped_network(), out, engine="torch")
        texts = [item.get("text", "") for item in notes]
        assert any(text.startswith(f"{n} of the 32 shots that it takes") for text in texts)
        assert not any("fitted to these" in text for text in texts)
        with h5py.File(out, "r") as opened:
            decided.append(opened["decided"][()])
    np.testing.assert_array_equal(decided[0], decided[1][:2])


def test_before_the_first_label_window_file_and_command_line_say_the_same(week):
    folder, table, out = week
    n = len(table)
    shown = learnt(folder, table, np.zeros(0, np.int64), np.zeros((0, 11), bool))
    file = Predictions.open(out, table.taxonomy, n)
    np.testing.assert_array_equal(file.likely(), shown.likely())
    np.testing.assert_allclose(file.probabilities, shown.probabilities, atol=1e-3)
    np.testing.assert_allclose(file.thresholds, shown.thresholds, atol=1e-3)
    with Project.open(folder / "week") as project:
        has = asking.known(project)
    made = head.fit(
        has.embeddings[:0], has.labels[:0], table.taxonomy, prior=has.prior, space=has.space
    )
    np.testing.assert_array_equal(made.decide(has.embeddings), shown.likely())
    with h5py.File(out, "r") as opened:
        assert opened.attrs["answer"].decode() == "decided"
        assert not table.taxonomy.contradictions(opened["decided"][()]).any()


def test_the_bench_of_foreign_shots_scores_what_the_file_says(week):
    folder, _, out = week
    there = table_of_file(folder / "shots.h5")
    with h5py.File(out, "r") as file:
        decided, probabilities = file["decided"][()], file["probabilities"][()]
    found = foreign.judge(there.class_names, probabilities, decided, np.ones(90, bool), there)
    truth = there.labels.astype(bool)
    there_at_all = truth.any(0)
    assert found["macro_f1"] == pytest.approx(f1_scores(decided, truth)[there_at_all].mean())
    assert found["contradiction_rate"] == 0


def test_with_labels_window_forecast_and_command_line_say_the_same(week):
    folder, table, _ = week
    truth = table_of_file(folder / "shots.h5").labels.astype(bool)
    rows = np.flatnonzero(~table.taxonomy.contradictions(truth))[:40]
    shown = learnt(folder, table, rows, truth[rows])
    with Project.open(folder / "week") as project:
        has = asking.known(project)
    made = head.fit(
        has.embeddings[rows], truth[rows], table.taxonomy, prior=has.prior, space=has.space
    )
    np.testing.assert_array_equal(made.decide(has.embeddings), shown.likely())
    chance = shown.sureness()
    assert (chance > 0).all()
    assert (chance <= shown.probabilities.max(1) + 1e-6).all()


@pytest.mark.parametrize("rule_aware", [False, True])
def test_after_a_training_report_and_bench_score_the_labels_that_window_and_file_say(
    tmp_path, monkeypatch, rule_aware
):
    monkeypatch.setitem(NETWORKS, "resnet18", NARROW)
    path = make_file(tmp_path / "shots.h5", 60)
    with Project.create(tmp_path / "week", [path], labels=True) as project:
        folder = project.folder
    recipe = tiny_recipe(epochs=1, backbone="", rule_aware=rule_aware)
    *_, last = train_project(folder, recipe, Wishes(), lambda: False)
    assert last["event"] == "finished"
    with Project.open(folder) as project:
        sections = contents(project, project.annotator, datetime(2026, 1, 1))[1]
        (told,) = (s.table for s in sections if s.title == "Trained networks")
        table = project.shot_table()
        file = Predictions.open(project.run_folder(1) / PREDICTIONS, table.taxonomy, len(table))
    judging = np.flatnonzero(table.role == EVALUATION)
    assert 0 < len(judging) < len(table)
    shown = file.likely()
    with h5py.File(project.run_folder(1) / PREDICTIONS) as opened:
        np.testing.assert_array_equal(opened["decided"][()], shown)
    found = foreign.judge(
        table.class_names, file.probabilities[judging], shown[judging],
        np.ones(len(judging), bool), table.some(judging),
    )  # fmt: skip
    row = dict(zip(*told, strict=True))
    assert row["macro F1"] == f"{found['macro_f1']:.3f}"
    assert row["accuracy"] == f"{found['accuracy']:.3f}"
    assert row["constant answer (macro F1)"] == f"{found['constant_macro_f1']:.3f}"
