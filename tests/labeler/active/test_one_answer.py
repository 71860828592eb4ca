"""One answer: the same shots get the same labels wherever the program says any."""

from __future__ import annotations

import json
import shutil
from datetime import datetime

import h5py
import numpy as np
import pytest

from labeler.active import asking
from labeler.active.embeddings import of_cache
from labeler.active.instant import InstantPredictions
from labeler.active.instant_child import InstantServer
from labeler.active.messages import EmbeddingSource, FitRequest
from labeler.cli import main
from labeler.project.folder import CACHE
from labeler.project.project import Project
from labeler.project.store.records import LABELLED
from labeler.quality.week_report import contents
from labeler.runs.heat_child import HeatServer, HeatSource
from labeler.runs.predictions import RunPredictions
from labeler.runs.train_project import TrainingRequest, train_project
from model.active import forecast, head
from model.benchmarks import foreign
from model.inspection import class_figure, faithfulness
from model.inspection.faithfulness import FaithfulnessStudy
from model.inspection.perturbed_shots import Reader
from model.metrics.metrics import cross_entropy, f1_scores
from model.networks.table import NETWORKS
from model.prediction.before_labels import seen_by
from model.prediction.embedding import embed
from model.prediction.predict import predict
from model.runs.folder import METRICS, PREDICTIONS
from model.runs.recipes import shipped_network
from model.shots.table import EVALUATION, table_of_file
from model.simulate.generate import simulate
from model.training.roles import with_roles
from model.training.train import train
from tests.helpers.embeddings import CHOICES
from tests.helpers.narrow import NARROW
from tests.helpers.shots import make_file, tiny_recipe
from tests.helpers.waiting import until
from tests.helpers.window_parts import make_session

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


def learnt(folder, table, rows, labels, source=None):
    """What the window shows after these labels."""
    server = InstantServer()
    if source is None:
        with Project.open(folder / "week") as project:
            source = of_cache(project, table, 1)
    assert server.answer(source) is None
    none = np.zeros(0, np.int64)
    found = server.answer(FitRequest(1, rows, table.taxonomy.pack(labels), none))
    return InstantPredictions(table.taxonomy, found, {})


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
    file = RunPredictions.open(out, table.taxonomy, n)
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


def four_times(path, out):
    """The same file of shots, every count four times as large."""
    shutil.copy(path, out)
    with h5py.File(out, "r+") as file:
        counts = file["images"][()].astype(np.uint32) * 4
        del file["images"]
        file["images"] = counts
    return out


def test_four_times_the_counts_change_no_label(week, tmp_path):
    folder, table, out = week
    bright = table_of_file(four_times(folder / "shots.h5", tmp_path / "bright.h5"))
    *_, last = predict(bright, shipped_network(), tmp_path / "p.h5", engine="torch")
    assert last["event"] == "finished"
    plain, found = (RunPredictions.open(p, table.taxonomy, 90) for p in (out, tmp_path / "p.h5"))
    np.testing.assert_array_equal(found.likely(), plain.likely())


def test_suggestions_of_the_window_are_those_of_file_command_line_and_forecast(
    qapp, week, tmp_path, monkeypatch
):
    """Through the session, with labels that come one after the other."""
    folder, table, out = week
    taxonomy = table.taxonomy
    truth = table_of_file(folder / "shots.h5").labels.astype(bool)
    shutil.copytree(folder / "week", tmp_path / "week")
    session = make_session()
    session.learning.turn_on(CHOICES)
    session.open(tmp_path / "week")
    session.suggestions.enough = 0

    def suggested(rows):
        return np.stack([session.suggestions.of(int(row)) for row in rows])

    until(lambda: session.predictions.instant is not None)
    file = RunPredictions.open(out, taxonomy, len(table))
    np.testing.assert_array_equal(suggested(range(len(table))), file.likely())
    labelled = np.flatnonzero(~taxonomy.contradictions(truth))[:50]
    for n, row in enumerate(labelled, 1):
        assert session.labels.decide([row], taxonomy.pack(truth[row]), LABELLED, "key")
        if n % 10 == 0:  # else the child, which takes the newest, learns of many at once
            until(lambda n=n: session.predictions.instant.fit.labels == n)
    rest = np.setdiff1d(np.arange(len(table)), labelled)
    shown, sets = suggested(rest), session.suggestions.bits(rest)
    session.close()
    np.testing.assert_array_equal(taxonomy.unpack(sets), shown)
    made = []
    fit = head.fit
    monkeypatch.setattr(forecast.head, "fit", lambda *a, **k: made.append(fit(*a, **k)) or made[-1])
    with Project.open(tmp_path / "week") as project:
        has = asking.known(project)
        asking.forecast_for(project)
        asking.next_shots(project, "asked", 5)
    assert len(made) > 1, "the forecast learns from parts of the labels"
    np.testing.assert_array_equal(made[-1].decide(has.embeddings[rest]), shown)  # what asks


