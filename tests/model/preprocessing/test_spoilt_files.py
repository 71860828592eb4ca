"""Whoever feeds a network leaves out hot pixels of a file, estimates its full ones and subtracts
light that its shots share: there is one input for each shot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.inspection.perturbed_shots import Reader
from model.online.live_reader import LiveReader
from model.online.stream import Hit
from model.prediction import inference
from model.prediction.embedding import embed
from model.prediction.predict import predict
from model.preprocessing.cache import ShotCache
from model.preprocessing.count_scale import SAMPLE, CountScale
from model.preprocessing.file_pixels import NO_PIXELS
from model.runs import checkpoint
from model.runs.recipes import named
from model.shots.layouts import Geometry
from model.shots.table import table_of_file
from model.training.data import prepare
from tests.helpers.shots import make_shots, write_file
from tests.model.prediction.test_prediction import SIZE, make_run

pytestmark = pytest.mark.usefixtures("narrow_network")

SCALED = replace(named("quick").preprocessing(), size=SIZE, scale=CountScale(8.0, 100.0))


class Eavesdropper:
    """An engine that keeps all that it is fed."""

    def __init__(self, engine, fed):
        self.engine, self.fed, self.batch = engine, fed, engine.batch

    def stream(self, batches):
        return self.engine.stream(self.kept(batches))

    def kept(self, batches):
        for batch in batches:
            self.fed.extend(batch)
            yield batch


@pytest.fixture
def fed(monkeypatch):
    """What networks are fed from now on, (1, y, x) each."""
    fed, choose = [], inference.choose

    def choose_and_listen(*given, **more):
        engine, line = choose(*given, **more)
        return Eavesdropper(engine, fed), line

    monkeypatch.setattr(inference, "choose", choose_and_listen)
    return fed


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "run", preprocessing=SCALED)


@pytest.fixture(scope="module", params=["hot", "full", "lit"])
def table(tmp_path_factory, request):
    """Of a file with hot pixels that no mask tells of, or of a detector full at 60 counts, or
    with light that all shots share."""
    images, labels = make_shots(SAMPLE, size=80)
    if request.param == "hot":
        images[:, 6::12, 6::12] = 4000
    elif request.param == "full":
        images = np.minimum(images, 60)
    else:
        images[:, 10:70, 10:35] += 400
    return table_of_file(write_file(tmp_path_factory.mktemp("files") / "a.h5", images, labels))


def by_predict(table, run, place):
    assert list(predict(table, run, place / "p.h5", engine="torch"))[-1]["event"] == "finished"


def by_embed(table, run, place):
    assert list(embed(table, run, place, engine="torch"))[-1]["event"] == "finished"


def by_heat(table, run, place):
    Reader(run).read(table, np.arange(len(table)))


def by_live(table, run, place):
    hits = [
        Hit(counts, mask, Geometry(), row, 0.0, 0.0, 1.0, "x")
        for row, counts, mask in table.iter_shots()
    ]
    read, _, errors = LiveReader.open(run, engine="torch").read(hits)
    assert (len(read), errors) == (len(table), [])


@pytest.mark.parametrize("feed", [by_predict, by_embed, by_heat, by_live])
def test_who_reads_shots_with_a_network_knows_the_spoilt_pixels_of_their_file(
    tmp_path, table, run, fed, feed
):
    feed(table, run, tmp_path)
    compare(np.array(fed), table, run)


def test_who_trains_a_network_knows_the_spoilt_pixels_of_their_file(tmp_path, table, run):
    recipe = replace(named("quick"), size=SIZE)
    data = prepare(table, recipe, 0)
    data.preprocessing = checkpoint.describe(run).preprocessing
    list(data.fill(ShotCache.open(tmp_path, data.preprocessing, data.table, data.scales)))
    fed = data.inputs(data.used, torch.device("cpu"), recipe, None)
    compare(fed.numpy(), table, run, data.used)


def compare(fed, table, run, rows=None):
    """Fed is what is to be fed of these rows, and not with spoilt pixels as they are."""
    steps = checkpoint.describe(run).preprocessing
    (scale,) = steps.scales_of(table)
    told = scale.pixels
    if told.light is not None:
        assert told.light[40, 20] > 300
    else:
        assert told.full < 60 if told.bad is None else told.bad[6::12, 6::12].all()
    each = list(table.iter_shots(rows))
    wanted, spoilt = (
        np.array([steps.apply(counts, mask, None, seen) for _, counts, mask in each])
        for seen in (scale, replace(scale, pixels=NO_PIXELS))
    )
    np.testing.assert_allclose(fed, wanted, atol=1e-3)  # the cache holds halves
    assert np.abs(spoilt - wanted).max() > 0.1
