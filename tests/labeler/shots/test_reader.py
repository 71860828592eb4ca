"""The reader: newest first, one answer each, and a bad shot never stops the others."""

import os
import queue
import threading
from pathlib import Path
from unittest.mock import Mock

import h5py
import numpy as np
import psutil
import pytest

from labeler.shots import reader as reader_module
from labeler.shots.reader import ShotReader
from labeler.shots.reader_child import _Server, open_source
from model.errors import InputError
from model.preprocessing.preparation import Preparation, Reference
from model.shots.fingerprints import states_of
from model.shots.layouts import Geometry
from model.shots.table import probe
from tests.helpers.waiting import PATIENCE_S, quickest_s, until

CRASH, HANG, BAD = 13, 14, 15
CRASHING_FILE = "crashing.h5"


class MadeUpSource:
    """Stands for a file: shot i is filled with i; some shots do harm."""

    def __init__(self, path, dataset):
        if path.name == CRASHING_FILE:
            os._exit(3)
        self.path = path
        self.side = int(dataset or 20)

    def read(self, i):
        if i == CRASH:
            os._exit(9)
        if i == HANG:
            if self.path.is_absolute():
                self.path.touch()  # seen by `Desk.hang`
            threading.Event().wait()
        if i == BAD:
            raise OSError("wrong B-tree signature")
        return np.full((self.side, self.side), i, np.uint16)

    def mask(self, i):
        return np.eye(self.side, dtype=bool) if i % 2 else None

    def shot(self, i):
        return self.read(i), self.mask(i)

    def parts(self):
        return ()

    def close(self):
        pass


class Desk:
    """A reader and what it said, in order."""

    def __init__(self, **options):
        self.said = queue.Queue()
        self.pictures = queue.Queue()
        self.reader = ShotReader(
            lambda *answer: self.said.put(answer),
            lambda *answer: self.pictures.put(answer),
            opener=MadeUpSource,
            **options,
        )

    def ask(self, index, path="shots.h5", dataset=None):
        self.reader.request(index, path, dataset, index)

    def hang(self, path):
        """Ask for a shot that is never read; returns once the child is at it."""
        self.ask(HANG, path)
        until(path.exists)

    def next(self):
        return self.said.get(timeout=PATIENCE_S)

    def child(self):
        """The number of the process that reads."""
        return self.reader._child.child._process.pid


@pytest.fixture
def desk():
    made = []

    def make(**options):
        made.append(Desk(**options))
        made[-1].ask(99)  # the child is up once this is answered
        made[-1].next()
        return made[-1]

    yield make
    for each in made:
        each.reader.close()


def test_a_shot_comes_with_its_counts_and_mask(desk):
    d = desk()
    d.ask(4)
    key, counts, mask = d.next()
    assert (key, counts.dtype, mask) == (4, np.uint16, None)
    assert (counts == 4).all()
    for index in (5, 7):  # the second mask is the same one and travels only once
        d.ask(index)
        key, counts, mask = d.next()
        assert (counts == index).all()
        assert np.array_equal(mask, np.eye(20, dtype=bool))
    assert d.reader.mask(7) is d.reader.mask(5)


def test_a_shot_in_the_cache_is_answered_at_once(desk):
    d = desk()
    assert d.reader.counts(1) is None
    d.ask(1)
    first = d.next()[1]
    d.ask(1)
    assert d.said.get_nowait()[1] is first
    assert d.reader.counts(1) is first


def test_the_newest_request_is_read_first_and_none_twice(desk, tmp_path):
    d = desk(shot_s=1.0)
    d.hang(tmp_path / "hangs")  # keeps the child busy while the queue fills
    for index in (1, 2, 3, 1):
        d.ask(index)
    order = [d.next()[0] for _ in range(4)]
    assert order == [HANG, 1, 3, 2]
    assert d.said.empty()


def test_a_shot_that_kills_the_child_is_unreadable_and_the_queue_goes_on(desk):
    d = desk()
    for index in (1, CRASH, 2):
        d.ask(index)
    answers = dict(d.next()[:2] for _ in range(3))
    assert isinstance(answers[CRASH], InputError)
    assert "crashed" in str(answers[CRASH])
    assert f"shot {CRASH}" in str(answers[CRASH])
    assert (answers[1] == 1).all()
    assert (answers[2] == 2).all()


def test_a_shot_that_never_arrives_is_given_up(desk):
    d = desk(shot_s=0.5)
    d.ask(HANG)
    key, answer, _ = d.next()
    assert key == HANG
    assert "too long" in str(answer)
    d.ask(1)
    assert (d.next()[1] == 1).all()


