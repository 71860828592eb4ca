"""Labels as a table with one row a shot: what its columns mean, for CSV and Parquet alike.

Our own tables are read back exactly. Others are understood by the names of their columns: which
file, which shot in it, a column of 0 and 1 for each class, or one column that lists the classes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labeler.exchange.sheet import WHOLE_PROJECT, LabelSheet, numbered, refuse_many
from labeler.project.people import FROM_FILE, ME
from labeler.project.store import FLAGGED, LABELLED, SKIPPED
from model.errors import InputError
from model.taxonomy.taxonomy import plain

EARLIER = ("shot", "file", "dataset", "index", "labelled_by", "flagged", "skipped", "note")
"""Columns before those of the classes, before there was `origin`."""
ORIGIN = "origin"
HEAD = (*EARLIER, ORIGIN)
"""Columns before those of the classes; `origin` is not read back."""
CLASS = "class:"
"""Before the name of a class that would be taken for another column."""
SEPARATORS = ";|,"
"""Between the names in a column that lists the classes of a shot."""
_MEANINGS = {
    "shot": ("shot", "number"),
    "file": ("file", "source", "filename", "path"),
    "dataset": ("dataset",),
    "index": ("index",),
    "name": ("name", "shotname", "entry"),
    "by": ("labelledby", "annotator", "completedby", "annotatedby"),
    "flagged": ("flagged",),
    "skipped": ("skipped",),
    "note": ("note",),
    "classes": ("classes", "labels"),
}
_MEANING = {name: meaning for meaning, names in _MEANINGS.items() for name in names}
_YES = {
    "1",
    "1.0",
    "1,0",
    "true",
    "t",
    "yes",
    "y",
    "x",
    "wahr",
    "ja",
    "vrai",
    "oui",
    "verdadero",
    "vero",
}
_NO = {"0", "0.0", "0,0", "false", "f", "no", "n", "falsch", "nein", "faux", "non", "falso"}
_WHOLE = re.compile(r"([+-]?[0-9]+)(?:[.,]0)?")
_NOTHING = {"", "na", "n/a", "nan", "<na>", "null", "none", "-"}
"""What pandas, R and spreadsheets write where there is nothing."""

Column = Sequence[str]


def class_column(name: str) -> str:
    """The heading of a class's column."""
    taken = plain(name) in {*_MEANING, ORIGIN} or name.startswith(CLASS) or not plain(name)
    return CLASS + name if taken else name


