"""Predictions: matched by name, judged by threshold, ordered fast, and never trusted blindly."""

import json
import os

import h5py
import numpy as np
import pytest

from labeler.active.embeddings import embeddings
from labeler.active.messages import EmbeddingSource
from labeler.project.decisions import LABELLED
from labeler.project.project import Project
from labeler.runs.predictions import RunPredictions, predictions_of
from model.errors import InputError
from model.heatmaps.geometry import enlarge
from model.preprocessing.network_input import Preprocessing
from model.preprocessing.preparation import Preparation
from model.runs.promotion import compare_files
from model.shots.layouts import Geometry
from model.taxonomy.taxonomy import Class, Taxonomy
from tests.helpers.predictions import HELIUM, write_predictions
from tests.helpers.runs import make_run
from tests.helpers.waiting import processor_s

ROUND, ELLIPTICAL, OBLATE = (
    HELIUM.index(name) for name in ("Round", "Elliptical", "Spherical/Oblate")
)


@pytest.fixture
def made(tmp_path):
    """Write predictions and open them."""

    def make(probabilities, /, **changes):
        parts = {"probabilities": probabilities} | changes
        path = write_predictions(tmp_path / "0001" / "predictions.h5", **parts)
        return RunPredictions.open(path, HELIUM, len(probabilities))

    return make


def shots(*sets, p=0.9, low=0.1):
    """(N, 11) probabilities: p for the named classes, low elsewhere."""
    return np.where([HELIUM.mask(names) for names in sets], p, low)


@pytest.mark.parametrize("name", ["probabilities", "embeddings", "heatmaps"])
@pytest.mark.parametrize("way", ["raw", "link", "virtual"])
def test_predictions_whose_parts_lie_in_another_file_are_refused_unread(made, tmp_path, name, way):
    path = made(shots(["Round"], ["Streak"])).path
    (tmp_path / "secret").write_bytes(bytes(10_000_000))
    with h5py.File(path, "r+") as file:
        shape, kind = file[name].shape, file[name].dtype
        del file[name]
        if way == "raw":  # of a device or a pipe, a read would have no end
            size = int(np.prod(shape)) * kind.itemsize
            file.create_dataset(name, shape, kind, external=[(tmp_path / "secret", 0, size)])
        elif way == "link":
            file[name] = h5py.ExternalLink("secret.h5", name)
        else:
            layout = h5py.VirtualLayout(shape, kind)
            layout[:] = h5py.VirtualSource("secret.h5", name, shape)
            file.create_virtual_dataset(name, layout)
    with pytest.raises(InputError, match=f"its {name} lie in another file"):
        RunPredictions.open(path, HELIUM, 2)
    with pytest.raises(InputError, match=f"its {name} lie in another file"):
        embeddings(EmbeddingSource(1, HELIUM, 2, path.parent, path))
    with pytest.raises(InputError, match=f"its {name} lie in another file"):
        compare_files(path, path, np.ones((2, 11), bool), np.arange(2), HELIUM)


def test_predictions_of_a_renamed_class_are_not_those_of_a_new_one_of_its_name(made, tmp_path):
    path = made(shots(["Streak"], ["Round"])).path
    names = [name if name != "Streak" else "Line" for name in HELIUM.names]
    was = [name if name == "Streak" else "" for name in HELIUM.names]
    now = Taxonomy.of_names([*names, "Streak"], [*was, ""])
    found = RunPredictions.open(path, now, 2)
    assert found.probabilities[:, now.index("Line")].tolist() == pytest.approx([0.9, 0.1])
    assert not found.known[now.index("Streak")]
    assert not found.probabilities[:, now.index("Streak")].any()
    assert found.called(now.index("Line")) == "Streak"
    assert found.called(now.index("Streak")) == ""
    labels = np.zeros((2, 12), bool)
    labels[:, now.index("Line")] = [True, False]
    said = compare_files(path, path, labels, np.arange(2), now)
    (change,) = said.classes
    assert (change.index, change.new) == (now.index("Line"), 1)


