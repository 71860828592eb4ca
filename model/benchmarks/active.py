"""`bench active`: how many labels each strategy needs, against random order and no pre-training.

Simulates labelling from true labels (`active_curves`), on the embeddings of the shipped network
and, for comparison, of the same network untrained. What is done is kept in a JSON file after every
curve, so that the study can be stopped and gone on with. `--full` adds trainings (`active_full`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from model.active.strategies import STRATEGIES
from model.benchmarks.active_curves import (
    METRICS,
    Point,
    World,
    counts_up_to,
    curve,
    label_saving,
)
from model.errors import InputError
from model.events import Event, Stop, event, never
from model.output_files import write_text
from model.prediction.predict import predict
from model.runs import checkpoint
from model.runs.folder import DESCRIPTION, WEIGHTS
from model.runs.prior import prior_of
from model.shots.table import ShotTable

FIRST_SEED = 1000
"""Seeds below were used to choose among strategies; what is reported comes from this one on."""
SHIPPED, CHANCE, CONSTANT = "shipped", "no pre-training", "constant answer"
FEWEST = 200
RANGE = (100.0, 1000.0)
"""Levels of macro F1 that are compared: what random order reaches with this many labels."""
TABLE_5 = {1544: 0.797, 3088: 0.829, 4631: 0.915, 6174: 0.965}
"""Labels -> accuracy of the paper's network trained on them from chance, on its real shots."""
STORE = "active.json"


@dataclass(frozen=True)
class LabellingStudy:
    """How large a study is."""

    strategies: tuple[str, ...] = tuple(STRATEGIES)
    seeds: int = 3
    most: int = 1500
    """Labels at the end of every curve, where there are this many shots."""
    share: float = 0.3
    """Part of the shots that judges and is never asked for."""


def run(
    table: ShotTable,
    backbone: Path,
    study: LabellingStudy,
    out: Path,
    stop: Stop = never,
) -> Iterator[Event]:
    """Every curve that is missing in `out`/active.json; last `finished` with the results.

    Yields `progress`; ends with `cancelled` where it was stopped. Raises InputError for shots
    without labels, or an unknown strategy.
    """
    _check(table, study)
    out.mkdir(parents=True, exist_ok=True)
    done = read(out, table)
    worlds: dict[str, World] = {}
    for name, network in ((SHIPPED, backbone), (CHANCE, _untrained(backbone, out))):
        path = out / f"embeddings-{digest_of(network)}.h5"
        for item in embedded(table, network, path, stop):
            yield item
            if item["event"] != "progress":
                return
        worlds[name] = world_of(path, table, network if network is backbone else None)
    jobs = [(n, SHIPPED, n) for n in dict.fromkeys(("random", *study.strategies))]
    jobs.append((CHANCE, CHANCE, "random"))
    counts = counts_up_to(min(study.most, int((1 - study.share) * len(worlds[SHIPPED]))))
    label = f"{counts[-1]} labels · {study.share:g} judge · {digest_of(backbone)}"
    tasks = [(*job, FIRST_SEED + s) for job in jobs for s in range(study.seeds)]
    for number, (name, world, strategy, seed) in enumerate(tasks):
        key = f"{name} · {label} · seed {seed}"
        if key not in done["curves"]:
            points = list(
                curve(worlds[world], strategy, seed, counts, share=study.share, stop=stop)
            )
            if stop():
                yield event("cancelled", text="Stopped; the same command goes on later.")
                return
            done["curves"][key] = {n: [p[n] for p in points] for n in ("labels", *METRICS)}
            write(out, done)
        yield event("progress", what="curves", done=number + 1, total=len(tasks))
    names = [job[0] for job in jobs]
    found = {
        name: [
            done["curves"][f"{name} · {label} · seed {FIRST_SEED + s}"] for s in range(study.seeds)
        ]
        for name in names
    }
    splits = [worlds[SHIPPED].split(study.share, FIRST_SEED + s) for s in range(study.seeds)]
    blind = constant([worlds[SHIPPED].constant(*split) for split in splits])
    yield event("finished", metrics={}, results=summary(found) | {"constant": blind})


def _check(table: ShotTable, study: LabellingStudy) -> None:
    if not table.labelled.all() or table.taxonomy is None or len(table) < FEWEST:
        raise InputError(
            "labelling can be simulated only where every shot has its true labels, and"
            f" {FEWEST} of them",
            mend="Make some: airylabel simulate FILE --shots 4000.",
        )
    for name in study.strategies:
        if name not in STRATEGIES:
            mend = f"There are: {', '.join(STRATEGIES)}."
            raise InputError(f"no strategy called {name!r}", mend=mend)


