"""What a run says about every shot: looks it up in `predictions.h5`, row by row where it is large.

Never loads torch and never computes anything that needs a network. Classes are matched by name.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt

from labeler.project.project import Project
from labeler.project.store.records import Flags
from labeler.runs.predictions_base import Choice, Predictions
from model.errors import InputError, counted
from model.heatmaps.geometry import FULL_FIELD, Box, Heat, enlarge, within
from model.heatmaps.gradcam import FORMS
from model.prediction.embedding_file import described
from model.preprocessing.file_pixels import NO_PIXELS, FilePixels
from model.runs.folder import PREDICTIONS
from model.runs.prediction_file import as_text, classes_of, names_of_form, open_predictions
from model.shots.sources import SourceInfo
from model.taxonomy import decoding
from model.taxonomy.same_classes import columns_of, places_among
from model.taxonomy.taxonomy import MAX_ENUMERATED, Taxonomy, plain

__all__ = ["Choice", "RunPredictions", "Stage"]

Stage = Literal["alone", "decided", "decoded"]
"""Each class by its own threshold; as the run decides; as the likeliest legal label set."""

AGAIN = "Predict again with this run, or use another one."
SIGMOID = 0.05
"""Probabilities that differ more from the sigmoid of their logit are something else."""
SAME = 1e-4
"""Parts of a shot that differ by less, as fractions of its sides, are the same."""
AT_ONCE = 1 << 16
"""Shots: their numbers fit into a processor's cache, and none of them is kept twice."""
_CARELESS = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    IndexError,
    AttributeError,
    MemoryError,
)
"""What h5py and numpy raise on damaged or foreign content."""


