"""Publication figure of classes: shots with their heat, as in Fig. 5 of the paper.

One row per class, or several classes side by side: its schematic, then shots on a logarithmic scale
whose transparency is the heat, with the heat's contours dashed on top. PNG, PDF or SVG by the name
of the file, text as text. Draws what it is given: which shots, and where their heat comes from, is
the caller's matter. Never opens a window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.heatmaps.geometry import Heat, detector, outside
from model.output_files import need_folder, written_whole

SUFFIXES = (".png", ".pdf", ".svg")
LEVELS = (0.25, 0.5, 0.75)
"""Contours, as fractions of the hottest place."""
WIDTH_INCHES = 7.0
"""Two columns of a journal."""
_LINE, _FONT = 0.7, 7.0
_LINE_INCHES = 1.4 * _FONT / 72
PLOT_LOOK = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#b9b9be",
    "axes.linewidth": 0.8,
    "xtick.color": "#55555a",
    "ytick.color": "#55555a",
    "axes.labelcolor": "#55555a",
    "text.parse_math": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "airylabel",
}
"""Of matplotlib, for the bars and curves of our reports; colours that print."""
_GAP = 0.2
"""Between classes that stand side by side, in shots."""


@dataclass(frozen=True)
class ShownShot:
    """A shot of the figure: counts (y, x), heat (y, x) in [0, 1] (`heat.enlarge`); where there is
    none, the shot is drawn as it is."""

    counts: npt.NDArray[Any]
    heat: Heat | None
    mask: npt.NDArray[np.bool_] | None = None
    """True at good pixels; the others are drawn dark."""
    title: str = ""


@dataclass(frozen=True)
class ClassRow:
    """A row of the figure. `schematic`: RGBA (y, x, 4) uint8, or None to leave its place out."""

    name: str
    shots: Sequence[ShownShot]
    schematic: npt.NDArray[np.uint8] | None = None
    strength: float = 1.0
    """1 leaves cold places black as the paper does, 0 shows the whole shot."""
    form: str = ""
    """What the heat is, to be told where rows differ in it."""


def save(
    rows: Sequence[ClassRow],
    out: Path,
    *,
    colormap: str = "viridis",
    levels: Sequence[float] = LEVELS,
    dpi: int = 300,
    across: int = 1,
) -> Path:
    """Draw the rows, `across` of them side by side, and write them to `out`; returns `out`.

    colormap: a name of matplotlib's; levels: of the contours, as fractions of the hottest place.
    Raises InputError for another kind of file, an unknown colormap, nothing to draw, or a place
    that cannot be written.
    """
    out = figure_place(out)
    if not any(row.shots for row in rows):
        raise InputError("there are no shots to draw", mend="Choose a class that has shots.")
    figure = _drawn(rows, colormap, levels, across)
    write(figure, out, dpi)
    return out


def figure_place(out: Path | str) -> Path:
    """The path of a figure; InputError for a kind of file that a figure cannot be, and where its
    folder is not there."""
    out = Path(out)
    if out.suffix.lower() not in SUFFIXES:
        what = f"a figure cannot be a {out.suffix or 'file without ending'}"
        raise InputError(what, file=out, mend=f"Use one of {', '.join(SUFFIXES)}.")
    need_folder(out)
    return out


def colours(name: str) -> Any:
    """A colormap of matplotlib's by its name; InputError where there is none such."""
    from matplotlib import colormaps

    if name not in colormaps:
        mend = "Use one of matplotlib's, such as viridis, magma or gray."
        raise InputError(f"there is no colormap {name!r}", mend=mend)
    return colormaps[name]


