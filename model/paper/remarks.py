"""Sentences of the report, made from numbers alone and only where they are facts.

Orders of rows here and in the paper, which differences exceed the spread over the seeds, what lies
below the constant predictor, and where the paper's own numbers do not go together.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from model.paper import reference
from model.paper.plan import Row, Table
from model.paper.row_results import Number, RowResults, by_class
from model.shots.table import ShotTable

Reads = Sequence[tuple[Row, RowResults]]


def of_rows(table: Table, reads: Reads) -> list[str]:
    """About Tables 3, 4, 5, 6 and 9."""
    said = []
    ours = [(row, r) for row, r in reads if row.paper and r.seeds and "recall" in row.paper]
    for dataset in dict.fromkeys(row.cells[0].dataset for row, _ in ours):
        mine = [(row, r) for row, r in ours if row.cells[0].dataset == dataset]
        if len(mine) > 1:
            said += _orders(mine)
    said += _spread(reads)
    if table.number == 4:
        said += _input_scale(reads)
    if table.number == 6:
        said += _maps(reads)
    said += _below_constant(reads)
    said += _papers_own(table)
    return said


def _orders(reads: Reads) -> list[str]:
    """The order of the rows here and in the paper, by the paper's number and by macro F1."""
    paper = {row.name: row.paper["accuracy"] for row, _ in reads}
    said = [f"Order of the rows in the paper, by accuracy: {_ranked(list(paper.items()))}."]
    for what, name, which in (
        ("accuracy (max)", "accuracy", "maximum"),
        ("macro F1 (best epoch)", "macro_f1", "best"),
    ):
        known = {
            row.name: value[0]
            for row, r in reads
            if (value := getattr(r, which).get(name)) is not None
        }
        if len(known) == len(reads):
            same, pairs = _agreeing(known, paper)
            said.append(
                f"Order here by {what}: {_ranked(list(known.items()))}; {same} of {pairs} pairs "
                "stand as in the paper."
            )
    return said


def _ranked(values: Sequence[tuple[str, float]]) -> str:
    """Names from the greatest value down, with the values; equals joined by =."""
    order = sorted(values, key=lambda item: -item[1])
    text = f"{order[0][0]} ({order[0][1]:.3f})"
    for (_, above), (name, value) in pairwise(order):
        sign = "=" if f"{above:.3f}" == f"{value:.3f}" else ">"
        text += f" {sign} {name} ({value:.3f})"
    return text


def _agreeing(here: dict[str, float], paper: dict[str, float]) -> tuple[int, int]:
    """(pairs in the same order, pairs that the paper tells apart)."""
    names = list(here)
    same = every = 0
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            if paper[a] == paper[b]:
                continue
            every += 1
            same += (here[a] - here[b]) * (paper[a] - paper[b]) > 0
    return same, every


def _spread(reads: Reads) -> list[str]:
    """Which neighbours differ by more than chance between seeds could make."""
    known = [(row.name, r.best["macro_f1"]) for row, r in reads
             if r.seeds and r.best.get("macro_f1") is not None]  # fmt: skip
    if len(known) < 2:
        return []
    if min(r.seeds for _, r in reads if r.seeds) < 2:
        return [
            "There is one seed for some rows and therefore no spread: no difference between them "
            "can be told from chance."
        ]
    order = sorted(known, key=lambda item: -_mean(item[1]))
    apart = [
        f"{a[0]} and {b[0]}"
        for a, b in pairwise(order)
        if _mean(a[1]) - _mean(b[1]) > 2 * max(_deviation(a[1]), _deviation(b[1]))
    ]
    if not apart:
        return [
            "No two neighbours in the order by macro F1 differ by more than twice the greater of "
            "their standard deviations over the seeds."
        ]
    return [
        "In the order by macro F1 these neighbours differ by more than twice the greater of their "
        f"standard deviations: {'; '.join(apart)}. The others do not."
    ]


def _mean(value: Number) -> float:
    assert value is not None
    return value[0]


def _deviation(value: Number) -> float:
    assert value is not None
    return value[1]


def _input_scale(reads: Reads) -> list[str]:
    """What the activation does at each input scale."""
    by_kind: dict[tuple[str, str], Number] = {}
    for row, r in reads:
        if r.seeds and row.cells[0].recipe.alpha == 0.2:
            recipe = row.cells[0].recipe
            by_kind[recipe.transform, recipe.activation] = r.best.get("macro_f1")
    words = {"raw": "raw counts", "unit": "counts in 0..1", "log": "logarithms of the counts"}
    parts = []
    for transform, what in words.items():
        with_log = by_kind.get((transform, "log"))
        without = by_kind.get((transform, "leaky_relu"))
        if with_log is not None and without is not None:
            change = with_log[0] - without[0]
            parts.append(f"{change:+.3f} on {what}")
    if not parts:
        return []
    return [
        "The logarithmic activation (α = 0.2) in place of LeakyReLU changes the macro F1 of the "
        f"best epoch by {', '.join(parts)}. The paper compares it on raw counts with LeakyReLU on "
        "counts in 0..1."
    ]


