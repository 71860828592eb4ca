"""What a file of labels would change in a project, in full before anything is done; then doing it.

Shots are matched by file and index (or name), classes by name whatever its case and spelling. It
takes labels only where someone decided, never takes one away, and leaves every file untouched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt

from labeler.exchange.sheet import WHOLE_PROJECT, LabelSheet
from labeler.project.people import written
from labeler.project.project import Project
from labeler.project.store import LABELLED, SKIPPED, State, StoredSource
from labeler.project.store.records import Present, Rows, Status
from model.errors import InputError, counted, folded, on_one_line
from model.taxonomy.taxonomy import Taxonomy

SHOWN = 5
"""This many unknown shots are named one by one."""


@dataclass(frozen=True)
class ImportPlan:
    """What an import will change: `rows` get `present` and `status` bits, and `notes` by row.

    `new`, `changed`, `same` count shots by what happens to their label; `marks` counts those where
    only a flag, a skip or a note changes. `per_class` has (labels added, labels removed).
    """

    path: Path
    annotator: str
    rows: Rows
    present: Present
    status: Status
    notes: tuple[str | None, ...]
    said: Present
    """Bits of the classes that the file says something of."""
    shots: int
    new: int
    changed: int
    same: int
    marks: int
    kept: int = 0
    """Shots whose own label stays although the file says something else (with `only_new`)."""
    unknown_shots: int = 0
    unknown_examples: tuple[str, ...] = ()
    unknown_classes: dict[str, int] = field(default_factory=dict)
    """Classes that the taxonomy lacks, with the number of shots that have them."""
    left_out: int = 0
    """Shots that are not imported because they carry an unknown class."""
    ignored: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    """Classes of which the file says nothing; they stay where someone decided already."""
    per_class: dict[str, tuple[int, int]] = field(default_factory=dict)
    broken: int = 0
    """Label sets among those that would be stored that contradict themselves."""
    questions: tuple[str, ...] = ()
    """What would put labels on other shots if it is not so; a person must confirm it."""

    def counts(self) -> dict[str, Any]:
        """The plan in numbers, for scripts."""
        names = ("annotator", "shots", "new", "changed", "same", "marks", "kept", "broken")
        found: dict[str, Any] = {name: getattr(self, name) for name in names}
        more = ("unknown_shots", "unknown_classes", "left_out", "ignored", "without", "per_class")
        found |= {name: getattr(self, name) for name in more}
        return found | {"questions": self.questions}

    def lines(self) -> list[str]:
        """The plan in words, one fact a line."""
        name = on_one_line(self.path.name)
        said = [f"{name} speaks of {counted(self.shots, 'shot')}; labels of {self.annotator}:"]
        said += [f"  to be confirmed: {question}" for question in self.questions]
        for count, words in (
            (self.new, "get a first label"),
            (self.changed, "get another label than they have"),
            (self.same, "have the same label already"),
            (self.marks, "only change a flag, a skip or a note"),
            (self.kept, "keep the label that they have"),
        ):
            if count or words.startswith("get"):
                said.append(f"  {count:,} {words}")
        if self.unknown_shots:
            some = "; ".join(self.unknown_examples)
            more = " …" if self.unknown_shots > len(self.unknown_examples) else ""
            verb = "is" if self.unknown_shots == 1 else "are"
            said.append(f"  {self.unknown_shots:,} {verb} not in this project: {some}{more}")
        for name, count in self.unknown_classes.items():
            said.append(
                f"  class {name!r} is not in this project's taxonomy: {counted(count, 'shot')}"
            )
        if self.left_out:
            said.append(f"  {self.left_out:,} of them are left out, for only part would be taken")
        if self.broken:
            verb = "breaks" if self.broken == 1 else "break"
            said.append(f"  {self.broken:,} of them {verb} a rule of the classes: see Quality")
        if self.without and self.new:
            names = ", ".join(self.without)
            said.append(f"  no column for {names}: undecided on shots that get a first label")
        if self.ignored:
            said.append(f"  columns without a meaning here: {', '.join(self.ignored)}")
        for name, (added, removed) in self.per_class.items():
            if added or removed:
                said.append(f"  {name}: +{added:,} −{removed:,}")
        return said


def plan(
    project: Project,
    sheet: LabelSheet,
    path: Path | str,
    annotator: str | None = None,
    *,
    only_new: bool = False,
    drop_unknown: bool = False,
    person: str | None = None,
    index_from: int | None = None,
) -> ImportPlan:
    """What importing a sheet as a person's labels would change.

    Whose they are: `annotator`, else whom the file names, else the project's person. Of a file
    with several people's labels, those of `person`. `index_from`: whether its shots count from
    0 or from 1, where the file may not say.

    With `only_new`, shots that the person decided keep their labels. Shots with a class that the
    taxonomy lacks are left out, or lose that class with `drop_unknown`. InputError where the file
    names a shot twice with different labels, or none of its shots and classes is known here.
    """
    path = Path(path)
    sheet, who = _of_one_person(sheet, path, person)
    name, own = _person(project, annotator or who)
    if index_from is not None:
        index = sheet.index_of + sheet.counts_from - index_from
        sheet = replace(sheet, index_of=index, counts_from=index_from)
    rows = _rows(project, sheet)
    known, labels, unknown = _labels(project, sheet)
    _refuse_dropped_classes(project, sheet, path)
    partial = unknown.any(1) & sheet.labelled
    takes = (rows >= 0) & ~(partial & (not drop_unknown))
    at = _once(sheet, path, rows, labels, takes)
    where = rows[at]
    present, status = _merged(project, sheet, own, where, at, labels)
    was_decided = own.labelled[where]
    decided = sheet.labelled[at]
    if only_new:
        decided = decided & ~was_decided
        present = np.where(was_decided, own.present[where], present)
    said = project.taxonomy.pack(_said(project, sheet)[at])
    more = (said & ~own.known[where]) != 0
    differs = (present != own.present[where]) | more
    new = decided & ~was_decided & ((status & LABELLED) != 0)
    changed = decided & was_decided & differs
    notes = _notes(project, sheet, name, where, at)
    noted = np.array([n is not None for n in notes], bool).reshape(-1)
    moved = new | changed | (status != own.status[where]) | noted
    names = sheet.class_names
    missing = [names[c] for c in range(len(names)) if not known[c]]
    lost = np.flatnonzero(rows < 0)
    bits = (own.present[where][moved], present[moved])
    return ImportPlan(
        path=path,
        annotator=name,
        rows=where[moved],
        present=present[moved],
        status=status[moved],
        notes=tuple(n for n, m in zip(notes, moved, strict=True) if m),
        said=np.where(decided, said, 0)[moved],
        shots=int((sheet.labelled | (sheet.status != 0)).sum()),
        new=int(new.sum()),
        changed=int(changed.sum()),
        same=int((sheet.labelled[at] & ~new & ~changed & ~(was_decided & only_new)).sum()),
        marks=int((moved & ~new & ~changed).sum()),
        kept=int((sheet.labelled[at] & was_decided & only_new).sum()),
        unknown_shots=len(lost),
        unknown_examples=tuple(f"{sheet.shot(r)} ({sheet.place(r)})" for r in lost[:SHOWN]),
        unknown_classes=dict(zip(missing, unknown.sum(0).tolist(), strict=True)),
        left_out=0 if drop_unknown else int((partial & (rows >= 0)).sum()),
        ignored=sheet.ignored,
        without=_offered_without(project, sheet),
        per_class=_per_class(project, *bits),
        broken=_broken(project.taxonomy, present, said, new | changed),
        questions=tuple(_questions(project, sheet, index_from is not None)),
    )


def _broken(
    taxonomy: Taxonomy, present: Present, said: Present, taken: npt.NDArray[np.bool_]
) -> int:
    labels, known = (taxonomy.unpack(bits[taken]) for bits in (present, said))
    return int(taxonomy.contradictions(labels, known).sum())


def apply(project: Project, plan: ImportPlan) -> int | None:
    """Do what the plan says, as one gesture; its number, or None where there is nothing to do."""
    if not len(plan.rows):
        return None
    who = _id_of(project, plan.annotator)
    if who is None:
        who = project.store.annotator(plan.annotator)
    return project.store.record(
        who, plan.rows, plan.present, plan.status,
        origin="import", note=plan.notes, said=plan.said, unsaid=~plan.said,
    )  # fmt: skip


def _questions(project: Project, sheet: LabelSheet, count_said: bool) -> Iterator[str]:
    """What a person must confirm before labels go where the sheet says; `count_said`: from which
    number shots count is said already."""
    if not (count_said or sheet.shot_names):
        whole = sheet.index_of[sheet.source_of == WHOLE_PROJECT]
        yield from _count_question(sheet, "this file", whole, project.n_shots)
    for k, file in enumerate(sheet.files):
        source = _source(project.stored_sources, sheet, k)
        if source is None:
            continue
        if not (count_said or sheet.shot_names):
            index = sheet.index_of[sheet.source_of == k]
            name = Path(file).name or "the file"
            yield from _count_question(sheet, name, index, source.info.n_shots)
        mark = sheet.fingerprints[k] if sheet.fingerprints else ""
        if mark and mark != source.info.fingerprint:
            yield (
                f"{source.info.name} here is not the file that was labelled: its contents differ"
            )


def _count_question(sheet: LabelSheet, file: str, index: Rows, shots: int) -> Iterator[str]:
    """Whether shots seem to count from 1 where they were taken to count from 0, or from 0 for 1."""
    if not len(index):
        return
    taken = sheet.counts_from
    first, last = int(index.min()) + taken, int(index.max()) + taken
    one_past_the_end = taken == 0 and first > 0 and last == shots
    if one_past_the_end or (first == 1 - taken and not sheet.counts_known):
        usual = "a shot counts from 1" if taken else "an index counts from 0"
        yield (
            f"the shots of {file} are numbered {first} to {last}, and there are {shots}: they seem "
            f"to count from {1 - taken}, where {usual}"
        )


# -- whose labels ------------------------------------------------------------------------------


def _id_of(project: Project, name: str) -> int | None:
    people = [a for a in project.store.annotators() if a.kind == "human"]
    return next((a.id for a in people if a.name == name), None)


def _of_one_person(
    sheet: LabelSheet, path: Path, person: str | None
) -> tuple[LabelSheet, str | None]:
    """The sheet of one person, and who it is; InputError where it must be said."""
    people = sheet.people
    some = ", ".join(f"{name} ({count:,})" for name, count in list(people.items())[:10])
    if person is not None:
        if person not in people:
            mend = f"It names {some}." if some else "Leave out --from: it names no one."
            raise InputError(f"has no labels of {person!r}", file=path, mend=mend)
        return sheet.of(person), person
    if len(people) > 1:
        what = f"holds the labels of several people: {some}"
        mend = "Import them one by one: --from NAME, and --as NAME for another name here."
        raise InputError(what, file=path, mend=mend)
    return sheet, next(iter(people), None)


def _person(project: Project, name: str | None) -> tuple[str, State]:
    """Name and present state of the annotator; nothing decided where there is none yet."""
    if name is None:
        name = project.annotator_name
    name = written(project.store, name)
    found = _id_of(project, name)
    if found is None:
        return name, State.none(project.n_shots)
    return name, project.store.load_state(found)


# -- which shots -------------------------------------------------------------------------------


def _rows(project: Project, sheet: LabelSheet) -> Rows:
    """(N,) the project's row of every shot of the sheet, -1 where it is not here."""
    sources = [_source(project.stored_sources, sheet, k) for k in range(len(sheet.files))]
    first = np.array([-1 if s is None else s.first_row for s in sources] + [0], np.int64)
    count = [0 if s is None else s.info.n_shots for s in sources]
    counts = np.array([*count, project.n_shots], np.int64)
    of = sheet.source_of  # WHOLE_PROJECT is -1, the last entry of both
    assert WHOLE_PROJECT == -1
    index = sheet.index_of.copy()
    for k, source in enumerate(sources):
        if sheet.shot_names and source is not None:
            index[of == k] = _by_name(
                source, [sheet.shot_names[r] for r in np.flatnonzero(of == k)]
            )
    fits = (index >= 0) & (index < counts[of]) & (first[of] >= 0)
    return np.where(fits, first[of] + index, -1)


