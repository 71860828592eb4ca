"""`bench ablation`: every recipe with and without its two choices, on several seeds.

Recipes × (logarithmic activation or not) × (rule-aware output or not), each trained on as many
shots for the same number of epochs at the same small size, and judged once, after the last epoch,
on all the other shots. What is done is kept in a JSON file after every training, so that the study
can be stopped and gone on with. It changes no recipe beyond that and chooses nothing itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model.events import Event, Stop, event
from model.output_files import write_text
from model.paper.studies import at_budget, mean_and_spread, read_json, with_split, write_json
from model.runs.backbone import fits
from model.runs.folder import METRICS
from model.runs.recipes import NAMES, NEVER, Recipe, named
from model.shots.table import ShotTable
from model.training.train import Options, train

SHOWN = {
    "macro_f1": "macro F1",
    "constant_macro_f1": "macro F1, constant answer",
    "rare_f1": "rare F1",
    "macro_ap": "macro AP",
    "accuracy": "accuracy",
    "contradiction_rate": "break a rule",
    "decoded_macro_f1": "macro F1, decoded",
}
"""Number -> column of the table; `decoded`: the most likely legal set, however it was trained."""
KEPT = "ablation.json"


@dataclass(frozen=True)
class AblationStudy:
    """How large an ablation is."""

    epochs: int = 12
    size: int = 64
    seeds: int = 3
    training: int = 600
    """Shots that train; all others judge. With 0: 85 % train, as in the paper."""
    recipes: tuple[str, ...] = NAMES

    def key(self, words: str, recipe: Recipe, seed: int, fingerprint: str) -> str:
        """Under which a training is kept, of shots with this fingerprint."""
        return f"{words} · {self.training} shots · {recipe.digest} · {fingerprint} · {seed}"


def variants(study: AblationStudy) -> Iterator[tuple[str, Recipe]]:
    """(its cells of the table, recipe) of every row, at the study's budget.

    A recipe that begins from a backbone does so only where there is one for the activation, and the
    row says so.
    """
    for name in study.recipes:
        recipe = replace(at_budget(named(name), study.epochs, study.size), evaluate_every=NEVER)
        for log in (True, False):
            for rules in (False, True):
                changed = replace(
                    recipe.with_log_activation(log), rule_aware=rules, legal_answers=rules
                )
                begin = "backbone" if fits(changed) else "chance"
                first = "log" if log else "LeakyReLU"
                output = "legal sets" if rules else "sigmoids"
                yield " | ".join((name, begin, first, output)), changed


def run(
    table: ShotTable,
    study: AblationStudy,
    out: Path,
    stop: Stop,
    seeds: range | None = None,
) -> Iterator[Event]:
    """Train what is missing in `out`/ablation.json; ends with `finished` and the table in words.

    Which shots train is drawn again for every seed; only `seeds` are trained now, where given.
    Yields `progress` after each training and `note` for one that failed: `failed` of the end says
    why, and the next call tries it again.
    """
    out.mkdir(parents=True, exist_ok=True)
    done: dict[str, dict[str, Any]] = read_json(out / KEPT)
    failed: dict[str, str] = {}
    chosen = range(study.seeds) if seeds is None else seeds
    jobs = [(w, r, s) for s in chosen for w, r in variants(study)]
    for number, (words, recipe, seed) in enumerate(jobs):
        key = study.key(words, recipe, seed, table.fingerprint)
        if key not in done:
            last: Event = {}
            options = Options(seed=seed, cache=out / "cache")
            split = with_split(table, study.training, seed)
            for last in train(split, recipe, out / "run", stop=stop, options=options):
                if last["event"] == "epoch":
                    what = f"{words.replace(' | ', ' · ')}, seed {seed}"
                    yield event("progress", what=what, done=last["epoch"], total=study.epochs)
            if last["event"] == "cancelled":
                yield event("cancelled", text="Stopped; the same command goes on later.")
                return
            if last["event"] == "failed":
                yield event("note", level="warning", text=f"{key}: {last['text']}")
                failed[key] = last["text"]
            else:
                done[key] = _numbers(out / "run" / METRICS)
                write_json(out / KEPT, done)
        yield event("progress", what="trainings", done=number + 1, total=len(jobs))
    rows = {words: [study.key(words, recipe, s, table.fingerprint) for s in range(study.seeds)]
            for words, recipe in variants(study)}  # fmt: skip
    text = table_of(rows, done, failed)
    write_text(out / "ablation.md", text)
    yield event("finished", metrics={}, table=text, results=done, failed=failed)


def _numbers(path: Path) -> dict[str, Any]:
    report = json.loads(path.read_text("utf-8"))
    decoded = report.get("decoded") or {}
    constant = report.get("constant") or {}
    more = {"constant_macro_f1": constant.get("macro_f1")}
    more |= {"decoded_macro_f1": decoded.get("macro_f1"), "seconds": report["seconds"]}
    return dict(report["evaluation"]) | more


def table_of(
    rows: dict[str, list[str]], done: dict[str, dict[str, Any]], failed: dict[str, str]
) -> str:
    """The study as a Markdown table: mean ± standard deviation over the seeds. rows: the first
    cells of each row -> the keys of its trainings."""
    heads = ("recipe", "begins from", "first activation", "output", *SHOWN.values(), "time")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for words, keys in rows.items():
        found = [done[k] for k in keys if k in done]
        missing = "failed" if any(k in failed for k in keys) else "–"
        cells = [_cell(found, n, missing) for n in SHOWN]
        seconds = mean_and_spread(v.get("seconds") for v in found)
        cells.append(f"{seconds[0]:.0f} s" if seconds else "–")
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(found: list[dict[str, Any]], name: str, missing: str) -> str:
    numbers = mean_and_spread(v.get(name) for v in found)
    return missing if numbers is None else f"{numbers[0]:.3f} ± {numbers[1]:.3f}"
