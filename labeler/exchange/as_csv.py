"""Labels as a table of text: one line a shot, one column a class, for any spreadsheet.

Text that a spreadsheet would take for a formula gets an apostrophe in front, which reading takes
away again.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from labeler.exchange.sheet import LabelSheet, sheet_from
from labeler.store import FLAGGED, LABELLED, SKIPPED
from model.errors import InputError
from model.taxonomy import Taxonomy

HEAD = ("shot", "file", "dataset", "index", "labelled_by", "flagged", "skipped", "note")
"""Columns before those of the classes."""
FROM_FILE = "file"
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(_DANGEROUS) else text


def original(text: str) -> str:
    """The inverse of `harmless`."""
    return text[1:] if text.startswith("'") else text


def write(sheet: LabelSheet, path: Path) -> None:
    """One line a shot; class columns are 1, 0, or empty where nobody decided."""
    with path.open("w", newline="", encoding="utf-8-sig") as stream:
        lines = csv.writer(stream)
        lines.writerow([*HEAD, *(harmless(n) for n in sheet.class_names)])
        undecided = [""] * len(sheet.class_names)
        who = harmless("me" if sheet.annotator == FROM_FILE else sheet.annotator)
        for row in range(len(sheet)):
            source, status = int(sheet.source_of[row]), int(sheet.status[row])
            decided = bool(status & LABELLED)
            by = FROM_FILE if sheet.imported[row] else who
            lines.writerow(
                [
                    row + 1,
                    harmless(sheet.files[source]),
                    harmless(sheet.datasets[source]),
                    int(sheet.index_of[row]),
                    by if decided else "",
                    int(bool(status & FLAGGED)),
                    int(bool(status & SKIPPED)),
                    harmless(sheet.notes.get(row, "")),
                    *(sheet.labels[row].tolist() if decided else undecided),
                ]
            )


def read(path: Path, taxonomy: Taxonomy) -> LabelSheet:
    """The sheet of a file that `write` made, perhaps edited; InputError names the line."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = list(csv.reader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        mend = "Export it again as CSV in UTF-8."
        raise InputError(f"cannot be read ({error})", file=path, mend=mend) from error
    if not lines or tuple(lines[0][: len(HEAD)]) != HEAD:
        what = "its first line does not name the columns of an export"
        raise InputError(what, file=path, mend=f"It begins: {','.join(HEAD)}.")
    names = [original(n) for n in lines[0][len(HEAD) :]]
    body = [line for line in lines[1:] if line]
    labels = np.zeros((len(body), len(names)), np.uint8)
    status = np.zeros(len(body), np.uint8)
    imported = np.zeros(len(body), bool)
    places, notes = [], {}
    for row, line in enumerate(body):
        try:
            head, values = line[: len(HEAD)], line[len(HEAD) :]
            _, file, dataset, index, by, flagged, skipped, note = head
            if by:
                labels[row] = _decided(values, len(names))
            status[row] = bool(by) * LABELLED | int(flagged) * FLAGGED | int(skipped) * SKIPPED
            places.append((original(file), original(dataset), int(index)))
        except ValueError as error:
            mend = "Every line has all columns; a class is 1 or 0."
            place = f"line {row + 2}"
            raise InputError(str(error), file=path, place=place, mend=mend) from error
        imported[row] = by == FROM_FILE
        if note:
            notes[row] = original(note)
    return sheet_from(path, taxonomy, names, labels, status, places, imported, notes)


def _decided(values: list[str], n: int) -> list[int]:
    if len(values) != n or not set(values) <= {"0", "1"}:
        raise ValueError(f"has no 0 or 1 for each of the {n} classes")
    return [int(v) for v in values]
