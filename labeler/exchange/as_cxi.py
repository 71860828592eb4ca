"""Labels as tags of a CXI file: a new file whose data are links to the files of shots.

CXI 1.6 has a home for labels: a detector's `tags` (tags x images) with attribute `headings`.
One entry for each file of shots. The files of shots themselves are never written.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from labeler.exchange.as_hdf5 import TEXT, read_shots
from labeler.exchange.sheet import LabelSheet, sheet_from
from model.errors import InputError
from model.hdf5 import open_file, texts
from model.layouts.cxi import PLANCK_TIMES_LIGHT, numbered
from model.shots import SourceInfo
from model.taxonomy import Taxonomy

CXI_VERSION = 160
DETECTOR = "instrument_1/detector_1"


def write(sheet: LabelSheet, path: Path) -> None:
    """One entry a source, each with links to its data, tags, `labelled`, `status` and notes."""
    with h5py.File(path, "w") as file:
        file["cxi_version"] = CXI_VERSION
        for number, info in enumerate(sheet.sources):
            entry = file.create_group(f"entry_{number + 1}")
            detector = entry.create_group(DETECTOR)
            _link_data(detector, info)
            _describe(entry, detector, info)
            _tag(detector, sheet, np.flatnonzero(sheet.source_of == number))
            entry["data_1/data"] = h5py.SoftLink(f"{detector.name}/data")
            detector.attrs["source"] = sheet.files[number]
            detector.attrs["dataset"] = sheet.datasets[number]


def _link_data(detector: h5py.Group, info: SourceInfo) -> None:
    """A link to the stack, or a virtual stack of one dataset a shot."""
    if info.shot_names is None:
        detector["data"] = h5py.ExternalLink(info.path.as_posix(), info.dataset)
        for group in (info.dataset.rpartition("/")[0], f"entry_1/{DETECTOR}"):
            if info.has_mask and info.path.is_file() and _is_there(info.path, f"{group}/mask"):
                detector["mask"] = h5py.ExternalLink(info.path.as_posix(), f"{group}/mask")
                break
        return
    stack = h5py.VirtualLayout((info.n_shots, *info.shape), np.dtype(info.dtype))
    for i, name in enumerate(info.shot_names):
        stack[i] = h5py.VirtualSource(
            info.path.as_posix(), f"{name}/{info.dataset}", shape=info.shape
        )
    detector.create_virtual_dataset("data", stack)


def _is_there(path: Path, name: str) -> bool:
    with open_file(path) as file:
        return file.get(name) is not None


def _describe(entry: h5py.Group, detector: h5py.Group, info: SourceInfo) -> None:
    geometry = info.geometry
    if geometry.distance_m:
        detector["distance"] = geometry.distance_m
    if geometry.pixel_m:
        detector["x_pixel_size"] = detector["y_pixel_size"] = geometry.pixel_m
    if geometry.wavelength_m:
        entry["instrument_1/source_1/energy"] = PLANCK_TIMES_LIGHT / geometry.wavelength_m


def _tag(detector: h5py.Group, sheet: LabelSheet, rows: np.ndarray) -> None:
    detector["tags"] = sheet.labels[rows].T.astype(np.int8)
    detector["tags"].attrs.create("headings", list(sheet.class_names), dtype=TEXT)
    detector["labelled"] = sheet.labelled[rows].astype(np.uint8)
    detector["status"] = sheet.status[rows]
    detector["imported"] = sheet.imported[rows].astype(np.uint8)
    notes = [sheet.notes.get(int(row), "") for row in rows]
    if any(notes):
        detector.create_dataset("notes", data=notes, dtype=TEXT)


def read(path: Path, taxonomy: Taxonomy) -> LabelSheet:
    """The sheet of an export, or the tags that a CXI file of shots carries."""
    with open_file(path) as file:
        detectors = [
            file[f"{entry}/{DETECTOR}"]
            for entry in numbered(file, "entry")
            if f"{entry}/{DETECTOR}/status" in file
        ]
        if not detectors:
            return read_shots(path, taxonomy)
        try:
            names = texts(detectors[0]["tags"].attrs["headings"])
            places: list[tuple[str, str, int]] = []
            notes: dict[int, str] = {}
            for d in detectors:
                if "notes" in d:
                    found = enumerate(texts(d["notes"][()]), len(places))
                    notes |= {row: note for row, note in found if note}
                pair = str(d.attrs["source"]), str(d.attrs["dataset"])
                places += [(*pair, i) for i in range(d["tags"].shape[1])]
            return sheet_from(
                path,
                taxonomy,
                names,
                np.concatenate([d["tags"][()].T for d in detectors]),
                np.concatenate([d["status"][()] for d in detectors]),
                places,
                np.concatenate([d["imported"][()] for d in detectors]) != 0,
                notes,
            )
        except (KeyError, ValueError, OSError) as error:
            what = f"is no whole export of labels ({error})"
            raise InputError(what, file=path, mend="Export it again.") from error
