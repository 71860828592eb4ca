"""The head of a run folder as the prior of the instant head, read without torch.

A shipped network, which learnt simulated shots, comes with what the experiment is like to it
(`Expected`); its head is adapted to the shots at hand.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from model.active.head import legal_sets
from model.active.prior import Expected, Prior
from model.errors import InputError, parsed_json, text_of
from model.output_files import written_whole
from model.runs.folder import DESCRIPTION, EXPECTED, WEIGHTS
from model.taxonomy.same_classes import places_among
from model.taxonomy.taxonomy import Taxonomy

_TROUBLE = (InputError, OSError, ValueError, KeyError, TypeError, SafetensorError)


def prior_of(
    run: Path | str, taxonomy: Taxonomy, embeddings: npt.ArrayLike | None = None
) -> Prior | None:
    """The head of a run folder or backbone, its classes matched by their names of now and before;
    None where none match, or where the embeddings (N, D) are of another network.

    With the embeddings of all shots, that of a shipped network is adapted to them.
    Raises InputError for a folder without a network.
    """
    run = Path(run)
    try:
        about = parsed_json(text_of(run / DESCRIPTION), run / DESCRIPTION)
        theirs = Taxonomy.of_names(about["class_names"], about.get("earlier_names") or ())
        with safe_open(str(run / WEIGHTS), "numpy") as file:
            weight = file.get_tensor("head.linear.weight").astype(np.float32)
            bias = file.get_tensor("head.linear.bias").astype(np.float32)
    except _TROUBLE as error:
        mend = "Choose the folder of a finished run."
        raise InputError(f"holds no trained network ({error})", file=run, mend=mend) from error
    places = places_among(taxonomy, theirs)
    known = places >= 0
    if not known.any():
        return None
    rows = places[known]
    full = np.zeros((len(taxonomy), weight.shape[1]), np.float32)
    level = np.zeros(len(taxonomy), np.float32)
    full[known], level[known] = weight[rows], bias[rows]
    prior = Prior(full, level, known)
    if embeddings is None:
        return prior
    found = np.asarray(embeddings)
    if found.shape[1:] != weight.shape[1:]:
        return None
    expected = expected_of(run, theirs.names)
    if expected is None:
        return prior
    return prior.adapted(expected, found, taxonomy, legal_sets(taxonomy))


def expected_of(run: Path, class_names: tuple[str, ...]) -> Expected | None:
    """What the experiment of a shipped network is like to it; None for networks of a project.

    Raises InputError for a damaged file.
    """
    path = Path(run) / EXPECTED
    if not path.is_file():
        return None
    try:
        with safe_open(str(path), "numpy") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return Expected(
            class_names,
            found["mean"].astype(np.float32),
            found["covariance"].astype(np.float32),
            found["sets"].astype(bool),
            found["share"],
            found["trained"],
            float(found["balanced"][0]) if "balanced" in found else 1.0,
        )
    except _TROUBLE as error:
        mend = "Install the program again."
        raise InputError(f"is damaged ({error})", file=path, mend=mend) from error


def save_expected(run: Path, expected: Expected) -> None:
    """Write it beside the network, its covariance in half precision."""
    values = {
        "mean": expected.mean,
        "covariance": expected.covariance.astype(np.float16),
        "sets": expected.sets.astype(np.uint8),
        "share": expected.share.astype(np.float32),
        "trained": expected.even.astype(np.float32),
        "balanced": np.array([expected.balanced], np.float32),
    }
    with written_whole(run / EXPECTED) as part:
        save_file({k: np.ascontiguousarray(v) for k, v in values.items()}, str(part))
