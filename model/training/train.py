"""Train a network on labelled shots: a generator whose yields are both report and stopping place.

`train` prepares, hands over to a `Loop` (`model.training.loop`) and writes what came of it into
the run folder. It never asks a person anything and never touches labels or acquisition files.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model.errors import InputError, counted
from model.events import Event, Stop, event, never, now_and_then, to_line
from model.networks.architectures import SMALLEST, Network
from model.output_files import append_line, open_to_append, write_text
from model.physics.correlation_layout import are_maps
from model.preprocessing.cache import ShotCache
from model.preprocessing.count_scale import CountScale
from model.preprocessing.preparation import Preparation
from model.runs import checkpoint
from model.runs import learned_shots as learned
from model.runs.backbone import begin, fits, known_in_words, take_over
from model.runs.checkpoint import Checkpoint
from model.runs.folder import CACHE, EVENTS, METRICS, RECIPE, backbone_folder
from model.runs.judges import KEPT_ASIDE, RANDOM_CHECKS
from model.runs.recipes import Recipe, to_toml
from model.shots.hashes import Hashes, hashes_of
from model.shots.table import ShotTable
from model.taxonomy.same_classes import are_same, places_among
from model.taxonomy.taxonomy import Taxonomy
from model.training import resume
from model.training.data import TrainingData, prepare
from model.training.engine import Engine, is_lost_peer
from model.training.judging import frequencies, logits_of, unexplained
from model.training.last_layer import fit_last_layer
from model.training.loop import Loop, Start

_NONE: Hashes = np.zeros(0, np.uint64)
MOST_SETS = 2**16
"""Legal label sets that rule-aware output can be trained on; more cost too much a step."""
GENTLEST = 0.1
"""Of the rate, at which a body learns that tells the shots apart already."""
FEW_AND_MANY = (400, 1500)
"""Training shots: with the former a body at the whole rate unlearnt what it knew (macro F1 on
foreign shots .48, else .60); with the latter it won (.66, frozen .55)."""
_ABSENT = -5.0
"""Logit of a class that a network does not find."""
FLATTERED = (
    "The epoch that is best on the evaluation shots is kept, as in the paper: its scores flatter."
)
LOST = (
    "Another process of this training ended or does not answer. The network so far is kept in "
    "the run folder; --resume goes on after the last whole epoch."
)


@dataclass(frozen=True)
class Options:
    """How to train, besides what."""

    seed: int = 0
    devices: str | int | None = None
    """Number of GPUs, or of processes on a CPU; None: one."""
    resume: bool = False
    """Go on with the training that was interrupted in the same folder, from where it began."""
    warm_start: Path | None = None
    """Run folder whose weights are the first ones; the shots that they learnt do not judge."""
    cache: Path | None = None
    """Folder of reduced shots, shared by runs; None: inside the run folder."""
    checks: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Rows of a random draw of all shots, labelled or not, which never train and judge where enough
    are labelled, see `with_roles`."""
    preparation: Preparation = field(default_factory=Preparation)
    """What is done to every shot first; it travels with the run."""


def train(
    table: ShotTable,
    recipe: Recipe,
    out: Path,
    *,
    stop: Stop = never,
    options: Options | None = None,
) -> Iterator[Event]:
    """Train on the labelled shots of the table and leave a run in the folder `out`.

    Yields events (`model.events`), which are also appended to `events.jsonl` there; the last one
    is `finished` or, when `stop()` turned true, `cancelled`; either way the network that
    `chosen_on` prefers is in the folder. It is `failed`, with a message for the person, where the
    input cannot be used; the last good checkpoint stays. Raises InputError only where the folder
    itself cannot be written. With several processes only the first one yields; where one of them
    dies, all others say so in `failed` and end.
    """
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        log = open_to_append(out / EVENTS)
    except OSError as error:
        what = f"cannot be written ({error.strerror})"
        raise InputError(what, file=out, mend="Choose another folder.") from error
    with log, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning_fabric")  # advice for its own users
        for item in _or_failed(_train(table, recipe, out, stop, options or Options())):
            log.write(f"{to_line(item)}\n".encode())
            log.flush()
            yield item


