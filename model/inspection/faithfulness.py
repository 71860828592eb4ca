"""Do heatmaps show what the network goes by? Deletion and insertion (Petsiuk et al., 2018).

The hottest places are taken out of a shot bit by bit, and put back alone into its featureless glow
(`occlusion.envelope` says why that): where the heat is right, the class goes sooner and comes back
sooner than with places chosen by chance. Also: how much heat lies where there is no detector.
Trains nothing; writes nothing but the result it is asked to keep.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from model.errors import InputError, parsed_json, text_of
from model.events import Event, Stop, event, never
from model.heatmaps.forms import BEST_WORD, HEAT_FORMS
from model.heatmaps.geometry import ALARM, Heat, detector, lost_share, outside
from model.heatmaps.nothing_to_see import no_place
from model.heatmaps.truth_table import TruthTable
from model.inspection.heat import Cells, Explainer
from model.inspection.occlusion import envelope_of, occlude
from model.inspection.perturbed_shots import Reader, ReadShots, some_rows
from model.metrics.bootstrap import interval_of_mean
from model.output_files import check_own, need_folder, write_text
from model.prediction.before_labels import Halves
from model.preprocessing.preparation import Preparation
from model.shots.table import ShotTable

Floats = npt.NDArray[np.float32]
RESULT = "faithfulness.json"
"""In a run folder."""
LEVELS = np.linspace(0, 1, 9)
"""Shares of the pixels that are taken out, or put back."""
RANDOM = 2
"""Random maps that each shot is compared with; as coarse as the heatmap."""
LOOKED_AT = 400


@dataclass(frozen=True)
class FaithfulnessStudy:
    """What to measure: `classes` (where empty, all that have a place on the detector), `shots` of
    each, form of the maps (`forms.BEST`: the one that did best for the class)."""

    classes: tuple[str, ...] = ()
    shots: int = 16
    form: str = "paper"
    seed: int = 0
    occlusion: bool = True


def measure(
    table: ShotTable,
    run: Path,
    study: FaithfulnessStudy,
    out: Path | None = None,
    stop: Stop = never,
    preparation: Preparation | None = None,
    truth: TruthTable | None = None,
    seen: Halves | None = None,
) -> Iterator[Event]:
    """Question a run about shots that it takes for each class; yields progress, then `finished`.

    Its `classes`: name -> `shots`; `heat` and `occlusion` (None where left out) each with `gap`,
    the mean of how much sooner the class goes by deletion and comes by insertion than by chance,
    as an area between curves of its probability, with `low`, `high` (95 %, over the shots),
    `deletion`, `insertion` (areas); `random` areas; `agreement`, the rank correlation of heat and
    occlusion; `on_masked`, `outside`, the share of the heat there, on the shot as it is in its
    file and within its `detector`, as the window tells it; `alarm`; `form`; `curves`.
    With `out`, classes measured before with the same settings stay in that JSON file.
    `preparation`: see `checkpoint.load`; `truth`: which form did best for a class, the paper's
    where that is not known; `seen`: see `Reader.adapt`. Raises InputError, also where `out` is a
    file of shots or anything else than such a result.
    """
    if out is not None:
        own = Path(run).resolve() / RESULT
        ours = lambda path: path.resolve() == own or bool(_kept_in(path))  # noqa: E731
        need_folder(out)
        check_own(out, [info.path for info in table.sources], ours)
    reader = Reader(run, preparation=preparation)
    if reader.about.preprocessing.input != "pattern":
        mend = "Choose a run that looks at the patterns themselves."
        raise InputError("faithfulness is about places on the detector", mend=mend)
    known = (table.taxonomy, reader.about.taxonomy)
    names = study.classes or [n for n in reader.names if not no_place(n, *known)]
    best = (truth or TruthTable()).best
    kinds = [reader.index(name, table.taxonomy) for name in names]
    yield event("progress", what="reading shots", done=0, total=1)
    reader.adapt(table, table.taxonomy, seen)
    read = reader.read(table, some_rows(table, LOOKED_AT, study.seed))
    explainer = Explainer(reader)
    found: dict[str, Any] = {}
    chosen = {k: _chosen(read, k, study) for k in kinds}
    total, done = sum(map(len, chosen.values())), 0
    for kind in kinds:
        shots, form = [], study.form or best(reader.names[kind]) or next(iter(HEAT_FORMS))
        for shot in chosen[kind]:
            if stop():
                yield event("cancelled", text="Stopped; nothing was kept.")
                return
            yield event("progress", what="running test", done=done, total=total)
            target = explainer.targets([reader.names[kind]])
            cells = explainer.cells(read, int(shot), target, [form])[form]
            heat = reader.on_square(cells.values[0], cells.box)
            shots.append(_one(reader, read, int(shot), kind, heat, study))
            shots[-1] |= _where(reader, table, read, int(shot), cells)
            done += 1
        if shots:
            found[reader.names[kind]] = _summary(shots, study.seed) | {"form": form}
    settings = {"form": study.form or BEST_WORD, "seed": study.seed, "alarm_above": ALARM}
    kept = _keep(out, found, settings) if out is not None else found
    yield event("finished", metrics={}, classes=kept, text=_in_words(found), **settings)


def _chosen(read: ReadShots, kind: int, study: FaithfulnessStudy) -> npt.NDArray[np.intp]:
    """Shots that the network takes for the class, by chance."""
    rows = np.flatnonzero(read.decided[:, kind])
    return np.random.default_rng((study.seed, kind)).permutation(rows)[: study.shots]


def _one(
    reader: Reader, read: ReadShots, shot: int, kind: int, heat: Heat, study: FaithfulnessStudy
) -> dict[str, Any]:
    """Curves (deletion, insertion) by heat, by chance and by occlusion, for one shot and class."""
    random = np.random.default_rng((study.seed, kind, int(read.rows[shot])))
    h, w = read.features.shape[-2:]
    orders = {"heat": [heat]}
    orders["random"] = [
        reader.on_square(random.random((h, w)).astype(np.float32)) for _ in range(RANDOM)
    ]
    agreement = np.nan
    if study.occlusion:
        covered = occlude(reader, read, shot, kind)
        square = _tiled(covered, reader.size)
        orders["occlusion"] = [square]
        if heat.max() > 0:
            agreement = float(spearmanr(_means(heat), covered.ravel()).statistic)
    values = curves(
        lambda squares: reader.chances(squares)[:, kind],
        read.squares[shot],
        envelope_of(read, shot),
        read.good[shot],
        [order for several in orders.values() for order in several],
        orders["random"][0],
    )
    result: dict[str, Any] = {"agreement": agreement}
    at = 0
    for name, several in orders.items():
        result[name] = values[at : at + len(several)].mean(0)
        at += len(several)
    return result


def curves(
    score: Callable[[Floats], npt.NDArray[Any]],
    square: Floats,
    glow: Floats,
    good: npt.NDArray[np.bool_],
    orders: Sequence[npt.NDArray[Any]],
    ties: npt.NDArray[Any],
) -> npt.NDArray[np.float64]:
    """(orders, 2, levels) the class's score while the first pixels of each order are taken out of
    the shot (deletion), and while they alone are put into its glow (insertion).

    Only good pixels take part; those alike in an order come in that of `ties`, as chance has it:
    by their place they would be taken from the top down. score: (n, size, size) linear counts to
    (n,) in [0, 1].
    """
    return curves_of(score(stages(square, glow, good, orders, ties)), len(orders))


def stages(
    square: Floats,
    glow: Floats,
    good: npt.NDArray[np.bool_],
    orders: Sequence[npt.NDArray[Any]],
    ties: npt.NDArray[Any],
) -> Floats:
    """(2 + orders·2·(levels - 2), size, size) the shot, its glow, and all that `curves` asks of a
    class's score between them; `curves_of` takes their scores."""
    places = np.flatnonzero(good)
    both: list[Floats] = []
    for order in orders:
        ranked = places[np.lexsort((-ties.ravel()[places], -order.ravel()[places]))]
        for share in LEVELS[1:-1]:
            first = ranked[: round(share * len(ranked))]
            for base, other in ((square, glow), (glow, square)):
                changed = base.ravel().copy()
                changed[first] = other.ravel()[first]
                both.append(changed.reshape(square.shape))
    return np.stack([square, glow, *both])


