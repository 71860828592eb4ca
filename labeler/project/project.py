"""A project: the folder with everything about one labelling effort, and its door for everybody.

Files of shots are referenced, never copied, written or locked. No SQL and no Qt here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labeler.project import backups, people
from labeler.project import create as making
from labeler.project import folder as layout
from labeler.project.decisions import Decisions
from labeler.project.folder import BACKUPS, DATABASE, RUNS, SERVER, TAXONOMY, RunInfo
from labeler.project.store import Store, StoredSource
from labeler.project.store.classing import PENDING, TEXT, ClassChange
from labeler.project.store.connection import SENSELESS, senseless
from labeler.project.store.facts import mended_in_words
from labeler.project.store.records import State, StoreState
from labeler.project.store.timeline import given_together
from labeler.shots.changes import SourceChange, change_of, is_there
from model.errors import InputError, on_one_line, text_of
from model.output_files import sweep
from model.runs.folder import WEIGHTS
from model.shots.counts.check import in_words
from model.shots.layouts.formats.servers import may_be_called
from model.shots.layouts.formats.tiled_array import TiledArray, address_in, server_of
from model.shots.probe import probe_each
from model.shots.table import Geometry, ShotTable, SourceInfo, make_table, refuse_twins
from model.taxonomy.taxonomy import Class, Taxonomy
from model.taxonomy.toml import load, loads

WITHOUT = "sources.without"
"""Where a project keeps which sources it goes on without."""


class Project:
    """An open project; a context manager. Made by `create` or `open`."""

    def __init__(
        self,
        folder: Path,
        taxonomy: Taxonomy,
        store: Store,
        notes: list[str],
        opened_at: StoreState,
    ) -> None:
        self.folder = folder
        self._annotator: int | None = None
        self.opened_at = opened_at
        """The store before anything was read of it: what changed since may not be known here."""
        self.store = store
        self._take(taxonomy)
        self._stored = [where_it_lies(source, folder) for source in store.sources()]
        doubts = in_words((info.name, info.doubts) for info in self.sources)
        self.notes = [*store.database.notes, *notes, *doubts]
        """What a person should be told once: read-only, network, classes that changed, counts that
        may be none."""

    @classmethod
    def create(
        cls,
        folder: Path | str,
        files: Sequence[Path | str],
        taxonomy: Path | str | None = None,
        annotator: str | None = None,
        on_progress: making.Progress | None = None,
        *,
        dataset: str | None = None,
        labels: bool = True,
        store: str | None = None,
        class_of_each: Sequence[str] | None = None,
    ) -> Project:
        """A new project in a folder that is not there yet, or empty; all of it or nothing.

        `taxonomy` is a TOML file or the name of a shipped one (default helium). Labels in the
        files become annotators of their own unless `labels` is False. `store` is the URL of an
        empty PostgreSQL database, for a team; default a file in the folder. `class_of_each`: one
        class a file, see `making.make`. InputError for anything that a person can mend; the folder
        is then as before.
        """
        folder = Path(folder).absolute()
        making.make(
            folder,
            [Path(f) for f in files],
            taxonomy,
            annotator or people.login(),
            on_progress or (lambda what, done, total: None),
            dataset=dataset,
            with_labels=labels,
            url=store,
            class_of_each=class_of_each,
        )
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path | str, annotator: int | None = None) -> Project:
        """An existing project; InputError where it is none, damaged, or of a newer version.

        `annotator` is the number of who labels, by default who labelled last at this machine.
        """
        backups.guard()
        folder = Path(folder).absolute()
        if folder.name in (DATABASE, SERVER):
            folder = folder.parent
        place = next((folder / f for f in (DATABASE, SERVER) if (folder / f).is_file()), None)
        if place is None:
            raise _no_project(folder)
        store = Store.open(place)
        try:
            opened_at = store.current_state()
            store.heed_classes()
            _sweep(folder, store)
            mended = store.mend_from_copies()
            taxonomy, notes = _in_step(folder / TAXONOMY, store)
            taxonomy, more = _follow_bits(taxonomy, store)
            notes += more + mended_in_words(mended)
            opened = cls(folder, taxonomy, store, notes, opened_at)
            store.keep_copies()
            if annotator is not None:
                opened._be(annotator)
            return opened
        except SENSELESS as error:
            store.close()
            raise senseless(place, error) from error
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def take_taxonomy(self, taxonomy: Taxonomy) -> None:
        """Use other classes from now on, in the order of the database's bits."""
        self._take(_follow_bits(taxonomy, self.store)[0])

    def _take(self, taxonomy: Taxonomy) -> None:
        self.taxonomy = taxonomy
        self.store.order = taxonomy.order
        self.store.retired = int(taxonomy.pack(taxonomy.retired))

    # -- shots ---------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The folder's name, as it is shown."""
        return on_one_line(self.folder.name)

    @property
    def n_shots(self) -> int:
        """How many shots all sources hold together."""
        return sum(s.info.n_shots for s in self._stored)

    @property
    def sources(self) -> tuple[SourceInfo, ...]:
        """The files of shots, in the order of their rows, where they lie now."""
        return tuple(s.info for s in self._stored)

    @property
    def stored_sources(self) -> tuple[StoredSource, ...]:
        """The same with their numbers and first rows."""
        return tuple(self._stored)

    def add_source(
        self, path: Path | str, dataset: str | None = None, *, labels: bool = True
    ) -> StoredSource:
        """Append a file of shots, with the labels that it carries."""
        (found,) = probe_each([(Path(path), dataset)])
        refuse_twins([*self.sources, found.info])
        if labels:
            making.check_labels(found, self.taxonomy, chosen=True)
        relative = making.relative_to(found.info.path, self.folder)
        added = self.store.add_source(found.info, relative)
        if labels:
            making.import_labels(self.store, self.taxonomy, added, found)
        self._stored.append(added)
        return added

    def unknown_servers(self) -> list[str]:
        """Servers that shots of this project are on, and that this user has not allowed."""
        files = [s.info.path for s in self._stored if s.info.layout == TiledArray.name]
        servers = {server_of(address_in(path), path) for path in files if path.is_file()}
        return sorted(server for server in servers if not may_be_called(server))

    def source_changes(self) -> list[tuple[StoredSource, SourceChange]]:
        """Sources that are not as they were labelled, and what became of each."""
        found = ((s, change_of(s.info)) for s in self._stored)
        return [(source, change) for source, change in found if change is not None]

    def open_choices(
        self, changes: Sequence[tuple[StoredSource, SourceChange]] | None = None
    ) -> list[tuple[StoredSource, SourceChange]]:
        """Sources of which a person has to say how to go on: not known to be gone, see
        `go_without`. `changes` are what `source_changes` found; None: look now."""
        without = self.without
        return [
            (source, change)
            for source, change in (self.source_changes() if changes is None else changes)
            if change.serious and not (change.is_lack and source.id in without)
        ]

    def has_choice_of_others(self) -> bool:
        """Whether another window said of a source's file how to go on, or where it lies now."""
        now = [where_it_lies(source, self.folder) for source in self.store.sources()]
        return [*map(_identity, now)] != [*map(_identity, self._stored)]

    @property
    def without(self) -> frozenset[int]:
        """Sources of which a person knows that their file, or a part of it, is gone."""
        kept = self.store.get_meta(WITHOUT, [])
        return frozenset(kept if isinstance(kept, list) else ())

    def go_without(self, source_id: int) -> None:
        """A source's file is gone and that is known: its shots stay, unreadable, with labels."""
        at = self._at(source_id)
        self.store.set_meta(WITHOUT, sorted(self.without | {self._stored[at].id}))

    def refuse_changed(self) -> None:
        """InputError, with the choice there is, where labels may lie on other shots than before."""
        for source, change in self.open_choices():
            if change.kind in ("replaced", "rewritten", "grown"):
                raise InputError(change.what, file=source.info.path, mend=choice(self, source))

    def keep_labels(self, source_id: int) -> None:
        """The file's shots of now are the labelled ones: go on with it as it is."""
        at, change = self._changed(source_id)
        old, now = self._stored[at], change.now
        if now is None or not change.keeps_shots:
            mend = "Bring the old file back, or take its shots over as new ones."
            raise InputError(change.what, file=old.info.path, mend=mend)
        info = replace(
            old.info, fingerprint=now.fingerprint, files=now.files, samples=now.samples,
            has_mask=now.has_mask, notes=now.notes, doubts=now.doubts,
        )  # fmt: skip
        self._rewrite(at, info)

    def take_over(self, source_id: int) -> StoredSource:
        """Take the file's new shots into the project, behind all others; labels stay where they
        are.

        Of a file that grew, the new ones alone. One that was replaced becomes a source of its own;
        the old shots stay in the project, as those of a file that is gone.
        """
        at, change = self._changed(source_id)
        old, now = self._stored[at], change.now
        if now is None:
            mend = "Bring the old file back."
            raise InputError(change.what, file=old.info.path, mend=mend)
        if change.kind == "grown":
            if at != len(self._stored) - 1:
                mend = "Only the last source of a project can grow: make a new project of it."
                raise InputError(change.what, file=old.info.path, mend=mend)
            self._rewrite(at, replace(now, geometry=old.info.geometry))
            return self._stored[at]
        gone = old.info.path.with_name(f"{old.info.name} (replaced, {old.info.fingerprint[:8]})")
        self.store.move_source(old.id, gone, "")
        self.go_without(old.id)
        self._stored[at] = replace(old, info=replace(old.info, path=gone), relative="")
        return self.add_source(now.path, now.dataset, labels=False)

    def set_geometry(self, source_id: int, geometry: Geometry) -> None:
        """Say where the detector of a source stood; everything that needs it uses this."""
        at = self._at(source_id)
        self._rewrite(at, replace(self._stored[at].info, geometry=geometry))

    def _at(self, source_id: int) -> int:
        found = next((i for i, s in enumerate(self._stored) if s.id == source_id), None)
        if found is None:
            have = ", ".join(str(s.id) for s in self._stored)
            raise InputError(f"there is no source {source_id}", mend=f"There are: {have}.")
        return found

    def _changed(self, source_id: int) -> tuple[int, SourceChange]:
        at = self._at(source_id)
        change = change_of(self._stored[at].info)
        if change is None or not change.serious:
            where = self._stored[at].info.path
            raise InputError("is as it was labelled", file=where, mend="There is nothing to do.")
        return at, change

    def _rewrite(self, at: int, info: SourceInfo) -> None:
        self.store.rewrite_source(self._stored[at].id, info)
        self._stored[at] = replace(self._stored[at], info=info)

    def relocate(self, source_id: int, new_path: Path | str) -> None:
        """Say where a source's file lies now; InputError where that is another file."""
        at = self._at(source_id)
        old = self._stored[at]
        info = replace(old.info, path=Path(new_path).absolute())
        change = change_of(info)
        if change is not None and change.kind == "missing":
            raise InputError("there is no such file", file=info.path, mend="Check the path.")
        if change is not None and change.kind not in ("touched", "part missing"):
            raise InputError(
                f"is not the file that {old.info.name} was: its contents differ",
                file=info.path,
                mend="Choose the original or an exact copy; other data belong in a new project.",
            )
        relative = making.relative_to(info.path, self.folder)
        self.store.move_source(source_id, info.path, relative)
        self._stored[at] = replace(old, info=info, relative=relative)

    @property
    def keeps_backups(self) -> bool:
        """Whether backups of its database are made here."""
        return not self.store.read_only and (self.folder / DATABASE).is_file()

    # -- labels --------------------------------------------------------------------------------

    @property
    def annotator(self) -> int:
        """The number of the person who labels in this open project.

        Another window may be another person's: what that one does has no effect here.
        """
        if self._annotator is None:
            self._annotator = people.me(self.store)
        return self._annotator

    @property
    def annotator_name(self) -> str:
        """The name under which one labels here."""
        return self.store.name_of(self.annotator)

    def _be(self, annotator: int) -> None:
        if annotator not in {a.id for a in self.store.annotators() if a.kind == "human"}:
            what, mend = f"there is no annotator {annotator}", "Choose a name again."
            raise InputError(what, file=self.folder, mend=mend)
        self._annotator = annotator

    def imported_state(self) -> State:
        """The labels that came with the files, later imports over earlier ones."""
        found = State.none(self.n_shots)
        for annotator in self.store.annotators():
            if annotator.kind == "import":
                state = self.store.load_state(annotator.id)
                found.present[state.labelled] = state.present[state.labelled]
                found.status[state.labelled] = state.status[state.labelled]
                found.known[state.labelled] = state.known[state.labelled]
        return found

    def merged_state(self, annotator: int | None = None, *, only_mine: bool = False) -> Decisions:
        """The person's labels, falling back shot by shot to imported ones unless `only_mine`."""
        own = self.store.load_state(self.annotator if annotator is None else annotator)
        files = State.none(len(own.status)) if only_mine else self.imported_state()
        every = (1 << len(self.taxonomy)) - 1 & ~self.store.retired
        return Decisions(
            own.present, own.status, files.present, files.status, own.known, files.known, every
        )

    def shot_table(self, merged: Decisions | None = None) -> ShotTable:
        """Every shot with its label as training sees it; contradictions are for the trainer.

        `merged`, where someone has loaded it already or wants other labels than `merged_state()`.
        """
        merged = merged or self.merged_state()
        labels = self.taxonomy.unpack(np.where(merged.labelled, merged.present, 0))
        table = make_table(
            self.sources,
            self.taxonomy.names,
            labels.astype(np.uint8),
            merged.labelled,
            self.store.roles(),
            self.taxonomy,
            self.taxonomy.unpack(merged.known | merged.present),
        )
        return replace(table, came=merged.imported)

    def labelled_together(self) -> npt.NDArray[np.bool_]:
        """(N,) shots whose label may be a suggestion that the person who labels here accepted
        together with others.

        Shots of which a file said the label are not among them: no model suggests anything there,
        what is accepted is the file's label.
        """
        own = self.store.load_state(self.annotator).labelled & ~self.imported_state().labelled
        return own & given_together(self.store.database, self.annotator, len(own))

    # -- runs ----------------------------------------------------------------------------------

    @property
    def runs_folder(self) -> Path:
        """Where the runs lie."""
        return self.folder / RUNS

    def runs(self) -> list[RunInfo]:
        """All runs, oldest first."""
        return layout.list_runs(self.runs_folder)

    def run_folder(self, number: int) -> Path:
        """The folder of a run."""
        return layout.run_folder(self.runs_folder, number)

    def run_given(self, run: Path) -> Path:
        """The folder of a run, which people name by its number or its folder; InputError where it
        is neither."""
        if run.exists():
            return run
        named = str(run)
        if named.isdecimal() and (folder := self.run_folder(int(named))).is_dir():
            return folder
        there = [str(r.number) for r in self.runs() if (r.folder / WEIGHTS).is_file()]
        mend = f"There are: {', '.join(there)}." if there else "Train one first."
        raise InputError(f"has no run {named}", file=self.folder, mend=mend)

    def new_run_folder(self) -> Path:
        """Make the folder of the next run; InputError where it cannot be made."""
        self.store.database.refuse_read_only()
        try:
            return layout.new_run_folder(self.runs_folder)
        except OSError as error:
            what = f"cannot be written ({error.strerror})"
            mend = "Free some space there, or see that you may write there."
            raise InputError(what, file=self.runs_folder, mend=mend) from error

    @property
    def current_run(self) -> int | None:
        """The run whose predictions are shown; None before the first."""
        number = self.store.get_meta("current_run")
        return number if isinstance(number, int) and number > 0 else None

    @current_run.setter
    def current_run(self, number: int | None) -> None:
        before = self.current_run
        if before not in (None, number):
            self.store.set_meta("run_before", before)
        self.store.set_meta("current_run", number)

    @property
    def run_before(self) -> int | None:
        """The run that was in use before the current one; None where there was none."""
        number = self.store.get_meta("run_before")
        return number if isinstance(number, int) and number != self.current_run else None


