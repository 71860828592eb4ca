"""Labels as tags of a CXI file: a new file whose data are links to the files of shots.

CXI 1.6 has a home for labels: a detector's `tags` (tags x images) with attribute `headings`. The
viewer Owl shows and edits them: it finds stacks by their attribute `axes`, wants a colour for each
tag, and grows the dataset where one is added. One entry for each file of shots; these themselves
are never written.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from labeler import version
from labeler.exchange.as_hdf5 import TEXT, checked, decided_by, read_shots
from labeler.exchange.sheet import LabelSheet
from labeler.project.store import LABELLED
from model.errors import InputError
from model.output_files import new_hdf5
from model.shots.hdf5 import open_file, texts
from model.shots.layouts.base import PLANCK_TIMES_LIGHT
from model.shots.layouts.cxi import numbered
from model.shots.table import SourceInfo

CXI_VERSION = 160
DETECTOR = "instrument_1/detector_1"
STACK_AXES = "experiment_identifier:y:x"
LINKABLE = ("stack", "cxi", "cxidb94", "groups")
TAG_AXES = "tag:experiment_identifier"
COLOURS = np.array(
    [
        [230, 159, 0],
        [86, 180, 233],
        [0, 158, 115],
        [240, 228, 66],
        [0, 114, 178],
        [213, 94, 0],
        [204, 121, 167],
        [153, 153, 153],
    ],
    np.uint8,
)
"""Okabe and Ito's colours, for viewers that mark tags by colour."""
_CHUNK = 10_000


def write(sheet: LabelSheet, path: Path) -> None:
    """One entry a source, each with links to its data, tags, `labelled`, `status` and notes."""
    with new_hdf5(path) as file:
        file["cxi_version"] = CXI_VERSION
        file.attrs["airylabel_version"] = version()
        file.attrs["annotator"] = sheet.annotator
        for number, info in enumerate(sheet.sources):
            entry = file.create_group(f"entry_{number + 1}")
            detector = entry.create_group(DETECTOR)
            _link_data(detector, info)
            describe(entry, detector, info)
            rows = np.flatnonzero(sheet.source_of == number)
            _tag(detector, sheet, rows)
            if "data" in detector:
                entry["data_1/data"] = h5py.SoftLink(f"{detector.name}/data")
            detector.attrs["source"] = sheet.files[number]
            detector.attrs["dataset"] = sheet.datasets[number]
            detector.attrs["fingerprint"] = info.fingerprint


def _link_data(detector: h5py.Group, info: SourceInfo) -> None:
    """A virtual stack over the file's dataset, or over one dataset a shot.

    None where the shots lie otherwise: labels find them by file and index all the same.
    """
    if not is_linkable(info):
        return
    stack = h5py.VirtualLayout((info.n_shots, *info.shape), np.dtype(info.dtype))
    place = linked_name(info.path)
    if info.shot_names is None:
        stack[...] = h5py.VirtualSource(place, info.dataset, shape=stack.shape)
        for group in (info.dataset.rpartition("/")[0], f"entry_1/{DETECTOR}"):
            if is_bits(info) and info.path.is_file() and _is_there(info.path, f"{group}/mask"):
                detector["mask"] = h5py.ExternalLink(info.path.as_posix(), f"{group}/mask")
                break
    else:
        for i, name in enumerate(info.shot_names):
            stack[i] = h5py.VirtualSource(place, f"{name}/{info.dataset}", shape=info.shape)
    mark_stack(detector.create_virtual_dataset("data", stack))


def is_linkable(info: SourceInfo) -> bool:
    """Whether a virtual dataset can show the shots as they lie: no modules, one file."""
    modules = any("modules" in note for note in info.notes)
    return info.layout in LINKABLE and not set(":?") & set(info.dataset) and not modules


def is_bits(info: SourceInfo) -> bool:
    """Whether its mask is a field of bits as CXI has it, and not one where 1 is good."""
    return info.has_mask and not any(note.startswith("mask: 1") for note in info.notes)


def linked_name(path: Path) -> str:
    """A file's name in a virtual dataset, where HDF5 takes % for a pattern."""
    return path.as_posix().replace("%", "%%")


def mark_stack(data: h5py.Dataset) -> None:
    """Say which axis counts the shots."""
    data.attrs.create("axes", [STACK_AXES], dtype=TEXT)


def _is_there(path: Path, name: str) -> bool:
    with open_file(path) as file:
        return file.get(name) is not None


