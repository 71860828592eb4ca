"""What a run says about every shot: memory-maps `predictions.h5` and answers by array look-up.

Never loads torch and never computes anything that needs a network. Classes are matched by name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt

from labeler.store.records import LABELLED
from model.errors import InputError
from model.heat import FULL_FIELD, Box, Heat, enlarge
from model.taxonomy import Taxonomy

Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Choice = Literal["certain", "unsure", "missed", "false", "labelled"]

AGAIN = "Predict again with this run, or use another one."
_CARELESS = (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError)
"""What h5py and numpy raise on damaged or foreign content."""


class Predictions:
    """One run's reading of N shots, in the order of the project's rows and the taxonomy's classes.

    `probabilities` (N, C) float32; `thresholds` (C,); `known` (C,) False for classes that the run
    never learnt (their probability is 0); `readable` (N,) False for shots that it could not read;
    `embeddings` (N, D) and `role` (N,) as written; `field` the part of a shot that the network
    saw, `cells_box` the part that the cells of its heatmaps tile; `input` what it looks at: the
    pattern, or its correlation map; `run` and `recipe` by name.
    """

    def __init__(self, path: Path, taxonomy: Taxonomy, file: h5py.File) -> None:
        self.path = path
        self.taxonomy = taxonomy
        names = [_text(name) for name in file.attrs["class_names"]]
        ours = taxonomy.columns(names, path)
        c = len(taxonomy)
        self._column = np.full(c, -1)
        self._column[ours] = np.arange(len(names))
        self.known: Flags = self._column >= 0
        written = file["probabilities"][()]
        self._check(written, len(names), len(set(ours.tolist())))
        n = len(written)
        readable = file["readable"][()] if "readable" in file else np.ones(n)
        self.readable: Flags = np.asarray(readable, bool) & ~np.isnan(written).any(1)
        self.probabilities: npt.NDArray[np.float32] = np.zeros((n, c), np.float32)
        self.probabilities[:, ours] = np.where(self.readable[:, None], written, 0)
        self.thresholds: npt.NDArray[np.float32] = np.full(c, 0.5, np.float32)
        self.thresholds[ours] = file.attrs["thresholds"]
        self._decided: Flags = self.probabilities >= self.thresholds
        if "decided" in file:  # a rule-aware network decides by label sets, not by thresholds
            self._decided[:, ours] = np.asarray(file["decided"][()], bool)
        self._decided &= self.known & self.readable[:, None]
        self.embeddings = _mapped(path, file["embeddings"])
        self._heat = _mapped(path, file["heatmaps"])
        self._scale = _mapped(path, file["heatmap_scale"]) if "heatmap_scale" in file else None
        self.role = file["role"][()] if "role" in file else np.zeros(n, np.uint8)
        self.field = _box(file.attrs.get("field", FULL_FIELD))
        self.cells_box = _box(file.attrs.get("cells", self.field))
        self.input = _text(file.attrs.get("input", "pattern"))
        self._shift = file["shift"][()] if "shift" in file else np.zeros((n, 2), np.float32)
        self.run = _text(file.attrs.get("run", path.parent.name))
        self.recipe = _text(file.attrs.get("recipe", ""))
        self.fingerprint = _text(file.attrs.get("fingerprint", ""))
        if self._heat.ndim != 4 or self._heat.shape[:2] != (n, len(names)):
            raise ValueError(f"heatmaps have shape {self._heat.shape}")
        if self._scale is not None and self._scale.shape != (n, len(names)):
            raise ValueError(f"scales of heatmaps have shape {self._scale.shape}")
        if not len(self.embeddings) == len(self.readable) == len(self._shift) == n:
            raise ValueError("its parts have different lengths")

    @classmethod
    def open(
        cls, path: Path, taxonomy: Taxonomy, n: int, fingerprint: str | None = None
    ) -> Predictions:
        """Open the predictions for a project of n shots; InputError where they do not fit it.

        With `fingerprint`, that of the shots and labels must be the same too.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError("no predictions here", file=path, mend=AGAIN)
        try:
            with h5py.File(path, "r", locking=False) as file:
                found = cls(path, taxonomy, file)
        except InputError:
            raise
        except _CARELESS as error:
            raise InputError(f"damaged predictions ({error})", file=path, mend=AGAIN) from error
        if len(found) != n:
            what = f"predictions of {len(found)} shots, but the project has {n}"
            raise InputError(what, file=path, mend="Predict again to cover them all.")
        if fingerprint is not None and fingerprint != found.fingerprint:
            raise InputError("predictions of other data", file=path, mend=AGAIN)
        return found

    @staticmethod
    def _check(written: Any, classes: int, different: int) -> None:
        if written.ndim != 2 or written.shape[1] != classes or different != classes:
            raise ValueError(f"probabilities of shape {written.shape} for {different} classes")
        if written.size and not (np.nanmin(written) >= 0 and np.nanmax(written) <= 1):
            raise ValueError("probabilities outside 0 … 1")

    def __len__(self) -> int:
        return len(self.probabilities)

    # -- one shot ------------------------------------------------------------------------------

    def probability(self, row: int) -> npt.NDArray[np.float32] | None:
        """(C,) of one shot; None where the run could not read it."""
        return self.probabilities[row] if self.readable[row] else None

    def cells(self, row: int, class_index: int) -> npt.NDArray[np.float32]:
        """(h, w) heat of a class as computed, on the network's own grid, negative parts too.

        All 0 for a class that the run never learnt and for a shot that it could not read.
        """
        column = self._column[class_index]
        if column < 0 or not self.readable[row]:
            return np.zeros(self.grid, np.float32)
        scale = 1 if self._scale is None else self._scale[row, column]
        return np.asarray(self._heat[row, column], np.float32) * np.float32(scale)

    @property
    def grid(self) -> tuple[int, int]:
        """Cells of a heatmap, down and across."""
        return int(self._heat.shape[2]), int(self._heat.shape[3])

    def heatmap(self, row: int, class_index: int, shape: tuple[int, int]) -> Heat:
        """(y, x) heat in [0, 1], enlarged onto a pattern of that shape; 1 at its own hottest cell.

        Maps of different classes or shots compare in shape, never in strength.
        """
        field, box = self.field, self.cells_box
        down, right = map(float, self._shift[row])
        if self.input == "pattern" and (down or right):
            field, box = (
                (y0 - down, x0 - right, y1 - down, x1 - right) for y0, x0, y1, x1 in (field, box)
            )
        return enlarge(self.cells(row, class_index), shape, field, box)

    # -- all shots -----------------------------------------------------------------------------

    def likely(self) -> Flags:
        """(N, C) what the run decides: by its thresholds, or by the likeliest legal label set."""
        return self._decided

    def margins(self) -> npt.NDArray[np.float32]:
        """(N, C) distance from the threshold, 0 on it and 1 at probability 0 or 1."""
        p, t = self.probabilities, np.clip(self.thresholds, 1e-6, 1 - 1e-6)
        return np.where(p >= t, (p - t) / (1 - t), (t - p) / t)

    def uncertainty(self) -> npt.NDArray[np.float32]:
        """(N,) in [0, 1]: one minus the least margin over the classes; 0 for unreadable shots.

        A shot is as unsure as its least sure class.
        """
        least = self.margins()[:, self.known].min(1, initial=1)
        return np.where(self.readable, 1 - least, 0)

    def contradictions(self) -> Flags:
        """(N,) True where what is likely breaks a hard rule of the taxonomy."""
        sets, which = np.unique(self.taxonomy.pack(self.likely()), return_inverse=True)
        broken = self.taxonomy.contradictions(self.taxonomy.unpack(sets))
        return broken[which] & self.readable

    def disagreement(
        self, present: npt.ArrayLike, status: npt.ArrayLike, rows: Rows | slice = slice(None)
    ) -> npt.NDArray[np.int64]:
        """(n,) in how many classes the run contradicts the labels of those rows, by default of all.

        0 where nobody decided.
        """
        decided = (np.asarray(status) & LABELLED).astype(bool) & self.readable[rows]
        different = self.likely()[rows] != self.taxonomy.unpack(np.asarray(present, np.int64))
        return np.asarray((different & self.known).sum(1) * decided, np.int64)

    def gallery(
        self, class_index: int, choice: Choice, present: npt.ArrayLike, status: npt.ArrayLike
    ) -> Rows:
        """Rows that show how a class was learnt, the most telling first.

        certain: predicted, highest probability first; unsure: nearest to the threshold first;
        missed: labelled but not predicted, lowest first; false: predicted, though decided to be
        absent, highest first; labelled: labelled, highest first.
        """
        p = self.probabilities[:, class_index]
        likely = self._decided[:, class_index]
        decided = (np.asarray(status) & LABELLED).astype(bool)
        labelled = decided & ((np.asarray(present, np.int64) >> class_index) & 1).astype(bool)
        which, key = {
            "certain": (likely, -p),
            "unsure": (np.ones(len(p), bool), self.margins()[:, class_index]),
            "missed": (labelled & ~likely, p),
            "false": (likely & decided & ~labelled, -p),
            "labelled": (labelled, -p),
        }[choice]
        rows = np.flatnonzero(which & self.readable)
        return rows[np.argsort(key[rows], kind="stable")]


def _mapped(path: Path, dataset: Any) -> npt.NDArray[Any]:
    """The dataset as a memory map; read as a whole where the file does not allow one."""
    offset = dataset.id.get_offset()
    if offset is None or not dataset.size:
        return np.asarray(dataset[()])
    return np.memmap(path, dataset.dtype, "r", offset, dataset.shape)


def _box(value: Any) -> Box:
    y0, x0, y1, x1 = map(float, value)
    return y0, x0, y1, x1


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
