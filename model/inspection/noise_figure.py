"""The paper's Fig. 4: one shot under each level of noise, and the correlation map of each.

Panels a to d show the shot without noise and in the three noise sets of its file
(`model.physics.noise`), each on its own logarithmic scale, as a network sees it; e to h the
correlation maps of the four (`model.physics.correlation`). Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.events import Event, Stop, event, never
from model.inspection.figures import WIDTH_INCHES, ShownShot, colours, figure_place, picture, write
from model.physics import noise, noise_file
from model.physics.correlation import MapRecipe, correlation_map
from model.physics.noise import LEVELS
from model.physics.polar import Floats
from model.shots.sources import Source, open_source

BRIGHT = 0.75
"""Where none is asked for, the shot whose mean counts exceed those of this share of all."""
WORDS = {"mean": "mean", "mean+std": "mean + std", "max": "max"}
_FONT = 8.0


def figure4(
    path: Path | str,
    out: Path | str,
    *,
    row: int | None = None,
    seed: int = 0,
    dataset: str | None = None,
    colormap: str = "viridis",
    dpi: int = 300,
    force: bool = False,
    centre: tuple[float, float] | None = None,
    stop: Stop = never,
) -> Iterator[Event]:
    """Draw shot `row` (from 0) of a file to a PNG, PDF or SVG.

    Ends in `finished` (out, shot from 1, bounds: level -> b) or `cancelled`. Without a row, a
    fairly bright shot is taken; without a `centre` (y, x), that of the file. InputError for a shot
    or a kind of file that cannot be, and where `out` exists and `force` is not given.
    """
    out = figure_place(out)
    colours(colormap)
    if out.exists() and not force:
        raise InputError("is already there", file=out, mend="Use --force to replace it.")
    with open_source(path, dataset) as source:
        info = source.info
        if row is not None and not 0 <= row < info.n_shots:
            mend = f"Give a number from 1 to {info.n_shots}."
            raise InputError(f"there is no shot {row + 1}", file=info.path, mend=mend)
        bounds: dict[str, float] = {}
        for level in LEVELS:
            numbers = yield from noise_file.numbers_of(source, level, stop)
            if numbers is None:
                yield event("cancelled", text="Stopped; nothing was written.")
                return
            bounds[level] = noise_file.bound_of(source, level, numbers)
            if row is None:
                row = _bright(numbers)
        assert row is not None, "the first level chose one"
        mask = source.mask(row) if info.has_mask else None
        stages = _stages(source, row, bounds, seed)
    recipe = MapRecipe(centre=centre)
    grid = recipe.grid(info.shape, info.geometry.centre)
    maps = [correlation_map(shot, mask, recipe=recipe, grid=grid) for shot in stages]
    shown = [ShownShot(shot, np.ones(shot.shape, np.float32), mask) for shot in stages]
    pictures = [picture(shot, colormap, 0.0) for shot in shown]
    write(_drawn(pictures, maps, bounds, colormap), out, dpi)
    yield event("finished", metrics={}, out=str(out), shot=row + 1, bounds=bounds)


def _bright(numbers: list[float]) -> int:
    order = np.argsort(np.nan_to_num(numbers), kind="stable")
    return int(order[round(BRIGHT * (len(order) - 1))])


def _stages(
    source: Source, row: int, bounds: dict[str, float], seed: int
) -> list[npt.NDArray[Any]]:
    """The shot without noise and with that of each level, as the noise sets have it."""
    counts = source.read(row)
    return [counts, *(noise.noisy(counts, bound, seed, row) for bound in bounds.values())]


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _drawn(
    pictures: list[npt.NDArray[np.uint8]],
    maps: list[Floats],
    bounds: dict[str, float],
    colormap: str,
) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((WIDTH_INCHES, 0.53 * WIDTH_INCHES), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2, len(pictures))
    titles = ["no noise", *(f"{WORDS[level]}, b = {_short(b)}" for level, b in bounds.items())]
    for number, axes in enumerate(grid.flat):
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_anchor("N")
        said = titles[number] if number < len(titles) else ""
        axes.set_title(f"{'abcdefgh'[number]}) {said}", fontsize=_FONT, loc="left")
    for axes, shot in zip(grid[0], pictures, strict=True):
        axes.imshow(shot, interpolation="nearest")
    for axes, made in zip(grid[1], maps, strict=True):
        shown = axes.imshow(made, cmap=colormap, vmin=0, vmax=1, interpolation="nearest")
        axes.set_xlabel("$q_j$", fontsize=_FONT)
    grid[0, 0].set_ylabel("pattern, log scale", fontsize=_FONT)
    grid[1, 0].set_ylabel("correlation map, $q_i$", fontsize=_FONT)
    bar = figure.colorbar(shown, ax=grid[1, :], shrink=0.85, aspect=16, pad=0.01, ticks=[0, 0.5, 1])
    bar.ax.tick_params(labelsize=_FONT - 1)
    return figure