def test_classes_are_matched_by_name_in_any_order_and_spelling(tmp_path):
    rng = np.random.default_rng(5)
    probabilities = rng.random((6, 11))
    order = rng.permutation(11)
    names = [HELIUM.names[i].upper().replace(" ", "_") for i in order]
    heat = rng.random((6, 11, 7, 7)).astype(np.float16)
    path = write_predictions(
        tmp_path / "p.h5",
        probabilities[:, order],
        names,
        heatmaps=heat[:, order],
        thresholds=np.linspace(0.2, 0.7, 11)[order].astype(np.float32),
    )
    found = RunPredictions.open(path, HELIUM, 6)
    assert np.allclose(found.probabilities, probabilities)
    assert np.allclose(found.thresholds, np.linspace(0.2, 0.7, 11))
    assert np.array_equal(found.cells(4, ROUND), heat[4, ROUND].astype(np.float32))


def test_a_class_that_got_its_name_back_has_its_predictions_and_a_fresh_one_has_not(tmp_path):
    names = ["Line" if name == "Streak" else name for name in HELIUM.names]
    probabilities = np.random.default_rng(1).random((8, 11)).astype(np.float32)
    path = write_predictions(tmp_path / "p.h5", probabilities, names)
    with h5py.File(path, "r+") as file:
        earlier = ["Streak" if name == "Line" else "" for name in names]
        file.attrs["earlier_names"] = np.array(earlier, "S")
    grown = Taxonomy("helium", (Class("Line"), *HELIUM.classes), HELIUM.rules)
    found = RunPredictions.open(path, grown, 8)
    assert found.known.tolist() == [False] + [True] * 11
    np.testing.assert_array_equal(found.probabilities[:, 1:], probabilities)
    verdict = compare_files(path, path, found.decided, np.arange(8), grown)
    assert verdict.new == 1


def test_a_class_added_after_the_run_has_no_probability_and_no_heat(tmp_path):
    path = write_predictions(tmp_path / "p.h5", shots(["Round"]))
    grown = Taxonomy("helium", (Class("Core"), *HELIUM.classes), HELIUM.rules)
    found = RunPredictions.open(path, grown, 1)
    assert found.known.tolist() == [False] + [True] * 11
    assert found.probabilities[0, 0] == 0
    assert not found.heatmap(0, 0, (20, 20)).any()
    assert found.uncertainty()[0] == pytest.approx(1 - 0.8)


def test_a_run_outlives_a_class_that_was_taken_back_while_it_trained(tmp_path):
    names = ["Core-shell", *HELIUM.names]
    probabilities = np.random.default_rng(1).random((4, 12)).astype(np.float32)
    thresholds = np.linspace(0.1, 0.9, 12).astype(np.float32)
    path = write_predictions(
        tmp_path / "0001" / "p.h5", probabilities, names, thresholds=thresholds
    )
    found = RunPredictions.open(path, HELIUM, 4)
    np.testing.assert_array_equal(found.probabilities, probabilities[:, 1:])
    np.testing.assert_array_equal(found.thresholds, thresholds[1:])
    np.testing.assert_array_equal(found.decided, probabilities[:, 1:] >= thresholds[1:])
    alone = write_predictions(
        tmp_path / "0002" / "p.h5", probabilities[:, 1:], thresholds=thresholds[1:]
    )
    assert found.known.all()
    assert found.cells(1, 0).shape == RunPredictions.open(alone, HELIUM, 4).cells(1, 0).shape
    with h5py.File(path) as file:
        np.testing.assert_allclose(found.cells(1, 3), file["heatmaps"][1, 4], rtol=1e-6)


def test_a_file_that_is_cut_short_under_the_window_is_said_and_ends_nothing(tmp_path):
    path = write_predictions(tmp_path / "p.h5", shots(["Round"], ["Empty"]), grid=(64, 64))
    found = RunPredictions.open(path, HELIUM, 2)
    assert found.cells(1, 0).any()
    assert found.trouble == ""
    os.truncate(path, 4096)
    assert "cut short" in found.trouble
    with pytest.raises(InputError, match="cut short"):
        found.cells(1, 0)
    assert found.decided[0, ROUND]


