"""A trained network for other programs: ONNX with a card, in the layout of the BioImage Model Zoo.

The ONNX file takes counts that `Preprocessing.reduce` made and gives probabilities, label sets and
logits: what follows the reduction (transform, network, calibration, rules) is inside it. Written
only where onnxruntime repeats the program's own numbers.
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
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from model.errors import InputError, parsed_json, text_of
from model.networks.architectures import Network, count_parameters
from model.output_files import explained, need_folder, part_of, sync_folder
from model.prediction.inference import exportable
from model.preprocessing.preparation import Preparation
from model.runs import checkpoint, learned_shots
from model.runs.checkpoint import Checkpoint
from model.runs.folder import METRICS, WEIGHTS
from model.simulate.shot import SimulationRecipe, make_shot, targets
from model.taxonomy import decoding

OPSET = 18
ONNX, CARD, DESCRIPTION, SUMS = "model.onnx", "README.md", "rdf.yaml", "SHA256SUMS"
INPUT = "counts"
OUTPUTS = ("probabilities", "labels", "logits")
AGREEMENT = 1e-4
"""Largest difference between ONNX and this program, in logits as a share of the largest."""
EXAMPLES = 24
"""So many simulated shots are tried for the example."""
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
    sets: Tensor
    raised: Tensor

    def __init__(self, network: Network, about: Checkpoint) -> None:
        super().__init__()
        self.body, self.head = exportable(network.body), network.head
        self.preprocessing = about.preprocessing
        legal = about.legal()
        self.rule_aware = legal is not None
        if legal is None:
            limits = np.array(about.thresholds or (0.5,) * len(about.class_names), np.float32)
            self.register_buffer("limits", torch.from_numpy(limits))
        else:
            raised = np.zeros(len(legal))
            if about.class_weights:
                raised = decoding.raised_by(about.class_weights, legal)
            self.register_buffer("sets", torch.from_numpy(legal.astype(np.float32)))
            self.register_buffer("raised", torch.from_numpy(raised.astype(np.float32)))

    def forward(self, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = self.head(self.body(self.preprocessing.to_input(counts)))
        if not self.rule_aware:
            probabilities = torch.sigmoid(logits)
            return probabilities, (probabilities >= self.limits).to(torch.float32), logits
        scores = logits @ self.sets.T
        probabilities = torch.softmax(scores - self.raised, 1) @ self.sets
        return probabilities.clamp(0, 1), self.sets[scores.argmax(1)], logits


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
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        mend = "Install it: pip install 'airylabel[export]'."
        raise InputError(f"{', '.join(missing)} is not installed", mend=mend)


def _write(
    part: Path, run: Path, network: Network, about: Checkpoint, signature: Signature
) -> dict[str, Any]:
    whole = WholeModel(network, about).eval()
    counts, said = _example(whole, about)
    _to_onnx(whole, counts, part / ONNX)
    answers, difference = _checked(whole, about, counts, part / ONNX)
    np.save(part / "test_input.npy", counts)
    for name, values in zip(OUTPUTS, answers, strict=True):
        np.save(part / f"test_{name}.npy", values)
    facts = _facts(run, about, signature, difference)
    (part / CARD).write_text(_card(facts, about), encoding="utf-8")
    _describe(part, facts, network, about, signature)
    files = sorted(p for p in part.iterdir())
    sums = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
    text = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    (part / SUMS).write_text(text, encoding="utf-8")
    return {"model": ONNX, "sha256": sums[ONNX], "difference": difference, "example": said}


def _example(whole: WholeModel, about: Checkpoint) -> tuple[Floats, list[str]]:
    """Counts (1, channels, size, size) of a simulated droplet, as the network's reduction gives
    them, and the classes that the network says of it. It is the first of EXAMPLES of which any is
    said: the zoo's own test takes an answer without any for a failure."""
    recipe = SimulationRecipe(EXAMPLES, 2019, max(about.preprocessing.size, 64), balanced=True)
    kind = "correlation" if about.of_maps else about.preprocessing.input
    plain = replace(about.preprocessing, first=0, crop=0, input=kind, preparation=Preparation())
    wanted = targets(recipe)
    for number in range(EXAMPLES):
        reduced = plain.reduce(make_shot(recipe, number, int(wanted[number])).counts)
        counts = np.repeat(reduced[None, None], about.channels, 1)
        with torch.inference_mode():
            labels = whole(torch.from_numpy(counts))[1][0]
        said = [name for name, given in zip(about.class_names, labels, strict=True) if given]
        if said:
            break
    return counts, said


def _to_onnx(whole: WholeModel, counts: Floats, path: Path) -> None:
    pair = torch.from_numpy(np.repeat(counts, 2, 0))  # of one shot the batch would become fixed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own exporter calls what torch deprecated
        torch.onnx.export(
            whole, (pair,), str(path), dynamo=True, opset_version=OPSET, input_names=[INPUT],
            output_names=list(OUTPUTS), dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False, verbose=False,
        )  # fmt: skip


def _checked(
    whole: WholeModel, about: Checkpoint, counts: Floats, path: Path
) -> tuple[list[Floats], float]:
    """What onnxruntime says of the example, and how far its logits are from this program's."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    answers = session.run(list(OUTPUTS), {INPUT: counts})
    with torch.inference_mode():
        logits = whole(torch.from_numpy(counts))[2].numpy()
    difference = float(np.abs(answers[2] - logits).max() / max(np.abs(logits).max(), 1e-30))
    same = difference <= AGREEMENT
    same &= np.allclose(answers[0], about.probabilities(logits), rtol=0, atol=AGREEMENT)
    same &= np.array_equal(answers[1] > 0, about.decide(logits))
    if not same:
        what = f"ONNX does not repeat this network (logits differ by {difference:.1e})"
        raise InputError(what, mend="Use the run with airylabel predict, and report this.")
    return answers, difference


def _facts(run: Path, about: Checkpoint, signature: Signature, difference: float) -> dict[str, Any]:
    """All that the card says, as plain values."""
    from importlib.metadata import version

    learned = learned_shots.read(run)
    rows = about.thresholds or (0.5,) * len(about.class_names)
    legal = about.legal()
    return {
        "name": signature.name or f"{about.network} of run {run.name}",
        "classes": list(about.class_names),
        "thresholds": None if legal is not None else [round(float(t), 6) for t in rows],
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
    steps = about.preprocessing
    size = steps.size
    decided = (
        f"the most likely of {facts['legal_label_sets']} label sets that break no hard rule"
        if facts["thresholds"] is None
        else "1 where the probability is at least the threshold of the class"
    )
    limits = facts["thresholds"] or ["–"] * len(facts["classes"])
    classes = [
        f"| {n} | {c} | {t} |"
        for n, (c, t) in enumerate(zip(facts["classes"], limits, strict=True))
    ]
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
        f"`{INPUT}` (n, {about.channels}, {size}, {size}) float32: detector counts, linear, 0 where"
        " no good pixel lies. The shot is cut to its centred square and reduced by averages over"
        f" pixel areas, masked pixels left out. `{steps.transform}` is applied inside the file.",
        "All settings of the reduction (`airylabel`: `Preprocessing.from_dict(…).reduce`):",
        "```json", json.dumps(facts["preprocessing"], ensure_ascii=False), "```",
        "",
        "## Output",
        "`probabilities` (n, classes), calibrated; `labels` (n, classes), "
        f"{decided}; `logits` (n, classes), already divided by the temperature.",
        "",
        "| column | class | threshold |", "|---|---|---|", *classes,
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
