"""The measuring commands give their numbers; how large they are is not a matter for a test."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from labeler.cli import main
from model.benchmarks import ablation, training
from model.errors import InputError
from model.events import event
from model.runs.recipes import NAMES
from model.shots.table import table_of_file
from tests.helpers.shots import make_file

SHOTS = SimpleNamespace(fingerprint="abc")
"""All that an ablation asks of a table whose trainings are pretended."""


def test_bench_training_gives_its_ratios():
    found = training.measure(batch=4, size=64, repeats=1)
    for name in ("step_ratio_torchvision", "step_ratio_own_nodata", "penalty_share"):
        assert found[name] > 0
    assert "step_ratio_timm" in found
    json.dumps(found)


def test_an_ablation_can_be_stopped_and_gone_on_with(tmp_path, monkeypatch):
    trained = []

    def pretend(table, recipe, out, *, stop, options):
        if stop():
            yield event("cancelled")
            return
        trained.append((recipe.activation, recipe.rule_aware, options.seed))
        out.mkdir(exist_ok=True)
        numbers = dict.fromkeys(ablation.SHOWN, 0.5 + options.seed / 10) | {"rare_f1": None}
        score = {"macro_f1": numbers["macro_f1"]}
        report = {"evaluation": numbers, "decoded": score, "constant": score, "seconds": 3}
        (out / "metrics.json").write_text(json.dumps(report), "utf-8")
        yield event("epoch", epoch=1)
        yield event("finished")

    monkeypatch.setattr(ablation, "train", pretend)
    study = ablation.AblationStudy(epochs=1, size=64, seeds=2, training=0, recipes=("quick",))
    begun = []
    for item in ablation.run(SHOTS, study, tmp_path / "a", lambda: len(begun) >= 3):
        if item["event"] == "progress" and item["what"] == "trainings":
            begun.append(item)
    assert item["event"] == "cancelled"
    assert len(trained) == 3
    last = list(ablation.run(SHOTS, study, tmp_path / "a", lambda: False))[-1]
    assert last["event"] == "finished"
    assert len(trained) == 8 == len(set(trained))
    text = (tmp_path / "a" / "ablation.md").read_text("utf-8")
    assert text.count("0.550 ± 0.071") == 4 * (len(ablation.SHOWN) - 1)
    assert text.count("–") == 4
    assert text.count("| 3 s |") == 4


def test_a_training_that_failed_is_told_and_tried_again_and_the_command_fails(
    tmp_path, monkeypatch, capsys
):
    shots, tried = make_file(tmp_path / "a.h5", n=20), []

    def failing(table, recipe, out, *, stop, options):
        tried.append(recipe)
        yield event("failed", text="the loss became nan")

    monkeypatch.setattr(ablation, "train", failing)
    words = ["bench", "ablation", str(shots), "--recipes", "paper", "--training", "0"]
    words += ["--seeds", "1", "--out", str(tmp_path / "out")]
    for calls in (4, 8):
        assert main([*words, "--json"]) == 1
        assert len(tried) == calls
        last = json.loads(capsys.readouterr().out)
        assert list(last["failed"].values()) == ["the loss became nan"] * 4
        assert last["table"].count("failed") == 4 * len(ablation.SHOWN)


@pytest.fixture
def trained_before(tmp_path, monkeypatch):
    """A study of so many seeds, of which one is trained on the shots "abc"; nothing trains now."""

    def make(seeds, trained):
        monkeypatch.setattr(ablation, "train", lambda *args, **more: iter([event("cancelled")]))
        study = ablation.AblationStudy(seeds=seeds, training=0, recipes=("paper",))
        keys = [study.key(w, recipe, trained, "abc") for w, recipe in ablation.variants(study)]
        kept = {key: {"macro_f1": 0.5} for key in keys}
        (tmp_path / "ablation.json").write_text(json.dumps(kept))
        return study

    return make


def test_trainings_of_other_shots_are_others(tmp_path, trained_before):
    study = trained_before(seeds=1, trained=0)
    for fingerprint, ends in (("abc", "finished"), ("other", "cancelled")):
        table = SimpleNamespace(fingerprint=fingerprint)
        assert list(ablation.run(table, study, tmp_path, lambda: False))[-1]["event"] == ends


def test_one_seed_can_be_trained_alone(tmp_path, trained_before):
    study = trained_before(seeds=3, trained=1)
    last = list(ablation.run(SHOTS, study, tmp_path, lambda: False, range(1, 2)))[-1]
    assert last["event"] == "finished"
    assert last["table"].count("0.500 ± 0.000") == 4


def test_the_study_has_four_rows_of_every_recipe_and_says_where_each_begins():
    rows = dict(ablation.variants(ablation.AblationStudy(epochs=20)))
    assert len(rows) == 4 * len(NAMES)
    assert rows["paper | chance | log | sigmoids"].milestones == (5, 10, 15)
    assert "quick | backbone | LeakyReLU | legal sets" in rows
    assert "quick | chance | log | legal sets" in rows  # there is no backbone with that activation
    assert all(r.epochs == 20 and r.size == 64 and r.steps == 0 for r in rows.values())


def test_all_shots_that_do_not_train_judge(tmp_path):
    table = table_of_file(make_file(tmp_path / "a.h5", n=60))
    split = ablation.with_split(table, 20, 3)
    assert (split.role == 1).sum() == 20
    assert (split.role == 2).sum() == 40
    assert not np.array_equal(split.role, ablation.with_split(table, 20, 4).role)
    with pytest.raises(InputError, match="to judge by"):
        ablation.with_split(table, 60, 3)