def test_heatmaps_are_read_shot_by_shot_and_stay_those_of_a_file_that_was_replaced(tmp_path):
    path = write_predictions(tmp_path / "p.h5", shots(["Round"], ["Empty"]))
    found = RunPredictions.open(path, HELIUM, 2)
    before = found.cells(1, 3)
    other = write_predictions(tmp_path / "q.h5", shots(["Round"], ["Empty"]), seed=9)
    other.replace(path)
    assert np.array_equal(found.cells(1, 3), before)
    with h5py.File(write_predictions(tmp_path / "p.h5", shots(["Round"], ["Empty"]))) as file:
        assert np.array_equal(file["heatmaps"][1, 3], before)


def test_a_heatmap_lies_on_the_field_that_the_network_saw(made):
    field = (0.1, 0.1, 0.9, 0.9)
    found = made(shots(["Round"]), field=np.array(field))
    expected = enlarge(found.cells(0, ROUND), (50, 60), field)
    assert np.array_equal(found.heatmap(0, ROUND, (50, 60)), expected)
    assert not expected[:5].any()
    assert expected.any()


def test_each_shot_has_its_heat_where_the_network_saw_it_though_files_differ_in_proportions(made):
    """The cells tile what was seen, half a cell off, on whatever part of the shot that is."""
    off, wide = 0.5 / 7, np.array([0, 0.15, 1, 0.85])
    path = made(shots(["Round"], ["Round"]), cells=np.array([-off, -off, 1 - off, 1 - off])).path
    with h5py.File(path, "r+") as file:
        file["heatmaps"][:] = np.eye(7)[3] * np.eye(7)[3][:, None]
        file["field"] = np.array([[0, 0, 1, 1], wide], np.float32)
    found = RunPredictions.open(path, HELIUM, 2)
    square, broad = found.heatmap(0, ROUND, (224, 224)), found.heatmap(1, ROUND, (224, 320))
    np.testing.assert_allclose(broad[:, 48:272], square, atol=1e-4)
    assert not broad[:, :48].any()
    assert found.field_of(1) == pytest.approx(wide)


def test_fields_without_a_size_are_refused(made):
    with pytest.raises(InputError, match=r"fields without a size.*Predict again"):
        made(shots(["Round"]), field=np.array([0.5, 0, 0.5, 1]))


def test_heat_is_given_in_the_strength_it_was_computed_with(made):
    heat = np.full((1, 11, 7, 7), 0.5, np.float16)
    scale = np.full((1, 11), 3e-4, np.float32)
    found = made(shots(["Round"]), heatmaps=heat, heatmap_scale=scale)
    assert found.cells(0, ROUND) == pytest.approx(np.full((7, 7), 1.5e-4))
    assert found.heatmap(0, ROUND, (20, 20)) == pytest.approx(np.ones((20, 20)))
    assert made(shots([]), heatmaps=heat, heatmap_scale=None).cells(0, 0)[0, 0] == 0.5


def test_a_shot_is_as_unsure_as_its_least_sure_class(made):
    probabilities = shots(["Round"], ["Round"], ["Round"])
    probabilities[1, ELLIPTICAL] = 0.45
    found = made(probabilities)
    assert found.uncertainty() == pytest.approx([0.2, 0.9, 0.2], abs=1e-6)


def test_the_margin_is_measured_from_each_class_s_own_threshold(made):
    thresholds = np.full(11, 0.5, np.float32)
    thresholds[ROUND] = 0.2
    found = made(shots(["Round"], p=0.6), thresholds=thresholds)
    assert found.margins()[0, ROUND] == pytest.approx(0.5)
    assert found.likely()[0].tolist() == HELIUM.mask(["Round"]).tolist()


