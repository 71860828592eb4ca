"""Augmentation, averaged weights: random only through the generator, and what they promise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from model.networks import architectures as networks
from model.runs.recipes import Recipe, named
from model.training.augment import augment
from model.training.engine import Engine
from model.training.optimisation import EVERY, Average, make_optimiser, set_rate

pytestmark = pytest.mark.usefixtures("narrow_network")

COUNTS = torch.poisson(torch.full((6, 1, 64, 64), 20.0), torch.Generator().manual_seed(1))
NOTHING = replace(Recipe(), flips=False)


def changed(seed=0, **settings):
    return augment(COUNTS, replace(NOTHING, **settings), torch.Generator().manual_seed(seed))


def test_a_recipe_without_changes_leaves_shots_alone():
    assert changed() is COUNTS


def test_flips_and_quarter_turns_only_move_pixels():
    found = changed(flips=True, quarter_turns=True)
    assert not torch.equal(found, COUNTS)
    assert torch.equal(found.flatten(1).sort().values, COUNTS.flatten(1).sort().values)


def test_all_eight_symmetries_occur():
    one = torch.arange(9.0).view(1, 1, 3, 3).repeat(400, 1, 1, 1)
    recipe = replace(NOTHING, flips=True, quarter_turns=True)
    found = augment(one, recipe, torch.Generator().manual_seed(0))
    assert len({tuple(shot.flatten().tolist()) for shot in found}) == 8


def test_turning_keeps_rings_and_moves_streaks():
    y, x = torch.meshgrid(torch.arange(64.0) - 31.5, torch.arange(64.0) - 31.5, indexing="ij")
    rings = (10 * torch.cos((y**2 + x**2).sqrt() / 3) + 10).expand(8, 1, 64, 64)
    streak = torch.exp(-((x / 3) ** 2)).expand(8, 1, 64, 64)
    recipe = replace(NOTHING, rotation=180.0)
    turned = augment(rings, recipe, torch.Generator().manual_seed(3))
    inside = ((y**2 + x**2) < 30**2).expand(8, 1, 64, 64)
    assert (turned - rings)[inside].abs().max() < 1.0
    moved = augment(streak, recipe, torch.Generator().manual_seed(3))
    assert (moved - streak)[inside].abs().max() > 0.5


def test_zoom_changes_the_scale_about_the_centre():
    y, x = torch.meshgrid(torch.arange(64.0) - 31.5, torch.arange(64.0) - 31.5, indexing="ij")
    disc = ((y**2 + x**2) < 20**2).float()[None, None].repeat(50, 1, 1, 1)
    area = (
        augment(disc, replace(NOTHING, zoom=0.2), torch.Generator()).sum((1, 2, 3)) / disc[0].sum()
    )
    assert 0.6 < area.min() < 0.85
    assert 1.2 < area.max() < 1.6


def test_a_shift_moves_the_pattern_by_no_more_than_its_share():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    spot = torch.exp(-((y - 31.5) ** 2 + (x - 31.5) ** 2) / 32)[None, None].repeat(200, 1, 1, 1)
    moved = augment(spot, replace(NOTHING, shift=0.1), torch.Generator().manual_seed(1))[:, 0]
    weight = moved.sum((1, 2))
    down = (moved * y).sum((1, 2)) / weight - 31.5
    right = (moved * x).sum((1, 2)) / weight - 31.5
    for way in (down, right):
        assert 5.5 < way.abs().max() <= 6.41
        assert abs(way.mean()) < 1.0


def test_smoothing_lowers_the_noise_and_keeps_the_mean():
    noise = torch.poisson(torch.full((50, 1, 32, 32), 100.0), torch.Generator().manual_seed(2))
    found = augment(noise, replace(NOTHING, smooth=1.0), torch.Generator().manual_seed(3))
    spread = found.std((1, 2, 3)) / noise.std((1, 2, 3))
    assert spread.min() < 0.45
    assert spread.max() > 0.85
    assert abs(found.mean() / noise.mean() - 1) < 1e-3


def test_another_detector_is_blind_in_one_piece_of_some_shots_and_hot_in_single_pixels():
    even = torch.full((400, 1, 48, 48), 100.0)
    recipe = replace(NOTHING, other_detector=0.5)
    found = augment(even, recipe, torch.Generator().manual_seed(2))
    blind = (found == 0).mean((1, 2, 3), dtype=torch.float)
    assert 0.35 < (blind > 0).float().mean() < 0.55
    assert blind.max() < 0.75
    assert set(found[(found != 0) & (found <= 100)].tolist()) == {100.0}
    hot = (found > 100).float().mean((1, 2, 3))
    assert 0.08 < (hot > 0).float().mean() < 0.25
    assert hot.max() < 0.015


def test_noise_of_the_electronics_is_within_its_bound_and_leaves_no_negative_counts():
    even = torch.full((200, 1, 32, 32), 50.0)
    found = augment(even, replace(NOTHING, read_noise=10.0), torch.Generator().manual_seed(2))
    deviation = found.std((1, 2, 3))
    assert deviation.max() < 10.5
    assert deviation.median() < 5
    assert found.mean() == pytest.approx(50, abs=0.2)
    assert (augment(even * 0, replace(NOTHING, read_noise=10.0), torch.Generator()) >= 0).all()


@pytest.mark.parametrize("name", ["quick", "best", "paper"])
def test_the_same_generator_makes_the_same_changes(name):
    recipe = named(name)
    one, two, other = (augment(COUNTS, recipe, torch.Generator().manual_seed(s)) for s in (5, 5, 6))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.isfinite(one).all()


def test_brightness_in_log_space_is_a_gain():
    found = changed(brightness=0.5)
    gains = (found / COUNTS.clamp(min=1e-9)).flatten(1)[:, ::97]
    assert torch.allclose(gains, gains[:, :1], rtol=1e-4)
    assert (gains > 0.6).all()
    assert (gains < 1.65).all()


def test_shot_noise_keeps_the_mean_and_widens_the_spread():
    found = changed(shot_noise=0.5)
    assert abs(float(found.mean() - 20)) < 0.5
    assert found.var() > COUNTS.var()


def test_averaged_weights_follow_and_end_where_the_weights_stay():
    layer = torch.nn.Linear(3, 1)
    average = Average(layer, 0.9)
    start = average.network.weight.clone()
    with torch.no_grad():
        layer.weight += 1
    for _ in range(EVERY):
        average.update(layer)
    assert ((average.network.weight - start) > 0.05).all()
    for _ in range(400):
        average.update(layer)
    torch.testing.assert_close(average.network.weight, layer.weight)
    assert not average.network.weight.requires_grad


def test_the_body_learns_at_its_share_of_the_rate():
    recipe = Recipe(optimiser="adamw", rate=1e-2, weight_decay=0.05)
    for kind in ("adamw", "sgd", "nesterov"):
        network = networks.create("resnet18", classes=2)
        optimiser = make_optimiser(replace(recipe, optimiser=kind), network, 0.1)
        set_rate(optimiser, 1e-2)
        of = {id(p): g for g in optimiser.param_groups for p in g["params"]}
        assert len(of) == len(list(network.parameters()))
        assert {of[id(p)]["lr"] for p in network.body.parameters()} == {1e-2 * 0.1}
        assert {of[id(p)]["lr"] for p in network.head.parameters()} == {1e-2}
        decays = {of[id(p)]["weight_decay"] for p in network.parameters() if p.ndim > 1}
        assert decays == {0.05 if kind == "adamw" else 0.0}
        assert all(of[id(p)]["weight_decay"] == 0 for p in network.parameters() if p.ndim == 1)


def test_linear_tones_leave_no_negative_counts_to_a_logarithm():
    strong = {"brightness": 2.0, "contrast": 0.5, "tones": "linear"}
    assert changed(**strong, transform="raw").min() < 0
    assert changed(**strong, transform="log").min() == 0


@pytest.mark.parametrize(("own", "found"), [(True, "bf16"), (False, "32")])
def test_the_number_format_follows_from_the_machine_and_no_stop_watch(monkeypatch, own, found):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: own, raising=False)
    slow = iter(range(100))
    monkeypatch.setattr(Engine, "_time", lambda *_: float(next(slow)))
    for asked, expected in (("auto", found), ("32", "32"), ("bf16", "bf16")):
        engine = Engine.start()
        engine.probe(networks.create("resnet18", classes=2), 64, 1, asked, 4)
        assert engine.number_format == expected
