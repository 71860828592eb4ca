"""Recorded runs of European XFEL (EXDF, raw or corrected): a run folder or one file, by extra-data.

As `dataset` the name of a detector (`SPB_DET_AGIPD1M-1`), or of a camera and its key
(`SPB_IRU_CAM/CAM/SIDEMIC:daqOutput data.image.pixels`); behind a ?, `geometry=FILE.geom` or
`geometry=built-in`, and `pulses=0:64:2` of every train. A module that has not recorded a pulse is
masked there. Numbers per shot: ids of train, pulse and cell, and what the gas monitors (XGM) kept.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots.layouts.base import Counts, Geometry, Scalars
from model.shots.layouts.formats.base import Foreign, as_os_error, optional, spread
from model.shots.layouts.geometry import Assembly, options_of, with_options

FILE = re.compile(r"[A-Z]+-R\d+-.+-S\d+\.h5")
MOST_NAMED = 10
SMALLEST_PICTURE = 16
OF_GAS_MONITORS = {
    "photon_flux": "pulseEnergy.photonFlux.value",
    "wavelength": "pulseEnergy.wavelengthUsed.value",
}
"""Mean pulse energy of a train (µJ) and the wavelength it was computed for (nm)."""


@cache
def _unlocked() -> Any:
    """extra-data's access to a file, without a lock on it."""
    from extra_data.file_access import FileAccess

    class Unlocked(FileAccess):
        _file: h5py.File | None = None

        @property
        def file(self) -> h5py.File:
            if self._file is None:
                self._file = h5py.File(self.filename, "r", locking=False)
            return super().file

    return Unlocked


@dataclass(frozen=True)
class _Module:
    """Where one module's shots lie: shot i in row `row[i]` of chunk `chunk[i]`, -1 for nowhere."""

    chunks: list[Any]
    chunk: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]


