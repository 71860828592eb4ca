"""Every form of file that is opened, made by its own writer, opened in a fresh reader child.

Measured there: from nothing to the first picture, with the import of the package that reads it, and
each next picture, not read ahead. Every picture is compared with what was written.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from model.errors import InputError
from model.shots.child import FileReader

Counts = npt.NDArray[np.generic]
Made = tuple[Path, str | None, Counts | None]
"""What to open, its dataset, and what all its pictures must be; None: as extra-data reads them."""
SIDE = 256
PATIENCE_S = 120.0
DETECTOR = "SPB_DET_AGIPD1M-1"


def measure(
    shots: int = 24, frames: int = 1000, files: int = 200, each: int = 500
) -> dict[str, Any]:
    """Numbers by name; `forms` has one entry a form, `left_out` those whose writer is missing."""
    found: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    counts = np.random.default_rng(1).integers(1, 999, (shots, SIDE, SIDE), np.int32)
    with tempfile.TemporaryDirectory() as place:
        for name, make in FORMS.items():
            home = Path(place) / name.replace(" ", "-").replace("/", "-")
            home.mkdir()
            try:
                with contextlib.closing(make(home, counts)) as made:
                    found.append({"form": name, **_opened(*next(made))})
            except ImportError as error:
                left_out[name] = f"{error.name} is not installed"
            except InputError as error:
                found.append({"form": name, "opened": False, "why": str(error)})
        large = _large(Path(place), frames, files, each)
    opened = [form for form in found if form["opened"]]
    return {
        "forms_opened": float(len(opened)),
        "forms_tried": float(len(found)),
        "first_cpu_ms_worst": max(form["first_cpu_ms"] for form in opened),
        "first_ms_worst": max(form["first_ms"] for form in opened),
        "next_cpu_ms_worst": max(form["next_cpu_ms"] for form in opened),
        "next_ms_worst": max(form["next_ms"] for form in opened),
        **large,
        "forms": found,
        "left_out": left_out,
    }


def _opened(path: Path, dataset: str | None, expected: Counts | None) -> dict[str, Any]:
    with FileReader(read_all) as ask:
        return dict(ask(path, dataset, expected))


def read_all(path: Path, dataset: str | None, expected: Counts | None) -> dict[str, Any]:
    """In the child: opened, all pictures read and compared."""
    from model.shots.sources import open_source

    begin, worked = time.perf_counter(), time.process_time()
    with open_source(path, dataset) as source:
        source.shot(0)
        first_ms = 1e3 * (time.perf_counter() - begin)
        first_cpu_ms = 1e3 * (time.process_time() - worked)
        n, times, right = source.info.n_shots, [], True
        worked = 0.0
        for i in range(n):
            start, at_work = time.perf_counter(), time.process_time()
            picture, mask = source.shot(i)
            worked += time.process_time() - at_work
            times.append(1e3 * (time.perf_counter() - start))
            if expected is not None:
                seen = np.ones(picture.shape, bool) if mask is None else mask
                right &= bool(
                    np.array_equal(picture[seen], expected[i].reshape(picture.shape)[seen])
                )
        if expected is not None:
            right &= n == len(expected)
        return {
            "opened": right, "layout": source.info.layout, "shots": n, "first_ms": first_ms,
            "first_cpu_ms": first_cpu_ms,
            "next_cpu_ms": 1e3 * worked / n,
            "next_ms": float(np.median(times[1:] or times)),
        }  # fmt: skip


def _large(place: Path, frames: int, files: int, each: int) -> dict[str, float]:
    made: dict[str, float] = {}
    with contextlib.suppress(ImportError):
        run = place / "large-run"
        _run(run, trains=-(-frames // 50), pulses=50)
        made["run_open_s"] = _seconds(run)["seconds"]
    folder = place / "large-folder"
    folder.mkdir()
    for k in range(files):
        with h5py.File(folder / f"r{k:04}.h5", "w") as file:
            file["data"] = np.full((each, 16, 16), k + 1, np.uint16)
    many = _seconds(folder)
    made |= {"files_open_s": many["seconds"], "memory_grown_mb": many["grown_mb"]}
    return made


def _seconds(path: Path) -> dict[str, float]:
    with FileReader(open_and_leaf) as ask:
        return dict(ask(path))


def open_and_leaf(path: Path) -> dict[str, float]:
    """In the child: seconds to the first picture, and what 1,000 more cost in memory."""
    import psutil

    from model.shots.sources import open_source

    begin = time.perf_counter()
    with open_source(path) as source:
        source.shot(0)
        seconds = time.perf_counter() - begin
        rows = np.linspace(0, source.info.n_shots - 1, 1100).astype(int)
        before = 0
        for k, row in enumerate(rows):
            if k == 100:
                before = psutil.Process().memory_info().rss
            source.shot(int(row))
        grown = psutil.Process().memory_info().rss - before
    return {"seconds": seconds, "grown_mb": grown / 1e6}


# -- the forms, each by its own writer -------------------------------------------------------------


def _pictures(
    suffix: str, write: Callable[[Path, Counts], object]
) -> Callable[..., Generator[Made]]:
    def make(home: Path, counts: Counts) -> Generator[Made]:
        for k, shot in enumerate(counts):
            write(home / f"img_{k + 1}{suffix}", shot)
        yield home, None, counts

    return make


def _write_tiff(path: Path, shot: Counts) -> None:
    import tifffile

    tifffile.imwrite(path, shot, compression="zlib")


def _write_edf(path: Path, shot: Counts) -> None:
    from fabio.edfimage import EdfImage

    EdfImage(data=shot).write(str(path))


def _write_cbf(path: Path, shot: Counts) -> None:
    from fabio.cbfimage import CbfImage

    CbfImage(data=shot).write(str(path))


def _write_png(path: Path, shot: Counts) -> None:
    from PIL import Image

    Image.fromarray(shot.astype(np.uint16)).save(path)


def _zarr(home: Path, counts: Counts) -> Generator[Made]:
    import zarr

    array = zarr.create_array(
        home / "run.zarr", shape=counts.shape, chunks=(4, *counts.shape[1:]), dtype=counts.dtype
    )
    array[...] = counts
    yield home / "run.zarr", None, counts


def _modules(home: Path, counts: Counts) -> Generator[Made]:
    stack = counts.reshape(len(counts), 4, SIDE // 4, SIDE)
    with h5py.File(home / "run.cxi", "w") as file:
        file["entry_1/data_1/data"] = stack
    yield home / "run.cxi", None, counts


def _eiger(home: Path, counts: Counts) -> Generator[Made]:
    with h5py.File(home / "run_master.h5", "w") as master:
        for k, part in enumerate(np.array_split(counts, 3)):
            with h5py.File(home / f"run_data_{k}.h5", "w") as file:
                file["entry/data/data"] = part
            link = h5py.ExternalLink(f"run_data_{k}.h5", "/entry/data/data")
            master[f"entry/data/data_{k + 1:06d}"] = link
    yield home / "run_master.h5", None, counts


def _nexus(home: Path, counts: Counts) -> Generator[Made]:
    with h5py.File(home / "run.nxs", "w") as file:
        file["entry/large/frames"], file["entry/small/frames"] = np.tile(counts, (2, 1, 1)), counts
        file.attrs["default"] = "entry"
        file["entry"].attrs["default"] = "small"
        file["entry/small"].attrs["signal"] = "frames"
    yield home / "run.nxs", None, counts


def _emc(home: Path, counts: Counts) -> Generator[Made]:
    """By the published layout; Dragonfly has no package to write it with."""
    photons = np.random.default_rng(2).poisson(0.1, counts.shape)
    flat = photons.reshape(len(photons), -1)
    ones, multi = ([np.flatnonzero(t) for t in test] for test in (flat == 1, flat > 1))
    with (home / "run.emc").open("wb") as stream:
        np.array(flat.shape, "<i4").tofile(stream)
        stream.seek(1024)
        for lengths in (ones, multi):
            np.array([len(one) for one in lengths], "<i4").tofile(stream)
        more = [s[m] for s, m in zip(flat, multi, strict=True)]
        for part in (*ones, *multi, *more):
            part.astype("<i4").tofile(stream)
    yield home / "run.emc", f"{SIDE}x{SIDE}", photons


def _run(folder: Path, trains: int, pulses: int) -> None:
    """16 modules of AGIPD, by extra-data's writer of examples."""
    from extra_data.tests.mockdata import write_file
    from extra_data.tests.mockdata.detectors import AGIPDModule

    folder.mkdir()
    for k in range(16):
        path = folder / f"CORR-R0001-AGIPD{k:02}-S00000.h5"
        module = AGIPDModule(f"{DETECTOR}/DET/{k}CH0", raw=False, frames_per_train=pulses)
        write_file(str(path), [module], ntrains=trains, chunksize=trains, format_version="1.0")
        with h5py.File(path, "r+") as file:
            data = file[f"INSTRUMENT/{DETECTOR}/DET/{k}CH0:xtdf/image/data"]
            n = min(len(data), 16)
            data[:n] = np.random.default_rng(k).integers(1, 99, (n, 512, 128))
            for row in range(n, len(data), 10):
                data[row] = k + 1


