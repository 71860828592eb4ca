"""Labels as tasks in the form of Label Studio: one task a shot, its classes as choices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from labeler.exchange.sheet import LabelSheet, sheet_from
from labeler.store import FLAGGED, LABELLED, SKIPPED
from model.errors import InputError
from model.taxonomy import Taxonomy


def write(sheet: LabelSheet, path: Path) -> None:
    """A list of tasks; undecided shots have no annotation, skipped ones a cancelled one."""
    tasks = [_task(sheet, row) for row in range(len(sheet))]
    path.write_text(json.dumps(tasks, ensure_ascii=False, indent=1), encoding="utf-8")


def _task(sheet: LabelSheet, row: int) -> dict[str, Any]:
    source, status = int(sheet.source_of[row]), int(sheet.status[row])
    imported = bool(sheet.imported[row])
    annotations = []
    if status & (LABELLED | SKIPPED):
        choices = {
            "from_name": "classes",
            "to_name": "shot",
            "type": "choices",
            "value": {"choices": sheet.names_of(row)},
        }
        annotations.append(
            {
                "completed_by": "file" if imported else sheet.annotator,
                "was_cancelled": bool(status & SKIPPED),
                "result": [choices] if status & LABELLED else [],
            }
        )
    index = int(sheet.index_of[row])
    return {
        "id": row + 1,
        "data": {"file": sheet.files[source], "dataset": sheet.datasets[source], "index": index},
        "annotations": annotations,
        "meta": {
            "flagged": bool(status & FLAGGED),
            "imported": imported,
            "note": sheet.notes.get(row, ""),
        },
    }


def read(path: Path, taxonomy: Taxonomy) -> LabelSheet:
    """The sheet of tasks that `write` made; InputError names the task that is wrong."""
    try:
        tasks = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        mend = "Export it again as JSON."
        raise InputError(f"cannot be read ({error})", file=path, mend=mend) from error
    if not isinstance(tasks, list):
        raise InputError("is no list of tasks", file=path, mend="Export it again as JSON.")
    status = np.zeros(len(tasks), np.uint8)
    imported = np.zeros(len(tasks), bool)
    chosen: list[list[str]] = []
    places, notes = [], {}
    for row, task in enumerate(tasks):
        try:
            data, meta = task["data"], task.get("meta", {})
            places.append((str(data["file"]), str(data.get("dataset", "")), int(data["index"])))
            status[row], choices = _answer(task)
            status[row] |= FLAGGED * bool(meta.get("flagged"))
            imported[row] = bool(meta.get("imported"))
            if meta.get("note"):
                notes[row] = str(meta["note"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            mend = "A task has data.file, data.index and annotations with choices."
            what = f"is no task of an export ({error!r})"
            raise InputError(what, file=path, place=f"task {row + 1}", mend=mend) from error
        chosen.append(choices)
    names = list(dict.fromkeys(name for choices in chosen for name in choices))
    column = {name: c for c, name in enumerate(names)}
    labels = np.zeros((len(tasks), len(names)), np.uint8)
    for row, choices in enumerate(chosen):
        labels[row, [column[name] for name in choices]] = 1
    return sheet_from(path, taxonomy, names, labels, status, places, imported, notes)


def _answer(task: dict[str, Any]) -> tuple[int, list[str]]:
    """Status and classes of the last annotation of a task."""
    if not task["annotations"]:
        return 0, []
    answer = task["annotations"][-1]
    status = SKIPPED if answer.get("was_cancelled") else 0
    choices: list[str] = []
    for result in answer["result"]:
        if result["type"] == "choices":
            status |= LABELLED
            choices += [str(name) for name in result["value"]["choices"]]
    return status, choices
