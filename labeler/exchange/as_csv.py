"""Labels as a table of text: one line a shot, one column a class, for any spreadsheet.

Text that a spreadsheet would take for a formula gets an apostrophe in front, which reading takes
away again.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from labeler.exchange.columns import (
    HEAD,
    Table,
    class_column,
    kept_columns,
    sheet_of_table,
    who_decided,
)
from labeler.exchange.sheet import LabelSheet, refuse_many
from labeler.project.store import FLAGGED, SKIPPED
from model.errors import InputError
from model.output_files import written_whole

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
_DELIMITERS = ",;\t"
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
"""What a name in quotes holds parts no columns."""
_LONGEST_HEAD = 1 << 20


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(_DANGEROUS) else text


def original(text: str) -> str:
    """The inverse of `harmless`."""
    return text[1:] if text.startswith("'") else text


def write(sheet: LabelSheet, path: Path, delimiter: str = ",", wanted: Sequence[str] = ()) -> None:
    """One line a shot; class columns are 1, 0, or empty where no one decided on the class.

    wanted: only these columns, in this order.
    """
    files = [harmless(f) for f in sheet.files]
    datasets = [harmless(d) for d in sheet.datasets]
    sources = sheet.source_of.tolist()
    notes = [""] * len(sheet)
    for row, note in sheet.notes.items():
        notes[row] = harmless(note)
    cells = np.where(sheet.decided, sheet.labels.astype("U1"), "")
    who = who_decided(sheet)
    spelled = {name: harmless(name) for name in set(who)}
    words = {origin: harmless(origin) for origin in set(sheet.origins)}
    columns = [
        range(1, len(sheet) + 1),
        [files[s] for s in sources],
        [datasets[s] for s in sources],
        sheet.index_of.tolist(),
        [spelled[name] for name in who],
        ((sheet.status & FLAGGED) != 0).astype(int).tolist(),
        ((sheet.status & SKIPPED) != 0).astype(int).tolist(),
        notes,
        [words[origin] for origin in sheet.origins],
        *cells.T.tolist(),
    ]
    heads = [*HEAD, *(class_column(n) for n in sheet.class_names)]
    kept = kept_columns(heads, wanted)
    with path.open("w", newline="", encoding="utf-8-sig") as stream:
        lines = csv.writer(stream, delimiter=delimiter)
        lines.writerow([harmless(heads[c]) for c in kept])
        lines.writerows(zip(*(columns[c] for c in kept), strict=True))


def write_lines(path: Path, lines: Sequence[Mapping[str, object]]) -> None:
    """Any table, whole or not at all: a heading of the first line's names, NaN as empty."""
    with written_whole(path) as part, part.open("w", newline="", encoding="utf-8-sig") as stream:
        table = csv.writer(stream)
        table.writerow([harmless(name) for name in lines[0]])
        for line in lines:
            cells = ("" if value != value else value for value in line.values())
            table.writerow([harmless(c) if isinstance(c, str) else c for c in cells])


def read(path: Path) -> LabelSheet:
    """The sheet of a table that `write` made, perhaps edited, or of another table of labels.

    Commas, semicolons or tabs part its columns. InputError names the line that is wrong.
    """
    heads, body, numbers = _lines(path)
    for line, number in zip(body, numbers, strict=True):
        if len(line) != len(heads):
            what = f"has {len(line)} cells where the first line names {len(heads)}"
            mend = "Give every line all columns."
            raise InputError(what, file=path, place=f"line {number}", mend=mend)
    columns = [[original(cell) for cell in column] for column in zip(*body, strict=True)]
    columns = columns or [[] for _ in heads]
    table = Table(path, [original(h) for h in heads], columns, np.array(numbers, np.int64), "line")
    return sheet_of_table(table)


def _lines(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """The headings, the lines below that are not empty, and their numbers from 1."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            first = _QUOTED.sub("", stream.read(_LONGEST_HEAD)).splitlines()[:1]
            bare = first[0] if first else ""
            stream.seek(0)
            # not by csv.Sniffer, which guesses from the notes as well
            lines = csv.reader(stream, delimiter=max(_DELIMITERS, key=bare.count), strict=True)
            heads = next(lines, [])
            refuse_many(heads, "columns", path)
            body, numbers, begins = [], [], lines.line_num + 1
            for line in lines:
                if any(cell.strip() for cell in line):  # a spreadsheet leaves empty rows behind
                    body.append(line)
                    numbers.append(begins)
                begins = lines.line_num + 1
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        mend = "Save it again as CSV in UTF-8."
        raise InputError(f"cannot be read ({error})", file=path, mend=mend) from error
    if not any(heads):
        mend = f"An export begins: {','.join(HEAD)}."
        raise InputError("its first line does not name the columns", file=path, mend=mend)
    return heads, body, numbers