def _untrained(backbone: Path, out: Path) -> Path:
    """A run folder with the backbone's network as chance made it."""
    import torch

    folder = out / "untrained"
    if not (folder / WEIGHTS).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        about = replace(checkpoint.describe(backbone), metrics={}, temperature=1.0, epoch=0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = checkpoint.build(about, "he")
        checkpoint.save(folder, network, about)
    return folder


def digest_of(network: Path) -> str:
    """A few letters that stand for a network's weights."""
    about = json.loads((network / DESCRIPTION).read_text(encoding="utf-8"))
    return str(about["sha256"])[:8]


def embedded(table: ShotTable, network: Path, path: Path, stop: Stop) -> Iterator[Event]:
    """Let a network read all shots into `path`, unless it is there; `progress`, or what failed."""
    if path.is_file():
        return
    for item in predict(table, network, path, stop=stop):
        if item["event"] == "progress":
            yield event("progress", what="reading shots", done=item["done"], total=item["total"])
        elif item["event"] in ("failed", "cancelled"):
            yield item


def world_of(path: Path, table: ShotTable, network: Path | None) -> World:
    """The world of a table's shots, embedded in `path`; the network's own head is the prior."""
    assert table.taxonomy is not None
    with h5py.File(path, "r", locking=False) as file:
        x = np.asarray(file["embeddings"][()], np.float32)
        readable = np.asarray(file["readable"][()], bool)
    labels = table.labels.astype(bool)
    if not readable.all() or table.taxonomy.contradictions(labels).any():
        raise InputError(
            "labelling can be simulated only with shots that can all be read, and true labels"
            " that break no hard rule",
            file=table.sources[0].path,
        )
    prior = None if network is None else prior_of(network, table.taxonomy, x)
    return World.of(x, labels, table.taxonomy, prior)


def summary(curves: dict[str, list[dict[str, list[float]]]]) -> dict[str, Any]:
    """Means and spreads (standard deviation) over the seeds, and the savings of labels."""
    made: dict[str, Any] = {}
    for name, found in curves.items():
        made[name] = {"labels": [int(v) for v in found[0]["labels"]]} | {
            metric: _over_seeds([f[metric] for f in found]) for metric in METRICS
        }
    random = made["random"]
    for own in made.values():
        saving = label_saving(
            own["labels"], own["macro_f1"]["mean"],
            random["labels"], random["macro_f1"]["mean"], *RANGE,
        )  # fmt: skip
        own["label_saving"] = saving and saving["share"]
        own["range"] = saving
    pretrained = made.pop(CHANCE)
    rivals = {n: v for n, v in made.items() if n != "random" and v["label_saving"] is not None}
    best = min(rivals, key=lambda n: rivals[n]["label_saving"]) if rivals else None
    return {
        "strategies": made,
        "no_pretraining": pretrained,
        "best": best,
        "label_saving": rivals[best]["label_saving"] if best else None,
        "seeds": [FIRST_SEED + s for s in range(len(curves["random"]))],
        "table_5": TABLE_5,
    }


def constant(found: list[Point]) -> dict[str, dict[str, float]]:
    """Means and spreads over the seeds of what the same answer to every shot reaches."""
    every = {m: _over_seeds([[point[m]] for point in found]) for m in METRICS}
    return {m: {part: v[0] for part, v in parts.items()} for m, parts in every.items()}


def _over_seeds(found: list[list[float]]) -> dict[str, list[float]]:
    every = np.asarray(found, float)
    spread = every.std(0, ddof=1) if len(every) > 1 else np.zeros(every.shape[1])
    return {"mean": every.mean(0).tolist(), "spread": spread.tolist()}


def read(out: Path, table: ShotTable) -> dict[str, Any]:
    """What `out` holds of these shots; InputError where it is of others."""
    path = out / STORE
    if not path.is_file():
        return {"shots": table.fingerprint, "curves": {}, "trainings": {}}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if found.get("shots") != table.fingerprint:
        mend = "Give another --out, or remove this folder."
        raise InputError("holds a study of other shots", file=path, mend=mend)
    return found


def write(out: Path, done: dict[str, Any]) -> None:
    """Keep what is done, whole or not at all."""
    write_text(out / STORE, json.dumps(done, indent=1))


def table_of(results: dict[str, Any]) -> str:
    """The study as a Markdown table, best first."""
    labels = results["strategies"]["random"]["labels"]
    shown = [n for n in (20, 100, 200, 500, 1000, 1500) if n in labels]
    columns = [f"macro F1 at {n}" for n in shown]
    lines = [
        f"| strategy | {' | '.join(columns)} | labels for the same |",
        "|---" * (len(shown) + 2) + "|",
    ]
    every = results["strategies"] | {CHANCE: results["no_pretraining"]}
    for name, found in sorted(every.items(), key=lambda i: i[1]["label_saving"] or 9.0):
        at = [found["labels"].index(n) for n in shown]
        cells = [f"{found['macro_f1']['mean'][i]:.3f} ± {found['macro_f1']['spread'][i]:.3f}"
                 for i in at]  # fmt: skip
        saving = "–" if found["label_saving"] is None else f"{100 * found['label_saving']:.0f} %"
        lines.append(f"| {name} | {' | '.join(cells)} | {saving} |")
    blind = results["constant"]["macro_f1"]
    always = f" {blind['mean']:.3f} ± {blind['spread']:.3f} |" * len(shown)
    lines.append(f"| {CONSTANT} |{always} – |")
    of = results["strategies"]["random"]["range"]
    if of:
        lines.append(
            f"\nLabels for the same macro F1, as a share of random order's, over "
            f"{of['from_macro_f1']:.3f} … {of['to_macro_f1']:.3f} "
            f"({of['from_labels']:.0f} … {of['to_labels']:.0f} random labels); "
            f"mean ± standard deviation over {len(results['seeds'])} seeds."
        )
    return "\n".join(lines) + "\n"
