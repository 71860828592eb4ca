"""One pass writes everything, for files it never saw, in flat memory, whatever a shot is like."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from model.heatmaps.gradcam import through_pooled_linear_head
from model.networks import architectures as networks
from model.prediction import inference
from model.prediction import predict as prediction
from model.prediction.predict import predict
from model.preprocessing.network_input import Preprocessing
from model.runs import checkpoint, recipes
from model.runs.checkpoint import Checkpoint
from model.shots import table as shots
from model.taxonomy.decoding import sigmoid
from model.taxonomy.taxonomy import Taxonomy
from tests.helpers.gradcam_autograd import as_computed
from tests.helpers.narrow import NARROW
from tests.helpers.shots import make_shots

pytestmark = pytest.mark.usefixtures("narrow_network")

CLASSES = ("Round", "Streak", "Empty")
SIZE = 64


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "run")


def make_run(folder, classes=CLASSES, **about):
    torch.manual_seed(3)
    recipe = replace(recipes.named("quick"), size=SIZE)
    made = Checkpoint(
        class_names=tuple(classes),
        recipe=recipe,
        preprocessing=about.pop("preprocessing", recipe.preprocessing()),
        thresholds=about.pop("thresholds", (0.5, 0.4, 0.6)),
        **about,
    )
    folder.mkdir()
    net = checkpoint.build(made, "he")
    with torch.no_grad():
        net.head.linear.weight *= 20  # a fresh head hardly tells shots apart
    checkpoint.save(folder, net, made)
    return folder


def make_file(path, n=20, size=80, seed=0, dtype=np.uint16):
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        file["images"] = rng.poisson(3, (n, size, size)).astype(dtype)
    return path


def events_of(*args, **kwargs):
    found = list(predict(*args, **kwargs))
    assert found[-1]["event"] == "finished", found[-1]
    return found


def read(path):
    with h5py.File(path) as file:
        return {k: v[()] for k, v in file.items()}, {k: _text(v) for k, v in file.attrs.items()}


def _text(value):
    """Texts of fixed length come as bytes."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray) and value.dtype.kind == "S":
        return [text.decode() for text in value]
    return value


def test_a_file_never_seen_is_predicted_from_the_run_folder_alone(tmp_path, run):
    table = shots.table_of_file(make_file(tmp_path / "new.h5", n=19))
    out = tmp_path / "predictions.h5"
    events = events_of(table, run, out)
    data, attributes = read(out)
    net, about = checkpoint.load(run)
    with h5py.File(tmp_path / "new.h5") as file, torch.no_grad():
        pixels = np.stack([about.preprocessing.apply(shot) for shot in file["images"]])
        features = net.features(torch.from_numpy(pixels))
        logits = net.head(features).numpy()
    np.testing.assert_allclose(data["logits"], logits, atol=1e-4)
    np.testing.assert_allclose(data["probabilities"], sigmoid(logits), atol=1e-4)
    np.testing.assert_allclose(data["embeddings"], features.mean((-2, -1)), rtol=2e-3, atol=2e-3)
    np.testing.assert_array_equal(data["decided"], sigmoid(logits) >= [0.5, 0.4, 0.6])
    weight = net.head.linear.weight.detach().numpy()
    maps = as_computed(through_pooled_linear_head(features.numpy(), weight, logits))
    stored = data["heatmaps"].astype(float) * data["heatmap_scale"][..., None, None]
    np.testing.assert_allclose(stored, maps, atol=2e-3 * np.abs(maps).max())
    other = through_pooled_linear_head(features.numpy(), weight, logits, "chattopadhay").stored()
    np.testing.assert_allclose(data["heatmaps_chattopadhay"], other[0], atol=4e-3)
    assert data["readable"].all()
    assert tuple(attributes["class_names"]) == CLASSES
    np.testing.assert_allclose(attributes["thresholds"], [0.5, 0.4, 0.6])
    assert (attributes["network"], attributes["recipe"]) == ("resnet18", "quick")
    assert (attributes["run"], attributes["heatmap_form"]) == ("run", "paper")
    assert tuple(attributes["field"]) == (0, 0, 1, 1)
    corner = (0.5 - 8) / SIZE  # cells of 16 pixels around pixels 0, 16, 32 and 48
    assert attributes["seen_by_a_cell"] == 1
    np.testing.assert_allclose(attributes["cells"], (corner, corner, corner + 1, corner + 1))
    assert attributes["fingerprint"] == table.fingerprint
    assert attributes["geometry"].shape == (len(table.sources),)
    assert events[-1]["shots"] == 19
    assert events[-1]["unreadable"] == 0
    assert events[0]["text"].startswith("Prediction by ")