class RunPredictions(Predictions):
    """One run's predictions of N shots, in the order of the project's rows and the taxonomy's
    classes.

    `probabilities` (N, C) float32; `thresholds` (C,); `known` (C,) False for classes that the run
    never learnt (their probability is 0), while one that it learnt and that there is no more is
    left out; `readable` (N,) False for shots that it could not read;
    `role` (N,) as written; `fields` (N, 4), the part of each shot that it saw as fractions, None in
    files that say it of the first source only; `seen_by_a_cell`, the width of what a cell of a
    heatmap can see, as a share of that, None where it is not written; `input` what it looks at:
    the pattern, or its correlation map; `geometry` (S,) what stands for what the geometry of each
    source decided of it, None in files that do not say it, and `full` (S,) whether that is the beam
    for full pixels; `run` and `recipe` by name.
    """

    def __init__(self, path: Path, taxonomy: Taxonomy, file: h5py.File) -> None:
        self.path = path
        self.taxonomy = taxonomy
        self._bytes = _Bytes(path)
        attrs = file.attrs
        self.run = as_text(attrs.get("run", path.parent.name))
        self.name = f"run {int(self.run)}" if self.run.isdecimal() else f"run {self.run}"
        self.recipe = as_text(attrs.get("recipe", ""))
        self.fingerprint = as_text(attrs.get("fingerprint", ""))
        self.input = as_text(attrs.get("input", "pattern"))
        self.geometry = np.array(attrs["geometry"]) if "geometry" in attrs else None
        self.full = np.array(attrs.get("full", ()), bool)
        self._read_answers(file)
        self._read_field(file)
        self._find_maps(file)
        self._logits = _Rows(file["logits"], self._bytes) if "logits" in file else None
        if "embeddings" not in file:
            raise ValueError("it has no embeddings")

    def _read_answers(self, file: h5py.File) -> None:
        """Probabilities, thresholds and decisions, from the file's classes to the taxonomy's."""
        written = classes_of(file)
        names = self._names = written.names
        self._column = places_among(self.taxonomy, written)
        """(C,) which column of the file is a class; -1 for one that the run never learnt."""
        self.known: Flags = self._column >= 0
        if not self.known.any():
            columns_of(self.taxonomy, written, self.path)  # refuses foreign classes
        ours, theirs = np.flatnonzero(self.known), self._column[self.known]
        n, c = len(file["probabilities"]), len(self.taxonomy)
        self._check(file["probabilities"], len(names), len({*map(plain, names)}))
        self.readable: Flags = np.ones(n, bool)
        if "readable" in file:
            self.readable = np.asarray(file["readable"][()], bool)
        self.role = file["role"][()] if "role" in file else np.zeros(n, np.uint8)
        self.thresholds: npt.NDArray[np.float32] = np.full(c, 0.5, np.float32)
        self.thresholds[ours] = np.broadcast_to(file.attrs["thresholds"], len(names))[theirs]
        if not np.isfinite(self.thresholds).all():
            raise ValueError("thresholds that are no numbers")
        self.probabilities: npt.NDArray[np.float32] = np.zeros((n, c), np.float32)
        self.decided: Flags = np.zeros((n, c), bool)
        for start in range(0, n, AT_ONCE):
            self._take(file, ours, theirs, slice(start, start + AT_ONCE))

    def _read_field(self, file: h5py.File) -> None:
        """What the network saw of each shot, and which part of that its cells cover."""
        n = len(self)
        field = np.array(file.attrs.get("field", FULL_FIELD), float)
        self._fields = file["field"][()] if "field" in file else np.broadcast_to(field, (n, 4))
        self.fields = self._fields if "field" in file else None
        if not all((f[:, 2:] > f[:, :2]).all() for f in (self._fields, field[None])):
            raise ValueError("fields without a size")
        cells = np.array(file.attrs.get("cells", field), float)
        first, last = np.tile(field[:2], 2), np.tile(field[2:], 2)
        self._cells_box = _box((cells - first) / (last - first))
        seen = float(file.attrs.get("seen_by_a_cell", 0))
        self.seen_by_a_cell = seen if 0 < seen <= 1 else None
        self._shift = file["shift"][()] if "shift" in file else np.zeros((n, 2), np.float32)
        if not np.isfinite(self._shift).all():
            raise ValueError("shifts that are no numbers")

    def _find_maps(self, file: h5py.File) -> None:
        """Where the heatmaps of each form lie, with their scales."""
        self._maps: dict[str, tuple[_Rows, _Rows | None]] = {}
        for form in FORMS:
            maps, scale = names_of_form(form)
            if maps in file:
                scales = _Rows(file[scale], self._bytes) if scale in file else None
                self._maps[form] = (_Rows(file[maps], self._bytes), scales)
        if FORMS[0] not in self._maps:
            raise ValueError("it has no heatmaps")

    @classmethod
    def open(
        cls, path: Path, taxonomy: Taxonomy, n: int, fingerprint: str | None = None
    ) -> RunPredictions:
        """Open the predictions for a project of n shots; InputError where they do not fit it.

        With `fingerprint`, that of the shots and labels must be the same too.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError("no predictions here", file=path, mend=AGAIN)
        try:
            with open_predictions(path) as file:
                written = len(file["probabilities"])
                if written != n:
                    what = f"predictions of {counted(written, 'shot')}, but the project has {n}"
                    raise InputError(what, file=path, mend="Predict again to cover them all.")
                found = cls(path, taxonomy, file)
        except InputError:
            raise
        except _CARELESS as error:
            raise InputError(f"damaged predictions ({error})", file=path, mend=AGAIN) from error
        if fingerprint is not None and fingerprint != found.fingerprint:
            raise InputError("predictions of other data", file=path, mend=AGAIN)
        return found

    @staticmethod
    def _check(written: h5py.Dataset, classes: int, different: int) -> None:
        if written.ndim != 2 or written.shape[1] != classes or different != classes:
            raise ValueError(f"probabilities of shape {written.shape} for {different} classes")

    def _take(
        self, file: h5py.File, ours: npt.NDArray[np.intp], theirs: npt.NDArray[np.intp], rows: slice
    ) -> None:
        """Read probabilities and decisions of some rows, columns `theirs` of the file, to the
        taxonomy's columns `ours`."""
        written = file["probabilities"][rows][:, theirs]
        readable = self.readable[rows]
        readable &= ~np.isnan(written).any(1)
        written[~readable] = 0
        if not (written.min() >= 0 and written.max() <= 1):
            raise ValueError("probabilities outside 0 … 1")
        self.probabilities[rows, ours] = written
        if "decided" in file:  # among legal label sets, which thresholds alone do not say
            written = file["decided"][rows][:, theirs].astype(bool)
        else:
            written = written >= self.thresholds[ours]
        self.decided[rows, ours] = written & readable[:, None]

    def __len__(self) -> int:
        return len(self.probabilities)

    # -- one shot ------------------------------------------------------------------------------

    def probability(self, row: int) -> npt.NDArray[np.float32] | None:
        """(C,) of one shot; None where the run could not read it."""
        return self.probabilities[row] if self.readable[row] else None

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms of Grad-CAM++ whose maps are there."""
        return tuple(self._maps)

    def cells(self, row: int, class_index: int, form: str = FORMS[0]) -> npt.NDArray[np.float32]:
        """(h, w) heat of a class as computed, on the network's own grid, negative parts too.

        In the paper's form where the run did not store the one asked for. All 0 for a class that
        the run never learnt and for a shot that it could not read.
        """
        column = self._column[class_index]
        if column < 0 or not self.readable[row]:
            return np.zeros(self.grid, np.float32)
        heat, scales = self._maps.get(form) or self._maps[FORMS[0]]
        scale = 1 if scales is None else scales.of(row)[column]
        return np.asarray(heat.of(row)[column], np.float32) * np.float32(scale)

    def called(self, class_index: int) -> str:
        """What the run calls a class; '' for one that it never learnt."""
        column = self._column[class_index]
        return self._names[column] if column >= 0 else ""

    @property
    def trouble(self) -> str:
        """What became of the file since it was opened; '' while it is whole."""
        return "" if self._bytes.are_there() else f"{self.path.name} was cut short. {AGAIN}"

    @property
    def grid(self) -> tuple[int, int]:
        """Cells of a heatmap, down and across."""
        down, across = self._maps[FORMS[0]][0].shape[2:]
        return int(down), int(across)

    def heatmap(
        self, row: int, class_index: int, shape: tuple[int, int], form: str = FORMS[0]
    ) -> Heat:
        """(y, x) heat in [0, 1], enlarged onto a pattern of that shape; 1 at its own hottest cell.

        Maps of different classes or shots compare in shape, never in strength.
        """
        return self.on_pattern(self.cells(row, class_index, form), row, shape)

    def on_pattern(self, cells: npt.NDArray[np.float32], row: int, shape: tuple[int, int]) -> Heat:
        """(h, w) heat on the network's grid, laid on the pattern of a shot as `heatmap` does."""
        field = self.field_of(row)
        return enlarge(cells, shape, field, within(field, self._cells_box))

    def field_of(self, row: int) -> Box:
        """What the network saw of a shot, in fractions of it as it is in its file."""
        field = self._fields[row]
        if self.input == "pattern":
            field = field - np.tile(self._shift[row], 2)
        return _box(field)

    def broken(self, stage: Stage = "decided") -> Flags:
        """(N, R) which rule each shot's prediction breaks, hard and soft ones; a class that the run
        never learnt breaks none.

        Before rule-aware decoding ("alone": every class by its own threshold, as if there were no
        rules), as the run decides, or after it ("decoded"); the paper reads broken rules as the
        sign of a failed generalisation.
        """
        sets, which = np.unique(self.taxonomy.pack(self._labels_at(stage)), return_inverse=True)
        violations = self.taxonomy.violations(self.taxonomy.unpack(sets), self.known)
        return np.asarray(violations[which] & self.readable[:, None])

    @cached_property
    def by_rules(self) -> bool:
        """Whether probabilities know the rules, as those of a network that learnt them: they are no
        sigmoids of single logits then, which by themselves say little."""
        if self._logits is None:
            return False
        said = decoding.sigmoid(self._logits.all()[:, self._column[self.known]])
        off = np.abs(said - self.probabilities[:, self.known])[self.readable]
        return bool(np.nanmax(off, initial=0.0) > SIGMOID)

    def _labels_at(self, stage: Stage) -> Flags:
        if stage == "decided" or self._logits is None:
            return self.decided
        logits = np.full(self.probabilities.shape, -1e3, np.float32)
        kept = np.nan_to_num(self._logits.all())
        logits[:, self.known] = kept[:, self._column[self.known]]
        if stage == "decoded" and len(self.taxonomy) <= MAX_ENUMERATED:
            found = decoding.most_likely_sets(logits, self.taxonomy.legal_sets)
        else:
            found = decoding.sigmoid(logits) >= self.thresholds
        return np.asarray(found & self.known & self.readable[:, None], bool)


