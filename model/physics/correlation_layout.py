"""The empty file of maps, with all that its source says about every shot, and how such a file is
known again. It computes no map.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from model.bulk.filling import reserve
from model.errors import InputError
from model.output_files import new_hdf5
from model.physics.correlation import FULL_SCALE, MapRecipe
from model.shots.hdf5 import dataset_at, open_file
from model.shots.sources import Source, SourceInfo

OWN = ("maps", "readable", "mask", "images")
"""Names beside the shots that are not copied: ours, and the mask, which is one of pixels."""


def lay_out(source: Source, recipe: MapRecipe, part: Path) -> None:
    """Write the file with its maps still unwritten; anything at `part` is replaced."""
    info = source.info
    part.unlink(missing_ok=True)
    with new_hdf5(part, locking=False) as file:
        shape = (info.n_shots, recipe.radii, recipe.radii)
        file.attrs["airylabel_maps"] = recipe.order
        reserve(file, "maps", shape, "<u2")
        grid = recipe.grid(info.shape, info.geometry.centre)
        about = file["maps"].attrs
        about["order"], about["angles"], about["full_scale"] = recipe.order, grid.angles, FULL_SCALE
        about["r_max_source_pixels"], about["source_centre"] = grid.r_max, grid.centre
        about["source"], about["source_fingerprint"] = info.path.name, info.fingerprint
        about["axes"] = "shot, q_i, q_j; lower triangle: all orders, upper: the given order"
        file["readable"] = np.ones(info.n_shots, bool)
        _copy_beside(source, file)
        _copy_known(source, file)


def holds_maps(info: SourceInfo) -> bool:
    """Whether the shots of a source are maps that `correlate` wrote; not of one that is gone."""
    try:
        with open_file(info.path) as file:
            found = dataset_at(file, info.dataset)
            return found is not None and "source_fingerprint" in found.attrs
    except InputError:
        return False


def are_maps(sources: Sequence[SourceInfo]) -> bool:
    """Whether the shots of all sources are maps; InputError where only some are."""
    maps = [info for info in sources if holds_maps(info)]
    if maps and len(maps) < len(sources):
        what = "holds correlation maps, and others of these files hold patterns"
        raise InputError(what, file=maps[0].path, mend="Use files of one kind.")
    return bool(maps)


def _copy_beside(source: Source, file: h5py.File) -> None:
    """Datasets of one row per shot that lie beside a stack, as they are."""
    info = source.info
    if info.layout != "stack":
        return
    group = info.dataset.rpartition("/")[0]
    with open_file(info.path) as original:
        beside = original[group] if group else original
        for name in beside:
            found = dataset_at(original, f"{group}/{name}" if group else name)
            if found is None or name in OWN or f"{group}/{name}".strip("/") == info.dataset:
                continue
            if found.ndim in (1, 2) and found.shape[0] == info.n_shots:
                original.copy(found, file, name)


def _copy_known(source: Source, file: h5py.File) -> None:
    """Labels, numbers and names that the layout knows how to read."""
    labels = source.file_labels()
    if labels is not None:
        text = h5py.string_dtype()
        each = ("labels", labels.labels), ("labelled", labels.labelled), ("known", labels.known)
        for name, values in each:
            if name not in file and values is not None:
                file[name] = values
        file["labels"].attrs.create("class_names", list(labels.names), dtype=text)
    known = {n for d in file.values() for n in (d.dtype.names or ())} | set(file)
    known = {name.lower() for name in known}
    for name, numbers in source.scalars().items():
        if name not in known and len(numbers) == source.info.n_shots:
            file[name] = numbers
    if source.info.shot_names:
        names = list(source.info.shot_names)
        file.create_dataset("shot_name", data=names, dtype=h5py.string_dtype())
