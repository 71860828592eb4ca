"""The figure of `bench active`: accuracy, macro F1 and rare F1 against the number of labels.

Draws what it is given and computes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from model.taxonomy.colours import BLUE, GREEN, ORANGE, PURPLE, SKY_BLUE, VERMILION, VIOLET

PANELS = {"accuracy": "accuracy", "macro_f1": "macro F1", "rare_f1": "F1 of rare classes"}
_COLOURS = {"asked": VERMILION, "random": "#000000"}
_OTHERS = (BLUE, GREEN, PURPLE, ORANGE, SKY_BLUE, VIOLET, "#A6761D")


def draw(results: dict[str, Any], out: Path) -> tuple[Path, Path]:
    """Write `out`/active.svg and .png from the results of `active.run`; returns both paths."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from model.inspection.figures import write

    figure = Figure((10, 8), layout="constrained")
    FigureCanvasAgg(figure)
    *panels, near = figure.subplots(2, 2).ravel()
    for axes, (metric, words) in zip(panels, PANELS.items(), strict=True):
        _panel(axes, results, metric)
        axes.set_title(words, fontsize=10, loc="left")
    _panel(near, results, "macro_f1")
    _enlarge(near, results)
    for axes in (*panels, near):
        axes.set_xlabel("labels", fontsize=9)
        axes.tick_params(labelsize=8)
    lines, names = panels[1].get_legend_handles_labels()
    extra = panels[0].get_legend_handles_labels()
    for line, name in zip(*extra, strict=True):
        if name not in names:
            lines.append(line)
            names.append(name)
    figure.legend(lines, names, loc="outside lower center", ncols=6, fontsize=8, frameon=False)
    paths = out / "active.svg", out / "active.png"
    for path in paths:
        write(figure, path, 160)
    return paths


def _panel(axes: Any, results: dict[str, Any], metric: str) -> None:
    others = iter(_OTHERS)
    for name, found in results["strategies"].items():
        known = name in _COLOURS
        colour = _COLOURS.get(name) or next(others, "#888888")
        _line(axes, found, metric, name, colour, 2.0 if known else 0.9, "-", spread=known)
    chance, grey = results["no_pretraining"], "#888888"
    _line(axes, chance, metric, "random, untrained network", grey, 1.6, "--")
    trainings: dict[str, Any] = results.get("trainings", {})
    for mark, (name, points) in zip("so^Dv", _grouped(trainings).items(), strict=False):
        axes.plot(
            [p["labels"] for p in points], [p[metric] for p in points], mark,
            markersize=6, markerfacecolor="none", label=name,
        )  # fmt: skip
    if metric == "accuracy":
        at, reached = zip(*((int(n), v) for n, v in results["table_5"].items()), strict=True)
        axes.plot(at, reached, "x", color=grey, label="Table 5: paper's network on real shots")
    axes.set_xscale("symlog", linthresh=20, linscale=0.3)
    axes.set_xlim(left=0)
    axes.set_xticks([0, 20, 50, 100, 200, 500, 1000, 2000, 6000])
    axes.set_xticklabels(["0", "20", "50", "100", "200", "500", "1k", "2k", "6k"])
    axes.minorticks_off()
    axes.grid(alpha=0.25, linewidth=0.5)


def _enlarge(axes: Any, results: dict[str, Any]) -> None:
    """Only what lies between the first answers of random order and the best of all."""
    every = [found["macro_f1"]["mean"] for found in results["strategies"].values()]
    random = results["strategies"]["random"]["macro_f1"]["mean"]
    labels = results["strategies"]["random"]["labels"]
    low, high = random[min(1, len(random) - 1)], max(max(curve) for curve in every)
    margin = 0.1 * max(high - low, 0.01)
    axes.set_ylim(low - 3 * margin, high + 2 * margin)
    axes.set_xlim(labels[min(1, len(labels) - 1)] * 0.9, labels[-1] * 1.1)
    saving = results["strategies"].get("asked", {}).get("label_saving")
    title = "macro F1, enlarged"
    if saving is not None:
        title += f": asked needs {100 * saving:.0f} % of random's labels"
    axes.set_title(title, fontsize=10, loc="left")


def _line(
    axes: Any, found: dict[str, Any], metric: str, name: str, colour: str, width: float,
    style: str, spread: bool = True,
) -> None:  # fmt: skip
    labels = np.array(found["labels"])
    mean, off = np.array(found[metric]["mean"]), np.array(found[metric]["spread"])
    axes.plot(labels, mean, style, color=colour, linewidth=width, label=name)
    if spread:
        axes.fill_between(labels, mean - off, mean + off, color=colour, alpha=0.12, linewidth=0)


def _grouped(trainings: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Trainings by what they are called, every seed a point."""
    made: dict[str, list[dict[str, Any]]] = {}
    for found in trainings.values():
        if "macro_f1" in found:
            made.setdefault(found["name"], []).append(found)
    return made