def test_every_dataset_can_be_memory_mapped_in_the_types_agreed(tmp_path, run):
    out = tmp_path / "p.h5"
    table = shots.table_of_file(make_file(tmp_path / "a.h5", n=3))
    events_of(table, run, out, engine="torch")
    expected = {
        "probabilities": ((3, 3), "float32"),
        "logits": ((3, 3), "float32"),
        "decided": ((3, 3), "bool"),
        "embeddings": ((3, 8 * NARROW.width), "float16"),
        "heatmaps": ((3, 3, 4, 4), "float16"),
        "heatmap_scale": ((3, 3), "float32"),
        "heatmaps_chattopadhay": ((3, 3, 4, 4), "float16"),
        "heatmap_scale_chattopadhay": ((3, 3), "float32"),
        "role": ((3,), "uint8"),
        "field": ((3, 4), "float32"),
        "shift": ((3, 2), "float32"),
        "readable": ((3,), "bool"),
    }
    with h5py.File(out) as file:
        assert {k: (v.shape, str(v.dtype)) for k, v in file.items()} == expected
        for dataset in file.values():
            place = dataset.id.get_offset()
            mapped = np.memmap(out, dataset.dtype, "r", place, dataset.shape)
            np.testing.assert_array_equal(mapped, dataset[()])


def test_what_the_network_saw_of_each_shot_is_written_where_files_differ_in_proportions(
    tmp_path, run
):
    square = make_file(tmp_path / "a.h5", n=2)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["images"] = make_shots(2, size=100)[0][:, 10:90]
    table = shots.table_of_files([square, tmp_path / "b.h5"])
    events = events_of(table, run, tmp_path / "p.h5", engine="torch")
    data, _ = read(tmp_path / "p.h5")
    whole, middle = (0, 0, 1, 1), (0, 0.1, 1, 0.9)
    np.testing.assert_allclose(data["field"], [whole, whole, middle, middle])
    assert not any(e.get("level") == "warning" for e in events)


def test_both_engines_write_the_same_predictions(tmp_path, run):
    try:
        inference.openvino()
    except ImportError:
        pytest.skip("OpenVINO is not installed")
    table = shots.table_of_file(make_file(tmp_path / "a.h5"))
    for name in ("torch", "openvino"):
        events_of(table, run, tmp_path / name, engine=name)
    one, other = read(tmp_path / "torch")[0], read(tmp_path / "openvino")[0]
    np.testing.assert_allclose(one["probabilities"], other["probabilities"], atol=1e-4)
    np.testing.assert_allclose(
        one["heatmaps"].astype(float), other["heatmaps"].astype(float), atol=5e-3
    )


class UnreadableSometimes(shots.ShotTable):
    """A table whose rows in `bad` fail as a damaged file would."""

    def iter_shots(self, rows=None, on_error=None):
        for row, counts, mask in super().iter_shots(rows):
            if row in (1, 4):
                on_error(row, shots.InputError("is damaged there", file="week.h5"))
            else:
                yield row, counts, mask


def damaged(table):
    return UnreadableSometimes(**{k: getattr(table, k) for k in table.__dataclass_fields__})


def test_unreadable_shots_are_counted_once_and_do_not_stop_the_pass(tmp_path, run):
    table = damaged(shots.table_of_file(make_file(tmp_path / "a.h5", n=12)))
    events = events_of(table, run, tmp_path / "p.h5", engine="torch")
    data, _ = read(tmp_path / "p.h5")
    assert np.flatnonzero(~data["readable"]).tolist() == [1, 4]
    assert np.isnan(data["probabilities"][[1, 4]]).all()
    assert not data["decided"][[1, 4]].any()
    assert np.isfinite(data["probabilities"][data["readable"]]).all()
    assert np.isfinite(data["embeddings"].astype(float)).all()
    warnings = [e["text"] for e in events if e["event"] == "note" and e["level"] == "warning"]
    assert len(warnings) == 1
    assert warnings[0].startswith("2 of 12 shots could not be read")
    assert "week.h5: is damaged there" in warnings[0]
    assert events[-1]["unreadable"] == 2


def test_a_file_that_vanished_is_said_in_one_message(tmp_path, run):
    table = shots.table_of_file(make_file(tmp_path / "a.h5", n=12))
    (tmp_path / "a.h5").unlink()
    *_, last = predict(table, run, tmp_path / "p.h5", engine="torch")
    assert last["event"] == "failed"
    assert last["text"].startswith("none of the 12 shots can be read")
    assert "a.h5" in last["text"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [0, 65534])
