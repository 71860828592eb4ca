"""Labels in and out of a project: CSV, CXI tags, plain HDF5, and JSON in Label Studio's form.

It writes new files only, never a file of shots.
"""

from __future__ import annotations

from pathlib import Path

from labeler.exchange import as_csv, as_cxi, as_hdf5, as_json
from labeler.exchange.sheet import LabelSheet, sheet_of, write_whole
from labeler.project import Project
from model.errors import InputError
from model.taxonomy import Taxonomy

__all__ = ["FORMATS", "LabelSheet", "export", "read_labels", "sheet_of"]

FORMATS = {"csv": as_csv, "cxi": as_cxi, "hdf5": as_hdf5, "json": as_json}
"""Names of the formats, and the module of each."""
_ENDINGS = {".csv": "csv", ".cxi": "cxi", ".h5": "hdf5", ".hdf5": "hdf5", ".json": "json"}


def export(
    project: Project,
    form: str,
    out: Path | str,
    *,
    force: bool = False,
    annotator: int | None = None,
    only_mine: bool = False,
) -> LabelSheet:
    """Write the labels of a project in one of FORMATS; returns what was written.

    InputError where `out` is there already (without `force`), or cannot be written.
    """
    sheet = sheet_of(project, annotator, only_mine=only_mine)
    writer = FORMATS[form]
    out = Path(out)
    write_whole(out, project.sources, lambda path: writer.write(sheet, path), force=force)
    return sheet


def read_labels(path: Path | str, taxonomy: Taxonomy) -> LabelSheet:
    """The labels of a file of any of the formats, known by its ending, in the taxonomy's order.

    A file of shots that carries labels will do as well. InputError names file, place and mend,
    and every class that the taxonomy lacks.
    """
    path = Path(path)
    form = _ENDINGS.get(path.suffix.lower())
    if form is None:
        mend = f"Its name ends in one of {', '.join(_ENDINGS)}."
        raise InputError("is no file of labels that can be read", file=path, mend=mend)
    sheet: LabelSheet = FORMATS[form].read(path, taxonomy)
    return sheet
