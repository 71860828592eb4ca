"""The paper's Figures 2, 4 and 5 from the data and the networks of a study, as vector files.

Fig. 2: every class with its schematic; Fig. 4: one shot in the four noise sets, with its
correlation maps; Fig. 5: where the network of Table 4 (alpha = 0.2, first seed) looked for Streak
and Bent. They are drawn once the tables are there; a figure that cannot be drawn is told in a note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model import class_figure
from model.correlation import MapRecipe, correlation_map
from model.errors import InputError
from model.events import Event, event
from model.figures import WIDTH_INCHES, ShownShot, picture, write
from model.gallery import Render, draw_gallery
from model.shots import ShotTable
from model.tables.cells import Cell, Shelf
from model.tables.one_cell import shows_figures
from model.tables.plan import LEVELS, Table
from model.tables.study import Study

CLASSES = ("Streak", "Bent")
_SAMPLE = 200
_DPI = 200


def draw(
    study: Study, tables: list[Table], shelf: Shelf, render: Render, stop: Callable[[], bool]
) -> Iterator[Event]:
    """Events; writes figure-2, figure-4 and figure-5 (.svg) into the study's folder `figures`."""
    folder = study.order.out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    cells = [cell for table in tables for cell in table.cells]
    makers: tuple[tuple[str, Callable[[Path], Iterator[Event]]], ...] = (
        ("figure-2.svg", lambda out: _gallery(study, render, out)),
        ("figure-4.svg", lambda out: _noise(study, stop, out)),
        ("figure-5.svg", lambda out: _heat(study, shelf, cells, render, out)),
    )
    for name, make in makers:
        try:
            yield from make(folder / name)
            yield event("note", level="info", text=f"{folder / name} is drawn.")
        except InputError as error:
            yield event("note", level="warning", text=f"{name} is not drawn: {error}")


def _gallery(study: Study, render: Render, out: Path) -> Iterator[Event]:
    draw_gallery(study.order.data, out, render=render, force=True)
    yield from ()


def _heat(
    study: Study, shelf: Shelf, cells: list[Cell], render: Render, out: Path
) -> Iterator[Event]:
    runs = [shelf.run_folder(study.key(cell)) for cell in cells if shows_figures(cell)]
    there = [run for run in runs if (run / "model.safetensors").is_file()]
    if not there:
        what = "there is no network with the logarithmic activation, α = 0.2, on clean shots"
        raise InputError(what, mend="Run Table 4, 5, 6 or 10 first.")
    table = study.datasets.tables["helium"]
    names = tuple(name for name in CLASSES if name in table.class_names)
    if not names:
        raise InputError(f"the data have neither {' nor '.join(CLASSES)}")
    wish = class_figure.Wish(names, group="labelled")
    class_figure.draw(table, there[0], out, wish, render=render)
    side = study.order.budget.size // 32
    if side < 7:
        text = f"Figure 5: the network's heatmaps have {side}×{side} cells at this budget, not 7×7."
        yield event("note", level="warning", text=text)


# -- Figure 4 ------------------------------------------------------------------------------------


def _noise(study: Study, stop: Callable[[], bool], out: Path) -> Iterator[Event]:
    recipe = study.order.budget.recipe()
    table = study.datasets.tables["helium"]
    row = brightest(table)
    shots = []
    for level in LEVELS:
        cell = Cell(recipe, noise=level)
        yield from study.datasets.prepare(cell, stop)
        seen = study.datasets.noisy[f"helium {level}"] if level else table
        ((_, counts, mask),) = seen.iter_shots([row])
        shots.append((counts, mask))
    write(_noise_figure(shots), out, _DPI)


def brightest(table: ShotTable) -> int:
    """Row of the labelled shot with the most classes, and of those the most counts."""
    rows = np.flatnonzero(table.labelled)
    many = rows[np.argsort(-table.labels[rows].sum(1), kind="stable")][:_SAMPLE]
    most = table.labels[many].sum(1).max()
    chosen = many[table.labels[many].sum(1) == most]
    sums = {row: float(counts.astype(np.float64).sum()) for row, counts, _ in
            table.iter_shots(chosen)}  # fmt: skip
    return max(sums, key=lambda row: sums[row])


def _noise_figure(shots: list[tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]]) -> Any:
    """Patterns above, a) to d); their maps below, e) to h)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = len(shots)
    figure = Figure((WIDTH_INCHES, 2 * WIDTH_INCHES / columns + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2, columns)
    for place, ((counts, mask), words) in enumerate(zip(shots, LEVELS.values(), strict=True)):
        whole = ShownShot(counts, np.ones(counts.shape, np.float32), mask)
        grid[0, place].imshow(picture(whole, "viridis", 0.0))
        grid[0, place].set_title(f"{'abcd'[place]}) {words}", fontsize=7.5, loc="left")
        recipe = MapRecipe(radii=max(16, min(counts.shape) // 2))
        grid[1, place].imshow(correlation_map(counts, mask, recipe=recipe), cmap="viridis")
        grid[1, place].set_title(f"{'efgh'[place]})", fontsize=7.5, loc="left")
    for axes in grid.ravel():
        axes.set_axis_off()
    return figure
