"""Small files of rings, streaks and nothing, with labels, that a network learns in seconds."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np

from model.runs import recipes
from tests.helpers.narrow import is_narrow

NAMES = ("Spherical/Oblate", "Round", "Prolate", "Streak", "Empty")


def make_shots(n, size=64, seed=0):
    """(n, size, size) uint16 counts and (n, 5) labels: rings, streaks, empty, in turn."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - size / 2 + 0.5
    images, labels = np.zeros((n, size, size), np.uint16), np.zeros((n, len(NAMES)), np.uint8)
    for i in range(n):
        kind = i % 3
        angle, radius = rng.uniform(0, np.pi), np.hypot(y, x)
        along = x * np.cos(angle) + y * np.sin(angle)
        across = -x * np.sin(angle) + y * np.cos(angle)
        rings = 400 * np.exp(-radius / 12) * np.cos(radius / rng.uniform(2, 3)) ** 2
        streak = 400 * np.exp(-((across / 3) ** 2) - np.abs(along) / 20)
        signal = (rings, streak, 0 * radius)[kind]
        images[i] = rng.poisson(signal * rng.uniform(0.5, 2) + 3)
        labels[i, ([0, 1], [2, 3], [4])[kind]] = 1
    return images, labels


def write_file(path, images, labels, names=NAMES):
    """An HDF5 stack with its labels."""
    with h5py.File(path, "w") as file:
        file["images"] = images
        file["labels"] = labels
        file["labels"].attrs["class_names"] = list(names)
    return path


def make_file(path, n=36, size=64, seed=0):
    """The two above in one."""
    return write_file(path, *make_shots(n, size, seed))


def write_cxi(path, kind, n=14, sample=None):
    """A CXI 1.6 stack of one species, as the reference set has: rings, streaks or nothing."""
    images, _ = make_shots(3 * n, seed=kind)
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 160
        file["entry_1/instrument_1/detector_1/data"] = images[kind::3]
        file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
        if sample is not None:
            file["entry_1/sample_1/name"] = sample
    return path


def tiny_recipe(**changes):
    """Trains in a second or two an epoch; with the narrow network from chance, and in a blink."""
    small = {"size": 64, "small": 0, "batch": 10, "epochs": 2, "steps": 0, "tuning": 0.0}
    small |= {"precision": "32", "rate": 2e-3, "rotation": 0.0, "quarter_turns": True}
    small |= {"rule_aware": False} | ({"backbone": ""} if is_narrow() else {})
    return replace(recipes.named("quick"), **(small | changes))
