"""Files of shots that the tests read and the repository does not hold: see CONTRIBUTING."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).parents[3] / "shared/data"
"""Beside the checkout, where AIRYLABEL_DATA names no folder."""


def data_file(name: str) -> Path:
    """A file of the folder AIRYLABEL_DATA, which may not be there."""
    return Path(os.environ.get("AIRYLABEL_DATA") or BESIDE) / name


def needed(name: str) -> Path:
    """The file, or the test that asks for it is skipped and says why."""
    path = data_file(name)
    if not path.is_file():
        pytest.skip(f"there is no {path}: AIRYLABEL_DATA names the folder that holds {name}")
    return path
