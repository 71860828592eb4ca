"""`bench explain`: heatmaps of eleven classes of a shot against the package pytorch-grad-cam;
`bench heat`: does heat of the shipped network lie where the cause of a class is known to be?"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model.benchmarks.pairing import median, ratio, seconds_in_turns
from model.heatmaps.forms import HEAT_FORMS
from model.heatmaps.gradcam import through_pooled_linear_head
from model.heatmaps.truth_table import as_markdown
from model.inspection import truth
from model.inspection.heat import Explainer
from model.inspection.perturbed_shots import Reader
from model.inspection.truth_cases import cases
from model.networks import architectures as networks
from model.networks import torchvision_ops
from model.networks.architectures import Network
from model.prediction import inference
from model.prediction.batches import PooledHead
from model.runs.folder import backbone_folder
from model.runs.recipes import named

CLASSES, SIZE = 11, 224
REPEATS = 4
"""Shots in a row, one by one, that count as one measurement."""
PACKAGE_EPSILON = 1e-6
"""What the package adds to the denominator of Eq. 19."""


def measure(rounds: int = 5, size: int = SIZE) -> dict[str, Any]:
    """Seconds for all heatmaps of one shot, and ratios.

    ratio_pytorch_grad_cam: the package's seconds for eleven classes on torchvision-style torch
    code through ours (forward pass and all maps, the engine that `predict` chooses, one shot at a
    time); ratio_same_engine: the same with our forward pass by torch; overhead_vs_forward: our
    forward pass with all maps over the forward pass alone; difference: largest difference to the
    package's maps (Chattopadhay's form, with the package's epsilon) as a share of the largest.
    """
    shape = (1, size, size)
    torch.manual_seed(0)
    network = networks.create("resnet18", classes=CLASSES).eval()
    head = PooledHead.of(network)
    rng = np.random.default_rng(0)
    shot = (rng.random((1, *shape)) ** 8 * 1000).astype(np.float32)
    fast = _single(network, shape)
    plain = inference.TorchEngine(network.body, 1)

    def forward(engine: inference.InferenceEngine) -> npt.NDArray[np.float32]:
        (features,) = engine.stream([shot])
        return features

    def maps(engine: inference.InferenceEngine) -> None:
        features = forward(engine)
        logits = features.mean((-2, -1)) @ head.weight.T + head.bias
        through_pooled_linear_head(features, head.weight, logits)

    def repeated(
        work: Callable[[inference.InferenceEngine], object], engine: inference.InferenceEngine
    ) -> None:
        for _ in range(REPEATS):
            work(engine)

    def package() -> npt.NDArray[np.float32]:
        return package_maps(network, torch.from_numpy(shot))

    # The package is timed apart: what it leaves in the caches would fall on whoever comes next.
    quick = seconds_in_turns(
        {
            "forward": lambda: repeated(forward, fast),
            "all_maps": lambda: repeated(maps, fast),
            "all_maps_torch": lambda: repeated(maps, plain),
        },
        2 * rounds,
        warmups=2,
    )
    slow = seconds_in_turns({"pytorch_grad_cam": package}, rounds)
    seconds = {name: median(values) / REPEATS for name, values in quick.items()}
    seconds["pytorch_grad_cam"] = median(slow["pytorch_grad_cam"])
    return {
        "seconds": seconds,
        "engine": fast.name,
        "ratio_pytorch_grad_cam": seconds["pytorch_grad_cam"] / seconds["all_maps"],
        "ratio_same_engine": seconds["pytorch_grad_cam"] / seconds["all_maps_torch"],
        "overhead_vs_forward": ratio(quick["all_maps"], quick["forward"]),
        "difference": _difference(head, forward(plain), package()),
        "classes": CLASSES,
        "size": size,
        "rounds": rounds,
    }


def _difference(
    head: PooledHead, features: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32]
) -> float:
    """Largest difference of our maps to the package's, as a share of its largest."""
    logits = features.mean((-2, -1)) @ head.weight.T + head.bias
    ours = through_pooled_linear_head(
        features, head.weight, logits, "chattopadhay", epsilon=PACKAGE_EPSILON
    )
    return float(np.abs(ours.values - theirs).max() / np.abs(theirs).max())


