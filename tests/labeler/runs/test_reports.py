"""What run folders tell: states, curves, comparison, offers; damaged ones tell less."""

import json

import numpy as np
import pytest

from labeler.project.decisions import Decisions, Tally
from labeler.quality.week_report import write_report
from labeler.runs.predictions import RunPredictions
from labeler.runs.run_report import (
    MACRO,
    Curves,
    compare,
    in_words,
    read_events,
    read_report,
    read_reports,
)
from labeler.runs.training_choices import (
    WORDS,
    TrainingOrder,
    duration,
    expected_seconds,
    lacking,
    usable_shots,
)
from labeler.window.widgets.print_pdf import print_pdf
from model.runs import learned_shots, recipes
from model.runs.judges import Judges, judges_of
from tests.helpers.predictions import HELIUM, write_predictions
from tests.helpers.runs import make_project, make_run, write_events


@pytest.fixture
def project(tmp_path):
    with make_project(tmp_path) as made:
        yield made


def test_a_finished_run_is_read_from_its_folder(project):
    number = make_run(project, 0.8, epochs=6)
    run = read_report(number, project.run_folder(number))
    assert (run.state, run.recipe, run.network) == ("finished", "quick", "resnet18")
    assert (run.shots, run.epochs, run.seconds) == (40, 6, 95.0)
    assert run.metrics[MACRO] == pytest.approx(0.8 * (1 - np.exp(-3)))
    assert set(run.classes) == {
        "Spherical/Oblate", "Round", "Elliptical", "Prolate", "Streak", "Empty",
    }  # fmt: skip
    assert run.is_usable
    assert [r.number for r in read_reports(project)] == [1]


@pytest.mark.parametrize("end", ["cancelled", "failed", ""])
def test_a_run_that_did_not_finish_says_so(tmp_path, end):
    write_events(tmp_path / "0003", 0.4, end=end, text="why")
    run = read_report(3, tmp_path / "0003")
    assert run.state == (end or "unfinished")
    assert run.message == ("why" if end else "")
    assert not run.is_usable


def test_an_empty_or_damaged_folder_gives_an_empty_run(tmp_path):
    assert read_report(1, tmp_path / "nowhere").state == "unfinished"
    (tmp_path / "events.jsonl").write_bytes(b'{"event": "epoch", \xff\xfe\nnot json\n[1]\n')
    (tmp_path / "metrics.json").write_text("[]")
    run = read_report(1, tmp_path)
    assert (run.epochs, run.metrics, run.classes) == (0, {}, {})


def test_curves_have_a_point_for_each_epoch_even_where_a_number_is_missing():
    curves = Curves.of(
        [
            {"event": "started"},
            {"event": "epoch", "epoch": 1, "loss": 0.5, "metrics": {"macro_f1": None}},
            {"event": "epoch", "epoch": 2, "loss": 0.4, "metrics": {"macro_f1": 0.6, "ece": 0.1}},
            {"event": "epoch", "epoch": 3, "loss": 0.3},
        ]
    )
    assert curves.epochs == [1, 2, 3]
    assert curves.losses["training"] == [0.5, 0.4, 0.3]
    assert np.array_equal(curves.metrics["macro_f1"], [np.nan, 0.6, np.nan], equal_nan=True)
    assert np.array_equal(curves.metrics["ece"], [np.nan, 0.1, np.nan], equal_nan=True)


def test_events_are_read_again_when_they_grow(tmp_path):
    write_events(tmp_path, 0.4, epochs=2, end="")
    before = len(read_events(tmp_path))
    write_events(tmp_path, 0.4, epochs=3)
    assert len(read_events(tmp_path)) == before + 2


def test_two_runs_are_judged_on_the_same_shots_by_the_labels_of_today(tmp_path):
    n, round_ = 24, HELIUM.index("Round")
    truth = np.zeros((n, 11))
    truth[::2, round_] = 1
    good, bad = truth * 0.8 + 0.1, np.full((n, 11), 0.1)
    old, new = (
        RunPredictions.open(write_predictions(tmp_path / name, p), HELIUM, n)
        for name, p in (("a.h5", bad), ("b.h5", good))
    )
    judges = Judges(np.arange(12))
    change = compare(old, new, HELIUM.pack(truth), np.ones(n, np.uint8), judges)
    (moved,) = change.classes
    assert (moved.name, moved.old, moved.new, moved.clearly) == ("Round", 0.0, 1.0, 1)
    assert change.macro == (0.0, 1.0)
    assert change.shots == 12
    assert change.flipped.tolist() == list(range(0, 24, 2))
    assert change.verdict.better == [0, 2, 4, 6, 8, 10]
    assert change.verdict.worse == []
    assert change.verdict.promote
    assert "(12 evaluation shots, kept aside, 95 %: " in change.verdict.text
    assert in_words(change) == "better: Round · 12 shots predicted differently"
    back = compare(new, old, HELIUM.pack(truth), np.ones(n, np.uint8), judges)
    assert in_words(back).startswith("worse: Round")
    assert not back.verdict.promote
    same = compare(new, new, HELIUM.pack(truth), np.ones(n, np.uint8), Judges(np.zeros(0, int)))
    assert same.macro is None
    assert in_words(same) == "no class clearly better or worse · 0 shots predicted differently"


