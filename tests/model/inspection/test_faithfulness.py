"""Deletion and insertion, the featureless glow, occlusion and figures, on networks one can see
through."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from model.errors import InputError
from model.heatmaps.forms import BEST
from model.heatmaps.geometry import detector, lost_share, outside
from model.heatmaps.truth_table import NO_MORE, TruthTable, table_of
from model.inspection import class_figure, faithfulness, occlusion
from model.prediction import inference
from model.prediction.batches import PooledHead
from model.runs import checkpoint, recipes
from model.runs.checkpoint import Checkpoint
from model.runs.folder import DESCRIPTION
from model.shots.table import table_of_file

pytestmark = pytest.mark.usefixtures("narrow_network")

SIDE = 64


@pytest.fixture(autouse=True)
def by_torch(monkeypatch):
    """Small networks are read sooner than OpenVINO takes them in."""

    def choose(network, shape):
        return inference.TorchEngine(network.body, 32), "torch"

    monkeypatch.setattr(inference, "choose", choose)


def streak(size=48, angle=0.4):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    across = y * np.cos(angle) - x * np.sin(angle)
    radius = np.hypot(y, x)
    return (
        3000 * np.exp(-radius / 9) + 900 * np.exp(-((across / 2) ** 2) - radius / 25) + 1
    ).astype(np.float32)


def test_the_glow_keeps_the_fall_and_no_streak():
    shot = streak()
    glow = occlusion.envelope(shot, np.ones(shot.shape, bool))
    y, x = np.mgrid[:48, :48] - 23.5
    ring = np.rint(np.hypot(y, x)) == 20
    assert np.log(glow[ring]).std() < 0.2 * np.log(shot[ring]).std()
    assert glow[20, 20] > 5 * glow[4, 4]


def test_pixels_that_saw_nothing_stay_as_they_are():
    shot, good = streak(), np.ones((48, 48), bool)
    good[20:28, 20:28] = False
    shot[~good] = 0
    glow = occlusion.envelope(shot, good)
    assert not glow[~good].any()
    assert np.isfinite(glow).all()
    assert not occlusion.envelope(np.zeros((5, 5)), np.zeros((5, 5), bool)).any()


def test_the_right_order_loses_and_brings_back_the_class_sooner_than_chance():
    """The score is the light in one corner: the order by that corner is the best there can be."""
    square, glow = np.ones((16, 16), np.float32), np.zeros((16, 16), np.float32)
    corner = np.zeros((16, 16))
    corner[:4, :8] = 1
    random = np.random.default_rng(0).random((16, 16))
    good = np.ones((16, 16), bool)

    def score(squares):
        return (squares * corner).sum((1, 2)) / corner.sum()

    found = faithfulness.curves(score, square, glow, good, [corner, random, -corner], random)
    assert found.shape == (3, 2, len(faithfulness.LEVELS))
    np.testing.assert_allclose(found[:, 0, [0, -1]], [[1, 0]] * 3)
    np.testing.assert_allclose(found[:, 1, [0, -1]], [[0, 1]] * 3)
    deletion, insertion = faithfulness.areas(found).T
    assert deletion[0] < deletion[1] < deletion[2]
    assert insertion[0] > insertion[1] > insertion[2]
    np.testing.assert_allclose(deletion[0], 1 / 16)  # gone after the first of eight steps
    np.testing.assert_allclose(found[:, 0] + found[:, 1], 1)


def test_places_without_heat_are_no_order_but_chance():
    """Cold heat says nothing: it must not do better than chance for a class in the first rows."""
    square, glow = np.ones((16, 16), np.float32), np.zeros((16, 16), np.float32)
    random, cold = np.random.default_rng(0).random((16, 16)), np.zeros((16, 16))

    def score(squares):
        return squares[:, :4].mean((1, 2))

    good = np.ones((16, 16), bool)
    by_heat, by_chance = faithfulness.curves(score, square, glow, good, [cold, random], random)
    np.testing.assert_array_equal(by_heat, by_chance)


def test_heat_off_the_detector_is_counted_and_holes_are_not_outside():
    y, x = np.mgrid[:64, :64] - 31.5
    good = (np.hypot(y, x) < 32) & (np.hypot(y, x) > 4)
    beyond = outside(good)
    assert beyond[0, 0]
    assert not beyond[32, 32]
    flat = np.ones((64, 64), np.float32)
    assert lost_share(flat, ~beyond) == pytest.approx(1 - np.pi / 4, abs=0.01)
    assert lost_share(flat, good | beyond) == pytest.approx(np.pi * 16 / 64**2, abs=0.003)
    assert lost_share(0 * flat, good) == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A network of chance for three classes, and a file of labelled shots."""
    folder = tmp_path_factory.mktemp("faith")
    torch.manual_seed(3)
    recipe = replace(recipes.named("quick"), size=SIDE)
    names = ("Round", "Streak", "Empty")
    about = Checkpoint(names, recipe, recipe.preprocessing(), thresholds=(0.01, 0.01, 0.99))
    (folder / "run").mkdir()
    checkpoint.save(folder / "run", checkpoint.build(about, "he"), about)
    random = np.random.default_rng(0)
    with h5py.File(folder / "shots.h5", "w") as file:
        file["images"] = np.stack(
            [random.poisson(streak(80, t)) for t in random.uniform(0, 3, 8)]
        ).astype(np.uint16)
        file["labels"] = np.tile(np.array([[0, 1, 0], [1, 0, 0]], np.uint8), (4, 1))
        file["labels"].attrs["class_names"] = list(names)
    return folder


