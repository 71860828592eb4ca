"""The paper's Fig. 5 from a run: which shots it shows, where the network looked, what it said.

Chooses shots, reads them with the network and hands them to `model.inspection.figures`, which
draws.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill, wrap

import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.heatmaps.forms import BEST, HEAT_FORMS
from model.heatmaps.nothing_to_see import no_place, nothing_found
from model.heatmaps.truth_table import TruthTable
from model.inspection.figures import ClassRow, ShownShot, colours, figure_place, save
from model.inspection.gallery import Render, schematic_of
from model.inspection.heat import Explainer
from model.inspection.perturbed_shots import Reader, ReadShots, some_rows
from model.prediction.before_labels import Halves
from model.preprocessing.preparation import Preparation
from model.shots.table import ShotTable
from model.taxonomy.same_classes import place_among

LOOKED_AT = 800
FINE_STRENGTH = 0.5
"""How far cold places are dimmed under fine heat, which would else leave nothing of the shot."""
TITLE_WIDTH = 21
"""Characters of a line over a shot, six shots in a row."""


@dataclass(frozen=True)
class FigureRequest:
    """What to show: classes by name, a group of shots of each, how many, in which forms of heat
    (BEST: the one that did best for the class).

    hits, false (alarms), missed and labelled shots are drawn by chance from a part of the shots,
    as the paper's five; the most certain and unsure ones go first.
    """

    classes: tuple[str, ...]
    group: str = "hits"
    per_class: int = 5
    seed: int = 0
    forms: tuple[str, ...] = ("paper",)


def draw(
    table: ShotTable,
    run: Path,
    out: Path,
    request: FigureRequest,
    *,
    preparation: Preparation | None = None,
    seen: Halves | None = None,
    rows: Sequence[int] | None = None,
    render: Render | None = None,
    truth: TruthTable | None = None,
    colormap: str = "viridis",
    dpi: int = 200,
) -> dict[str, list[int]]:
    """Write the figure, a row for each form and class; class name -> numbers (from 1) of the
    shots that it shows, the same ones in every form, as in the titles. Where there is no heat on a
    shot, its title says why; where heat of a class tells no more than the shot, its row says so.

    preparation: see `checkpoint.load`; seen: `Reader.adapt`. rows: show these in every row of the
    figure instead of choosing. truth: which form did best for a class; the paper's where that is
    not known. Raises InputError where there is nothing to show, for classes and places that cannot
    be, and for one of `rows` that cannot be read.
    """
    figure_place(out)
    colours(colormap)
    reader = Reader(run, preparation=preparation)
    kinds = [reader.index(name, table.taxonomy) for name in request.classes]
    if reader.about.preprocessing.input != "pattern":
        raise InputError("this run looks at correlation maps", mend="Choose one of patterns.")
    wanted = (
        some_rows(table, LOOKED_AT, request.seed) if rows is None else np.asarray(rows, np.int64)
    )
    if len(foreign := wanted[(wanted < 0) | (wanted >= len(table))]):
        what = ", ".join(str(row + 1) for row in foreign)
        raise InputError(f"there is no shot {what}", mend=f"Give 1 to {len(table)}.")
    reader.adapt(table, table.taxonomy, seen)
    read = reader.read(table, wanted, named=rows is not None)
    explainer = Explainer(reader)
    truth = truth or TruthTable()
    taxonomies = (table.taxonomy, reader.about.taxonomy)
    forms = {name: _forms(request.forms, name, truth) for name in request.classes}
    drawn, shown = [], {}
    for asked, name, kind in (
        (forms[name][number], name, kind)
        for number in range(len(request.forms))
        for name, kind in zip(request.classes, kinds, strict=True)
        if number < len(forms[name])
    ):
        label, form = place_among(table.class_names, name, *taxonomies), asked[0]
        places = (
            _ordered(read, wanted)
            if rows is not None
            else _chosen(read, table, label, kind, request)
        )
        shots = [_shot(explainer, read, table, asked, int(i), kind, label) for i in places]
        strength = 1.0 if HEAT_FORMS[form].stored else FINE_STRENGTH
        schematic = schematic_of(table, name, render)
        words = "" if no_place(name, *taxonomies) else HEAT_FORMS[form].short
        if (only := truth.short(name, form)) and any(shot.heat is not None for shot in shots):
            words += f"\n{fill(only, TITLE_WIDTH)}"
        drawn.append(ClassRow(name, shots, schematic, strength, words))
        shown[name] = (read.rows[places] + 1).tolist()
    save(drawn, out, colormap=colormap, dpi=dpi)
    return shown


def _forms(wanted: Sequence[str], name: str, truth: TruthTable) -> list[tuple[str, ...]]:
    """For each row of a class, once: its form of heat, and what is asked where that finds nothing:
    where no form was named, the other one that is computed."""
    paper, *_ = HEAT_FORMS
    found: dict[str, tuple[str, ...]] = {}
    for named in wanted:
        form = named or truth.best(name) or paper
        fine = [f for f, about in HEAT_FORMS.items() if not about.stored]
        others = [f for f in fine if f != form] if named == BEST and form in fine else []
        found.setdefault(form, (form, *others))
    return list(found.values())


def _ordered(read: ReadShots, wanted: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Places of the shots read in the order asked for."""
    place = {int(row): i for i, row in enumerate(read.rows)}
    return np.array([place[int(row)] for row in wanted], np.intp)