def test_a_run_is_compared_on_the_shots_that_its_own_report_was_made_of(tmp_path):
    nothing, role = np.zeros(0, np.uint64), np.array([2, 1, 2, 2, 0], np.uint8)
    assert judges_of(tmp_path, role).rows.tolist() == [0, 2, 3], "an earlier version kept none"
    assert judges_of(tmp_path, role).words == "kept aside"
    learned_shots.keep(tmp_path, nothing, nothing, np.array([0, 3, 99]))
    for report, words in (
        ({"judged_on": "kept aside"}, "kept aside"),
        ({"judged_on": "random checks"}, "random checks"),
        ({"judged_on": "random checks", "checks_left_out": 35},
         "random checks, 35 of the draw left out because they trained"),
    ):  # fmt: skip
        (tmp_path / "metrics.json").write_text(json.dumps(report))
        judges = judges_of(tmp_path, role)
        assert (judges.rows.tolist(), judges.words) == ([0, 3], words)
        assert read_report(1, tmp_path).judged_on == words


def test_a_training_needs_shots_and_classes():
    bits = HELIUM.pack(HELIUM.mask(["Round", "Spherical/Oblate"]))
    present, status = np.full(30, bits), np.zeros(30, np.uint8)
    assert lacking(HELIUM, Tally(present, status), 40) == "Label 10 more shots to train a network"
    status[:9] = 1
    assert lacking(HELIUM, Tally(present, status), 40) == "Label 1 more shot to train a network"
    status[:] = 1
    assert lacking(HELIUM, Tally(present, status), 40) == ""
    present[:] = HELIUM.pack(HELIUM.mask(["Empty"]))
    assert "2 different classes" in lacking(HELIUM, Tally(present, status), 40)


def test_shots_in_error_are_not_used():
    present = HELIUM.pack([HELIUM.mask(["Round", "Elliptical", "Spherical/Oblate"])] * 3)
    present[1] = HELIUM.pack(HELIUM.mask(["Empty"]))
    status, nothing = np.array([1, 1, 0], np.uint8), np.zeros(3, np.int64)
    decided = Decisions(present, status, nothing, np.zeros(3, np.uint8))
    assert usable_shots(HELIUM, decided).tolist() == [1]


def test_the_expected_time_comes_from_the_last_run_alike(project):
    estimate = expected_seconds(TrainingOrder(), 600, 600, [])
    assert 30 < estimate < 900
    make_run(project, 0.5, epochs=6, shots=40)
    measured = expected_seconds(TrainingOrder(), 600, 0, read_reports(project))
    assert measured == pytest.approx(95.0 / (40 * 6) * 600 * recipes.named("quick").epochs_for(600))
    other = TrainingOrder(network="resnet101")
    assert expected_seconds(other, 600, 0, read_reports(project)) > 4 * estimate * 0.7


def test_an_order_becomes_arguments_of_the_command_line():
    assert TrainingOrder().arguments == ["--recipe", "quick"]
    full = TrainingOrder("paper", "vgg16", 3)
    assert full.arguments == ["--recipe", "paper", "--network", "vgg16", "--epochs", "3"]
    assert full.comes_to(600) == ("vgg16", 3)
    assert TrainingOrder(warm_start=3).arguments[-2:] == ["--warm-start", "3"]


def test_every_recipe_is_offered_in_words():
    assert set(WORDS) == set(recipes.NAMES)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 s"), (40, "40 s"), (59.7, "1 min"), (200, "3 min"), (4800, "1 h 20 min"),
     (3600, "1 h"), (50_000, "14 h"), (400_000, "5 days")],
)  # fmt: skip
def test_durations_are_written_as_people_say_them(seconds, text):
    assert duration(seconds) == text


def test_the_report_of_the_week_has_the_scores_and_says_where_they_flatter(project, tmp_path):
    number = make_run(project, 0.8)
    text = write_report(project, tmp_path / "week.html", print_pdf).read_text("utf-8")
    scores = read_report(number, project.run_folder(number)).metrics
    for name in ("macro_f1", "rare_f1", "accuracy"):
        assert f"<td>{scores[name]:.3f}</td>" in text
    assert "flatter" not in text
    path = project.run_folder(number) / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chosen_on": "evaluation"}))
    text = write_report(project, tmp_path / "again.html", print_pdf).read_text("utf-8")
    assert "Of run 1 the epoch that scores best on these very shots" in text
