"""Labels as plain HDF5: a matrix with its class names, and the place of every shot."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from labeler.exchange.sheet import LabelSheet, sheet_from
from labeler.version import version
from model.errors import InputError
from model.hdf5 import open_file, texts
from model.shots import open_source
from model.taxonomy import Taxonomy

TEXT = h5py.string_dtype()


def write(sheet: LabelSheet, path: Path) -> None:
    """`labels` (N, C) with attribute `class_names`, and beside it one value for every shot."""
    with h5py.File(path, "w") as file:
        file.attrs["airylabel_version"] = version()
        file.attrs["annotator"] = sheet.annotator
        file["labels"] = sheet.labels
        file["labels"].attrs.create("class_names", list(sheet.class_names), dtype=TEXT)
        file["labelled"] = sheet.labelled.astype(np.uint8)
        file["status"] = sheet.status
        file["imported"] = sheet.imported.astype(np.uint8)
        file["source_of"] = sheet.source_of
        file["index_of"] = sheet.index_of
        file.create_dataset("sources", data=list(sheet.files), dtype=TEXT)
        file.create_dataset("datasets", data=list(sheet.datasets), dtype=TEXT)
        marks = [info.fingerprint for info in sheet.sources]
        file.create_dataset("fingerprints", data=marks, dtype=TEXT)
        file["note_rows"] = np.array(list(sheet.notes), np.int64)
        file.create_dataset("notes", data=list(sheet.notes.values()), dtype=TEXT)


def read(path: Path, taxonomy: Taxonomy) -> LabelSheet:
    """The sheet of an export, or the labels that a file of shots carries."""
    with open_file(path) as file:
        if "source_of" not in file:
            return read_shots(path, taxonomy)
        try:
            names = texts(file["labels"].attrs["class_names"])
            files, datasets = texts(file["sources"][()]), texts(file["datasets"][()])
            where = zip(file["source_of"][()].tolist(), file["index_of"][()].tolist(), strict=True)
            places = [(files[s], datasets[s], i) for s, i in where]
            rows = file["note_rows"][()].tolist()
            notes = dict(zip(rows, texts(file["notes"][()]), strict=True)) if rows else {}
            return sheet_from(
                path,
                taxonomy,
                names,
                file["labels"][()],
                file["status"][()],
                places,
                file["imported"][()] != 0,
                notes,
            )
        except (KeyError, ValueError, IndexError, OSError) as error:
            what = f"is no whole export of labels ({error})"
            raise InputError(what, file=path, mend="Export it again.") from error


def read_shots(path: Path, taxonomy: Taxonomy) -> LabelSheet:
    """The labels that a file of shots carries."""
    with open_source(path) as source:
        labels, info = source.file_labels(), source.info
    if labels is None:
        mend = "Choose a file with labels and their class names."
        raise InputError("carries no labels", file=path, mend=mend)
    places = [(str(info.path), info.dataset, i) for i in range(info.n_shots)]
    status = labels.labelled.astype(np.uint8)
    imported = labels.labelled
    return sheet_from(path, taxonomy, labels.names, labels.labels, status, places, imported)
