"""Projects that are made once and then copied: looking at a file of shots takes a child of its own.

What was made is put elsewhere, so that a copy of it finds the files of shots beside itself.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Hashable
from pathlib import Path

_made: dict[Hashable, Path] = {}


def copy_of(kind: Hashable, make: Callable[[Path], object], folder: Path) -> None:
    """Copies into `folder` what `make` leaves in the folder that it is given, once for a kind."""
    if kind not in _made:
        place = Path(tempfile.mkdtemp(prefix="airylabel-test-"))
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        first = place / "first"
        first.mkdir()
        make(first)
        _made[kind] = first.rename(place / "kept")
    shutil.copytree(_made[kind], folder, dirs_exist_ok=True)
