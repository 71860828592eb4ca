"""Live shots: from a writer under SWMR, a folder that fills, a Karabo bridge; told, read, kept."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import threading
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import pytest

from model.errors import InputError
from model.online import folder as folder_module
from model.online import growing, record
from model.online.bands import Alarms, Band, parse
from model.online.hitfinder import HitFinder, fit
from model.online.joining import extend_predictions
from model.online.lines import Lines
from model.online.live_reader import EvenSample, LiveReader
from model.online.record import Record, mend
from model.online.sources import Arrival, Notice, Wanted
from model.online.stream import Hit, Stream, open_stream
from model.online.tally import Tally
from model.online.watching import watch
from model.prediction.predict import predict
from model.preprocessing.count_scale import SAMPLE, CountScale, scales_of
from model.preprocessing.file_pixels import PixelSample
from model.shots.hdf5 import is_under_swmr
from model.shots.layouts import Geometry
from model.shots.table import open_source, table_of_file
from model.taxonomy.toml import load, shipped
from tests.helpers.live import (
    CLASSES,
    keep_until_killed,
    writer_that_reopens,
    writer_under_swmr,
)
from tests.helpers.narrow import make_narrow
from tests.helpers.shots import make_shots, write_file
from tests.helpers.waiting import PATIENCE_S, Clock, until
from tests.helpers.xfel import write_run
from tests.model.physics.test_profiles import FAR, sphere
from tests.model.prediction.test_prediction import make_run

pytestmark = pytest.mark.usefixtures("narrow_network")

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A network of chance that says some class of most shots."""
    return make_run(tmp_path_factory.mktemp("runs") / "run", thresholds=(0.3, 0.2, 0.6))


@pytest.fixture(scope="module")
def reader(run):
    return LiveReader.open(run, engine="torch")


def collect(source, shots, close=True, came=None):
    """(arrivals, notices) until so many shots came; fails when they do not.

    `came`, an event, is set once the first of them are here.
    """
    found, notices = [], []

    def look():
        item = next(source)
        if isinstance(item, Arrival):
            found.append(item)
            if came is not None:
                came.set()
        elif isinstance(item, Notice):
            notices.append(item)
        return sum(map(len, found)) >= shots

    until(look, f"not all of {shots} shots came")
    if close:
        source.close()
    return found, notices


def notices_of(source, n):
    """The next n notices of a source."""
    said = []

    def look():
        item = next(source)
        said.extend([item] if isinstance(item, Notice) else [])
        return len(said) >= n

    until(look)
    return said


def counts_of(arrivals):
    return np.concatenate([a.counts for a in arrivals])


@pytest.mark.parametrize("writer", [writer_under_swmr, writer_that_reopens])
def test_a_growing_file_is_followed_from_before_it_is_there(tmp_path, monkeypatch, writer):
    monkeypatch.setattr(growing, "PATIENCE_S", PATIENCE_S)  # the writer may start slowly
    images, _ = make_shots(24)
    path = tmp_path / "run.h5"
    source = open_stream(str(path))
    assert next(source) is None
    came = SPAWN.Event()
    child = SPAWN.Process(target=writer, args=(path, images, came))
    child.start()
    arrivals, notices = collect(source, 24, came=came)
    child.join()
    np.testing.assert_array_equal(counts_of(arrivals), images)
    assert len(arrivals) > 1
    assert notices == []
    if writer is writer_under_swmr:
        ids = np.concatenate([a.ids for a in arrivals])
        np.testing.assert_array_equal(ids, 1000 + np.arange(24))


def test_shots_of_which_only_the_number_is_written_are_waited_for(tmp_path):
    images, _ = make_shots(8)
    path = tmp_path / "run.h5"
    shape = images.shape[1:]
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=images[:4], maxshape=(None, *shape), chunks=(1, *shape))
        file["images"].resize(8, axis=0)
    source = open_stream(str(path))
    assert next(source) is None
    with h5py.File(path, "a") as file:
        file["images"][4:] = images[4:]
    arrivals, _ = collect(source, 8)
    np.testing.assert_array_equal(counts_of(arrivals), images)


def test_only_new_shots_are_taken_where_that_is_wished(tmp_path):
    images, _ = make_shots(12)
    path = write_file(tmp_path / "run.h5", images[:8], np.zeros((8, 5), np.uint8))
    source = open_stream(str(path), Wanted(new_only=True))
    assert next(source) is None
    write_file(tmp_path / "new.h5", images, np.zeros((12, 5), np.uint8)).replace(path)
    arrivals, _ = collect(source, 4)
    np.testing.assert_array_equal(counts_of(arrivals), images[8:])


def test_who_is_far_behind_jumps_ahead_and_counts_what_was_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(growing, "BACKLOG", 10)
    path = write_file(tmp_path / "run.h5", *make_shots(30))
    arrivals, _ = collect(open_stream(str(path)), 10)
    assert sum(a.skipped for a in arrivals) == 20
    assert arrivals[0].ids[0] == 20


def test_a_file_that_stays_unreadable_is_named_once_and_tried_further(tmp_path, monkeypatch):
    monkeypatch.setattr(growing, "PATIENCE_S", 0.05)
    path = tmp_path / "run.h5"
    path.write_bytes(b"half a file")
    source = open_stream(str(path))
    said = notices_of(source, 1)
    said += [item for item in islice(source, 40) if isinstance(item, Notice)]
    assert len(said) == 1
    assert "run.h5" in said[0].text
    write_file(path, *make_shots(3))
    arrivals, _ = collect(source, 3)
    assert counts_of(arrivals).shape == (3, 64, 64)