class _Bytes:
    """The bytes of a file, read when they are asked for. No memory map: a file that is cut short
    would end the process."""

    def __init__(self, path: Path) -> None:
        self.path, self.needed = path, 0
        self._number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._lock = threading.Lock()
        weakref.finalize(self, os.close, self._number)

    def are_there(self) -> bool:
        """Whether the file still reaches to all that it held."""
        return os.fstat(self._number).st_size >= self.needed

    def read(self, first: int, size: int) -> bytes:
        """`size` bytes from a place; InputError where they are not there."""
        with self._lock:
            os.lseek(self._number, first, os.SEEK_SET)
            found = os.read(self._number, size)
        if len(found) < size:
            raise InputError("was cut short", file=self.path, mend=AGAIN)
        return found


class _Rows:
    """The rows of a dataset that lie one after another; kept whole where they do not."""

    def __init__(self, dataset: h5py.Dataset, bytes: _Bytes) -> None:
        self.shape: tuple[int, ...] = dataset.shape
        self._dtype, self._bytes = dataset.dtype, bytes
        self._first = dataset.id.get_offset()
        self._kept = None if self._first is not None and dataset.size else dataset[()]
        if self._kept is None:
            self._size = self._dtype.itemsize * int(np.prod(self.shape[1:]))
            bytes.needed = max(bytes.needed, self._first + self.shape[0] * self._size)

    def of(self, row: int) -> npt.NDArray[Any]:
        """One row."""
        if self._kept is not None:
            return np.asarray(self._kept[row])
        found = self._bytes.read(self._first + row * self._size, self._size)
        return np.frombuffer(found, self._dtype).reshape(self.shape[1:])

    def all(self) -> npt.NDArray[Any]:
        """Every row."""
        if self._kept is not None:
            return np.asarray(self._kept)
        return np.stack([self.of(row) for row in range(self.shape[0])])


