"""Labels as plain HDF5: a matrix with its class names, and the place of every shot."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from labeler import version
from labeler.exchange.sheet import LabelSheet
from labeler.project.store import LABELLED
from model.errors import InputError
from model.output_files import new_hdf5
from model.shots.hdf5 import open_file, texts
from model.shots.table import open_source

TEXT = h5py.string_dtype()


def write(sheet: LabelSheet, path: Path) -> None:
    """`labels` (N, C) with attribute `class_names`, and beside it one value for every shot; `known`
    (N, C) where a class is undecided on some labelled shots."""
    with new_hdf5(path) as file:
        file.attrs["airylabel_version"] = version()
        file.attrs["annotator"] = sheet.annotator
        file["labels"] = sheet.labels
        file["labels"].attrs.create("class_names", list(sheet.class_names), dtype=TEXT)
        file["labelled"] = sheet.labelled.astype(np.uint8)
        if sheet.known is not None:
            file["known"] = sheet.known.astype(np.uint8)
        file["status"] = sheet.status
        file["imported"] = sheet.imported.astype(np.uint8)
        file.create_dataset("origin", data=list(sheet.origins), dtype=TEXT)
        file["source_of"] = sheet.source_of
        file["index_of"] = sheet.index_of
        file.create_dataset("sources", data=list(sheet.files), dtype=TEXT)
        file.create_dataset("datasets", data=list(sheet.datasets), dtype=TEXT)
        file.create_dataset("fingerprints", data=list(sheet.fingerprints), dtype=TEXT)
        file["note_rows"] = np.array(list(sheet.notes), np.int64)
        file.create_dataset("notes", data=list(sheet.notes.values()), dtype=TEXT)


def read(path: Path) -> LabelSheet:
    """The sheet of an export, or the labels that a file of shots carries."""
    with open_file(path) as file:
        if "source_of" not in file:
            return read_shots(path)
        try:
            rows = file["note_rows"][()].tolist()
            return checked(
                path,
                LabelSheet(
                    class_names=texts(file["labels"].attrs["class_names"]),
                    files=texts(file["sources"][()]),
                    datasets=texts(file["datasets"][()]),
                    source_of=np.asarray(file["source_of"][()], np.int32),
                    index_of=np.asarray(file["index_of"][()], np.int64),
                    labels=(file["labels"][()] > 0).astype(np.uint8),
                    status=np.asarray(file["status"][()], np.uint8),
                    imported=file["imported"][()] != 0,
                    notes=dict(zip(rows, texts(file["notes"][()]), strict=True)) if rows else {},
                    fingerprints=texts(file["fingerprints"][()]) if "fingerprints" in file else (),
                    by=decided_by(file, file["status"][()], file["imported"][()]),
                    known=file["known"][()] != 0 if "known" in file else None,
                    unit="row",
                ),
            )
        except (KeyError, ValueError, IndexError, OSError, TypeError) as error:
            what = f"is no whole export of labels ({error})"
            raise InputError(what, file=path, mend="Export it again.") from error


def decided_by(file: h5py.File, status: np.ndarray, imported: np.ndarray) -> tuple[str, ...]:
    """Who decided on each shot, as the file says; '' for no one and for labels of a file."""
    who = texts(file.attrs["annotator"])[0] if "annotator" in file.attrs else ""
    decided = (status & LABELLED != 0) & (imported == 0)
    return tuple(who if mine else "" for mine in decided.tolist())


def checked(path: Path, sheet: LabelSheet) -> LabelSheet:
    """The sheet, where its parts fit each other; ValueError where they do not."""
    n, c = len(sheet), len(sheet.class_names)
    if sheet.labels.shape != (n, c) or sheet.labels.ndim != 2:
        raise ValueError(f"labels {sheet.labels.shape} for {n} shots and {c} classes")
    for name in ("source_of", "index_of", "imported"):
        if getattr(sheet, name).shape != (n,):
            raise ValueError(f"{name} {getattr(sheet, name).shape} for {n} shots")
    if sheet.known is not None and sheet.known.shape != (n, c):
        raise ValueError(f"known {sheet.known.shape} for {n} shots and {c} classes")
    if n and not 0 <= sheet.source_of.min() <= sheet.source_of.max() < len(sheet.files):
        raise ValueError(f"shots of file {sheet.source_of.max()} of {len(sheet.files)}")
    return sheet


def read_shots(path: Path) -> LabelSheet:
    """The labels that a file of shots carries."""
    with open_source(path) as source:
        labels, info = source.file_labels(), source.info
    if labels is None:
        mend = "Choose a file with labels and their class names."
        raise InputError("carries no labels", file=path, mend=mend)
    return LabelSheet(
        class_names=labels.names,
        files=(str(info.path),),
        datasets=(info.dataset,),
        source_of=np.zeros(info.n_shots, np.int32),
        index_of=np.arange(info.n_shots),
        labels=labels.labels,
        status=(labels.labelled * LABELLED).astype(np.uint8),
        imported=labels.labelled,
        known=labels.known,
        fingerprints=(info.fingerprint,),
    )
