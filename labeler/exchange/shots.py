"""Shots out of a project: chosen ones with their labels, for programs that reconstruct from them.

As CXI (an entry for each size of shot) or, for a name that ends in .h5, as plain HDF5. A copy is
streamed shot by shot; a virtual file holds links only. No file of shots is ever written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labeler import version
from labeler.exchange.as_cxi import CXI_VERSION
from labeler.exchange.stack import Part, Stack, parts_of
from labeler.project.project import Project
from model.errors import InputError, counted
from model.events import Event, Stop, event, never
from model.output_files import check_place, explained, give_name, new_hdf5, part_of

ROOM = 8 << 20
"""Bytes beside the shots themselves: labels, names, and what HDF5 holds back."""


def export_shots(
    project: Project,
    rows: npt.ArrayLike,
    out: Path | str,
    *,
    annotator: int | None = None,
    virtual: bool = False,
    compress: bool = False,
    force: bool = False,
    stop: Stop = never,
) -> Iterator[Event]:
    """Write the shots `rows` with their labels, masks and numbers to a new file.

    Yields progress and, last, `finished` (with `out`, `shots`, `unreadable`) or `cancelled`. A shot
    that cannot be read is left out of a copy and counted. InputError where `out` may not be
    written, or where shots differ in size and `out` is plain HDF5.
    """
    out = Path(out)
    plain = out.suffix.lower() != ".cxi"
    files = [info.path for info in project.sources]
    check_place(out, files, force=force)
    state = project.merged_state(annotator)
    table = project.shot_table(state)
    parts = list(parts_of(table, np.asarray(rows, np.int64)))
    if plain and len(parts) > 1:
        sizes = ", ".join(f"{p.info.shape[0]} × {p.info.shape[1]}" for p in parts)
        mend = "Give the file a name that ends in .cxi, which holds several stacks."
        raise InputError(f"the shots differ in size or geometry ({sizes})", file=out, mend=mend)
    check_place(out, files, ROOM + (0 if virtual else sum(map(_bytes_of, parts))), force=True)
    total, half = sum(len(p.rows) for p in parts), part_of(out)
    done, unreadable = 0, 0
    try:
        with explained(out), new_hdf5(half) as file:
            file.attrs["airylabel_version"] = version()
            for number, part in enumerate(parts):
                stack = Stack(file, table, part, None if plain else number + 1, compress)
                for step in stack.link() if virtual else stack.copy():
                    yield event("progress", what="shots", done=done + step, total=total)
                    if stop():
                        yield event("cancelled", text="Nothing was written.")
                        return
                done += len(part.rows)
                unreadable += len(part.rows) - len(stack.rows)
                stack.describe(state)
            if not plain:
                file["cxi_version"] = CXI_VERSION
        with explained(out):
            give_name(half, out)
    finally:
        half.unlink(missing_ok=True)
    lost = f"; {unreadable:,} could not be read" if unreadable else ""
    text = f"{counted(total - unreadable, 'shot')} written to {out}{lost}"
    result = {"out": str(out), "shots": total - unreadable, "unreadable": unreadable}
    yield event("finished", **result, virtual=virtual, text=text)


def _bytes_of(part: Part) -> int:
    """Of the shots alone, uncompressed."""
    return len(part.rows) * math.prod(part.info.shape) * np.dtype(part.dtype).itemsize
