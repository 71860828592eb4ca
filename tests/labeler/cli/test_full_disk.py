"""HDF5 files on a full disk: words and nothing half written, never the end of the process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.helpers.window_parts import make_project

WORKS = {
    "simulate": "simulate {out} --shots 8 --size 64",
    "export of shots": "export {week} --shots --rows 1-6 --out {out}",
    "export of labels": "export {week} --format hdf5 --out {out}",
}


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("work", WORKS)
def test_a_full_disk_is_said_and_leaves_nothing(small_disk, tmp_path, work):
    week = make_project(tmp_path / "place", 6)
    out = small_disk / ("out.cxi" if work == "export of shots" else "out.h5")
    rooms = (0, 4096) if work == "export of labels" else (0, 4096, (4 << 20) + 4096)
    for room in rooms:
        free = os.statvfs(small_disk)
        with (small_disk / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - room)
        words = WORKS[work].format(out=out, week=week).split()
        done = subprocess.run(
            [sys.executable, "-m", "labeler", *words], capture_output=True, text=True
        )
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr.strip().splitlines()[-1].startswith("airylabel: ")
        assert not out.exists()
        (small_disk / "filler").unlink()
        left = [p.name for p in small_disk.iterdir()]
        assert left in ([], [".out.h5.part"])  # where a simulation would go on
        for name in left:
            (small_disk / name).unlink()


FILLS = """
import os, sys
from pathlib import Path
import numpy as np
from model.errors import InputError
from model.output_files import explained, new_hdf5
from model.runs.prediction_file import PredictionFile

place = Path(sys.argv[1])

def fill():
    free = os.statvfs(place)
    with (place / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)

try:
    if sys.argv[2] == "predictions":
        out = PredictionFile(place / "p.h5", 4000, 11, 64, (7, 7), {"run": "0001"})
        out.write(np.arange(9), {"probabilities": np.ones((9, 11), np.float32)})
        fill()
        out.write(np.arange(4000), {"heatmaps": np.ones((4000, 11, 7, 7), np.float16)})
        out.finish()
    else:
        with explained(place / "x.h5"), new_hdf5(place / "x.h5") as file:
            for k in range(400):
                file.create_dataset(f"d{k}", data=np.random.rand(60, 60), chunks=(9, 60))
                if k == 40:
                    fill()
except InputError as error:
    print("said", error)
(place / "filler").unlink()
print(sorted(p.name for p in place.iterdir()))
"""


@pytest.mark.parametrize("kind", ["predictions", "chunks"])
def test_a_disk_that_fills_midway_is_said_and_ends_no_process(small_disk, kind):
    done = subprocess.run(
        [sys.executable, "-c", FILLS, small_disk, kind], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said, left = done.stdout.splitlines()
    assert said.startswith("said")
    assert "No space left" in said
    assert left == "[]"