def _or_failed(training: Iterator[Event]) -> Iterator[Event]:
    """The events of a training; where it cannot go on, the reason for the person is the last."""
    try:
        yield from training
    except InputError as error:
        yield event("failed", text=str(error))
    except RuntimeError as error:
        if not is_lost_peer(error):
            raise
        yield event("failed", text=f"{LOST} ({str(error).splitlines()[0][:200]})")


def _train(
    table: ShotTable, recipe: Recipe, out: Path, stop: Stop, options: Options
) -> Iterator[Event]:
    _check_size(recipe)
    since = time.monotonic()
    recipe, note = _fitting(recipe, table, options.warm_start)
    asked = recipe
    before = _learned_before(out, options)
    kept = resume.read_state(out) if options.resume else None
    data, recipe = _prepared(table, asked, options, before, kept)
    interrupted = _interrupted(table, recipe, out, options, kept)
    with Engine.start(options.devices, partial(_say_lost, out)) as engine:
        speak = engine.first
        mine, table = table.fingerprint, engine.of_first(table)
        if table.fingerprint != mine:  # someone labelled while the processes started
            data, recipe = _prepared(table, asked, options, before, kept)
        if speak:
            yield from _notes("warning", *note, *data.notes)
        if not (yield from _reduce(data, table, engine, options.cache or out / CACHE, stop)):
            yield event("cancelled", text="Cancelled before the training began.")
            return
        data.check()
        data.move_to(engine.device)
        torch.manual_seed(options.seed)
        network, start = _start(table, recipe, data, options, engine, interrupted)
        loop = Loop(engine, data, recipe, network, out, options.seed, stop, start)
        words, seconds = engine.probe(loop.network, recipe.size, 1, recipe.precision, recipe.batch)
        if interrupted is not None:
            loop.restore(interrupted)
            words = f"{words} Going on after epoch {loop.epoch}."
        if speak:
            write_text(out / RECIPE, to_toml(recipe))
            rows = np.concatenate([data.training, data.tuning])
            learned.keep(out, data.hashes(rows), before, data.evaluation)
            flattered = [FLATTERED] if loop.chosen_on == "evaluation" else []
            yield from _notes("info", f"{words} {start.text}".strip(), *flattered)
            yield _started(loop, seconds)
        for item in loop.run():
            if speak:
                yield item
        if speak:
            yield _finish(loop, time.monotonic() - since)


def _notes(level: str, *texts: str) -> Iterator[Event]:
    yield from (event("note", level=level, text=text) for text in texts)


def _reduce(
    data: TrainingData, table: ShotTable, engine: Engine, folder: Path, stop: Stop
) -> Generator[Event, None, bool]:
    """Reduce all shots into a cache; False where that was stopped. The first process does it, the
    others wait and read."""
    said = len(data.notes)
    if not engine.first:
        engine.fabric.barrier()
    cache = ShotCache.open(folder, data.preprocessing, table, data.scales)
    for done, total in now_and_then(data.fill(cache)):
        if stop():
            return False
        if engine.first:
            yield event("progress", what="reducing shots", done=done, total=total)
    if engine.first:
        engine.fabric.barrier()
        yield from _notes("warning", *data.notes[said:])
    return True


def _say_lost(out: Path) -> None:
    """For a process that hangs and is about to be ended: it can yield nothing any more."""
    append_line(out / EVENTS, to_line(event("failed", text=LOST)))
    print(LOST, file=sys.stderr, flush=True)


