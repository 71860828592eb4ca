"""Labels as a Parquet table, for pandas, Polars, DuckDB and the like: columns as in the CSV.

Needs pyarrow, which is loaded only here and only when used.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labeler import version
from labeler.exchange.columns import (
    HEAD,
    Table,
    class_column,
    kept_columns,
    sheet_of_table,
    who_decided,
)
from labeler.exchange.sheet import MOST_CELLS, LabelSheet, refuse_many
from labeler.project.store import FLAGGED, SKIPPED
from model.errors import InputError, install


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        what = "Parquet needs pyarrow, which is not installed"
        raise InputError(what, mend=install("pyarrow")) from error
    return pyarrow, pyarrow.parquet


def write(sheet: LabelSheet, path: Path, wanted: Sequence[str] = ()) -> None:
    """Columns with types: whole numbers, true and false, text; a class is null where undecided.

    wanted: only these columns, in this order.
    """
    arrow, parquet = _pyarrow()
    undecided = ~sheet.decided
    places = np.arange(len(sheet), dtype=np.int64)
    notes = [sheet.notes.get(row, "") for row in range(len(sheet))] if sheet.notes else None
    files = arrow.DictionaryArray.from_arrays(sheet.source_of, arrow.array(sheet.files, "string"))
    named = arrow.array(sheet.datasets, "string")
    datasets = arrow.DictionaryArray.from_arrays(sheet.source_of, named)
    columns = [
        arrow.array(places + 1),
        files,
        datasets,
        arrow.array(sheet.index_of),
        arrow.array(who_decided(sheet), "string"),
        arrow.array((sheet.status & FLAGGED) != 0),
        arrow.array((sheet.status & SKIPPED) != 0),
        arrow.array(notes or [""] * len(sheet), "string"),
        arrow.array(sheet.origins, "string"),
        *(
            arrow.array(column.astype(np.int8), mask=silent)
            for column, silent in zip(sheet.labels.T, undecided.T, strict=True)
        ),
    ]
    names = [*HEAD, *(class_column(n) for n in sheet.class_names)]
    about = {"version": version(), "annotator": sheet.annotator, "classes": sheet.class_names}
    kept = kept_columns(names, wanted)
    table = arrow.Table.from_arrays([columns[c] for c in kept], names=[names[c] for c in kept])
    table = table.replace_schema_metadata({"airylabel": json.dumps(about, ensure_ascii=False)})
    parquet.write_table(table, path, compression="zstd")


def read(path: Path) -> LabelSheet:
    """The sheet of a table that `write` made, or of another table of labels."""
    arrow, parquet = _pyarrow()
    try:
        file = parquet.ParquetFile(path, memory_map=False)
        refuse_many(file.schema_arrow.names, "columns", path)
        rows = _claimed_rows(file.metadata)
        if rows * len(file.schema_arrow.names) > MOST_CELLS:
            what = f"claims {rows:,} rows"
            raise InputError(what, file=path, mend="Leave out what is no label, and try again.")
        found = file.read()
        columns = [[_text(v) for v in column.to_pylist()] for column in found.columns]
    except (OSError, arrow.ArrowException, UnicodeDecodeError) as error:
        what = f"cannot be read as Parquet ({_first_line(error)})"
        raise InputError(what, file=path, mend="Export it again.") from error
    numbers = np.arange(1, found.num_rows + 1)
    return sheet_of_table(Table(path, found.column_names, columns, numbers, "row"))


def _claimed_rows(metadata: Any) -> int:
    """As many as the file says, or its groups of rows: room is made before the first is read."""
    groups = (metadata.row_group(g).num_rows for g in range(metadata.num_row_groups))
    return max(int(metadata.num_rows), sum(groups))


def _text(value: object) -> str:
    """A cell as the CSV would have it."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, bool) else str(value)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
