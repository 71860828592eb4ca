"""A project of a released version opens, keeps its labels and undo, and can be read alone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from labeler.project.project import Project
from labeler.project.store import migrations
from labeler.project.store.records import LABELLED, SKIPPED
from labeler.project.store.schema import KNOWN
from tests.golden import write
from tests.golden.read_labels import labels, main, replayed

ROOT = Path(__file__).parents[2]
FORMAT = ROOT / "resources/manual/project-format.md"
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
"""What people decided in the golden projects; shot 5 was skipped, shot 6 decided and undone.

From form 0002 on, Core-shell was added before shot 8 was decided, and once given to shot 4 and
taken away again: it is undecided on the other shots.
"""
LATE = "Core-shell"
SPOKE_OF_IT = {("Ada", 4), ("Ada", 8)}


@pytest.fixture(params=GOLDEN, ids=lambda p: p.name)
def golden(request, tmp_path):
    """A copy of a golden project, named by its form; the original is never opened."""
    return Path(shutil.copytree(request.param, tmp_path / request.param.name))


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
    found = [(who, shot, set(names), note) for who, _, shot, names, _, note, _ in labels(golden)]
    assert found == LABELS
    script = Path(__file__).with_name("read_labels.py")
    done = subprocess.run(
        [sys.executable, "-I", "-S", script, golden], capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(s["annotator"], s["shot"], set(s["classes"]), s["note"]) for s in lines] == LABELS


AS_NOBODY = """
import json, os, sys
from tests.golden.read_labels import main
if os.geteuid() == 0:
    os.setuid(65534)
sys.exit(main(sys.argv[1:]))
"""
"""The script as run by someone who may only look: to root a folder is always open for writing."""


def test_the_script_reads_a_project_in_a_folder_in_which_it_may_write_nothing(golden):
    with tempfile.TemporaryDirectory() as place:
        kept = Path(place, "kept")
        kept.mkdir()
        with Project.open(golden):  # as it is left by the program: journal mode WAL
            pass
        for name in ("project.sqlite", "taxonomy.toml"):
            shutil.copyfile(golden / name, kept / name)
            (kept / name).chmod(0o444)
        assert (kept / "project.sqlite").read_bytes()[18:20] == b"\2\2"
        kept.chmod(0o555)
        Path(place).chmod(0o755)
        try:
            done = subprocess.run(
                [sys.executable, "-c", AS_NOBODY, kept], capture_output=True, text=True
            )
            assert done.stderr == ""
            assert [*map(shot_of, done.stdout.splitlines())] == [key[:2] for key in LABELS]
            assert {p.name for p in kept.iterdir()} == {"project.sqlite", "taxonomy.toml"}
        finally:
            kept.chmod(0o755)


def shot_of(line):
    """(annotator, shot) of a line of the script."""
    said = json.loads(line)
    return said["annotator"], said["shot"]


def test_the_script_reads_labels_that_are_in_the_journal_of_an_open_program(golden):
    with Project.open(golden) as project:
        project.store.record(project.annotator, 5, 1, LABELLED, origin="key")
        assert (golden / "project.sqlite-wal").stat().st_size
        assert ("Ada", 6) in {(who, shot) for who, _, shot, *_ in labels(golden)}


@pytest.mark.parametrize("arguments", [[], ["one", "two"]])
def test_the_script_says_in_a_sentence_what_it_is_called_with(arguments):
    assert main(arguments) == "Name one project: python read_labels.py PROJECT"


def test_the_script_says_in_a_sentence_what_is_no_project(tmp_path):
    (tmp_path / "project.sqlite").write_bytes(b"no database" * 1000)
    for folder in (tmp_path / "nowhere", tmp_path):
        assert main([folder]).startswith(f"{folder}: no project that can be read (")


def test_the_script_is_short_enough_to_be_read_by_who_needs_it():
    script = Path(__file__).with_name("read_labels.py")
    assert len(script.read_text("utf-8").splitlines()) <= 100


def test_a_golden_project_is_never_written_over_and_nothing_half_made_stays():
    written = GOLDEN[-1]
    before = (written / "project.sqlite").stat(), sorted(written.parent.iterdir())
    with pytest.raises(SystemExit, match="is there already"):
        write.main()
    assert ((written / "project.sqlite").stat(), sorted(written.parent.iterdir())) == before


def test_a_class_that_was_added_later_is_undecided_and_the_script_says_so(golden):
    late = {(who, shot) for who, shot, *_ in LABELS} - SPOKE_OF_IT
    if golden.name < "v0002":
        late = set()
    found = {(who, shot): undecided for who, _, shot, *_, undecided in labels(golden)}
    assert found == {key: [LATE] if key in late else [] for key in found}
    with Project.open(golden) as project:
        names = project.taxonomy.names
        for annotator in project.store.annotators():
            state = project.store.load_state(annotator.id)
            for row in np.flatnonzero(state.labelled):
                known = project.taxonomy.unpack(state.known[row])
                undecided = [n for n, was in zip(names, known, strict=True) if not was]
                assert undecided == found[annotator.name, row + 1]
        known = project.shot_table().known  # training sees them as unknown, not as absent
        rows = (
            [] if known is None else np.flatnonzero(~known[:, -1] & project.merged_state().labelled)
        )
        assert {("Ada", int(row) + 1) for row in rows} == {key for key in late if key[0] == "Ada"}


def test_every_form_of_the_database_has_its_golden_project():
    versions = Path(migrations.__file__).parent / "versions"
    assert {p.name[:5] for p in versions.glob("v*.py")} == {p.name for p in GOLDEN}


def test_the_history_alone_gives_the_same_states(golden):
    with Project.open(golden) as project:
        for (who, row), (present, status) in replayed(golden).items():
            state = project.store.load_state(who)
            assert (state.present[row], state.status[row]) == (present, status)


def test_a_new_form_of_a_project_raises_the_version_of_the_program():
    """Each form is of one version, or one number would stand for two programs."""
    listed = re.findall(r"^\| (\d{4}) \| ([\d.]+) \|", FORMAT.read_text("utf-8"), re.MULTILINE)
    assert [form for form, _ in listed] == list(KNOWN)
    of_forms = [release(number) for _, number in listed]
    assert all(older < newer for older, newer in pairwise(of_forms))
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert of_forms[-1] <= release(tomllib.load(file)["project"]["version"])


def release(version):
    """(0, 2, 0) of "0.2.0.dev1"."""
    return tuple(map(int, re.match(r"\d+(?:\.\d+)*", version)[0].split(".")))
