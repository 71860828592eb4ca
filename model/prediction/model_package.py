"""A trained network for other programs: ONNX with a card, in the layout of the BioImage Model Zoo.

The ONNX file takes counts that were reduced and brought to the scale that the network learnt
(`Preprocessing.reduce` and `brought`) and gives probabilities, label sets and logits: what follows
(transform, network, calibration, rules) is inside it. What comes before depends on all shots of a
file, and is done by a script in the package, `resources/templates/read_shots.py`, of numpy alone.
Written only where onnxruntime repeats the program's own numbers.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from model.errors import InputError, install, parsed_json, text_of
from model.networks.architectures import Network, count_parameters
from model.output_files import explained, need_folder, part_of, sync_folder
from model.prediction.inference import exportable
from model.preprocessing.preparation import Preparation
from model.runs import checkpoint, learned_shots
from model.runs.checkpoint import Checkpoint
from model.runs.folder import METRICS, WEIGHTS
from model.runs.prior import expected_of
from model.simulate.shot import SimulationRecipe, make_shot, targets
from model.taxonomy import decoding

OPSET = 18
ONNX, CARD, DESCRIPTION, SUMS = "model.onnx", "README.md", "rdf.yaml", "SHA256SUMS"
SCRIPT = "read_shots.py"
ABOUT = "airylabel"
"""Under which `model.onnx` says, as JSON, how its input is made and what its classes are."""
INPUT = "counts"
OUTPUTS = ("probabilities", "labels", "logits")
AGREEMENT = 1e-4
"""Largest difference between ONNX and this program, in logits as a share of the largest."""
EXAMPLES = 24
"""So many simulated shots are compared; one of them is the example."""
PAPER = "Zimmermann et al., Phys. Rev. E 99, 063309 (2019)"
DOI = "10.1103/PhysRevE.99.063309"
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Signature:
    """What only a person can say of a network: whose it is, and who may use it how."""

    name: str = ""
    """Of the model; empty: made of network and run."""
    authors: tuple[str, ...] = ()
    licence: str = ""
    """An SPDX identifier such as CC-BY-4.0; empty: none is granted."""
    rules: tuple[str, ...] = ()
    """The rules over the classes, in words."""


class WholeModel(nn.Module):
    """Counts (n, channels, size, size) to probabilities, label sets (0 or 1) and logits (n, C)."""

    limits: Tensor
    worth: Tensor
    sets: Tensor
    raised: Tensor

    def __init__(self, network: Network, about: Checkpoint) -> None:
        super().__init__()
        self.body, self.head = exportable(network.body), network.head
        self.preprocessing = about.preprocessing
        legal = about.legal()
        self.sigmoids, self.by_thresholds = about.sigmoids or legal is None, about.by_thresholds
        classes = len(about.class_names)
        limits = np.array(about.thresholds or (0.5,) * classes, np.float32)
        worth = np.array(about.worth or (1.0,) * classes, np.float32)
        self.register_buffer("limits", torch.from_numpy(limits))
        self.register_buffer("worth", torch.from_numpy(worth))
        self.by_sets = legal is not None
        if legal is not None:
            raised = np.zeros(len(legal))
            if about.class_weights:
                raised = decoding.raised_by(about.class_weights, legal)
            self.register_buffer("sets", torch.from_numpy(legal.astype(np.float32)))
            self.register_buffer("raised", torch.from_numpy(raised.astype(np.float32)))

    def forward(self, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `Checkpoint.probabilities` and `Checkpoint.decide`."""
        logits = self.head(self.body(self.preprocessing.to_input(counts)))
        if self.sigmoids:
            probabilities = torch.sigmoid(logits)
        else:
            odds = logits @ self.sets.T - self.raised
            probabilities = (torch.softmax(odds, 1) @ self.sets).clamp(0, 1)
        gain = (probabilities - self.limits) * self.worth if self.by_thresholds else logits
        if not self.by_sets:
            return probabilities, (gain >= 0).to(torch.float32), logits
        return probabilities, self.sets[(gain @ self.sets.T).argmax(1)], logits


def export_model(run: Path, out: Path, signature: Signature | None = None) -> dict[str, Any]:
    """Write the network of a run folder into a new folder `out`; returns what was written.

    Raises InputError where the run cannot be used, `out` is there, or a package is missing; then
    nothing is left behind.
    """
    signature = signature or Signature()
    run, out = Path(run).resolve(), Path(out)
    _needed_packages()
    network, about = checkpoint.load(run)
    if out.exists():
        raise InputError("is already there", file=out, mend="Name a new folder.")
    need_folder(out)
    with explained(out):
        part = part_of(out)
        part.mkdir()
        try:
            found = _write(part, run, network, about, signature)
            part.rename(out)
            sync_folder(out.parent)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return {"out": str(out)} | found


