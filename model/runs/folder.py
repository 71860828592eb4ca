"""What lies in a run folder, by name, and where the shipped networks lie: folders of that kind.

Never loads torch.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from model.errors import InputError

RECIPE = "recipe.toml"
EVENTS = "events.jsonl"
METRICS = "metrics.json"
WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"
"""Classes, preprocessing, thresholds and the SHA-256 of the weights."""
REFERENCE = "preparation.npz"
"""What the preparation of the shots refers to, where it refers to any."""
EXPECTED = "expected.safetensors"
"""What an experiment is like to a shipped network, see `model.active.prior.Expected`."""
LEARNED = "learned.npz"
"""Hashes of the shots that the network was trained on."""
RESUME = "resume.safetensors"
"""Of a training that has not ended."""
PREDICTIONS = "predictions.h5"
CACHE = "cache"
"""Shots as the network takes them, where a training was given no other place for them."""


def is_shipped(folder: Path) -> bool:
    """Whether a folder is that of a network that comes with the program."""
    return folder.resolve().parent == _backbones().resolve()


def _backbones() -> Path:
    return Path(str(resources.files("resources") / "backbones"))


def backbone_folder(name: str) -> Path:
    """Folder of a network that comes with the program; InputError where there is none such."""
    folder = _backbones() / name
    if folder.parent != _backbones() or not (folder / WEIGHTS).is_file():
        have = sorted(p.parent.name for p in folder.parent.glob(f"*/{WEIGHTS}"))
        mend = f"There are: {', '.join(have)}." if have else "Leave backbone empty in the recipe."
        raise InputError(f"no backbone called {name!r} is shipped", mend=mend)
    return folder