def _by_name(source: StoredSource, names: Sequence[str]) -> list[int]:
    number = {folded(name): i for i, name in enumerate(source.info.shot_names or ())}
    return [number.get(folded(name), -1) for name in names]


def _source(stored: Sequence[StoredSource], sheet: LabelSheet, k: int) -> StoredSource | None:
    """The project's file that a sheet means: by content, by path, by name, or the only one."""
    file, dataset = sheet.files[k], sheet.datasets[k]
    mark = sheet.fingerprints[k] if sheet.fingerprints else ""
    if not file:
        return stored[0] if len(stored) == 1 else None
    parts = _parts(file)
    for fits in (
        [s for s in stored if mark and s.info.fingerprint == mark],
        [s for s in stored if str(s.info.path) == file],
        [s for s in stored if folded(s.info.path.name) == parts[-1]],
        [s for s in stored if folded(s.info.path.stem) == parts[-1]],
    ):
        if len(fits) > 1:
            fits = [s for s in fits if not dataset or s.info.dataset == dataset]
        if len(fits) > 1:
            alike = [_alike(_parts(str(s.info.path)), parts) for s in fits]
            fits = [s for s, a in zip(fits, alike, strict=True) if a == max(alike)]
        if len(fits) == 1:
            return fits[0]
    return None