def test_contradictions_are_broken_hard_rules_only(made):
    found = made(
        shots(
            ["Spherical/Oblate", "Round"],
            ["Spherical/Oblate", "Prolate"],
            ["Streak"],  # without Prolate: soft
            ["Empty", "Round", "Spherical/Oblate"],
        )
    )
    assert found.contradictions().tolist() == [False, True, False, True]


def test_broken_rules_are_told_before_and_after_decoding(tmp_path):
    taxonomy = HELIUM
    probabilities = shots(["Spherical/Oblate", "Round"], ["Empty"])
    logits = np.where(probabilities > 0.5, 4.0, -4.0).astype(np.float32)
    logits[0, taxonomy.index("Prolate")] = 1.0
    path = write_predictions(tmp_path / "p.h5", probabilities)
    with h5py.File(path, "a") as file:
        file["logits"] = logits
    found = RunPredictions.open(path, taxonomy, 2)
    hard = taxonomy.hard
    assert (found.broken("alone") & hard).any(1).tolist() == [True, False]
    assert not (found.broken("decided") & hard).any()
    assert not (found.broken("decoded") & hard).any()
    assert found.by_rules  # no sigmoid of these logits


def test_no_rule_is_broken_for_want_of_a_class_that_the_run_never_learnt(tmp_path):
    learnt = [name for name in HELIUM.names if name not in ("Spherical/Oblate", "Prolate")]
    at = [HELIUM.index(name) for name in learnt]
    path = write_predictions(tmp_path / "p.h5", shots(["Round"])[:, at], learnt)
    found = RunPredictions.open(path, HELIUM, 1)
    assert HELIUM.violations(found.likely()).any(), "Round asks for one of the two"
    assert not found.broken().any()


def test_a_run_whose_probabilities_are_sigmoids_decides_each_class_by_itself(tmp_path):
    logits = np.random.default_rng(0).normal(0, 4, (3, len(HELIUM))).astype(np.float32)
    path = write_predictions(tmp_path / "p.h5", 1 / (1 + np.exp(-logits)))
    assert not RunPredictions.open(path, HELIUM, 3).by_rules  # no logits were kept
    with h5py.File(path, "a") as file:
        file["logits"] = logits.astype(np.float16)
    assert not RunPredictions.open(path, HELIUM, 3).by_rules


def test_disagreement_counts_classes_where_a_person_decided(made):
    found = made(shots(["Round"], ["Round"], ["Round"]))
    present = HELIUM.pack(
        [HELIUM.mask(["Round"]), HELIUM.mask(["Elliptical"]), HELIUM.mask(["Elliptical"])]
    )
    status = np.array([LABELLED, LABELLED, 0], np.uint8)
    assert found.disagreement(present, status).tolist() == [0, 2, 0]


def test_a_gallery_shows_hits_doubts_misses_and_false_alarms(made):
    probabilities = shots([], [], [], [], [])
    probabilities[:, ROUND] = (0.9, 0.55, 0.3, 0.95, 0.05)
    found = made(probabilities)
    present = np.array([1, 1, 1, 0, 0], np.int64) << ROUND
    status = np.array([1, 1, 1, 1, 0], np.uint8)
    expected = {
        "certain": [3, 0, 1],
        "unsure": [1, 2, 0, 3, 4],
        "missed": [2],
        "false": [3],
        "labelled": [0, 1, 2],
    }
    for choice, rows in expected.items():
        assert found.gallery(ROUND, choice, present, status).tolist() == rows


