"""`bench inference`: our prediction of 224 px shots against other ways to run a ResNet-18.

The peers run torchvision's ResNet-18 (1 channel, 11 classes): torch eager, torch.compile, ONNX
Runtime, OpenVINO. Ours is the paper's network with its logarithmic activation, by the engine that
`predict` chooses. A peer that is not installed is left out and named.
"""

from __future__ import annotations

import importlib
import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from model.benchmarks.pairing import median, ratio, seconds_in_turns
from model.networks import architectures as networks
from model.networks import torchvision_ops
from model.prediction import inference
from model.prediction.batches import PooledHead
from model.runs import checkpoint
from model.runs.checkpoint import Checkpoint
from model.runs.folder import backbone_folder
from model.runs.recipes import named

Batches = list[npt.NDArray[np.float32]]
CLASSES, SIZE = 11, 224


def measure(
    rounds: int = 7, batches: int = 6, compile_peer: bool = True, size: int = SIZE
) -> dict[str, Any]:
    """Images per second of everybody, and the ratios (ours ÷ theirs).

    ratio_best_peer: our forward pass over the fastest peer's; ratio_torch_eager: over torch
    eager's in batches like ours; ratio_torch_eager_single: over torch eager's with one shot at a
    time, as code without further thought has it; one_pass_overhead: seconds of our pass that also
    makes embeddings and the heatmaps of all classes, over our forward pass's;
    ratio_best_peer_one_pass: that whole pass against the fastest peer's mere forward.
    """
    shape = (1, size, size)
    torch.manual_seed(0)
    network = networks.create("resnet18", classes=CLASSES).eval()
    engine, line = inference.choose(network, shape)
    head = PooledHead.of(network)
    about = Checkpoint(
        tuple(map(str, range(CLASSES))), named("paper"), named("paper").preprocessing()
    )
    rng = np.random.default_rng(0)
    pixels = [(rng.random((engine.batch, *shape)) ** 8 * 1000).astype(np.float32)] * batches

    def forward() -> None:
        for features in engine.stream(pixels):
            _ = features.mean((-2, -1)) @ head.weight.T + head.bias

    def one_pass() -> None:
        for features in engine.stream(pixels):
            head.read(features, about)

    peers, left_out = _peers(engine.batch, shape, pixels, compile_peer)
    contenders: dict[str, Callable[[], object]] = {"ours": forward, "one_pass": one_pass, **peers}
    taken = seconds_in_turns(contenders, rounds)
    count = batches * engine.batch
    rates = {name: count / median(seconds) for name, seconds in taken.items()}
    best = max(peers, key=lambda name: rates[name])
    return {
        "engine": line,
        "images_per_second": rates,
        "best_peer": best,
        "left_out": left_out,
        "ratio_best_peer": ratio(taken[best], taken["ours"]),
        "ratio_best_peer_one_pass": ratio(taken[best], taken["one_pass"]),
        "ratio_torch_eager": ratio(taken["torch_eager"], taken["ours"]),
        "ratio_torch_eager_single": ratio(taken["torch_eager_single"], taken["ours"]),
        "one_pass_overhead": ratio(taken["one_pass"], taken["ours"]),
        "batch": engine.batch,
        "size": size,
        "rounds": rounds,
    }


def pass_ms(shots: int) -> float:
    """Milliseconds for each shot of our pass with embeddings and all heatmaps, without its start.

    The shipped network at the size that it was trained at, on made-up shots that are reduced
    already.
    """
    network, about = checkpoint.load(backbone_folder(named("quick").backbone))
    shape = (1, about.preprocessing.size, about.preprocessing.size)
    engine, _ = inference.choose(network, shape)
    head, rng = PooledHead.of(network), np.random.default_rng(0)
    pixels = [rng.random((engine.batch, *shape)).astype(np.float32)] * -(-shots // engine.batch)

    def one_pass() -> None:
        for features in engine.stream(pixels):
            head.read(features, about)

    taken = seconds_in_turns({"ours": one_pass}, 3)["ours"]
    return 1000 * median(taken) / (len(pixels) * engine.batch)


def torchvision_resnet18() -> nn.Module:
    """torchvision's network for one channel and eleven classes."""
    made = torchvision_ops.load().models.resnet18(num_classes=CLASSES)
    made.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    module: nn.Module = made.eval()
    return module


def _peers(
    batch: int, shape: tuple[int, int, int], pixels: Batches, compile_peer: bool
) -> tuple[dict[str, Callable[[], object]], dict[str, str]]:
    """Every peer that works here, by name, and why the others do not."""
    network = torchvision_resnet18()
    makers: dict[str, Callable[[], Callable[[], object]]] = {
        "torch_eager": lambda: _torch(network, pixels),
        "torch_eager_single": lambda: _torch(
            network, [x[[i]] for x in pixels for i in range(batch)]
        ),
        "onnxruntime": lambda: _onnxruntime(network, batch, shape, pixels),
        "openvino": lambda: _openvino(network, batch, shape, pixels),
    }
    if compile_peer:
        makers["torch_compile"] = lambda: _torch(_compiled(network), pixels)
    found: dict[str, Callable[[], object]] = {}
    left_out = {}
    for name, make in makers.items():
        try:
            work = make()
            work()
        except Exception as error:  # noqa: BLE001 - a peer fails in ways of its own: it is named
            left_out[name] = f"{type(error).__name__}: {error}".splitlines()[0]
        else:
            found[name] = work
    return found, left_out


def _torch(network: Callable[[torch.Tensor], object], pixels: Batches) -> Callable[[], object]:
    tensors = [torch.from_numpy(x) for x in pixels]

    def work() -> None:
        with torch.inference_mode():
            for x in tensors:
                network(x)

    return work


def _compiled(network: nn.Module) -> Callable[[torch.Tensor], object]:
    compile_: Any = torch.compile
    return compile_(network)


def _onnxruntime(
    network: nn.Module, batch: int, shape: tuple[int, int, int], pixels: Batches
) -> Callable[[], object]:
    onnxruntime = importlib.import_module("onnxruntime")
    buffer: Any = io.BytesIO()  # its annotation knows paths only
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter without further packages is the old one
        torch.onnx.export(network, (torch.zeros(batch, *shape),), buffer, dynamo=False)
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def work() -> None:
        for x in pixels:
            session.run(None, {name: x})

    return work


def _openvino(
    network: nn.Module, batch: int, shape: tuple[int, int, int], pixels: Batches
) -> Callable[[], object]:
    """Several batches under way at a time, as in OpenVINO's own advice for throughput."""
    engine = inference.OpenVinoEngine(network, batch, shape)

    def work() -> None:
        for _ in engine.stream(pixels):
            pass

    return work