def test_a_run_is_questioned_and_what_was_measured_is_kept(made, tmp_path):
    pytest.importorskip("captum", reason="captum is not installed")
    table = table_of_file(made / "shots.h5")
    out = tmp_path / "f.json"
    study = faithfulness.FaithfulnessStudy(("Streak",), shots=2)
    last = list(faithfulness.measure(table, made / "run", study, out))[-1]
    found = last["classes"]["Streak"]
    assert found["shots"] == 2
    assert found["heat"]["low"] <= found["heat"]["gap"] <= found["heat"]["high"]
    assert -1 <= found["occlusion"]["gap"] <= 1
    assert 0 <= found["on_masked"] + found["outside"] <= 1
    assert set(found["curves"]["deletion"]) == {"heat", "random", "occlusion"}
    plain = faithfulness.FaithfulnessStudy(("Round",), shots=1, occlusion=False)
    list(faithfulness.measure(table, made / "run", plain, out))
    assert set(json.loads(out.read_text())["classes"]) == {"Streak", "Round"}
    events = list(faithfulness.measure(table, made / "run", study, stop=lambda: True))
    assert events[-1]["event"] == "cancelled"


@pytest.mark.parametrize("by_rules", [False, True], ids=["own logit", "that of a class it needs"])
def test_occlusion_finds_the_only_place_that_counts(made, monkeypatch, by_rules):
    pytest.importorskip("captum", reason="captum is not installed")
    reader = class_figure.Reader(made / "run")
    read = reader.read(table_of_file(made / "shots.h5"), [0])

    def features(inputs):
        """One channel: the light at the upper left."""
        return inputs[:, None, :16, :16].mean((-2, -1), keepdims=True)

    monkeypatch.setattr(reader, "features", features)
    weights = [[0.0], [1.0], [0.0]] if by_rules else [[1.0], [0.0], [0.0]]
    head = PooledHead(np.array(weights, np.float32), np.zeros(3, np.float32))
    monkeypatch.setattr(reader, "head", head)
    if by_rules:
        monkeypatch.setattr(reader, "about", replace(reader.about, legal_sets=(0b011, 0b100)))
    square = read.squares.copy()
    square[0, 4:12, 4:12] = 60000
    bright = replace(read, squares=square)
    found = occlusion.occlude(reader, bright, 0, 0)
    assert found.shape == (8, 8)
    assert found.max() > 0
    assert np.unravel_index(found.argmax(), found.shape) in [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert found[4:, 4:].max() == pytest.approx(0, abs=1e-6)


def test_the_figure_of_classes_shows_the_group_that_was_asked_for(made, tmp_path):
    table = table_of_file(made / "shots.h5")
    request = class_figure.FigureRequest(("Streak", "Round"), per_class=2)
    shown = class_figure.draw(table, made / "run", tmp_path / "a.svg", request, dpi=40)
    assert {n % 2 for n in shown["Streak"]} == {1}
    assert {n % 2 for n in shown["Round"]} == {0}
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert text.count(">true<") == 4
    assert all(f"#{shot} · p " in text for shots in shown.values() for shot in shots)
    assert "stroke-dasharray" in text
    shown = class_figure.draw(table, made / "run", tmp_path / "b.png", request, rows=[5, 2], dpi=40)
    assert shown["Streak"] == [6, 3]


def test_the_same_shots_stand_in_every_form_of_heat_that_was_asked_for(made, tmp_path):
    table = table_of_file(made / "shots.h5")
    shown = {}
    for forms in (("paper",), ("paper", "chattopadhay")):
        request = class_figure.FigureRequest(("Streak", "Round"), per_class=2, forms=forms)
        out = tmp_path / f"{len(forms)}.svg"
        shown[len(forms)] = class_figure.draw(table, made / "run", out, request, dpi=40)
        assert out.read_text(encoding="utf-8").count(">true<") == 4 * len(forms)
    assert shown[1] == shown[2]


def test_a_figure_says_why_there_is_no_heat_on_a_shot(made, tmp_path):
    with h5py.File(made / "shots.h5") as file:
        images = file["images"][()]
    images[5] = 100
    path = tmp_path / "shots.h5"
    with h5py.File(path, "w") as file:
        file["images"] = images
    request = class_figure.FigureRequest(("Streak",))
    class_figure.draw(
        table_of_file(path), made / "run", tmp_path / "a.svg", request, rows=[1, 5, 0]
    )
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert text.count("no heat") >= 1
    assert "same everywhere" in text


def test_a_shot_that_was_asked_for_by_number_and_cannot_be_read_is_named(made, tmp_path):
    with h5py.File(made / "shots.h5") as file:
        images = file["images"][()]
    path, out = tmp_path / "shots.h5", tmp_path / "a.svg"
    with h5py.File(path, "w") as file:
        stack = file.create_dataset("images", data=images, chunks=(1, 80, 80), compression="gzip")
        stack.id.write_direct_chunk((5, 0, 0), b"no picture")
    table, request = table_of_file(path), class_figure.FigureRequest(("Streak",))
    with pytest.raises(InputError, match="shot 6: the shot cannot be read"):
        class_figure.draw(table, made / "run", out, request, rows=[1, 5, 0])
    assert not out.exists()
    pytest.importorskip("captum", reason="captum is not installed")
    with pytest.raises(InputError, match="shot 6: the shot cannot be read"):
        occlusion.of_shot(table, made / "run", 5, "Streak")


def test_no_heat_is_drawn_of_empty_and_of_a_class_without_a_good_form_that_is_said(made, tmp_path):
    table, out = table_of_file(made / "shots.h5"), tmp_path / "a.svg"
    truth = TruthTable({"unseen": [f"Round: {NO_MORE}"]})
    request = class_figure.FigureRequest(("empty", "Round"))  # spelt as it comes
    class_figure.draw(table, made / "run", out, request, rows=[1, 2], truth=truth)
    text = out.read_text(encoding="utf-8")
    assert text.count("no heat: empty is the") == 2
    assert text.count("heat shows only the") == text.count(">Grad-CAM++<") == 1
    assert text.count("stroke-dasharray") == 2 * 3  # of Round


def test_heat_that_tells_no_more_than_brightness_says_so_below_its_class(made, tmp_path):
    table, out = table_of_file(made / "shots.h5"), tmp_path / "a.svg"
    truth = table_of(recipes.shipped_network())
    request = class_figure.FigureRequest(("Streak", "Round"))
    class_figure.draw(table, made / "run", out, request, rows=[1, 2], truth=truth)
    text = out.read_text(encoding="utf-8")
    assert text.count("no better than") == text.count(">brightness<") == 1  # Grad-CAM++ of Streak
    assert text.count("heat shows only the") == 1  # Round


def test_heat_that_is_the_same_everywhere_is_not_drawn_and_that_is_said(
    made, tmp_path, monkeypatch
):
    real = class_figure.Explainer.cells

    def even(*asked):
        return {form: replace(c, values=c.values * 0 + 0.3) for form, c in real(*asked).items()}

    monkeypatch.setattr(class_figure.Explainer, "cells", even)
    table, out = table_of_file(made / "shots.h5"), tmp_path / "a.svg"
    request = class_figure.FigureRequest(("Streak",), group="certain", per_class=2)
    class_figure.draw(table, made / "run", out, request)
    text = out.read_text(encoding="utf-8")
    assert text.count("no heat: the heat is") == 2
    assert text.count("about the same") == 2
    assert "stroke-dasharray" not in text


def test_a_file_by_our_names_and_a_run_trained_after_renaming_find_each_other(made, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(made / "run", run)
    about = json.loads((run / DESCRIPTION).read_text("utf-8"))
    about |= {"class_names": ["Rund", "Streifen", "Leer"]}
    about |= {"earlier_names": ["Round", "Streak", "Empty"]}
    (run / DESCRIPTION).write_text(json.dumps(about))
    table, out = table_of_file(made / "shots.h5"), tmp_path / "a.svg"
    request = class_figure.FigureRequest(("Streifen", "Streak"), per_class=2)
    shown = class_figure.draw(table, run, out, request, dpi=40)
    assert shown["Streifen"] == shown["Streak"]
    request = class_figure.FigureRequest(("Leer",))
    class_figure.draw(table, run, out, request, rows=[1])
    assert "no heat: leer is the" in out.read_text(encoding="utf-8")
    study = faithfulness.FaithfulnessStudy((), shots=1, occlusion=False)
    *_, last = faithfulness.measure(table, run, study)
    assert set(last["classes"]) == {"Rund", "Streifen"}


def test_the_share_off_the_detector_is_that_of_the_tiles(made, tmp_path):
    y, x = np.indices((80, 80)) - 39.5
    random = np.random.default_rng(0)
    disc = np.hypot(y, x) < 38
    path = tmp_path / "round.h5"
    with h5py.File(path, "w") as file:
        shots = [random.poisson(streak(80, t) + 50) * disc for t in random.uniform(0, 3, 6)]
        file["images"] = np.stack(shots).astype(np.uint16)
    table = table_of_file(path)
    study = faithfulness.FaithfulnessStudy(("Streak",), shots=6, occlusion=False)
    found = list(faithfulness.measure(table, made / "run", study))[-1]["classes"]["Streak"]
    reader = class_figure.Reader(made / "run")
    read, shares = reader.read(table, range(6)), []
    for shot in np.flatnonzero(read.decided[:, 1]):
        explainer = class_figure.Explainer(reader)
        cells = explainer.cells(read, shot, explainer.targets(["Streak"]), ["paper"])["paper"]
        ((_, counts, mask),) = table.iter_shots([read.rows[shot]])
        good = detector(counts, mask)
        assert good is not None
        heat = reader.on_pattern(cells.values[0], (80, 80), read.seen[shot], cells.box)
        shares.append(lost_share(heat, good))
    assert found["shots"] == len(shares)
    assert found["outside"] + found["on_masked"] == pytest.approx(np.mean(shares), abs=1e-6)
    assert found["outside"] > 0.05


def test_each_class_is_tested_in_the_form_that_did_best_for_it_and_empty_in_none(made, tmp_path):
    table, out = table_of_file(made / "shots.h5"), tmp_path / "f.json"
    truth = TruthTable({"best": {"Streak": "directions"}})
    study = faithfulness.FaithfulnessStudy((), shots=1, form=BEST, occlusion=False)
    *_, last = faithfulness.measure(table, made / "run", study, out, truth=truth)
    forms = {name: found["form"] for name, found in last["classes"].items()}
    assert forms == {"Round": "paper", "Streak": "directions"}
    assert json.loads(out.read_text())["form"] == "best"


def test_the_best_form_is_drawn_and_where_it_finds_nothing_the_other_computed_one(
    made, tmp_path, monkeypatch
):
    real = class_figure.Explainer.cells

    def only_repeated(self, read, shot, targets, forms):
        (form,) = forms
        found = real(self, read, shot, targets, ["paper"])["paper"]
        values = found.values * 0
        values[..., 0, 0] = form == "repeated"
        return {form: replace(found, values=values)}

    monkeypatch.setattr(class_figure.Explainer, "cells", only_repeated)
    monkeypatch.setattr(class_figure.Explainer, "nothing_to_see", lambda *asked: [""] * 3)
    table, out = table_of_file(made / "shots.h5"), tmp_path / "a.svg"
    request = class_figure.FigureRequest(("Streak", "Round"), forms=(BEST, "directions"))
    truth = TruthTable({"best": {"Streak": "directions"}})
    class_figure.draw(table, made / "run", out, request, rows=[1], truth=truth)
    text = out.read_text(encoding="utf-8")
    assert text.count("directions alone") == 2  # of Streak once, of Round the second row
    assert text.count("directions repeated") == 1  # on the shot of Streak
    assert text.count(">Grad-CAM++<") == 1  # of Round, for which no form is known to be best
    assert text.count("no heat") == 2


def test_what_cannot_be_drawn_is_said(made, tmp_path):
    table = table_of_file(made / "shots.h5")
    with pytest.raises(InputError, match="no class 'Bent'"):
        class_figure.draw(
            table, made / "run", tmp_path / "a.png", class_figure.FigureRequest(("Bent",))
        )
    request = class_figure.FigureRequest(("Streak",))
    with pytest.raises(InputError, match="there is no shot 10"):
        class_figure.draw(table, made / "run", tmp_path / "a.png", request, rows=[9])
    with pytest.raises(InputError, match="there is no shot 99"):
        occlusion.of_shot(table, made / "run", 98, "Streak")
