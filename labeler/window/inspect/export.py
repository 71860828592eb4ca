"""The button that saves what the gallery shows as a figure for a paper; a Job draws it."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtWidgets import QPushButton

from labeler.session.heat import Asked
from labeler.session.session import Session
from labeler.window.dialogs import file_dialogs
from labeler.window.inspect.gallery import Gallery
from labeler.window.process.short_job import ShortJob

SHOTS = 5
"""Shots in the row, as in the paper's Fig. 5."""
KINDS = "PDF (*.pdf);;SVG (*.svg);;PNG (*.png)"


class FigureButton(QPushButton):
    """Asks where, then sends for the figure of the gallery's first shots."""

    def __init__(self, session: Session, short_job: ShortJob, gallery: Gallery) -> None:
        super().__init__("Save figure…")
        self.setToolTip(f"The first {SHOTS} shots shown, as a figure for a paper (PDF, SVG, PNG)")
        self.session, self.short_job, self.gallery = session, short_job, gallery
        self.clicked.connect(self._ask)

    def _ask(self) -> None:
        name = self.session.labels.taxonomy.names[self.gallery.kind].replace("/", "-")
        there = self.session.require().folder / f"{name.lower()}.pdf"
        out, kind = file_dialogs.ask_new_file(self, "Save figure", str(there), KINDS)
        if out is not None:
            self.draw(out if out.suffix else out.with_suffix(f".{kind[:3].lower()}"))

    def draw(self, out: Path) -> None:
        """Draw the first shots of the gallery to a file."""
        session, rows = self.session, self.gallery.rows[:SHOTS]
        if not rows:
            session.noted.emit("info", "There are no shots to draw.")
            return
        run = str(session.predictions.run_folder)
        form = session.heat.form_of(Asked(rows[0], self.gallery.kind, session.display.overlay.form))
        arguments = [
            "figure", run, "--class", session.labels.taxonomy.names[self.gallery.kind],
            "--shots", ",".join(str(row + 1) for row in rows),
            "--form", form, "--out", str(out),
        ]  # fmt: skip
        done = f"The figure is in {out}."
        self.short_job.start(arguments, "drawing", lambda item: session.noted.emit("info", done))