def describe(entry: h5py.Group, detector: h5py.Group, info: SourceInfo) -> None:
    """What is known of detector and beam."""
    geometry = info.geometry
    if geometry.distance_m:
        detector["distance"] = geometry.distance_m
    if geometry.pixel_m:
        detector["x_pixel_size"] = detector["y_pixel_size"] = geometry.pixel_m
    if geometry.centre:
        detector["image_center"] = [geometry.centre[1], geometry.centre[0], 0.0]
    if geometry.wavelength_m:
        entry["instrument_1/source_1/energy"] = PLANCK_TIMES_LIGHT / geometry.wavelength_m


def write_tags(detector: h5py.Group, names: tuple[str, ...], labels: np.ndarray) -> None:
    """`tags` (tags x images) of labels (images, tags), as CXI and Owl have them."""
    n = max(1, min(len(labels), _CHUNK))
    tags = detector.create_dataset(
        "tags", data=labels.T.astype(np.int8), maxshape=(None, None), chunks=(1, n)
    )
    tags.attrs.create("headings", list(names), dtype=TEXT)
    tags.attrs.create("axes", [TAG_AXES], dtype=TEXT)
    tags.attrs["colors"] = COLOURS[np.arange(len(names)) % len(COLOURS)]


def _tag(detector: h5py.Group, sheet: LabelSheet, rows: np.ndarray) -> None:
    write_tags(detector, sheet.class_names, sheet.labels[rows])
    detector["labelled"] = sheet.labelled[rows].astype(np.uint8)
    if sheet.known is not None:
        detector["known"] = sheet.known[rows].astype(np.uint8)
    detector["status"] = sheet.status[rows]
    detector["imported"] = sheet.imported[rows].astype(np.uint8)
    origins = [sheet.origins[row] for row in rows]
    detector.create_dataset("origin", data=origins, dtype=TEXT)
    notes = [sheet.notes.get(int(row), "") for row in rows]
    if any(notes):
        detector.create_dataset("notes", data=notes, dtype=TEXT)


def read(path: Path) -> LabelSheet:
    """The sheet of an export, perhaps edited in Owl, or the tags that a CXI file of shots carries.

    A shot that got a tag since it was exported is a labelled one.
    """
    with open_file(path) as file:
        detectors = [
            file[f"{entry}/{DETECTOR}"]
            for entry in numbered(file, "entry")
            if f"{entry}/{DETECTOR}/status" in file
        ]
        if not detectors:
            return read_shots(path)
        try:
            return checked(path, _sheet(detectors))
        except (KeyError, ValueError, OSError, TypeError, IndexError) as error:
            what = f"is no whole export of labels ({error})"
            raise InputError(what, file=path, mend="Export it again.") from error


def _sheet(detectors: list[h5py.Group]) -> LabelSheet:
    names = tuple(dict.fromkeys(n for d in detectors for n in texts(d["tags"].attrs["headings"])))
    column = {name: c for c, name in enumerate(names)}
    counts = [d["tags"].shape[1] for d in detectors]
    labels = np.zeros((sum(counts), len(names)), np.uint8)
    known, notes = np.ones(labels.shape, bool), dict[int, str]()
    starts = np.cumsum([0, *counts])
    for d, start, stop in zip(detectors, starts[:-1], starts[1:], strict=True):
        own = [column[n] for n in texts(d["tags"].attrs["headings"])]
        labels[start:stop, own] = d["tags"][()].T > 0
        if "known" in d:  # a tag that was given since is decided
            known[start:stop, own[: d["known"].shape[1]]] = d["known"][()] != 0
            known[start:stop] |= labels[start:stop] > 0
        if "notes" in d:
            notes |= {row: note for row, note in enumerate(texts(d["notes"][()]), start) if note}
    status = np.concatenate([d["status"][()] for d in detectors]).astype(np.uint8)
    status[labels.any(1)] |= LABELLED
    imported = np.concatenate([d["imported"][()] for d in detectors]) != 0
    return LabelSheet(
        class_names=names,
        files=tuple(str(d.attrs["source"]) for d in detectors),
        datasets=tuple(str(d.attrs["dataset"]) for d in detectors),
        source_of=np.repeat(np.arange(len(detectors), dtype=np.int32), counts),
        index_of=np.concatenate([np.arange(n, dtype=np.int64) for n in counts]),
        labels=labels,
        status=status,
        imported=imported,
        notes=notes,
        by=decided_by(detectors[0].file, status, imported),
        known=None if known.all() else known,
        fingerprints=tuple(str(d.attrs.get("fingerprint", "")) for d in detectors),
    )
