"""Labels in and out of a project: CSV, Parquet, CXI tags, plain HDF5, and Label Studio's JSON.

It writes new files only, never a file of shots; what is read goes into the store as one gesture.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from labeler.exchange import as_csv, as_cxi, as_hdf5, as_json, as_parquet
from labeler.exchange.sheet import MOST_BYTES, LabelSheet, sheet_of
from labeler.project.project import Project
from model.errors import InputError
from model.output_files import check_place, written_whole

__all__ = ["ENDINGS", "FORMATS", "LabelSheet", "export", "form_of", "read_labels", "sheet_of"]

FORMATS = {
    "csv": as_csv,
    "parquet": as_parquet,
    "hdf5": as_hdf5,
    "cxi": as_cxi,
    "json": as_json,
}
"""Names of the formats, and the module of each: `write(sheet, path)`, `read(path) -> sheet`."""
TABLES = ("csv", "parquet")
TEXTS = (*TABLES, "json")
"""They hold nothing but labels; the others may be files of shots."""
ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".cxi": "cxi",
    ".json": "json",
}


def form_of(path: Path | str) -> str:
    """The format that a file's ending stands for; InputError where it stands for none."""
    form = ENDINGS.get(Path(path).suffix.lower())
    if form is None:
        mend = f"Its name ends in one of {', '.join(ENDINGS)}."
        raise InputError("is no file of labels by its name", file=path, mend=mend)
    return form


def export(
    project: Project,
    form: str | None,
    out: Path | str,
    *,
    force: bool = False,
    annotator: int | None = None,
    only_mine: bool = False,
    columns: Sequence[str] = (),
) -> LabelSheet:
    """Write the labels of a project in one of FORMATS; returns what was written.

    Without `form`, the ending of `out` decides. `columns` of a table, in this order; all without.
    InputError where `out` is there already (without
    `force`), or cannot be written.
    """
    out = Path(out)
    form = form or form_of(out)
    write = FORMATS[form].write
    if columns and form not in TABLES:
        mend = f"Choose columns of {' or '.join(TABLES)}, or leave them out."
        raise InputError(f"{form} has no columns to choose from", file=out, mend=mend)
    if write is as_csv.write and out.suffix.lower() == ".tsv":
        write = partial(as_csv.write, delimiter="\t")
    if columns:
        write = partial(write, wanted=columns)
    sheet = sheet_of(project, annotator, only_mine=only_mine)
    check_place(out, [info.path for info in project.sources], force=force)
    with written_whole(out) as part:
        write(sheet, part)
    return sheet


def read_labels(path: Path | str) -> LabelSheet:
    """The labels of a file of any of the formats, known by its ending, under its own class names.

    A file of shots that carries labels will do as well. InputError names file, place and mend.
    """
    path = Path(path)
    form = form_of(path)
    if path.is_dir():
        raise InputError("is a folder", file=path, mend="Name a file in it.")
    if not path.is_file():
        raise InputError("there is no such file", file=path, mend="Check the path.")
    if form in TEXTS and path.stat().st_size > MOST_BYTES:
        what = f"has {path.stat().st_size / 1e9:.1f} GB, and no file of labels has that much"
        raise InputError(what, file=path, mend="Leave out what is no label, and try again.")
    sheet: LabelSheet = FORMATS[form].read(path)
    return sheet
