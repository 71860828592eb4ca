"""Shots: which there are, where they lie, what is known about them.

The one door to files of shots for everybody else; it never writes to any of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots.counts.check import unusable
from model.shots.layouts import FileLabels, Geometry
from model.shots.probe import probe
from model.shots.sources import Source, SourceInfo, open_source
from model.taxonomy.taxonomy import Class, Taxonomy
from model.taxonomy.toml import known_for

__all__ = [
    "FileLabels",
    "Geometry",
    "ShotTable",
    "Source",
    "SourceInfo",
    "make_table",
    "open_source",
    "probe",
    "refuse_twins",
    "table_of_file",
    "table_of_files",
]

UNDECIDED, TRAINING, EVALUATION = 0, 1, 2
"""Roles of a shot; they stay the same across the runs of a project."""

Shot = tuple[int, npt.NDArray[np.generic], npt.NDArray[np.bool_] | None]


@dataclass(frozen=True)
class ShotTable:
    """Which shots, where they lie, what is known about them: input of training and prediction.

    Row r is shot `index_of[r]` of `sources[source_of[r]]`. `labels` (N, C) follow `class_names`
    and mean something only where `labelled` (N,). `role` (N,): 0 undecided, 1 training,
    2 evaluation.
    """

    sources: tuple[SourceInfo, ...]
    source_of: npt.NDArray[np.int32]
    index_of: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    labels: npt.NDArray[np.uint8]
    labelled: npt.NDArray[np.bool_]
    role: npt.NDArray[np.uint8]
    taxonomy: Taxonomy | None
    fingerprint: str
    known: npt.NDArray[np.bool_] | None = None
    """(N, C) which classes a labelled shot says anything of; None: of all. Others are undecided."""
    together: npt.NDArray[np.bool_] | None = None
    """(N,) shots whose label was given together with those of others; None: none. They may train,
    and do not judge."""
    came: npt.NDArray[np.bool_] | None = None
    """(N,) shots whose label came with their file and was not changed here; None: none."""

    def __len__(self) -> int:
        return len(self.index_of)

    @property
    def classes(self) -> Taxonomy:
        """The taxonomy, where there is none the classes without rules."""
        return self.taxonomy or Taxonomy.of_names(self.class_names)

    @property
    def decided(self) -> npt.NDArray[np.bool_]:
        """(N, C) which of `labels` mean something: those of labelled shots, where known."""
        of_shots = np.broadcast_to(self.labelled[:, None], self.labels.shape)
        return of_shots.copy() if self.known is None else of_shots & self.known

    def geometry(self, row: int) -> Geometry:
        """What the file of a shot says about detector and beam."""
        return self.sources[self.source_of[row]].geometry

    def some(self, rows: npt.NDArray[np.int64]) -> ShotTable:
        """The table of the given rows alone, in their order."""
        digest = hashlib.blake2b(self.fingerprint.encode(), digest_size=16)
        digest.update(np.ascontiguousarray(rows, np.int64).data)
        return replace(
            self,
            source_of=self.source_of[rows],
            index_of=self.index_of[rows],
            labels=self.labels[rows],
            labelled=self.labelled[rows],
            role=self.role[rows],
            known=None if self.known is None else self.known[rows],
            together=None if self.together is None else self.together[rows],
            came=None if self.came is None else self.came[rows],
            fingerprint=digest.hexdigest(),
        )

    def offered(self) -> ShotTable:
        """The table without retired classes: a network learns and says only what is offered."""
        if self.taxonomy is None or self.taxonomy.offered is self.taxonomy:
            return self
        taxonomy = self.taxonomy.offered
        kept = np.isin(self.class_names, taxonomy.names)
        digest = hashlib.blake2b(self.fingerprint.encode(), digest_size=16)
        digest.update("\n".join(taxonomy.names).encode())
        return replace(
            self,
            class_names=taxonomy.names,
            labels=self.labels[:, kept],
            known=None if self.known is None else self.known[:, kept],
            taxonomy=taxonomy,
            fingerprint=digest.hexdigest(),
        )

    def iter_shots(
        self,
        rows: npt.ArrayLike | None = None,
        on_error: Callable[[int, InputError], None] | None = None,
    ) -> Iterator[Shot]:
        """(row, counts (y, x), mask or None) of the given rows, of all without.

        One file is open at a time, and each is read in its own order, so rows come back sorted by
        source and place. A shot that cannot be read goes to `on_error` and is left out; without
        `on_error` it raises InputError.
        """
        wanted = np.arange(len(self)) if rows is None else np.asarray(rows, np.int64)
        order = np.lexsort((self.index_of[wanted], self.source_of[wanted]))
        wanted = wanted[order]
        for number in np.unique(self.source_of[wanted]):
            mine = wanted[self.source_of[wanted] == number]
            yield from self._of_source(self.sources[number], mine, on_error)

    def iter_usable(
        self,
        rows: npt.ArrayLike | None = None,
        on_error: Callable[[int, InputError], None] | None = None,
    ) -> Iterator[Shot]:
        """`iter_shots` for a network: a shot that has one number in all pixels, or numbers beyond
        single precision, counts as one that cannot be read."""
        for row, counts, mask in self.iter_shots(rows, on_error):
            why = unusable(counts, mask)
            if not why:
                yield row, counts, mask
                continue
            info = self.sources[self.source_of[row]]
            place = info.shot_name(int(self.index_of[row]))
            mend = "Look at the shot: it may never have been read out."
            error = InputError(why, file=info.path, place=place, mend=mend)
            if on_error is None:
                raise error
            on_error(row, error)

    def _of_source(
        self,
        info: SourceInfo,
        rows: npt.NDArray[np.int64],
        on_error: Callable[[int, InputError], None] | None,
    ) -> Iterator[Shot]:
        try:
            source = open_source(info.path, known=info)
        except InputError as error:
            if on_error is None:
                raise
            for row in rows:
                on_error(int(row), error)
            return
        with source:
            for row in rows:
                i = int(self.index_of[row])
                try:
                    shot = (int(row), *source.shot(i))
                except InputError as error:
                    if on_error is None:
                        raise
                    on_error(int(row), error)
                    continue
                yield shot


def make_table(
    sources: tuple[SourceInfo, ...],
    class_names: tuple[str, ...],
    labels: npt.NDArray[np.uint8],
    labelled: npt.NDArray[np.bool_],
    role: npt.NDArray[np.uint8],
    taxonomy: Taxonomy | None,
    known: npt.NDArray[np.bool_] | None = None,
) -> ShotTable:
    """The table of all shots of the sources, in order; its fingerprint covers data and labels."""
    if known is not None and known[labelled].all():
        known = None
    counts = [info.n_shots for info in sources]
    digest = hashlib.blake2b(digest_size=16)
    digest.update("\n".join((*(i.fingerprint for i in sources), *class_names)).encode())
    digest.update(np.ascontiguousarray(labels).data)
    digest.update(np.ascontiguousarray(labelled).data)
    if known is not None:
        digest.update(np.ascontiguousarray(known).data)
    return ShotTable(
        sources=sources,
        source_of=np.repeat(np.arange(len(sources), dtype=np.int32), counts),
        index_of=np.concatenate([np.arange(n, dtype=np.int64) for n in counts]),
        class_names=class_names,
        labels=labels,
        labelled=labelled,
        role=role,
        taxonomy=taxonomy,
        fingerprint=digest.hexdigest(),
        known=known,
    )


def table_of_file(
    path: Path | str, dataset: str | None = None, taxonomy: Taxonomy | None = None
) -> ShotTable:
    """A file as a table, with the labels that it carries.

    Columns follow the taxonomy: the given one (InputError where the file has a class that it
    lacks), else the helium one where the file's names fit it, else one without rules made of the
    file's names.
    """
    with open_source(path, dataset) as source:
        info = source.info
        found = source.file_labels()
    if taxonomy is None:
        taxonomy = _taxonomy_for(info)
    if found is None:
        found = FileLabels((), np.zeros((info.n_shots, 0), np.uint8), np.zeros(info.n_shots, bool))
    labels = np.zeros((info.n_shots, len(taxonomy)), np.uint8)
    known = np.zeros(labels.shape, bool)
    columns = taxonomy.columns(found.names, info.path)
    labels[:, columns] = found.labels
    known[:, columns] = True if found.known is None else found.known
    role = np.zeros(info.n_shots, np.uint8)
    return make_table((info,), taxonomy.names, labels, found.labelled, role, taxonomy, known)


def table_of_files(
    paths: Sequence[Path | str], dataset: str | None = None, taxonomy: Taxonomy | None = None
) -> ShotTable:
    """Several files as one table, in order; see `table_of_file`.

    InputError where a file is given twice, or their classes are not the same and no taxonomy says
    which there are.
    """
    tables = [table_of_file(path, dataset, taxonomy) for path in paths]
    if not tables:
        raise InputError("no file of shots was given", mend="Name at least one HDF5 file.")
    first = tables[0]
    sources = tuple(info for table in tables for info in table.sources)
    refuse_twins(sources)
    for table in tables:
        if table.class_names != first.class_names:
            what = f"has other classes than {first.sources[0].path.name}"
            mend = "Say which classes there are: --taxonomy FILE.toml."
            raise InputError(what, file=table.sources[0].path, mend=mend)
    if len(tables) == 1:
        return first
    labels, labelled, role, decided = (
        np.concatenate([getattr(table, name) for table in tables])
        for name in ("labels", "labelled", "role", "decided")
    )
    return make_table(sources, first.class_names, labels, labelled, role, first.taxonomy, decided)


def refuse_twins(infos: Sequence[SourceInfo]) -> None:
    """Refuse a file that is given twice, under whatever name."""
    seen: dict[str, SourceInfo] = {}
    for info in infos:
        if info.fingerprint in seen:
            raise InputError(
                f"is the same as {seen[info.fingerprint].path}",
                file=info.path,
                mend="Give every file once.",
            )
        seen[info.fingerprint] = info


def _taxonomy_for(info: SourceInfo) -> Taxonomy:
    plain_one = Taxonomy(info.path.stem, [Class(name) for name in info.class_names], [])
    return known_for(info.class_names) or plain_one
