"""Makes the demo project in the background, from the first page, and opens it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PyQt6.QtWidgets import QProgressDialog

from labeler.jobs.job import JobFollower
from labeler.project.folder import has_database
from model.events import Event


def make_demo(project_files: Any, folder: Path) -> None:
    """Open the demo project; make it first, in a child process, where it is not there yet."""
    if has_database(folder):
        project_files.open_folder(folder)
        return
    dialog = QProgressDialog("Simulating helium droplets…", "Cancel", 0, 0, project_files.host)
    dialog.setWindowTitle("Demo")
    dialog.setMinimumDuration(0)
    making = JobFollower(dialog)

    def advance(event: Event) -> None:
        if event.get("event") == "progress":
            dialog.setMaximum(int(event["total"]))
            dialog.setValue(int(event["done"]))
            dialog.setLabelText(f"{str(event['what']).capitalize()}…")

    def finish(ok: bool, message: str, last: Event) -> None:
        cancelled = dialog.wasCanceled()
        dialog.canceled.disconnect()
        dialog.close()
        dialog.deleteLater()
        if ok and has_database(folder):
            project_files.open_folder(folder)
        elif not cancelled:
            project_files.session.noted.emit("error", f"The demo could not be made: {message}")

    making.event_received.connect(advance)
    making.ended.connect(finish)
    dialog.canceled.connect(making.cancel)
    making.follow(["demo", str(folder), "--no-window"], folder.with_suffix(".log"))
