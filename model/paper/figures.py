"""The paper's Figures 2, 4 and 5 from the data and the networks of a study, as vector files.

Fig. 2: every class with its schematic; Fig. 4: one shot in the four noise sets, with its
correlation maps; Fig. 5: where the network of Table 4 (alpha = 0.2, first seed) looked for Streak
and Bent. They are drawn once the tables are there; a figure that cannot be drawn is told in a note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from model.errors import InputError
from model.events import Event, Stop, event
from model.inspection import class_figure
from model.inspection.gallery import Render, figure2
from model.inspection.noise_figure import figure4
from model.paper.cell_runs import shows_figures
from model.paper.cells import Cell, FinishedCells
from model.paper.plan import Table
from model.paper.study import NOISE_SEED, PaperStudy, Stopped
from model.runs.folder import WEIGHTS

CLASSES = ("Streak", "Bent")


def draw(
    study: PaperStudy,
    tables: list[Table],
    finished: FinishedCells,
    render: Render,
    stop: Stop,
) -> Iterator[Event]:
    """Events; writes figure-2, figure-4 and figure-5 (.svg) into the study's folder `figures`."""
    folder = study.order.out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    cells = [cell for table in tables for cell in table.cells]
    makers: tuple[tuple[str, Callable[[Path], Iterator[Event]]], ...] = (
        ("figure-2.svg", lambda out: _gallery(study, render, out)),
        ("figure-4.svg", lambda out: _noise(study, stop, out)),
        ("figure-5.svg", lambda out: _heat(study, finished, cells, render, out)),
    )
    for name, make in makers:
        try:
            yield from make(folder / name)
            yield event("note", level="info", text=f"{folder / name} is drawn.")
        except InputError as error:
            yield event("note", level="warning", text=f"{name} is not drawn: {error}")


def _gallery(study: PaperStudy, render: Render, out: Path) -> Iterator[Event]:
    figure2(study.datasets.tables["helium"], out, render=render, force=True)
    yield from ()


def _noise(study: PaperStudy, stop: Stop, out: Path) -> Iterator[Event]:
    last: Event = {}
    for last in figure4(study.order.data, out, seed=NOISE_SEED, force=True, stop=stop):
        if last["event"] == "progress":
            yield last
    if last["event"] == "cancelled":
        raise Stopped


def _heat(
    study: PaperStudy, finished: FinishedCells, cells: list[Cell], render: Render, out: Path
) -> Iterator[Event]:
    runs = [finished.run_folder(study.key(cell)) for cell in cells if shows_figures(cell)]
    there = [run for run in runs if (run / WEIGHTS).is_file()]
    if not there:
        what = "there is no network with the logarithmic activation, α = 0.2, on clean shots"
        raise InputError(what, mend="Run Table 4, 5, 6 or 10 first.")
    table = study.datasets.tables["helium"]
    names = tuple(name for name in CLASSES if name in table.class_names)
    if not names:
        raise InputError(f"the data have neither {' nor '.join(CLASSES)}")
    request = class_figure.FigureRequest(names, group="labelled")
    class_figure.draw(table, there[0], out, request, render=render)
    side = study.order.budget.size // 32
    if side < 7:
        text = f"Figure 5: the network's heatmaps have {side}×{side} cells at this budget, not 7×7."
        yield event("note", level="warning", text=text)