def _parts(path: str) -> tuple[str, ...]:
    """The parts of a path of any system, without case."""
    kind: type[PurePath] = PureWindowsPath if "\\" in path else PurePosixPath
    return tuple(folded(part) for part in kind(path).parts)


def _alike(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    """How many parts two paths have in common, from the end."""
    return next((i for i, (x, y) in enumerate(zip(a[::-1], b[::-1], strict=False)) if x != y), 999)


def _once(
    sheet: LabelSheet,
    path: Path,
    rows: Rows,
    labels: npt.NDArray[np.bool_],
    takes: npt.NDArray[np.bool_],
) -> Rows:
    """The sheet's rows to take, each shot once; InputError where one is labelled in two ways."""
    at = np.flatnonzero(takes)
    order = at[np.lexsort((at, ~sheet.labelled[at], rows[at]))]  # labelled ones first
    again = np.flatnonzero(rows[order][1:] == rows[order][:-1])
    for k in again:
        a, b = int(order[k]), int(order[k + 1])
        if sheet.labelled[b] and (labels[a] != labels[b]).any():
            what = f"labels {sheet.shot(b)} in two ways, here and in {sheet.place(a)}"
            mend = "Keep one of the two."
            raise InputError(what, file=path, place=sheet.place(b), mend=mend)
    return np.sort(np.delete(order, again + 1))


# -- which classes -----------------------------------------------------------------------------


def _labels(
    project: Project, sheet: LabelSheet
) -> tuple[list[bool], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which columns are known, (N, ours) labels, and (N, unknown) labels of unknown classes."""
    ours = project.taxonomy
    known = [ours.knows(name) for name in sheet.class_names]
    labels = np.zeros((len(sheet), len(ours)), bool)
    for c, name in enumerate(sheet.class_names):
        if known[c]:
            labels[:, ours.columns([name])[0]] |= sheet.labels[:, c] > 0
    unknown = sheet.labels[:, [c for c, k in enumerate(known) if not k]] > 0
    return known, labels, unknown


def _refuse_dropped_classes(project: Project, sheet: LabelSheet, path: Path) -> None:
    """InputError where a column is called as a class and was not understood as one."""
    for name in sheet.ignored:
        if project.taxonomy.knows(name):
            what = f"has no 1 and 0 in most cells of the column {name!r}, which is a class here"
            mend = "Write 1 where the shot has it, 0 where not; or give the column another name."
            raise InputError(what, file=path, place=f"column {name!r}", mend=mend)


def _without(project: Project, sheet: LabelSheet) -> npt.NDArray[np.bool_]:
    """(ours,) True for classes of which the file says nothing."""
    ours = project.taxonomy
    silent = np.full(len(ours), not sheet.listed)
    silent[ours.columns([n for n in sheet.class_names if ours.knows(n)])] = False
    return silent


def _said(project: Project, sheet: LabelSheet) -> npt.NDArray[np.bool_]:
    """(N, ours) the classes of which the sheet says something, of each shot."""
    ours = project.taxonomy
    said = np.tile(~_without(project, sheet), (len(sheet), 1))
    if sheet.known is not None:
        for c, name in enumerate(sheet.class_names):
            if ours.knows(name):
                said[:, ours.columns([name])[0]] &= sheet.known[:, c]
    return said


def _offered_without(project: Project, sheet: LabelSheet) -> tuple[str, ...]:
    """The names of such classes, but for retired ones."""
    silent = _without(project, sheet)
    return tuple(
        c.name for c, s in zip(project.taxonomy.classes, silent, strict=True) if s and not c.retired
    )


# -- what becomes of them ----------------------------------------------------------------------


def _merged(
    project: Project,
    sheet: LabelSheet,
    own: State,
    where: Rows,
    at: Rows,
    labels: npt.NDArray[np.bool_],
) -> tuple[Present, Status]:
    """Bits that the rows get: the sheet's label where it has one; its flags and skips added.

    Classes of which the sheet says nothing stay as they are. A label that came with a file of
    shots, and is here as such, does not become the person's.
    """
    said = _said(project, sheet)[at]
    bits = project.taxonomy.pack(labels[at] & said)
    files = project.imported_state()
    theirs = sheet.imported[at] & files.labelled[where] & (files.present[where] == bits)
    decided = sheet.labelled[at] & ~(theirs & ~own.labelled[where])
    stays = own.present[where] & project.taxonomy.pack(~said)
    present = np.where(decided, bits | stays, own.present[where])
    every = np.uint8(255)
    before = own.status[where] & np.where(sheet.labelled[at], every ^ SKIPPED, every)
    added = sheet.status[at] & np.where(decided, every, every ^ LABELLED)
    return present, (before | added).astype(np.uint8)


def _notes(
    project: Project, sheet: LabelSheet, name: str, where: Rows, at: Rows
) -> list[str | None]:
    """The note that each row gets; None where it stays."""
    if not sheet.notes:
        return [None] * len(at)
    who = _id_of(project, name)
    before = {} if who is None else project.store.notes(who)
    found = [sheet.notes.get(int(r)) for r in at]
    return [
        None if note is None or before.get(int(row)) == note else note
        for note, row in zip(found, where, strict=True)
    ]


def _per_class(project: Project, before: Present, after: Present) -> dict[str, tuple[int, int]]:
    had, has = project.taxonomy.unpack(before), project.taxonomy.unpack(after)
    added, removed = (has & ~had).sum(0), (had & ~has).sum(0)
    return {name: (int(added[c]), int(removed[c])) for c, name in enumerate(project.taxonomy.names)}
