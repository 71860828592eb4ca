"""Preparation of a project's shots: the same object in training, prediction and on the screen."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from labeler.active import embeddings
from labeler.active.map import path_of as map_path_of
from labeler.cli import main
from labeler.project.preparation import preparation_of, prepare_project
from labeler.project.project import Project
from labeler.runs.predictions import RunPredictions
from model.errors import InputError
from model.networks.table import NETWORKS
from model.prediction import embedding_file
from model.preprocessing.cache import ShotCache
from model.preprocessing.network_input import Preprocessing
from model.preprocessing.preparation import Preparation
from model.runs import checkpoint, recipes
from model.runs.folder import DESCRIPTION
from model.shots.table import table_of_file
from tests.helpers.commands import call
from tests.helpers.copies import copy_of
from tests.helpers.narrow import WHOLE
from tests.helpers.shots import make_file, tiny_recipe

pytestmark = pytest.mark.usefixtures("narrow_network", "without_openvino")

ALL = Preparation(bad_pixels=True, stray_light="shots", flat_detector=True, centre=True)
CENTRE = Preparation(centre=True)


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(recipes.to_toml(tiny_recipe(epochs=1)), "utf-8")
    return path


@pytest.fixture
def project(tmp_path):
    def make(place):
        path = make_file(place / "shots.h5", 18)
        with h5py.File(path, "r+") as file:
            file.attrs["distance_m"], file.attrs["pixel_m"] = 0.065, 1e-3
        Project.create(place / "week", [path]).close()

    copy_of("preparation", make, tmp_path)
    return tmp_path / "week"


def background(path, level=20.0, size=64):
    with h5py.File(path, "w") as file:
        file["images"] = np.full((8, size, size), level, np.float32)
    return path


# -- what a project keeps --------------------------------------------------------------------------


def test_the_steps_of_a_project_are_kept_and_told(project, tmp_path, capsys):
    status, said = call(capsys, "prepare", project)
    assert (status, said.out) == (0, "Preprocessing: none.\n")
    empty = background(tmp_path / "dark.h5")
    words = ("--steps", "bad-pixels", "background", "flat", "centre", "--background", empty)
    status, said = call(capsys, "prepare", project, *words)
    assert status == 0, said.err
    told = "bad pixels masked, background shots subtracted, flat detector, beam centred"
    assert told in said.out
    with Project.open(project) as opened:
        found = preparation_of(opened)
        assert found == ALL
        np.testing.assert_array_equal(found.reference.mean, 20)
    _, said = call(capsys, "prepare", project, "--json")
    assert json.loads(said.out)["stray_light"] == "shots"
    call(capsys, "prepare", project, "--steps")
    with Project.open(project) as opened:
        assert preparation_of(opened) == Preparation()


def test_shots_of_a_class_serve_as_background(project):
    with Project.open(project) as opened:
        table = opened.shot_table()
        rows = np.flatnonzero(table.labels[:, table.class_names.index("Round")])
        list(prepare_project(opened, Preparation(stray_light="shots"), "Round"))
        shots = [counts for _, counts, _ in table.iter_shots(rows)]
        mean = preparation_of(opened).reference.mean
        np.testing.assert_allclose(mean, np.mean(shots, 0), rtol=1e-5)


@pytest.mark.parametrize(
    ("steps", "background", "told"),
    [
        (Preparation(stray_light="shots"), None, "needs background shots"),
        (Preparation(stray_light="shots"), "Layered", "no shot is labelled Layered"),
        (Preparation(stray_light="shots"), "wrong size", "shape"),
    ],
)
def test_what_cannot_be_prepared_is_refused_and_nothing_changes(
    project, tmp_path, steps, background, told
):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["images"] = np.ones((4, 10, 10), np.uint16)
    name = tmp_path / "other.h5" if background == "wrong size" else background
    with Project.open(project) as opened:
        if background == "Layered" and opened.shot_table().labels[:, -2].any():
            pytest.skip("this file has layered shots")
        list(prepare_project(opened, CENTRE))
        with pytest.raises(InputError, match=told):
            list(prepare_project(opened, steps, name))
        assert preparation_of(opened) == CENTRE
    assert not (project / "preparation.npz").exists()


def test_flat_detector_without_geometry_names_the_file(tmp_path):
    path = make_file(tmp_path / "bare.h5", 12)
    with Project.create(tmp_path / "bare", [path]) as opened:
        with pytest.raises(InputError, match="distance") as told:
            list(prepare_project(opened, Preparation(flat_detector=True)))
        assert told.value.file == path


def test_a_stopped_preparation_leaves_the_old_one(project):
    with Project.open(project) as opened:
        events = list(prepare_project(opened, Preparation(bad_pixels=True), stop=lambda: True))
        assert events[-1]["event"] == "cancelled"
        assert preparation_of(opened) == Preparation()


def test_lost_background_shots_are_told_with_their_mend(project, tmp_path):
    with Project.open(project) as opened:
        list(prepare_project(opened, ALL, background(tmp_path / "dark.h5")))
        (project / "preparation.npz").write_bytes(b"PK\x03\x04 rubbish")
        with pytest.raises(InputError, match="airylabel prepare"):
            preparation_of(opened)


# -- what training and prediction do with it -------------------------------------------------------


def test_training_and_prediction_prepare_alike_and_the_run_needs_nothing_else(
    project, recipe, tmp_path, capsys
):
    """All steps, and correlation maps as input: everything that `train` can do to a shot first."""
    with Project.open(project) as opened:
        list(prepare_project(opened, ALL, background(tmp_path / "dark.h5", 0.5)))
    words = ("train", project, "--recipe", recipe, "--input", "correlation", "--json")
    status, said = call(capsys, *words)
    assert status == 0, said.err
    run = project / "runs" / "0001"
    _, about = checkpoint.load(run)
    assert about.preprocessing.preparation == ALL
    assert (about.preprocessing.input, about.preprocessing.transform) == ("correlation", "unit")
    assert not about.recipe.flips
    (project / "preparation.npz").unlink()  # the run has its own
    with Project.open(project) as opened:
        table = opened.shot_table()
        cache = next(p for p in (project / "cache").iterdir() if p.is_dir())
        kept = ShotCache.open(project / "cache", about.preprocessing, table)
        assert kept.folder == cache
        row = int(np.flatnonzero(kept.holds(table, np.arange(len(table))))[0])
        (_, counts, mask), geometry = next(table.iter_shots([row])), table.geometry(row)
        seen = about.preprocessing.reduce(counts, mask, geometry)
        np.testing.assert_array_equal(kept.read(table, np.array([row]))[0], seen)
        plain = Preprocessing(about.preprocessing.size, input="correlation").reduce(counts, mask)
        assert np.abs(plain - seen).max() > 1000
        found = RunPredictions.open(run / "predictions.h5", table.taxonomy, len(table))
        assert found.input == "correlation"
        assert found.field_of(0) == (0, 0, 1, 1)
        assert found.readable.all()


def test_another_preparation_has_a_cache_of_its_own(tmp_path):
    table = table_of_file(make_file(tmp_path / "a.h5", 12))
    kinds = (
        Preprocessing(64),
        Preprocessing(64, preparation=CENTRE),
        Preprocessing(64, preparation=Preparation(stray_light="smooth")),
        Preprocessing(64, input="correlation"),
    )
    folders = {ShotCache.open(tmp_path / "c", p, table).folder for p in kinds}
    assert len(folders) == len(kinds)
    assert ShotCache.open(tmp_path / "c", Preprocessing(64), table).folder in folders


def test_preprocessing_goes_through_json_with_its_preparation():
    made = Preprocessing(64, input="correlation", preparation=Preparation(True, "smooth", 2))
    assert Preprocessing.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    old = {k: v for k, v in made.to_dict().items() if k not in ("input", "preparation")}
    assert Preprocessing.from_dict(old) == Preprocessing(64)


def test_the_beam_is_brought_to_the_middle_and_heat_back_to_the_shot(tmp_path):
    y, x = np.mgrid[:64, :64].astype(float)
    radius = np.hypot(y - 36.5, x - 26.5)
    shot = 500 * np.exp(-radius / 9) * (1 + np.cos(radius))
    made = Preprocessing(64, preparation=CENTRE).prepare(shot)
    assert made.shift == (-5, 5)
    assert made.centre == pytest.approx((31.5, 31.5), abs=0.3)
    assert not made.mask[-5:].any()
    assert made.counts[31, 31] == pytest.approx(shot[36, 26])


def test_a_shot_that_was_moved_gets_its_heat_where_it_belongs(tmp_path):
    from model.taxonomy.taxonomy import Class, Taxonomy

    taxonomy = Taxonomy("one", [Class("A")], [])
    heat = np.zeros((2, 1, 4, 4), np.float16)
    heat[:, 0, 1, 1] = 1
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["probabilities"] = np.full((2, 1), 0.5, np.float32)
        file["embeddings"], file["heatmaps"] = np.zeros((2, 3), np.float16), heat
        file["shift"] = np.array([[0, 0], [0.25, -0.25]], np.float32)
        file.attrs["class_names"], file.attrs["thresholds"] = ["A"], [0.5]
    found = RunPredictions.open(tmp_path / "p.h5", taxonomy, 2)
    still, moved = (found.heatmap(row, 0, (64, 64)) for row in (0, 1))
    np.testing.assert_allclose(moved[:48, 16:], still[16:, :48], atol=1e-6)


# -- correlation maps as input ---------------------------------------------------------------------


def test_the_input_made_of_a_shot_is_its_correlation_map(tmp_path):
    from model.physics.correlation import MapRecipe, correlation_map
    from model.processes import one_blas_thread

    shot = np.random.default_rng(0).poisson(9, (80, 80)).astype(np.uint16)
    seen = recipes.named("quick").on_maps().preprocessing().apply(shot)[0]
    size = recipes.named("quick").size
    with one_blas_thread():  # with two, the sums of a product are added up in another order
        expected = correlation_map(shot, recipe=MapRecipe(radii=size, angles=360))
    np.testing.assert_allclose(seen, expected, atol=1e-6)


@pytest.fixture
def maps(tmp_path):
    def make(place):
        path = make_file(place / "shots.h5", 18)
        words = ("--out", place / "maps.h5", "--radii", 64, "--angles", 64, "--workers", 1)
        assert main(["correlate", str(path), *map(str, words)]) == 0

    copy_of("maps", make, tmp_path)
    return tmp_path / "maps.h5"


def test_a_file_of_maps_is_not_correlated_again(tmp_path, maps, recipe, capsys):
    words = ("train", maps, "--recipe", recipe, "--input", "correlation", "--out", tmp_path / "r")
    assert call(capsys, *words)[0] == 0
    about = checkpoint.describe(tmp_path / "r")
    assert (about.preprocessing.input, about.preprocessing.transform) == ("pattern", "unit")
    assert about.of_maps
    assert about.recipe.rotation == 0
    shots = tmp_path / "shots.h5"
    for words in (
        ("predict", shots, "--run", tmp_path / "r"),
        ("faithfulness", tmp_path / "r", shots, "--class", "Round"),
        ("watch", shots, "--run", tmp_path / "r", "--every-shot", "--idle", 0.1),
    ):
        status, said = call(capsys, *words)
        assert status == 1
        assert "shots.h5: holds patterns, and this run reads files of correlation maps" in said.err
    assert call(capsys, "predict", maps, "--run", tmp_path / "r")[0] == 0


def test_maps_are_trained_as_maps_whether_that_is_asked_or_not(tmp_path, maps, recipe, capsys):
    words = ("train", maps, "--recipe", recipe, "--set", "rotation=180", "--set", "zoom=0.1")
    status, said = call(capsys, *words, "--out", tmp_path / "r")
    assert status == 0, said.err
    assert "The shots are correlation maps" in said.err
    about = checkpoint.describe(tmp_path / "r")
    assert about.of_maps
    assert (about.recipe.rotation, about.recipe.zoom, about.preprocessing.transform) == (
        0, 0, "unit",
    )  # fmt: skip
    Project.create(tmp_path / "week", [maps]).close()
    words = ("train", tmp_path / "week", "--recipe", recipe, "--input", "correlation", "--json")
    assert call(capsys, *words)[0] == 0
    about = checkpoint.describe(tmp_path / "week" / "runs" / "0001")
    assert (about.preprocessing.input, about.of_maps) == ("pattern", True)


@pytest.mark.parametrize("asked", ["pattern", "correlation"])
def test_a_network_of_patterns_refuses_maps(asked, tmp_path, maps, recipe, capsys):
    words = ("train", tmp_path / "shots.h5", "--recipe", recipe, "--input", asked)
    assert call(capsys, *words, "--out", tmp_path / "r")[0] == 0
    status, said = call(capsys, "predict", maps, "--run", tmp_path / "r")
    assert status == 1
    assert "maps.h5: holds correlation maps, and this run reads patterns" in said.err


def test_a_run_of_an_earlier_version_reads_what_it_always_read(tmp_path, maps, recipe, capsys):
    words = ("train", maps, "--recipe", recipe, "--input", "correlation", "--out", tmp_path / "r")
    assert call(capsys, *words)[0] == 0
    path = tmp_path / "r" / DESCRIPTION
    old = json.loads(path.read_text("utf-8"))
    del old["of_maps"]
    path.write_text(json.dumps(old), "utf-8")
    assert call(capsys, "predict", maps, "--run", tmp_path / "r")[0] == 0


def test_maps_and_patterns_do_not_train_together(tmp_path, maps, recipe, capsys):
    words = ("train", tmp_path / "shots.h5", maps, "--recipe", recipe, "--out", tmp_path / "r")
    status, said = call(capsys, *words)
    assert status == 1
    assert "maps.h5: holds correlation maps, and others of these files hold patterns" in said.err


def test_before_the_first_run_the_shipped_network_reads_shots_as_they_are_prepared(
    project, capsys, monkeypatch
):
    monkeypatch.setitem(NETWORKS, "resnet18", WHOLE)
    found = []
    for steps in (None, Preparation(stray_light="smooth", degree=2)):
        with Project.open(project) as opened:
            if steps is not None:
                list(prepare_project(opened, steps))
            source = embeddings.of_cache(opened, opened.shot_table())
        assert embeddings.share_there(source.parts) == 0  # what was read otherwise is not taken
        assert call(capsys, "embed", project, "--engine", "torch")[0] == 0
        assert embeddings.share_there(source.parts) == 1
        found.append((embeddings.embeddings(source).astype(float), map_path_of(project, source)))
    (raw, map_of_raw), (prepared, map_of_prepared) = found
    assert np.abs(raw - prepared).max() > 0.01
    assert map_of_raw != map_of_prepared


def test_a_shipped_network_sees_prepared_shots_whichever_command_asks_it(
    project, recipe, tmp_path, capsys, monkeypatch
):
    shipped = tmp_path / "backbones" / "own"
    status, printed = call(capsys, "train", project, "--recipe", recipe, "--out", shipped)
    assert status == 0, printed.err
    monkeypatch.setattr("model.runs.folder._backbones", lambda: tmp_path / "backbones")

    def asked():
        """What `predict` and `occlusion` say."""
        assert call(capsys, "predict", project, "--run", shipped)[0] == 0
        words = ("--shot", 2, "--class", "Round", "--json")
        status, printed = call(capsys, "occlusion", shipped, project, *words)
        assert status == 0, printed.err
        with h5py.File(project / "own-predictions.h5") as file:  # not among the program's files
            found = file["logits"][()], file["embeddings"][()].astype(float)
        return *found, json.loads(printed.out)["cells"]

    raw = asked()
    with Project.open(project) as opened:
        list(prepare_project(opened, Preparation(stray_light="smooth", degree=2)))
        steps = preparation_of(opened)
        table = opened.shot_table()
    prepared = asked()
    assert np.abs(prepared[0] - raw[0]).max() > 1e-4
    assert prepared[2] != raw[2]
    assert call(capsys, "embed", project, "--network", shipped)[0] == 0
    parts = embedding_file.parts_of(table, shipped, project / "cache", preparation=steps)
    found = embedding_file.read(parts, len(table))
    assert found is not None
    assert np.allclose(found.astype(float), prepared[1], atol=0.01)


# -- the dialog ------------------------------------------------------------------------------------


@pytest.fixture
def dialog(qapp, project):
    from labeler.window.dialogs.preparation import PreparationDialog
    from tests.helpers.window_parts import make_session

    session = make_session(project)
    made = PreparationDialog(session)
    yield made
    made.done(0)
    made.deleteLater()
    session.close()


def test_the_dialog_shows_what_is_on_and_asks_for_what_is_chosen(qapp, project):
    from labeler.window.dialogs.preparation import SHOTS, PreparationDialog
    from tests.helpers.window_parts import make_session

    with Project.open(project) as opened:
        list(prepare_project(opened, Preparation(stray_light="smooth", degree=2, centre=True)))
    session = make_session(project)
    dialog = PreparationDialog(session)
    assert dialog.words() == ["--degree", "2", "--steps", "smooth", "centre"]
    dialog.light.setCurrentText(SHOTS)
    dialog.bad.setChecked(True)
    expected = ["--background", "Empty", "--steps", "bad-pixels", "background", "centre"]
    assert dialog.words()[2:] == expected
    dialog.deleteLater()
    session.close()


def test_the_dialog_proposes_empty_shots_as_background_whatever_they_are_called(qapp, project):
    from labeler.project import classes
    from labeler.window.dialogs.preparation import SHOTS, PreparationDialog
    from tests.helpers.window_parts import make_session

    with Project.open(project) as opened:
        classes.rename(opened, "Empty", "No droplet")
    session = make_session(project)
    dialog = PreparationDialog(session)
    dialog.light.setCurrentText(SHOTS)
    assert "No droplet" in dialog.words()
    dialog.deleteLater()
    session.close()


def test_the_dialog_sets_the_steps_and_tells_session_and_suggestions(
    dialog, qtbot, project, monkeypatch
):
    told, again = [], []
    monkeypatch.setattr(dialog.session.learning, "follow", lambda: again.append(1))
    dialog.session.noted.connect(lambda level, text: told.append((level, text)))
    dialog.flat.setChecked(True)
    with qtbot.waitSignal(dialog.accepted):
        dialog.start()
    assert told == [("info", "Preprocessing: flat detector. The next training uses it.")]
    assert preparation_of(dialog.session.opened.project) == Preparation(flat_detector=True)
    assert again == [1]


def test_without_geometry_the_flat_detector_cannot_be_chosen(qapp, tmp_path):
    from labeler.window.dialogs.preparation import PreparationDialog
    from tests.helpers.window_parts import make_project, make_session

    session = make_session(make_project(tmp_path))
    dialog = PreparationDialog(session)
    assert not dialog.flat.isEnabled()
    dialog.deleteLater()
    session.close()
