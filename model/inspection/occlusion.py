"""Occlusion: what a class loses where a part of the shot is covered. A check of Grad-CAM++ that
shares nothing with it but the network.

Zeiler and Fergus (2014), by the package captum. A part is covered by the shot's own featureless
glow (`envelope`), not by zeros: a black square is a stronger feature than any streak.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError, install
from model.inspection.perturbed_shots import Reader, ReadShots
from model.prediction.before_labels import Halves
from model.preprocessing.preparation import Preparation
from model.shots.table import ShotTable

Floats = npt.NDArray[np.float32]
WINDOW, STEP = 4, 8
"""The window is a quarter of the shot wide and moves by an eighth: 7 × 7 places."""
SMOOTH = 0.06
"""Width, as a share of the side, over which the glow is smoothed along the radius."""
RING_WIDTH = 0.018
"""The same for the medians of rings, which keep the rings: two pixels of 112."""


def envelope(
    counts: npt.ArrayLike, good: npt.ArrayLike, centre: tuple[float, float] | None = None
) -> Floats:
    """The shot (y, x) without any feature: its log counts averaged on rings, smoothed from ring to
    ring, the same all around. Pixels that are not good stay as they are.

    A pattern falls by decades from its centre, so neither zeros nor a constant can stand for
    "nothing here"; a blurred copy keeps a streak; a mean on rings alone keeps the rings. This
    keeps the fall alone. What it leaves, a round glow, is nearest to the class Round: for the
    round classes deletion is a weaker question than for the others.
    """
    from scipy.ndimage import gaussian_filter1d

    values, seen = np.asarray(counts, np.float64), np.asarray(good, bool)
    if not seen.any():
        return np.asarray(counts, np.float32)
    cy, cx = centre or ((values.shape[0] - 1) / 2, (values.shape[1] - 1) / 2)
    y, x = np.indices(values.shape)
    radius = np.hypot(y - cy, x - cx)
    ring = np.rint(radius).astype(int)
    logs = np.log1p(np.clip(values, 0, None))
    count = np.bincount(ring[seen], minlength=ring.max() + 1).astype(float)
    total = np.bincount(ring[seen], logs[seen], minlength=ring.max() + 1)
    width = SMOOTH * max(values.shape)
    weight = gaussian_filter1d(np.minimum(count, 1), width, mode="nearest")
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    smooth = gaussian_filter1d(mean, width, mode="nearest") / np.maximum(weight, 1e-9)
    glow = np.expm1(np.interp(radius, np.arange(len(smooth)), smooth))
    return np.where(seen, glow, values).astype(np.float32)


def ring_medians(counts: npt.ArrayLike, good: npt.ArrayLike, centre: tuple[float, float]) -> Floats:
    """The shot (y, x) without anything that depends on the direction: the median of the log counts
    on each ring about the centre (y, x), rings and fall kept. Other pixels stay as they are.

    A median, for a streak must not light the whole ring.
    """
    from scipy.ndimage import gaussian_filter1d, median

    values, seen = np.asarray(counts, np.float64), np.asarray(good, bool)
    if not seen.any():
        return np.asarray(counts, np.float32)
    y, x = np.indices(values.shape)
    radius = np.hypot(y - centre[0], x - centre[1])
    ring = np.rint(radius).astype(int)
    logs = np.log1p(np.clip(values, 0, None))
    known = np.unique(ring[seen])
    middle = np.asarray(median(logs[seen], ring[seen], known))
    smooth = gaussian_filter1d(
        np.interp(np.arange(ring.max() + 1), known, middle), RING_WIDTH * max(values.shape)
    )
    twin = np.expm1(np.interp(radius, np.arange(len(smooth)), smooth))
    return np.where(seen, twin, values).astype(np.float32)


def envelope_of(read: ReadShots, shot: int) -> Floats:
    """That of one of the shots read."""
    cy, cx = map(float, read.centre[shot])
    return envelope(read.squares[shot], read.good[shot], (cy, cx))


def occlude(reader: Reader, read: ReadShots, shot: int, kind: int) -> Floats:
    """(h, w), h = w = STEP: by how much the log-odds of a class fall where that part is covered.

    Mean over the windows that cover a part. Raises InputError where captum is not installed.
    """
    torch, package = _captum()
    steps = reader.about.preprocessing
    square = steps.to_input(read.squares[shot]).astype(np.float32)
    glow = steps.to_input(envelope_of(read, shot)).astype(np.float32)

    def forward(x: Any) -> Any:
        logits = reader.logits_from(reader.features(x[:, 0].numpy()))
        return torch.from_numpy(reader.answers.log_odds(logits))

    side, step = max(reader.size // WINDOW, 2), max(reader.size // STEP, 1)
    found = (
        package.Occlusion(forward)
        .attribute(
            torch.from_numpy(square)[None, None],
            sliding_window_shapes=(1, side, side),
            strides=(1, step, step),
            baselines=torch.from_numpy(glow)[None, None],
            target=kind,
            perturbations_per_eval=reader.engine.batch,
        )[0, 0]
        .numpy()
    )
    cells = reader.size // STEP
    kept = found[: cells * STEP, : cells * STEP].reshape(STEP, cells, STEP, cells)
    return np.asarray(kept.mean((1, 3)), np.float32)


def of_shot(
    table: ShotTable,
    run: Path,
    row: int,
    name: str,
    preparation: Preparation | None = None,
    seen: Halves | None = None,
) -> Floats:
    """(h, w) occlusion of a class on one shot of a table; the cells tile what the network saw.

    preparation: see `checkpoint.load`. seen: see `Reader.adapt`.
    """
    if not 0 <= row < len(table):
        raise InputError(f"there is no shot {row + 1}", mend=f"Give 1 to {len(table)}.")
    reader = Reader(run, preparation=preparation)
    kind = reader.index(name, table.taxonomy)
    read = reader.read(table, [row], named=True)
    reader.adapt(table, table.taxonomy, seen)
    return occlude(reader, read, 0, kind)


def _captum() -> tuple[Any, Any]:
    try:
        return importlib.import_module("torch"), importlib.import_module("captum.attr")
    except ImportError as error:
        raise InputError("occlusion needs captum", mend=install("captum")) from error
