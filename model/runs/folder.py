"""What lies in a run folder, by name, and where the shipped networks lie: folders of that kind.

Never loads torch.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from model.errors import InputError, parsed_json, parsed_toml, text_of

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


def metrics_of(run: Path) -> dict[str, Any]:
    """What the METRICS of a run say; {} where there are none yet, or damaged ones."""
    return _values(run / METRICS, parsed_json)


def recipe_of(run: Path) -> dict[str, Any]:
    """What the RECIPE of a run says; {} as for `metrics_of`."""
    return _values(run / RECIPE, parsed_toml)


def _values(path: Path, parsed: Callable[[str, Path], Any]) -> dict[str, Any]:
    try:
        found = parsed(text_of(path), path)
    except InputError:
        return {}
    return found if isinstance(found, dict) else {}


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
