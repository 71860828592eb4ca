"""The loop over epochs and steps of one training, with its checkpoints and its way back."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from model.errors import InputError
from model.events import Event, Stop, event
from model.networks.architectures import Network
from model.runs import checkpoint
from model.runs.checkpoint import Checkpoint
from model.runs.recipes import NEVER, Recipe
from model.training import resume
from model.training.data import TrainingData
from model.training.engine import Engine, is_out_of_memory
from model.training.judging import Judge, logits_of, untuned_thresholds
from model.training.losses import CrossEntropy, ElasticNet, LegalSetLikelihood, positive_weights
from model.training.optimisation import Average, make_optimiser, rate_at, set_rate
from model.training.roles import Rows

MOST_EPOCHS_UNSEEN = 20
"""A network is judged after this many epochs even where its recipe counts steps and shots are few:
the 2500 steps of the paper are 19.4 of its epochs."""
_SAY_EVERY = 0.2
"""Seconds between two step events."""


@dataclass(frozen=True)
class Start:
    """How a training began; it goes on in the same way after an interruption."""

    text: str = ""
    """From what, in words; '' for chance."""
    body_share: float = 1.0
    """Share of the rate at which the body learns, see `Recipe.gentle`."""


class Loop:
    """One training in progress; `run()` yields its events until the end or until `stop()`."""

    def __init__(
        self,
        engine: Engine,
        data: TrainingData,
        recipe: Recipe,
        network: Network,
        out: Path,
        seed: int,
        stop: Stop,
        start: Start | None = None,
    ) -> None:
        self.engine, self.data, self.recipe = engine, data, recipe
        self.out, self.seed, self.stop = out, seed, stop
        self.network, self.start = network, start or Start()
        engine.place(network)
        network.train()
        optimiser = make_optimiser(recipe, network, self.start.body_share)
        self.average = Average(network, recipe.ema) if recipe.ema else None
        self.penalty = ElasticNet.of(network, recipe.l1, recipe.l2, recipe.penalty_mean)
        self.wrapped, self.optimiser = engine.fabric.setup(network, optimiser)
        self.loss = self._make_loss().to(engine.device)
        limits, weights = untuned_thresholds(self._weights()), self._class_weights()
        raising = weights if recipe.rule_aware else None
        self.judge = Judge(data, recipe.rule_aware, limits, raising, recipe.legal_answers)
        self.epoch = self.step = self.stale = 0
        self.best: dict[str, Any] | None = None
        self.history: list[dict[str, Any]] = []
        self.evaluations: list[dict[str, Any]] = []
        self.class_counts: list[list[list[int]]] = []
        self.maxima: dict[str, float] = {}
        self.cancelled = self.improved = False
        self.numbers: dict[str, Any] = {}
        self.rate, self.side = recipe.rate, recipe.side_at(0)
        self.seconds_before = 0.0
        self._begin = time.monotonic()
        self._labels = data.targets()

    def _make_loss(self) -> nn.Module:
        recipe, data = self.recipe, self.data
        weights = positive_weights(data.targets(data.training), recipe.class_weighting)
        if recipe.rule_aware:
            sets = torch.from_numpy(data.taxonomy.legal_sets)
            return LegalSetLikelihood(sets, weights, recipe.smoothing)
        return CrossEntropy(weights, recipe.smoothing)

    # -- the way through ------------------------------------------------------------------------

    def run(self) -> Iterator[Event]:
        """Events until the last epoch, the early stop or `stop()`."""
        recipe = self.recipe
        began, first = time.monotonic(), self.epoch
        while self.epoch < recipe.epochs and not self.cancelled:
            if self.engine.any(bool(recipe.patience and self.stale >= recipe.patience)):
                text = f"No better for {self.stale} evaluations: stopped early."
                yield event("note", level="info", text=text)
                break
            self.numbers, self.improved = {}, False
            self.side = recipe.side_at(self.epoch)
            mean_loss = yield from self._epoch()
            if mean_loss is None:
                break
            self.epoch += 1
            if not recipe.evaluate_every or self.epoch == recipe.epochs:
                self._evaluate()
            pace = (time.monotonic() - began) / recipe.cost_of(first, self.epoch)
            self.history.append({"epoch": self.epoch, "loss": mean_loss, "metrics": self.numbers})
            yield event(
                "epoch",
                epoch=self.epoch,
                epochs=recipe.epochs,
                loss=mean_loss,
                metrics=self.numbers,
                best=self.improved,
                rate=self.rate,
                seconds_left=pace * recipe.cost_of(self.epoch, recipe.epochs),
            )
            self._keep_state()
        if self.cancelled and self.best is None and self.step:
            self._evaluate()

    def _epoch(self) -> Generator[Event, None, float | None]:
        """Steps of one epoch; returns the mean loss, None where it was cancelled."""
        recipe = self.recipe
        torch.manual_seed(hash((self.seed, self.epoch)) % 2**31)  # for dropout
        random = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        batches = self.data.order(self.seed, self.epoch, recipe.batch)
        total, said = 0.0, 0.0
        for rows in batches:
            if self.engine.any(self.stop()):
                self.cancelled = True
                return None
            self.rate = rate_at(recipe, self.step, len(batches))
            loss, note = self._step_within_memory(rows, random)
            if note:
                yield event("note", level="warning", text=note)
            total += loss
            self.step += 1
            if time.monotonic() - said > _SAY_EVERY:
                said = time.monotonic()
                yield event("step", step=self.step, epoch=self.epoch + 1, loss=loss)
            if recipe.evaluate_every and self.step % self._pause(len(batches)) == 0:
                self._evaluate()
                yield self._evaluated(self.step / len(batches))
        return total / len(batches)

    def _evaluated(self, epoch: float) -> Event:
        """What an evaluation between two epochs found; the epoch as a fraction."""
        found = {"step": self.step, "epoch": epoch, "metrics": self.numbers, "best": self.improved}
        self.evaluations.append(found)
        self.numbers, self.improved = {}, False
        return event("evaluated", **found)

    def _pause(self, steps_per_epoch: int) -> int:
        """Steps from one evaluation to the next."""
        every = self.recipe.evaluate_every
        return every if every == NEVER else min(every, MOST_EPOCHS_UNSEEN * steps_per_epoch)

    def _step_within_memory(self, rows: Rows, random: torch.Generator) -> tuple[float, str]:
        """A step in as many parts as fit into memory; (loss, what to say about it).

        One of several processes cannot take more parts than the others: it ends, and they with it.
        """
        note = ""
        while True:
            state = random.get_state()
            try:
                return self.take_step(rows, random), note
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self.engine.world > 1:
                    mine = math.ceil(len(rows) / self.engine.world)
                    what = f"not enough memory for {mine} shots in one process of the training"
                    mend = "Use a smaller batch (--set batch=N) or --size, or more machines."
                    raise InputError(what, mend=mend) from error
                if self.engine.parts >= len(rows):
                    what = f"not enough memory for a single shot of {self.recipe.size} pixels"
                    mend = "Use a smaller --size or a smaller network."
                    raise InputError(what, mend=mend) from error
            random.set_state(state)
            self.optimiser.zero_grad(set_to_none=True)
            if self.engine.device.type == "cuda":
                torch.cuda.empty_cache()
            self.engine.parts *= 2
            at_once = math.ceil(self.recipe.batch / self.engine.parts)
            note = f"Out of memory: the batch now goes through {at_once} shots at a time."

    def take_step(self, rows: Rows, random: torch.Generator | None) -> float:
        """Forward, backward and update on these rows; returns the loss (Eq. 6)."""
        set_rate(self._plain_optimiser(), self.rate)
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.engine.synchronise(self._backward(rows, random))
        if not math.isfinite(loss):
            self._refuse_loss(loss, rows)
        self.penalty.add_gradient()
        if self.recipe.clip:
            torch.nn.utils.clip_grad_norm_(
                self.network.parameters(), self.recipe.clip, foreach=True
            )
        self.optimiser.step()
        if self.average is not None:
            self.average.update(self.network)
        return loss

    def _backward(self, rows: Rows, random: torch.Generator | None) -> float:
        """Gradients of the mean loss over the rows of this process, in parts; returns the loss.

        Every process makes as many passes as the one with most rows, or the others would wait for
        it for ever; where it has no rows left, one of the batch goes through and counts nothing.
        """
        whole = self.data.inputs(rows, self.engine.device, self.recipe, random, self.side)
        mine = self.engine.share_of(len(rows))
        x, y = whole[mine], self._labels[torch.from_numpy(rows)][mine].to(self.engine.device)
        most = math.ceil(len(rows) / self.engine.world)
        size = max(1, math.ceil(most / self.engine.parts))
        total = 0.0
        for i in range(0, most, size):
            with self.engine.number_context():
                logits = self.wrapped(x[i : i + size] if i < len(x) else whole[:1])
            if i >= len(x):
                self.engine.fabric.backward((0 * logits.float()).sum())
                continue
            share = len(logits) / len(rows) * self.engine.world  # processes are averaged after it
            loss = self.loss(logits.float(), y[i : i + size]) * share
            self.engine.fabric.backward(loss)
            total += float(loss.detach())
        return total

    def _refuse_loss(self, loss: float, rows: Rows) -> None:
        some = ", ".join(str(int(r) + 1) for r in sorted(rows)[:12])
        more = f" and {len(rows) - 12} more" if len(rows) > 12 else ""
        kept = f" The network of epoch {self.best['epoch']} is kept." if self.best else ""
        raise InputError(
            f"the loss became {loss} with the shots {some}{more}",
            place=f"epoch {self.epoch + 1}, step {self.step + 1}",
            mend="Look at these shots, or use a smaller learning rate." + kept,
        )

    # -- judging and keeping --------------------------------------------------------------------

    def _weights(self) -> npt.NDArray[np.float32]:
        """(C,) how much the positives weighed, where the head's bias can be freed of it: not under
        the rules, which raise the odds of whole sets (`decoding.raised_by`)."""
        weights = self._class_weights()
        return np.ones_like(weights) if self.recipe.rule_aware else weights

    def _class_weights(self) -> npt.NDArray[np.float32]:
        weights: npt.NDArray[np.float32] = self.loss.weights.cpu().numpy()  # type: ignore[operator]
        return weights

    @contextmanager
    def _judged(self) -> Iterator[Network]:
        """The network that is judged and kept: averaged weights, odds freed of class weights."""
        found = self.average.network if self.average is not None else self.network
        assert isinstance(found, Network)
        bias = found.head.linear.bias.detach()
        shift = torch.from_numpy(np.log(self._weights())).to(bias.device)
        kept = bias.clone()
        bias -= shift
        try:
            yield found
        finally:
            bias.copy_(kept)

    def _evaluate(self) -> None:
        if not self.engine.first:
            return
        with self._judged() as network:
            self._judge_and_keep(network)

    def _judge_and_keep(self, network: Network) -> None:
        data, side = self.data, self.side
        logits = logits_of(network, data, data.evaluation, self.recipe, self.engine, side)
        self.numbers = self.judge.quick(logits, data.evaluation)
        self.class_counts.append(self.judge.counts(logits, data.evaluation))
        for name in ("accuracy", "precision", "recall", "macro_f1"):
            if self.numbers[name] is not None:
                self.maxima[name] = max(self.numbers[name], self.maxima.get(name, 0.0))
        score = self.judge.score(self.numbers)
        if len(data.tuning):
            tuned = logits_of(network, data, data.tuning, self.recipe, self.engine, side)
            score = self.judge.score(self.judge.quick(tuned, data.tuning))
        if self.best is None or self.chosen_on == "last" or score >= self.best["score"]:
            epoch = max(1, self.epoch)
            self.best = {"score": score, "epoch": epoch, "step": self.step}
            self.best["metrics"] = self.numbers
            self.improved, self.stale = True, 0
            checkpoint.save(self.out, network, self.description())
        else:
            self.stale += 1

    @property
    def chosen_on(self) -> str:
        """What decides which epoch is kept: tuning, evaluation, or last (simply the newest)."""
        if len(self.data.tuning):
            return "tuning"
        return "last" if self.recipe.schedule == "onecycle" else "evaluation"

    def description(self) -> Checkpoint:
        """What the checkpoint says about itself."""
        data, sets, rule_aware = self.data, self.judge.answer_sets, self.recipe.rule_aware
        legal = None if sets is None else tuple(int(v) for v in data.taxonomy.pack(sets))
        return Checkpoint(
            class_names=data.table.class_names,
            earlier_names=data.taxonomy.earlier,
            recipe=self.recipe,
            preprocessing=replace(data.preprocessing, size=self.side),
            thresholds=tuple(self.judge.limits.tolist()),
            legal_sets=legal,
            sigmoids=not rule_aware,
            class_weights=tuple(self._class_weights().tolist()) if rule_aware else (),
            of_maps=data.of_maps,
            metrics=dict(self.best["metrics"]) if self.best else {},
            data_fingerprint=data.table.fingerprint,
            epoch=self.best["epoch"] if self.best else 0,
        )

    def best_network(self) -> tuple[Network, Checkpoint]:
        """The kept network on the device, in evaluation mode, and what is known about it."""
        network, about = checkpoint.load(self.out)
        placed = self.engine.place(network)
        assert isinstance(placed, Network)
        return placed, about

    def _keep_state(self) -> None:
        if not self.engine.first:
            return
        average = self.average.network if self.average is not None else None
        scale = self.data.preprocessing.scale
        state = {
            "asked": self.recipe.to_dict(),
            "preparation": self.data.preprocessing.preparation.to_dict(),
            "scale": None if scale is None else asdict(scale),
            "seed": self.seed,
            "start": asdict(self.start),
            "fingerprint": self.data.table.fingerprint,
            "epoch": self.epoch,
            "step": self.step,
            "stale": self.stale,
            "best": self.best,
            "history": self.history,
            "evaluations": self.evaluations,
            "class_counts": self.class_counts,
            "maxima": self.maxima,
            "averaged": self.average.steps if self.average else 0,
            "number_format": self.engine.number_format,
            "parts": self.engine.parts,
            "seconds": self.seconds_before + time.monotonic() - self._begin,
        }
        resume.save(self.out, self.network, self._plain_optimiser(), average, state)

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the state that `_keep_state` wrote."""
        average = self.average.network if self.average is not None else None
        resume.restore(self.out, self.network, self._plain_optimiser(), average)
        self.epoch, self.step, self.stale = state["epoch"], state["step"], state["stale"]
        self.best, self.history, self.maxima = state["best"], state["history"], state["maxima"]
        self.evaluations = state["evaluations"]
        self.class_counts = state.get("class_counts", [])
        self.seconds_before = state["seconds"]
        self.engine.number_format, self.engine.parts = state["number_format"], state["parts"]
        if self.average is not None:
            self.average.steps = state["averaged"]

    def _plain_optimiser(self) -> torch.optim.Optimizer:
        """The optimiser without Fabric's wrapper."""
        found: torch.optim.Optimizer = getattr(self.optimiser, "optimizer", self.optimiser)
        return found
