"""Figures of the report on a labelling week as SVG, drawn by matplotlib without any window."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ParamSpec

import numpy as np
from markupsafe import Markup

from labeler.quality.agreement import Agreement
from labeler.quality.repeats import FEW, ClassDrift
from labeler.quality.week import Span
from model.inspection.figures import PLOT_LOOK
from model.metrics.agreement import RELIABLE, TENTATIVE

INK, SOFT, FAINT = "#1f6fc0", "#9cc3ea", "#d8d8dc"
WIDTH = 6.6
Given = ParamSpec("Given")


def _svg(draw: Callable[Given, Any]) -> Callable[Given, Markup]:
    """A function that draws and returns a Figure, as one that returns its <svg> element.

    Names are plain text, never formulas.
    """

    @functools.wraps(draw)
    def drawn(*args: Given.args, **kwargs: Given.kwargs) -> Markup:
        import matplotlib as mpl

        with mpl.rc_context(PLOT_LOOK):
            out = io.StringIO()
            nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            draw(*args, **kwargs).savefig(out, format="svg", metadata=nothing)
        text = out.getvalue()
        return Markup(text[text.index("<svg") :])

    return drawn


def _figure(height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


@_svg
def days(found: Sequence[tuple[datetime, Span]]) -> Any:
    """Shots decided on each day, with shots an hour above the bars."""
    figure, axes = _figure(2.2)
    at = np.arange(len(found))
    shots = [s.shots for _, s in found]
    axes.bar(at, shots, width=0.62, color=SOFT)
    for x, (_, s) in zip(at, found, strict=True):
        if np.isfinite(s.per_hour):
            axes.annotate(
                f"{s.per_hour:,.0f}/h",
                (x, s.shots),
                (0, 3),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color="#55555a",
            )
    axes.set_xticks(at, [f"{d:%a} {d.day}." for d, _ in found])
    axes.set_ylabel("shots decided")
    axes.set_ylim(0, max([*shots, 1]) * 1.18)
    return figure


@_svg
def classes(names: Sequence[str], own: Sequence[int], of_files: Sequence[int]) -> Any:
    """Labels of each class: own ones, and those of the files behind them."""
    figure, axes = _figure(0.6 + 0.24 * len(names))
    at = np.arange(len(names))
    axes.barh(at, own, height=0.62, color=INK, label="labelled here")
    if any(of_files):
        axes.barh(at, of_files, height=0.62, left=own, color=SOFT, label="came with the files")
        axes.legend(frameon=False, fontsize=8, loc="lower right")
    total = np.add(own, of_files)
    for y, n in zip(at, total, strict=True):
        axes.annotate(f"{n:,}", (n, y), (4, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(at, names)
    axes.invert_yaxis()
    axes.set_xlabel("shots with the class")
    axes.set_xlim(0, max(int(total.max(initial=1)), 1) * 1.12)
    return figure


@_svg
def drift(found: Sequence[ClassDrift]) -> Any:
    """The share of labels that a blind repeat confirms, by class."""
    known = [d for d in found if d.shots >= FEW]
    figure, axes = _figure(0.7 + 0.24 * max(len(known), 1))
    _intervals(
        axes,
        [(d.name, d.confirmed, d.low, d.high, f"{d.shots} read twice") for d in known],
    )
    axes.set_xlabel("share of labels confirmed by the blind repeat, 95 % interval")
    return figure


@_svg
def agreement(found: Agreement) -> Any:
    """Krippendorff's alpha of each class, with its interval."""
    figure, axes = _figure(0.7 + 0.24 * len(found.class_names))
    for value in (TENTATIVE, RELIABLE):
        axes.axvline(value, color=FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    pairs = [(found.class_names[c], found.alphas[c]) for c in found.order]
    _intervals(axes, [(n, a.value, a.low, a.high, f"{a.differing} differ") for n, a in pairs])
    axes.set_xlabel("Krippendorff's α, 95 % interval; dashed: .667 and .8")
    return figure


def _intervals(axes: Any, rows: Sequence[tuple[str, float, float, float, str]]) -> None:
    at = np.arange(len(rows))
    for y, (_, value, low, high, note) in zip(at, rows, strict=True):
        if np.isfinite(low) and np.isfinite(high):
            axes.plot([max(low, 0), high], [y, y], color=SOFT, linewidth=3, solid_capstyle="round")
        if np.isfinite(value):
            axes.plot([max(value, 0)], [y], "o", color=INK, markersize=5)
        axes.annotate(
            note,
            (1.01, y),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            color="#77777c",
        )
    axes.set_yticks(at, [name for name, *_ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 1.02)
