"""`bench ridges`: does heat of Streak and Bent lie near the ridge, on shots that no one here made?

The simulator knows where the ridge of its own shots lies (`model.inspection.truth_cases`); of
other shots it is taken from the picture, which knows no network: the line through the beam on which
most light lies above the median of its ring.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.heatmaps.forms import HEAT_FORMS
from model.inspection.heat import Explainer
from model.inspection.perturbed_shots import Reader
from model.inspection.truth import controls, score
from model.inspection.truth_cases import CAUSES, NEAR, Case
from model.metrics.bootstrap import interval_of_mean
from model.shots.table import ShotTable
from model.taxonomy.same_classes import place_among

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
RIDGES = tuple(name for name, cause in CAUSES.items() if "axis" in cause.questions)
LEAST = 0.1
"""Shots of which the network says less than this of the class are left out."""
INNER, WIDE = 0.08, 10
"""The middle of a shot, as a share of its side, where all lines meet; half the width of a line in
degrees."""


def axis_of(excess: Floats, good: Flags, centre: tuple[float, float]) -> float:
    """Degrees, in [0, 180), of the line through centre (y, x) on which light above the median of
    its ring (y, x) is strongest, as mean of the good pixels within WIDE degrees."""
    y, x = np.indices(excess.shape)
    away = np.hypot(y - centre[0], x - centre[1]) > INNER * len(excess)
    seen = good & away
    angle = np.degrees(np.arctan2(y - centre[0], x - centre[1]))[seen] % 180
    place = angle.astype(int) % 180
    light = np.bincount(place, excess[seen], minlength=180)
    count = np.bincount(place, minlength=180)
    near = np.arange(-WIDE, WIDE)
    around = (np.arange(180)[:, None] + near) % 180
    mean = light[around].sum(1) / np.maximum(count[around].sum(1), 1)
    return float(mean.argmax())


def near_axis(shape: tuple[int, ...], centre: tuple[float, float], axis: float) -> Flags:
    """(y, x) True within `NEAR` degrees of the line through the centre at `axis` degrees."""
    y, x = np.indices(shape)
    angle = np.degrees(np.arctan2(y - centre[0], x - centre[1]))
    return np.asarray(np.abs((angle - axis + 90) % 180 - 90) <= NEAR)


def measure(table: ShotTable, run: Path, seed: int = 0) -> dict[str, Any]:
    """Score every form of heat of a run, and what knows no network, on the shots of a table that
    are labelled Streak or Bent and of which the run says p > LEAST.

    classes: name -> `shots`, and `scores`: form or control -> `mean`, `low`, `high` (95 %) of the
    share of heat within NEAR degrees of the axis over that of the area; table: the same as
    Markdown. Raises InputError where there are no such shots.
    """
    reader = Reader(run)
    reader.adapt(table, table.taxonomy)
    explainer, found = Explainer(reader), dict[str, Any]()
    known = (table.taxonomy, reader.about.taxonomy)
    for name in RIDGES:
        label, kind = (place_among(n, name, *known) for n in (table.class_names, reader.names))
        if label < 0 or kind < 0:
            continue
        rows = np.flatnonzero(table.decided[:, label] & (table.labels[:, label] > 0))
        if not len(rows):
            continue
        read, target = reader.read(table, rows), explainer.targets([reader.names[kind]])
        scores: dict[str, list[float]] = {}
        for shot in map(int, np.flatnonzero(read.probabilities[:, kind] > LEAST)):
            good, nowhere = read.good[shot], np.zeros_like(read.good[shot])
            centre = (float(read.centre[shot][0]), float(read.centre[shot][1]))
            light = controls(read, shot, nowhere)
            where = near_axis(good.shape, centre, axis_of(light["excess"], good, centre)) & good
            case = Case(name, "axis", np.zeros(good.shape, np.uint16), good, where)
            heats = {
                form: heat[0]
                for form, heat in explainer.on_square(read, shot, target, [*HEAT_FORMS]).items()
            }
            for form, heat in (heats | {c: light[c] for c in ("brightness", "excess")}).items():
                scores.setdefault(form, []).append(score(heat, case))
        if scores:
            found[name] = _summary(scores, seed)
    if not found:
        what = "the network takes no shot that is labelled Streak or Bent for it"
        raise InputError(what, mend="Name a file with labels of these classes.")
    return {"classes": found, "table": _as_markdown(found)}


def _summary(scores: dict[str, list[float]], seed: int) -> dict[str, Any]:
    rows = {}
    for form, values in scores.items():
        low, high = interval_of_mean(values, seed)
        rows[form] = {"mean": float(np.mean(values)), "low": low, "high": high}
    return {"shots": len(next(iter(scores.values()))), "scores": rows}


def _as_markdown(found: dict[str, Any]) -> str:
    forms = next(iter(found.values()))["scores"]
    lines = [f"| | shots | {' | '.join(forms)} |", "|---" * (len(forms) + 2) + "|"]
    for name, about in found.items():
        cells = (f"{s['mean']:.2f} ({s['low']:.2f} … {s['high']:.2f})" for s in
                 about["scores"].values())  # fmt: skip
        lines.append(f"| {name} | {about['shots']} | {' | '.join(cells)} |")
    return "\n".join(lines)
