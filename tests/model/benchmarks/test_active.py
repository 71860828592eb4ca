"""Simulated labelling: curves, savings, resuming, the figure, the claims."""

from __future__ import annotations

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

from model.active import head, prior
from model.benchmarks import active, active_figure, active_full
from model.benchmarks.active_curves import World, counts_up_to, curve, label_saving, labelling
from model.errors import InputError
from model.events import event
from model.runs import backbone
from model.runs.recipes import NEVER
from model.shots.table import make_table
from model.taxonomy.toml import load, shipped

HELIUM = load(shipped("helium"))
BACKBONE = backbone.shipped("helium-resnet18")
SHOTS = 320


def truth(count: int, seed: int = 0):
    """Embeddings of the shipped network's width that show their labels, and the labels."""
    random = np.random.default_rng(seed)
    sets = np.array([HELIUM.mask(s) for s in (
        ("Spherical/Oblate", "Round"), ("Spherical/Oblate", "Elliptical"), ("Prolate", "Streak"),
        ("Prolate", "Bent"), ("Empty",),
    )])  # fmt: skip
    labels = sets[random.choice(len(sets), count, p=(0.61, 0.2, 0.1, 0.06, 0.03))]
    x = labels @ random.normal(size=(11, 512)) + 2.5 * random.normal(size=(count, 512))
    return x.astype(np.float32), labels


@pytest.fixture(scope="module")
def world():
    return World.of(*truth(SHOTS), HELIUM, None)


def test_a_label_saving_is_exact_on_curves_that_are_known():
    labels = np.array([0, 100, 200, 400, 800])
    random_ = labels / 1000
    twice_as_good = labels / 500
    found = label_saving(labels, twice_as_good, labels, random_, 100, 800)
    assert found is not None
    assert found["share"] == pytest.approx(0.5)
    assert (found["from_macro_f1"], found["to_macro_f1"]) == pytest.approx((0.1, 0.8))
    same = label_saving(labels, random_, labels, random_, 100, 800)
    assert same is not None
    assert same["share"] == pytest.approx(1)


def test_a_strategy_that_never_gets_there_counts_with_its_whole_curve():
    labels = np.array([0, 100, 200])
    found = label_saving(labels, [0, 0.1, 0.1], labels, [0, 0.5, 1.0], 100, 200)
    assert found is not None
    assert 1.0 <= found["share"] <= 2.0
    assert label_saving(labels, [0, 1, 1], labels, [0.5, 0.5, 0.5], 100, 200) is None


def test_labelling_never_asks_for_an_evaluation_shot_nor_twice(world):
    pool, judge = world.split(0.3, 5)
    assert not set(pool.tolist()) & set(judge.tolist())
    before: set[int] = set()
    for rows, made in labelling(world, pool, "asked", 5, (20, 50, 90)):
        mine = set(rows.tolist())
        assert before <= mine
        assert not mine & set(judge.tolist())
        assert made.shots == len(mine)
        before = mine
    assert len(before) == 90


def test_a_curve_rises_and_is_the_same_every_time(world):
    points = list(curve(world, "asked", 1, (20, 60, 150)))
    assert [p["labels"] for p in points] == [0, 20, 60, 150]
    assert points[-1]["macro_f1"] > points[1]["macro_f1"]
    assert points == list(curve(world, "asked", 1, (20, 60, 150)))


def test_a_constant_answer_is_right_for_the_classes_of_the_most_frequent_set(world):
    pool, judge = world.split(0.3, 5)
    found, truth = world.constant(pool, judge), world.labels[judge]
    said = HELIUM.mask(("Spherical/Oblate", "Round"))
    share = truth[:, said].mean(0)
    assert found["accuracy"] == pytest.approx((truth == said).mean())
    assert found["macro_f1"] == pytest.approx((2 * share / (1 + share)).sum() / truth.any(0).sum())


