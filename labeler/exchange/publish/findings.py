"""What a project found, ready to be handed over: by the run in use, or by the labels where none is.

Every number says where it comes from: labels, run, files of shots by fingerprint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labeler import version
from labeler.exchange.sheet import LabelSheet, sheet_of
from labeler.project.project import Project
from labeler.quality.side_by_side import Side, hits_of, side_by_side
from labeler.runs.predictions import RunPredictions, predictions_of
from model.errors import InputError, counted
from model.physics.profiles import droplet_radius, radial_profile
from model.runs.folder import RECIPE, WEIGHTS
from model.taxonomy.taxonomy import Labels, Taxonomy


@dataclass(frozen=True)
class Findings:
    """Of N shots: `labels` (N, C) of those `judged` (N,), and who judged them, in words (`by`)."""

    name: str
    taxonomy: Taxonomy
    sheet: LabelSheet
    labels: Labels
    judged: npt.NDArray[np.bool_]
    radius_nm: npt.NDArray[np.float64]
    known: npt.NDArray[np.bool_] | None
    """(N, C) which classes they are judged on; None: on all."""
    by: str
    predictions: RunPredictions | None
    sides: list[Side]
    whole: Side
    provenance: dict[str, Any]


def findings(
    project: Project,
    annotator: int | None = None,
    *,
    by_labels: bool = False,
    sizes: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Findings:
    """Everything that a project can hand over; InputError where nothing is judged yet.

    by_labels: count what people said instead of what the run in use says. sizes: measure the radius
    of this many hits of each file, drawn at random; `on_progress` is called with done and total.
    """
    sheet = sheet_of(project, annotator)
    predictions, wrong = predictions_of(project)
    if wrong and not by_labels:
        raise InputError(wrong, mend="Mend that, or count labels instead (--labels).")
    if predictions is None or by_labels:
        labels, judged = sheet.labels.astype(bool), sheet.labelled
        by = f"labels of {sheet.annotator} and of the files"
    else:
        labels, judged = np.asarray(predictions.decided, bool), predictions.readable
        by = f"{predictions.name}, recipe {predictions.recipe or 'not known'}"
    if not judged.any():
        mend = "Label some shots, or train a network first."
        raise InputError("nothing is judged yet", file=project.folder, mend=mend)
    known = sheet.known if predictions is None or by_labels else None
    names = [Path(file).name for file in sheet.files]
    names = [n if names.count(n) == 1 else f for n, f in zip(names, sheet.files, strict=True)]
    radius_nm = np.full(len(sheet), np.nan)
    if sizes:
        radius_nm = _radii(project, hits_of(labels, project.taxonomy) & judged, sizes, on_progress)
    seen = (labels, judged, project.taxonomy, radius_nm, known)
    everything = np.zeros(len(sheet), np.int32)
    return Findings(
        name=project.name,
        taxonomy=project.taxonomy,
        sheet=sheet,
        labels=labels,
        judged=judged,
        radius_nm=radius_nm,
        known=known,
        by=by,
        predictions=predictions,
        sides=side_by_side(names, sheet.source_of, *seen),
        whole=side_by_side(["all"], everything, *seen)[0],
        provenance=_provenance(project, sheet, by),
    )


def _provenance(project: Project, sheet: LabelSheet, by: str) -> dict[str, Any]:
    state = np.column_stack([sheet.labels, sheet.status])
    number = project.current_run
    return {
        "program": f"airylabel {version()}",
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "project": project.name,
        "judged_by": by,
        "annotator": sheet.annotator,
        "labels_sha256": hashlib.sha256(np.ascontiguousarray(state).tobytes()).hexdigest(),
        "labelled": int(sheet.labelled.sum()),
        "classes": list(sheet.class_names),
        "rules": [f"{rule.text} ({rule.severity})" for rule in project.taxonomy.rules],
        "sources": [
            {"file": file, "dataset": dataset, "shots": info.n_shots, "fingerprint": mark}
            for file, dataset, info, mark in zip(
                sheet.files, sheet.datasets, sheet.sources, sheet.fingerprints, strict=True
            )
        ],
        "run": None if number is None else _run(project.run_folder(number), number),
    }


def _run(folder: Path, number: int) -> dict[str, Any]:
    def digest(name: str) -> str | None:
        path = folder / name
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None

    recipe = folder / RECIPE
    return {
        "number": number,
        "recipe": recipe.read_text(encoding="utf-8") if recipe.is_file() else None,
        "weights_sha256": digest(WEIGHTS),
    }


def table_size(found: Findings) -> str:
    """'120 shots, 30 columns'."""
    return f"{counted(len(found.sheet), 'shot')}, {counted(len(table_of(found)), 'column')}"


def table_of(found: Findings) -> dict[str, npt.NDArray[Any]]:
    """The table of shots: column -> (N,): place, what was decided, what the run says of each."""
    sheet = found.sheet
    files = np.array(sheet.files, object)[sheet.source_of]
    table: dict[str, npt.NDArray[Any]] = {
        "shot": np.arange(1, len(sheet) + 1),
        "file": files,
        "index": sheet.index_of.astype(np.int64),
        "labelled": sheet.labelled,
        "judged": found.judged,
    }
    for c, name in enumerate(sheet.class_names):
        decided = sheet.decided[:, c]
        table[f"label {name}"] = np.where(decided, sheet.labels[:, c], -1).astype(np.int8)
        judged = (found.labels[:, c] & found.judged).astype(np.int8)
        silent = np.zeros(len(sheet), bool) if found.known is None else ~found.known[:, c]
        table[f"judged {name}"] = np.where(silent & found.judged, np.int8(-1), judged)
        if found.predictions is not None:
            said = found.predictions.readable & found.predictions.known[c]
            probability = found.predictions.probabilities[:, c]
            table[f"probability {name}"] = np.where(said, probability, np.float32("nan"))
    table["radius_nm"] = found.radius_nm
    return table


def _radii(
    project: Project,
    hits: npt.NDArray[np.bool_],
    most: int,
    on_progress: Callable[[int, int], None] | None,
    seed: int = 0,
) -> npt.NDArray[np.float64]:
    """(N,) radius in nm by the rings of at most `most` of the hits (N,) of each file, else NaN.

    A shot without clear rings, or that cannot be read, has none.
    """
    table, random = project.shot_table(), np.random.default_rng(seed)
    places = np.flatnonzero(hits)
    chosen: list[npt.NDArray[np.int64]] = []
    for s in range(len(table.sources)):
        mine = places[table.source_of[places] == s]
        chosen.append(random.choice(mine, min(most, len(mine)), replace=False))
    rows = np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)
    radius = np.full(len(table), np.nan)
    for done, (row, counts, mask) in enumerate(table.iter_shots(rows, lambda *_: None)):
        geometry = table.geometry(row)
        fit = droplet_radius(radial_profile(counts, mask, geometry.centre), geometry)
        radius[row] = np.nan if fit is None else fit * 1e9
        if on_progress is not None:
            on_progress(done + 1, len(rows))
    return radius


def as_json(value: Any) -> str:
    """Plain JSON, indented; NaN becomes null."""

    def plain(item: Any) -> Any:
        if isinstance(item, dict):
            return {str(k): plain(v) for k, v in item.items()}
        if isinstance(item, list | tuple):
            return [plain(v) for v in item]
        return None if isinstance(item, float) and not np.isfinite(item) else item

    return json.dumps(plain(value), indent=1, ensure_ascii=False)
