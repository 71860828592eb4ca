"""The measuring commands give their numbers; how large they are is not a matter for a test."""

from __future__ import annotations

import json

from model.benchmarks import ablation, training
from model.events import event
from model.recipes import NAMES


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
        (out / "metrics.json").write_text(json.dumps({"evaluation": numbers}), "utf-8")
        yield event("epoch", epoch=1)
        yield event("finished")

    monkeypatch.setattr(ablation, "train", pretend)
    study = ablation.Study(epochs=1, size=64, seeds=2, recipes=("quick",))
    begun = []
    for item in ablation.run(None, study, tmp_path / "a", lambda: len(begun) >= 3):
        if item["event"] == "progress" and item["what"] == "trainings":
            begun.append(item)
    assert item["event"] == "cancelled"
    assert len(trained) == 3
    last = list(ablation.run(None, study, tmp_path / "a", lambda: False))[-1]
    assert last["event"] == "finished"
    assert len(trained) == 8 == len(set(trained))
    text = (tmp_path / "a" / "ablation.md").read_text("utf-8")
    assert text.count("0.550 ± 0.071") == 4 * (len(ablation.SHOWN) - 1)
    assert text.count("–") == 4


def test_the_study_has_sixteen_rows_of_every_recipe():
    rows = list(ablation.variants(ablation.Study()))
    assert len(rows) == 4 * len(NAMES) == len({words for words, _ in rows})
    paper = dict(rows)["paper · log · sigmoids"]
    assert paper.milestones == (5, 10, 15)