def test_the_counts_end_where_the_study_does():
    assert counts_up_to(130) == (20, 40, 60, 80, 100, 125, 130)
    assert counts_up_to(1500)[-2:] == (1250, 1500)


def table():
    _, labels = truth(SHOTS)
    info = fake_source(SHOTS)
    every = np.ones(SHOTS, bool)
    return make_table(
        (info,), HELIUM.names, labels.astype(np.uint8), every, np.zeros(SHOTS, np.uint8), HELIUM
    )


def fake_source(count: int):
    from pathlib import Path

    from model.shots.layouts import Geometry
    from model.shots.sources import SourceInfo

    return SourceInfo(
        Path("shots.h5"), "images", "stack", count, (64, 64), "uint16", "0" * 32, None,
        HELIUM.names, False, Geometry(None, None, None, None),
    )  # fmt: skip


@pytest.fixture
def embedded(monkeypatch):
    """In place of a network: embeddings that show the labels; for the untrained one, noise."""
    asked = []

    def write(table, network, path, stop):
        asked.append(path.name)
        x, _ = truth(SHOTS)
        if network != BACKBONE:
            x = np.random.default_rng(1).normal(size=x.shape)
        with h5py.File(path, "w") as file:
            file["embeddings"], file["readable"] = x.astype(np.float16), np.ones(SHOTS, bool)
        yield event("progress", what="reading shots", done=SHOTS, total=SHOTS)

    monkeypatch.setattr(active, "embedded", write)
    monkeypatch.setattr(active, "prior_of", lambda network, taxonomy, embeddings: None)
    return asked


STUDY = active.LabellingStudy(("asked",), seeds=2, most=40)


def test_a_study_reports_every_strategy_and_goes_on_where_it_was_stopped(tmp_path, embedded):
    calls = iter([False] * 6 + [True] * 100)
    *_, last = active.run(table(), BACKBONE, STUDY, tmp_path, lambda: next(calls))
    assert last["event"] == "cancelled"
    kept = json.loads((tmp_path / "active.json").read_text())["curves"]
    assert 0 < len(kept) < 6
    *_, last = active.run(table(), BACKBONE, STUDY, tmp_path)
    results = last["results"]
    assert set(results["strategies"]) == {"random", "asked"}
    for found in (*results["strategies"].values(), results["no_pretraining"]):
        assert found["labels"] == [0, 20, 40]
        for metric in ("accuracy", "macro_f1", "rare_f1"):
            assert len(found[metric]["mean"]) == len(found[metric]["spread"]) == 3
    assert results["seeds"] == [1000, 1001]
    assert (
        results["no_pretraining"]["macro_f1"]["mean"][-1]
        < (results["strategies"]["random"]["macro_f1"]["mean"][-1])
    )
    kept_then = json.loads((tmp_path / "active.json").read_text())["curves"]
    assert kept.items() <= kept_then.items()
    table_ = active.table_of(results)
    assert "| random |" in table_
    blind = results["constant"]["macro_f1"]  # one answer, right for some classes alone
    assert 0 < blind["mean"] < results["strategies"]["random"]["macro_f1"]["mean"][-1]
    cell = f" {blind['mean']:.3f} ± {blind['spread']:.3f} |"
    assert f"| {active.CONSTANT} |{cell} – |" in table_
    svg, png = active_figure.draw(results, tmp_path)
    assert svg.read_text().count("<svg") == 1
    assert png.read_bytes()[:4] == b"\x89PNG"


def test_a_study_of_other_shots_is_not_mixed_in(tmp_path, embedded):
    (tmp_path / "active.json").write_text('{"shots": "others", "curves": {}, "trainings": {}}')
    with pytest.raises(InputError, match="holds a study of other shots"):
        list(active.run(table(), BACKBONE, STUDY, tmp_path))


def test_shots_without_true_labels_are_refused(tmp_path):
    whole = table()
    part = whole.labelled.copy()
    part[3] = False
    with pytest.raises(InputError, match="only where every shot has its true labels"):
        list(active.run(replace(whole, labelled=part), BACKBONE, STUDY, tmp_path))
    with pytest.raises(InputError, match="no strategy called 'guess'"):
        list(active.run(whole, BACKBONE, active.LabellingStudy(("guess",)), tmp_path))


