"""The child of the gauntlet that has a training under way, as the window has: by a Job."""

from __future__ import annotations

import sys
from pathlib import Path

from PyQt6.QtCore import QCoreApplication

from labeler.jobs.job import Job
from labeler.project.project import Project
from labeler.project.store import LABELLED


def main(folder: Path) -> None:
    app = QCoreApplication([])
    with Project.open(folder) as project:
        rows = range(project.n_shots)
        present = [1 << (row % len(project.taxonomy)) for row in rows]
        project.store.record(project.annotator, rows, present, LABELLED, origin="key")
        out = project.new_run_folder()
    job = Job(["train", str(folder), "--recipe", "quick", "--out", str(out)], out / "stderr.log")
    job.start()
    print("started", flush=True)
    app.exec()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
