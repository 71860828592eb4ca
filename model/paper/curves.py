"""Curves of macro F1 over the epochs, one figure for each table, as SVG text.

Draws what it is given and computes nothing but the mean over the seeds.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from model.inspection.figures import PLOT_LOOK
from model.paper.reading import Read

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#555555")
WIDTH, HEIGHT = 8.6, 3.4


Line = tuple[tuple[float, ...], tuple[float, ...]]


def svg(curves: Mapping[str, Read]) -> str:
    """The figure as an <svg> element: a thick line is the mean, thin ones are the seeds.

    Dotted: the constant predictor on the data of the first row.
    """
    blind = next((r.constant["macro_f1"] for r in curves.values() if r.constant), None)
    rows = tuple((name, found.curves) for name, found in curves.items())
    return _drawn(rows, None if blind is None else blind[0])


@lru_cache(maxsize=32)
def _drawn(rows: tuple[tuple[str, tuple[Line, ...]], ...], blind: float | None) -> str:
    """Kept, as a report is written again after every table."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    out = io.StringIO()
    with mpl.rc_context(PLOT_LOOK):
        figure = Figure((WIDTH, HEIGHT), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for place, (name, lines) in enumerate(rows):
            _row(axes, name, lines, place)
        if blind is not None:
            axes.axhline(blind, color="#77777c", linewidth=1.0, linestyle=":",
                         label="constant predictor")  # fmt: skip
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylabel("macro F1 on the evaluation shots")
        lowest = min(v for _, lines in rows for _, values in lines for v in values)
        axes.set_ylim(max(0.0, min(lowest, lowest if blind is None else blind) - 0.04), None)
        axes.grid(axis="y", color="#ececef", linewidth=0.8)
        axes.set_axisbelow(True)
        figure.legend(loc="outside right center", frameon=False, fontsize=8)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))  # no addresses in the file
        figure.savefig(out, format="svg", metadata=nothing)
    text = out.getvalue()
    return text[text.index("<svg") :]


def _row(axes: Any, name: str, lines: tuple[Line, ...], place: int) -> None:
    colour, dash = _COLOURS[place % len(_COLOURS)], "-" if place < len(_COLOURS) else "--"
    if len(lines) > 1:
        for epochs, values in lines:
            axes.plot(epochs, values, dash, color=colour, linewidth=0.6, alpha=0.5)
    first = lines[0][0]
    whole = [values for epochs, values in lines if epochs == first]
    axes.plot(first, np.mean(whole, 0), dash, color=colour, linewidth=1.8, label=name)
