"""Writes small files of predictions for the tests of the window's side, as the model would."""

import h5py
import numpy as np

from model.taxonomy.toml import load, shipped

HELIUM = load(shipped("helium"))


def write_predictions(path, probabilities, names=HELIUM.names, *, grid=(7, 7), seed=0, **changes):
    """A `predictions.h5`; `changes` replace datasets or attributes, None leaves one out."""
    probabilities = np.asarray(probabilities, np.float32)
    n, c = probabilities.shape
    rng = np.random.default_rng(seed)
    parts = {
        "probabilities": probabilities,
        "embeddings": rng.normal(size=(n, 16)).astype(np.float16),
        "heatmaps": rng.normal(size=(n, c, *grid)).astype(np.float16),
        "heatmap_scale": np.ones((n, c), np.float32),
        "role": np.arange(n, dtype=np.uint8) % 3,
        "readable": np.ones(n, bool),
        "class_names": np.array(names, object),
        "thresholds": np.full(c, 0.5, np.float32),
        "run": "0001",
        "network": "resnet18",
        "recipe": "quick",
        "heatmap_form": "paper",
        "field": np.array([0.0, 0.0, 1.0, 1.0]),
        "fingerprint": "abc",
        "airylabel_version": "0.1.0",
    } | changes
    datasets = ("probabilities", "embeddings", "heatmaps", "heatmap_scale", "role", "readable")
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, value in parts.items():
            if value is None:
                continue
            if name in datasets:
                file.create_dataset(name, data=value)
            elif name == "class_names":
                file.attrs.create(name, list(value), dtype=h5py.string_dtype())
            else:
                file.attrs[name] = value
    return path
