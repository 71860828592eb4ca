"""The shipped network answers live as in a file: its head is adapted to the shots at hand."""

import json
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest

from model.active.prior import FEWEST, Expected
from model.online.lines import Lines
from model.online.live_reader import EvenSample, LiveReader
from model.online.record import Record
from model.online.stream import Hit
from model.prediction.before_labels import adapted_head
from model.prediction.predict import predict
from model.runs import checkpoint
from model.runs.prior import save_expected
from model.shots.layouts import Geometry
from model.shots.table import open_source, table_of_file
from model.taxonomy.toml import load, shipped
from tests.helpers.shots import make_shots, write_file
from tests.model.prediction.test_prediction import make_run

pytestmark = pytest.mark.usefixtures("narrow_network")

HELIUM = load(shipped("helium"))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a network that learnt other shots than these, and what `predict` says."""
    folder = tmp_path_factory.mktemp("shipped")
    run = make_run(folder / "run", HELIUM.names, thresholds=(0.5,) * len(HELIUM))
    rng = np.random.default_rng(1)
    width = checkpoint.load(run)[0].width
    sets = HELIUM.listed_sets(1024)[:40]
    share = rng.uniform(0.2, 1.0, (2, 40)).astype(np.float32)
    share /= share.sum(1, keepdims=True)
    mean = rng.normal(0.5, 0.2, width).astype(np.float32)
    save_expected(
        run, Expected(HELIUM.names, mean, 0.05 * np.eye(width, dtype=np.float32), sets, *share)
    )
    path = write_file(folder / "shots.h5", *make_shots(2 * FEWEST, size=80))
    list(predict(table_of_file(path), run, folder / "predictions.h5", engine="torch"))
    return folder


def predicted(place, name):
    with h5py.File(place / "predictions.h5") as file:
        return file[name][()]


def hits_of(place):
    return [
        Hit(counts, mask, Geometry(), row, float("nan"), time.time(), 1.0, "x")
        for row, counts, mask in table_of_file(place / "shots.h5").iter_shots()
    ]


def test_with_the_projects_shots_at_hand_every_live_answer_is_that_of_a_file(place):
    known = predicted(place, "embeddings")
    reader = LiveReader.open(place / "run", engine="torch", taxonomy=HELIUM, known=known)
    assert reader.notices() == ["The shipped network is adapted to 64 shots of the project."]
    hits = hits_of(place)
    read = [reader.read(hits[i : i + 8])[1] for i in range(0, len(hits), 8)]
    found = {name: np.concatenate([part[name] for part in read]) for name in read[0]}
    unadapted = reader.about.decide(found["embeddings"] @ reader.head.weight.T + reader.head.bias)
    decided = predicted(place, "decided")
    assert (unadapted != decided).any(1).sum() > 10, "adapting must matter here"
    np.testing.assert_array_equal(found["decided"], decided)
    for name in ("probabilities", "logits"):
        np.testing.assert_allclose(found[name], predicted(place, name), rtol=2e-2, atol=1e-3)
    assert (found["adapted_to"] == 64).all()


def test_without_a_project_the_network_is_adapted_as_soon_as_there_are_enough_hits(place, tmp_path):
    reader = LiveReader.open(place / "run", engine="torch")
    assert "not adapted to this experiment yet" in reader.notices()[0]
    hits, decided = hits_of(place), predicted(place, "decided")
    record = Record(tmp_path, reader.attributes)
    lines = Lines(tmp_path / "lines.jsonl", reader.about.class_names)
    said = []
    alone = adapted_head(place / "run", HELIUM, HELIUM, predicted(place, "embeddings")[:0])
    for first, last in ((0, FEWEST - 1), (FEWEST - 1, FEWEST), (FEWEST, 2 * FEWEST)):
        read, found, _ = reader.read(hits[first:last])
        record.add(read, found)
        lines.add(read, found, [None] * len(read))
        said += reader.notices()
        if not first:  # until then each is read by itself
            np.testing.assert_array_equal(found["decided"], alone.decide(found["embeddings"]))
    assert said == [f"The shipped network is adapted to the first {n} shots." for n in (32, 64)]
    np.testing.assert_array_equal(found["decided"], decided[FEWEST:])  # by all that there are
    record.close()
    lines.close()
    adapted_to = [0] * (FEWEST - 1) + [FEWEST] + [2 * FEWEST] * FEWEST
    written = (tmp_path / "lines.jsonl").read_text().splitlines()
    assert [json.loads(line)["adapted_to"] for line in written] == adapted_to
    with open_source(record.files[0]) as source:  # a number to filter by in a project
        np.testing.assert_array_equal(source.scalars()["adapted_to"], adapted_to)


def test_a_project_with_too_few_shots_read_leaves_the_adapting_to_the_hits(place):
    known = predicted(place, "embeddings")
    known[FEWEST - 1 :] = np.nan
    reader = LiveReader.open(place / "run", engine="torch", known=known)
    assert "not adapted to this experiment yet" in reader.notices()[0]


def test_a_hit_without_any_light_is_passed_over_as_in_a_file(place):
    reader = LiveReader.open(place / "run", engine="torch")
    good, *_ = hits_of(place)
    dark = replace(good, counts=np.full_like(good.counts, 7))
    read, found, errors = reader.read([dark, good])
    assert [read, len(found["decided"])] == [[good], 1]
    assert "each of its pixels holds 7" in str(errors[0])


def test_an_even_sample_is_spread_over_all_that_came_and_grew_at_doublings():
    sample = EvenSample(8)
    grown = [n + 1 for n in range(100) if sample.grew([n], least=3)]
    assert grown == [3, 6, 12, 24, 48, 96]
    assert sample.items == list(range(0, 100, 16))
