"""`predictions.h5`: how the predictions of a run for every shot are laid down.

Datasets, row i being row i of the table, all contiguous and uncompressed so that a few rows are
read without the rest: `probabilities` (N, C) float32, NaN where `readable` (N,) is False; `logits`
(N, C) float32; `decided` (N, C) bool, the answer of the run by itself: the label set that is
counted, shown and reported of it (`decoding.answers`), as the attribute `answer` says; with the
labels given since, the instant model on these embeddings answers in its place; `embeddings` (N, D)
float16; `heatmaps` (N, C, h, w) float16, each with max |·| = 1, times `heatmap_scale` (N, C)
float32 the map of the formula (maps of 1e-6 would drown in half precision), in the paper's form of
Grad-CAM++; `heatmaps_chattopadhay` and `heatmap_scale_chattopadhay` the same in Chattopadhay's;
`role` (N,) uint8; `field` (N, 4) float32, y0, x0, y1, x1 of the part of each shot that the network
sees, as fractions (older files have the attribute alone, that of the first source); `shift` (N, 2)
float32, how far (down, right) the preparation moved each shot to bring its beam to the middle, in
shares of its sides.
Attributes: class_names, earlier_names (of each, parted by ';'; not there where none had one),
answer, thresholds (C,), run, network, recipe, heatmap_form, input (pattern; or correlation, where
heatmaps lie over q and q of the shot's map), field (y0, x0, y1, x1 of the part of a shot that the
network sees, as fractions), cells (the same of the box that the cells of a heatmap tile, which is
half a cell off `field` for a ResNet: see `receptive_field`),
seen_by_a_cell (the width of what each can see, as a share of what the network sees),
fingerprint, geometry (S,) uint64, a number for each source that stands for what its geometry
decided of what the network read, and full (S,) bool, where full pixels were estimated about the
beam (neither in older files), airylabel_version.

The file appears under its name only when it is whole. Its structure is written in HDF5's newer
form, every part of which carries a checksum, with texts of fixed length, which lie inside it: the
window opens this file in its own process, and without checksums one damaged byte can crash HDF5.
Nothing here computes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import numpy.typing as npt

from model.bulk.filling import reserve
from model.errors import InputError, counted
from model.heatmaps.gradcam import FORMS, Form
from model.output_files import check_own, give_name, part_of, room_for_the_end
from model.runs.folder import PREDICTIONS
from model.taxonomy.taxonomy import Taxonomy

Attributes = Mapping[str, Any]
Result = TypeVar("Result")
_TROUBLE = (OSError, RuntimeError)
"""What h5py raises where a file cannot be written."""
_AGAIN = "Predict again with this run: airylabel predict PROJECT --run NUMBER."
ANY = -1
MOST = 2**22
"""Numbers of one shot in one dataset, far above those of any network here."""
ROOM = 64 * 2**20
"""Bytes that a dataset may be larger than its file: one that was never written takes no room."""


class PredictionFile:
    """Writes one predictions file beside its place; `finish` moves it there, `discard` drops it.

    Every method raises InputError where the disk is full or may not be written.
    """

    def __init__(
        self,
        path: Path,
        shots: int,
        classes: int,
        width: int,
        grid: tuple[int, int],
        attributes: Attributes,
    ) -> None:
        self.path = Path(path)
        self._temporary: Path | None = None
        self._file: h5py.File | None = None
        self._room: Path | None = None
        self.names = tuple(_layout(classes, width, grid))

        def begin() -> None:
            self._temporary = part_of(self.path)
            self._room = room_for_the_end(self._temporary)
            self._file = create(self._temporary, shots, classes, width, grid, attributes)

        self._safely(begin)

    def write(self, rows: npt.NDArray[np.int64], values: Mapping[str, npt.NDArray[Any]]) -> None:
        """Put values, each (n, ...), at the given rows (n,) of the datasets of their names."""
        order = np.argsort(rows)
        rows = rows[order]
        together = len(rows) and rows[-1] - rows[0] + 1 == len(rows)

        def put() -> None:
            assert self._file is not None
            for name, value in values.items():
                place = slice(rows[0], rows[-1] + 1) if together else rows
                self._file[name][place] = value[order]

        self._safely(put)

    def change(self, work: Callable[[h5py.File], Result]) -> Result:
        """Let `work` look at what was written, and change it; returns what it returns."""
        answers: list[Result] = []

        def look() -> None:
            assert self._file is not None
            answers.append(work(self._file))

        self._safely(look)
        return answers[0]

    def finish(self) -> None:
        """Bring everything to the disk, then the file to its place."""

        def close() -> None:
            assert self._file is not None
            assert self._temporary is not None
            self._give_room()
            self._file.close()
            give_name(self._temporary, self.path)

        self._safely(close)

    def discard(self) -> None:
        """Leave nothing behind; what was at the place before stays. Safe after `finish`."""
        self._give_room()
        if self._file is not None and self._file:
            try:
                self._file.close()
            except _TROUBLE:  # a full disk says so again here
                self._file = None
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)

    def _give_room(self) -> None:
        if self._room is not None:
            self._room.unlink(missing_ok=True)

    def _safely(self, work: Callable[[], None]) -> None:
        try:
            work()
        except _TROUBLE as error:
            self.discard()
            mend = "Free some space, or choose another place to write to."
            what = f"cannot be written ({reason(error)})"
            raise InputError(what, file=self.path, mend=mend) from error


def as_text(value: Any) -> str:
    """A text among the attributes of such a file."""
    return value.decode() if isinstance(value, bytes) else str(value)


def classes_of(file: h5py.File) -> Taxonomy:
    """The classes of such a file, with what they were called before where it says so; KeyError
    where it names none."""
    names, earlier = file.attrs["class_names"], file.attrs.get("earlier_names", ())
    return Taxonomy.of_names([as_text(n) for n in names], [as_text(n) for n in earlier])


def open_predictions(path: Path) -> h5py.File:
    """A file of predictions, to read. They are written whole into one file: InputError where a part
    of them lies in another one, which a stranger may have chosen, or cannot be what it should be;
    nothing of it was read then. OSError where it is no HDF5."""
    file = h5py.File(path, "r", locking=False)
    for name in file:
        here = isinstance(file.get(name, getlink=True), h5py.HardLink)
        if here and isinstance(file[name], h5py.Dataset):
            here = not (file[name].is_virtual or file[name].external)
        if not here:
            file.close()
            raise InputError(f"its {name} lie in another file", file=path, mend=_AGAIN)
    why = _misfit(file, path.stat().st_size)
    if why:
        file.close()
        raise InputError(f"damaged predictions ({why})", file=path, mend=_AGAIN)
    return file


def _misfit(file: h5py.File, size: int) -> str:
    """Why the parts of a file of that size cannot be those of predictions, '' where they can."""
    shape: tuple[int, ...] = getattr(file.get("probabilities"), "shape", ())
    shots, classes = shape if len(shape) == 2 else (0, 0)
    for name, (row, _, _) in _layout(classes, ANY, (ANY, ANY)).items():
        part = file.get(name)
        if part is None:
            continue
        if not isinstance(part, h5py.Dataset) or part.dtype.kind not in "biuf":
            return f"{name} are no numbers"
        wanted = (shots, *row)
        fits = part.ndim == len(wanted) and all(
            w in (ANY, there) for w, there in zip(wanted, part.shape, strict=True)
        )
        if not fits or np.prod(part.shape[1:], dtype=float) > MOST:
            return f"{name} have shape {part.shape} for {counted(shots, 'shot')}"
        written = part.id.get_offset() is not None
        if part.nbytes > size and (written or part.nbytes > ROOM + 100 * size):
            return f"{name} say that they are {part.nbytes:,} bytes, in a file of {size:,}"
    return ""


def is_predictions(path: Path) -> bool:
    """Whether a file holds predictions, and no shots beside them as the record of a watch."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            known = set(_layout(1, 1, (1, 1)))
            return "class_names" in file.attrs and {"probabilities"} <= set(file) <= known
    except _TROUBLE:
        return False