def _sweep(folder: Path, store: Store) -> None:
    """Remove what killed processes left half written."""
    if not store.read_only:
        for place in (folder, folder / BACKUPS):
            with contextlib.suppress(OSError):
                sweep(place)


def choice(project: Project, source: StoredSource) -> str:
    """What a person can do about a source that changed, as commands."""
    command = f"airylabel sources {project.folder.name}"
    return (
        f"Bring the old file back ({command} --moved {source.id} PATH), take its shots over as new "
        f"ones (--take-over {source.id}), or go on knowingly (--keep-labels {source.id})."
    )


def _identity(source: StoredSource) -> tuple[int, Path, str]:
    return source.id, source.info.path, source.info.fingerprint


def where_it_lies(source: StoredSource, folder: Path) -> StoredSource:
    """A source where it is now: at its noted path, or beside a project that moved along with it."""
    if is_there(source.info.path) or not source.relative:
        return source
    beside = Path(os.path.normpath(folder / source.relative))
    if not is_there(beside):
        return source
    return replace(source, info=replace(source.info, path=beside))


def _in_step(path: Path, store: Store) -> tuple[Taxonomy, list[str]]:
    """The taxonomy of a project that is being opened, and what a person should be told of it.

    A change that a crash kept from the file is written now; what was edited by hand is taken over,
    or kept beside where the file waited for such a change.
    """
    said = ""
    if store.get_meta(PENDING):
        if store.read_only:
            return loads(store.get_meta(TEXT), path), []
        try:
            said = write_waiting(path.parent, store)
        except InputError:  # no room now; the database has the text
            return loads(store.get_meta(TEXT), path), []
    taxonomy = load(path)
    text, kept = text_of(path), store.get_meta(TEXT)
    notes = [f"{said}."] if said else []
    if store.read_only or text == kept:
        return taxonomy, notes
    if kept is None:
        store.set_meta(TEXT, text)
        return taxonomy, notes
    names = store.class_names()
    added = tuple(n for n in taxonomy.names if n not in names)
    change = ClassChange("edited", "taxonomy.toml was edited", kept, text, added=added)
    store.change_classes(people.me(store), change)
    store.set_meta(PENDING, False)
    return taxonomy, notes


