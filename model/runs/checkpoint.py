"""A trained network in a run folder: weights in safetensors, everything else in JSON.

The JSON carries the SHA-256 of the weights; a file that was changed, or that is of other classes,
is refused. Nothing is ever unpickled. Files are written beside and moved into place; the JSON is
moved first and still admits the weights that it replaces, so a kill leaves a pair that loads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from model.errors import InputError, parsed_json, text_of
from model.networks import architectures as networks
from model.networks.table import NETWORKS
from model.output_files import write_text, written_whole
from model.physics.correlation_layout import holds_maps
from model.preprocessing.network_input import Preprocessing
from model.preprocessing.preparation import Preparation, Reference
from model.runs.folder import DESCRIPTION, REFERENCE, WEIGHTS
from model.runs.recipes import Recipe
from model.shots.sources import SourceInfo
from model.taxonomy import decoding
from model.taxonomy.same_classes import are_same
from model.taxonomy.taxonomy import MAX_CLASSES, MAX_ENUMERATED, Taxonomy

FORMAT = 1
MOST_SETS, MOST_CHANNELS, LARGEST_SIDE = 1 << MAX_ENUMERATED, 16, 4096
"""Beyond these a description is damaged, and would fill the memory."""
PROBE, BRIGHT = 32, 1000.0
"""Side of the square, and its greatest count, that a network is tried on when it is loaded."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything about a trained network besides its weights."""

    class_names: tuple[str, ...]
    recipe: Recipe
    preprocessing: Preprocessing
    channels: int = 1
    earlier_names: tuple[str, ...] = ()
    """One a class: what it was called before, parted by ';'; empty: not known, or none was."""
    thresholds: tuple[float, ...] = ()
    """One a class; a probability at or above it speaks for the class."""
    worth: tuple[float, ...] = ()
    """One a class, see `decoding.answers`; empty: all 1, or an earlier rule-aware run."""
    legal_sets: tuple[int, ...] | None = None
    """Packed legal label sets (bit c = class c), one of which is the answer; None: each class by
    its own threshold."""
    sigmoids: bool = False
    """Whether probabilities are a sigmoid a class also with `legal_sets`; otherwise marginals over
    these, as a rule-aware network learnt them."""
    class_weights: tuple[float, ...] = ()
    """Of the classes in a rule-aware training, see `decoding.raised_by`; empty: all 1."""
    of_maps: bool | None = None
    """Whether the shots that it learnt were correlation maps already; None: not known."""
    temperature: float = 1.0
    """By how much the logits were divided; already folded into the weights of the head."""
    metrics: dict[str, Any] = field(default_factory=dict)
    data_fingerprint: str = ""
    epoch: int = 0

    @property
    def network(self) -> str:
        """Name of the network."""
        return self.recipe.network

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The classes, with their earlier names and without rules."""
        return Taxonomy.of_names(self.class_names, self.earlier_names)

    def legal(self) -> npt.NDArray[np.bool_] | None:
        """(L, C) legal label sets, one of which is the answer; None where there are none."""
        if self.legal_sets is None:
            return None
        packed = np.array(self.legal_sets, np.int64)[:, None]
        return ((packed >> np.arange(len(self.class_names))) & 1).astype(bool)

    def probabilities(self, logits: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """(N, C) logits of this network to its calibrated probabilities."""
        return decoding.probabilities(logits, *self._rules())

    def log_odds(self, logits: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """(N, C) logits of this network to the log-odds of `probabilities`."""
        return decoding.log_odds(logits, *self._rules())

    def _rules(self) -> tuple[npt.NDArray[np.bool_] | None, decoding.Raised]:
        """The legal label sets that probabilities are marginals over, and by how much the training
        raised each, as decoding takes them."""
        legal = None if self.sigmoids else self.legal()
        if legal is None or not self.class_weights:
            return legal, 0.0
        return legal, decoding.raised_by(self.class_weights, legal)

    @property
    def by_thresholds(self) -> bool:
        """Whether thresholds decide; otherwise the most likely legal set, as of earlier rule-aware
        runs, which know no worth of a class."""
        return self.legal_sets is None or self.sigmoids or bool(self.worth)

    def decide(self, logits: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """(N, C) logits to the answer, see `decoding.answers` and `by_thresholds`."""
        legal = self.legal()
        if legal is not None and not self.by_thresholds:
            return decoding.most_likely_sets(logits, legal)
        limits = self.thresholds or (0.5,) * len(self.class_names)
        return decoding.answers(self.probabilities(logits), limits, self.worth or 1.0, legal)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return values | {
            "recipe": self.recipe.to_dict(),
            "preprocessing": self.preprocessing.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any], reference: Reference | None = None) -> Checkpoint:
        """The inverse of `to_dict`; unknown keys of newer versions are left out."""
        known = {k: v for k, v in values.items() if k in cls.__dataclass_fields__}
        known["recipe"] = Recipe.from_dict(known["recipe"], trained=True)
        known["preprocessing"] = Preprocessing.from_dict(known["preprocessing"], reference)
        for key in ("class_names", "thresholds", "legal_sets"):
            known[key] = None if known.get(key) is None else tuple(known[key])
        for key in ("class_weights", "worth", "earlier_names"):  # earlier runs have none
            known[key] = tuple(known.get(key) or ())
        made = cls(**known)
        if trouble := made._trouble():
            raise ValueError(trouble)
        return made

    def _trouble(self) -> str:
        """What of the values cannot be, however they came into the file; '' for nothing."""
        c = len(self.class_names)
        if not 1 <= c <= MAX_CLASSES or not all(isinstance(n, str) for n in self.class_names):
            return f"class_names: {c} of them"
        for name in ("thresholds", "worth", "class_weights"):
            numbers = np.asarray(getattr(self, name), float)
            if len(numbers) not in (0, c) or not np.isfinite(numbers).all():
                return f"{name}: not one number for each of {c} classes"
        known = self.earlier_names
        if len(known) not in (0, c) or not all(isinstance(n, str) for n in known):
            return f"earlier_names: not one for each of {c} classes"
        sets = self.legal_sets
        if sets is not None and not (
            len(sets) <= MOST_SETS and all(isinstance(s, int) and 0 <= s < 1 << c for s in sets)  # type: ignore[redundant-expr]
        ):
            return f"legal_sets: no label sets of {c} classes"
        if self.network not in NETWORKS:
            return f"network: {self.network!r} is none of ours"
        if not 1 <= self.channels <= MOST_CHANNELS:
            return f"channels: {self.channels}"
        if not 1 <= self.preprocessing.size <= LARGEST_SIDE:
            return f"size: {self.preprocessing.size} pixels"
        return "" if 0 < float(self.temperature) < np.inf else f"temperature: {self.temperature}"


def save(folder: Path, network: torch.nn.Module, about: Checkpoint) -> None:
    """Write both files atomically into an existing folder."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    data = save_tensors(tensors)
    description = about.to_dict() | {
        "format": FORMAT,
        "sha256": hashlib.sha256(data).hexdigest(),
        "sha256_before": _digest_of(folder / WEIGHTS),
    }
    text = json.dumps(description, indent=1, ensure_ascii=False)
    reference = about.preprocessing.preparation.reference
    if reference is not None:
        reference.save(folder / REFERENCE)
    with written_whole(folder / WEIGHTS) as part:
        part.write_bytes(data)
        write_text(folder / DESCRIPTION, text)