def curves_of(scores: npt.NDArray[Any], orders: int) -> npt.NDArray[np.float64]:
    """(orders, 2, levels) curves from the scores (n,) of `stages`."""
    scores = np.asarray(scores, np.float64)
    inner = scores[2:].reshape(orders, len(LEVELS) - 2, 2).transpose(0, 2, 1)
    ends = np.broadcast_to(scores[:2], (orders, 2))
    return np.concatenate([ends[..., None], inner, ends[:, ::-1, None]], 2)


def areas(curve: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(..., levels) curves to the areas under them."""
    return np.asarray(np.trapezoid(curve, LEVELS, axis=-1))


def _where(
    reader: Reader, table: ShotTable, read: ReadShots, shot: int, cells: Cells
) -> dict[str, float]:
    """Shares of the heat on the shot as it is in its file: outside the detector, and on its bad
    pixels."""
    ((_, counts, mask),) = table.iter_shots([read.rows[shot]])
    good = detector(counts, mask)
    if good is None:
        return {"outside": 0.0, "on_masked": 0.0}
    heat = reader.on_pattern(cells.values[0], counts.shape, read.seen[shot], cells.box)
    beyond = outside(good)
    return {"outside": lost_share(heat, ~beyond), "on_masked": lost_share(heat, good | beyond)}


def _summary(shots: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """The shots of a class together."""
    by_chance = areas(np.stack([s["random"] for s in shots]))
    made: dict[str, Any] = {"shots": len(shots), "occlusion": None}
    made["random"] = dict(zip(("deletion", "insertion"), by_chance.mean(0).tolist(), strict=True))
    for name in ("heat", "occlusion"):
        if name in shots[0]:
            mine = areas(np.stack([s[name] for s in shots]))
            made[name] = _gap(mine, by_chance, seed)
    known = [s["agreement"] for s in shots if np.isfinite(s["agreement"])]
    made["agreement"] = float(np.mean(known)) if known else None
    for name in ("on_masked", "outside"):
        made[name] = float(np.mean([s[name] for s in shots]))
    made["alarm"] = made["on_masked"] + made["outside"] > ALARM
    shown = [name for name in ("heat", "random", "occlusion") if name in shots[0]]
    means = {name: np.mean([s[name] for s in shots], 0) for name in shown}
    made["curves"] = {"levels": LEVELS.tolist()} | {
        what: {name: np.round(mean[i], 4).tolist() for name, mean in means.items()}
        for i, what in enumerate(("deletion", "insertion"))
    }
    return made


def _gap(
    mine: npt.NDArray[np.float64], by_chance: npt.NDArray[np.float64], seed: int
) -> dict[str, float]:
    """Area between; its interval by drawing the shots again and again with return."""
    gaps = ((by_chance - mine)[:, 0] + (mine - by_chance)[:, 1]) / 2
    low, high = interval_of_mean(gaps, seed)
    deletion, insertion = mine.mean(0).tolist()
    return {
        "gap": float(gaps.mean()), "low": low, "high": high,
        "deletion": deletion, "insertion": insertion,
    }  # fmt: skip


def _tiled(cells: Floats, size: int) -> Floats:
    """(h, w) cells that tile a square, as (size, size) pixels, each the value of its cell."""
    place = np.minimum(np.arange(size) * len(cells) // size, len(cells) - 1)
    return cells[place][:, place]


def _means(heat: Heat) -> Floats:
    """Heat (size, size) in the cells of the occlusion map, in a row."""
    from model.inspection.occlusion import STEP

    side = len(heat) // STEP
    cells = heat[: side * STEP, : side * STEP].reshape(STEP, side, STEP, side)
    return np.asarray(cells.mean((1, 3)).ravel(), np.float32)


def _keep(out: Path, found: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Write the classes to a JSON file, beside those that it has by the same settings."""
    before = _kept_in(out)
    same = all(before.get(k) == v for k, v in settings.items())
    classes = (before["classes"] if before and same else {}) | found
    write_text(out, json.dumps(settings | {"classes": classes}, indent=1))
    return classes


def _kept_in(path: Path) -> dict[str, Any]:
    """What an earlier call left in a JSON file; empty where there is none, or it is not ours."""
    try:
        before = parsed_json(text_of(path), path)
        ours = isinstance(before["classes"], dict) and "alarm_above" in before
    except (InputError, KeyError, TypeError):
        return {}
    return dict(before) if ours else {}


def _in_words(found: dict[str, Any]) -> str:
    if not found:
        return "The network takes none of the shots for these classes."
    good = [name for name, f in found.items() if f["heat"]["low"] > 0]
    alarmed = [name for name, f in found.items() if f["alarm"]]
    text = f"Heat tells more than chance for {len(good)} of {len(found)} classes."
    if alarmed:
        off = f"{100 * ALARM:.0f} % of it lies off the detector"
        text += f" More than {off} for {', '.join(alarmed)}."
    return text