def _chosen(
    read: ReadShots, table: ShotTable, label: int, kind: int, request: FigureRequest
) -> npt.NDArray[np.intp]:
    """Places among the shots read."""
    decided = table.decided[read.rows, label] & (label >= 0)
    labelled = decided & (table.labels[read.rows, label] > 0)
    likely, said = read.decided[:, kind], read.probabilities[:, kind]
    chance = np.random.default_rng((request.seed, kind)).random(len(read))
    groups: dict[str, tuple[npt.NDArray[np.bool_], npt.NDArray[np.floating]]] = {
        "hits": (labelled & likely, chance),
        "false": (decided & ~labelled & likely, chance),
        "missed": (labelled & ~likely, chance),
        "labelled": (labelled, chance),
        "certain": (likely, -said),
        "unsure": (np.ones(len(read), bool), np.abs(said - 0.5)),
    }
    which, key = groups[request.group]
    places = np.flatnonzero(which)
    return places[np.argsort(key[places], kind="stable")][: request.per_class]


def _shot(
    explainer: Explainer,
    read: ReadShots,
    table: ShotTable,
    forms: Sequence[str],
    place: int,
    kind: int,
    label: int,
) -> ShownShot:
    row, reader = int(read.rows[place]), explainer.reader
    ((_, counts, mask),) = table.iter_shots([row])
    target = explainer.targets([reader.names[kind]])
    why = explainer.nothing_to_see(read, place, table.taxonomy)[kind]
    heat, instead, none = None, "", ""
    for form in () if why else forms:
        cells = explainer.cells(read, place, target, [form])[form]
        nothing = nothing_found(cells.values[0], form)
        none = none or nothing
        if not nothing:
            heat = reader.on_pattern(cells.values[0], counts.shape, read.seen[place], cells.box)
            instead = "" if form == forms[0] else HEAT_FORMS[form].short
            break
    said = float(read.probabilities[place, kind])
    number = "1.0" if said >= 0.995 else f"{said:.2f}".removeprefix("0")
    likely = bool(read.decided[place, kind])
    if label < 0 or not table.decided[row, label]:
        word = "predicted" if likely else "not predicted"
    elif table.labels[row, label]:
        word = "true" if likely else "missed"
    else:
        word = "false alarm" if likely else "absent"
    lines = [f"#{row + 1} · p {number}", word, instead]
    if heat is None:
        whole = why or none
        reason, *_ = re.split(r": | \(", whole)  # what is; p stands above, what follows is clear
        lines += wrap(f"no heat: {reason[0].lower()}{reason[1:]}", TITLE_WIDTH)
    return ShownShot(counts, heat, mask, "\n".join(filter(None, lines)))
