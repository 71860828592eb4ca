"""`bench training`: our training step against bare loops on torchvision's and timm's ResNet-18.

Ours is the paper's recipe as `train` runs it: shots from the cache, augmentation, forward,
backward, elastic net, update, loss read back. The peers get the same batch ready in memory and do
forward, backward, the same penalty written naively through autograd, and SGD. A further contender
is our own step with its input ready in memory, which shows what loading data costs.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from model.benchmarks.inference import torchvision_resnet18
from model.benchmarks.pairing import median, ratio, seconds_in_turns
from model.networks import architectures as networks
from model.networks import torchvision_ops
from model.preprocessing.cache import ShotCache
from model.runs.recipes import Recipe, named
from model.shots.table import table_of_file
from model.training.data import TrainingData, prepare
from model.training.engine import Engine
from model.training.loop import Loop
from model.training.roles import Rows

CLASSES = 11


def measure(
    batch: int = 48, size: int = 224, repeats: int = 5, network: str = "resnet18"
) -> dict[str, Any]:
    """Images per second of everybody, and ratios of them (ours ÷ theirs), medians over rounds.

    step_ratio_torchvision, step_ratio_timm: our whole step over a bare loop on their network;
    step_ratio_own_nodata: over our own step with its input ready in memory; penalty_share: share
    of the elastic net in our step. A peer that is not installed is left out and its ratio is None.
    """
    recipe = replace(named("paper"), batch=batch, size=size, network=network, precision="32")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        data, engine = _data(Path(folder), recipe), Engine.start()
        rows = data.training[:batch]
        ours = _loop(engine, data, recipe, Path(folder))
        ready = data.inputs(rows, engine.device, recipe, None)
        still = _Ready(**{f.name: getattr(data, f.name) for f in fields(data)})
        still.ready = ready
        nodata = _loop(engine, still, recipe, Path(folder))
        random = torch.Generator().manual_seed(0)
        labels = torch.from_numpy(data.labels[rows]).float()
        contenders: dict[str, Callable[[], object]] = {
            "ours": lambda: ours.take_step(rows, random),
            "own_nodata": lambda: nodata.take_step(rows, random),
            "penalty": ours.penalty.add_gradient,
        }
        peers, left_out = _peers(recipe, ready.contiguous(), labels)
        taken = seconds_in_turns(contenders | peers, repeats)
    rates = {name: batch / median(taken[name]) for name in taken if name != "penalty"}
    return {
        "images_per_second": rates,
        "step_ratio_torchvision": _ratio(taken, "torchvision"),
        "step_ratio_timm": _ratio(taken, "timm"),
        "step_ratio_own_nodata": _ratio(taken, "own_nodata"),
        "penalty_share": ratio(taken["penalty"], taken["ours"]),
        "left_out": left_out,
        "batch": batch,
        "size": size,
        "rounds": repeats,
    }


def _ratio(taken: dict[str, list[float]], peer: str) -> float | None:
    return ratio(taken[peer], taken["ours"]) if peer in taken else None


class _Ready(TrainingData):
    """Training data whose input is in memory once and for all."""

    ready: Tensor

    def inputs(
        self,
        rows: Rows,
        device: torch.device,
        recipe: Recipe,
        random: torch.Generator | None,
        side: int = 0,
    ) -> Tensor:
        """Always the same batch."""
        return self.ready


def _data(folder: Path, recipe: Recipe) -> TrainingData:
    """Random shots in a file, reduced into a cache as for a training."""
    rng = np.random.default_rng(0)
    count = max(2 * recipe.batch, 20)
    path = folder / "shots.h5"
    labels = np.zeros((count, CLASSES), np.uint8)
    labels[np.arange(count), rng.integers(0, CLASSES, count)] = 1
    with h5py.File(path, "w") as file:
        file["images"] = rng.poisson(20, (count, recipe.size, recipe.size)).astype(np.uint16)
        file["labels"] = labels
        file["labels"].attrs["class_names"] = [f"class {c}" for c in range(CLASSES)]
    data = prepare(table_of_file(path), recipe, 0)
    for _ in data.fill(ShotCache.open(folder, recipe.preprocessing(), data.table)):
        pass
    return data


def _loop(engine: Engine, data: TrainingData, recipe: Recipe, out: Path) -> Loop:
    torch.manual_seed(0)
    network = networks.create(recipe.network, classes=CLASSES)
    return Loop(engine, data, recipe, network, out, 0, lambda: False)


def _peers(
    recipe: Recipe, x: Tensor, y: Tensor
) -> tuple[dict[str, Callable[[], object]], dict[str, str]]:
    """The bare loops that work here, by name, and why the others do not."""
    makers: dict[str, Callable[[], nn.Module]] = {
        "torchvision": torchvision_resnet18,
        "timm": _timm_resnet18,
    }
    found: dict[str, Callable[[], object]] = {}
    left_out = {}
    for name, make in makers.items():
        try:
            network = make().to(x.device).train()
        except ImportError as error:
            left_out[name] = str(error)
        else:
            found[name] = _bare_step(network, recipe, x, y.to(x.device))
    return found, left_out


def _timm_resnet18() -> nn.Module:
    torchvision_ops.declare()
    timm = importlib.import_module("timm")
    module: nn.Module = timm.create_model("resnet18", in_chans=1, num_classes=CLASSES)
    return module


def _bare_step(network: nn.Module, recipe: Recipe, x: Tensor, y: Tensor) -> Callable[[], object]:
    """One step as it is written without further thought, with the penalty of Eq. 10."""
    optimiser = torch.optim.SGD(network.parameters(), lr=recipe.rate)
    weights = list(network.parameters())

    def step() -> float:
        optimiser.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(network(x), y)
        l1 = sum(w.abs().sum() for w in weights)
        l2 = torch.stack([w.square().sum() for w in weights]).sum().sqrt()
        loss = loss + recipe.l1 * l1 + recipe.l2 * l2
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return float(loss.detach())

    return step
