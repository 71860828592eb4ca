"""Going on exactly where a killed training stood: one file, replaced whole after every epoch.

Holds weights, optimiser state, averaged weights and counters. All randomness of an epoch follows
from the seed and the epoch's number, so no generator has to be kept. Only tensors and JSON.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor, nn

from model.errors import InputError
from model.output_files import written_whole
from model.runs.folder import RESUME


def save(
    folder: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: nn.Module | None,
    state: dict[str, Any],
) -> None:
    """Write the state (plain JSON values) and all tensors; the old file stays until it is whole."""
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
    for i, values in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{i}.{k}": v for k, v in values.items() if isinstance(v, Tensor)}
    ready = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    with written_whole(folder / RESUME) as part:
        part.write_bytes(as_bytes(ready, {"state": json.dumps(state)}))


def read_state(folder: Path) -> dict[str, Any] | None:
    """The state in a run folder, None where no training was interrupted there."""
    path = folder / RESUME
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            state: dict[str, Any] = json.loads(file.metadata()["state"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"is damaged: {error}", file=path, mend="Delete it and train again."
        ) from error
    return state


def restore(
    folder: Path, network: nn.Module, optimiser: torch.optim.Optimizer, average: nn.Module | None
) -> None:
    """Put all tensors of the file back where they came from."""
    path = folder / RESUME
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimiser": {}}
    try:
        with safe_open(path, "pt") as file:
            for key in file.keys():  # noqa: SIM118 - not a dict
                kind, _, name = key.partition(".")
                parts[kind][name] = file.get_tensor(key)
        network.load_state_dict(parts["network"])
        if average is not None:
            average.load_state_dict(parts["average"])
    except (OSError, SafetensorError, RuntimeError, KeyError) as error:
        mend = "Delete it and train again."
        raise InputError(f"does not fit this training: {error}", file=path, mend=mend) from error
    weights = [w for group in optimiser.param_groups for w in group["params"]]
    values: dict[int, dict[str, Tensor]] = {}
    for key, tensor in parts["optimiser"].items():
        number, _, name = key.partition(".")
        weight = weights[int(number)]
        if tensor.shape == weight.shape:  # a fused step needs the memory layout of the weight
            tensor = torch.empty_like(weight.detach()).copy_(tensor)
        values.setdefault(int(number), {})[name] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": values})


def forget(folder: Path) -> None:
    """The training ended: nothing is left to go on with."""
    (folder / RESUME).unlink(missing_ok=True)