def describe(folder: Path) -> Checkpoint:
    """What is in a run folder, without loading the weights; InputError if it cannot be used."""
    return Checkpoint.from_dict(_read_description(Path(folder)))


def load(
    folder: Path,
    classes: Taxonomy | None = None,
    preparation: Preparation | None = None,
) -> tuple[networks.Network, Checkpoint]:
    """The network of a run folder, on the CPU in evaluation mode, and what is known about it.

    With `classes`, a network of other ones, or in another order, is refused. `preparation`:
    what is done to every shot first, for a network that learnt without any; None: its own.
    Raises InputError with one message for a missing, damaged, changed or foreign checkpoint.
    """
    folder = Path(folder)
    description = _read_description(folder)
    about = _with_reference(description, folder)
    if preparation is not None:
        about = replace(about, preprocessing=replace(about.preprocessing, preparation=preparation))
    if classes is not None:
        check_classes(about, classes, folder)
    path = folder / WEIGHTS
    try:
        data = path.read_bytes()
    except OSError as error:
        mend = "Train again, or choose another run."
        raise InputError(f"cannot be read ({error.strerror})", file=path, mend=mend) from error
    found = hashlib.sha256(data).hexdigest()
    if found not in (description["sha256"], description.get("sha256_before")):
        raise InputError(
            "was changed after training: its SHA-256 is not the one in model.json",
            file=path,
            mend="Restore the file from a backup, or train again.",
        )
    network = build(about)
    try:
        network.load_state_dict(load_tensors(data))
    except (SafetensorError, RuntimeError) as error:
        what = f"does not hold the weights of {about.network}"
        raise InputError(what, file=path, mend="Train again.") from error
    if not all(torch.isfinite(w).all() for w in network.state_dict().values()):
        raise InputError("holds weights that are no numbers", file=path, mend="Train again.")
    network.eval()
    if not _stays_finite(network, about):
        what = "holds weights that overflow: all it would say of any shot are no numbers"
        raise InputError(what, file=path, mend="Train again, or choose another run.")
    return network, about


