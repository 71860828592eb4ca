"""Recipes: what the paper says, TOML in and out, mistakes named."""

from __future__ import annotations

import pytest
import tomlkit

from model.errors import InputError
from model.runs import recipes
from model.runs.checkpoint import Checkpoint
from model.runs.folder import WEIGHTS, backbone_folder
from model.runs.recipes import Recipe
from model.training.optimisation import rate_at


def test_the_paper_recipe_is_section_3_1_5():
    r = recipes.named("paper")
    assert (r.network, r.activation, r.alpha, r.leak) == ("resnet18", "log", 0.2, 0.2)
    assert (r.size, r.transform, r.first, r.crop) == (224, "raw", 0, 0)
    assert (r.optimiser, r.rate, r.batch, r.epochs) == ("sgd", 0.1, 48, 200)
    assert (r.l1, r.l2, r.penalty_mean, r.evaluate_every) == (1e-5, 1e-5, False, 2500)
    assert r.flips
    assert r.brightness > 0
    assert r.contrast > 0
    assert (r.ema, r.class_weighting, r.smoothing, r.rule_aware) == (0, 0, 0, False)
    assert not r.legal_answers


def test_its_rate_falls_tenfold_every_50_epochs():
    r, steps = recipes.named("paper"), 129
    rates = [rate_at(r, epoch * steps, steps) for epoch in (0, 49, 50, 99, 100, 150, 199)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 1e-3, 1e-4, 1e-4])
    assert rate_at(r, 50 * steps - 1, steps) == pytest.approx(0.1)


def test_the_airynet_recipe_is_the_published_code():
    r = recipes.named("airynet")
    assert (r.optimiser, r.momentum, r.rate) == ("nesterov", 0.9, 0.1 * 48 / 128)
    assert r.milestones == (30, 60, 120, 150)
    assert (r.first, r.crop, r.size) == (259, 256, 224)
    assert (r.batchnorm_momentum, r.weights, r.penalty_mean) == (0.003, "unit", True)
    assert not r.legal_answers
    assert (r.brightness, r.contrast) == (0, 0)


def test_one_cycle_rises_for_a_quarter_and_falls_to_nothing():
    r = Recipe(schedule="onecycle", rate=1.0, epochs=10)
    rates = [rate_at(r, step, 10) for step in range(100)]
    assert max(rates) == pytest.approx(rates[25])
    assert rates[0] == pytest.approx(1 / 25)
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)
    assert rates[-1] < 0.01


@pytest.mark.parametrize("name", recipes.NAMES)
def test_every_recipe_survives_toml(name, tmp_path):
    path = tmp_path / "r.toml"
    path.write_text(recipes.to_toml(recipes.named(name)), "utf-8")
    assert recipes.read(path) == recipes.named(name)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("speed = 3", "speed"),
        ('optimiser = "adam"', "adamw"),
        ("batch = 0", "batch"),
        ("epochs = 1.5", "epochs"),
        ("rate = -1", "rate"),
        ("flips = 1", "flips"),
        ("alpha = [", "TOML"),
        ("tuning = 1.0", "a number from 0 to below 1"),
        ("tuning = 2", "a number from 0 to below 1"),
        ("smoothing = 5", "a number from 0 to below 1"),
        ("ema = 1.5", "a number from 0 to below 1"),
        ("small_share = 1.5", "a number from 0 to 1"),
        ("leak = 2", "a number from 0 to 1"),
        ("zoom = 50", "a number from 0 to 2"),
        ("rate = inf", "a finite number"),
        ("rate = nan", "rate"),
        ("brightness = inf", "a finite number"),
        ("size = 1" + "0" * 5000, "TOML"),
        ("x = " + "[" * 5000, "TOML"),
        ('milestones = "x"', "a list of whole numbers such as [50, 100]"),
        ("milestones = [true]", "a list of whole numbers"),
    ],
)
def test_a_mistake_in_a_recipe_is_named_with_its_file(text, named, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError) as error:
        recipes.read(path)
    assert named in str(error.value)
    assert "mine.toml" in str(error.value)


@pytest.mark.parametrize(
    "name",
    ["../../evil", "a\\b", "two\nlines", "\x1b]0;owned\x07", " ", "", "\0", "\u202ex", "x" * 101],
)
def test_a_recipe_has_a_name_that_can_be_a_part_of_the_name_of_a_file(name, tmp_path):
    """What a training writes is called by it, and a run of a stranger brings its own recipe."""
    path = tmp_path / "recipe.toml"
    path.write_text(tomlkit.dumps({"name": name}))
    with pytest.raises(InputError, match="is no name of a recipe"):
        recipes.read(path)


@pytest.mark.parametrize("name", ["..", "../taxonomies", "/tmp", "helium-resnet18/../x", "\0"])
def test_a_recipe_begins_from_no_network_but_those_that_are_shipped(name):
    with pytest.raises(InputError, match="no backbone called"):
        backbone_folder(name)


def test_the_backbone_that_a_path_leads_to_is_not_taken(tmp_path):
    (tmp_path / WEIGHTS).write_bytes(b"")
    with pytest.raises(InputError, match="no backbone called"):
        backbone_folder(str(tmp_path))


def test_the_recipe_of_an_earlier_run_is_read_whatever_its_numbers():
    values = recipes.named("quick").to_dict() | {"leak": 2.0, "smoothing": 5.0}
    assert Recipe.from_dict(values, trained=True).leak == 2.0
    about = Checkpoint(("Round",), Recipe(leak=2.0), Recipe().preprocessing())
    assert Checkpoint.from_dict(about.to_dict()) == about


def test_without_the_log_activation_raw_counts_are_scaled():
    plain = recipes.named("paper").with_log_activation(False)
    assert (plain.activation, plain.transform) == ("leaky_relu", "unit")


def test_many_shots_are_seen_less_often_and_few_as_often_as_the_recipe_says():
    r = Recipe(epochs=20, steps=640, batch=16)
    assert r.epochs_for(85) == r.epochs_for(510) == 20
    assert r.epochs_for(1024) == 10
    assert r.epochs_for(60_000) == 4
    assert Recipe(epochs=7).epochs_for(10) == 7
