"""Labels as tasks in the form of Label Studio: one task a shot, its classes as choices.

What is written can be imported there under the labelling configuration `CONFIGURATION`; what is
exported there, as JSON or as JSON-MIN, can be read here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labeler.exchange.columns import flat
from labeler.exchange.sheet import LabelSheet, numbered, refuse_many
from labeler.project.people import FROM_FILE, ME
from labeler.project.store import FLAGGED, LABELLED, SKIPPED
from model.errors import InputError

CONFIGURATION = (
    '<View><Text name="shot" value="$title"/>'
    '<Choices name="classes" toName="shot" choice="multiple">{choices}</Choices></View>'
)
"""The labelling configuration in Label Studio; `choices` is one <Choice value="…"/> a class."""
_ANNOTATOR, _UNDECIDED = "annotator", "undecided"


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
    silent = []
    if sheet.known is not None and status & LABELLED:
        silent = [sheet.class_names[c] for c in np.flatnonzero(~sheet.known[row])]
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
            "origin": sheet.origins[row],
            **({_UNDECIDED: silent} if silent else {}),
        },
    }


def read(path: Path) -> LabelSheet:
    """The sheet of tasks that `write` made or that Label Studio exported, or of lines of them.

    Of several annotations by one person the newest that was not cancelled counts; each person
    makes a row. InputError names the task.
    """
    rows: list[_Row] = []
    for number, task in enumerate(_tasks(path), 1):
        try:
            rows += _rows(task, number)
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            IndexError,
            OverflowError,
            RecursionError,
        ) as error:
            mend = "A task has data.file, data.index and annotations with choices."
            what = f"is no task of labelled shots ({type(error).__name__}: {str(error)[:80]})"
            raise InputError(what, file=path, place=f"task {number}", mend=mend) from error
    names = list(dict.fromkeys(name for row in rows for name in (*row.choices, *row.silent)))
    refuse_many(names, "classes", path)
    column = {name: c for c, name in enumerate(names)}
    labels = np.zeros((len(rows), len(names)), np.uint8)
    known = np.ones(labels.shape, bool)
    for k, row in enumerate(rows):
        labels[k, [column[name] for name in row.choices]] = 1
        known[k, [column[name] for name in row.silent]] = False
    files, source_of = numbered([(row.file, row.dataset) for row in rows])
    return LabelSheet(
        class_names=tuple(names),
        files=tuple(file for file, _ in files),
        datasets=tuple(dataset for _, dataset in files),
        source_of=np.array(source_of, np.int32),
        index_of=np.array([row.index for row in rows], np.int64),
        labels=labels,
        status=np.array([row.status for row in rows], np.uint8),
        imported=np.array([row.imported for row in rows], bool),
        notes={k: row.note for k, row in enumerate(rows) if row.note},
        unit="task",
        numbers=np.array([row.number for row in rows], np.int64),
        by=tuple(row.by for row in rows),
        known=None if known.all() else known,
        listed=True,
    )


@dataclass(frozen=True)
class _Row:
    """What one person decided of one task."""

    number: int
    file: str
    dataset: str
    index: int
    status: int
    imported: bool
    note: str
    by: str
    choices: list[str]
    silent: list[str]
    """Classes that are undecided, as far as `write` said so."""


def _rows(task: dict[str, Any], number: int) -> list[_Row]:
    data, meta = task.get("data", task), task.get("meta") or {}
    place = (str(data["file"]), str(data.get("dataset", "")), _whole(data["index"]))
    short = "annotations" not in task
    answers = {_person(task): _short_answer(task)} if short else _answers(task["annotations"])
    imported, who = bool(meta.get("imported")), meta.get(_ANNOTATOR)
    flag, note = FLAGGED * bool(meta.get("flagged")), str(meta.get("note") or "")
    found = []
    for by, (status, choices) in answers.items():
        name = by or ("" if imported or not who else str(who))
        name = "" if name in (FROM_FILE, ME) else name
        silent = [name for name in flat(meta.get(_UNDECIDED) or []) if name not in choices]
        found.append(_Row(number, *place, status | flag, imported, note, name, choices, silent))
    return found


def _whole(value: Any) -> int:
    number = int(value)
    if abs(number) >= 2**63:
        raise ValueError(f"{value!r} is no index of a shot")
    return number


def _tasks(path: Path) -> list[Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        try:
            tasks = json.loads(text)
        except json.JSONDecodeError:
            tasks = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (OSError, ValueError, RecursionError) as error:
        mend = "Export it again as JSON."
        raise InputError(f"cannot be read ({error})", file=path, mend=mend) from error
    if isinstance(tasks, dict) and "data" in tasks:
        tasks = [tasks]
    if not isinstance(tasks, list):
        raise InputError("is no list of tasks", file=path, mend="Export it again as JSON.")
    return tasks


def _person(annotation: dict[str, Any]) -> str:
    """Who made it: an e-mail or name, else the number of a user."""
    found = annotation.get("completed_by", annotation.get("annotator"))
    if isinstance(found, dict):
        found = found.get("email") or found.get("username") or found.get("id")
    return "" if found is None else str(found)


def _answers(annotations: list[dict[str, Any]]) -> dict[str, tuple[int, list[str]]]:
    """By person: status and classes of the annotation that counts; one empty one without any."""
    people: dict[str, list[dict[str, Any]]] = {}
    for annotation in annotations:
        people.setdefault(_person(annotation), []).append(annotation)
    return {who: _answer(every) for who, every in people.items()} or {"": (0, [])}


def _answer(annotations: list[dict[str, Any]]) -> tuple[int, list[str]]:
    every = sorted(annotations, key=lambda a: str(a.get("updated_at") or ""))
    given = [a for a in every if not a.get("was_cancelled")] or every
    status = SKIPPED if given[-1].get("was_cancelled") else 0
    choices: list[str] = []
    for result in given[-1]["result"]:
        if result["type"] in ("choices", "taxonomy"):
            status |= LABELLED
            choices += flat(result["value"][result["type"]])
    return status, list(dict.fromkeys(choices))


def _short_answer(task: dict[str, Any]) -> tuple[int, list[str]]:
    """The same of a task of JSON-MIN: one choice as text, several as {"choices": [...]}."""
    found = task.get("classes", task.get("choices"))
    if found is None:
        raise KeyError("annotations")
    if isinstance(found, dict):
        found = found["choices"]
    return LABELLED, flat(found)