def check_place(out: Path, run: Path, sources: Iterable[Path]) -> None:
    """Refuse a place that a person named, where a file of shots is, or anything but predictions.

    The run's own `predictions.h5` may be damaged and is replaced all the same. Raises InputError.
    """
    own = Path(run).resolve() / PREDICTIONS
    check_own(out, sources, lambda path: path.resolve() == own or is_predictions(path))


def names_of_form(form: Form) -> tuple[str, str]:
    """The datasets of the maps of a form, and of their scales."""
    ending = "" if form == FORMS[0] else f"_{form}"
    return f"heatmaps{ending}", f"heatmap_scale{ending}"


def create(
    path: Path,
    shots: int,
    classes: int,
    width: int,
    grid: tuple[int, int],
    attributes: Attributes,
    *,
    at_once: bool = False,
) -> h5py.File:
    """The file with its datasets still empty, open; `at_once`: their bytes lie in it already."""
    file = h5py.File(path, "w", locking=False, libver="latest")
    for name, (shape, dtype, fill) in _layout(classes, width, grid).items():
        if at_once:
            reserve(file, name, (shots, *shape), dtype)
        else:
            file.create_dataset(name, (shots, *shape), dtype, fillvalue=fill)
    for name, value in {**attributes, "airylabel_version": _version()}.items():
        _put_attribute(file, name, value)
    return file


def _layout(
    classes: int, width: int, grid: tuple[int, int]
) -> dict[str, tuple[tuple[int, ...], Any, Any]]:
    """Shape of a row, type and fill value of every dataset."""
    layout: dict[str, tuple[tuple[int, ...], Any, Any]] = {
        "probabilities": ((classes,), np.float32, np.nan),
        "logits": ((classes,), np.float32, np.nan),
        "decided": ((classes,), np.bool_, False),
        "embeddings": ((width,), np.float16, 0),
    }
    for form in FORMS:
        maps, scale = names_of_form(form)
        layout |= {maps: ((classes, *grid), np.float16, 0), scale: ((classes,), np.float32, 0)}
    return layout | {
        "role": ((), np.uint8, 0),
        "field": ((4,), np.float32, 0),
        "shift": ((2,), np.float32, 0),
        "readable": ((), np.bool_, False),
    }


def _put_attribute(file: h5py.File, name: str, value: Any) -> None:
    """Texts get a fixed length: those of any length lie in a heap that has no checksum."""
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
        octets = [text.encode() for text in texts]
        dtype = h5py.string_dtype(length=max(1, *map(len, octets)))
        file.attrs.create(name, octets[0] if texts is not value else octets, dtype=dtype)
    else:
        file.attrs[name] = value


def reason(error: Exception) -> str:
    """The system's own words, also where h5py buries them in its message."""
    number = getattr(error, "errno", None) or re.search(r"errno = (\d+)", str(error))
    if isinstance(number, re.Match):
        number = int(number[1])
    return os.strerror(number) if number else str(error).splitlines()[0]


def _version() -> str:
    try:
        return metadata.version("airylabel")
    except metadata.PackageNotFoundError:
        return "0+unknown"
