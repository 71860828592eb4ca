"""Processes that write live shots; they load neither torch nor the tests that start them."""

from __future__ import annotations

import os
import signal
import time

import h5py
import numpy as np

from model.online.record import Record
from model.online.stream import Hit
from model.shots.layouts import Geometry
from tests.helpers.shots import make_shots
from tests.helpers.waiting import PATIENCE_S

CLASSES = ("Round", "Streak", "Empty")


def writer_under_swmr(path, images, came, kill=False):
    """A process: writes shots a few at a time, as a detector's writer does; after the first ones
    it waits until somebody has seen them."""
    with h5py.File(path, "w", libver="latest", locking=False) as file:
        shape = images.shape[1:]
        data = file.create_dataset(
            "images", (0, *shape), images.dtype, maxshape=(None, *shape), chunks=(1, *shape)
        )
        ids = file.create_dataset("train_id", (0,), np.int64, maxshape=(None,), chunks=(64,))
        file.swmr_mode = True
        for end in range(4, len(images) + 1, 4):
            ids.resize(end, axis=0)
            ids[end - 4 :] = 1000 + np.arange(end - 4, end)
            ids.flush()
            data.resize(end, axis=0)
            data[end - 4 :] = images[end - 4 : end]
            data.flush()
            assert came.wait(PATIENCE_S)
        if kill:
            os.kill(os.getpid(), signal.SIGKILL)


def writer_that_reopens(path, images, came):
    """A process without SWMR: the file is closed between two additions."""
    shape = images.shape[1:]
    with h5py.File(path, "w", locking=False) as file:
        file.create_dataset("images", data=images[:4], maxshape=(None, *shape), chunks=(1, *shape))
    for end in range(8, len(images) + 1, 4):
        assert came.wait(PATIENCE_S)
        with h5py.File(path, "a", locking=False) as file:
            file["images"].resize(end, axis=0)
            file["images"][end - 4 :] = images[end - 4 : end]


def hits_of(images, first=0):
    return [
        Hit(s, None, Geometry(pixel_m=1e-4), first + i, float("nan"), time.time(), 0.5, "test")
        for i, s in enumerate(images)
    ]


def found_of(n):
    return {
        "probabilities": np.full((n, 3), 0.5, np.float32),
        "heatmaps": np.zeros((n, 3, 2, 2), np.float32),
    }


def keep_until_killed(folder, pipe):
    """A process that keeps hits until someone kills it."""
    kept_in = Record(folder, lambda shape: {"class_names": list(CLASSES)})
    images, _ = make_shots(8)
    n = 0
    while True:
        kept_in.add(hits_of(images, n), found_of(8))
        kept_in.flush()
        n += 8
        pipe.send(n)