def _prepared(
    table: ShotTable,
    recipe: Recipe,
    options: Options,
    before: Hashes,
    kept: dict[str, Any] | None = None,
) -> tuple[TrainingData, Recipe]:
    """What there is to learn from, and the recipe with as many epochs as that needs.

    `kept` is the state of the training that goes on.
    """
    data = prepare(table, recipe, options.seed, _seen(table, before), options.checks)
    data.preprocessing = replace(data.preprocessing, preparation=options.preparation)
    data.of_maps = are_maps(table.sources)
    if recipe.count_scale and not data.of_maps:
        learned_at = _scale_of_first_network(recipe, options)
        if kept is not None and kept.get("scale") is not None:
            learned_at = CountScale(**kept["scale"])
        data.preprocessing = data.preprocessing.for_training(table, learned_at)
    return data, replace(recipe, epochs=recipe.epochs_for(len(data.training)), steps=0)


def _scale_of_first_network(recipe: Recipe, options: Options) -> CountScale | None:
    """The scale of counts that the network learnt with which this training begins."""
    if options.warm_start is not None:
        return checkpoint.describe(options.warm_start).preprocessing.scale
    if fits(recipe):
        return checkpoint.describe(backbone_folder(recipe.backbone)).preprocessing.scale
    return None


def _learned_before(out: Path, options: Options) -> Hashes:
    """Hashes of the shots on which the network that this training begins from was trained."""
    if options.resume:
        kept = learned.read(out)
        return _NONE if kept is None else kept[1]
    kept = None if options.warm_start is None else learned.read(options.warm_start)
    return _NONE if kept is None else np.concatenate(kept)


def _seen(table: ShotTable, before: Hashes) -> npt.NDArray[np.bool_] | None:
    """(N,) which labelled shots are among `before`; None where there is nothing to look for."""
    if not len(before):
        return None
    seen = np.zeros(len(table), bool)
    found = hashes_of(table, np.flatnonzero(table.labelled))
    seen[list(found)] = np.isin(np.array(list(found.values()), np.uint64), before)
    return seen


def _started(loop: Loop, seconds: float) -> Event:
    data, recipe = loop.data, loop.recipe
    epochs = recipe.cost_of(loop.epoch, recipe.epochs)
    left = epochs * len(data.training) * seconds / loop.engine.world
    return event(
        "started",
        recipe=recipe.name,
        network=recipe.network,
        shots=len(data.used),
        training=len(data.training),
        tuning=len(data.tuning),
        evaluation=len(data.evaluation),
        excluded=data.excluded + len(data.unreadable),
        classes=list(data.table.class_names),
        constant=loop.judge.constant()[0],
        epochs=recipe.epochs,
        epoch=loop.epoch,
        seconds_left=left,
    )


def _check_size(recipe: Recipe) -> None:
    side = min(recipe.size, recipe.small or recipe.size)
    if side < SMALLEST:
        raise InputError(
            f"an input of {side} pixels is too small for the networks",
            mend=f"Use at least {SMALLEST}.",
        )


def _fitting(recipe: Recipe, table: ShotTable, warm_start: Path | None) -> tuple[Recipe, list[str]]:
    """The recipe as far as it can be followed here, and what had to be changed, in words."""
    notes = []
    if are_maps(table.sources):
        made = recipe.on_maps(computed=False)
        if recipe.input == "pattern" and made != recipe:
            notes.append(
                "The shots are correlation maps: they are not turned, mirrored or cropped."
            )
        recipe = made
    rules = table.taxonomy if table.taxonomy is not None and table.taxonomy.hard.any() else None
    if rules is None and recipe.rule_aware:
        notes.append("The taxonomy has no hard rules: trained with independent classes.")
    unlisted = rules is not None and rules.listed_sets(MOST_SETS) is None
    if unlisted and (recipe.rule_aware or recipe.legal_answers):
        notes.append(
            f"The legal label sets of {len(table.class_names)} classes are too many to list here:"
            " trained with independent classes, and predictions may break rules."
        )
    if rules is None or unlisted:
        recipe = replace(recipe, rule_aware=False, legal_answers=False)
    if warm_start is not None and not table.role.any() and learned.read(warm_start) is None:
        notes.append(
            f"{warm_start.name} does not say on which shots it was trained: where they judge now,"
            " the scores are too good."
        )
    if warm_start is None and recipe.backbone and not fits(recipe):
        kind = f"{recipe.network} ({recipe.activation})"
        notes.append(f"There is no backbone for {kind}: begun from chance.")
        recipe = replace(recipe, backbone="")
    first = warm_start or (backbone_folder(recipe.backbone) if recipe.backbone else None)
    if first is not None:  # its weights are of a network that looks so
        recipe = replace(recipe, half_turn=checkpoint.describe(first).recipe.half_turn)
    return recipe, notes


