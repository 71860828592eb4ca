"""Simulated shots whose cause is known, the scores, and the forms of heat that they judge."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from model.errors import InputError
from model.heatmaps import truth_table
from model.heatmaps.forms import HEAT_FORMS
from model.heatmaps.gradcam import through_pooled_linear_head
from model.heatmaps.truth_table import TESTED, TruthTable, table_of
from model.inspection import heat, truth
from model.inspection.heat import Explainer, axes, sectors
from model.inspection.occlusion import ring_medians
from model.inspection.perturbed_shots import Reader
from model.inspection.truth_cases import CAUSES, Case, cases, cause_of, why_no_cause
from model.prediction import inference
from model.runs import checkpoint, recipes
from model.runs.checkpoint import Checkpoint
from model.shots.layouts import Geometry
from model.taxonomy.taxonomy import Taxonomy

pytestmark = pytest.mark.usefixtures("narrow_network")

SIDE, NAMES = 64, ("Streak", "Bent", "Round")
FINER = ("directions", "repeated")
NOTHING = ("another class", "random weights", "shuffled labels")


@pytest.fixture(autouse=True, scope="module")
def by_torch():
    """Small networks are read sooner than OpenVINO takes them in."""

    def choose(network, shape):
        return inference.TorchEngine(network.body, 32), "torch"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, "choose", choose)
        yield


def save_run(folder, names=NAMES, earlier=(), **steps):
    folder.mkdir()
    torch.manual_seed(3)
    recipe = replace(recipes.named("quick"), size=SIDE, fine_maps=False, **steps)
    about = Checkpoint(tuple(names), recipe, recipe.preprocessing(), earlier_names=earlier)
    checkpoint.save(folder, checkpoint.build(about, "he"), about)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return save_run(tmp_path_factory.mktemp("truth") / "run")


@pytest.fixture(scope="module")
def explainer(run):
    return Explainer(Reader(run))


@pytest.fixture(scope="module")
def streaks():
    return list(islice(cases("Streak", "axis", 0, SIDE), 3))


def replace_about(reader, about):
    other = copy.copy(reader)
    other.about = about
    return other


def read_of(explainer, shots):
    return explainer.reader.read_shots(
        (i, c.counts, c.good, None, None) for i, c in enumerate(shots)
    )


# -- cases -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Streak", "Bent"])
def test_the_light_of_an_elongated_droplet_lies_near_its_ridge(name):
    for case in islice(cases(name, "axis", 1, SIDE), 3):
        logs = np.log1p(case.counts.astype(float))
        over = logs - np.log1p(ring_medians(case.counts, case.good, ((SIDE - 1) / 2,) * 2))
        assert over[case.where].mean() > over[case.good & ~case.where].mean() + 0.1


def test_the_same_seed_makes_the_same_cases_and_another_one_others():
    one, same, other = (next(cases("Streak", "axis", seed, SIDE)) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one.counts, same.counts)
    np.testing.assert_array_equal(one.where, same.where)
    assert (one.counts != other.counts).any()


def test_a_feature_in_one_half_takes_half_of_the_plate():
    for case in islice(cases("Newton Rings", "half", 0, SIDE), 1):
        assert abs(case.where.sum() / case.good.sum() - 0.5) < 0.06
        assert not (case.where & ~case.good).any()


def test_a_class_is_found_by_its_name_however_it_is_written():
    assert cause_of("Newton rings")[0] == "Newton Rings"
    assert cause_of("Empty") is None
    assert cause_of("rhombic") is None
    assert cause_of("Streifen") is None
    assert cause_of("Streifen", Taxonomy.of_names(["Streifen"], ["Streak"]))[0] == "Streak"


# -- scores ----------------------------------------------------------------------------------------


def test_what_is_shown_is_the_best_form_and_the_other_finer_one_where_that_is_cold(streaks):
    case, scores = streaks[0], truth._Scores()
    cold, there = np.zeros((SIDE, SIDE), np.float32), case.where.astype(np.float32)
    for best, other in ((there, cold), (cold, there), (cold, cold)):
        for form, heat_ in {"paper": there, "directions": best, "repeated": other}.items():
            scores.add(form, [heat_], case)
        scores.cases += 1
    assert scores.show("directions") == 1
    first, second, third = scores.by_name["shown"]
    assert first == second == pytest.approx(4.5, rel=0.1)
    assert third == 1
    assert scores.cold["shown"] == [False, False, True]
    assert scores.show("paper") == 0  # what is stored is always shown


def test_a_form_that_scores_as_well_by_random_weights_tells_nothing():
    """As Grad-CAM++ does for round shots, whose middle is bright."""
    scores = truth._Scores(cases=1)
    scores.by_name = {
        "paper": [0.83], "paper, random weights": [0.81],
        "repeated": [0.7], "repeated, random weights": [0.5],
    }  # fmt: skip
    assert truth._above_random(scores, "paper") == 0
    assert truth._above_random(scores, "repeated") == 0.7


def test_several_heads_count_by_their_mean(streaks):
    case, scores = streaks[0], truth._Scores()
    cold, there = np.zeros((SIDE, SIDE), np.float32), case.where.astype(np.float32)
    scores.add("heads", [there, cold], case)
    assert scores.by_name["heads"] == [pytest.approx((4.5 + 1) / 2, rel=0.1)]
    assert scores.shares["heads"] == [0.5]
    assert scores.cold["heads"] == [False]


def test_heat_at_the_place_scores_best_and_heat_anywhere_as_chance(streaks):
    case = streaks[0]
    flat, cold = np.ones((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), np.float32)
    there = case.where.astype(np.float32)
    assert truth.score(there, case) == pytest.approx(4.5, rel=0.1)
    assert truth.score(flat, case) == pytest.approx(1)
    assert truth.score(cold, case) == 1
    half = replace(case, question="half")
    assert truth.score(there, half) == 1
    assert truth.score(flat, half) == truth.score(cold, half) == 0.5
    assert truth.score(1 - there, half) == 0


# -- forms -----------------------------------------------------------------------------------------


def test_the_papers_form_is_grad_cam_as_it_always_was(explainer, streaks):
    read = read_of(explainer, streaks)
    cells = explainer.cells(read, 1, explainer.targets(NAMES), ["paper"])["paper"]
    head = explainer.reader.head
    exact = through_pooled_linear_head(read.features[1:2], head.weight, read.logits[1:2])
    np.testing.assert_allclose(cells.values, np.maximum(exact.values[0], 0), rtol=1e-4, atol=1e-7)
    assert cells.box == explainer.reader.cells


class OfDirections:
    """Stands for a network: a class is as likely as a direction is bright."""

    def __init__(self, wanted, strength=1.0):
        y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
        self.there = np.abs(np.arctan2(y, x) - wanted) < 0.4
        self.strength = strength

    def __call__(self, logs):
        bright = logs[:, self.there].mean(1) - logs[:, ~self.there].mean(1)
        return (self.strength * (bright[:, None] - 0.5)).repeat(3, 1).astype(np.float32)


def lit(read, direction, explainer, monkeypatch, strength=1.0):
    """A shot with light in a direction, read by a network that looks for it there."""
    network = OfDirections(direction, strength)
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    radius = np.hypot(y, x)
    square = np.where(np.abs(np.arctan2(y, x) - direction) < 0.4, 3000, 30) * (radius > 6)
    square = (square * np.exp(-radius / 20) + 1).astype(np.float32)
    monkeypatch.setattr(explainer, "_logits", network)
    logits = network(np.log1p(square)[None])
    return replace(read, squares=square[None], logits=logits)


@pytest.mark.parametrize("form", FINER)
def test_finer_heat_has_cells_of_four_pixels_for_every_class(explainer, streaks, form):
    read = read_of(explainer, streaks)
    found = explainer.cells(read, 0, explainer.targets(NAMES), [form])[form]
    assert found.values.shape == (3, SIDE // heat.CELL, SIDE // heat.CELL)
    assert (found.values >= 0).all()


@pytest.mark.parametrize("direction", [0.0, np.pi / 2])
@pytest.mark.parametrize("form", FINER)
def test_heat_is_hot_where_the_class_comes_from(explainer, streaks, monkeypatch, form, direction):
    read = lit(read_of(explainer, streaks), direction, explainer, monkeypatch)
    found = explainer.cells(read, 0, explainer.targets(["Streak"]), [form])[form].values[0]
    g = found.shape[0]
    y, x = np.indices(found.shape) - (g - 1) / 2
    away = np.abs((np.arctan2(y, x) - direction + np.pi) % (2 * np.pi) - np.pi)
    if form == "directions":  # and their opposites
        away = np.minimum(away, np.pi - away)
    assert found[away < 0.6].sum() > 0.7 * found.sum() > 0


@pytest.mark.parametrize("form", FINER)
def test_a_network_that_hardly_minds_has_no_heat(explainer, streaks, monkeypatch, form):
    read = lit(read_of(explainer, streaks), 0.0, explainer, monkeypatch, strength=0.01)
    found = explainer.cells(read, 0, explainer.targets(["Streak"]), [form])[form]
    assert not found.values.any()


@pytest.mark.parametrize("form", FINER)
def test_a_network_that_learnt_nothing_has_no_heat(explainer, streaks, form):
    read = read_of(explainer, streaks)
    for i in range(len(streaks)):
        assert not explainer.cells(read, i, explainer.targets(NAMES), [form])[form].values.any()


def test_why_one_class_and_not_another_asks_for_the_difference_of_both(
    explainer, streaks, monkeypatch
):
    read = lit(read_of(explainer, streaks), 0.0, explainer, monkeypatch)
    right, up = OfDirections(0.0), OfDirections(-np.pi / 2)

    def both(logs):
        return np.concatenate([right(logs)[:, :1], up(logs)[:, :1], 0 * right(logs)[:, :1]], 1)

    monkeypatch.setattr(explainer, "_logits", both)
    read = replace(read, logits=both(np.log1p(read.squares)))
    targets = explainer.targets(["Streak", "Bent"], against="Bent")
    found = explainer.cells(read, 0, targets, ["directions"])["directions"].values
    assert found[0].any()
    assert not found[1].any()  # a class against itself


def test_a_direction_repeated_all_around_looks_the_same_everywhere():
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    right = (np.abs(np.arctan2(y, x)) < 0.5).astype(np.float32)
    found = heat.repeated(right, np.hypot(y, x) > 3, ((SIDE - 1) / 2,) * 2)
    ring = (np.hypot(y, x) > 8) & (np.hypot(y, x) < 30)
    assert found[0][ring].mean() > 0.95
    assert found[4][ring].mean() < 0.05
    bad = np.hypot(y, x) <= 3
    np.testing.assert_array_equal(found[0][bad], right[bad])


@pytest.mark.parametrize("parts", [sectors, axes])
def test_parts_of_the_plate_together_are_everything(parts):
    np.testing.assert_allclose(parts((20, 30), (8.0, 16.5)).sum(0), 1, atol=1e-5)


def test_a_line_has_its_opposite_and_a_sector_has_not():
    turned = [parts((21, 21), (10.0, 10.0))[0, ::-1, ::-1] for parts in (axes, sectors)]
    np.testing.assert_allclose(turned[0][10, [2, 18]], 1)
    np.testing.assert_allclose(turned[1][10, [2, 18]], [1, 0])


@pytest.mark.parametrize("form", HEAT_FORMS)
def test_a_shot_and_what_is_asked_of_it_in_one_call_give_the_same_heat(explainer, streaks, form):
    case = streaks[0]
    prepared = explainer.reader.prepare([(0, case.counts, case.good, None, None)])
    features, said = explainer.ask(prepared, 0, form)
    read = explainer.reader.said(prepared, features)
    np.testing.assert_allclose(read.logits, read_of(explainer, [case]).logits, rtol=1e-3, atol=1e-5)
    targets = explainer.targets(NAMES)
    one = explainer.cells(read, 0, targets, [form], {form: said})[form].values
    two = explainer.cells(read, 0, targets, [form])[form].values
    np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-4 * max(float(two.max()), 1e-6))


# -- the beam --------------------------------------------------------------------------------------


def aside(case, down=8, right=11):
    """The same shot where the beam is beside the middle."""
    dark = np.percentile(case.counts[case.good], 5).astype(case.counts.dtype)
    moved = [np.full_like(case.counts, dark), np.zeros_like(case.good), np.zeros_like(case.where)]
    for there, here in zip(moved, (case.counts, case.good, case.where), strict=True):
        there[down:, right:] = here[:-down, :-right]
    return replace(case, counts=moved[0], good=moved[1], where=moved[2])


def test_heat_is_laid_about_the_beam_that_a_file_tells_of_and_else_about_the_one_that_is_seen(
    explainer, streaks
):
    case, middle = aside(streaks[0]), (SIDE - 1) / 2
    known = explainer.reader.prepare(
        [(0, case.counts, case.good, Geometry(centre=(middle + 8, middle + 11)), None)]
    )
    seen = explainer.reader.prepare([(0, case.counts, case.good, None, None)])
    np.testing.assert_allclose(known.centre[0], (middle + 8, middle + 11))
    np.testing.assert_allclose(seen.centre[0], known.centre[0], atol=1.5)
    assert not known.assumed[0]
    assert not seen.assumed[0]


def test_the_network_sees_the_same_wherever_a_file_says_that_the_beam_is(explainer, streaks):
    case = streaks[0]
    for centre in ((10.0, 50.0), (-300.0, 5.0)):
        shots = [(0, case.counts, case.good, Geometry(centre=c), None) for c in (None, centre)]
        one, two = (explainer.reader.prepare([shot]) for shot in shots)
        np.testing.assert_array_equal(one.squares, two.squares)
        np.testing.assert_allclose(two.centre[0], centre)


def test_a_beam_that_no_one_knows_is_the_middle_and_called_assumed(explainer):
    noise = np.random.default_rng(0).poisson(3, (SIDE, SIDE)).astype(np.uint16)
    found = explainer.reader.prepare([(0, noise, None, None, None)])
    assert found.assumed[0]
    np.testing.assert_allclose(found.centre[0], (SIDE - 1) / 2)


# -- bad input -------------------------------------------------------------------------------------


def test_what_cannot_be_asked_is_refused_in_words(explainer, streaks, tmp_path):
    read = read_of(explainer, streaks)
    with pytest.raises(InputError, match="no form of heat 'sunny'"):
        explainer.cells(read, 0, explainer.targets(["Bent"]), ["sunny"])
    with pytest.raises(InputError, match="no class 'Rhombic'"):
        explainer.targets(["Rhombic"])
    maps = save_run(tmp_path / "maps", input="correlation")
    with pytest.raises(InputError, match="places on the detector"):
        list(truth.measure(maps, truth.TruthStudy()))
    without = save_run(tmp_path / "without", ("Empty", "Rhombic"))
    with pytest.raises(InputError, match="knows no cause"):
        list(truth.measure(without, truth.TruthStudy()))


@pytest.mark.parametrize("value", [0, 65535])
def test_an_empty_or_saturated_shot_has_a_sentence_and_no_heat(explainer, value):
    shot = Case("", "axis", np.full((SIDE, SIDE), value, np.uint16), np.ones((SIDE, SIDE), bool),
                np.zeros((SIDE, SIDE), bool))  # fmt: skip
    read = read_of(explainer, [shot])
    assert "nothing to look at" in explainer.nothing_to_see(read, 0)[0]
    found = explainer.cells(read, 0, explainer.targets(NAMES), tuple(HEAT_FORMS))
    assert np.isfinite(found["directions"].values).all()
    assert not found["repeated"].values.any()


def test_a_shot_that_is_masked_everywhere_has_a_sentence_and_no_heat(explainer, streaks):
    nowhere = np.zeros((SIDE, SIDE), bool)
    read = read_of(explainer, [replace(streaks[0], good=nowhere)])
    assert "nothing to look at" in explainer.nothing_to_see(read, 0)[0]
    for cells in explainer.cells(read, 0, explainer.targets(NAMES), FINER).values():
        assert not cells.values.any()


@pytest.mark.parametrize("centre", [(-200.0, 10.0), (2.0, 61.0)])
def test_a_beam_beside_the_picture_gives_finite_heat(explainer, streaks, centre):
    read = read_of(explainer, streaks[:1])
    aside = replace(read, centre=np.array([centre], np.float32))
    for cells in explainer.cells(aside, 0, explainer.targets(NAMES), FINER).values():
        assert np.isfinite(cells.values).all()


def test_a_class_that_the_network_does_not_see_has_a_sentence(explainer, streaks):
    read = read_of(explainer, streaks)
    unlikely = np.full_like(read.probabilities, 1e-4)
    sure = replace(read, probabilities=unlikely, decided=np.zeros_like(read.decided))
    assert "sees no Bent" in explainer.nothing_to_see(sure, 0)[1]
    seen = replace(read, probabilities=np.full_like(read.probabilities, 0.95))
    assert explainer.nothing_to_see(seen, 0)[1] == ""


def test_under_rules_heat_asks_about_the_probability_and_not_about_one_logit(explainer, streaks):
    """The logit of Streak stays what it is, while that of Bent, which Streak needs, decides."""
    asked = replace(explainer.reader.about, legal_sets=(0b100, 0b011))
    under_rules = Explainer(explainer.reader)
    under_rules.reader = replace_about(explainer.reader, asked)
    alone = np.tile(np.float32([2, -6, 0]), (1 + heat.AXES, 1))
    alone[3, 1] = 4  # one line brings Bent, and Streak with it, back
    read = read_of(explainer, streaks[:1])
    read = replace(read, logits=np.float32([[2, 4, 0]]))
    streak = explainer.targets(["Streak"])
    for each, finds in ((explainer, False), (under_rules, True)):
        found = each.cells(read, 0, streak, ["directions"], {"directions": alone})
        assert found["directions"].values.any() == finds


@pytest.mark.slow
def test_vgg_has_heat_of_every_form_too(tmp_path, streaks):
    folder = tmp_path / "vgg"
    folder.mkdir()
    recipe = replace(
        recipes.named("quick"), size=SIDE, network="vgg16", backbone="", fine_maps=False
    )
    about = Checkpoint(NAMES, recipe, recipe.preprocessing())
    checkpoint.save(folder, checkpoint.build(about, "he"), about)
    explainer = Explainer(Reader(folder))
    found = explainer.cells(
        read_of(explainer, streaks), 0, explainer.targets(NAMES), tuple(HEAT_FORMS)
    )
    assert all(np.isfinite(cells.values).all() for cells in found.values())
    assert found["directions"].values.shape[-1] == SIDE // heat.CELL


# -- the whole -------------------------------------------------------------------------------------


def test_the_benchmark_scores_every_form_beside_its_controls(run, tmp_path, streaks, monkeypatch):
    monkeypatch.setattr(Checkpoint, "decide", lambda self, logits: np.ones_like(logits, bool))
    monkeypatch.setattr(truth, "BLOCK", 1)
    made = [(case.counts, case.good) for case in streaks]
    monkeypatch.setattr(truth, "_simulated", lambda seed: made)
    monkeypatch.setattr(truth, "LEAST", -9)  # this network learnt nothing
    out = tmp_path / "truth.json"
    *_, last = truth.measure(
        run, truth.TruthStudy(("Streak",), cases=1), [out, tmp_path / "kept.json"]
    )
    assert last["event"] == "finished"
    found = last["classes"]["Streak"]["axis"]
    assert found["cases"] == found["tried"] == 1
    controls = {"brightness", "excess", "place"}
    for form in FINER:
        assert found["scores"][f"{form}, random weights"]["mean"] == 1
    assert found["scores"]["place"]["mean"] == pytest.approx(4.5, rel=0.1)
    for form in (*HEAT_FORMS, "place"):
        assert found["scores"][form]["gap"] is not None
    for form in HEAT_FORMS:
        controls |= {f"{form}, {name}" for name in NOTHING}
    assert set(found["scores"]) == controls | set(HEAT_FORMS) | {"shown"}
    assert found["scores"]["excess"]["mean"] > 1.2
    assert last["best"]["Streak"] in HEAT_FORMS
    assert (tmp_path / "kept.json").read_text() == out.read_text()
    table = table_of(tmp_path)
    assert "On 1 simulated shot of Streak" in table.words("Streak", "directions")
    assert "was not measured" in table.words("Bent", "directions")
    assert table.best("Streak") == last["best"]["Streak"]


def test_deletion_is_measured_on_whole_shots_of_a_class_that_is_asked_by_halves(
    tmp_path, streaks, monkeypatch
):
    monkeypatch.setattr(Checkpoint, "decide", lambda self, logits: np.ones_like(logits, bool))
    monkeypatch.setattr(truth, "BLOCK", 1)
    monkeypatch.setattr(truth, "_simulated", lambda seed: [(c.counts, c.good) for c in streaks])
    monkeypatch.setattr(
        truth, "cases", lambda name, q, seed: (replace(c, question=q) for c in streaks)
    )
    folder = save_run(tmp_path / "run", ("Layered", "Round"))
    study = truth.TruthStudy(("Layered",), cases=1, forms=("paper",))
    *_, last = truth.measure(folder, study)
    gaps = {q: s["scores"]["paper"]["gap"] for q, s in last["classes"]["Layered"].items()}
    assert gaps["half"] is None
    assert np.isfinite(gaps["difference"])


def test_shuffled_labels_are_dealt_to_as_many_heads_as_are_asked(explainer, streaks, monkeypatch):
    monkeypatch.setattr(truth, "_simulated", lambda seed: [(c.counts, c.good) for c in streaks])
    bench = truth._Bench(explainer.reader, truth.TruthStudy())
    shuffled = bench.nothing["shuffled labels"]
    read = shuffled.reread(read_of(shuffled, streaks))
    assert read.logits.shape == (3, truth.DEALT * len(NAMES))
    assert len(np.unique(read.logits.round(3), axis=1).T) > 1


def test_a_class_that_is_the_lack_of_all_has_its_own_sentence():
    assert "lack of every feature" in why_no_cause("empty")
    assert "no place" in why_no_cause("rhombic")


def test_the_classes_that_can_be_tested_are_those_of_known_cause():
    assert list(TESTED) == list(CAUSES)


def test_a_run_that_was_trained_after_classes_were_renamed_is_tested_for_their_causes(
    tmp_path, streaks, monkeypatch
):
    monkeypatch.setattr(Checkpoint, "decide", lambda self, logits: np.ones_like(logits, bool))
    monkeypatch.setattr(truth, "BLOCK", 1)
    monkeypatch.setattr(truth, "_simulated", lambda seed: [(c.counts, c.good) for c in streaks])
    folder = save_run(tmp_path / "run", ("Streifen", "Leer"), ("Streak", "Empty"))
    *_, last = truth.measure(folder, truth.TruthStudy(cases=1, forms=("paper",), deletion=False))
    assert set(last["classes"]) == {"Streifen"}
    assert "Leer is the lack of every feature" in last["unseen"][-1]
    explainer = Explainer(Reader(folder))
    assert "Leer is the lack" in explainer.nothing_to_see(read_of(explainer, streaks), 0)[1]
    assert explainer.targets(["Streak"])[0, 0] == 1


def test_of_a_network_of_one_class_no_other_class_is_asked(tmp_path, streaks, monkeypatch):
    monkeypatch.setattr(Checkpoint, "decide", lambda self, logits: np.ones_like(logits, bool))
    monkeypatch.setattr(truth, "BLOCK", 1)
    monkeypatch.setattr(truth, "_simulated", lambda seed: [(c.counts, c.good) for c in streaks])
    alone = save_run(tmp_path / "alone", ("Streak",))
    *_, last = truth.measure(alone, truth.TruthStudy(cases=1, deletion=False))
    scores = last["classes"]["Streak"]["axis"]["scores"]
    assert set(HEAT_FORMS) < set(scores)
    assert not any("another class" in name for name in scores)
    assert "| Streak | axis | 1 |" in truth_table.as_markdown(last)


def test_a_class_that_is_never_said_is_told_and_not_drawn(run, streaks, monkeypatch):
    monkeypatch.setattr(Checkpoint, "decide", lambda self, logits: np.zeros_like(logits, bool))
    monkeypatch.setattr(truth, "BLOCK", 1)
    made = [(case.counts, case.good) for case in streaks]
    monkeypatch.setattr(truth, "_simulated", lambda seed: made)
    monkeypatch.setattr(truth, "PATIENCE", 1)
    *_, last = truth.measure(run, truth.TruthStudy(("Bent",), cases=1))
    assert last["best"] == {}
    assert "took none of 1 simulated shots" in last["unseen"][0]
    assert TruthTable(last).best("Bent") == ""