def _needed_packages() -> None:
    needed = ("onnx", "onnxscript", "onnxruntime", "bioimageio")
    packages = (*needed[:-1], "bioimageio.spec", "pydantic<2.14")
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        what = f"{', '.join(missing)} is not installed"
        raise InputError(what, mend=install(*packages))


def _write(
    part: Path, run: Path, network: Network, about: Checkpoint, signature: Signature
) -> dict[str, Any]:
    whole = WholeModel(network, about).eval()
    shots = _simulated(about)
    _to_onnx(whole, about, shots[:2], part / ONNX)
    answers, difference = _checked(whole, about, shots, part / ONNX)
    example = _example(answers[1])
    said = [about.class_names[c] for c in np.flatnonzero(answers[1][example])]
    np.save(part / "test_input.npy", shots[[example]])
    for name, values in zip(OUTPUTS, answers, strict=True):
        np.save(part / f"test_{name}.npy", values[[example]])
    facts = _facts(run, about, signature, difference)
    if _is_plain(about):
        script = resources.files("resources") / "templates" / SCRIPT
        (part / SCRIPT).write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
    (part / CARD).write_text(_card(facts, about), encoding="utf-8")
    _describe(part, facts, network, about, signature)
    files = sorted(p for p in part.iterdir())
    sums = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
    text = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    (part / SUMS).write_text(text, encoding="utf-8")
    return {"model": ONNX, "sha256": sums[ONNX], "difference": difference, "example": said}


def _is_plain(about: Checkpoint) -> bool:
    """Whether counts go in as they are recorded, but for size and scale."""
    return about.preprocessing.input == "pattern" and not about.preprocessing.preparation.any


def _simulated(about: Checkpoint) -> Floats:
    """Counts (EXAMPLES, channels, size, size) of simulated droplets, as the network's reduction
    gives them."""
    recipe = SimulationRecipe(EXAMPLES, 2019, max(about.preprocessing.size, 64), balanced=True)
    kind = "correlation" if about.of_maps else about.preprocessing.input
    plain = replace(about.preprocessing, first=0, crop=0, input=kind, preparation=Preparation())
    made = (make_shot(recipe, n, int(wanted)).counts for n, wanted in enumerate(targets(recipe)))
    reduced = np.stack([plain.reduce(counts) for counts in made])
    return np.repeat(reduced[:, None], about.channels, 1)


def _example(labels: Floats) -> int:
    """The first shot of which any class is said: the zoo's own test takes an answer (shots,
    classes) without any for a failure. The last shot where none has any."""
    said = np.flatnonzero((labels > 0).any(1))
    return int(said[0]) if len(said) else len(labels) - 1


def _to_onnx(whole: WholeModel, about: Checkpoint, pair: Floats, path: Path) -> None:
    """Written from two shots: of one, the batch would become fixed."""
    import onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own exporter calls what torch deprecated
        torch.onnx.export(
            whole, (torch.from_numpy(pair),), str(path), dynamo=True, opset_version=OPSET,
            input_names=[INPUT], output_names=list(OUTPUTS), external_data=False, verbose=False,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )  # fmt: skip
    made = onnx.load(str(path))
    said = {"preprocessing": about.preprocessing.to_dict(), "classes": list(about.class_names)}
    onnx.helper.set_model_props(made, {ABOUT: json.dumps(said, ensure_ascii=False)})
    onnx.save(made, str(path))