def _stays_finite(network: networks.Network, about: Checkpoint) -> bool:
    """Whether a ramp of counts goes through the network, and leaves it as an embedding that can be
    stored (half precision) and as logits."""
    ramp = np.linspace(0, BRIGHT, PROBE * PROBE, dtype=np.float32).reshape(1, 1, PROBE, PROBE)
    with np.errstate(all="ignore"):
        inputs = np.asarray(about.preprocessing.to_input(ramp), np.float32)
    with torch.inference_mode():
        maps = network.features(torch.from_numpy(inputs).expand(1, about.channels, PROBE, PROBE))
        largest = float(maps.mean((-2, -1)).abs().max())
        return largest < float(np.finfo(np.float16).max) and bool(
            network.head(maps).isfinite().all()
        )


def build(about: Checkpoint, weights: Literal["he", "unit", "any"] = "any") -> networks.Network:
    """A network of the checkpoint's shape; its weights mean something only with he or unit."""
    recipe = about.recipe
    return networks.create(
        recipe.network,
        about.channels,
        len(about.class_names),
        recipe.activation,
        recipe.alpha,
        recipe.leak,
        recipe.batchnorm_momentum,
        weights=weights,
        fine_maps=recipe.fine_maps,
        half_turn=recipe.half_turn,
    )


def _with_reference(description: dict[str, Any], folder: Path) -> Checkpoint:
    about = Checkpoint.from_dict(description)
    if not about.preprocessing.preparation.needs_reference:
        return about
    return Checkpoint.from_dict(description, Reference.load(folder / REFERENCE))


def check_classes(about: Checkpoint, classes: Taxonomy, folder: Path) -> None:
    """InputError where a network was trained for other classes, or in another order."""
    if are_same(classes, about.taxonomy):
        return
    raise InputError(
        f"was trained for other classes ({', '.join(about.class_names)})",
        file=folder,
        mend=f"Choose a run of these: {', '.join(classes.names)}.",
    )


def check_kind(about: Checkpoint, sources: Sequence[SourceInfo]) -> None:
    """Refuse maps for a network that learnt patterns, and the other way round.

    Of a run of an earlier version it is not known whether it learnt maps that lay in a file; only
    maps of maps are refused then. Raises InputError.
    """
    if about.of_maps is None and about.preprocessing.input == "pattern":
        return
    for info in sources:
        maps = holds_maps(info)
        if maps and not about.of_maps:
            mend = "Choose the shots that they were made of, or a run that learnt maps."
            what = "holds correlation maps, and this run reads patterns"
            raise InputError(what, file=info.path, mend=mend)
        if about.of_maps and not maps:
            mend = "Make their maps first: airylabel correlate FILE --out MAPS."
            what = "holds patterns, and this run reads files of correlation maps"
            raise InputError(what, file=info.path, mend=mend)


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    mend = "Choose the folder of a finished run."
    if not path.is_file():
        raise InputError("no trained network here", file=path, mend=mend)
    try:
        description = parsed_json(text_of(path), path)
        if not isinstance(description, dict) or "sha256" not in description:
            raise ValueError("it describes no network")
        if int(description.get("format", 0)) > FORMAT:
            raise InputError("was made by a newer version", file=path, mend="Update the program.")
        Checkpoint.from_dict(description)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"is damaged: {error}", file=path, mend=mend) from error
    return description


def digest(folder: Path) -> str:
    """Of all that decides what the network of a run folder says."""
    parts = (_digest_of(folder / name) or "" for name in (WEIGHTS, DESCRIPTION, REFERENCE))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _digest_of(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
