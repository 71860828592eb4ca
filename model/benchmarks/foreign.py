"""`bench foreign`: does what is learnt from one set of shots hold for another detector's?

With one file (`in_folds`): what the shipped network and the instant head say of shots that this
program did not simulate, with no label, some and many; every shot is judged once, by what learnt
from the other folds. With two: each set trains a network that then reads all labelled shots of the
other one; nothing of the other set is looked at before, its thresholds and number of epochs
included. What is done is kept in a JSON file after every step. `quick` begins from a backbone that
was trained on this program's own simulator: the numbers say so, and the backbone's own predictions
of the foreign set stand beside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from model.active import head
from model.benchmarks import active
from model.benchmarks.active_curves import World, labelling
from model.errors import InputError
from model.events import Event, Stop, event, never
from model.metrics import bootstrap, metrics
from model.output_files import write_text
from model.paper.studies import judged_once
from model.prediction.predict import predict
from model.runs.checkpoint import describe
from model.runs.folder import backbone_folder
from model.runs.recipes import Recipe
from model.shots.table import EVALUATION, TRAINING, Shot, ShotTable
from model.taxonomy.same_classes import places_among
from model.taxonomy.taxonomy import Taxonomy
from model.training.roles import with_roles
from model.training.train import Options, train

Labels = npt.NDArray[np.bool_]
FILE, FOLDS_FILE = "foreign.json", "folds.json"
SHOWN = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "macro_ap": "macro AP",
    "contradiction_rate": "contradictions",
    "constant_macro_f1": "macro F1, always the same answer",
}
"""Number -> column of the table."""


def run(
    ours: ShotTable,
    foreign: ShotTable,
    recipe: Recipe,
    out: Path,
    stop: Stop = never,
    seed: int = 0,
) -> Iterator[Event]:
    """Both ways, and the recipe's backbone alone; ends in `finished` with the table in words.

    Raises InputError where the sets have no class in common; a training that fails ends it too.
    """
    out.mkdir(parents=True, exist_ok=True)
    done: dict[str, Any] = _read(out)
    results: dict[str, dict[str, Any]] = {}
    ways = (("ours → foreign", ours, foreign), ("foreign → ours", foreign, ours))
    for name, here, there in ways:
        learnt = f"{recipe.name} {recipe.digest} · seed {seed}"
        key = f"{name} · {learnt} · {here.fingerprint} · {there.fingerprint}"
        if key not in done:
            folder = out / name.replace(" → ", "-to-")
            yield from _trained(name, here, recipe, folder, stop, seed)
            if stop():
                yield event("cancelled", text="Stopped; the same command goes on later.")
                return
            done[key] = yield from _judged(name, folder, there)
            done[key] |= {"way": name, "trained on": int(here.labelled.sum())}
            write_text(out / FILE, json.dumps(done, indent=1))
        results[name] = done[key]  # and not what another recipe, seed or set has left here
    if recipe.backbone:
        folder = backbone_folder(recipe.backbone)
        alone = yield from _judged("backbone alone", folder, foreign, out)
        results["backbone alone → foreign"] = alone
    about = f"All of it begins from {recipe.backbone}, trained on simulated shots of this program."
    yield event(
        "finished", metrics={}, results=results, text=about if recipe.backbone else "",
        table=table_of(results),
    )  # fmt: skip


def _trained(
    name: str, table: ShotTable, recipe: Recipe, folder: Path, stop: Stop, seed: int
) -> Iterator[Event]:
    """Train on all labelled shots of a table but the share that the recipe chooses epochs by."""
    options = Options(seed=seed, cache=folder / "cache")
    for item in train(with_roles(table, seed), recipe, folder, stop=stop, options=options):
        if item["event"] == "epoch":
            yield event("progress", what=name, done=item["epoch"], total=item["epochs"])
        if item["event"] == "failed":
            raise InputError(f"the training of {name} failed: {item['text']}")


def _judged(
    name: str, folder: Path, there: ShotTable, out: Path | None = None
) -> Generator[Event, None, dict[str, Any]]:
    """Read the other set; returns its numbers over the classes that both know."""
    path = (out or folder) / "foreign-predictions.h5"
    for item in predict(there, folder, path):
        if item["event"] == "progress":
            yield event("progress", what=f"{name}: reading", done=item["done"], total=item["total"])
        if item["event"] == "failed":
            raise InputError(f"{name}: {item['text']}")
    classes = describe(folder).taxonomy
    with h5py.File(path, "r") as file:
        kept = {k: file[k][()] for k in ("probabilities", "decided", "readable")}
    path.unlink()
    return judge(classes, kept["probabilities"], kept["decided"], kept["readable"], there)


def judge(
    classes: Taxonomy,
    probabilities: npt.NDArray[np.float32],
    decided: Labels,
    readable: Labels,
    there: ShotTable,
) -> dict[str, Any]:
    """Numbers of predictions (N, C) of these classes over the labelled shots of a table; a shot
    is left out for a class that its labels say nothing of, as in the evaluation of a run."""
    places = places_among(there.classes, classes)
    other = np.flatnonzero(places >= 0)
    mine = places[other]
    if not len(other):
        mend = "Compare sets of one taxonomy."
        raise InputError("the two sets have no class in common", mend=mend)
    rows = np.flatnonzero(there.labelled & readable)
    known = there.decided[rows][:, other]
    labels = there.labels[rows][:, other].astype(bool) & known
    said = decided[rows][:, mine]
    found = metrics.evaluate(
        probabilities[rows][:, mine],
        labels,
        said,
        taxonomy=there.taxonomy if (places >= 0).all() else None,
        known=known,
    )
    blind = np.broadcast_to(metrics.constant_prediction(labels), labels.shape)
    occurs = np.asarray(labels.any(0))
    constant = metrics.f1_scores(blind & known, labels)[occurs]
    ours = metrics.f1_scores(said & known, labels)
    return found | {
        "shots": len(rows),
        "constant_macro_f1": float(constant.mean()),
        "f1": {classes.names[m]: float(v) for m, v in zip(mine[occurs], ours[occurs], strict=True)},
    }


def table_of(results: dict[str, dict[str, Any]]) -> str:
    """Markdown: a row a direction."""
    lines = ["| way | shots read | " + " | ".join(SHOWN.values()) + " |", "|---" * 7 + "|"]
    for way, found in results.items():
        cells = ["–" if found.get(n) is None else f"{found[n]:.3f}" for n in SHOWN]
        lines.append(f"| {way} | {found['shots']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _read(out: Path, name: str = FILE) -> dict[str, Any]:
    path = out / name
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found


# -- one file, in folds ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Folds:
    """How large a study of one file is."""

    parts: int = 5
    seeds: int = 3
    chosen: int = 150
    """Labels that are asked for, as the window asks."""
    recipe: Recipe | None = None
    """A network is trained by it on the other folds too; None: none."""

    @property
    def rows(self) -> tuple[str, ...]:
        """Of the table."""
        trained = () if self.recipe is None else (f"all other folds: {self.recipe.name}",)
        chosen = f"{self.chosen} chosen labels: instant head"
        return ("no label", chosen, "all other folds: instant head", *trained)

    def key(self, row: int) -> str:
        """Under which a row is kept."""
        learnt = f" {self.recipe.digest}" if self.recipe is not None and row == 3 else ""
        return f"{self.rows[row]}{learnt} · {self.parts} folds"


HOT = 60000.0


@dataclass(frozen=True)
class OtherDetector:
    """How another detector differs: counts times `gain`, plus `offset`; only the middle `middle` of
    the side of the plate; `binned` × `binned` pixels, from the lower corner on, added up to one;
    0 counts in the rows of a gap through the middle and in the columns of one side, shares of the
    height and width; `hot` of the pixels at HOT counts; `noise` counts of deviation; light blurred
    by so many pixels; a soft spot of stray light of so many counts at its middle; gains of 4 × 2
    panels that deviate by this share; no more counts than `most`."""

    gain: float = 1.0
    offset: float = 0.0
    middle: float = 1.0
    binned: int = 1
    gap: float = 0.0
    side: float = 0.0
    hot: float = 0.0
    noise: float = 0.0
    blur: float = 0.0
    stray: float = 0.0
    panels: float = 0.0
    most: float = np.inf

    def sees(
        self, counts: npt.NDArray[Any], mask: Labels | None, seed: int = 0
    ) -> tuple[npt.NDArray[np.float32], Labels | None]:
        """Counts (y, x) and mask, None or (y, x), True = good, as it would have written them; of
        pixels that are added up, all must be good. Only the noise differs from seed to seed."""
        made = counts.astype(np.float32) * np.float32(self.gain) + np.float32(self.offset)
        if self.blur:
            made = ndimage.gaussian_filter(made, self.blur)
        made = np.minimum((made + self._stray(made.shape)) * self._gains(made.shape), self.most)
        if self.noise:
            made += np.random.default_rng(seed).normal(0, self.noise, made.shape)
        made = self._kept(self._spoilt(made))
        good = None if mask is None else self._kept(np.asarray(mask, bool))
        if self.binned > 1:
            made = _in_blocks(made, self.binned).sum((1, 3))
            good = None if good is None else np.all(_in_blocks(good, self.binned), axis=(1, 3))
        return made.astype(np.float32), good

    def _stray(self, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        y, x = np.ogrid[: shape[0], : shape[1]]
        away = np.hypot(y / shape[0] - 0.4, x / shape[1] - 0.6)
        return (self.stray * np.exp(-((away / 0.25) ** 2) / 2)).astype(np.float32)

    def _gains(self, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        gains = np.exp(np.random.default_rng(0).normal(0, self.panels, (4, 2)))
        rows, columns = (np.arange(n) * k // n for n, k in zip(shape, gains.shape, strict=True))
        return gains[rows][:, columns].astype(np.float32)

    def _spoilt(self, made: npt.NDArray[Any]) -> npt.NDArray[Any]:
        height, width = made.shape
        made[round(height * (1 - self.gap) / 2) : round(height * (1 + self.gap) / 2)] = 0
        made[:, : round(width * self.side)] = 0
        if self.hot:
            made[np.random.default_rng(0).random(made.shape) < self.hot] = HOT
        return made

    def _kept(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        edges = [round((1 - self.middle) / 2 * n) for n in values.shape]
        return values[tuple(slice(e, n - e) for e, n in zip(edges, values.shape, strict=True))]


def _in_blocks(values: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    height, width = (n // side for n in values.shape)
    kept = values[: height * side, : width * side]
    return kept.reshape(height, side, width, side)


@dataclass(frozen=True, kw_only=True)
class Rescaled(ShotTable):
    """The same shots as another detector would have written them."""

    detector: OtherDetector

    @classmethod
    def of(cls, table: ShotTable, detector: OtherDetector) -> Rescaled:
        """Those of a table."""
        own = {f.name: getattr(table, f.name) for f in fields(table)}
        return cls(**own, detector=detector)

    def iter_shots(
        self,
        rows: npt.ArrayLike | None = None,
        on_error: Callable[[int, InputError], None] | None = None,
    ) -> Iterator[Shot]:
        """As those of the table, counts (y, x) in single precision."""
        for row, counts, mask in super().iter_shots(rows, on_error):
            yield row, *self.detector.sees(counts, mask, seed=row)


IN_FOLDS = {
    "macro_f1": "macro F1",
    "rare_f1": "rare F1",
    "macro_ap": "macro AP",
    "accuracy": "accuracy",
    "ece": "calibration error",
    "contradiction_rate": "contradictions",
}
DETECTORS = {
    "counts × ¼": OtherDetector(gain=0.25),
    "counts × 4": OtherDetector(gain=4),
    "counts − 12": OtherDetector(offset=-12),
    "counts + 100": OtherDetector(offset=100),
    "middle four fifths of the side": OtherDetector(middle=0.8),
    "2 × 2 pixels added up": OtherDetector(binned=2),
    "a gap of 6 % through the middle": OtherDetector(gap=0.06),
    "one half not seen": OtherDetector(side=0.5),
    "1 in 250 pixels hot": OtherDetector(hot=0.004),
    "noise of 20 counts": OtherDetector(noise=20),
    "blurred by 2 pixels": OtherDetector(blur=2),
    "stray light of 40 counts": OtherDetector(stray=40),
    "gains of panels ± 20 %": OtherDetector(panels=0.2),
    "at most 100 counts a pixel": OtherDetector(most=100),
}
"""Other detectors, with which the same shots are read once more."""
BLIND = "constant answer"
Answers = tuple[npt.NDArray[np.float32], Labels]
"""Probabilities (N, C) and decided label sets (N, C) of all shots."""


def in_folds(
    table: ShotTable, network: Path, study: Folds, out: Path, stop: Stop
) -> Iterator[Event]:
    """Every row for every seed; what is done is kept. Last `finished` with results and a table, or
    `cancelled`. Raises InputError for shots that cannot all be read, or labels that break rules."""
    if table.taxonomy is None or not table.labelled.all() or len(table) < study.parts:
        what, mend = "cannot be judged in folds", "Give labelled shots of the classes of helium."
        raise InputError(what, file=table.sources[0].path, mend=mend)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"embeddings-{active.digest_of(network)}-{table.fingerprint}.h5"
    for item in active.embedded(table, network, path, stop):
        yield item
        if item["event"] != "progress":
            return
    world = active.world_of(path, table, network)
    done: dict[str, Any] = _read(out, FOLDS_FILE)
    tasks = [(row, seed) for seed in range(study.seeds) for row in range(len(study.rows))]
    keys = [
        f"{study.key(row)} · seed {seed} · {active.digest_of(network)} · {table.fingerprint}"
        for row, seed in tasks
    ]
    for n, (key, (row, seed)) in enumerate(zip(keys, tasks, strict=True)):
        yield event("progress", what=study.rows[row], done=n, total=len(tasks))
        if key in done:
            continue
        answers = yield from _out_of_fold(table, world, study, row, seed, out, stop)
        if answers is None:
            yield event("cancelled", text="Stopped; the same command goes on later.")
            return
        done[key] = numbers_of(answers, world)
        write_text(out / FOLDS_FILE, json.dumps(done, indent=1))
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in study.rows}
    for key, (row, _) in zip(keys, tasks, strict=True):
        found[study.rows[row]].append(done[key])
    found[BLIND] = [_constant(world, study.parts, seed) for seed in range(study.seeds)]
    for name, other in DETECTORS.items():
        there = path.with_stem(f"{path.stem}-{'-'.join(str(v) for v in astuple(other))}")
        for item in active.embedded(Rescaled.of(table, other), network, there, stop):
            yield item
            if item["event"] != "progress":
                return
        found[f"no label, {name}"] = [numbers_of(_written(there), world)]
    yield event("finished", metrics={}, results=found, table=folds_table(found))


def numbers_of(answers: Answers, world: World) -> dict[str, Any]:
    """The numbers of a row, and the 95 % interval of its macro F1."""
    probabilities, decided = answers
    taxonomy = world.taxonomy
    rare = metrics.rare(taxonomy, world.labels)
    found = metrics.evaluate(probabilities, world.labels, decided, rare=rare, taxonomy=taxonomy)
    (low, high), _ = bootstrap.intervals_of(decided, world.labels)
    return {name: found.get(name) for name in IN_FOLDS} | {"low": low, "high": high}


def _fold_of(count: int, parts: int, seed: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(count) % parts


def _constant(world: World, parts: int, seed: int) -> dict[str, Any]:
    """The numbers where every shot is answered by the label set most frequent in other folds; it
    orders no shots and has no probabilities."""
    fold, said = _fold_of(len(world), parts, seed), np.zeros(world.labels.shape, bool)
    for part in range(parts):
        said[fold == part] = metrics.constant_prediction(world.labels[fold != part])
    return numbers_of((said.astype(np.float32), said), world) | {"macro_ap": None, "ece": None}


def _out_of_fold(
    table: ShotTable, world: World, study: Folds, row: int, seed: int, out: Path,
    stop: Stop,
) -> Generator[Event, None, Answers | None]:  # fmt: skip
    """What is said of every shot by what learnt from the other folds; None where stopped."""
    fold = _fold_of(len(table), study.parts, seed)
    said = np.zeros(world.labels.shape, np.float32), np.zeros(world.labels.shape, bool)
    for part in range(study.parts):
        judge, pool = np.flatnonzero(fold == part), np.flatnonzero(fold != part)
        if stop():
            return None
        if row == 3:
            assert study.recipe is not None
            folder = out / "run"
            role = np.where(fold == part, EVALUATION, TRAINING).astype(np.uint8)
            options = Options(seed=seed, cache=out / "cache")
            recipe = judged_once(study.recipe)
            for item in train(
                replace(table, role=role), recipe, folder, stop=stop, options=options
            ):
                if item["event"] == "epoch":
                    yield event("progress", what=study.rows[row], done=item["epoch"],
                                total=item["epochs"])  # fmt: skip
                if item["event"] == "failed":
                    raise InputError(f"a training failed: {item['text']}")
            if stop():
                return None
            read = yield from _read_by(folder, table.some(judge), out)
            said[0][judge], said[1][judge] = read
            continue
        made = _head(world, pool, study, row, seed)
        said[0][judge] = made.probabilities(world.embeddings[judge])
        said[1][judge] = made.decided(said[0][judge])
    return said


def _head(
    world: World, pool: npt.NDArray[np.int64], study: Folds, row: int, seed: int
) -> head.Head:
    """The instant head with no label of the pool, as many as are asked for, or all."""
    if row == 1:
        most = min(study.chosen, len(pool))
        counts = [*range(25, most, 25), most]
        *_, (_, made) = labelling(world, pool, "asked", seed, counts)
        return made
    rows = pool if row else pool[:0]
    return head.fit(
        world.embeddings[rows], world.labels[rows], world.taxonomy,
        prior=world.prior, space=world.space,
    )  # fmt: skip


def _read_by(folder: Path, shots: ShotTable, out: Path) -> Generator[Event, None, Answers]:
    path = out / "read.h5"
    for item in predict(shots, folder, path):
        if item["event"] == "failed":
            raise InputError(item["text"])
        if item["event"] == "progress":
            yield event("progress", what="reading", done=item["done"], total=item["total"])
    read = _written(path)
    path.unlink()
    return read


def _written(path: Path) -> Answers:
    with h5py.File(path, "r", locking=False) as file:
        return file["probabilities"][()], np.asarray(file["decided"][()], bool)


def folds_table(found: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown: a row each, mean over the seeds; of macro F1 also the spread over the seeds and the
    95 % interval by drawing shots, both ends averaged over the seeds."""
    lines = ["| what knows how much | " + " | ".join(IN_FOLDS.values()) + " |"]
    lines.append("|---" * (len(IN_FOLDS) + 1) + "|")
    for name, seeds in found.items():
        cells = []
        for number in IN_FOLDS:
            values = [s[number] for s in seeds if s[number] is not None]
            cells.append(f"{np.mean(values):.3f}" if values else "–")
        spread = np.std([s["macro_f1"] for s in seeds], ddof=1) if len(seeds) > 1 else 0.0
        low, high = (np.mean([s[end] for s in seeds]) for end in ("low", "high"))
        cells[0] += f" ± {spread:.3f} [{low:.3f}, {high:.3f}]"
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
