"""Results of a watch as lines that other programs follow: one JSON object for each hit, appended.

Fields: `id`, `origin`, `stamp` (seconds since the epoch, null where not known), `is_hit`,
`hit_score`, `probabilities` by class, `decided` (names of the classes), `radius_nm` and
`radius_error_nm` (null where no rings are clear), and of a shipped network `adapted_to`, the shots
that it was adapted to. A line is written whole and at once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.errors import InputError
from model.online.record import Found
from model.online.stream import Hit
from model.online.tally import Sizes


class Lines:
    """Appends to a file; InputError where it cannot be written, now or later."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path, self._names = path, tuple(names)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("ab", buffering=0)
        except OSError as error:
            raise self._refused(error) from error

    def add(self, hits: Sequence[Hit], found: Found, sizes: Sequence[Sizes]) -> None:
        """Write n hits with what was found of them, each (n, ...)."""
        lines = [self._line(hit, found, k, sizes[k]) for k, hit in enumerate(hits)]
        try:
            self._stream.write("".join(f"{json.dumps(line)}\n" for line in lines).encode())
        except OSError as error:
            raise self._refused(error) from error

    def _line(self, hit: Hit, found: Found, k: int, size: Sizes) -> dict[str, Any]:
        radius, error = (None, None) if size is None else size
        decided = found["decided"][k]
        return {
            "id": hit.id, "origin": hit.origin,
            "stamp": hit.stamp if math.isfinite(hit.stamp) else None,
            "is_hit": hit.is_hit,
            "hit_score": hit.score if math.isfinite(hit.score) else None,
            "probabilities": {
                name: round(float(p), 4)
                for name, p in zip(self._names, found["probabilities"][k], strict=True)
            },
            "decided": [name for name, has in zip(self._names, decided, strict=True) if has],
            "radius_nm": radius, "radius_error_nm": error,
            **({"adapted_to": int(found["adapted_to"][k])} if "adapted_to" in found else {}),
        }  # fmt: skip

    def _refused(self, error: OSError) -> InputError:
        what = f"lines cannot be written ({error.strerror or error})"
        return InputError(what, file=self.path, mend="Choose a file where you may write: --lines.")

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()
