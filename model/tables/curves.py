"""Curves of macro F1 over the epochs, one figure for each table, as SVG text.

Draws what it is given and computes nothing but the mean over the seeds.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from model.tables.reading import Read

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#555555")
_LOOK = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#b9b9be",
    "axes.linewidth": 0.8,
    "xtick.color": "#55555a",
    "ytick.color": "#55555a",
    "axes.labelcolor": "#55555a",
    "svg.fonttype": "path",
    "svg.hashsalt": "airylabel",
}
WIDTH, HEIGHT = 8.6, 3.4


def svg(curves: Mapping[str, Read]) -> str:
    """The figure as an <svg> element: a thick line is the mean, thin ones are the seeds."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    out = io.StringIO()
    with mpl.rc_context(_LOOK):
        figure = Figure((WIDTH, HEIGHT), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for place, (name, found) in enumerate(curves.items()):
            _row(axes, name, found, place)
        _constant(axes, curves)
        axes.set_xlabel("epoch")
        axes.set_ylabel("macro F1 on the evaluation shots")
        axes.set_ylim(0, None)
        axes.grid(axis="y", color="#ececef", linewidth=0.8)
        axes.set_axisbelow(True)
        figure.legend(loc="outside right center", frameon=False, fontsize=8)
        figure.savefig(out, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = out.getvalue()
    return text[text.index("<svg") :]


def _row(axes: Any, name: str, found: Read, place: int) -> None:
    colour, dash = _COLOURS[place % len(_COLOURS)], "-" if place < len(_COLOURS) else "--"
    if len(found.curves) > 1:
        for epochs, values in found.curves:
            axes.plot(epochs, values, dash, color=colour, linewidth=0.6, alpha=0.5)
    first = found.curves[0][0]
    whole = [values for epochs, values in found.curves if epochs == first]
    axes.plot(first, np.mean(whole, 0), dash, color=colour, linewidth=1.8, label=name)


def _constant(axes: Any, curves: Mapping[str, Read]) -> None:
    """The constant predictor of the first row's data, as a dotted line."""
    for found in curves.values():
        blind = found.constant.get("macro_f1")
        if blind is not None:
            axes.axhline(blind[0], color="#77777c", linewidth=1.0, linestyle=":",
                         label="constant predictor")  # fmt: skip
            return