class Exdf(Foreign):
    """The layout of recorded runs of European XFEL."""

    name: ClassVar[str] = "exdf"

    @classmethod
    def fits(cls, path: Path) -> bool:
        return path.is_dir() and any(FILE.fullmatch(p.name) for p in path.iterdir())

    @classmethod
    def fits_hdf5(cls, file: h5py.File) -> bool:
        return "METADATA" in file and "INDEX/trainId" in file

    def __init__(
        self, path: Path, dataset: str | None = None, shot_names: Sequence[str] | None = None
    ) -> None:
        with optional(path, "runs of European XFEL", "EXtra-data"):
            import extra_data  # noqa: F401 - looked for here, used below
        self.path = path
        name, self._options = options_of(dataset, ("geometry", "pulses"), path)
        self._notes: list[str] = []
        self._run = self._collected()
        try:
            with warnings.catch_warnings(), as_os_error(path):
                warnings.simplefilter("ignore")  # raw data are as good as corrected ones here
                self._find(name)
        except BaseException:
            self.close()
            raise

    def _collected(self) -> Any:
        """All files that can be opened; nothing is written beside them."""
        from extra_data.reader import DataCollection

        files = [self.path]
        if self.path.is_dir():
            files = sorted(p for p in self.path.iterdir() if FILE.fullmatch(p.name))
        found, refused = [], {}
        for file in files:
            try:
                with as_os_error(file):
                    found.append(_unlocked()(str(file)))
            except OSError as error:
                refused[file] = error
        if not found:
            file, why = next(iter(refused.items()))
            mend = "Is it still being written? Wait, or copy it again from its origin."
            raise InputError(f"cannot be opened ({why})", file=file, mend=mend) from why
        self._refused = len(refused)
        if refused:
            names = ", ".join(f.name for f in list(refused)[:3])
            self._notes.append(f"{len(refused)} files cannot be opened, and are left out: {names}")
        return DataCollection(found, ctx_closes=True, is_single_run=True)

    def _find(self, name: str | None) -> None:
        from extra_data.components import identify_multimod_detectors

        detectors = dict(identify_multimod_detectors(self._run))
        cameras = [] if detectors and name is None else list(self._cameras())
        have = [*sorted(detectors), *cameras]
        if name is None:
            if len(have) > 1:
                what = f"has several detectors: {', '.join(have[:MOST_NAMED])}"
                mend = f"Name one: --dataset '{have[0]}'."
                raise InputError(what, file=self.path, mend=mend)
            if not have:
                mend = "Choose a run of a detector or camera."
                raise InputError("has no pictures in it", file=self.path, mend=mend)
            name = have[0]
        if name in detectors:
            self._of_detector(name, detectors[name])
        elif name in cameras:
            self._of_camera(*name.split(" "))
        else:
            mend = f"There are: {', '.join(have[:MOST_NAMED]) or 'none'}."
            raise InputError("no such detector in this run", file=self.path, place=name, mend=mend)
        self.dataset = with_options(name, self._options)
        if not self.n_shots:
            mend = "Choose another run, or other pulses."
            raise InputError("holds no shots", file=self.path, place=self.dataset, mend=mend)

    def _cameras(self) -> Any:
        """Sources and keys whose entries are pictures."""
        for source in sorted(self._run.instrument_sources):
            for key in sorted(self._run[source].keys()):
                data = self._run[source, key]
                shape = data.entry_shape
                if len(shape) == 2 and min(shape) >= SMALLEST_PICTURE and data.dtype.kind in "iuf":
                    yield f"{source} {key}"

    def _of_detector(self, name: str, kind: Any) -> None:
        try:
            detector = kind(self._run, detector_name=name)
            if len(detector.source_to_modno) == 1 and hasattr(detector, "cell_ids"):
                (only,) = (
                    detector.modno_to_source
                )  # JUNGFRAU's modules are counted in an instrument
                detector = kind(self._run, detector_name=name, first_modno=only)
        except Exception as error:  # extra-data's own words for trains that do not fit
            mend = "Was the run recorded completely? Choose another one."
            raise InputError(str(error), file=self.path, place=name, mend=mend) from error
        key = detector._main_data_key
        one = detector.data[detector.modno_to_source[min(detector.modno_to_source)], key]
        entry = one.entry_shape
        trains, frames = (np.asarray(v) for v in (detector.train_ids, detector.frame_counts))
        self._cells = int(detector._frames_per_entry)
        """Frames in one row of a file."""
        self._inner: tuple[int, ...] = ()
        if self._cells == 1 and len(entry) == 3:
            self._inner = (0,)  # raw: counts, then gain
            self._notes.append("raw data, as recorded")
        first = int(detector._modnos_start_at)
        self._select(trains, frames.astype(np.int64))
        modules = {no - first: detector.data[s, key] for no, s in detector.modno_to_source.items()}
        self._modules = {no: self._lies(data) for no, data in sorted(modules.items())}
        self._masks: dict[int, _Module] = {}
        for no, source in detector.modno_to_source.items():
            if detector._mask_data_key in detector.data[source]:
                self._masks[no - first] = self._lies(detector.data[source, detector._mask_data_key])
        n = int(detector.n_modules) if self.path.is_dir() else len(modules)
        if not self.path.is_dir():  # the modules of this file alone
            self._modules = dict(enumerate(self._modules.values()))
            self._masks = dict(enumerate(self._masks.values()))
        self._stack = (n, int(entry[-2]), int(entry[-1]))
        self.dtype = one.dtype
        self._files = [Path(f.filename) for f in detector.data.files]
        if not self.path.is_dir():
            self._notes.append(f"module {', '.join(map(str, modules))} alone")
        elif len(modules) < n:
            missing = ", ".join(str(k) for k in range(n) if k not in modules)
            self._notes.append(f"module {missing} is missing: its pixels are masked")
        if (frames == 0).any():
            self._notes.append(f"{int((frames == 0).sum()):,} trains without pulses")
        self._assemble()
        self._ids = self._ids_of(detector)

    def _of_camera(self, source: str, key: str) -> None:
        data = self._run[source, key]
        counts = data.data_counts(labelled=False)
        self._cells, self._inner, self._ids = 1, (), {}
        self._select(np.asarray(self._run.train_ids), np.asarray(counts, np.int64))
        self._modules, self._masks = {0: self._lies(data)}, {}
        self._stack = (1, int(data.entry_shape[0]), int(data.entry_shape[1]))
        self.dtype = data.dtype
        self._files = [Path(f.filename) for f in data.files]
        self._assemble()

    def _select(self, trains: npt.NDArray[Any], rows: npt.NDArray[np.int64]) -> None:
        """Every shot's train, row in its train, and frame in that row; only the pulses wanted."""
        wanted = self._pulses()
        frames = rows * self._cells
        pulse = np.concatenate([np.arange(n) for n in frames] or [np.zeros(0, np.int64)])
        train = np.repeat(trains, frames)
        every = np.arange(int(frames.max()) if len(frames) else 0)[wanted]
        self._chosen = np.isin(pulse, every)
        self.train, self._pulse = train[self._chosen].astype(np.int64), pulse[self._chosen]
        self.n_shots = int(self._chosen.sum())

    def _pulses(self) -> slice:
        given = self._options.get("pulses", "")
        parts = given.split(":")
        if given and (len(parts) > 3 or not all(p == "" or p.isdecimal() for p in parts)):
            mend = "Write first, last and step within a train as in: pulses=0:64:2."
            raise InputError(f"pulses={given} is no range", file=self.path, mend=mend)
        numbers = [int(p) if p else None for p in parts]
        if len(numbers) == 1 and numbers[0] is not None:
            return slice(numbers[0], numbers[0] + 1)
        if len(numbers) == 3 and numbers[2] == 0:
            numbers[2] = 1
        return slice(*numbers)

    def _lies(self, data: Any) -> _Module:
        chunk, row = np.full((2, self.n_shots), -1, np.int64)
        within = self._pulse // self._cells
        chunks = [c for c in data._data_chunks if c.total_count]
        for number, part in enumerate(chunks):
            counts = np.asarray(part.counts, np.int64)
            starts = int(part.first) + np.concatenate([[0], np.cumsum(counts)[:-1]])
            at = np.searchsorted(part.train_ids, self.train)
            at = np.minimum(at, len(part.train_ids) - 1)
            mine = (np.asarray(part.train_ids)[at] == self.train) & (within < counts[at])
            chunk[mine], row[mine] = number, (starts[at] + within)[mine]
        return _Module(chunks, chunk, row)

    def _assemble(self) -> None:
        self._assembly: Assembly | None = None
        self.shape = (self._stack[0] * self._stack[1], self._stack[2])
        given = self._options.get("geometry")
        if given:
            self._assembly = Assembly(given, self._stack, self.path)
            self._options["geometry"] = self._assembly.given
            self.shape = self._assembly.shape
            self._notes.append(self._assembly.note())
        elif self._stack[0] > 1:
            self._notes.append(f"{self._stack[0]} detector modules, one above the other")

    def _ids_of(self, detector: Any) -> Scalars:
        """Pulse and cell ids of the shots, where the detector records them."""
        if "image.data" not in detector:
            return {"cell": self._pulse.astype(np.float64)} if self._cells > 1 else {}
        data = detector["image.data"]
        ids = {"pulse_id": data.pulse_id_coordinates(), "cell_id": data.cell_id_coordinates()}
        fits = {name: of for name, of in ids.items() if len(of) == len(self._chosen)}
        return {name: of[self._chosen].astype(np.float64) for name, of in fits.items()}

    def _entry(self, module: _Module, i: int) -> Counts | None:
        """(slow, fast) of one module; None where it has not recorded the shot."""
        if module.chunk[i] < 0:
            return None
        data = module.chunks[module.chunk[i]].dataset
        inner = (int(self._pulse[i]) % self._cells,) if self._cells > 1 else self._inner
        inner = inner[: data.ndim - 3]
        return np.asarray(data[(int(module.row[i]), *inner)])

    def recorded_until(self, waited: bool = False) -> int:
        """The last train before the first that a module, or a file, has not recorded yet.

        Who `waited` long enough takes the last of all. -1 where there is none.
        """
        if waited or not len(self.train):
            return int(self.train.max(initial=-1))
        parts = [m.chunk >= 0 for m in self._modules.values()]
        whole = np.all(parts, 0) & (not self._refused) & (len(parts) == self._stack[0])
        lacking = np.flatnonzero(~whole)
        if not len(lacking):
            return int(self.train.max())
        return int(self.train[self.train < self.train[lacking[0]]].max(initial=-1))

    def read(self, i: int) -> Counts:
        whole = np.zeros(self._stack, self.dtype)
        with as_os_error(self.path):
            for no, module in self._modules.items():
                entry = self._entry(module, i)
                if entry is not None:
                    whole[no] = entry
        return self._picture(whole)

    def _picture(self, whole: Counts) -> Counts:
        if self._assembly is None:
            return whole.reshape(self.shape)
        return self._assembly.picture(whole)

    def trouble(self, i: int) -> str:
        recorded = any(module.chunk[i] >= 0 for module in self._modules.values())
        return "" if recorded else "no module has recorded it"

    def has_mask(self) -> bool:
        return bool(self._masks) or self._assembly is not None or not self._is_whole()

    def _is_whole(self) -> bool:
        return len(self._modules) == self._stack[0] and all(
            (m.chunk >= 0).all() for m in self._modules.values()
        )

    def mask(self, i: int) -> npt.NDArray[np.bool_] | None:
        if not self.has_mask():
            return None
        good = np.zeros(self._stack, bool)
        for no, module in self._modules.items():
            if module.chunk[i] >= 0:
                bits = self._entry(self._masks[no], i) if no in self._masks else None
                good[no] = True if bits is None else bits == 0
        return good.reshape(self.shape) if self._assembly is None else self._assembly.good(good)

    def scalars(self) -> Scalars:
        with as_os_error(self.path):
            return {"train_id": self.train.astype(np.float64), **self._ids, **self._beam()}

    def _beam(self) -> Scalars:
        """What each gas monitor kept of the train of every shot; NaN where it kept nothing."""
        found: Scalars = {}
        for source in sorted(s for s in self._run.control_sources if "XGM" in s):
            for name, key in OF_GAS_MONITORS.items():
                if key not in self._run[source]:
                    continue
                data = self._run[source, key]
                trains, values = data.train_id_coordinates(), data.ndarray()
                at = np.minimum(np.searchsorted(trains, self.train), max(len(trains) - 1, 0))
                if len(trains):
                    of_train = np.where(trains[at] == self.train, values[at], np.nan)
                    monitor = source.partition("/")[0].lower()
                    found[f"{monitor}.{name}"] = of_train.astype(np.float64)
        return found

    def geometry(self) -> Geometry:
        return Geometry() if self._assembly is None else self._assembly.geometry()

    def parts(self) -> tuple[Path, ...]:
        files = [f for f in dict.fromkeys(self._files) if f != self.path]
        geometry = None if self._assembly is None else self._assembly.file
        return (*spread(files), *([] if geometry is None else [geometry]))

    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    def close(self) -> None:
        for file in self._run.files:
            file.close()