def _exdf(home: Path, counts: Counts) -> Generator[Made]:
    _run(home / "r0001", 2, 4)
    yield home / "r0001", None, np.moveaxis(_detector(home / "r0001")["image.data"].ndarray(), 0, 1)


def _virtual_cxi(home: Path, counts: Counts) -> Generator[Made]:
    _run(home / "r0001", 2, 4)
    detector = _detector(home / "r0001")
    detector.write_virtual_cxi(str(home / "run.cxi"))
    yield home / "run.cxi", None, np.moveaxis(detector["image.data"].ndarray(), 0, 1)


def _detector(run: Path) -> Any:
    from extra_data import RunDirectory
    from extra_data.components import AGIPD1M

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AGIPD1M(RunDirectory(str(run), parallelize=False))


def _tiled(home: Path, counts: Counts) -> Generator[Made]:
    import tiled.server  # noqa: F401 - its absence is said
    from tiled.client import from_uri

    from model.shots.layouts.formats.servers import allow_server
    from model.shots.layouts.formats.tiled_array import write_address

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, key = f"http://127.0.0.1:{port}", "measurement"
    program = "import sys; from tiled.commandline.main import main; sys.exit(main())"
    words = ["serve", "catalog", "--temp", "--api-key", key, "--port", str(port)]
    before = {name: os.environ.get(name) for name in ("TILED_API_KEY", "AIRYLABEL_CONFIG_DIR")}
    server = subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        end = time.monotonic() + PATIENCE_S
        while not _answers(port):
            if server.poll() is not None or time.monotonic() > end:
                raise InputError("Tiled's server did not start", mend="Try it by hand.")
            time.sleep(0.1)
        client = from_uri(address, api_key=key)
        url = client.write_array(counts, key="shots").uri
        client.context.http_client.close()
        os.environ |= {"TILED_API_KEY": key, "AIRYLABEL_CONFIG_DIR": str(home / "mine")}
        allow_server(address)
        yield write_address(url, home / "shots.tiled"), None, counts
    finally:
        server.terminate()
        server.wait()
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ |= {} if value is None else {name: value}


def _answers(port: int) -> bool:
    with socket.socket() as there:
        return there.connect_ex(("127.0.0.1", port)) == 0


FORMS: dict[str, Callable[[Path, Counts], Generator[Made]]] = {
    "TIFF": _pictures(".tif", _write_tiff),
    "EDF": _pictures(".edf", _write_edf),
    "CBF": _pictures(".cbf", _write_cbf),
    "NPY": _pictures(".npy", np.save),
    "PNG": _pictures(".png", _write_png),
    "Zarr": _zarr,
    "module stack": _modules,
    "Eiger master": _eiger,
    "NeXus signal": _nexus,
    "Dragonfly emc": _emc,
    "EXDF run": _exdf,
    "virtual CXI of a run": _virtual_cxi,
    "Tiled array": _tiled,
}
