"""A training from shots to run folder: it learns, can be stopped, repeated and resumed exactly."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.events import from_line
from model.networks.table import NETWORKS
from model.runs import checkpoint, recipes
from model.runs.folder import DESCRIPTION, RESUME, WEIGHTS
from model.runs.recipes import NEVER, named
from model.shots.table import table_of_file
from model.taxonomy import decoding
from model.taxonomy.taxonomy import Taxonomy
from model.training import resume
from model.training.data import prepare
from model.training.judging import Judge
from model.training.loop import Loop
from model.training.roles import in_hard_error
from model.training.train import Options, _caution, _first_network, _fitting, _rest_undecided, train
from tests.helpers.narrow import WHOLE
from tests.helpers.shots import NAMES, make_file, tiny_recipe
from tests.helpers.waiting import until

pytestmark = pytest.mark.usefixtures("narrow_network")

ROOT = Path(__file__).parents[3]
THREE = tiny_recipe(epochs=3, backbone="")


def run(path, out, recipe=None, **options):
    table = table_of_file(path)
    return list(train(table, recipe or tiny_recipe(), out, options=Options(**options)))


def losses(out):
    lines = (out / "events.jsonl").read_text("utf-8").splitlines()
    items = [from_line(line) for line in lines]
    return {i["epoch"]: i["loss"] for i in items if i["event"] == "epoch"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of six epochs and its events."""
    folder = tmp_path_factory.mktemp("trained")
    path = make_file(folder / "shots.h5", 60)
    recipe = tiny_recipe(epochs=6, tuning=0.0, batch=8)
    return folder / "run", run(path, folder / "run", recipe), path


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Its shots, a run of three epochs, and the folder of their reduced shots."""
    folder = tmp_path_factory.mktemp("small")
    path, whole = make_file(folder / "shots.h5", 24), folder / "whole"
    assert "progress" in kinds_of(run(path, whole, THREE, cache=folder / "cache"))
    return path, whole, folder / "cache"


@pytest.fixture(scope="module")
def again(small, tmp_path_factory):
    """The same training a second time, and its events."""
    path, _, cache = small
    out = tmp_path_factory.mktemp("again") / "run"
    return out, run(path, out, THREE, cache=cache)


def kinds_of(events):
    return [e["event"] for e in events]


def test_it_learns_what_is_easy_and_leaves_a_whole_run(trained):
    out, events, _ = trained
    kinds = [e["event"] for e in events]
    assert kinds[-1] == "finished", events[-1]
    assert kinds.count("epoch") == 6
    metrics = events[-1]["metrics"]
    assert metrics["accuracy"] > events[-1]["constant"]["accuracy"] + 0.1
    assert metrics["macro_f1"] > events[-1]["constant"]["macro_f1"] + 0.2
    for name in ("recipe.toml", "events.jsonl", "metrics.json", *_checkpoint_files()):
        assert (out / name).is_file(), name
    assert not (out / RESUME).exists()
    assert not list(out.glob(".*part"))
    assert recipes.read(out / "recipe.toml").epochs == 6


def _checkpoint_files():
    return WEIGHTS, DESCRIPTION


def test_its_events_say_what_the_window_needs_and_are_on_file(trained):
    out, events, _ = trained
    started = next(e for e in events if e["event"] == "started")
    assert started["training"] + started["evaluation"] == started["shots"] == 60
    assert started["evaluation"] == 9
    assert (started["excluded"], started["epochs"]) == (0, 6)
    assert started["seconds_left"] > 0
    for e in events:
        if e["event"] == "epoch":
            assert {"epoch", "epochs", "loss", "metrics", "best", "seconds_left"} <= set(e)
    assert any(e["event"] == "epoch" and e["best"] for e in events)
    lines = (out / "events.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["event"] for line in lines] == [e["event"] for e in events]


def test_metrics_hold_the_papers_three_and_those_of_every_class_and_rule(trained):
    found = json.loads((trained[0] / "metrics.json").read_text("utf-8"))
    assert {"accuracy", "precision", "recall", "macro_f1", "rare_f1", "macro_ap", "exact_match",
            "ece", "contradiction_rate"} <= set(found["evaluation"])  # fmt: skip
    assert set(NAMES) <= set(found["per_class"])
    assert {"at_half", "decoded", "constant", "maxima", "per_rule", "thresholds"} <= set(found)
    assert found["decoded"]["contradiction_rate"] == 0
    assert found["chosen_on"] == "last"


def test_a_run_keeps_what_its_classes_were_called_before(tmp_path):
    names = [name.replace("Streak", "Streifen") for name in NAMES]
    was = ["Streak" * (name == "Streifen") for name in names]
    table = table_of_file(
        make_file(tmp_path / "shots.h5", 24), taxonomy=Taxonomy.of_names(names, was)
    )
    for _ in train(table, tiny_recipe(epochs=1), tmp_path / "run"):
        pass
    about = checkpoint.describe(tmp_path / "run")
    assert about.earlier_names == tuple(was)
    assert about.taxonomy.now("streak") == "Streifen"


def test_the_checkpoint_predicts_as_the_report_says(trained):
    out, events, path = trained
    network, about = checkpoint.load(out)
    table = table_of_file(path)
    prepared = [about.preprocessing.apply(c, m) for _, c, m in table.iter_shots()]
    import torch

    with torch.no_grad():
        decided = about.decide(network(torch.from_numpy(np.stack(prepared))).numpy())
    wrong = (decided != table.labels.astype(bool)).mean()
    assert wrong < 0.1
    assert about.metrics == events[-1]["metrics"]
    assert about.data_fingerprint == table.fingerprint


def test_a_second_training_is_the_same_to_the_last_digit(small, again, tmp_path):
    path, whole, cache = small
    assert losses(again[0]) == losses(whole)
    run(path, tmp_path / "other", THREE, seed=1, cache=cache)
    assert losses(tmp_path / "other") != losses(whole)


def test_the_second_training_reuses_the_reduced_shots(again):
    assert "progress" not in kinds_of(again[1])


SCRIPT = """
import sys
from pathlib import Path
from tests.helpers.narrow import make_narrow
from tests.helpers.shots import tiny_recipe
from model.shots.table import table_of_file
from model.training.train import train
if __name__ == "__main__":
    make_narrow()
    recipe = tiny_recipe(epochs=int(sys.argv[3]))
    for item in train(table_of_file(sys.argv[1]), recipe, Path(sys.argv[2])):
        print(item["event"], item.get("epoch", ""), flush=True)