def picture(shot: ShownShot, colormap: str, strength: float) -> npt.NDArray[np.uint8]:
    """(y, x, 3) the shot on a log scale from its 1st to its 99.9th percentile, faint where there is
    no heat: black, or in a colormap whose zero is light, like that."""
    counts = np.asarray(shot.counts, np.float64)
    good = np.isfinite(counts) if shot.mask is None else np.isfinite(counts) & shot.mask
    logs = np.log1p(np.clip(np.where(good, counts, 0), 0, None))
    low, high = np.percentile(logs[good], (1, 99.9)) if good.any() else (0.0, 1.0)
    scaled = np.clip((logs - low) / max(high - low, 1e-12), 0, 1)
    coloured = colours(colormap)(scaled, bytes=True)[..., :3]
    zero = colours(colormap)(0.0, bytes=True)[:3]
    nothing = np.asarray(zero if np.mean(zero) > 127 else (0, 0, 0), np.float64)
    coloured[~good] = nothing
    if shot.heat is None:
        return np.asarray(coloured, np.uint8)
    share = (1 - strength * (1 - shot.heat))[..., None]
    return np.asarray(coloured * share + nothing * (1 - share) + 0.5, np.uint8)


def _drawn(rows: Sequence[ClassRow], colormap: str, levels: Sequence[float], across: int) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [row for row in rows if row.shots]
    across = min(across, len(rows))
    first = any(row.schematic is not None for row in rows)
    columns = max(len(row.shots) for row in rows) + first
    widths = ([1.0] * columns + [_GAP]) * (across - 1) + [1.0] * columns
    high = -(-len(rows) // across)
    more = [0] * high  # lines of titles beyond the first
    for number, row in enumerate(rows):
        lines = max(shot.title.count("\n") for shot in row.shots)
        more[number // across] = max(more[number // across], lines)
    height = high * (WIDTH_INCHES / sum(widths) + 0.18) + sum(more) * _LINE_INCHES
    words = [row.form.replace(" (", "\n(") for row in rows]
    height += _LINE_INCHES * high * max(text.count("\n") + bool(text) for text in words)
    figure = Figure((WIDTH_INCHES, height), layout="compressed")
    FigureCanvasAgg(figure)
    grid = figure.subplots(high, len(widths), squeeze=False, width_ratios=widths)
    for axes in grid.flat:
        axes.set_axis_off()
    for number, row in enumerate(rows):
        start = number % across * (columns + 1)
        line = grid[number // across][start : start + columns]
        if row.schematic is not None:
            line[0].imshow(row.schematic)
        line[0].set_title(
            row.name, fontsize=_FONT + 1, loc="left", fontweight="bold", parse_math=False
        )
        if row.form:
            line[0].text(
                0.0, -0.02, words[number], fontsize=_FONT, va="top",
                transform=line[0].transAxes, parse_math=False,
            )  # fmt: skip
        for axes, shot in zip(line[first:], row.shots, strict=False):
            _draw_shot(axes, shot, picture(shot, colormap, row.strength), levels)
    return figure


def _draw_shot(
    axes: Any, shot: ShownShot, pixels: npt.NDArray[np.uint8], levels: Sequence[float]
) -> None:
    height, width = shot.counts.shape
    axes.imshow(pixels, extent=(0, width, height, 0), interpolation="nearest")
    heat = shot.heat
    if heat is not None and min(height, width) > 1 and heat.max() > min(levels, default=np.inf):
        y, x = np.arange(height) + 0.5, np.arange(width) + 0.5
        good = detector(shot.counts, shot.mask)
        heat = heat if good is None else np.ma.masked_array(heat, outside(good))
        axes.contour(x, y, heat, levels, colors="white", linewidths=_LINE, linestyles="dashed")
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    if shot.title:
        axes.set_title(shot.title, fontsize=_FONT, loc="right", parse_math=False)


def write(figure: Any, out: Path, dpi: int) -> None:
    """Write a figure whole or not at all, the same bytes every time; InputError where it fails."""
    import matplotlib as mpl

    kind = out.suffix[1:].lower()
    metadata = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[kind]
    fonts = {"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "a"}
    with written_whole(out) as part, mpl.rc_context(fonts):
        figure.savefig(part, format=kind, dpi=dpi, metadata=metadata)