def _box(value: Any) -> Box:
    y0, x0, y1, x1 = map(float, value)
    return y0, x0, y1, x1


def predictions_of(project: Project) -> tuple[RunPredictions | None, str]:
    """(predictions of the current run or None, what is wrong with them in words or '')."""
    number = project.current_run
    if number is None:
        return None, ""
    folder = Path(project.run_folder(number))
    try:
        found = RunPredictions.open(folder / PREDICTIONS, project.taxonomy, project.n_shots)
        elsewhere = read_elsewhere(found, folder, project.sources)
    except InputError as error:
        return None, f"The predictions of run {number} cannot be shown: {error}"
    if not elsewhere:
        return found, ""
    return found, (
        f"Run {number} read {counted(elsewhere, 'shot')} by another geometry than that of their"
        f" files now. Predict again: airylabel predict PROJECT --run {number}."
    )


def read_elsewhere(found: RunPredictions, folder: Path, sources: Sequence[SourceInfo]) -> int:
    """How many shots of these files, in their order, a network would read otherwise now, by their
    geometry; older predictions say it only of the square that is read.

    0 where the predictions or the run's folder do not say what it read.
    """
    try:
        _, steps = described(folder, None)
    except InputError:  # the predictions are whole without it
        return 0
    shots = np.array([info.n_shots for info in sources], int)
    if shots.sum() != len(found):
        return 0
    if found.geometry is not None and found.geometry.shape == shots.shape:
        full = found.full if found.full.shape == shots.shape else np.zeros(shots.shape, bool)
        pixels = [FilePixels(full=0.0) if about_beam else NO_PIXELS for about_beam in full]
        return int(shots[found.geometry != steps.decisions(sources, pixels)].sum())
    if found.fields is None:
        return 0
    now = [steps.field(info.shape, info.geometry.centre) for info in sources]
    each = np.repeat(np.array(now, np.float32), shots, 0)
    return int((np.abs(each - found.fields) > SAME).any(1).sum())
