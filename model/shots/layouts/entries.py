"""The layout of CXIDB entry 94: one group per shot, `entry_1` … `entry_7264`, in numeric order.

In each: the image (y, x), its labels `note_1/data`, photon energy in joules, bunch identifier.
Only names are listed at opening; a shot's group is opened when the shot is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots.hdf5 import Inside, check_images, dataset_at, number, survey, texts
from model.shots.layouts.base import (
    JOULES_PER_EV,
    Counts,
    FileLabels,
    Geometry,
    Mask,
    Scalars,
    read_each,
)
from model.shots.layouts.cxi import IDENTIFIERS, numbered
from model.shots.layouts.stack import NO_SHOTS, SMALLEST_PICTURE
from model.shots.parts import Parts

PUBLISHED_CLASSES = (
    "Spherical/Oblate",
    "Round",
    "Elliptical",
    "Prolate",
    "Streak",
    "Bent",
    "Asymmetric",
    "Newton Rings",
    "Double Rings",
    "Layered",
    "Empty",
)
"""Columns of the label matrix of CXIDB entry 94 (and of airynet), which names none of them."""
IMAGES = ("instrument_1/detector_1/data", "data_1/data", "image_1/data")
LABELS = "note_1/data"


PUBLISHED_SHAPE = (1035, 1035)
PUBLISHED_DISTANCE_M = 0.065
PUBLISHED_PIXEL_M = PUBLISHED_DISTANCE_M * math.tan(math.radians(30)) / (PUBLISHED_SHAPE[0] / 2)
"""The detector stood 65 mm from the droplets and saw angles up to 30° (the paper, section II)."""
LOOKED_AT = 50
"""Groups that are looked at for a first image: a read-out may have failed."""
_NUMBERED = re.compile(r".*?_?(\d+)")


def _within(dataset: str | None) -> str | None:
    """A dataset as named inside every entry: without the entry that a person may have put first."""
    return None if dataset is None else re.sub(r"^/?(entry_\d+/)?", "", dataset)


class Entries:
    """The layout of one group per shot; see `model.shots.layouts.base.Layout`.

    The groups are `entry_1` … or, with `groups`, any whose names differ in a number, as SACLA has
    them: run_1/detector_2d_1/tag_447317100.
    """

    name: ClassVar[str] = "cxidb94"
    has_markers = True

    @classmethod
    def fits(cls, file: h5py.File, dataset: str | None) -> bool:
        """Whether one of the first entries holds a two-dimensional image."""
        return cls._first(file, numbered(file, "entry"), _within(dataset)) is not None

    @classmethod
    def _first(
        cls, file: h5py.File, entries: Sequence[str], named: str | None
    ) -> tuple[str, str] | None:
        """(entry, dataset in it) of the first image."""
        for entry in entries[:LOOKED_AT]:
            image = cls._image(file, entry, named)
            if image is not None:
                return entry, image
        return None

    @staticmethod
    def _image(file: h5py.File, entry: str, named: str | None) -> str | None:
        for name in (named,) if named else IMAGES:
            found = dataset_at(file, f"{entry}/{name}")
            if found is not None and found.ndim == 2:
                return name
        return None

    def __init__(
        self, file: h5py.File, dataset: str | None = None, shot_names: Sequence[str] | None = None
    ) -> None:
        self.file = file
        self.shot_names: tuple[str, ...] | None = tuple(shot_names or numbered(file, "entry"))
        self.entries = self.shot_names
        found = self._first(file, self.entries, _within(dataset))
        if found is None:
            what = f"none of its first {LOOKED_AT} groups holds an image"
            raise InputError(what, file=file.filename, mend="Name the dataset: --dataset NAME.")
        entry, self.dataset = found
        first = file[f"{entry}/{self.dataset}"]
        check_images(first)
        self.n_shots = len(self.entries)
        self.shape = (int(first.shape[0]), int(first.shape[1]))
        self.dtype = first.dtype
        self.group = self.dataset.rpartition("/")[0]
        self._entry = self.entries.index(entry)
        self._seen_mask: Mask | None = None

    def _at(self, i: int, name: str) -> h5py.Dataset | None:
        return dataset_at(self.file, f"{self.entries[i]}/{name}")

    def read(self, i: int) -> Counts:
        found = self._at(i, self.dataset)
        if found is None:
            raise KeyError(f"{self.dataset} is missing")
        return np.asarray(found[()])

    def trouble(self, i: int) -> str:
        found = self._at(i, self.dataset)
        if found is None:
            return f"it has no {self.dataset}"
        if not (found.is_virtual or found.external):
            return ""
        return Parts(found).trouble(0)

    def is_unwritten(self, i: int) -> bool:
        found = self._at(i, self.dataset)
        return found is not None and Parts(found).unwritten(0)

    def parts(self) -> tuple[Path, ...]:
        """Of the first image alone: whoever puts shots into other files does it with all."""
        found = self._at(self._entry, self.dataset)
        if found is None:
            return ()
        own = Path(found.file.filename)
        here = [] if own.resolve() == Path(self.file.filename).resolve() else [own]
        return (*here, *Parts(found).files())

    def notes(self) -> tuple[str, ...]:
        found = [] if self._seen_mask is None else [self._seen_mask.note]
        if self._is_published():
            found.append("detector distance 65 mm and pixel size 72.5 µm as published")
        return tuple(found)

    def _is_published(self) -> bool:
        """CXIDB entry 94 itself, which does not tell its geometry in full."""
        stated = self._number(self._entry, "instrument_1/detector_1/x_pixel_size")
        eleven = self._at(self._entry, LABELS)
        labelled = eleven is not None and eleven.shape == (len(PUBLISHED_CLASSES),)
        return self.shape == PUBLISHED_SHAPE and labelled and not np.isfinite(stated)

    read_slice = read_each

    def has_mask(self) -> bool:
        return self.mask(self._entry) is not None

    def mask(self, i: int) -> npt.NDArray[np.bool_] | None:
        found = self._at(i, f"{self.group}/mask")
        if found is None or found.shape != self.shape or found.dtype.kind not in "biu":
            return None
        if self._seen_mask is None:
            self._seen_mask = Mask(found[()])
        return self._seen_mask.good(found[()])

    # -- labels --------------------------------------------------------------------------------

    def class_names(self) -> tuple[str, ...]:
        for i in range(self.n_shots):
            found = self._at(i, LABELS)
            if found is not None:
                return self._names(found)
        return ()

    @staticmethod
    def _names(found: h5py.Dataset) -> tuple[str, ...]:
        """Names that the labels carry; the published ones where there are eleven without names."""
        carried = next((k for k in ("class_names", "headings") if k in found.attrs), None)
        names = texts(found.attrs[carried]) if carried else PUBLISHED_CLASSES
        whole = found.ndim == 1 and found.dtype.kind in "biuf" and found.size == len(names)
        return names if whole else ()

    def labels(self) -> FileLabels | None:
        names = self.class_names()
        if not names:
            return None
        labels = np.zeros((self.n_shots, len(names)), np.uint8)
        labelled = np.zeros(self.n_shots, bool)
        for i in range(self.n_shots):
            found = self._at(i, LABELS)
            if found is None:
                continue
            if found.shape != (len(names),):
                raise InputError(
                    f"holds {found.shape} labels where other shots have {len(names)}",
                    file=self.file.filename,
                    place=f"{self.entries[i]}/{LABELS}",
                    mend="Mend or remove the labels of that shot.",
                )
            labels[i], labelled[i] = np.asarray(found[()]) > 0, True
        return FileLabels(names, labels, labelled)

    # -- numbers -------------------------------------------------------------------------------

    def scalars(self) -> Scalars:
        energy = np.full(self.n_shots, np.nan)
        bunch = np.full(self.n_shots, np.nan)
        for i in range(self.n_shots):
            energy[i] = self._number(i, "instrument_1/source_1/energy") / JOULES_PER_EV
            values = [self._number(i, name) for name in IDENTIFIERS]
            bunch[i] = next((v for v in values if np.isfinite(v)), np.nan)
        found = {"photon_energy_ev": energy, "bunch_id": bunch}
        return {name: values for name, values in found.items() if np.isfinite(values).any()}

    def _number(self, i: int, name: str) -> float:
        found = self._at(i, name)
        value = None if found is None or found.size != 1 else number(found[()])
        return np.nan if value is None else value

    def geometry(self) -> Geometry:
        """As in the first entry. The wavelength differs from shot to shot: see `scalars`."""

        def first(name: str) -> float | None:
            value = self._number(self._entry, f"instrument_1/detector_1/{name}")
            return value if value > 0 else None

        distance, pixel = first("distance"), first("x_pixel_size")
        if self._is_published():
            return Geometry(distance_m=distance or PUBLISHED_DISTANCE_M, pixel_m=PUBLISHED_PIXEL_M)
        return Geometry(distance_m=distance, pixel_m=pixel)


class Groups(Entries):
    """One group a shot under any names that differ in a number."""

    name: ClassVar[str] = "groups"

    def __init__(
        self, file: h5py.File, dataset: str | None = None, shot_names: Sequence[str] | None = None
    ) -> None:
        if not (dataset and shot_names):
            dataset, shot_names = alike(survey(file)) or ("", ())
        super().__init__(file, dataset, shot_names)


def alike(inside: Iterable[Inside]) -> tuple[str, list[str]] | None:
    """(dataset, groups) where two or more numbered groups hold pictures of one name; else None.

    inside: what `survey` found.
    """
    found: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    for name, shape, _ in inside:
        steps = name.split("/")
        if len(shape) != 2 or min(shape) < SMALLEST_PICTURE or steps[-1] in NO_SHOTS:
            continue
        for k in range(len(steps) - 2, -1, -1):
            number = _NUMBERED.fullmatch(steps[k])
            if number:
                stem = steps[k][: number.start(1)]
                key = ("/".join(steps[:k]), stem, "/".join(steps[k + 1 :]))
                found.setdefault(key, []).append((int(number[1]), "/".join(steps[: k + 1])))
                break
    most = max(found, key=lambda key: len(found[key]), default=None)
    if most is None or len(found[most]) < 2:
        return None
    return most[2], [name for _, name in sorted(found[most])]