def test_every_training_of_a_budget_sees_as_many_shots():
    budget = active_full.TrainingBudget(size=64, seen=30_000)
    for name, shots in (("paper", 600), ("best", 600), ("quick", 1544), ("paper", 6174)):
        recipe = budget.of(name, shots)
        assert recipe.epochs * shots == pytest.approx(30_000, rel=0.05)
        assert (recipe.size, recipe.steps, recipe.batch) == (64, 0, 48)
        assert recipe.epochs_for(shots) == recipe.epochs


def test_from_chance_means_from_no_backbone_and_what_judges_chooses_no_epoch():
    budget = active_full.TrainingBudget()
    for loop in active_full.loops(pool=6174):
        if loop.learner:
            recipe = loop.recipe(budget)
            begun = (recipe.backbone, recipe.half_turn, recipe.gentle)
            assert bool(recipe.backbone) == loop.chosen
            assert loop.chosen or begun == ("", False, 0)
            assert bool(recipe.tuning) == (recipe.evaluate_every < NEVER)


def test_the_claims_compare_chosen_labels_with_random_ones(tmp_path, embedded, monkeypatch):
    seen = []

    def fake_training(part, recipe, folder, *, stop, options):
        rows = part.role == 1
        seen.append((recipe.name, int(rows.sum()), int((part.role == 2).sum())))
        folder.mkdir(exist_ok=True)
        numbers = dict.fromkeys(active_full.SHOWN, 0.5)
        classes = {n: {"f1": 0.4} for n in HELIUM.names}
        report = {"evaluation": numbers, "per_class": classes, "seconds": 1.0}
        (folder / "metrics.json").write_text(json.dumps(report))
        yield event("finished", metrics={})

    monkeypatch.setattr(active_full, "train", fake_training)
    monkeypatch.setattr(active_full, "FEW", 60)
    monkeypatch.setattr(active_full, "SOME", 120)
    budget = active_full.TrainingBudget(seen=500, seeds=1)
    *_, last = active_full.run(table(), BACKBONE, budget, tmp_path, lambda: False)
    assert seen == [("paper", 120, 48), ("best", 120, 48), ("quick", 68, 48), ("paper", 272, 48)]
    claim = last["results"]["claims"][0]
    assert claim["ours"] == "60 chosen, instant head, shipped network"
    assert claim["theirs"] == "120 random, paper, from chance"
    assert claim["holds"] == (claim["macro_f1"] >= 0.5)
    *claimed, blind = active_full.words(last["results"]).splitlines()
    assert len(claimed) == 4
    assert f"{last['results']['trainings_constant']['macro_f1']['mean']:.3f}" in blind
    *_, again = active_full.run(table(), BACKBONE, budget, tmp_path, lambda: False)
    assert len(seen) == 4
    assert again["results"]["claims"] == last["results"]["claims"]


def test_the_world_takes_the_network_that_made_the_embeddings_as_its_prior(tmp_path, monkeypatch):
    x, _ = truth(SHOTS)
    path = tmp_path / "embeddings.h5"
    with h5py.File(path, "w") as file:
        file["embeddings"], file["readable"] = x, np.ones(SHOTS, bool)
    made = active.world_of(path, table(), BACKBONE)
    assert isinstance(made.prior, prior.Prior)
    assert made.prior.known.all()
    assert isinstance(made.space, head.Space)


def test_the_speed_of_learning_is_measured_with_every_number_that_is_shown():
    from labeler.cli.bench.table import BENCHES
    from model.benchmarks import instant

    found = instant.measure(labels=200, shots=200, rounds=1)
    shown = next(bench.shown for bench in BENCHES if bench.name == "instant")
    assert set(shown) <= set(found)
    assert all(value > 0 for value in found.values())
