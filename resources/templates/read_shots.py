"""Reads shots with model.onnx, by numpy and onnxruntime alone, as `airylabel predict` reads a file:

    python read_shots.py SHOTS.npy [MASK.npy]

SHOTS.npy holds the counts (n, y, x) of the shots of one detector, as they were recorded; MASK.npy
(y, x) or (n, y, x), not 0 where a pixel is good. Prints one JSON object a shot. Detectors differ in
pedestal, gain and bad pixels, which are told from the shots themselves: give all shots of a file
together. Of shots that are not square the middle is read: cut them about a beam that is elsewhere.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.lib.stride_tricks import sliding_window_view


def read(shots, masks=None):
    """Counts (n, y, x) and masks, as above, to probabilities (n, classes), labels (n, classes; 0 or
    1) and the names of the classes. Shots that have one number in all pixels have none (NaN)."""
    model = Path(__file__).with_name("model.onnx")
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["airylabel"])
    steps, channels = about["preprocessing"], session.get_inputs()[0].shape[1]
    learnt = steps.get("scale")  # None: counts go in as they are
    masks = np.broadcast_to(True if masks is None else np.asarray(masks) != 0, shots.shape)
    blank = [is_blank(shot[mask]) for shot, mask in zip(shots, masks, strict=True)]
    if learnt:
        sample = np.random.default_rng(0).permutation(len(shots))[:64]
        sample = [i for i in sample if not blank[i]]
        masks = masks & ~bad_in(np.where(masks[sample], shots[sample], 0))
        pedestal, level = scale_of([reduced(shots[i], masks[i], steps) for i in sample])
        gain = learnt["level"] / level if min(learnt["level"], level) > 0 else 1.0
    answers = []
    for shot, mask in zip(shots, masks, strict=True):
        counts, _ = reduced(shot, mask, steps)
        if learnt:
            counts = ((counts - pedestal) * gain + learnt["pedestal"]).clip(min=0)
        counts = np.nan_to_num(counts, posinf=np.inf)
        answers.append(session.run(None, {"counts": np.stack([counts] * channels)[None]}))
    probabilities, labels, _ = (np.concatenate(part) for part in zip(*answers, strict=True))
    probabilities[blank], labels[blank] = np.nan, 0
    return probabilities, labels, about["classes"]


def is_blank(good):
    """Whether the good pixels of a shot all hold one number that is not 0."""
    return bool(len(good) and good[0] and (good == good[0]).all())


def reduced(shot, mask, steps):
    """(size, size) counts of a shot's centred square, averages over the good pixels, and of how
    much of each pixel there is any. NaN where of none, if counts are brought to a scale."""
    scaled, size, first, crop = (steps.get(k) for k in ("scale", "size", "first", "crop"))
    values = np.asarray(shot, np.float32)
    weight = (mask & np.isfinite(values)).astype(np.float32)
    values = np.where(weight > 0, values, 0)
    if not scaled:
        values = values.clip(min=0)
    side = min(*shot.shape, crop) if crop and not first else min(shot.shape)
    values, weight = (middle(part, side) for part in (values, weight))
    if first and crop:
        values, weight = (middle(part, crop) for part in resized(values, weight, first))
    values, weight = resized(values, weight, size)
    return np.where(weight > 1e-6, values, np.nan if scaled else 0).astype(np.float32), weight


def middle(square, side):
    """The centred square of at most this side."""
    cut = []
    for n in square.shape:
        start = max(0, (n - side) // 2)
        cut.append(slice(start, start + side))
    return square[tuple(cut)]


def resized(values, weight, side):
    """Averages over pixel areas where a square shrinks, linear interpolation where it grows."""
    before = len(values)
    if side <= before:
        edge, pixel = np.arange(side + 1) * (before / side), np.arange(before)
        overlap = np.minimum(edge[1:, None], pixel + 1) - np.maximum(edge[:-1, None], pixel)
        matrix = overlap.clip(min=0)
        matrix /= matrix.sum(1, keepdims=True)
    else:
        place = ((np.arange(side) + 0.5) * (before / side) - 0.5).clip(0, before - 1)
        matrix = (1 - abs(place[:, None] - np.arange(before))).clip(min=0)
    matrix = matrix.astype(np.float32)
    share, total = (matrix @ part @ matrix.T for part in (weight, values * weight))
    return np.divide(total, share, out=np.zeros_like(total), where=share > 1e-6), share


def scale_of(sample):
    """(pedestal, level) of what `reduced` made of a sample of shots: the median over the shots of
    the twentieth part darkest, and of the mean above it of the brighter of the shots with signal.
    """
    if not sample:
        return 0.0, 0.0
    squares = np.array([counts for counts, _ in sample])
    alive = ~bad_in(squares) & ((np.ptp(np.nan_to_num(squares), 0) > 0) | (len(sample) < 16))
    alive = alive if alive.mean() > 0.1 else np.ones_like(alive)
    looks = []
    for counts, weight in sample:
        values = counts[(weight > 0.5) & alive].astype(float)
        if len(values):
            pedestal, half = np.quantile(values, (0.05, 0.5))
            looks.append((pedestal, values.mean() - pedestal, values[values <= half].std()))
    if not looks:
        return 0.0, 0.0
    pedestal, level, dark = np.array(looks, float).T
    lit = level[level > 5 * dark]
    if not len(lit):
        return float(np.median(pedestal)), 0.0
    low, high = np.quantile(lit, (0.05, 0.95))
    return float(np.median(pedestal)), float(np.median(lit[lit >= np.sqrt(low * high)]))


def bad_in(sample):
    """(y, x) True where a sample (n, y, x) of 16 shots or more shows a pixel to be hot or dead."""
    sample = np.nan_to_num(np.asarray(sample, np.float32), posinf=0, neginf=0)
    if len(sample) < 16:
        return np.zeros(sample.shape[1:], bool)
    mean, deviation = (f(sample, 0, dtype=float).astype(np.float32) for f in (np.mean, np.std))
    beside = np.stack([np.median(row, (-2, -1)) for row in around(mean, 5)])
    excess, n = mean - beside, len(sample)
    much = 8 * np.maximum(1.4826 * noise_in(abs(excess)), 1e-6 + 1e-3 * abs(beside))
    much = np.maximum(much, 4 * deviation / n**0.5)
    third = np.stack([np.sort(row.reshape(-1, 9), -1)[:, -3] for row in around(mean, 3)])
    bad = (excess > much) & (mean - third > much / 2)
    for y, x in np.argwhere(np.ptp(sample, 0) == 0):
        near = np.median(around(deviation, 5)[y, x])
        bad[y, x] |= near > 0 and n * excess[y, x] ** 2 > (5 * near) ** 2
    return bad


def noise_in(excess):
    """(y, x) the median of 11 × 11 pixels around each, told at every fourth row and column."""
    height, width = excess.shape
    padded = np.pad(excess, [(5, 8 + (-n) % 4) for n in excess.shape], "edge")[2:, 2:]
    windows = sliding_window_view(padded, (11, 11))[::4, ::4]
    medians = np.median(windows.reshape(*windows.shape[:2], -1), -1)
    return medians.repeat(4, 0).repeat(4, 1)[:height, :width]


def around(square, side):
    """(y, x, side, side) each pixel and its neighbours."""
    return sliding_window_view(np.pad(square, side // 2, "edge"), (side, side))


if __name__ == "__main__":
    probabilities, labels, classes = read(*(np.load(path) for path in sys.argv[1:3]))
    for chances, said in zip(probabilities, labels, strict=True):
        of_each = {name: round(float(p), 4) for name, p in zip(classes, chances, strict=True)}
        has = [name for name, yes in zip(classes, said, strict=True) if yes]
        print(json.dumps({"labels": has, "probabilities": of_each}))