def test_shots_without_a_photon_and_nearly_saturated_ones_get_finite_predictions(
    tmp_path, run, value
):
    images = np.full((3, 70, 70), value, np.uint16)
    images[:, 0, 0] = min(value, 65533)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = images
    events_of(shots.table_of_file(tmp_path / "a.h5"), run, tmp_path / "p.h5", engine="torch")
    data, _ = read(tmp_path / "p.h5")
    assert np.isfinite(data["probabilities"]).all()
    assert np.isfinite(data["heatmaps"].astype(float)).all()


def test_shots_with_one_number_in_all_pixels_have_no_prediction_and_are_counted(tmp_path, run):
    images = np.random.default_rng(1).poisson(40, (6, 70, 70)).astype(np.uint16)
    images[::2] = 7
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = images
    table = shots.table_of_file(tmp_path / "a.h5")
    events = events_of(table, run, tmp_path / "p.h5", engine="torch")
    data, _ = read(tmp_path / "p.h5")
    assert np.flatnonzero(data["readable"]).tolist() == [1, 3, 5]
    (said,) = [e["text"] for e in events if "no prediction" in e.get("text", "")]
    assert said.startswith("3 of 6 shots")
    assert "a.h5, shot 1: each of its pixels holds 7" in said


@pytest.mark.parametrize(
    ("value", "said"), [(7, "pixels holds 7"), (1e200, "numbers reach 4e+201")]
)
def test_a_file_in_which_there_is_no_light_or_no_size_of_counts_is_refused(
    tmp_path, run, value, said
):
    images = np.full((3, 70, 70), value)
    images[:, :, 9] *= 40 if value > 7 else 1
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = images
    *_, last = predict(shots.table_of_file(tmp_path / "a.h5"), run, tmp_path / "p.h5")
    assert last["event"] == "failed"
    assert "none of the 3 shots can be read" in last["text"]
    assert said in last["text"]
    assert not (tmp_path / "p.h5").exists()


def test_counts_that_overflow_the_network_are_left_out_and_said(tmp_path):
    run = make_run(tmp_path / "run", preprocessing=Preprocessing(SIZE, transform="raw"))
    images = np.ones((4, 70, 70), np.float32)
    images[:, 0] = 2
    images[2, 1:] = 3e38
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = images
    table = shots.table_of_file(tmp_path / "a.h5")
    events = events_of(table, run, tmp_path / "p.h5", engine="torch")
    data, _ = read(tmp_path / "p.h5")
    assert np.flatnonzero(~data["readable"]).tolist() == [2]
    assert np.isnan(data["probabilities"][2]).all()
    assert np.isfinite(data["heatmaps"].astype(float)).all()
    assert any("1 of 4 shots overflow" in e.get("text", "") for e in events)


def test_where_every_shot_overflows_that_is_said_and_nothing_is_written(tmp_path):
    run = make_run(tmp_path / "run", preprocessing=Preprocessing(SIZE, transform="raw"))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = np.full((4, 70, 70), 3e38, np.float32)
        file["images"][:, 0] = 0
    table = shots.table_of_file(tmp_path / "a.h5")
    *_, last = predict(table, run, tmp_path / "p.h5", engine="torch")
    assert last["event"] == "failed"
    assert "overflows on every shot" in last["text"]
    assert not (tmp_path / "p.h5").exists()


def test_stopping_leaves_the_former_predictions_and_nothing_else(tmp_path, run):
    table = shots.table_of_file(make_file(tmp_path / "a.h5", n=200))
    out = tmp_path / "p.h5"
    out.write_bytes(b"former")
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 1

    *_, last = predict(table, run, out, stop=stop, engine="torch")
    assert last["event"] == "cancelled"
    assert out.read_bytes() == b"former"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5", "p.h5"]


def test_a_reader_who_goes_away_leaves_nothing_behind(tmp_path, run):
    table = shots.table_of_file(make_file(tmp_path / "a.h5", n=200))
    stream = predict(table, run, tmp_path / "p.h5", engine="torch")
    while (item := next(stream))["event"] != "progress" or not item["done"]:
        pass
    stream.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5"]


def test_a_run_of_other_classes_is_refused_in_one_message(tmp_path, run):
    table = shots.table_of_file(make_file(tmp_path / "a.h5", n=2))
    other = Taxonomy.of_names(("Round", "Bent", "Empty"))
    *_, last = predict(table, run, tmp_path / "p.h5", classes=other)
    assert last["event"] == "failed"
    assert "was trained for other classes (Round, Streak, Empty)" in last["text"]
    assert "Bent" in last["text"]
    events_of(table, run, tmp_path / "p.h5", classes=Taxonomy.of_names(CLASSES), engine="torch")