def test_a_file_that_crashes_on_opening_is_tried_only_once(desk):
    d = desk()
    d.ask(1, CRASHING_FILE)
    assert "opening the file crashed" in str(d.next()[1])
    child = d.child()
    for shot in (2, 3, 4):
        d.ask(shot, CRASHING_FILE)
        assert "opening the file crashed" in str(d.next()[1])
    assert d.child() == child  # none died of it again
    d.ask(5)
    assert (d.next()[1] == 5).all()


def test_what_could_not_be_read_is_tried_again_after_a_while(desk, tmp_path, monkeypatch):
    monkeypatch.setattr(reader_module, "AGAIN_S", PATIENCE_S)
    path = tmp_path / "shots.h5"
    said = queue.Queue()
    reader = ShotReader(lambda *answer: said.put(answer), lambda *answer: said.put(answer))
    ask = (
        (lambda: reader.request(7, path, None, 0)),
        (lambda: reader.request_thumbnail(8, path, None, 0)),
    )
    for each in ask:
        each()
        assert "no such file" in str(said.get(timeout=PATIENCE_S)[1])
    with h5py.File(path, "w") as file:
        file["images"] = np.full((3, 16, 16), 5, np.uint16)
    ask[0]()
    assert "no such file" in str(said.get(timeout=PATIENCE_S)[1])  # too soon
    assert isinstance(reader.thumbnail(8), InputError)
    monkeypatch.setattr(reader_module, "AGAIN_S", 0.0)
    assert reader.thumbnail(8) is None
    ask[0]()
    assert (said.get(timeout=PATIENCE_S)[1] == 5).all()
    ask[1]()
    assert isinstance(said.get(timeout=PATIENCE_S)[1], np.ndarray)
    reader.close()


def test_a_file_that_crashed_on_opening_is_tried_again_after_longer(desk, monkeypatch):
    d = desk()
    d.ask(1, CRASHING_FILE)
    d.next()
    child = d.child()
    monkeypatch.setattr(reader_module, "FILE_AGAIN_S", 0.0)
    d.ask(2, CRASHING_FILE)
    assert "opening the file crashed" in str(d.next()[1])
    assert d.child() != child  # the one that tried has died of it


def test_an_error_of_the_file_names_file_place_and_mend(desk):
    d = desk()
    d.ask(BAD)
    answer = d.next()[1]
    assert isinstance(answer, InputError)
    for part in ("shots.h5", f"shot {BAD}", "wrong B-tree signature", "Copy the file again"):
        assert part in str(answer)
    assert isinstance(d.reader.counts(BAD), InputError)


def test_the_cache_stays_within_its_budget(desk):
    d = desk(budget_mb=1)  # 200 x 200 uint16 = 80 kB
    for index in range(13):
        d.ask(index, dataset="200")
        d.next()
    kept = [index for index in range(13) if d.reader.counts(index) is not None]
    assert kept == list(range(1, 13))


def test_thumbnails_come_after_shots_and_are_kept(desk):
    d = desk()
    d.reader.request_thumbnail(3, "shots.h5", "200", 3)
    key, picture = d.pictures.get(timeout=PATIENCE_S)
    assert (key, picture.dtype, picture.shape) == (3, np.uint8, (96, 96))
    assert d.reader.thumbnail(3) is picture
    d.reader.request_thumbnail(CRASH, "shots.h5", None, CRASH)
    assert isinstance(d.pictures.get(timeout=PATIENCE_S)[1], InputError)


def test_the_oldest_thumbnails_give_way_and_one_can_see_which(desk, tmp_path, monkeypatch):
    monkeypatch.setattr(reader_module, "WAITING_THUMBNAILS", 2)
    d = desk(shot_s=30.0)
    d.hang(tmp_path / "hangs")
    for index in range(4):
        d.reader.request_thumbnail(index, "shots.h5", None, index)
    making = [index for index in range(4) if d.reader.is_making_thumbnail(index)]
    assert making == [2, 3]


def test_clear_forgets_answers_and_what_is_on_its_way(desk, tmp_path):
    d = desk(shot_s=0.5)
    d.ask(1)
    d.next()
    d.hang(tmp_path / "hangs")
    d.ask(2)
    d.reader.clear()
    assert d.reader.counts(1) is None
    d.ask(3)
    assert d.next()[0] == 3
    assert d.said.empty()


def test_a_listener_that_fails_does_not_stop_the_reader(desk, caplog):
    d = desk()
    heard = threading.Event()

    def fail(*answer):
        heard.set()
        raise RuntimeError("a defect elsewhere")

    d.reader._on_read = fail
    d.ask(1)
    assert heard.wait(PATIENCE_S)
    d.reader._on_read = lambda *answer: d.said.put(answer)
    d.ask(2)
    assert d.next()[0] == 2
    assert "a defect elsewhere" in caplog.text


