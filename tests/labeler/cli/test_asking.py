"""ask and forecast on the command line: from a project to what to label next."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest

from labeler.active import asking, embeddings
from labeler.cli import main
from labeler.project import classes
from labeler.project.project import Project
from labeler.project.store.records import LABELLED, SKIPPED
from model.prediction import embedding_file as embedding_parts
from model.runs.folder import backbone_folder
from model.taxonomy.toml import load, shipped
from tests.helpers.predictions import write_predictions
from tests.helpers.runs import make_run

HELIUM = load(shipped("helium"))
SHOTS = 120


@pytest.fixture
def project(tmp_path):
    """The folder of a project of 120 shots, 60 of them labelled; embeddings that show the labels
    lie in its cache as `embed` would leave them."""
    random = np.random.default_rng(0)
    sets = np.array([HELIUM.mask(s) for s in (
        ("Spherical/Oblate", "Round"), ("Prolate", "Streak"), ("Empty",)
    )])  # fmt: skip
    labels = sets[random.choice(3, SHOTS, p=(0.6, 0.3, 0.1))]
    source = tmp_path / "shots.h5"
    with h5py.File(source, "w") as file:
        file["images"] = random.integers(0, 9, (SHOTS, 16, 16), np.uint16)
    folder = tmp_path / "week"
    with Project.create(folder, [source], annotator="Ada") as made:
        rows = np.arange(60)
        present, status = HELIUM.pack(labels[:60]), np.ones(60, np.uint8)
        made.store.record(made.annotator, rows, present, status, origin="key")
        table = made.shot_table()
        parts = embedding_parts.parts_of(
            table, backbone_folder("helium-resnet18"), folder / "cache"
        )
    x = labels @ random.normal(size=(11, 512)) + random.normal(size=(SHOTS, 512))
    for part in parts:
        embedding_parts.write(part, x[part.first : part.stop])
    return folder


def test_ask_says_nothing_of_a_class_that_is_decided_on_too_few_shots(project):
    with Project.open(project) as opened:
        classes.add(opened, "New")
        rows, bit = np.arange(60, 79), 1 << opened.taxonomy.index("New")
        present = HELIUM.pack(HELIUM.mask(("Prolate", "Streak"))) | np.where(rows % 2, bit, 0)
        opened.store.record(opened.annotator, rows, present, LABELLED, origin="key")
        why = asking.next_shots(opened, "margin", 30, audit=0).reasons
        assert len(why) == 30
        assert "least sure of New" not in why
        opened.store.record(opened.annotator, 79, present[1], LABELLED, origin="key")
        assert "least sure of New" in asking.next_shots(opened, "margin", 30, audit=0).reasons


def test_ask_names_unlabelled_shots_with_reasons(project, capsys):
    assert main(["ask", str(project), "-n", "12", "--json"]) == 0
    shots = json.loads(capsys.readouterr().out)["shots"]
    assert len(shots) == 12
    assert all(60 < s["shot"] <= SHOTS and s["why"] for s in shots)
    assert any(s["random"] and s["why"] == "random check" for s in shots)
    assert main(["ask", str(project), "-n", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_the_strategies_are_listed_and_an_unknown_one_is_refused(project, capsys):
    assert main(["ask", str(project), "--list", "--json"]) == 0
    assert "asked" in json.loads(capsys.readouterr().out)
    assert main(["ask", str(project), "--list"]) == 0
    assert capsys.readouterr().out.startswith("asked")
    assert main(["ask", str(project), "--strategy", "guess"]) == 1
    assert "no strategy called 'guess'" in capsys.readouterr().err


def test_forecast_says_what_more_labels_would_buy(project, capsys):
    assert main(["forecast", str(project), "--more", "50", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["labels"], made["more"]) == (60, 50)
    assert {c["name"] for c in made["classes"]} == set(HELIUM.names)
    assert main(["forecast", str(project)]) == 0
    shown = capsys.readouterr().out
    assert "more labels" in shown or "next 100 labels" in shown


def test_a_forecast_by_a_run_that_saw_the_labels_says_so_and_the_shipped_network_goes_first(
    project, capsys
):
    with Project.open(project) as opened:
        run = opened.new_run_folder()
        for name in ("model.json", "model.safetensors"):
            shutil.copy(backbone_folder("helium-resnet18") / name, run)
        write_predictions(run / "predictions.h5", np.full((SHOTS, 11), 0.3))
        opened.current_run = 1
        assert asking.known(opened).embeddings.shape[1] == 16
    assert main(["forecast", str(project), "--json"]) == 0
    assert "too hopeful" not in json.loads(capsys.readouterr().out)["text"]
    shutil.rmtree(project / "cache")
    assert main(["forecast", str(project), "--json"]) == 0
    assert "too hopeful" in json.loads(capsys.readouterr().out)["text"]


def test_fractions_come_from_the_random_checks_alone(project, capsys):
    from model.active import audit

    assert main(["fractions", str(project), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["classes"]
    labelled = np.arange(SHOTS) < 60
    drawn = len(audit.audited(labelled, 0).rows)
    assert {c["shots"] for c in found} == {drawn}
    assert all(c["low"] <= c["high"] for c in found)
    assert main(["fractions", str(project)]) == 0
    said = capsys.readouterr().out
    assert "checked at random" in said
    assert "all were checked" not in said


def test_where_every_shot_was_checked_the_share_is_said_to_be_no_estimate(project, capsys):
    with Project.open(project) as made:
        rows = np.arange(60, SHOTS)
        made.store.record(made.annotator, rows, 1, LABELLED, origin="key")
    assert main(["fractions", str(project)]) == 0
    said = capsys.readouterr().out
    assert said.count("all were checked") == 11
    assert "…" not in said


def test_with_any_seed_the_random_checks_are_those_that_count(project):
    from model.active import audit

    with Project.open(project) as made:
        asked = asking.next_shots(made, "asked", 12, audit=0.5, seed=5)
        order = audit.order(SHOTS, 0)
        assert asked.rows[asked.audit].tolist() == order[order >= 60][: asked.audit.sum()].tolist()


def test_suggestions_accepted_together_stop_no_draw_and_are_counted_in_the_fractions(
    project, capsys
):
    from model.active import audit

    with Project.open(project) as made:
        order, bits = audit.order(SHOTS, 0), int(HELIUM.pack(HELIUM.mask(["Empty"])))
        many = order[order >= 60][[0, 5]]
        made.store.record(made.annotator, many, bits, LABELLED, origin="accepted")
        asked = asking.next_shots(made, "asked", 50, audit=1.0).rows
        for row in asked.tolist():
            made.store.record(made.annotator, row, bits, LABELLED, origin="key")
        found = asking.class_fractions(made)
        assert found[0].shots >= 50 + len(many)
        assert found[0].together == len(many)
    assert main(["fractions", str(project)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "checked at random, 2 with a suggestion accepted together with others" in said


def test_a_skipped_random_check_does_not_stop_the_fractions(project):
    from model.active import audit

    with Project.open(project) as made:
        order = audit.order(SHOTS, 0)
        first = int(order[order >= 60][0])  # the first check that has no label
        before = asking.class_fractions(made)[0].shots
        made.store.record(made.annotator, first, 0, SKIPPED, origin="skip")
        assert asking.class_fractions(made)[0].shots >= before
        next_one = int(order[order >= 60][1])
        bits = int(HELIUM.pack(HELIUM.mask(["Empty"])))
        made.store.record(made.annotator, next_one, bits, LABELLED, origin="key")
        checked = order[: np.flatnonzero(order == next_one)[0] + 1]
        assert asking.class_fractions(made)[0].shots >= len(checked) - 1


def test_skipped_shots_are_asked_for_no_more(project):
    with Project.open(project) as made:
        before = asking.next_shots(made, "asked", 12, audit=0.5)
        rows = before.rows
        made.store.record(made.annotator, rows, np.zeros(12), np.full(12, SKIPPED), origin="skip")
        after = asking.next_shots(made, "asked", 12, audit=0.5)
        assert not set(after.rows) & set(rows)
        assert after.audit.sum() == before.audit.sum() > 0
        left = asking.next_shots(made, "asked", SHOTS)
        assert set(left.rows) == set(range(60, SHOTS)) - set(rows)
        bits = int(HELIUM.pack(HELIUM.mask(["Empty"])))
        made.store.record(made.annotator, int(rows[0]), bits, SKIPPED | LABELLED, origin="key")
        assert asking.known(made).passed_over.sum() == 11


def test_without_embeddings_it_says_how_to_make_them(project, capsys):
    for path in (project / "cache").rglob("*.npy"):
        path.unlink()
    assert main(["ask", str(project)]) == 1
    assert "airylabel embed week" in capsys.readouterr().err


def test_damaged_predictions_leave_what_the_shipped_network_has_read_as_in_the_window(
    project, capsys, caplog
):
    assert main(["ask", str(project), "-n", "3"]) == 0
    before = capsys.readouterr().out
    with Project.open(project) as opened:
        number = opened.current_run = make_run(opened)
        path = opened.run_folder(number) / "predictions.h5"
        table = opened.shot_table()
        assert embeddings.source_of(opened, table).predictions == path
        assert embeddings.source_of(opened, table, unseen=True).predictions is None
        path.write_bytes(b"damaged")
        assert embeddings.source_of(opened, table).predictions is None
    assert main(["ask", str(project), "-n", "3"]) == 0
    assert capsys.readouterr().out == before
    assert f"The predictions of run {number} cannot be shown" in caplog.text


def test_bench_active_is_among_the_benchmarks(capsys):
    with pytest.raises(SystemExit) as left:
        main(["bench", "active", "--help"])
    assert left.value.code == 0
    assert "--strategies" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ask", "-n", "-5"], "-5 shots cannot be asked for"),
        (["ask", "-n", "0"], "0 shots cannot be asked for"),
        (["ask", "--audit", "-1"], "-1.0 is no share"),
        (["ask", "--audit", "5"], "5.0 is no share"),
        (["ask", "--audit", "nan"], "nan is no share"),
        (["forecast", "--more", "-500"], "-500 more labels cannot be forecast"),
        (["forecast", "--more", "0"], "0 more labels cannot be forecast"),
    ],
)
def test_impossible_numbers_are_refused_in_words(words, said, project, capsys):
    verb, *options = words
    assert main([verb, str(project), *options]) == 1
    assert said in capsys.readouterr().err