def _checked(
    whole: WholeModel, about: Checkpoint, counts: Floats, path: Path
) -> tuple[list[Floats], float]:
    """What onnxruntime says of the shots, and how far its logits are from this program's."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    answers = session.run(list(OUTPUTS), {INPUT: counts})
    with torch.inference_mode():
        logits = whole(torch.from_numpy(counts))[2].numpy()
    difference = float(np.abs(answers[2] - logits).max() / max(np.abs(logits).max(), 1e-30))
    same = difference <= AGREEMENT
    same &= np.allclose(answers[0], about.probabilities(logits), rtol=0, atol=AGREEMENT)
    same &= np.array_equal(answers[1] > 0, about.decide(answers[2]))
    if not same:
        what = f"ONNX does not repeat this network (logits differ by {difference:.1e})"
        raise InputError(what, mend="Use the run with airylabel predict, and report this.")
    return answers, difference


def _facts(run: Path, about: Checkpoint, signature: Signature, difference: float) -> dict[str, Any]:
    """All that the card says, as plain values."""
    from importlib.metadata import version

    learned = learned_shots.read(run)
    limits = about.thresholds or (0.5,) * len(about.class_names)
    legal = about.legal()
    by_limits, each = about.by_thresholds, about.worth or (1.0,) * len(limits)
    return {
        "name": signature.name or f"{about.network} of run {run.name}",
        "classes": list(about.class_names),
        "thresholds": [round(float(t), 6) for t in limits] if by_limits else None,
        "worth": None if legal is None or not by_limits else [round(w, 6) for w in each],
        "adapted_by_airylabel": expected_of(run, about.class_names) is not None,
        "legal_label_sets": None if legal is None else len(legal),
        "rules": list(signature.rules),
        "preprocessing": about.preprocessing.to_dict(),
        "temperature": about.temperature,
        "metrics": {k: v for k, v in about.metrics.items() if isinstance(v, int | float)},
        "constant": _constant(run),
        "run": run.name,
        "recipe": about.recipe.to_dict(),
        "epoch": about.epoch,
        "shots_learnt": None if learned is None else len(learned[0]),
        "data_fingerprint": about.data_fingerprint,
        "weights_sha256": hashlib.sha256((run / WEIGHTS).read_bytes()).hexdigest(),
        "onnx_difference": difference,
        "licence": signature.licence or None,
        "authors": list(signature.authors),
        "airylabel": version("airylabel"),
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _constant(run: Path) -> dict[str, float]:
    """The same measures of one constant answer for every shot; empty where none were taken."""
    path = run / METRICS
    found = parsed_json(text_of(path), path) if path.is_file() else {}
    constant = found.get("constant") if isinstance(found, dict) else None
    return {k: v for k, v in (constant or {}).items() if isinstance(v, int | float)}


def _card(facts: dict[str, Any], about: Checkpoint) -> str:
    """The card that a person reads, Markdown."""
    sets, blank = facts["legal_label_sets"], ["–"] * len(facts["classes"])
    limits, worth = facts["thresholds"] or blank, facts["worth"] or blank
    if sets is None:
        decided = "1 where the probability is at least the threshold of the class"
    elif facts["worth"] is None:
        decided = f"the most likely of {sets} label sets that break no hard rule"
    else:
        decided = (
            f"of {sets} label sets that break no hard rule the one whose classes have the largest"
            " sum of (probability - threshold) × worth"
        )
    rows = zip(facts["classes"], limits, worth, strict=True)
    classes = [f"| {n} | {c} | {t} | {w} |" for n, (c, t, w) in enumerate(rows)]
    always = {k: f"{v:.4g}" for k, v in facts["constant"].items()}
    metrics = [
        f"| {k.replace('_', ' ')} | {v:.4g} | {always.get(k, '–')} |"
        for k, v in facts["metrics"].items()
    ]
    shots = facts["shots_learnt"]
    learnt = "their number not recorded" if shots is None else f"{shots:,}"
    lines = [
        f"# {facts['name']}",
        "",
        f"Classifies single-shot diffraction patterns: {about.network}, recipe"
        f" “{about.recipe.name}”. Network and method: {PAPER}, https://doi.org/{DOI}.",
        "",
        "## Input",
        *_input_on_card(facts, about),
        "",
        "## Output",
        "`probabilities` (n, classes), calibrated; `labels` (n, classes), "
        f"{decided}; `logits` (n, classes), already divided by the temperature.",
        "",
        "| column | class | threshold | worth |", "|---|---|---|---|", *classes,
        "",
        "## Rules",
        *([f"- {rule}" for rule in facts["rules"]] or ["None were given with this export."]),
        "",
        "## Calibration and quality, on shots that it did not learn",
        f"Temperature {facts['temperature']:.4g}.",
        "", "| measure | value | constant answer |", "|---|---|---|", *metrics,
        "",
        "## Where it comes from",
        f"- run {facts['run']}, epoch {facts['epoch']}; shots learnt: {learnt}",
        f"- fingerprint of shots and labels: {facts['data_fingerprint'] or 'not recorded'}",
        f"- SHA-256 of the trained weights: {facts['weights_sha256']}",
        f"- onnxruntime repeats the logits to {facts['onnx_difference']:.1e} of the largest",
        f"- exported {facts['exported']} by airylabel {facts['airylabel']}",
        "",
        "## Test",
        f"`test_input.npy` is a simulated droplet, no measured shot; `{ONNX}` answers with"
        f" `test_probabilities.npy`, `test_labels.npy`, `test_logits.npy`. `sha256sum -c {SUMS}`"
        " checks all files.",
        "",
        "## Licence",
        facts["licence"] or "None granted: ask the authors.",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _input_on_card(facts: dict[str, Any], about: Checkpoint) -> list[str]:
    """How counts become the input, so that the labels are those of `predict`."""
    steps = about.preprocessing
    size, scale = steps.size, steps.scale
    lines = [
        f"`{INPUT}` (n, {about.channels}, {size}, {size}) float32: detector counts, linear, 0 where"
        " no good pixel lies. The shot is cut to the square about its beam and reduced by averages"
        " over pixel areas, masked pixels left out."
        f" `{steps.transform}` is applied inside the file."
    ]
    if scale is not None:
        lines += [
            "", "Then the counts are brought to the scale that the network learnt:"
            f" max(0, (counts - pedestal) × {scale.level:g} / level + {scale.pedestal:g})."
            " Pedestal and level are those of the file, told from 64 of its shots: the median of"
            " the 5 % quantile of a shot, and that of the mean above it of the brighter ones with"
            " signal, without pixels that are the same in all shots. Pixels that these shots show"
            " to be hot or dead are masked. Without them the labels are others.",
        ]  # fmt: skip
    lines += ["", (
        f"`python {SCRIPT} SHOTS.npy [MASK.npy]` does all this by numpy and onnxruntime, and prints"
        " the labels of each shot."
        if _is_plain(about)
        else "Before that, shots are preprocessed as `airylabel` does it (`Preprocessing.reduce`):"
        " this network learnt no shots as they are recorded."
    )]  # fmt: skip
    if facts["adapted_by_airylabel"]:
        lines += [
            "", "This network is shipped with `airylabel`, whose `predict` adapts its last layer to"
            " the shots at hand. This file does not: its labels are those of the network before,"
            " and differ.",
        ]  # fmt: skip
    settings = json.dumps(facts["preprocessing"], ensure_ascii=False)
    return [
        *lines, "", "All settings (`Preprocessing.from_dict(…)` of `airylabel`), which the metadata"
        f" of `{ONNX}` hold under `{ABOUT}` too:", "```json", settings, "```",
    ]  # fmt: skip


def _describe(
    part: Path, facts: dict[str, Any], network: Network, about: Checkpoint, signature: Signature
) -> None:
    """`rdf.yaml` by the zoo's own package, which refuses what it would not accept."""
    from bioimageio.spec import ValidationContext, save_bioimageio_yaml_only
    from bioimageio.spec.model import v0_5 as zoo

    def digested(name: str) -> dict[str, Any]:
        return {"source": name, "sha256": hashlib.sha256((part / name).read_bytes()).hexdigest()}

    def axes(channels: Sequence[str]) -> list[dict[str, Any]]:
        return [{"type": "batch"}, {"type": "channel", "channel_names": _identifiers(channels)}]

    size = about.preprocessing.size
    sides = [{"type": "space", "id": side, "size": size} for side in "yx"]
    counts = [f"counts{n or ''}" for n in range(about.channels)]
    described: dict[str, Any] = {
        "type": "model",
        "format_version": zoo.ModelDescr.implemented_format_version,
        "name": _zoo_name(facts["name"]),
        "description": f"{about.network}: classes of single-shot diffraction patterns",
        "authors": [{"name": name} for name in signature.authors],
        "cite": [{"text": PAPER, "doi": DOI}],
        "documentation": digested(CARD),
        "tags": ["diffraction", "classification", "x-ray", "free-electron-laser"],
        "timestamp": facts["exported"],
        "inputs": [
            {"id": INPUT, "axes": [*axes(counts), *sides],
             "test_tensor": digested("test_input.npy"), "data": {"type": "float32"}}
        ],
        "outputs": [
            {"id": name, "axes": axes(about.class_names),
             "test_tensor": digested(f"test_{name}.npy"), "data": {"type": "float32"}}
            for name in OUTPUTS
        ],
        "weights": {"onnx": digested(ONNX) | {"opset_version": OPSET}},
        "attachments": [digested(SCRIPT)] if (part / SCRIPT).exists() else [],
        "config": {
            "bioimageio": {
                "architecture_type": about.network,
                "model_parameter_count": count_parameters(network),
                "task": "multi-label classification",
            },
            "airylabel": facts,
        },
    }  # fmt: skip
    if signature.licence:
        described["license"] = signature.licence
    with ValidationContext(root=part, perform_io_checks=False):
        made = zoo.ModelDescr.load(described)
        if isinstance(made, zoo.ModelDescr):
            save_bioimageio_yaml_only(made, part / DESCRIPTION)
            return
    why = "; ".join(f"{error.loc}: {error.msg}" for error in made.validation_summary.errors)
    mend = "Give other names, authors or licence."
    raise InputError(f"the BioImage Model Zoo would refuse this model ({why})", mend=mend)


def _identifiers(names: Sequence[str]) -> list[str]:
    """Names as the zoo wants them: letters, digits and underscores, all different."""
    made: list[str] = []
    for name in names:
        word = re.sub(r"\W+", "_", name).strip("_") or "class"
        word = f"_{word}" if word[0].isdigit() else word
        while word in made:
            word += "_"
        made.append(word)
    return made


def _zoo_name(name: str) -> str:
    return re.sub(r"[^\w ()+\-]", " ", name).strip()[:128] or "airylabel model"
