"""What a watch takes from the labelled shots of a project."""

from __future__ import annotations

import numpy as np
import pytest

from labeler.project import classes
from labeler.project.live_shots import known_from
from labeler.project.project import Project
from model.taxonomy.toml import load, shipped
from tests.helpers.window_parts import make_project


@pytest.mark.parametrize("name", ["Empty", "No droplet"])
def test_the_hit_finder_is_fitted_whatever_the_project_calls_empty_shots(tmp_path, name):
    helium = load(shipped())
    labels = np.zeros((40, len(helium)), np.uint8)
    labels[::2, helium.index("Empty")] = labels[1::2, helium.index("Prolate")] = 1
    with Project.open(make_project(tmp_path, 40, labels)) as project:
        if name != "Empty":
            classes.rename(project, "Empty", name)
        assert name in project.taxonomy.names
        assert known_from(project.shot_table(), 0.1).finder.is_fitted