def write_waiting(folder: Path, store: Store) -> str:
    """Write the classes of the database to their file; returns what `write_taxonomy` does."""
    known = [text for c in store.class_changes() for text in (c.before, c.after)]
    said = backups.write_taxonomy(folder, store.get_meta(TEXT), known)
    store.set_meta(PENDING, False)
    return said


def _follow_bits(taxonomy: Taxonomy, store: Store) -> tuple[Taxonomy, list[str]]:
    """The taxonomy in the order of the database's bits, whatever was done to the TOML file since.

    New classes get new bits. A class that is gone from the file stays, without rules, for labels
    may carry it.
    """
    kept = store.class_names()
    new = [name for name in taxonomy.names if name not in kept]
    if new and not store.read_only:
        store.add_classes(new)
    order = [*kept, *new]
    if order == list(taxonomy.names):
        return taxonomy, []
    gone = [name for name in order if name not in taxonomy.names]
    by_name = {c.name: c for c in taxonomy.classes}
    entries = [by_name.get(n, Class(n, help="No longer in taxonomy.toml.")) for n in order]
    notes = [f"The class {n} is gone from taxonomy.toml; labels keep it." for n in gone]
    return Taxonomy(taxonomy.name, entries, taxonomy.rules), notes


def _no_project(folder: Path) -> InputError:
    """Why there is no project to open at a place, and what to do about it."""
    if backups.list_backups(folder):
        mend = f"`airylabel check --repair {folder.name}` makes it again from its newest backup."
        return InputError("its database is gone", file=folder, mend=mend)
    if not folder.exists():
        mend = f"Check the path, or make one: airylabel create {folder.name} FILE…"
        return InputError("there is no such project", file=folder, mend=mend)
    mend = "Name the folder of a project, or make one of your shots: airylabel create PROJECT FILE…"
    return InputError("is not a project", file=folder, mend=mend)