def test_an_unreadable_shot_says_nothing(made):
    probabilities = shots(["Round"], ["Spherical/Oblate", "Prolate"])
    probabilities[1] = np.nan
    found = made(probabilities, readable=np.array([True, False]))
    assert found.probability(1) is None
    assert found.probability(0)[ROUND] == pytest.approx(0.9)
    assert found.uncertainty()[1] == 0
    assert not found.contradictions()[1]
    assert not found.heatmap(1, ROUND, (9, 9)).any()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"probabilities": np.full((3, 11), 1.5, np.float32)}, "outside 0"),
        ({"probabilities": np.zeros((3, 10), np.float32)}, "shape"),
        ({"heatmaps": np.zeros((2, 11, 7, 7), np.float16)}, "heatmaps have shape"),
        ({"embeddings": np.zeros((2, 4), np.float16)}, "embeddings have shape"),
        ({"thresholds": None}, "thresholds"),
        ({"heatmaps": None}, "heatmaps"),
        ({"heatmap_scale": np.ones(3, np.float32)}, "heatmap_scale have shape"),
        ({"names": ["Round"] * 11}, "1 classes"),
    ],
)
def test_predictions_that_do_not_fit_together_are_refused(made, changes, what):
    with pytest.raises(InputError, match=what) as refused:
        made(shots([], [], []), **changes)
    assert "Predict again" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "shape", "kind"),
    [
        ("probabilities", (10**10, 11), "f4"),
        ("heatmaps", (2, 11, 10**6, 10**6), "f2"),
        ("embeddings", (2, 10**9), "f2"),
        ("role", (10**11,), "u1"),
        ("shift", (2, 3), "f4"),
        ("decided", (2, 1), "?"),
        ("logits", (10**10, 11), "f4"),
        ("readable", (2,), "S9"),
        ("embeddings", None, None),
    ],
)
@pytest.mark.parametrize("chunks", [None, True])
def test_what_a_file_claims_to_hold_is_refused_before_any_of_it_is_read(
    made, monkeypatch, name, shape, kind, chunks
):
    """Bytes that were never written take no room in a file, and all memory where they are read."""
    path = made(shots(["Round"], ["Streak"])).path
    with h5py.File(path, "r+") as file:
        if name in file:
            del file[name]
        if shape is None:
            file.create_group(name)
        else:
            file.create_dataset(name, shape, kind, chunks=chunks)
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda *args: pytest.fail("was read"))
    with pytest.raises(InputError, match=f"damaged predictions .*{name}|damaged .*for .* shots"):
        RunPredictions.open(path, HELIUM, 2)
    with pytest.raises(InputError, match="damaged predictions"):
        embeddings(EmbeddingSource(1, HELIUM, 2, path.parent, path))
    with pytest.raises(InputError, match="damaged predictions"):
        compare_files(path, path, np.ones((2, 11), bool), np.arange(2), HELIUM)


def test_shifts_that_are_no_numbers_are_refused(tmp_path):
    path = write_predictions(tmp_path / "p.h5", shots([], []))
    with h5py.File(path, "r+") as file:
        file["shift"] = np.full((2, 2), np.nan, np.float32)
    with pytest.raises(InputError, match=r"no numbers.*Predict again"):
        RunPredictions.open(path, HELIUM, 2)


def test_predictions_of_fewer_shots_than_the_project_has_are_refused(tmp_path):
    path = write_predictions(tmp_path / "p.h5", shots([], []))
    with pytest.raises(InputError, match="2 shots, but the project has 3"):
        RunPredictions.open(path, HELIUM, 3)


def test_predictions_of_other_classes_or_data_are_refused(tmp_path):
    path = write_predictions(tmp_path / "p.h5", shots([]), [f"class {i}" for i in range(11)])
    with pytest.raises(InputError, match="unknown classes"):
        RunPredictions.open(path, HELIUM, 1)
    path = write_predictions(tmp_path / "q.h5", shots([]))
    assert len(RunPredictions.open(path, HELIUM, 1, "abc")) == 1
    with pytest.raises(InputError, match="other data"):
        RunPredictions.open(path, HELIUM, 1, "def")


@pytest.mark.parametrize("keep", [0, 40, 0.5, 0.98])
def test_a_truncated_file_is_named_with_its_mend(tmp_path, keep):
    path = write_predictions(tmp_path / "p.h5", shots(*[["Round"]] * 50))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    with pytest.raises(InputError) as refused:
        RunPredictions.open(path, HELIUM, 50)
    assert str(path) in str(refused.value)


def test_missing_and_foreign_files_are_refused(tmp_path):
    (tmp_path / "text.h5").write_text("not at all")
    for name in ("text.h5", "none.h5"):
        with pytest.raises(InputError, match="predictions"):
            RunPredictions.open(tmp_path / name, HELIUM, 1)