def test_a_watch_answers_by_the_network_adapted_to_the_projects_shots(week, capsys):
    folder, _, _ = week
    source, project = folder / "shots.h5", folder / "week"
    words = [source, "--run", shipped_network(), "--project", project, "--no-record"]
    assert main(["watch", *map(str, words), "--engine", "torch", "--seconds", "0", "--json"]) == 0
    assert "is adapted to 90 shots of the project." in capsys.readouterr().out


@pytest.fixture(scope="module")
def copied(week, tmp_path_factory):
    """The shipped network as a run, with its predictions: its folder, and what they say."""
    _, _, out = week
    run = tmp_path_factory.mktemp("copied") / "run"
    shutil.copytree(shipped_network(), run)
    shutil.copy(out, run / PREDICTIONS)
    with h5py.File(out, "r") as file:
        return run, file["probabilities"][()], file["decided"][()]


@pytest.mark.parametrize("asks", ["the file", "its predictions", "the window"])
def test_whoever_asks_the_shipped_network_about_a_shot_hears_what_predictions_say(
    week, copied, asks
):
    _, table, _ = week
    run, probabilities, decided = copied
    reader = Reader(run)
    rows = np.arange(len(table))
    own = reader.read(table, rows)
    assert (own.decided != decided).any(), "adapting must matter here"
    assert np.abs(own.probabilities - probabilities).max() > 0.1
    if asks == "the window":
        reader = HeatServer(HeatSource(run, table, table.taxonomy)).reader
    else:
        reader.adapt(table, table.taxonomy, seen_by(run) if asks == "its predictions" else None)
    read = reader.read(table, rows)
    np.testing.assert_array_equal(read.decided, decided)
    np.testing.assert_allclose(read.probabilities, probabilities, atol=1e-3)
    np.testing.assert_allclose(reader.chances(read.squares[:4]), probabilities[:4], atol=1e-3)
    odds = reader.answers.log_odds(read.logits)
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), probabilities, atol=1e-3)


def test_a_figure_writes_p_and_verdict_of_the_predictions_over_its_shots(
    week, copied, tmp_path, monkeypatch
):
    folder, table, _ = week
    run, probabilities, decided = copied
    drawn = []
    monkeypatch.setattr(class_figure, "save", lambda rows, out, **how: drawn.extend(rows))
    kinds = [int(k) for k in np.argsort(-decided.sum(0))[:2]]
    names = [table.class_names[k] for k in kinds]
    shots = ",".join(str(n) for n in range(1, 13))
    words = [run, "--file", folder / "week", "--shots", shots, "--form", "paper"]
    words += ["--class", names[0], "--class", names[1], "--out", tmp_path / "f.png"]
    assert main(["figure", *map(str, words)]) == 0
    for row, kind in zip(drawn, kinds, strict=True):
        for shot, p, said in zip(row.shots, probabilities[:, kind], decided[:, kind], strict=False):
            number, word, *_ = shot.title.split("\n")
            assert float(number.rpartition(" p ")[2]) == pytest.approx(p, abs=0.006)
            assert word == ("predicted" if said else "not predicted")


def test_faithfulness_counts_the_shots_that_predictions_take_for_a_class(week, copied, monkeypatch):
    _, table, _ = week
    monkeypatch.setattr(faithfulness, "LEVELS", np.linspace(0, 1, 3))
    run, _, decided = copied
    own = Reader(run).read(table, np.arange(len(table))).decided
    apart = np.flatnonzero((own.sum(0) != decided.sum(0)) & (decided.sum(0) > 0))
    kind = min(apart, key=lambda k: decided[:, k].sum())
    study = FaithfulnessStudy((table.class_names[kind],), len(table), occlusion=False)
    *_, last = faithfulness.measure(table, run, study, seen=seen_by(run))
    (found,) = last["classes"].values()
    assert found["shots"] == decided[:, kind].sum()


