"""Writes the golden project of the present form, once, when the form of the database changes.

usage: python -m tests.golden.write     makes tests/golden/vNNNN; add its line to the manual's table
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from labeler.project import classes
from labeler.project.folder import DATABASE
from labeler.project.project import Project
from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED
from labeler.project.store.schema import HEAD
from tests.helpers.people import label_as

HERE = Path(__file__).parent


def write(target: Path, shots: Path, folder: Path) -> None:
    """The decisions of LABELS in `test_golden`, made in `folder` by the program as it is now."""
    shutil.copyfile(shots, folder / "shots.h5")
    project = Project.create(folder / "project", [folder / "shots.h5"], annotator="Ada")

    def bits(*names: str) -> int:
        return sum(1 << project.store.class_names().index(name) for name in names)

    with project:
        store, ada = project.store, project.annotator
        first, long = bits("Spherical/Oblate", "Round"), bits("Prolate", "Streak")
        store.record(ada, 0, first, LABELLED, origin="key", seconds=1.5)
        store.record(ada, [1, 2, 3], long, LABELLED, origin="bulk")
        store.record(ada, 2, long, LABELLED | FLAGGED, origin="flag", note="Is it bent? Größe")
        store.record(ada, 4, 0, SKIPPED, origin="skip")
        store.record(ada, 5, bits("Empty"), LABELLED, origin="key")
        store.undo(ada)
        store.record(ada, 6, bits("Empty"), LABELLED, origin="key")
        store.undo(ada)
        store.redo(ada)
        label_as(project, "Bob")
        second = bits("Spherical/Oblate", "Elliptical")
        store.record(project.annotator, 0, second, LABELLED, origin="key")
        label_as(project, "Ada")
        classes.rename(project, "Layered", "Stripes")
        classes.add(project, "Core-shell")
        for there in (long | bits("Core-shell"), long):  # present by mistake, then absent
            store.record(ada, 3, there, LABELLED, origin="key")
        store.record(ada, 7, bits("Prolate", "Stripes"), LABELLED, origin="key")
    made = folder / "project"
    with closing(sqlite3.connect(made / DATABASE)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("UPDATE sources SET path = '/data/shots.h5', relative = 'shots.h5'")
        database.execute("DELETE FROM meta WHERE key LIKE 'annotator.of.%'")  # this machine's name
        database.execute(
            "DELETE FROM meta WHERE key LIKE '%.row.%' OR key = 'sources.shots'"
        )  # and paths
        database.commit()
        database.execute("PRAGMA journal_mode = DELETE")
    target.mkdir()
    for file in (made / DATABASE, made / "taxonomy.toml", folder / "shots.h5"):
        shutil.copyfile(file, target / file.name)


def main() -> None:
    """The golden project of the present form, where there is none yet."""
    target = HERE / f"v{HEAD}"
    if target.exists():
        sys.exit(f"{target} is there already: a golden project stays as it was written.")
    with tempfile.TemporaryDirectory() as place:
        write(target, HERE / "v0001" / "shots.h5", Path(place))
    print(target)


if __name__ == "__main__":
    main()