def package_maps(network: Network, shots: torch.Tensor) -> npt.NDArray[np.float32]:
    """pytorch-grad-cam's maps (n, C, h, w) of the feature maps before the pool, not yet scaled.

    Raises ImportError where the package is not installed.
    """
    torchvision_ops.declare()
    package = importlib.import_module("pytorch_grad_cam")
    targets = importlib.import_module("pytorch_grad_cam.utils.model_targets")
    classes = network.head.linear.out_features
    found: list[npt.NDArray[np.float32]] = []

    class Recording(package.GradCAMPlusPlus):  # type: ignore[name-defined]
        """Keeps each map before it is enlarged and scaled to 0..1."""

        def get_cam_image(self, *args: Any) -> npt.NDArray[np.float32]:
            cam: npt.NDArray[np.float32] = super().get_cam_image(*args)
            found.append(np.maximum(cam, 0))
            return cam

    with Recording(network, [network.body]) as cam:
        for c in range(classes):
            cam(shots, [targets.ClassifierOutputTarget(c)] * len(shots))
    return np.stack(found, 1)


def _single(network: Network, shape: tuple[int, int, int]) -> inference.InferenceEngine:
    """The engine that prediction would choose, for one shot at a time."""
    chosen, _ = inference.choose(network, shape)
    if isinstance(chosen, inference.OpenVinoEngine):
        return inference.OpenVinoEngine(network.body, 1, shape)
    return inference.TorchEngine(network.body, 1)


def measure_heat(shots: int = 30, seed: int = 0) -> dict[str, Any]:
    """The truth benchmark of the shipped network (`model.inspection.truth`), and the time of heat.

    axis_streak, axis_bent, composites: scores of the best form; gap_…: how much sooner than by
    chance the class goes and comes with its hottest places; random_weights, shuffled_labels: how
    far heat of any finer form is from that of chance there, at most; ms_…: processor time of all
    classes of one shot that is read, on one thread; table: every score as Markdown.
    """
    run = backbone_folder(named("quick").backbone)
    *_, last = truth.measure(run, truth.TruthStudy(cases=shots, seed=seed))
    best, found = last["best"], last["classes"]
    numbers: dict[str, Any] = {"composites": last["composites"]}
    for name in ("Streak", "Bent"):
        if name in best:
            score = found[name]["axis"]["scores"][best[name]]
            numbers[f"axis_{name.lower()}"], numbers[f"gap_{name.lower()}"] = (
                score["mean"], score["gap"],
            )  # fmt: skip
    for control in ("random weights", "shuffled labels"):
        numbers[control.replace(" ", "_")] = max(
            (
                abs(scores["scores"][key]["mean"] - (1 if question == "axis" else 0.5))
                for questions in found.values()
                for question, scores in questions.items()
                for form, about in HEAT_FORMS.items()
                if not about.stored and (key := f"{form}, {control}") in scores["scores"]
            ),
            default=None,
        )
    return numbers | _times(run, seed) | {"table": as_markdown(last)}


def _times(run: Path, seed: int) -> dict[str, float]:
    threads = torch.get_num_threads()
    try:
        reader = Reader(run, few=True)
        explainer = Explainer(reader)
        case = next(iter(cases("Streak", "axis", seed)))
        read = reader.read_shots([(0, case.counts, case.good, None, None)])
        targets = explainer.targets(reader.names)
        spent = {}
        for form in [form for form, about in HEAT_FORMS.items() if not about.stored]:
            each = []
            for _ in range(REPEATS + 1):
                began = time.process_time()
                explainer.cells(read, 0, targets, [form])
                each.append(1000 * (time.process_time() - began))
            spent[f"ms_{form}"] = median(each[1:])
        return spent
    finally:
        torch.set_num_threads(threads)