def _interrupted(
    table: ShotTable,
    recipe: Recipe,
    out: Path,
    options: Options,
    state: dict[str, Any] | None,
) -> dict[str, Any] | None:
    """The state to go on from; InputError where it is of other labels or another recipe."""
    if not options.resume:
        resume.forget(out)
    elif state is None:
        raise InputError(
            "holds no interrupted training", file=out, mend="Leave out --resume to train again."
        )
    elif state["fingerprint"] != table.fingerprint:
        what = "the labels or shots have changed since the training was interrupted"
        raise InputError(what, file=out, mend="Train again, or warm-start from this run.")
    elif (state["asked"], state["seed"]) != (recipe.to_dict(), options.seed):
        what = "the interrupted training had another recipe or seed"
        raise InputError(what, file=out, mend="Give the same ones to go on.")
    elif state.get("preparation", Preparation().to_dict()) != options.preparation.to_dict():
        what = "the preprocessing of the shots has changed since the training was interrupted"
        raise InputError(what, file=out, mend="Train again, or preprocess them as before.")
    return state


def _start(
    table: ShotTable,
    recipe: Recipe,
    data: TrainingData,
    options: Options,
    engine: Engine,
    interrupted: dict[str, Any] | None,
) -> tuple[Network, Start]:
    """The first network and how it began; of an interrupted training as it began then."""
    if interrupted is not None and "start" in interrupted:  # its weights are restored later
        about = Checkpoint(table.class_names, recipe, recipe.preprocessing())
        return checkpoint.build(about), Start(**interrupted["start"])
    network, begun, knows = _first_network(table, recipe, data, options)
    _rest_undecided(network, data, knows)
    if not (begun and recipe.gentle):
        return network, Start(begun)
    engine.place(network)
    fit_last_layer(network, data, recipe, engine, options.warm_start)
    left = unexplained(network, data, recipe, engine)
    share = max(GENTLEST, left ** (recipe.gentle * _caution(len(data.training))))
    return network, Start(f"{begun} Its body learns at {100 * share:.0f} % of the rate.", share)


def _caution(shots: int) -> float:
    """1 where training shots are few, falling to a third where many can teach the body afresh."""
    return float(np.interp(np.log(max(shots, 1)), np.log(FEW_AND_MANY), (1.0, 1 / 3)))


def _first_network(
    table: ShotTable, recipe: Recipe, data: TrainingData, options: Options
) -> tuple[Network, str, Taxonomy]:
    """The network before the first step, in words where it begins ('' for chance), and the classes
    of which it knows something."""
    classes = table.classes
    if options.warm_start is not None:
        network, about = checkpoint.load(options.warm_start)
        if about.network != recipe.network or about.recipe.activation != recipe.activation:
            raise InputError(
                f"holds a {about.network} ({about.recipe.activation}), not the {recipe.network}"
                f" ({recipe.activation}) of the recipe",
                file=options.warm_start,
                mend=f"Use --network {about.network}, or train without a warm start.",
            )
        said = f"Begun from {options.warm_start.name}"
        fresh = checkpoint.build(Checkpoint(table.class_names, recipe, recipe.preprocessing()))
        if are_same(classes, about.taxonomy):
            fresh.load_state_dict(network.state_dict())
            return fresh, f"{said}.", about.taxonomy
        known = take_over(fresh, classes, network, about.taxonomy)
        if not known:
            checkpoint.check_classes(about, classes, options.warm_start)
        said += f"; {known_in_words(classes, about.taxonomy)}"
        return fresh, said, about.taxonomy
    about = Checkpoint(table.class_names, recipe, recipe.preprocessing())
    network = checkpoint.build(about, weights=recipe.weights)
    if recipe.prior:
        share = np.nan_to_num(frequencies(data, data.training)).clip(0.01, 0.99)
        odds = np.log(share / (1 - share)).astype(np.float32)
        network.head.linear.bias.data.copy_(torch.from_numpy(odds))
    if not recipe.backbone:
        return network, "", Taxonomy.of_names(())
    knows = checkpoint.describe(backbone_folder(recipe.backbone)).taxonomy
    return network, begin(network, recipe, classes), knows


