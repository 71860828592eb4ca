"""Engines: the fastest way at hand from shots to a network's last feature maps.

A network is handed over up to the maps that its head pools; pool, head and heatmaps are numpy in
`prediction`. Two engines that agree to 1e-4: OpenVINO on the CPU where it is installed, else
torch. Nothing here trains, reads files, or knows classes.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import math
import sys
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from model.errors import install
from model.networks.activation import Logarithmic
from model.networks.architectures import Network

Floats = npt.NDArray[np.float32]
AGREEMENT = 1e-4
"""Largest difference between two engines, as a share of the largest value."""


class InferenceEngine(Protocol):
    """Takes batches of at most `batch` shots (n, channels, H, W) and gives their feature maps."""

    name: str
    batch: int

    def stream(self, batches: Iterable[Floats]) -> Iterator[Floats]:
        """(n, K, h, w) for every batch, in order; reads ahead by no more than two batches."""


class TorchEngine:
    """Plain torch, on the graphics card where there is one."""

    def __init__(self, body: nn.Module, batch: int, device: torch.device | None = None) -> None:
        self.device = device or best_device()
        self.batch = batch
        place = "on the CPU" if self.device.type == "cpu" else f"on {self.device.type}"
        self.name = f"torch {torch.__version__.split('+')[0]} {place}"
        body = copy.deepcopy(body).eval().to(self.device)
        self._body = body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def stream(self, batches: Iterable[Floats]) -> Iterator[Floats]:
        """See `InferenceEngine`."""
        for pixels in batches:
            with torch.inference_mode():
                x = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device)
                maps = self._body(x.contiguous(memory_format=torch.channels_last))
                yield maps.float().cpu().contiguous().numpy()


class OpenVinoEngine:
    """OpenVINO in single precision on the CPU; two batches under way at a time.

    Raises ImportError where OpenVINO is not installed, RuntimeError where it cannot take the
    network.
    """

    def __init__(
        self, body: nn.Module, batch: int, shape: tuple[int, int, int], threads: int | None = None
    ) -> None:
        ov = openvino()
        self.batch = batch
        self.name = f"OpenVINO {ov.__version__.split('-')[0]} on the CPU"
        self._shape = (batch, *shape)
        model = converted(exportable(body), self._shape)
        settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = str(threads)
        self._compiled = ov.Core().compile_model(model, "CPU", settings)

    def stream(self, batches: Iterable[Floats]) -> Iterator[Floats]:
        """See `InferenceEngine`."""
        free = [self._compiled.create_infer_request() for _ in range(2)]
        busy: deque[tuple[Any, int]] = deque()
        for pixels in batches:
            if not free:
                request, count = busy.popleft()
                yield self._result(request, count)
                free.append(request)
            request = free.pop()
            request.start_async({0: self._padded(pixels)})
            busy.append((request, len(pixels)))
        for request, count in busy:
            yield self._result(request, count)

    def _padded(self, pixels: Floats) -> Floats:
        if len(pixels) == self.batch:
            return np.ascontiguousarray(pixels, np.float32)
        full = np.zeros(self._shape, np.float32)
        full[: len(pixels)] = pixels
        return full

    def _result(self, request: Any, count: int) -> Floats:
        request.wait()
        return np.array(request.get_output_tensor(0).data[:count], np.float32)


class ExportedLogarithmic(nn.Module):
    """Eq. 11 in operations that every runtime has fused kernels for; good to 1e-5.

    h(x) = α·log(r) with r = (1 + e·x₊)/(1 + e·x₋), one of x₊, x₋ being 0. Five square roots bring
    r close to 1, where log t = 2·artanh((t - 1)/(t + 1)) is a short series. OpenVINO's own
    logarithm works in another memory layout and costs 5 % of a ResNet-18; this costs 1 %.
    """

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        positive = torch.relu(x)
        root = (1 + math.e * positive) / (1 + math.e * (positive - x))
        for _ in range(5):
            root = torch.sqrt(root)
        u = (root - 1) / (root + 1)
        v = u * u
        series = v / 13
        for odd in (11, 9, 7, 5, 3):
            series = v * (1 / odd + series)
        return (self.alpha * 2 * 2**5) * u * (1 + series)


def exportable(body: nn.Module) -> nn.Module:
    """A copy of the body in evaluation mode, its logarithmic activations ready for export."""
    body = copy.deepcopy(body).cpu().eval()
    for parent in body.modules():
        for name, child in parent.named_children():
            if isinstance(child, Logarithmic):
                setattr(parent, name, ExportedLogarithmic(child.alpha))
    return body


def grid(network: Network, shape: tuple[int, int, int]) -> tuple[int, int]:
    """Cells (h, w) of the feature maps of an input of this shape (channels, H, W)."""
    with torch.inference_mode():
        height, width = network.features(torch.zeros(1, *shape)).shape[-2:]
    return height, width


def best_device() -> torch.device:
    """A CUDA card where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def batch_for(shape: tuple[int, int, int], device: torch.device) -> int:
    """Shots in a batch: 8 of 224×224 on a CPU, 64 on a card; fewer of larger ones."""
    pixels = (8 if device.type == "cpu" else 64) * 224 * 224
    return max(1, min(64, pixels // (shape[-1] * shape[-2])))


def choose(
    network: Network,
    shape: tuple[int, int, int],
    name: str = "auto",
    most: int | None = None,
    threads: int | None = None,
) -> tuple[InferenceEngine, str]:
    """The engine for inputs of `shape` (channels, H, W), and a line that says which and why.

    most: shots in a batch at most, where an early answer counts more than the last bit of speed.

    `name`: auto, torch or openvino. An engine that does not give torch's numbers for a test input
    is not used, whatever was asked for. `threads`: at most this many, one of several workers.
    """
    device = best_device()
    if threads is not None:
        torch.set_num_threads(threads)
    batch = min(batch_for(shape, device), most or sys.maxsize)
    plain = TorchEngine(network.body, batch, device)
    if name == "torch" or (name == "auto" and device.type != "cpu"):
        return plain, f"Prediction by {plain.name}."
    if importlib.util.find_spec("openvino") is None:
        faster = f"OpenVINO is about twice as fast. {install('openvino')}"
        return plain, f"Prediction by {plain.name}. {faster}"
    try:
        fast = OpenVinoEngine(network.body, batch, shape, threads)
    except (ImportError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        return plain, f"Prediction by {plain.name}: OpenVINO cannot take this network ({reason})."
    difference = disagreement(plain, fast, shape)
    if not difference <= AGREEMENT:
        return plain, (
            f"Prediction by {plain.name}: OpenVINO differs from it by {difference:.1e} on a test."
        )
    return fast, f"Prediction by {fast.name}."


def disagreement(
    one: InferenceEngine, other: InferenceEngine, shape: tuple[int, int, int]
) -> float:
    """Largest difference between the feature maps of two engines, relative to the largest."""
    rng = np.random.default_rng(0)
    pixels = (1000 * rng.random((1, *shape)) ** 8).astype(np.float32)
    (a,), (b,) = one.stream([pixels]), other.stream([pixels])
    return float(np.abs(a - b).max() / max(float(np.abs(a).max()), 1e-30))


def openvino() -> Any:
    """The package openvino, kept from reporting its use to its maker, as it else does unasked.

    Raises ImportError where it is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")


def converted(network: nn.Module, shape: tuple[int, int, int, int]) -> Any:
    """A network as an OpenVINO model for inputs of exactly this shape (n, channels, H, W).

    Traced here, with one shot and unchecked: `choose` compares the result with torch itself, and
    OpenVINO would trace whole batches three times over and load half of torch to compare them.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit.trace
        warnings.filterwarnings("ignore", "Converting a tensor")  # the side is one and the same
        trace: Any = torch.jit.trace
        traced = trace(network, torch.zeros(1, *shape[1:]), check_trace=False)
        model = openvino().convert_model(traced)
    model.reshape(list(shape))
    return model
