"""A project of a released version opens, keeps its labels and undo, and can be read alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labeler.project.project import Project
from labeler.project.store.records import LABELLED, SKIPPED
from tests.golden.read_labels import labels, replayed

GOLDEN = sorted(p for p in Path(__file__).parent.glob("v*") if p.is_dir())
LABELS = [
    ("Ada", 1, {"Spherical/Oblate", "Round"}, None),
    ("Ada", 2, {"Prolate", "Streak"}, None),
    ("Ada", 3, {"Prolate", "Streak"}, "Is it bent? Größe"),
    ("Ada", 4, {"Prolate", "Streak"}, None),
    ("Ada", 7, {"Empty"}, None),
    ("Ada", 8, {"Prolate", "Stripes"}, None),
    ("Bob", 1, {"Spherical/Oblate", "Elliptical"}, None),
]
"""What people decided in the golden projects; shot 5 was skipped, shot 6 decided and undone."""


@pytest.fixture(params=GOLDEN, ids=lambda p: p.name)
def golden(request, tmp_path):
    """A copy of a golden project; the original is never opened."""
    return Path(shutil.copytree(request.param, tmp_path / "project"))


def test_a_project_of_every_released_form_opens_with_all_its_labels(golden):
    with Project.open(golden) as project:
        for annotator in project.store.annotators():
            state = project.store.load_state(annotator.id)
            for row in np.flatnonzero(state.status & LABELLED):
                names = project.taxonomy.unpack(state.present[row])
                decided = {n for n, has in zip(project.taxonomy.names, names, strict=True) if has}
                key = (annotator.name, row + 1)
                wanted = [w for who, shot, w, _ in LABELS if (who, shot) == key]
                assert wanted == [decided]
        ada = project.annotator
        assert project.store.load_state(ada).status[4] & SKIPPED
        assert project.store.notes(ada) == {2: "Is it bent? Größe"}
        assert project.store.audit() == []
        assert [row for row, *_ in project.shot_table().iter_shots()] == [*range(8)]


def test_its_undo_goes_on_where_it_was(golden):
    with Project.open(golden) as project:
        change = project.store.undo(project.annotator)
        assert change.rows.tolist() == [7]
        assert change.status.tolist() == [0]


def test_a_script_without_the_program_reads_the_same_labels(golden):
    found = [(who, shot, set(names), note) for who, _, shot, names, _, note in labels(golden)]
    assert found == LABELS
    script = Path(__file__).with_name("read_labels.py")
    done = subprocess.run(
        [sys.executable, "-I", "-S", script, golden], capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) == len(LABELS)


def test_the_history_alone_gives_the_same_states(golden):
    with Project.open(golden) as project:
        for (who, row), (present, status) in replayed(golden).items():
            state = project.store.load_state(who)
            assert (state.present[row], state.status[row]) == (present, status)
