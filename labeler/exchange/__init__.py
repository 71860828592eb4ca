"""Labels in and out of a project: CSV, Parquet, CXI tags, plain HDF5, and Label Studio's JSON.

It writes new files only, never a file of shots; what is read goes into the store as one gesture.
The command line and the file dialogs read FORMATS: nothing heavy is loaded before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from model.errors import InputError

if TYPE_CHECKING:
    from labeler.exchange.sheet import LabelSheet
    from labeler.project.project import Project


@dataclass(frozen=True)
class Format:
    """A format of labels: its title in a file dialog, and endings of its files, the usual first.

    A table has columns to choose from; what `may_hold_shots` may be larger than labels ever are.
    """

    title: str
    endings: tuple[str, ...]
    is_table: bool = False
    may_hold_shots: bool = False


FORMATS = {
    "csv": Format("CSV for spreadsheets", (".csv", ".tsv"), is_table=True),
    "parquet": Format("Parquet for pandas", (".parquet",), is_table=True),
    "hdf5": Format("HDF5", (".h5", ".hdf5"), may_hold_shots=True),
    "cxi": Format("CXI tags, readable by Owl", (".cxi",), may_hold_shots=True),
    "json": Format("Label Studio", (".json",)),
}
ENDINGS = {ending: name for name, form in FORMATS.items() for ending in form.endings}


def _module_of(form: str) -> ModuleType:
    """Has `write(sheet, path)`, of a table with `wanted` columns, and `read(path) -> sheet`."""
    from labeler.exchange import as_csv, as_cxi, as_hdf5, as_json, as_parquet

    return {
        "csv": as_csv, "parquet": as_parquet, "hdf5": as_hdf5, "cxi": as_cxi, "json": as_json,
    }[form]  # fmt: skip


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
    InputError where `out` is there already (without `force`), or cannot be written.
    """
    from labeler.exchange.sheet import sheet_of
    from model.output_files import check_place, written_whole

    out = Path(out)
    form = form or form_of(out)
    how: dict[str, object] = {}
    if columns:
        if not FORMATS[form].is_table:
            tables = [name for name, known in FORMATS.items() if known.is_table]
            mend = f"Choose columns of {' or '.join(tables)}, or leave them out."
            raise InputError(f"{form} has no columns to choose from", file=out, mend=mend)
        how["wanted"] = columns
    if form == "csv" and out.suffix.lower() == ".tsv":
        how["delimiter"] = "\t"
    sheet = sheet_of(project, annotator, only_mine=only_mine)
    check_place(out, [info.path for info in project.sources], force=force)
    with written_whole(out) as part:
        _module_of(form).write(sheet, part, **how)
    return sheet


def read_labels(path: Path | str) -> LabelSheet:
    """The labels of a file of any of the formats, known by its ending, under its own class names.

    A file of shots that carries labels will do as well. InputError names file, place and mend.
    """
    from labeler.exchange import sheet as sheets

    path = Path(path)
    form = form_of(path)
    if path.is_dir():
        raise InputError("is a folder", file=path, mend="Name a file in it.")
    if not path.is_file():
        raise InputError("there is no such file", file=path, mend="Check the path.")
    if not FORMATS[form].may_hold_shots and path.stat().st_size > sheets.MOST_BYTES:
        what = f"has {path.stat().st_size / 1e9:.1f} GB, and no file of labels has that much"
        raise InputError(what, file=path, mend="Leave out what is no label, and try again.")
    sheet: LabelSheet = _module_of(form).read(path)
    return sheet


def read_labels_apart(
    path: Path | str, read: Callable[[Path], LabelSheet] = read_labels
) -> LabelSheet:
    """`read_labels` in a child process, for a foreign file: InputError too where it crashes or
    hangs its library. A large text is parsed in one go, which would hold up the window as well."""
    from model.shots.child import FileReader

    with FileReader(read) as ask:
        found: LabelSheet = ask(Path(path))
    return found