"""


def test_after_kill_9_it_goes_on_to_the_same_loss_curve(small, tmp_path):
    path, whole, _ = small
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, path, tmp_path / "cut", "3"],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    with child:
        for line in child.stdout:
            if line.split() == ["epoch", "1"]:
                _wait_for_epoch(tmp_path / "cut", 1)
                child.kill()
                break
    assert child.wait() in (-signal.SIGKILL, 1)
    events = run(path, tmp_path / "cut", THREE, resume=True)
    assert events[-1]["event"] == "finished", events[-1]
    assert next(e for e in events if e["event"] == "started")["epoch"] in (1, 2)
    assert losses(tmp_path / "cut") == losses(whole)
    a, b = (json.loads((out / "metrics.json").read_text()) for out in (tmp_path / "cut", whole))
    assert a["evaluation"] == b["evaluation"]
    first, second = (checkpoint.load(out)[0] for out in (tmp_path / "cut", whole))
    for left, right in zip(first.parameters(), second.parameters(), strict=True):
        assert (left == right).all()


def _wait_for_epoch(out, epoch):
    def kept():
        state = resume.read_state(out)
        return state and state["epoch"] >= epoch

    until(kept, "no state was kept")


def test_resuming_is_refused_where_something_else_was_interrupted(tmp_path):
    path = make_file(tmp_path / "shots.h5", 24)
    assert "no interrupted" in run(path, tmp_path / "a", resume=True)[-1]["text"]
    stopping = train(table_of_file(path), tiny_recipe(), tmp_path / "b")
    while next(stopping)["event"] != "epoch":
        pass
    next(stopping)
    stopping.close()
    other = run(path, tmp_path / "b", tiny_recipe(rate=1e-4), resume=True)
    assert "another recipe" in other[-1]["text"]
    make_file(path, 24, seed=5)
    assert "changed" in run(path, tmp_path / "b", resume=True)[-1]["text"]


def test_cancelling_keeps_the_best_network_so_far(tmp_path):
    path, asked = make_file(tmp_path / "shots.h5", 24), []
    events = []
    for item in train(
        table_of_file(path), tiny_recipe(epochs=50), tmp_path / "run", stop=lambda: bool(asked)
    ):
        events.append(item)
        if item["event"] == "epoch" and item["epoch"] == 2:
            asked.append(True)
    assert events[-1]["event"] == "cancelled"
    assert len([e for e in events if e["event"] == "epoch"]) == 2
    _, about = checkpoint.load(tmp_path / "run")
    assert about.epoch in (1, 2)
    kept = json.loads((tmp_path / "run" / "metrics.json").read_text())
    which = "the last" if kept["chosen_on"] == "last" else "the best so far"
    text = f"Cancelled; the network of epoch {about.epoch}, {which}, is kept."
    assert events[-1]["text"] == text


def test_cancelling_within_the_first_epoch_leaves_a_usable_run_too(tmp_path):
    path, steps = make_file(tmp_path / "shots.h5", 40), []

    def stop():
        if (tmp_path / "run" / "recipe.toml").exists():  # the shots are reduced, it learns
            steps.append(1)
        return len(steps) > 2

    events = list(train(table_of_file(path), tiny_recipe(), tmp_path / "run", stop=stop))
    assert events[-1]["event"] == "cancelled"
    assert re.fullmatch(
        r"Cancelled in epoch 1 of 2, after \d steps?; the network so far is kept.",
        events[-1]["text"],
    )
    checkpoint.load(tmp_path / "run")


@pytest.fixture(scope="module")
def warm_and_cold(trained, tmp_path_factory):
    """Events of two short trainings, of which the first begins from the run of six epochs."""
    out, _, path = trained
    folder = tmp_path_factory.mktemp("short")
    recipe = tiny_recipe(epochs=1, rate=1e-5, batch=8, gentle=2.0)
    warm = run(path, folder / "warm", recipe, warm_start=out)
    return warm, run(path, folder / "cold", recipe)


def test_a_warm_start_begins_where_the_other_run_ended(trained, warm_and_cold, tmp_path):
    out, _, path = trained
    warm, cold = warm_and_cold
    assert warm[-1]["metrics"]["macro_f1"] > cold[-1]["metrics"]["macro_f1"]
    one = tiny_recipe(epochs=1)
    other = run(path, tmp_path / "x", replace(one, activation="leaky_relu"), warm_start=out)
    other += run(path, tmp_path / "y", replace(one, activation="log"), warm_start=out)
    refused = [e for e in other if e["event"] == "failed"]
    assert len(refused) == 1
    assert "warm start" in refused[0]["text"]


def test_a_training_sees_half_turns_where_the_network_that_it_begins_from_does(trained, tmp_path):
    table = table_of_file(trained[2])
    earlier = json.loads((trained[0] / DESCRIPTION).read_text())
    del earlier["recipe"]["half_turn"]  # a run of before there was such a thing
    (tmp_path / DESCRIPTION).write_text(json.dumps(earlier))
    for asked in (True, False):
        recipe = replace(recipes.named("quick"), half_turn=asked)
        assert _fitting(recipe, table, None)[0].half_turn  # as the shipped one
        assert not _fitting(recipe, table, tmp_path)[0].half_turn
        from_chance = replace(recipe, backbone="")
        assert _fitting(from_chance, table, None)[0].half_turn is asked


def test_a_renamed_class_keeps_its_part_of_the_network_and_a_fresh_one_gets_none(trained, tmp_path):
    out, _, path = trained
    names = [*(name.replace("Streak", "Streifen") for name in NAMES), "Streak"]
    was = ["Streak" * (name == "Streifen") for name in names]
    table = table_of_file(path, taxonomy=Taxonomy.of_names(names, was))
    column = table.class_names.index("Streifen")
    silent = np.ones(table.labels.shape, bool)
    silent[:, [column, -1]] = False  # nobody decided on either
    table = replace(table, known=silent, labels=table.labels * silent)
    data, recipe = prepare(table, tiny_recipe(), 0), tiny_recipe()
    network, begun, knows = _first_network(table, recipe, data, Options(warm_start=out))
    _rest_undecided(network, data, knows)
    assert f"{len(NAMES)} of {len(names)} classes known by name; it never saw Streak." in begun
    before, about = checkpoint.load(out)
    now, then, place = network.head.linear, before.head.linear, about.class_names.index("Streak")
    torch.testing.assert_close(now.weight[column], then.weight[place])
    torch.testing.assert_close(now.bias[column], then.bias[place])
    assert not now.weight[-1].any()
    assert now.bias[-1] < -3


def test_what_knows_the_shots_already_is_changed_gently(warm_and_cold):
    warm, cold = warm_and_cold
    said = next(e["text"] for e in warm if e["event"] == "note" and "of the rate" in e["text"])
    share = int(said.split(" learns at ")[1].split("%")[0])
    assert share < 40  # six epochs have taught it nearly everything
    assert "of the rate" not in " ".join(e.get("text", "") for e in cold), "from chance: whole"


@pytest.fixture(scope="module")
def ruled(tmp_path_factory):
    """A run that knows the rules and weighs its classes, its last event and its shots."""
    folder = tmp_path_factory.mktemp("ruled")
    recipe = tiny_recipe(rule_aware=True, class_weighting=0.8, epochs=1, tuning=0.2)
    path = make_file(folder / "shots.h5", 60)
    return folder / "run", run(path, folder / "run", recipe)[-1], path


def test_the_rule_aware_network_never_contradicts_itself(ruled):
    out, last, path = ruled
    assert last["metrics"]["contradiction_rate"] == 0
    _, about = checkpoint.load(out)
    logits = np.random.default_rng(0).normal(size=(50, len(about.class_names))) * 3
    taxonomy = table_of_file(path).taxonomy
    assert not taxonomy.contradictions(about.decide(logits)).any()
    p = about.probabilities(logits)
    both = p[:, taxonomy.index("Spherical/Oblate")] + p[:, taxonomy.index("Prolate")]
    assert (both <= 1 + 1e-5).all()


def judge_of(path, **changes):
    """The judge of a training by sigmoids, with logits that contradict themselves."""
    recipe = tiny_recipe(tuning=0.2, **changes)
    judge = Judge(
        prepare(table_of_file(path), recipe, 0), False, np.full(11, 0.5, np.float32),
        legal_answers=recipe.legal_answers,
    )  # fmt: skip
    return judge, np.random.default_rng(0).normal(size=(60, 11)).astype(np.float32) * 2


def test_a_run_of_sigmoids_is_judged_by_legal_sets_and_one_of_the_paper_by_thresholds(ruled):
    for name in ("quick", "best", "paper", "airynet"):
        judge, logits = judge_of(ruled[2], legal_answers=recipes.named(name).legal_answers)
        data = judge.data
        _, limits, worth = judge.fit(logits[: len(data.tuning)], logits)
        broken = data.taxonomy.contradictions(judge.decide(decoding.sigmoid(logits), limits, worth))
        report = judge.report(logits[: len(data.evaluation)], 1.0, limits, worth)
        share = report["evaluation"]["contradiction_rate"]
        quick = judge.quick(logits[: len(data.evaluation)], data.evaluation)["contradiction_rate"]
        if name in ("paper", "airynet"):
            assert broken.any()
            assert min(share, quick) > 0
            assert worth is None
        else:
            assert not broken.any()
            assert share == quick == 0
            assert worth is not None


def test_a_rule_aware_run_keeps_its_class_weights_for_honest_probabilities(ruled):
    _, about = checkpoint.load(ruled[0])
    assert max(about.class_weights) > 1.5
    logits = np.random.default_rng(0).normal(size=(50, len(about.class_names)))
    plain = replace(about, class_weights=())
    expected = decoding.answers(
        about.probabilities(logits), about.thresholds, about.worth, about.legal()
    )
    np.testing.assert_array_equal(about.decide(logits), expected)
    rarest = int(np.argmax(about.class_weights))
    assert (about.probabilities(logits) < plain.probabilities(logits))[:, rarest].all()


@pytest.mark.parametrize("name", ["paper", "airynet", "best"])
def test_every_recipe_trains_an_epoch(name, tmp_path, monkeypatch):
    path = make_file(tmp_path / "shots.h5", 24)
    if recipes.named(name).backbone:
        monkeypatch.setitem(NETWORKS, "resnet18", WHOLE)
    small = replace(recipes.named(name), size=64, first=0, crop=0, batch=8, epochs=1, steps=0)
    events = run(path, tmp_path / "run", small)
    assert events[-1]["event"] == "finished", events[-1]
    flatter = [e for e in events if e["event"] == "note" and "scores flatter" in e["text"]]
    assert len(flatter) == (name != "best")  # which keeps the last epoch, not the luckiest
    about = checkpoint.describe(tmp_path / "run")
    logits = np.random.default_rng(0).normal(size=(50, len(about.class_names))) * 3
    np.testing.assert_array_equal(about.probabilities(logits), decoding.sigmoid(logits))
    broken = table_of_file(path).taxonomy.contradictions(about.decide(logits))
    assert broken.any() == (name != "best"), "the paper's recipes decide by thresholds"


def test_evaluations_between_epochs_are_told_and_kept(tmp_path):
    recipe = tiny_recipe(epochs=2, evaluate_every=2, batch=6)
    events = run(make_file(tmp_path / "s.h5", n=30), tmp_path / "run", recipe)
    told = [e for e in events if e["event"] == "evaluated"]
    (begun,) = (e for e in events if e["event"] == "started")
    last = 2 * math.ceil(begun["training"] / 6)
    every = [*range(2, last + 1, 2)]
    assert [e["step"] for e in told] == every
    assert [e["epoch"] for e in told] == pytest.approx(
        [2 * step / last for step in every], abs=0.01
    )
    report = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert [e["step"] for e in report["evaluations"]] == every
    assert report["best_step"] == last  # a rate that comes back to nothing keeps the newest
    low, high = report["intervals"]["macro_f1"]
    assert low <= report["evaluation"]["macro_f1"] <= high
    for values in report["per_class"].values():
        if values["f1"] is not None:
            assert values["f1_low"] <= values["f1"] <= values["f1_high"]


def test_few_shots_are_evaluated_every_20_epochs_where_the_recipe_counts_steps(tmp_path):
    loop = Loop.__new__(Loop)
    loop.recipe = named("paper")
    assert loop._pause(129) == 2500
    assert loop._pause(11) == 220
    loop.recipe = replace(named("paper"), evaluate_every=NEVER)
    assert loop._pause(11) == NEVER, "200 epochs without a look at the shots that judge a study"


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", recipes.NAMES)
def test_every_recipe_trains_every_network(name, network, tmp_path):
    small = {"size": 64, "small": 0, "first": 0, "crop": 0, "epochs": 1, "network": network}
    recipe = replace(recipes.named(name), **small)
    events = run(make_file(tmp_path / "s.h5", n=24), tmp_path / "run", recipe)
    assert events[-1]["event"] == "finished", events[-1]
    assert checkpoint.describe(tmp_path / "run").network == network


def test_a_class_that_is_undecided_on_most_shots_is_learnt_from_the_others(tmp_path):
    table = table_of_file(make_file(tmp_path / "shots.h5", 60))
    empty = table.class_names.index("Empty")
    known = np.ones(table.labels.shape, bool)
    known[::3, empty] = False
    labels = np.where(known, table.labels, 0).astype(np.uint8)
    some = replace(table, labels=labels, known=known, fingerprint="undecided")
    recipe = tiny_recipe(epochs=1, tuning=0.0, batch=8)
    *_, last = train(some, recipe, tmp_path / "run")
    assert last["event"] == "finished", last
    report = json.loads((tmp_path / "run" / "metrics.json").read_text("utf-8"))
    judged = np.flatnonzero(prepare(some, recipe, 0).table.labelled)
    assert len(judged) == 60
    cells = report["class_counts"][-1][empty]
    rows = prepare(some, recipe, 0).evaluation
    assert cells[2] == int((table.labels[rows, empty] & known[rows, empty]).sum())
    assert report["per_class"]["Empty"]["shots"] == cells[2]


def test_a_class_that_no_training_shot_is_decided_on_is_not_found(tmp_path):
    table = table_of_file(make_file(tmp_path / "shots.h5", 40))
    known = np.ones(table.labels.shape, bool)
    known[:, 0] = False
    some = replace(table, labels=np.where(known, table.labels, 0).astype(np.uint8), known=known)
    *events, last = train(some, tiny_recipe(epochs=1, tuning=0.0), tmp_path / "run")
    assert last["event"] == "finished", last
    assert any(f"labelled {table.class_names[0]}" in e.get("text", "") for e in events)
    network, _about = checkpoint.load(tmp_path / "run")
    assert float(network.head.linear.bias[0].detach()) < -4
    assert np.allclose(network.head.linear.weight[0].detach(), 0, atol=1e-3)


def test_labels_of_a_shot_whose_only_missing_class_is_undecided_break_no_rule(tmp_path):
    table = table_of_file(make_file(tmp_path / "shots.h5", 40))
    labels, names = table.labels.copy(), list(table.class_names)
    shape, round_one = names.index("Spherical/Oblate"), names.index("Round")
    known = np.ones(labels.shape, bool)
    labels[0] = 0
    labels[0, round_one], known[0, shape] = 1, False
    some = replace(table, labels=labels)
    assert in_hard_error(some)[0], "Round without its shape"
    assert not in_hard_error(replace(some, known=known))[0], "its shape is not decided yet"


def test_many_labels_may_bend_the_body_more_than_few():
    cautions = [_caution(n) for n in (20, 400, 800, 1500, 7000)]
    assert cautions[0] == cautions[1] == 1.0
    assert cautions[3] == cautions[4] == pytest.approx(1 / 3)
    assert cautions == sorted(cautions, reverse=True)
