"""Detector modules put where they stood, by extra-geom: a CrystFEL `.geom` file, or a built-in one.

Behind a dataset's name: `NAME?geometry=agipd.geom`, or `NAME?geometry=built-in`. Without, modules
are stacked one above the other as given.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from model.errors import InputError, install
from model.shots.hdf5 import number
from model.shots.layouts.base import (
    EV_METRES,
    Counts,
    FileLabels,
    Geometry,
    Layout,
    Scalars,
    read_each,
)

BUILT_IN = "built-in"
BY_SHAPE = {
    (16, 512, 128): "AGIPD_1MGeometry",
    (8, 512, 128): "AGIPD_500K2GGeometry",
    (16, 128, 512): "DSSC_1MGeometry",
    (16, 256, 256): "LPD_1MGeometry",
}
JUNGFRAU = (512, 1024)


def options_of(
    dataset: str | None, allowed: Sequence[str], path: Path
) -> tuple[str | None, dict[str, str]]:
    """(name, options) of NAME?option=value&option=value; InputError for an unknown option."""
    name, _, behind = (dataset or "").partition("?")
    found = dict(pair.partition("=")[::2] for pair in behind.split("&") if pair)
    for option in found:
        if option not in allowed:
            mend = f"There are: {', '.join(allowed)}."
            what = f"{option!r} is no option of a dataset"
            raise InputError(what, file=path, place=dataset or "", mend=mend)
    return name or None, found


def with_options(name: str, options: dict[str, str]) -> str:
    """The inverse of `options_of`."""
    behind = "&".join(f"{option}={value}" for option, value in options.items())
    return f"{name}?{behind}" if behind else name


class Assembly:
    """Modules (m, slow, fast) -> a picture (y, x), by a geometry that fits their shape."""

    def __init__(self, given: str, modules: tuple[int, int, int], source: Path) -> None:
        home = source if source.is_dir() else source.parent
        self.file = None if given == BUILT_IN else (home / given).absolute()
        self.modules = modules
        self._geometry = self._load(source)
        out, centre = self._geometry.position_modules(np.ones(modules, np.float32))
        self.covered: npt.NDArray[np.bool_] = np.isfinite(out) & (out != 0)
        """(y, x) True where there is a pixel."""
        self.shape = (int(out.shape[0]), int(out.shape[1]))
        self._centre = (float(centre[0]), float(centre[1]))

    @property
    def given(self) -> str:
        """As it is written behind a dataset's name."""
        return BUILT_IN if self.file is None else str(self.file)

    def _load(self, source: Path) -> Any:
        try:
            import extra_geom
        except ImportError as error:
            mend = install("EXtra-geom")
            raise InputError("a geometry needs extra-geom", file=source, mend=mend) from error
        kind = "JUNGFRAUGeometry" if self.modules[1:] == JUNGFRAU else BY_SHAPE.get(self.modules)
        n, slow, fast = self.modules
        if kind is None:
            what = f"there is no geometry for {n} modules of {slow} × {fast} pixels"
            raise InputError(what, file=source, mend="Leave out ?geometry=….")
        maker = getattr(extra_geom, kind)
        if self.file is None:
            found = maker.example()
        elif not self.file.is_file():
            mend = "Name a CrystFEL .geom file."
            raise InputError("there is no such geometry file", file=self.file, mend=mend)
        else:
            try:
                found = maker.from_crystfel_geom(str(self.file))
            except Exception as error:  # whatever the parser meets in a file of another detector
                what = f"is no geometry of {n} modules of {slow} × {fast} pixels"
                mend = "Name the .geom file of this detector."
                raise InputError(what, file=self.file, mend=mend) from error
        if tuple(found.expected_data_shape) != self.modules:
            m, y, x = found.expected_data_shape
            what = f"is of {m} modules of {y} × {x} pixels; the shots have {n} of {slow} × {fast}"
            mend = "Name the .geom file of this detector."
            raise InputError(what, file=self.file or source, mend=mend)
        return found

    def picture(self, modules: Counts) -> Counts:
        """(m, slow, fast) -> (y, x); zero where there is no pixel."""
        out = np.zeros(self.shape, modules.dtype)
        self._geometry.position_modules(modules, out=out)
        return out

    def good(self, modules: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_]:
        """The same of a mask; False where there is no pixel."""
        return self.covered if modules is None else self.covered & (self.picture(modules) != 0)

    def geometry(self) -> Geometry:
        """What the geometry says of detector and beam."""
        stated = getattr(self._geometry, "metadata", None) or {}
        stated = stated.get("crystfel", {}) if self.file is not None else {}
        energy, distance = number(stated.get("photon_energy")), number(stated.get("clen"))
        wavelength = EV_METRES / energy if energy else None
        pixel = float(self._geometry.pixel_size)
        return Geometry(wavelength, distance or None, pixel, self._centre)

    def note(self) -> str:
        """What a person should know."""
        if self.file is not None:
            return f"modules lie as in {self.file.name}"
        return "modules lie as in extra-geom's example, not as in this experiment"


class Assembled:
    """A layout of module stacks, its modules put where they stood."""

    name: ClassVar[str] = "assembled"
    has_markers: bool

    def __init__(
        self, stack: Layout, modules: tuple[int, int, int], given: str, path: Path
    ) -> None:
        self._stack, self._modules = stack, modules
        self._assembly = Assembly(given, modules, path)
        self.dataset = with_options(stack.dataset, {"geometry": self._assembly.given})
        self.n_shots, self.dtype, self.shape = stack.n_shots, stack.dtype, self._assembly.shape
        self.shot_names: tuple[str, ...] | None = None
        self.has_markers = stack.has_markers

    def read(self, i: int) -> Counts:
        return self._assembly.picture(self._stack.read(i).reshape(self._modules))

    read_slice = read_each

    def has_mask(self) -> bool:
        return True

    def mask(self, i: int) -> npt.NDArray[np.bool_] | None:
        good = self._stack.mask(i)
        return self._assembly.good(None if good is None else good.reshape(self._modules))

    def class_names(self) -> tuple[str, ...]:
        return self._stack.class_names()

    def labels(self) -> FileLabels | None:
        return self._stack.labels()

    def trouble(self, i: int) -> str:
        return self._stack.trouble(i)

    def is_unwritten(self, i: int) -> bool:
        return self._stack.is_unwritten(i)

    def parts(self) -> tuple[Path, ...]:
        file = self._assembly.file
        return (*self._stack.parts(), *([] if file is None else [file]))

    def notes(self) -> tuple[str, ...]:
        others = (note for note in self._stack.notes() if "modules" not in note)
        return (f"{self._modules[0]} detector modules", self._assembly.note(), *others)

    def scalars(self) -> Scalars:
        return self._stack.scalars()

    def geometry(self) -> Geometry:
        return self._assembly.geometry()