def test_no_shots_are_no_trouble(tmp_path):
    path = write_predictions(tmp_path / "p.h5", np.zeros((0, 11)))
    found = RunPredictions.open(path, HELIUM, 0)
    assert found.uncertainty().shape == found.contradictions().shape == (0,)


def test_38000_shots_are_ordered_in_a_blink(made):
    n = 38_000
    found = made(
        np.random.default_rng(0).random((n, 11)),
        heatmaps=np.zeros((n, 11, 1, 1), np.float16),
        grid=(1, 1),
    )
    present, status = np.zeros(n, np.int64), np.ones(n, np.uint8)

    def order():
        np.argsort(-found.uncertainty(), kind="stable")
        np.argsort(~found.contradictions(), kind="stable")
        found.disagreement(present, status)
        found.gallery(ROUND, "unsure", present, status)

    assert processor_s(order) < 0.2


def test_predictions_of_another_square_than_the_geometry_says_now_are_said(tmp_path):
    with h5py.File(tmp_path / "wide.h5", "w") as file:
        file["images"] = np.random.default_rng(0).poisson(3, (8, 64, 128)).astype(np.uint16)
    with Project.create(tmp_path / "week", [tmp_path / "wide.h5"], annotator="Ada") as project:
        (source,) = project.stored_sources
        number = make_run(project)
        folder, steps = project.run_folder(number), Preprocessing(size=64)
        about = {"sha256": "0", "preprocessing": steps.to_dict()}
        (folder / "model.json").write_text(json.dumps(about))
        with h5py.File(folder / "predictions.h5", "a") as file:
            file["field"] = np.tile(np.float32(steps.field((64, 128))), (8, 1))
        project.current_run = number
        assert predictions_of(project)[1] == ""
        project.set_geometry(source.id, Geometry(centre=(31.5, 64.0)))
        assert predictions_of(project)[1] == ""
        project.set_geometry(source.id, Geometry(centre=(31.5, 90.0)))
        found, said = predictions_of(project)
        assert found is not None
        assert said.startswith("Run 1 read 8 shots by another geometry")
        project.set_geometry(source.id, Geometry(distance_m=0.1))
        assert predictions_of(project)[1] == ""


@pytest.mark.parametrize(
    ("steps", "uses"),
    [
        (Preprocessing(size=64), ""),
        (Preprocessing(size=64, input="correlation"), "centre"),
        (Preprocessing(size=64, preparation=Preparation(centre=True)), "centre"),
        (Preprocessing(size=64, preparation=Preparation(flat_detector=True)), "centre distance"),
    ],
)
def test_predictions_by_another_geometry_are_said_of_what_a_run_does_with_it(tmp_path, steps, uses):
    given = {"centre": (31.5, 31.5), "distance_m": 0.1, "pixel_m": 1e-4}
    with h5py.File(tmp_path / "square.h5", "w") as file:
        file["images"] = np.random.default_rng(0).poisson(3, (8, 64, 64)).astype(np.uint16)
    with Project.create(tmp_path / "week", [tmp_path / "square.h5"], annotator="Ada") as project:
        (source,) = project.stored_sources
        project.set_geometry(source.id, Geometry(**given))
        number = make_run(project)
        folder = project.run_folder(number)
        about = {"sha256": "0", "preprocessing": steps.to_dict()}
        (folder / "model.json").write_text(json.dumps(about))
        with h5py.File(folder / "predictions.h5", "a") as file:
            file["field"] = np.tile(np.float32(steps.field((64, 64))), (8, 1))
            file.attrs["geometry"] = steps.decisions(project.sources)
        project.current_run = number
        assert predictions_of(project)[1] == ""
        for name, other in (("centre", (33.0, 30.0)), ("distance_m", 0.2)):
            project.set_geometry(source.id, Geometry(**(given | {name: other})))
            said = predictions_of(project)[1]
            assert ("by another geometry" in said) == (name.split("_")[0] in uses.split())