def test_the_bench_of_foreign_shots_scores_what_the_file_says(week):
    folder, _, out = week
    there = table_of_file(folder / "shots.h5")
    with h5py.File(out, "r") as file:
        decided, probabilities = file["decided"][()], file["probabilities"][()]
    found = foreign.judge(there.classes, probabilities, decided, np.ones(90, bool), there)
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
    qapp, tmp_path, monkeypatch, rule_aware
):
    monkeypatch.setitem(NETWORKS, "resnet18", NARROW)
    path = make_file(tmp_path / "shots.h5", 60)
    with Project.create(tmp_path / "week", [path], labels=True) as project:
        folder = project.folder
    recipe = tiny_recipe(epochs=1, backbone="", rule_aware=rule_aware)
    *_, last = train_project(folder, recipe, TrainingRequest(), lambda: False)
    assert last["event"] == "finished"
    with Project.open(folder) as project:
        sections = contents(project, project.annotator, datetime(2026, 1, 1))[1]
        (told,) = (s.table for s in sections if s.title == "Trained networks")
        table = project.shot_table()
        file = RunPredictions.open(project.run_folder(1) / PREDICTIONS, table.taxonomy, len(table))
        run = project.run_folder(1)
        # the other answer, of another name: "run 1 + 60 labels"
        assert project.current_run == 1
        has = asking.known(project)
    truth, rows = table.labels.astype(bool), np.flatnonzero(has.labelled)
    source = EmbeddingSource(1, table.taxonomy, len(table), run, run / PREDICTIONS)
    refitted = learnt(folder, table, rows, truth[rows], source)
    made = head.fit(
        has.embeddings[rows], truth[rows], table.taxonomy, prior=has.prior, space=has.space
    )
    np.testing.assert_array_equal(made.decide(has.embeddings), refitted.likely())
    session = make_session(folder)
    assert session.predictions.of_run.name == "run 1"
    np.testing.assert_array_equal(session.predictions.of_run.likely(), file.likely())
    session.close()
    judging = np.flatnonzero(table.role == EVALUATION)
    assert 0 < len(judging) < len(table)
    shown = file.likely()
    with h5py.File(project.run_folder(1) / PREDICTIONS) as opened:
        np.testing.assert_array_equal(opened["decided"][()], shown)
    found = foreign.judge(
        table.classes, file.probabilities[judging], shown[judging],
        np.ones(len(judging), bool), table.some(judging),
    )  # fmt: skip
    assert found["contradiction_rate"] == 0
    again, bright = tmp_path / "again.h5", tmp_path / "bright.h5"
    for shots in (path, four_times(path, bright)):
        *_, last = predict(table_of_file(shots), run, again, engine="torch")
        assert last["event"] == "finished"
        with h5py.File(again) as opened:
            np.testing.assert_array_equal(opened["decided"][()], shown)
    for c in range(len(table.class_names)):
        gallery = file.gallery(c, "certain", np.zeros(len(table), int), np.zeros(len(table), int))
        np.testing.assert_array_equal(np.sort(gallery), np.flatnonzero(shown[:, c]))
    assert not file.broken()[:, table.taxonomy.hard].any()
    evaluation = json.loads((run / METRICS).read_text())["evaluation"]
    assert evaluation["macro_f1"] == pytest.approx(found["macro_f1"])
    row = dict(zip(*told, strict=True))
    assert row["macro F1"] == f"{found['macro_f1']:.3f}"
    assert row["accuracy"] == f"{found['accuracy']:.3f}"
    assert row["constant answer (macro F1)"] == f"{found['constant_macro_f1']:.3f}"


def test_a_run_is_judged_as_it_predicts_whatever_numbers_it_was_trained_in(tmp_path):
    path = make_file(tmp_path / "shots.h5", 60)
    recipe = tiny_recipe(epochs=1, precision="bf16")
    *_, trained = train(table_of_file(path), recipe, tmp_path / "run")
    table = with_roles(table_of_file(path), 0)
    *_, last = predict(table, tmp_path / "run", tmp_path / "p.h5", engine="torch")
    assert last["event"] == "finished"
    with h5py.File(tmp_path / "p.h5") as file:
        said = file["probabilities"][()]
    judges = np.flatnonzero(table.role == EVALUATION)
    labels, known = table.labels[judges].astype(bool), table.decided[judges]
    loss = cross_entropy(said[judges], labels, known)
    assert trained["metrics"]["loss"] == pytest.approx(loss, rel=1e-5)