def damaged(path: Path, images: np.ndarray, bad: int) -> Path:
    """A file one of whose shots is damaged."""
    with h5py.File(path, "w") as file:
        made = file.create_dataset("images", data=images, chunks=(1, 64, 64), compression="gzip")
        chunk = made.id.get_chunk_info_by_coord((bad, 0, 0))
    with path.open("r+b") as stream:
        stream.seek(chunk.byte_offset)
        stream.write(b"\xff" * min(200, chunk.size))
    return path


@pytest.mark.parametrize("place", ["file", "folder"])
def test_a_damaged_shot_is_named_and_left_out_and_the_others_come(tmp_path, monkeypatch, place):
    monkeypatch.setattr(growing, "PATIENCE_S", 0.1)
    monkeypatch.setattr(folder_module, "PATIENCE_S", 0.1)
    images, _ = make_shots(40)
    path = damaged(tmp_path / "run.h5", images, 35)
    source = open_stream(str(path if place == "file" else tmp_path))
    arrivals, notices = collect(source, 39, close=False)
    np.testing.assert_array_equal(counts_of(arrivals), np.delete(images, 35, 0))
    said = [n for n in [*notices, *(next(source) for _ in range(3))] if isinstance(n, Notice)]
    assert [n.unreadable for n in said if n.unreadable] == [1]
    assert any("run.h5: 1 shots cannot be read" in n.text and "36" in n.text for n in said)


def test_a_file_that_is_replaced_by_a_longer_run_is_read_from_its_first_shot(tmp_path):
    images, labels = make_shots(12)
    path = write_file(tmp_path / "run.h5", images[:4], labels[:4])
    source = open_stream(str(path))
    collect(source, 4, close=False)
    write_file(tmp_path / "next.h5", images[4:], labels[4:]).replace(path)
    arrivals, notices = collect(source, 8, close=False)
    np.testing.assert_array_equal(counts_of(arrivals), images[4:])
    assert "begun again" in notices[0].text


def test_all_shots_are_new_in_a_file_that_was_not_there_at_first(tmp_path):
    source = open_stream(str(tmp_path / "run.h5"), Wanted(new_only=True))
    assert next(source) is None
    write_file(tmp_path / "run.h5", *make_shots(5))
    arrivals, _ = collect(source, 5, close=False)
    assert len(counts_of(arrivals)) == 5


