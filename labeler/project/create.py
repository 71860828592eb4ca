"""Making a project: look at the files, build the folder beside its place, move it there whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from labeler.project.folder import DATABASE, SERVER, TAXONOMY
from labeler.project.people import written
from labeler.project.store import LABELLED, Store, StoredSource
from model.errors import InputError, text_of
from model.output_files import part_of, sync_folder, write_text
from model.shots import single_label
from model.shots.probe import Probed, probe_each
from model.shots.table import refuse_twins
from model.taxonomy.taxonomy import Taxonomy
from model.taxonomy.toml import find, load, to_toml

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, how many there are."""


def make(
    folder: Path,
    files: Sequence[Path],
    taxonomy: Path | str | None,
    annotator: str,
    progress: Progress,
    *,
    dataset: str | None,
    with_labels: bool,
    url: str | None = None,
    class_of_each: Sequence[str] | None = None,
) -> None:
    """Make the project's folder; InputError leaves everything as it was.

    `class_of_each`: every shot of a file has one class, these; where it is empty, the files tell
    them (`model.shots.single_label`). Labels in the files are then of no matter.
    """
    if not files:
        raise InputError("no file of shots was given", mend="Name at least one HDF5 file.")
    _refuse_full(folder)
    path = find(taxonomy or "helium")
    classes, one_each = load(path), class_of_each is not None
    found = []
    for probed in probe_each((file, dataset) for file in files):
        if with_labels and not one_each:
            check_labels(probed, classes, chosen=taxonomy is not None)
        found.append(probed)
        progress("reading files", len(found), len(files))
    refuse_twins([probed.info for probed in found])
    text = text_of(path)
    if one_each:
        chosen = classes if taxonomy else None
        classes, names = single_label.classes_of(files, class_of_each or None, chosen)
        found = [_of_one_class(*pair) for pair in zip(found, names, strict=True)]
        text = text if taxonomy else to_toml(classes)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        half = part_of(folder)
        half.mkdir()
    except OSError as error:
        raise _cannot_be_made(folder, error) from error
    try:
        write_text(half / TAXONOMY, text)
        _fill(half, folder, found, classes, annotator, with_labels, url)
        if folder.exists():
            folder.rmdir()
        half.rename(folder)
        sync_folder(folder.parent)
    except InputError as error:
        if error.file is not None and error.file.is_relative_to(half):  # gone in a moment
            error.file = folder / error.file.relative_to(half)
        raise
    except OSError as error:
        raise _cannot_be_made(folder, error) from error
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _cannot_be_made(folder: Path, error: OSError) -> InputError:
    mend = "Choose a folder where you may write and that has space."
    what = f"the project cannot be made there ({error.strerror or error})"
    return InputError(what, file=folder, mend=mend)


def _of_one_class(probed: Probed, name: str) -> Probed:
    return Probed(probed.info, single_label.labels_of(probed.info, name))


def _refuse_full(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        mend = "Choose a new or an empty folder."
        raise InputError("is already there, and not empty", file=folder, mend=mend)


def _fill(
    half: Path,
    folder: Path,
    found: Sequence[Probed],
    taxonomy: Taxonomy,
    annotator: str,
    with_labels: bool,
    url: str | None,
) -> None:
    place = half / (DATABASE if url is None else SERVER)
    store = Store.create(place, taxonomy.names, url)
    try:
        store.set_meta("annotator", store.annotator(written(store, annotator)))
        for probed in found:
            added = store.add_source(probed.info, relative_to(probed.info.path, folder))
            if with_labels:
                import_labels(store, taxonomy, added, probed)
    except BaseException:
        store.forsake()
        raise
    finally:
        store.close()


def check_labels(probed: Probed, taxonomy: Taxonomy, *, chosen: bool) -> None:
    """Refuse labels of classes that the taxonomy lacks, and say what to do."""
    names = () if probed.labels is None else probed.labels.names
    try:
        taxonomy.columns(names, probed.info.path)
    except InputError as error:
        mend = error.mend
        if not chosen:
            mend += " That is the default one: give your own with --taxonomy FILE.toml,"
            mend += " or leave the labels out with --without-labels."
        raise InputError(
            f"its labels have {error.what}", file=probed.info.path, mend=mend
        ) from error


def import_labels(
    store: Store, taxonomy: Taxonomy, source: StoredSource, probed: Probed
) -> int | None:
    """Enter a file's labels under an annotator of their own; None where it has none."""
    labels = probed.labels
    if labels is None or not labels.labelled.any():
        return None
    columns = taxonomy.columns(labels.names, source.info.path)
    ours, known = np.zeros((2, len(labels.labels), len(taxonomy)), bool)
    ours[:, columns] = labels.labels
    known[:, columns] = True if labels.known is None else labels.known
    where = np.flatnonzero(labels.labelled)
    annotator = store.annotator(f"labels of {source.info.name}", kind="import")
    packed = taxonomy.pack(ours[where])
    silent = taxonomy.pack(~known[where])
    rows = source.first_row + where
    store.record(annotator, rows, packed, LABELLED, origin="import", unsaid=silent)
    return annotator


def relative_to(path: Path, folder: Path) -> str:
    """The way from the project to a file, '' where there is none (another drive)."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return ""
