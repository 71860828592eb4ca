"""`bench active --full`: few chosen labels and the shipped network against many random ones.

Trains networks, all on as many shots seen, of the same size, and judged on the same shots: the
recipes `paper` and `best` from chance on random labels, `quick` from the shipped network on chosen
ones; beside them the instant head. What is done is kept after every training.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from model.benchmarks import active
from model.benchmarks.active_curves import World, labelling
from model.events import Event, Stop, event
from model.metrics.metrics import average_precisions, rare
from model.paper.studies import judged_once
from model.runs.folder import METRICS
from model.runs.recipes import Recipe, named
from model.shots.table import EVALUATION, TRAINING, ShotTable
from model.training.train import Options, train

FEW, SOME = 150, 600
"""Chosen labels with the shipped network against random labels from chance."""
ALL = 6174
"""Labels of the paper's training set; a quarter of them is Table 5's smallest set."""
_BATCH = 48
SHOWN = ("accuracy", "macro_f1", "rare_f1", "macro_ap")


@dataclass(frozen=True)
class TrainingBudget:
    """What every training may cost."""

    size: int = 64
    """Side of the input."""
    seen: int = 30_000
    """Shots that it sees, repeats counted."""
    seeds: int = 1
    share: float = 0.15
    """Part of the shots that judges, as in the paper."""

    def of(self, name: str, shots: int, chance: bool = False) -> Recipe:
        """A named recipe at this budget: its schedule keeps its shape, five evaluations where it
        keeps shots aside for them. chance: without what it takes over from a backbone."""
        own = named(name)
        if chance:
            own = replace(own, backbone="", half_turn=False, gentle=0.0)
        epochs = max(1, round(self.seen / shots))
        made = replace(
            own, epochs=epochs, size=self.size, small=min(own.small, self.size), first=0, crop=0,
            steps=0, batch=_BATCH, patience=0,
            evaluate_every=max(1, math.ceil(shots / _BATCH) * epochs // 5),
            milestones=tuple(max(1, round(m * epochs / own.epochs)) for m in own.milestones),
        )  # fmt: skip
        return judged_once(made)


@dataclass(frozen=True)
class LabellingLoop:
    """One way to a classifier: how many labels, chosen or at random, and what learns."""

    labels: int
    chosen: bool
    learner: str
    """A recipe, or empty for the instant head alone."""

    def recipe(self, budget: TrainingBudget) -> Recipe:
        """What a network is trained by."""
        return budget.of(self.learner, self.labels, chance=not self.chosen)

    @property
    def name(self) -> str:
        """In words."""
        who = "instant head" if not self.learner else self.learner
        begin = "shipped network" if self.chosen else "from chance"
        return f"{self.labels} {'chosen' if self.chosen else 'random'}, {who}, {begin}"


def loops(pool: int) -> tuple[LabellingLoop, ...]:
    """What is compared where this many shots may be labelled."""
    every = min(ALL, pool)
    return (
        LabellingLoop(FEW, True, ""),
        LabellingLoop(SOME, False, "paper"),
        LabellingLoop(SOME, False, "best"),
        LabellingLoop(round(every / 4), True, ""),
        LabellingLoop(round(every / 4), True, "quick"),
        LabellingLoop(every, False, "paper"),
    )


def run(
    table: ShotTable, backbone: Path, budget: TrainingBudget, out: Path, stop: Stop
) -> Iterator[Event]:
    """Everything that is missing in `out`/active.json; `finished` with `trainings` and `claims`."""
    out.mkdir(parents=True, exist_ok=True)
    done = active.read(out, table)
    path = out / f"embeddings-{active.digest_of(backbone)}.h5"
    for item in active.embedded(table, backbone, path, stop):
        yield item
        if item["event"] != "progress":
            return
    world = active.world_of(path, table, backbone)
    every = loops(len(table) - round(budget.share * len(table)))
    seeds = [active.FIRST_SEED + s for s in range(budget.seeds)]
    kept = {}
    for number, (seed, loop) in enumerate((s, w) for s in seeds for w in every):
        key = _key(loop, budget, seed, backbone)
        if key not in done["trainings"]:
            last: Event = {}
            for last in _one(table, world, loop, budget, seed, out, stop):
                if last["event"] == "progress":
                    yield last
            if last["event"] != "finished":
                yield last
                return
            done["trainings"][key] = last["metrics"] | {"name": loop.name, "labels": loop.labels}
            active.write(out, done)
        kept[key] = done["trainings"][key]
        yield event("progress", what="ways", done=number + 1, total=len(seeds) * len(every))
    found = {w.name: [kept[_key(w, budget, s, backbone)] for s in seeds] for w in every}
    splits = [world.split(budget.share, seed) for seed in seeds]
    results = {
        "trainings": kept,
        "claims": claims(found, every),
        "budget": vars(budget),
        "trainings_constant": active.constant([world.constant(*split) for split in splits]),
    }
    yield event("finished", metrics={}, results=results)


def _key(loop: LabellingLoop, budget: TrainingBudget, seed: int, backbone: Path) -> str:
    begin = active.digest_of(backbone) if loop.chosen else "chance"
    learner = loop.recipe(budget).digest if loop.learner else "head"
    return f"{loop.name} · {begin} · {learner} · seed {seed}"


def _one(
    table: ShotTable,
    world: World,
    loop: LabellingLoop,
    budget: TrainingBudget,
    seed: int,
    out: Path,
    stop: Stop,
) -> Iterator[Event]:
    """Label, learn, judge; last `finished` with `metrics`, or what ended it."""
    pool, judge = world.split(budget.share, seed)
    if not loop.chosen:
        rows = np.random.default_rng(seed).permutation(pool)[: loop.labels]
    else:
        counts = [*range(25, loop.labels, 25), loop.labels]
        *_, (rows, made) = labelling(world, pool, "asked", seed, counts)
    if not loop.learner:
        p, truth = made.probabilities(world.embeddings[judge]), world.labels[judge]
        ap = average_precisions(p, truth)
        metrics = world.judged(made, judge) | {"macro_ap": float(np.nanmean(ap))}
        yield event("finished", metrics=metrics)
        return
    role = np.zeros(len(table), np.uint8)
    role[rows], role[judge] = TRAINING, EVALUATION
    part = replace(table, role=role, labelled=role > 0)
    options = Options(seed=seed, cache=out / "cache")
    recipe, folder = loop.recipe(budget), out / "run"
    last: Event = {}
    for last in train(part, recipe, folder, stop=stop, options=options):
        if last["event"] == "epoch":
            yield event("progress", what=f"{loop.name}, seed {seed}", done=last["epoch"],
                        total=last["epochs"])  # fmt: skip
    if last["event"] == "finished":
        report = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        numbers = {n: report["evaluation"][n] for n in SHOWN}
        numbers["rare_f1"] = _rare(report["per_class"], world)
        last = event("finished", metrics=numbers | {"seconds": report["seconds"]})
    yield last


def _rare(classes: dict[str, dict[str, Any]], world: World) -> float | None:
    """Mean F1 over the classes that are rare among all shots, not among the chosen ones."""
    seldom = np.flatnonzero(rare(world.taxonomy, world.labels))
    found = [classes[world.taxonomy.names[c]]["f1"] for c in seldom]
    known = [f for f in found if f is not None]
    return statistics.mean(known) if known else None


def claims(
    found: dict[str, list[dict[str, float]]], every: tuple[LabellingLoop, ...]
) -> list[dict[str, Any]]:
    """Few chosen labels against many random ones, in macro F1: means over the seeds."""
    few, paper, best, quarter_head, quarter, whole = (w.name for w in every)
    mean = {n: statistics.mean(v["macro_f1"] for v in f) for n, f in found.items()}
    pairs = ((few, paper), (few, best), (quarter_head, whole), (quarter, whole))
    return [
        {
            "ours": ours, "theirs": theirs, "macro_f1": mean[ours], "theirs_macro_f1": mean[theirs],
            "holds": mean[ours] >= mean[theirs],
        }
        for ours, theirs in pairs
    ]  # fmt: skip


def words(results: dict[str, Any]) -> str:
    """The claims as lines of text, and what a constant answer has on the same shots."""
    lines = []
    for claim in results["claims"]:
        sign = "≥" if claim["holds"] else "<"
        lines.append(
            f"{claim['ours']}: macro F1 {claim['macro_f1']:.3f} {sign} "
            f"{claim['theirs_macro_f1']:.3f} of {claim['theirs']}"
        )
    blind = results["trainings_constant"]["macro_f1"]["mean"]
    lines.append(f"On the same shots the {active.CONSTANT} has macro F1 {blind:.3f}.")
    return "\n".join(lines) + "\n"