def test_files_of_a_folder_that_grow_late_or_are_replaced_lose_no_shot(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(folder_module, "time", clock)
    images, labels = make_shots(20)
    path = write_file(tmp_path / "a.h5", images[:4], labels[:4])
    source = open_stream(str(tmp_path))
    collect(source, 4, close=False)
    new = open_stream(str(tmp_path), Wanted(new_only=True))
    assert next(new) is None
    clock.ahead += 60  # settled by now
    assert next(source) is None
    write_file(tmp_path / "whole", images[:10], labels[:10]).replace(path)
    clock.ahead += 60
    for each in (source, new):
        arrivals, _ = collect(each, 6, close=False)
        np.testing.assert_array_equal(counts_of(arrivals), images[4:10])
    write_file(tmp_path / "whole", images[10:], labels[10:]).replace(path)
    clock.ahead += 60
    arrivals, _ = collect(source, 10, close=False)
    np.testing.assert_array_equal(counts_of(arrivals), images[10:])


def test_a_folder_that_fills_is_read_newest_first_and_half_files_are_tried_again(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(folder_module, "PATIENCE_S", 0.3)
    images, labels = make_shots(12)
    write_file(tmp_path / "a.h5", images[:4], labels[:4])
    os.utime(tmp_path / "a.h5", (1, 1))
    write_file(tmp_path / "b.h5", images[4:8], labels[4:8])
    whole = write_file(tmp_path / "whole", images[8:], labels[8:]).read_bytes()
    source = open_stream(str(tmp_path))
    arrivals, notices = collect(source, 8)
    assert [a.origin for a in arrivals] == ["b.h5", "a.h5"]
    source = open_stream(str(tmp_path), Wanted(new_only=True))
    assert next(source) is None
    (tmp_path / "c.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "broken.h5").write_bytes(whole[:100])
    said = notices_of(source, 2)
    assert {n.text.split(":")[0].split("/")[-1] for n in said} == {"c.h5", "broken.h5"}
    assert all(n.unreadable == 1 for n in said)
    (tmp_path / "c.h5").write_bytes(whole)  # it becomes whole after all
    arrivals, notices = collect(source, 4)
    np.testing.assert_array_equal(counts_of(arrivals), images[8:])
    assert notices == []


# -- Karabo bridge ---------------------------------------------------------------------------------


@pytest.fixture
def bridge():
    """The package's own sender in a thread, and its address."""
    karabo = pytest.importorskip("karabo_bridge", exc_type=ImportError)
    with karabo.ServerInThread("tcp://127.0.0.1:*") as server:
        yield server, server.endpoint


def train(number, counts, **more):
    about = {"source": "DET/1", "timestamp": time.time(), "timestamp.tid": number}
    return {"DET/1": {"image.data": counts, **more}}, {"DET/1": about}


def test_the_simulation_server_of_the_bridge_is_understood():
    karabo = pytest.importorskip("karabo_bridge", exc_type=ImportError)
    server = karabo.server.SimServer(
        "tcp://127.0.0.1:*", detector="AGIPDModule", raw=True, debug=False
    )
    thread = threading.Thread(target=server.loop)
    thread.start()
    try:
        arrivals, notices = collect(open_stream(server.endpoint), 128)
    finally:
        server.stopper_w.send(b"")
        thread.join()
        server.zmq_context.destroy(linger=0)
    assert arrivals[0].counts.shape == (64, 128, 512)  # pulses, then a module's pixels
    assert arrivals[0].ids[0] == 10000000000
    assert arrivals[1].ids[0] == 10000000001
    assert abs(arrivals[0].stamps[0] - time.time()) < 60
    assert notices == []


def test_trains_of_one_or_many_pulses_are_shots_and_others_are_told_once(bridge):
    server, address = bridge
    images, _ = make_shots(6)
    server.feed(*train(1, images[0]))
    server.feed(*train(2, np.moveaxis(images, 0, -1), **{"image.pulseId": np.arange(6)}))
    for _ in (3, 4):
        server.feed({"MOTOR/1": {"position": 3.5}}, {"MOTOR/1": {"source": "MOTOR/1"}})
    server.feed(*train(5, np.zeros((2, 4, 32, 32), np.uint16)))
    server.feed(*train(6, images[1]))
    arrivals, notices = collect(open_stream(address), 8)
    np.testing.assert_array_equal(arrivals[1].counts, images)
    assert [a.ids[0] for a in arrivals] == [1, 2, 6]
    said = [n.text for n in notices if n.text]
    assert sum(n.unreadable for n in notices) == 3
    assert len(said) == 2
    assert "MOTOR/1" in said[0]
    assert "modules apart" in said[1]


def test_messages_of_another_protocol_are_told_once_and_do_not_end_the_watch():
    pytest.importorskip("karabo_bridge", exc_type=ImportError)
    import zmq
    from karabo_bridge import serialize

    images, _ = make_shots(1)
    context = zmq.Context()
    socket = context.socket(zmq.REP)
    socket.setsockopt(zmq.RCVTIMEO, 10_000)
    port = socket.bind_to_random_port("tcp://127.0.0.1")

    def serve():
        for answer in (b"hello", b"\xc1\xff", b"\x80", None):
            socket.recv()
            if answer is None:
                socket.send_multipart(serialize(*train(9, images[0])))
            else:
                socket.send(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    arrivals, notices = collect(open_stream(f"tcp://127.0.0.1:{port}"), 1)
    thread.join()
    context.destroy(linger=0)
    assert arrivals[0].ids[0] == 9
    assert sum(n.unreadable for n in notices) == 3
    assert 1 <= len([n for n in notices if n.text]) <= 2


class Bomb:
    """Runs code where someone unpickles it."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def test_what_a_stranger_sends_is_never_unpickled(tmp_path):
    msgpack = pytest.importorskip("msgpack")
    from model.online.bridge_client import RefusedError, decode

    mark = tmp_path / "mark"
    bomb = {b"nd": True, b"kind": b"O", b"type": "O", b"shape": [1]}
    bomb[b"data"] = pickle.dumps(Bomb(mark))
    old = msgpack.packb({"DET": {"image.data": bomb, "metadata": {}}})
    header = msgpack.packb(
        {"source": "DET", "content": "array", "path": "x", "dtype": "O", "shape": [1]}
    )
    with pytest.raises(RefusedError, match="objects"):
        decode([old])
    with pytest.raises(RefusedError, match="objects"):
        decode([header, bomb[b"data"]])
    with pytest.raises(RefusedError, match="not read"):
        decode([msgpack.packb({"source": "DET", "content": "pickle"}), bomb[b"data"]])
    assert not mark.exists()


def test_numbers_of_a_type_there_is_not_are_refused():
    msgpack = pytest.importorskip("msgpack")
    from model.online.bridge_client import RefusedError, decode

    array = {b"nd": True, b"kind": b"", b"type": "<u7", b"shape": [1], b"data": b"1234567"}
    with pytest.raises(RefusedError, match="a type there is not"):
        decode([msgpack.packb({"DET": {"image.data": array, "metadata": {}}})])


def test_both_protocols_of_the_bridge_give_the_same_numbers():
    karabo = pytest.importorskip("karabo_bridge", exc_type=ImportError)
    from model.online.bridge_client import decode

    counts = np.arange(12, dtype=np.uint16).reshape(3, 4)
    data, meta = {"DET": {"image": counts, "n": np.int32(3)}}, {"DET": {"timestamp.tid": 7}}
    for version in ("1.0", "2.2"):
        found, about = decode(karabo.serialize(data, meta, version))
        assert np.array_equal(found["DET"]["image"], counts)
        assert found["DET"]["n"] == 3
        assert about["DET"]["timestamp.tid"] == 7


@pytest.mark.parametrize("place", ["tcp://", "nowhere://a:b", "somewhere.txt"])
def test_a_place_that_can_be_no_source_is_refused(tmp_path, monkeypatch, place):
    pytest.importorskip("karabo_bridge", exc_type=ImportError)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"address|neither"):
        open_stream(place)


# -- hit finder, bands -----------------------------------------------------------------------------


def test_the_hit_finder_keeps_to_the_wished_misses_and_tells_its_rates_on_other_shots():
    images, labels = make_shots(240, seed=1)
    finder = fit(((s, None, bool(e)) for s, e in zip(images, labels[:, 4], strict=True)), 0.02)
    assert finder.is_fitted
    fresh, theirs = make_shots(240, seed=2)
    empty = theirs[:, 4] > 0
    hits = finder.hits(fresh)
    assert hits[~empty].mean() > 0.9
    assert hits[empty].mean() < 0.1
    assert finder.missed_interval[0] <= finder.missed <= finder.missed_interval[1]
    assert finder.missed == pytest.approx((~hits[~empty]).mean(), abs=0.06)
    assert "misses" in finder.words()


def test_a_harder_wish_costs_hits_and_masked_pixels_do_not_count():
    images, labels = make_shots(120, seed=1)
    empty = labels[:, 4] > 0
    shots = [(s, None, bool(e)) for s, e in zip(images, empty, strict=True)]
    assert fit(shots, 0.5).threshold > fit(shots, 0.01).threshold
    finder = fit(shots)
    hot = images[empty][:1].copy()
    hot[:, :20] = 60000
    mask = np.ones((64, 64), bool)
    mask[:20] = False
    assert finder.hits(hot).all()
    assert not finder.hits(hot, mask).any()


def test_without_empty_labels_every_shot_passes_and_that_is_said():
    images, _ = make_shots(30)
    finder = fit((s, None, False) for s in images)
    assert not finder.is_fitted
    assert finder.hits(images).all()
    assert "Every shot" in finder.words()


def test_a_share_leaves_its_band_only_with_its_whole_interval_and_comes_back():
    alarms = Alarms([Band("Streak", 0.1, 0.3)])
    wide, off, inside = (0.5, 0.05, 0.9), (0.5, 0.4, 0.6), (0.2, 0.1, 0.3)
    assert alarms.look({"Streak": wide}, {"Streak": 30}) == []
    assert alarms.look({"Streak": off}, {"Streak": 5}) == []
    assert alarms.look({"Streak": off}, {"Streak": 30}) == [(alarms.bands[0], True)]
    assert alarms.look({"Streak": off}, {"Streak": 30}) == []
    assert alarms.look({"Streak": inside}, {"Streak": 30}) == [(alarms.bands[0], False)]


def test_bands_are_read_from_words():
    assert parse("streak=0.1..0.3", CLASSES) == Band("Streak", 0.1, 0.3)
    assert parse("hits=5%..", CLASSES) == Band("hits", 0.05, 1.0)
    for wrong in ("Nothing=0..1", "Streak=a..b", "Streak=0.5..0.2"):
        with pytest.raises(InputError, match="band"):
            parse(wrong, CLASSES)


# -- watching --------------------------------------------------------------------------------------


def events_of(source, reader, finder=None, record=None, stop=None, misses=0.0, **more):
    """All that a watch says until everything that the source has was read, or until `stop`."""
    over = threading.Event()

    def everything():
        came = False
        for item in source:
            yield item
            came |= isinstance(item, Arrival)
            if came and item is None:
                over.set()
        over.set()

    stream = Stream(everything(), finder or HitFinder(), misses=misses, seed=1)
    stop = stop or (lambda: over.is_set() and not stream.waiting)
    return list(watch(stream, reader, stop=stop, record=record, **more))


def record_in(folder, reader):
    return Record(folder, reader.attributes)


def test_a_live_shot_gets_the_numbers_it_would_get_from_a_file(tmp_path, run, reader):
    images, labels = make_shots(18, size=80)
    path = write_file(tmp_path / "shots.h5", images, labels)
    with h5py.File(path, "a") as file:
        mask = np.zeros((80, 80), np.int32)
        mask[10:30, 10:30] = 1
        file["mask"] = mask
    kept_in = record_in(tmp_path / "live", reader)
    last = events_of(open_stream(str(path)), reader, record=kept_in)[-1]
    assert (last["event"], last["seen"], last["read"], last["kept"]) == ("finished", 18, 18, 18)
    out = tmp_path / "predictions.h5"
    assert list(predict(table_of_file(path), run, out, engine="torch"))[-1]["event"] == "finished"
    with h5py.File(last["files"][0], "r") as live, h5py.File(out, "r") as offline:
        order = np.argsort(live["train_id"][()])
        np.testing.assert_array_equal(live["images"][()][order], images)
        for name in ("probabilities", "logits", "embeddings", "heatmaps", "shift"):
            ours = live[name][()][order].astype(np.float32)
            np.testing.assert_allclose(ours, offline[name][()], rtol=2e-3, atol=2e-5)
        np.testing.assert_array_equal(live["decided"][()][order], offline["decided"][()])
        of_a_file = {"fingerprint", "airylabel_version", "geometry", "full"}
        assert set(live.attrs) >= set(offline.attrs) - of_a_file
    with open_source(Path(last["files"][0])) as kept:  # a project can take it, mask and all
        assert kept.info.n_shots == 18
        mask = kept.mask(0)
        assert not mask[15, 15]
        assert mask[5, 5]


def test_live_shots_tell_the_scale_that_their_file_would_tell(tmp_path, reader):
    images, labels = make_shots(40, size=80)
    images[:, 36:42] = 0  # a gap that no mask tells of
    path = write_file(tmp_path / "shots.h5", images, labels)
    steps = replace(reader.about.preprocessing, scale=CountScale(8.0, 100.0))
    live = replace(
        reader, about=replace(reader.about, preprocessing=steps), sample=EvenSample(SAMPLE)
    )
    for part in np.array_split(np.arange(40), 8):
        hits = [
            Hit(images[i], None, Geometry(), i, float("nan"), time.time(), 1.0, "x") for i in part
        ]
        assert len(live.read(hits)[0]) == 5
    found = scales_of(table_of_file(path), steps.seen)[0]
    assert live.scale.pedestal == pytest.approx(found.pedestal)
    assert live.scale.level == pytest.approx(found.level)


def hits_of(images, **geometry):
    return [
        Hit(counts, None, Geometry(**geometry), i, float("nan"), time.time(), 1.0, "x")
        for i, counts in enumerate(images)
    ]


def anew(reader):
    """The same, as it is opened, of a network that brings counts to a scale."""
    steps = replace(reader.about.preprocessing, scale=CountScale(8.0, 100.0))
    about = replace(reader.about, preprocessing=steps)
    return replace(reader, about=about, sample=EvenSample(SAMPLE), first=PixelSample(), glances=[])


def said_live(reader, images, **geometry):
    live = anew(reader)
    said = []
    for first in range(0, len(images), 8):
        live.read(hits_of(images[first : first + 8], **geometry))
        said += live.doubts()
    return said


def test_a_watch_says_once_why_its_hits_may_be_no_counts(reader):
    images = make_shots(40, size=80)[0].astype(np.int32)
    assert said_live(reader, images) == []
    (text,) = said_live(reader, -images)
    assert text.startswith("x: light lies below the background")
    source = iter([Arrival(-images, np.arange(40), np.full(40, np.nan), "test"), None])
    notes = [e for e in events_of(source, anew(reader)) if text[3:] in str(e.get("text"))]
    assert [note["level"] for note in notes] == ["warning"]


def test_a_watch_says_where_the_beam_seems_to_be_until_someone_gives_it(reader):
    images = make_shots(40, size=80)[0]
    wide = np.random.default_rng(0).permuted(np.tile(images[:, :, :20], (1, 1, 10)), axis=2)
    wide[:, :, 110:190] = images
    (text,) = said_live(reader, wide)
    assert "the beam seems to be near" in text
    assert said_live(reader, wide, centre=(39.5, 149.5)) == []


def test_hot_pixels_spoil_the_live_scale_no_longer_than_until_they_are_known(reader, tmp_path):
    images, labels = make_shots(40, size=80)
    images[:, 6::12, 6::12] = 60000
    (found,) = scales_of(
        table_of_file(write_file(tmp_path / "a.h5", images, labels)),
        anew(reader).about.preprocessing.seen,
    )
    live = anew(reader)
    live.read(hits_of(images[:8]))
    assert live.pixels.bad is None
    assert live.scale.level > 10 * found.level
    for first in range(8, 40, 8):
        live.read(hits_of(images[first : first + 8]))
        if live.pixels.bad is not None:  # eight hits tell it roughly
            assert live.scale.level == pytest.approx(found.level, rel=0.5)
    np.testing.assert_array_equal(live.pixels.bad[6::12, 6::12], True)


def test_a_record_says_of_each_hit_which_part_of_it_the_network_saw(reader, tmp_path):
    images = np.tile(make_shots(6)[0], (1, 1, 2))
    record = Record(tmp_path, reader.attributes)
    beams = [None, None, (31.5, 40.0), (31.5, 40.0), (31.5, 90.0), (31.5, 90.0)]
    for image, beam in zip(images, beams, strict=True):
        record.add(*reader.read(hits_of([image], centre=beam))[:2])
    record.close()
    field = reader.about.preprocessing.field
    expected = [field(images[0].shape, beam) for beam in beams]
    with h5py.File(record.files[0]) as file:
        np.testing.assert_allclose(file["field"], expected)
    assert len(set(expected)) == 3


def test_a_record_says_the_beam_that_was_used_of_the_source_or_else_of_the_project(
    reader, tmp_path
):
    images = np.tile(make_shots(1)[0], (1, 1, 2))
    own = replace(reader, geometry=Geometry(centre=(31.5, 90.0)))
    for beam, used in ((None, (31.5, 90.0)), ((31.5, 40.0), (31.5, 40.0))):
        record = Record(tmp_path, own.attributes, own.geometry_of, stem=str(beam))
        record.add(*own.read(hits_of(images, centre=beam))[:2])
        record.close()
        with h5py.File(record.files[0]) as file:
            np.testing.assert_allclose(file.attrs["field"], file["field"][0])
            np.testing.assert_allclose(file["images"].attrs["centre"], used)


def test_a_watch_tells_shares_latencies_examples_and_broken_rules(reader):
    images, _ = make_shots(24)
    source = iter([Arrival(images, np.arange(24), np.full(24, np.nan), "test"), None])
    taxonomy = load(shipped("helium"))
    bands = (Band("hits", 0.0, 0.5),)
    finder = HitFinder(fitted_on=40)  # it lets all pass
    found = events_of(source, reader, finder, taxonomy=taxonomy, bands=bands)
    watched = [e for e in found if e["event"] == "watched"][-1]
    assert watched["hit_rate"][0] == 1.0
    assert 0 < watched["hit_rate"][1] < 1
    assert set(watched["fractions"]) == set(CLASSES)
    assert watched["latency_ms"]["p50"] <= watched["latency_ms"]["p99"]
    assert watched["read"] == 24
    (alarm,) = [e for e in found if e["event"] == "alarm"]
    assert (alarm["name"], alarm["left"]) == ("hits", True)
    shown = [e for e in found if e["event"] == "examples"]
    for name, one in shown[-1]["classes"].items():
        assert name in CLASSES
        assert one["height"] * one["width"] > 0


def test_a_random_share_of_the_misses_is_kept_and_counts_in_no_share(reader, tmp_path):
    images, _ = make_shots(24)
    source = iter([Arrival(images, np.arange(24), np.full(24, np.nan), "test"), None])
    finder = HitFinder(fitted_on=40, threshold=np.inf)  # it lets none pass
    record = Record(tmp_path, reader.attributes)
    found = events_of(source, reader, finder, record, misses=0.5)
    last = found[-1]
    assert (last["seen"], last["hits"], last["read"]) == (24, 0, 0)
    assert 4 <= last["misses_read"] == last["kept"] <= 20
    with h5py.File(record.files[0]) as file:
        assert file["is_hit"][:].tolist() == [0] * last["kept"]
        rows = np.argsort(file["train_id"][:])
        np.testing.assert_array_equal(file["images"][:][rows], images[file["train_id"][:][rows]])
    watched = [e for e in found if e["event"] == "watched"]
    assert watched[-1]["hit_rate"][0] == 0
    assert all(np.isnan(share[0]) for share in watched[-1]["fractions"].values())
    assert not [e for e in found if e["event"] == "examples"]


def test_without_a_hit_finder_no_hit_rate_is_claimed(reader):
    images, _ = make_shots(24)
    source = iter([Arrival(images, np.arange(24), np.full(24, np.nan), "test"), None])
    found = events_of(source, reader, bands=(Band("hits", 0.0, 0.5),))
    rates = [e["hit_rate"] for e in found if e["event"] == "watched"]
    assert rates
    assert np.isnan([value for value, *_ in rates]).all()
    assert not [e for e in found if e["event"] == "alarm"]
    assert "24 shots came, not sorted into hits and misses" in found[-1]["text"]


def test_broken_rules_and_shares_are_counted_within_the_window():
    taxonomy = load(shipped("helium"))
    tally = Tally(taxonomy.names, taxonomy, window=2)
    both = taxonomy.mask(["Round", "Elliptical", "Spherical/Oblate"])
    tally.came(10, 4)
    tally.add(np.stack([both] * 4), [5.0, 6.0, 7.0, 500.0])
    found = tally.summary()
    assert found["fractions"]["Round"][0] == 1.0
    assert found["hit_rate"][0] == 0.4
    assert sum(found["contradictions"].values()) == 4
    for _ in range(2):
        tally.next_second()
    assert tally.summary()["contradictions"] == {}
    assert tally.all_latencies()["p99"] == pytest.approx(500, rel=0.02)


class Slow:
    """A network whose first answer takes until a state is there; everything else as it is."""

    def __init__(self, reader, state):
        self._reader, self._state = reader, state

    def __getattr__(self, name):
        return getattr(self._reader, name)

    def read(self, hits):
        assert self._state.wait(PATIENCE_S)
        return self._reader.read(hits)


def test_a_stream_faster_than_the_network_drops_the_oldest_and_counts_them(reader, tmp_path):
    images, _ = make_shots(200)
    arrivals = [
        Arrival(images[i : i + 20], np.arange(i, i + 20), np.full(20, np.nan), "test")
        for i in range(0, 200, 20)
    ]
    all_came = threading.Event()  # which needs that the source never waits for the network

    def source():
        yield from arrivals
        all_came.set()

    kept_in = record_in(tmp_path, reader)
    last = events_of(source(), Slow(reader, all_came), record=kept_in)[-1]
    assert last["dropped"] > 0
    assert last["read"] + last["dropped"] == 200 == last["seen"]
    with h5py.File(last["files"][0], "r") as file:
        ids = file["train_id"][()]
    assert len(ids) == last["read"]
    assert ids[reader.most :].max() == 199 or ids[: reader.most].max() == 199


def test_hits_that_nobody_can_read_any_more_count_as_dropped_at_the_end(reader):
    images, _ = make_shots(40)
    source = iter([Arrival(images, np.arange(40), np.full(40, np.nan), "test")])
    asked = iter([False, False, True])
    last = events_of(source, reader, stop=lambda: next(asked, True))[-1]
    assert last["event"] == "finished"
    assert last["read"] + last["dropped"] == last["hits"]


def test_a_source_that_stands_still_is_told_once_and_again_when_it_goes_on(reader, monkeypatch):
    monkeypatch.setattr("model.online.watching.STALLED_S", 0.3)
    images, _ = make_shots(2)
    found = []

    def said(text):
        return sum(text in e.get("text", "") for e in list(found))

    def source():
        while not said("Nothing has come"):
            yield None
        yield Arrival(images, np.arange(2), np.full(2, np.nan), "test")
        while not said("coming again"):
            yield None

    stream = Stream(source(), HitFinder())
    for item in watch(stream, reader, stop=lambda: said("coming again")):
        found.append(item)
    assert said("coming again") == 1
    assert said("Nothing has come") == 1


def test_another_detector_size_is_said_and_kept_in_a_file_of_its_own(reader, tmp_path):
    small, large = make_shots(4)[0], make_shots(4, size=96)[0]
    source = iter(Arrival(s, np.arange(4), np.full(4, np.nan), "test") for s in (small, large))
    found = events_of(source, reader, record=record_in(tmp_path, reader))
    assert found[-1]["read"] == 8
    assert len(found[-1]["files"]) == 2
    assert sum("96 × 96" in e.get("text", "") for e in found if e["event"] == "note") == 1


def test_an_error_of_the_source_ends_the_watch_with_a_whole_record(reader, tmp_path):
    images, _ = make_shots(4)
    kept_in = record_in(tmp_path, reader)

    def source():
        yield Arrival(images, np.arange(4), np.full(4, np.nan), "test")
        while not kept_in.kept:
            yield None
        raise InputError("the source is gone")

    with pytest.raises(InputError, match="is gone"):
        events_of(source(), reader, record=kept_in, stop=lambda: False)
    assert mend(kept_in.files[0]) == 4
    assert not is_under_swmr(kept_in.files[0])


# -- the record ------------------------------------------------------------------------------------


def test_a_record_survives_kill_9(tmp_path):
    ours, theirs = SPAWN.Pipe()
    child = SPAWN.Process(target=keep_until_killed, args=(tmp_path, theirs))
    child.start()
    told = 0
    while told < 80:
        assert ours.poll(PATIENCE_S)
        told = ours.recv()
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    while ours.poll(0):
        told = ours.recv()
    (path,) = tmp_path.glob("*.h5")
    assert is_under_swmr(path)
    with open_source(path) as left:  # readable as it is
        assert left.info.n_shots >= told
    n = mend(path)
    assert n >= told
    assert not is_under_swmr(path)
    images, _ = make_shots(8)
    with open_source(path) as whole:
        np.testing.assert_array_equal(whole.read(n - 1), images[(n - 1) % 8])
        assert whole.info.geometry.pixel_m == 1e-4
        np.testing.assert_array_equal(whole.scalars()["train_id"], np.arange(n))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def keep_on_a_small_disk(folder, run, pipe):
    """A process whose files may not grow beyond 2 MB, as on a full disk."""
    import resource

    make_narrow()
    reader = LiveReader.open(run, engine="torch")
    record.SLACK, record.STEP = 1_400_000, 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
    images, _ = make_shots(96)
    source = (
        Arrival(images[i : i + 8], np.arange(i, i + 8), np.full(8, np.nan), "test")
        for i in range(0, 96, 8)
    )
    pipe.send(events_of(source, reader, record=record_in(folder, reader)))


def test_a_full_disk_is_said_once_and_the_watch_goes_on_without_keeping(tmp_path, run):
    ours, theirs = SPAWN.Pipe()
    child = SPAWN.Process(target=keep_on_a_small_disk, args=(tmp_path, run, theirs))
    child.start()
    assert ours.poll(PATIENCE_S)
    found = ours.recv()
    child.join()
    said = [e["text"] for e in found if e["event"] == "note" and e["level"] == "warning"]
    assert len(said) == 1
    assert "without keeping" in said[0]
    last = found[-1]
    assert last["read"] + last["dropped"] == 96
    assert last["read"] > last["kept"]
    with open_source(Path(last["files"][0])) as left:
        images, _ = make_shots(96)
        order = left.scalars().get("train_id")
        assert left.info.n_shots > 0
        if order is not None:
            np.testing.assert_array_equal(left.read(0), images[int(order[0])])


def test_what_is_no_record_is_refused(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros((3, 8, 8))
    with pytest.raises(InputError, match="no record"):
        mend(path)


def test_live_readings_extend_those_of_the_run(tmp_path, run, reader):
    path = write_file(tmp_path / "a.h5", *make_shots(6))
    table = table_of_file(path)
    out = tmp_path / "predictions.h5"
    list(predict(table, run, out, engine="torch"))
    kept_in = record_in(tmp_path / "live", reader)
    live = write_file(tmp_path / "b.h5", *make_shots(5, seed=5))
    last = events_of(open_stream(str(live)), reader, record=kept_in)[-1]
    kept = Path(last["files"][0])
    assert extend_predictions(out, kept, table.fingerprint, "new")
    with h5py.File(out, "r") as file, h5py.File(kept, "r") as source:
        assert len(file["probabilities"]) == 11
        np.testing.assert_array_equal(file["probabilities"][6:], source["probabilities"][()])
        assert file["readable"][()].all()
        np.testing.assert_allclose(file["field"], file["field"][()][:1].repeat(11, 0))
        assert file.attrs["fingerprint"] in ("new", b"new")
    with h5py.File(kept, "r+") as source:  # an older record has one field for all of its shots
        del source["field"]
        source.attrs["field"] = [0, 0.1, 1, 0.9]
    assert extend_predictions(out, kept, "new", "newer")
    with h5py.File(out, "r") as file:
        np.testing.assert_allclose(file["field"][10:12], [[0, 0, 1, 1], [0, 0.1, 1, 0.9]])
    other = make_run(tmp_path / "other", ("Round", "Streak"), thresholds=(0.5, 0.5))
    wrong = tmp_path / "wrong.h5"
    list(predict(table_of_file(path), other, wrong, engine="torch"))
    assert not extend_predictions(wrong, kept, "", "new")


@pytest.mark.parametrize("harm", ["missing", "changed"])
def test_a_run_that_is_missing_or_was_changed_is_refused(tmp_path, harm):
    folder = make_run(tmp_path / "run")
    weights = folder / "model.safetensors"
    if harm == "missing":
        weights.unlink()
    else:
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"cannot be read|was changed"):
        LiveReader.open(folder)


def test_a_file_of_shots_that_is_no_record_is_never_mended(tmp_path):
    path = tmp_path / "own.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.ones((100, 64, 64), np.uint16)
        file["mask"] = np.zeros((64, 64), np.uint8)
    before = path.read_bytes()
    with pytest.raises(InputError, match="is no record of live shots"):
        mend(path)
    assert path.read_bytes() == before


def test_a_record_that_is_still_being_written_is_not_joined_and_loses_nothing(tmp_path):
    def hit(i):
        counts = np.full((32, 32), i, np.uint16)
        return Hit(counts, None, Geometry(), i, float("nan"), time.time(), 1.0, "x")

    found = {"probabilities": np.zeros((1, 11), np.float32)}
    kept_in = Record(tmp_path, lambda shape: {})
    kept_in.add([hit(0)], found)
    kept_in.flush()
    (path,) = kept_in.files
    with pytest.raises(InputError, match=r"still being written.*Stop the watch first"):
        mend(path)
    kept_in.add([hit(1)], found)
    assert kept_in.close() == ""
    assert mend(path) == 2
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_run_that_is_being_written_comes_train_by_train_once_all_modules_have_them(
    tmp_path, monkeypatch
):
    pytest.importorskip("extra_data", reason="pip install 'airylabel[formats]'")
    monkeypatch.setattr(folder_module, "LOOK_S", 0.0)
    run = write_run(tmp_path / "r0001", trains=2, pulses=3)
    coming = open_stream(str(run))
    (first,) = [found for found in islice(coming, 2) if found is not None]
    assert isinstance(first, Arrival)
    assert first.ids.tolist() == [10000] * 3 + [10001] * 3
    assert first.counts.shape == (6, 16 * 512, 128)
    assert first.mask is not None
    write_run(run, trains=1, pulses=3, first=10002, sequence=1, modules=range(15))
    assert list(islice(coming, 3)) == [None] * 3
    write_run(run, trains=1, pulses=3, first=10002, sequence=1, modules=range(15, 16))
    (second,) = [found for found in islice(coming, 3) if found is not None]
    assert second.ids.tolist() == [10002] * 3
    write_run(run, trains=1, pulses=3, first=10003, sequence=2, modules=range(15))
    assert list(islice(coming, 2)) == [None] * 2
    monkeypatch.setattr(folder_module, "PATIENCE_S", -1.0)  # the sixteenth module never comes
    (third,) = [found for found in islice(coming, 3) if found is not None]
    assert third.ids.tolist() == [10003] * 3
    mask = third.mask_of(0)
    assert mask is not None
    assert not mask[-512:].any()
    assert mask[:-512, 9:].all()
    coming.close()


def test_sizes_of_droplets_stand_beside_the_shares_and_every_hit_is_a_line_for_others(
    reader, tmp_path
):
    round_one = sphere(300e-9, photons=3e4)
    rng = np.random.default_rng(2)
    images = np.stack([rng.poisson(round_one.astype(float)) for _ in range(5)] + [round_one * 0])
    ids = np.arange(6) + 70
    source = iter([Arrival(images, ids, np.full(6, np.nan), "test", geometry=FAR), None])
    lines = Lines(tmp_path / "results.jsonl", reader.about.class_names)
    found = events_of(source, reader, lines=lines)
    sizes = [e for e in found if e["event"] == "watched"][-1]["sizes"]
    assert sizes["n"] == sum(sizes["counts"]) == 5
    median, low, high = sizes["median_nm"]
    assert low <= median <= high
    assert median == pytest.approx(300, rel=0.05)
    assert 0 < sizes["error_nm"] < 15
    read = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert sorted(line["id"] for line in read) == ids.tolist()
    one = next(line for line in read if line["id"] == 70)
    assert one["radius_nm"] == pytest.approx(300, rel=0.05)
    assert one["radius_error_nm"] > 0
    assert one["stamp"] is None
    assert set(one["probabilities"]) == set(CLASSES)
    assert set(one["decided"]) <= set(CLASSES)
    assert next(line for line in read if line["id"] == 75)["radius_nm"] is None


def test_lines_that_cannot_be_written_are_said_and_end_no_watch(reader, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="lines cannot be written"):
        Lines(tmp_path / "file" / "results.jsonl", CLASSES)
    lines = Lines(Path("/dev/full"), CLASSES)
    images, _ = make_shots(4)
    source = iter([Arrival(images, np.arange(4), np.full(4, np.nan), "test"), None])
    found = events_of(source, reader, lines=lines)
    (said,) = [e["text"] for e in found if "lines cannot be written" in str(e.get("text"))]
    assert said.endswith("Watching goes on without.")
    assert found[-1]["read"] == 4