def kept_columns(heads: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Places of the wanted columns among `heads`, in the order wanted; all where none is named.

    InputError for a name that is no column, or is there twice.
    """
    if not wanted:
        return list(range(len(heads)))
    number = {plain(head.removeprefix(CLASS)): n for n, head in enumerate(heads)}
    number |= {head: n for n, head in enumerate(heads)}
    found = [number.get(name, number.get(plain(name))) for name in wanted]
    for name, place in zip(wanted, found, strict=True):
        if place is None:
            raise InputError(f"there is no column {name!r}", mend=f"There are: {', '.join(heads)}.")
        if found.count(place) > 1:
            raise InputError(f"the column {name!r} is named twice", mend="Name every column once.")
    return [place for place in found if place is not None]


def who_decided(sheet: LabelSheet) -> list[str]:
    """(N,) the annotator, "file" for labels that came with the shots, '' where no one did."""
    me = ME if sheet.annotator in (FROM_FILE, "") else sheet.annotator
    names = np.where(sheet.imported, FROM_FILE, me)
    return [str(name) for name in np.where(sheet.labelled, names, "").tolist()]


class Table:
    """Columns of text by heading, and where each row stands in its file."""

    def __init__(
        self,
        path: Path,
        heads: Sequence[str],
        columns: Sequence[Column],
        numbers: npt.NDArray[np.int64],
        unit: str,
    ) -> None:
        refuse_many(heads, "columns", path)
        self.path, self.heads, self.columns = path, list(heads), list(columns)
        self.numbers, self.unit = numbers, unit
        self.known: dict[str, Column] = {}
        self.others: dict[str, Column] = {}
        for place, (head, column) in enumerate(zip(heads, columns, strict=True)):
            ours = head == ORIGIN and tuple(heads[: place + 1]) == HEAD
            if ours and not {"0", "1"} & set(column):  # else a class of an earlier export
                continue
            if not head.strip() and not any(cell.strip() for cell in column):
                continue  # a spreadsheet's empty column
            meaning = None if head.startswith(CLASS) else _MEANING.get(plain(head))
            if meaning is None or meaning in self.known:
                self._add(head.removeprefix(CLASS), column)
            else:
                self.known[meaning] = column

    def _add(self, name: str, column: Column) -> None:
        if name in self.others:
            what = f"has two columns called {name!r}"
            raise InputError(what, file=self.path, mend="Name every column once.")
        self.others[name] = column

    def __len__(self) -> int:
        return len(self.numbers)

    def wrong(self, row: int, what: str, mend: str) -> InputError:
        """What is wrong in a row, with its place."""
        return InputError(what, file=self.path, place=f"{self.unit} {self.numbers[row]}", mend=mend)

    def text(self, meaning: str) -> Column:
        """A known column, '' in every row where there is none."""
        return self.known.get(meaning) or [""] * len(self)

    def whole_numbers(self, meaning: str) -> npt.NDArray[np.int64]:
        """A known column as whole numbers; InputError names the row that has none."""
        column = self.known[meaning]
        try:
            return np.array([_whole(v) for v in column], np.int64).reshape(-1)
        except (ValueError, OverflowError):
            row = next(r for r, v in enumerate(column) if not _is_whole(v))
        what = f"has {column[row]!r} where the {meaning} of a shot should be"
        raise self.wrong(row, what, "Write a whole number there.")

    def switch(self, name: str, column: Column) -> npt.NDArray[np.int8]:
        """(N,) 1 for yes, 0 for no, -1 for empty; InputError names the row with anything else."""
        answers = {v: _answer(v) for v in set(column)}
        if None in answers.values():
            row = next(r for r, v in enumerate(column) if answers[v] is None)
            what = f"has {column[row]!r} in the column {name!r}"
            raise self.wrong(row, what, "Write 1 where the shot has it, 0 where not, or nothing.")
        return np.array([answers[v] for v in column], np.int8).reshape(-1)


def _whole(value: str) -> int:
    """Of '3', of '3.0' as pandas writes it beside missing ones, of '3,0'; never of '3.000', which
    may be three thousand."""
    found = _WHOLE.fullmatch(value.strip())
    if found is None:
        raise ValueError(value)
    return int(found[1])


def _is_whole(value: str) -> bool:
    try:
        return abs(_whole(value)) < 2**63
    except ValueError:
        return False


def _answer(value: str) -> int | None:
    word = value.strip().casefold()
    return -1 if word in _NOTHING else 1 if word in _YES else 0 if word in _NO else None


def sheet_of_table(table: Table) -> LabelSheet:
    """The sheet that a table means; InputError names the row or the column that means nothing."""
    names, answers, ignored, listed = _classes(table)
    filled = np.asarray((answers >= 0).any(1))
    flagged = table.switch("flagged", table.text("flagged")) == 1
    skipped = table.switch("skipped", table.text("skipped")) == 1
    by = table.text("by")
    claimed = np.array([bool(v) for v in by], bool).reshape(-1)
    hollow = np.flatnonzero(claimed & ~filled)
    if len(hollow) and len(names):
        what = f"says that {by[hollow[0]]} labelled the shot, and has neither 0 nor 1 for a class"
        raise table.wrong(int(hollow[0]), what, "Fill in the classes, or empty “labelled_by”.")
    files, source_of, index_of, shot_names = _places(table)
    decided = filled | claimed
    ours = tuple(table.heads[: len(EARLIER)]) == EARLIER
    only_ticks = not ours and not (answers == 0).any()  # then an empty cell means no
    return LabelSheet(
        class_names=tuple(names),
        files=tuple(file for file, _ in files),
        datasets=tuple(dataset for _, dataset in files),
        source_of=source_of,
        index_of=index_of,
        labels=(answers == 1).astype(np.uint8),
        status=(decided * LABELLED | flagged * FLAGGED | skipped * SKIPPED).astype(np.uint8),
        imported=np.array([v == FROM_FILE for v in by], bool).reshape(-1),
        by=tuple("" if v in (FROM_FILE, ME) else str(v) for v in by),
        counts_from=0 if "index" in table.known else 1,
        counts_known=ours or bool(shot_names),
        notes={row: note for row, note in enumerate(table.text("note")) if note},
        shot_names=shot_names,
        unit=table.unit,
        numbers=table.numbers,
        ignored=tuple(ignored),
        known=None if only_ticks or (answers >= 0)[decided].all() else answers >= 0,
        listed=listed,
    )


def _classes(table: Table) -> tuple[list[str], npt.NDArray[np.int8], list[str], bool]:
    """Class names, (N, C) 1, 0 or -1, columns that are no class, whether classes are listed."""
    ours = tuple(table.heads[: len(EARLIER)]) == EARLIER
    names, columns, ignored = [], [], []
    for name, column in table.others.items():
        if ours or _looks_like_a_class(column):
            names.append(name)
            columns.append(table.switch(name, column))
        else:
            ignored.append(name)
    listed = table.known.get("classes")
    if listed is not None and not columns:
        return (*_from_list(listed, table.path), ignored, True)
    if not columns and len(table):
        mend = "Give each class a column of 0 and 1, or list them in a column “classes”."
        raise InputError("has no column of a class", file=table.path, mend=mend)
    shape = (len(table), len(names))
    answers = np.stack(columns, 1) if columns else np.full(shape, -1, np.int8)
    return names, answers.reshape(shape), ignored, False


def _looks_like_a_class(column: Column) -> bool:
    filled = [v for v in column if v.strip().casefold() not in _NOTHING]
    return bool(filled) and 2 * sum(_answer(v) is not None for v in filled) > len(filled)


def _from_list(column: Column, path: Path) -> tuple[list[str], npt.NDArray[np.int8]]:
    """Classes that one column lists, parted by one of SEPARATORS; an empty cell is undecided."""
    if any(v.lstrip().startswith(("{", "[")) for v in column):
        column = [_from_json(v) for v in column]
    separator = next((s for s in SEPARATORS if any(s in v for v in column)), SEPARATORS[0])
    sets = [[n.strip() for n in v.split(separator) if n.strip()] for v in column]
    names = list(dict.fromkeys(n for found in sets for n in found))
    refuse_many(names, "classes", path)
    number = {n: c for c, n in enumerate(names)}
    answers = np.full((len(column), len(names)), -1, np.int8)
    for row, found in enumerate(sets):
        if found:
            answers[row] = 0
            answers[row, [number[n] for n in found]] = 1
    return names, answers


def _from_json(value: str) -> str:
    """A cell of Label Studio's CSV, {"choices": ["A", "B"]}, as 'A;B'."""
    if not value.lstrip().startswith(("{", "[")):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    found = found.get("choices", found.get("taxonomy", [])) if isinstance(found, dict) else found
    return SEPARATORS[0].join(flat(found))


def flat(choices: object) -> list[str]:
    """Names of choices however deep: a path of a taxonomy means every class along it."""
    if isinstance(choices, str):
        return [choices]
    if not isinstance(choices, list):
        raise TypeError(f"{type(choices).__name__} is no choice")
    return list(dict.fromkeys(name for one in choices for name in flat(one)))


def _places(
    table: Table,
) -> tuple[list[tuple[str, str]], npt.NDArray[np.int32], npt.NDArray[np.int64], tuple[str, ...]]:
    """Files with datasets, and for every row its file, its index there, and its name there."""
    pairs, rows = numbered(list(zip(table.text("file"), table.text("dataset"), strict=True)))
    source_of = np.array(rows, np.int32).reshape(-1)
    none = np.full(len(table), -1, np.int64)
    if "index" in table.known:
        return pairs, source_of, table.whole_numbers("index"), ()
    if "name" in table.known:
        return pairs, source_of, none, tuple(v.strip() for v in table.known["name"])
    if "shot" in table.known:
        if "file" not in table.known:
            source_of[:] = WHOLE_PROJECT
        return pairs, source_of, table.whole_numbers("shot") - 1, ()
    what = "does not say which shots it means"
    mend = "It needs a column “file” and one of: index (from 0), shot (from 1), name."
    raise InputError(what, file=table.path, mend=mend)
