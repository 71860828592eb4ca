"""Picture of every class with examples, as Fig. 2 of the paper, from labelled shots.

Chooses the shots and hands them to `model.inspection.figures`, which draws. Reads only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.inspection.figures import ClassRow, ShownShot, colours, figure_place, save
from model.shots.table import ShotTable

Rows = npt.NDArray[np.int64]
Render = Callable[[str, int], npt.NDArray[np.uint8]]
"""(file name of a schematic, side in pixels) -> (y, x, 4) uint8 RGBA."""
SCHEMATIC_SIDE = 240


def figure2(
    table: ShotTable,
    out: Path,
    *,
    per_class: int = 3,
    across: int = 2,
    seed: int = 0,
    colormap: str = "viridis",
    render: Render | None = None,
    force: bool = False,
) -> dict[str, int]:
    """Draw `per_class` shots of each class to a PNG, PDF or SVG; how many of each class it shows.

    `across` classes stand side by side; two, of three shots each, fill a page of a journal. Of a
    class, shots with few other labels go first, drawn by `seed` among equals. Raises InputError for
    a table without labels, or where `out` exists and `force` is not given.
    """
    if per_class < 1 or across < 1:
        what = f"{per_class} shots of each class, {across} classes side by side"
        raise InputError(what, mend="Ask for at least 1.")
    out = figure_place(out)
    colours(colormap)
    if out.exists() and not force:
        raise InputError("is already there", file=out, mend="Use --force to replace it.")
    if not table.labelled.any():
        file = table.sources[0].path
        raise InputError("carries no labels", file=file, mend="Choose a file of labelled shots.")
    chosen = {
        name: clearest(table, column, per_class, seed)
        for column, name in enumerate(table.class_names)
    }
    wanted = np.unique(np.concatenate(list(chosen.values())))
    read = {row: (counts, mask) for row, counts, mask in table.iter_shots(wanted)}
    rows = [
        ClassRow(
            name, [_shown(*read[int(row)]) for row in picked], schematic_of(table, name, render)
        )
        for name, picked in chosen.items()
    ]
    save(rows, out, colormap=colormap, levels=(), across=across)
    return {name: len(picked) for name, picked in chosen.items()}


def clearest(table: ShotTable, column: int, count: int, seed: int) -> Rows:
    """At most `count` rows of a class, those with the fewest other labels, chance among equals."""
    rows = np.flatnonzero(table.labelled & (table.labels[:, column] > 0))
    chance = np.random.default_rng((seed, column)).random(len(rows))
    others = table.labels[rows].sum(1)
    return rows[np.lexsort((chance, others))][:count]


def _shown(counts: npt.NDArray[np.generic], mask: npt.NDArray[np.bool_] | None) -> ShownShot:
    return ShownShot(counts, np.ones(counts.shape, np.float32), mask)


def schematic_of(
    table: ShotTable, name: str, render: Render | None
) -> npt.NDArray[np.uint8] | None:
    """The drawing of a class, (SCHEMATIC_SIDE, SCHEMATIC_SIDE, 4); None where it has none."""
    if render is None or table.taxonomy is None or not table.taxonomy.knows(name):
        return None
    (place,) = table.taxonomy.columns([name])
    drawing = table.taxonomy.classes[place].schematic
    return render(drawing, SCHEMATIC_SIDE) if drawing else None
