"""Reads shots with model.onnx, by numpy and onnxruntime alone, as `airylabel predict` reads a file:

    python read_shots.py SHOTS.npy [MASK.npy]

SHOTS.npy holds the counts (n, y, x) of the shots of one detector, as they were recorded; MASK.npy
(y, x) or (n, y, x), not 0 where a pixel is good. Prints one JSON object a shot. Detectors differ in
pedestal and gain, which are told from the shots themselves: give all shots of a file together.
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
    if learnt:
        sample = np.random.default_rng(0).permutation(len(shots))[:64]
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
    for n, good in enumerate(shot[mask] for shot, mask in zip(shots, masks, strict=True)):
        if len(good) and good[0] and (good == good[0]).all():
            probabilities[n], labels[n] = np.nan, 0
    return probabilities, labels, about["classes"]


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
    alive = alive_in(np.nan_to_num([counts for counts, _ in sample], posinf=0, neginf=0))
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


def alive_in(sample):
    """(size, size) True but for pixels that are hot or the same in all shots of a sample of 16 or
    more."""
    mean = sample.mean(0, dtype=float).astype(np.float32)
    if len(sample) < 16:
        return np.ones(mean.shape, bool)
    beside = np.median(around(mean, 5), -1)
    excess = mean - beside
    noise = np.median(around(abs(excess), 11), -1) * 1.4826
    much = 8 * np.maximum(noise, 1e-6 + 1e-3 * abs(beside))
    hot = (excess > much) & (mean - np.sort(around(mean, 3), -1)[..., -3] > much / 2)
    alive = ~hot & (np.ptp(sample, 0) > 0)
    return alive if alive.mean() > 0.1 else np.ones(mean.shape, bool)


def around(square, side):
    """(y, x, side²) each pixel and its neighbours."""
    padded = np.pad(square, side // 2, "edge")
    return sliding_window_view(padded, (side, side)).reshape(*square.shape, -1)


if __name__ == "__main__":
    probabilities, labels, classes = read(*(np.load(path) for path in sys.argv[1:3]))
    for chances, said in zip(probabilities, labels, strict=True):
        of_each = {name: round(float(p), 4) for name, p in zip(classes, chances, strict=True)}
        has = [name for name, yes in zip(classes, said, strict=True) if yes]
        print(json.dumps({"labels": has, "probabilities": of_each}))