def _maps(reads: Reads) -> list[str]:
    """At which noise maps do better than patterns, here and in the paper."""
    by_kind = {(r.cells[0].noise, r.cells[0].recipe.input): (r, f) for r, f in reads if f.seeds}
    here, paper, done = [], [], []
    for noise in ("", "mean", "mean+std", "max"):
        pair = [by_kind.get((noise, kind)) for kind in ("correlation", "pattern")]
        if pair[0] is None or pair[1] is None:
            continue
        word = noise or "none"
        done.append(word)
        values = [found.best.get("macro_f1") for _, found in (pair[0], pair[1])]
        if values[0] is not None and values[1] is not None and values[0][0] > values[1][0]:
            here.append(word)
        if pair[0][0].paper["accuracy"] > pair[1][0].paper["accuracy"]:
            paper.append(word)
    if not done:
        return []
    return [
        "Correlation maps do better than patterns at these noise levels: here (macro F1, best "
        f"epoch) {', '.join(here) or 'none of them'}; in the paper (accuracy) "
        f"{', '.join(paper) or 'none of them'}; compared at: {', '.join(done)}."
    ]


def _below_constant(reads: Reads) -> list[str]:
    below = [
        row.name for row, r in reads
        if (ours := r.maximum.get("accuracy")) is not None
        and (blind := r.constant.get("accuracy")) is not None
        and ours[0] <= blind[0]
    ]  # fmt: skip
    if not below:
        return []
    return [
        f"Not above the constant predictor even with their greatest accuracy: {', '.join(below)}."
    ]


def _papers_own(table: Table) -> list[str]:
    """Printed numbers of this table that do not go together."""
    said = []
    rows = [row for row in table.rows if row.of_helium and "recall" in row.paper]
    for row in rows:
        if reference.too_good(row.paper):
            p = row.paper
            bound = reference.most_accuracy(p["precision"], p["recall"])
            said.append(
                f"* The paper's accuracy of {p['accuracy']:.3f} for {row.name} is more than its "
                f"precision {p['precision']:.3f} and recall {p['recall']:.3f} allow "
                f"(at most {bound:.3f})."
            )
    blind, nothing = reference.CONSTANT["accuracy"], reference.NOTHING["accuracy"]
    low = [f"{row.name} {row.paper['accuracy']:.3f}" for row in rows
           if row.paper["accuracy"] < blind]  # fmt: skip
    if low:
        said.append(
            f"On the paper's data the constant predictor reaches {blind:.3f} and predicting no "
            f"class {nothing:.3f}; below the former lie its rows {', '.join(low)}."
        )
    return said


def of_classes(found: RowResults) -> list[str]:
    """About Table 10."""
    evaluation, whole = reference.recalls_that_fit()
    count = len(reference.PER_CLASS)
    said = [
        f"Of the paper's {count} recalls, {evaluation} are a whole number of its evaluation shots "
        f"(its column of samples), and {whole} are a whole number of all shots of that class in "
        f"the published labels, to every printed digit (Streak: 239 of 242; Layered: 29 of 47). "
        "They therefore appear to be taken over the whole data set, training shots included.",
        f"The mean of the F1 that follow from the paper's table is "
        f"{reference.macro_f1_of_table_10():.3f}.",
    ]
    if found.results:
        names = found.results[0]["class_names"]
        scores = {n: by_class(found.results, c)[0]["f1"] for c, n in enumerate(names)}
        known = [(n, s[0]) for n, s in scores.items() if s is not None]
        said.insert(0, f"Order of the classes here by F1 at the best epoch: {_ranked(known)}.")
        paper = [(n, _f1(r)) for n, r in reference.PER_CLASS.items() if n in scores]
        if paper:
            said.insert(1, f"In the paper: {_ranked(paper)}.")
    return said


def _f1(row: reference.Numbers) -> float:
    p, r = row["precision"], row["recall"]
    return 2 * p * r / (p + r)


def of_statistics(table: ShotTable) -> list[str]:
    """About Table 1."""
    labels = table.labels[table.labelled].astype(bool)
    sets = len(np.unique(labels, axis=0))
    said = [
        f"{len(labels):,} labelled shots of {len(table):,} in the file; {sets} different label "
        f"sets; {labels.sum(1).mean():.2f} labels a shot. In the paper's data: "
        f"{reference.SHOTS:,}, 43 and 2.14."
    ]
    if "Empty" in table.class_names:
        said.append(
            f"The paper's {reference.CLASSES['Empty']} Empty shots include the 11 without a "
            f"superclass; its published labels have {reference.PUBLISHED_EMPTY}."
        )
    return said