def test_close_leaves_no_thread_and_no_process(desk, tmp_path):
    d = desk()
    d.hang(tmp_path / "hangs")
    child = d.child()
    d.reader.close()
    assert not d.reader._thread.is_alive()
    assert not psutil.pid_exists(child)
    d.ask(1)  # too late: nothing happens, nothing breaks
    assert d.said.empty()


def test_a_large_shot_arrives_within_milliseconds(desk):
    d = desk()
    d.ask(0, dataset="1035")
    d.next()
    shots = iter(range(16, 46))

    def read():
        d.ask(next(shots), dataset="1035")
        d.next()

    assert quickest_s(read, 30) < 0.03  # 0.01 on a quiet machine


@pytest.mark.parametrize("kind", ["file", "folder", "virtual", "link"])
def test_with_every_shot_comes_in_which_state_the_files_are_that_it_lies_in(tmp_path, kind):
    """By that the window knows a file that was replaced before it shows a shot of it."""
    path, parts = write_source(tmp_path, kind)
    info = probe(path)
    server = _Server(Mock(), open_source)

    def looked_at():
        files = (mark.place(path.parent).resolve() for mark in info.files[1:])
        return {state.name: state for state in states_of(path, files)}

    def read():
        return {state.name: state for state in server.answer("counts", path, info.dataset, 1)[1]}

    assert read() == looked_at()
    for part in parts:
        before = looked_at()
        os.utime(part, ns=(1, 1))
        assert read() == looked_at() != before


def write_source(folder, kind):
    """A source of the kind, and the files that its shots lie in."""
    shots = np.random.default_rng(1).integers(1, 999, (4, 20, 20)).astype(np.uint16)
    path = folder / "shots.h5"
    if kind == "folder":
        path = folder / "pictures"
        path.mkdir()
        for k, shot in enumerate(shots):
            np.save(path / f"{k}.npy", shot)
        return path, sorted(path.iterdir())
    if kind == "file":
        with h5py.File(path, "w") as file:
            file["images"] = shots
        return path, [path]
    part = folder / "part.h5"
    with h5py.File(part, "w") as file:
        file["images"] = shots
    with h5py.File(path, "w") as file:
        if kind == "link":
            file["images"] = h5py.ExternalLink("part.h5", "images")
        else:
            layout = h5py.VirtualLayout(shots.shape, shots.dtype)
            layout[...] = h5py.VirtualSource("part.h5", "images", shots.shape)
            file.create_virtual_dataset("images", layout)
    return path, [path, part]


def test_the_child_imports_neither_qt_nor_torch():
    import subprocess
    import sys

    code = (
        "import sys, labeler.shots.reader_child as c\n"
        "try: c.open_source('no such file', None)\n"
        "except Exception: pass\n"
        "print([m for m in ('PyQt6', 'torch', 'sqlalchemy', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Known:
    geometry = Geometry()


class PlainSource(MadeUpSource):
    """As a file, with what preparing a shot asks of it."""

    info = Known()


@pytest.mark.parametrize("shots", [(1,), (1, CRASH)])
def test_prepared_counts_come_from_the_child_and_raw_ones_again_after(shots):
    said = queue.Queue()
    reader = ShotReader(lambda *answer: said.put(answer), opener=PlainSource)
    background = Reference(np.full((20, 20), 4, np.float32), np.ones((20, 20), np.float32), 3)
    try:
        reader.request(6, Path("shots.h5"), None, 6)
        assert (said.get(timeout=PATIENCE_S)[1] == 6).all()
        reader.prepare(Preparation(stray_light="shots", reference=background))
        assert reader.counts(6) is None  # what was raw is forgotten
        for shot in (*shots, 6, 7):  # a child that died is told the steps again
            reader.request(shot, Path("shots.h5"), None, shot)
        got = dict(said.get(timeout=PATIENCE_S)[:2] for _ in (*shots, 6, 7))
        assert (got[6] == 2).all()
        assert (got[1] == 0).all()
        assert np.array_equal(reader.mask(7), np.eye(20, dtype=bool))
        reader.prepare(None)
        reader.request(6, Path("shots.h5"), None, 6)
        assert (said.get(timeout=PATIENCE_S)[1] == 6).all()
    finally:
        reader.close()


def test_a_shot_that_cannot_be_prepared_says_why():
    said = queue.Queue()
    reader = ShotReader(lambda *answer: said.put(answer), opener=PlainSource)
    try:
        reader.prepare(Preparation(flat_detector=True))
        reader.request(6, Path("shots.h5"), None, 6)
        assert "distance and pixel size" in str(said.get(timeout=PATIENCE_S)[1])
    finally:
        reader.close()
