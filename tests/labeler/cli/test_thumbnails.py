"""Thumbnails made ahead, by processes or Dask, are those that the window would make."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from labeler.cli import main
from labeler.project.project import Project
from labeler.shots.thumbnail_cache import Thumbnails
from model.shots.thumbnail import thumbnail


@pytest.fixture
def project(tmp_path):
    path, folder = tmp_path / "shots.h5", tmp_path / "week"
    with h5py.File(path, "w") as file:
        file["images"] = np.random.default_rng(0).poisson(9, (70, 64, 64)).astype(np.uint16)
    with Project.create(folder, [path]):
        return folder


@pytest.mark.parametrize("scheduler", [[], ["--scheduler", "local"]])
def test_all_thumbnails_are_made_and_only_once(project, capsys, scheduler):
    words = ["thumbnails", str(project), "--workers", "1", "--json", *scheduler]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["made"] == 70
    with Project.open(project) as opened:
        table = opened.shot_table()
    kept = Thumbnails(project / "thumbnails", table.sources)
    for row, counts, mask in table.iter_shots([0, 33, 69]):
        np.testing.assert_array_equal(kept.get(0, row), thumbnail(counts, mask))
    kept.close()
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["made"] == 0