def _rest_undecided(network: Network, data: TrainingData, knows: Taxonomy) -> None:
    """Let a class that no training shot is decided on, and of which the network knows nothing, be
    one that it does not find: nothing that it learns would move it."""
    known = data.known[data.training].any(0) | (places_among(data.table.classes, knows) >= 0)
    rest = torch.from_numpy(np.flatnonzero(~known))
    with torch.no_grad():
        network.head.linear.weight[rest] = 0.0
        network.head.linear.bias[rest] = _ABSENT


def _finish(loop: Loop, seconds: float) -> Event:
    """Fit temperature and thresholds, judge, and write the final checkpoint and metrics."""
    if loop.best is None:
        return event("cancelled", text="Cancelled before there was a network to keep.")
    data, recipe, engine = loop.data, loop.recipe, loop.engine
    judge = loop.judge
    network, about = loop.best_network()
    side = about.preprocessing.size
    tuned = logits_of(network, data, data.tuning, recipe, engine, side, exact=True)
    logits = logits_of(network, data, data.evaluation, recipe, engine, side, exact=True)
    temperature, thresholds, worth = judge.fit(tuned, logits)
    report = judge.report(logits, temperature, thresholds, worth)
    with torch.no_grad():  # a calibrated network needs no further number to be carried about
        network.head.linear.weight.div_(temperature)
        network.head.linear.bias.div_(temperature)
    report |= {
        "best_epoch": loop.best["epoch"],
        "epochs": loop.epoch,
        "chosen_on": loop.chosen_on,
        "maxima": loop.maxima,
        "temperature": temperature,
        "thresholds": dict(zip(data.table.class_names, thresholds.tolist(), strict=True)),
        "shots": {k: len(getattr(data, k)) for k in ("training", "tuning", "evaluation")},
        "evaluation_trained_on_before": data.met,
        "judged_on": RANDOM_CHECKS if data.at_random else KEPT_ASIDE,
        "checks_left_out": data.left_out,
        "checks_among": data.among,
        "seconds": seconds + loop.seconds_before,
        "best_step": loop.best["step"],
        "best_untuned": loop.best["metrics"],
        "history": loop.history,
        "evaluations": loop.evaluations,
        "class_counts": loop.class_counts,
    }
    about = replace(
        about, thresholds=tuple(thresholds.tolist()), temperature=temperature,
        worth=() if worth is None else tuple(worth.tolist()),
        metrics=report["evaluation"],
    )  # fmt: skip
    checkpoint.save(loop.out, network, about)
    write_text(loop.out / METRICS, json.dumps(json.loads(to_line(report)), indent=1))
    resume.forget(loop.out)
    made = {"metrics": report["evaluation"], "run": str(loop.out), "seconds": report["seconds"]}
    made |= {"constant": report["constant"], "best_epoch": report["best_epoch"]}
    if loop.cancelled and not loop.epoch:
        when = f"in epoch 1 of {recipe.epochs}, after {counted(loop.step, 'step')}"
        text = f"Cancelled {when}; the network so far is kept."
        return event("cancelled", text=text, **made)
    if loop.cancelled:
        epoch = f"epoch {report['best_epoch']}"
        which = f"{epoch}, the last," if loop.chosen_on == "last" else f"{epoch}, the best so far,"
        return event("cancelled", text=f"Cancelled; the network of {which} is kept.", **made)
    return event("finished", **made)
