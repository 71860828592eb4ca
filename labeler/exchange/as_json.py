"""Labels as tasks in the form of Label Studio: one task a shot, its classes as choices.

What is written can be imported there under the labelling configuration `CONFIGURATION`; what is
exported there, as JSON or as JSON-MIN, can be read here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from labeler.exchange.columns import FROM_FILE
from labeler.exchange.sheet import LabelSheet, numbered
from labeler.project.store import FLAGGED, LABELLED, SKIPPED
from model.errors import InputError

CONFIGURATION = (
    '<View><Text name="shot" value="$title"/>'
    '<Choices name="classes" toName="shot" choice="multiple">{choices}</Choices></View>'
)
"""The labelling configuration in Label Studio; `choices` is one <Choice value="…"/> a class."""
_ANNOTATOR = "annotator"


def write(sheet: LabelSheet, path: Path) -> None:
    """A list of tasks; undecided shots have no annotation, skipped ones a cancelled one."""
    with path.open("w", encoding="utf-8") as out:
        for row in range(len(sheet)):
            out.write("[\n" if row == 0 else ",\n")
            out.write(json.dumps(_task(sheet, row), ensure_ascii=False))
        out.write("\n]\n" if len(sheet) else "[]\n")


def _task(sheet: LabelSheet, row: int) -> dict[str, Any]:
    source, status = int(sheet.source_of[row]), int(sheet.status[row])
    imported, index = bool(sheet.imported[row]), int(sheet.index_of[row])
    choices = {
        "id": f"shot{row + 1}",
        "from_name": "classes",
        "to_name": "shot",
        "type": "choices",
        "value": {"choices": sheet.names_of(row)},
    }
    # without `completed_by`: there it must be a user that the other program knows
    answer = {
        "was_cancelled": bool(status & SKIPPED),
        "result": [choices] if status & LABELLED else [],
    }
    return {
        "id": row + 1,
        "data": {
            "title": sheet.shot(row),
            "file": sheet.files[source],
            "dataset": sheet.datasets[source],
            "index": index,
        },
        "annotations": [answer] if status & (LABELLED | SKIPPED) else [],
        "meta": {
            "flagged": bool(status & FLAGGED),
            "imported": imported,
            "note": sheet.notes.get(row, ""),
            _ANNOTATOR: FROM_FILE if imported else sheet.annotator,
        },
    }


def read(path: Path) -> LabelSheet:
    """The sheet of tasks that `write` made or that Label Studio exported.

    Of several annotations the newest that was not cancelled counts. InputError names the task.
    """
    tasks = _tasks(path)
    status = np.zeros(len(tasks), np.uint8)
    imported = np.zeros(len(tasks), bool)
    chosen: list[list[str]] = []
    pairs, indices, notes = [], [], {}
    for row, task in enumerate(tasks):
        try:
            data, meta = task.get("data", task), task.get("meta") or {}
            pairs.append((str(data["file"]), str(data.get("dataset", ""))))
            indices.append(_whole(data["index"]))
            status[row], choices = _answer(task) if "annotations" in task else _short_answer(task)
            status[row] |= FLAGGED * bool(meta.get("flagged"))
            imported[row] = bool(meta.get("imported"))
            if meta.get("note"):
                notes[row] = str(meta["note"])
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            IndexError,
            OverflowError,
        ) as error:
            mend = "A task has data.file, data.index and annotations with choices."
            what = f"is no task of labelled shots ({error!r})"
            raise InputError(what, file=path, place=f"task {row + 1}", mend=mend) from error
        chosen.append(choices)
    names = list(dict.fromkeys(name for choices in chosen for name in choices))
    column = {name: c for c, name in enumerate(names)}
    labels = np.zeros((len(tasks), len(names)), np.uint8)
    for row, choices in enumerate(chosen):
        labels[row, [column[name] for name in choices]] = 1
    files, source_of = numbered(pairs)
    return LabelSheet(
        class_names=tuple(names),
        files=tuple(file for file, _ in files),
        datasets=tuple(dataset for _, dataset in files),
        source_of=np.array(source_of, np.int32),
        index_of=np.array(indices, np.int64),
        labels=labels,
        status=status,
        imported=imported,
        notes=notes,
        unit="task",
        listed=True,
    )


def _whole(value: Any) -> int:
    number = int(value)
    if abs(number) >= 2**63:
        raise ValueError(f"{value!r} is no index of a shot")
    return number


def _tasks(path: Path) -> list[Any]:
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        mend = "Export it again as JSON."
        raise InputError(f"cannot be read ({error})", file=path, mend=mend) from error
    if not isinstance(tasks, list):
        raise InputError("is no list of tasks", file=path, mend="Export it again as JSON.")
    return tasks


def _answer(task: dict[str, Any]) -> tuple[int, list[str]]:
    """Status and classes of the annotation that counts."""
    every = sorted(task["annotations"], key=lambda a: str(a.get("updated_at") or ""))
    given = [a for a in every if not a.get("was_cancelled")] or every
    if not given:
        return 0, []
    status = SKIPPED if given[-1].get("was_cancelled") else 0
    choices: list[str] = []
    for result in given[-1]["result"]:
        if result["type"] == "choices":
            status |= LABELLED
            choices += [str(name) for name in result["value"]["choices"]]
    return status, choices


def _short_answer(task: dict[str, Any]) -> tuple[int, list[str]]:
    """The same of a task of JSON-MIN: one choice as text, several as {"choices": [...]}."""
    found = task.get("classes", task.get("choices"))
    if found is None:
        raise KeyError("annotations")
    if isinstance(found, dict):
        found = found["choices"]
    names = [found] if isinstance(found, str) else found
    return LABELLED, [str(name) for name in names]