@pytest.mark.parametrize("what", ["no run", "no folder", "no shots"])
def test_what_cannot_start_says_why(tmp_path, run, what):
    table = shots.table_of_file(make_file(tmp_path / "a.h5", n=2))
    out, expected = tmp_path / "p.h5", ""
    if what == "no run":
        run, expected = tmp_path / "none", "no trained network here"
    elif what == "no folder":
        out, expected = tmp_path / "none" / "p.h5", "cannot be written (No such file"
    else:
        table = replace(
            table, index_of=table.index_of[:0], source_of=table.source_of[:0], role=table.role[:0]
        )
        expected = "there are no shots"
    *_, last = predict(table, run, out, engine="torch")
    assert last["event"] == "failed"
    assert expected in last["text"]
    assert not out.exists()


def test_a_rule_aware_run_writes_legal_sets(tmp_path):
    legal = (0b000, 0b001, 0b010, 0b100)
    run = make_run(tmp_path / "run", legal_sets=legal)
    table = shots.table_of_file(make_file(tmp_path / "a.h5", n=9))
    events_of(table, run, tmp_path / "p.h5", engine="torch")
    data, _ = read(tmp_path / "p.h5")
    weights = np.exp(np.concatenate([np.zeros((9, 1)), data["logits"]], 1).astype(float))
    expected = (weights / weights.sum(1, keepdims=True))[:, 1:]
    np.testing.assert_allclose(data["probabilities"], expected, atol=1e-5)
    assert (data["decided"].sum(1) <= 1).all()


def test_memory_does_not_grow_with_the_number_of_shots(tmp_path, run, monkeypatch):
    """Python's and numpy's memory at its peak, with 20 and with 200 shots to read."""
    monkeypatch.setattr(inference, "batch_for", lambda *args: 8)
    peaks = []
    for n in (20, 200):
        table = shots.table_of_file(make_file(tmp_path / f"{n}.h5", n=n))
        events_of(table, run, tmp_path / "warm.h5", engine="torch") if n == 20 else None
        tracemalloc.start()
        events_of(table, run, tmp_path / "p.h5", engine="torch")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 0.5e6, peaks  # 180 shots more would be 2.3 MB of input alone


def brightness_network():
    """A network whose only feature is the brightness of each cell, for class Round alone."""

    class Brightness(torch.nn.Module):
        def forward(self, x):
            return x.repeat(1, 2, 1, 1)

    head = networks.ClassifierHead(2, 3)
    with torch.no_grad():
        head.linear.weight.copy_(torch.tensor([[1.0, 1], [0, 0], [-1, -1]]))
        head.linear.bias.copy_(torch.tensor([-0.5, 0, 0]))
    return networks.Network(
        "resnet18", torch.nn.Sequential(torch.nn.AvgPool2d(8), Brightness()), head
    )


@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_bright_corner_of_a_shot_is_lit_in_that_corner(tmp_path, monkeypatch, corner):
    """Counts through file, preprocessing, engine and heatmap: nothing flips on the way."""
    net = brightness_network()
    about = Checkpoint(CLASSES, recipes.named("quick"), Preprocessing(SIZE))
    monkeypatch.setattr(checkpoint, "load", lambda *which: (net, about))
    counts = np.zeros((2, 128, 128), np.uint16)
    y, x = (10 if c == 0 else 106 for c in corner)
    counts[:, y : y + 12, x : x + 12] = 4000
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = counts
    table = shots.table_of_file(tmp_path / "a.h5")
    events_of(table, tmp_path, tmp_path / "p.h5", engine="torch")
    heat = read(tmp_path / "p.h5")[0]["heatmaps"][0, 0].astype(float)
    cy, cx = np.unravel_index(heat.argmax(), heat.shape)
    assert (cy > 3.5, cx > 3.5) == (corner[0] == 1, corner[1] == 1)
    assert heat.max() == 1
    np.testing.assert_allclose(read(tmp_path / "p.h5")[1]["cells"], (0, 0, 1, 1))


def test_progress_is_told_at_least_every_batch_or_half_second(tmp_path, run, monkeypatch):
    monkeypatch.setattr(inference, "batch_for", lambda *args: 4)
    monkeypatch.setattr(prediction, "BETWEEN_REPORTS", 0.0)
    table = shots.table_of_file(make_file(tmp_path / "a.h5", n=18))
    events = events_of(table, run, tmp_path / "p.h5", engine="torch")
    done = [e["done"] for e in events if e["event"] == "progress"]
    assert done == [0, 4, 8, 12, 16, 18, 18]


def test_a_shot_that_is_saturated_everywhere_is_unreadable_and_not_empty(tmp_path, run):
    images = np.full((3, 70, 70), 65535, np.uint16)
    images[1:] = np.random.default_rng(1).poisson(40, images[1:].shape)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = images
    events_of(shots.table_of_file(tmp_path / "a.h5"), run, tmp_path / "p.h5", engine="torch")
    data, _ = read(tmp_path / "p.h5")
    assert data["readable"].tolist() == [False, True, True]
