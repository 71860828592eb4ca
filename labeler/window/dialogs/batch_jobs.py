"""Batch jobs: choose what and who does it, start it, see how far it is, stop it.

The dialog may be closed while the work goes on; the work ends with the project.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

from PyQt6.QtWidgets import (
    QDialog,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QWidget,
)

from labeler.jobs.batch_job import (
    ADDRESS,
    ENGINES,
    LEVELS,
    NEEDS_FILE,
    NOISE,
    READ,
    WORKS,
    BatchJob,
)
from labeler.runs.training_choices import duration
from labeler.session.session import Session
from labeler.window.dialogs import file_dialogs
from labeler.window.process.short_job import ShortJob
from labeler.window.settings import Settings
from labeler.window.widgets import theme
from labeler.window.widgets.fields import ListField
from labeler.window.widgets.parts import beside, foot, form, label, page, set_role
from model.errors import counted, on_one_line
from model.events import Event

ABOUT = (
    "Other processes do it while you go on labelling, and this dialog may be closed. Stopped or"
    " interrupted, the same work goes on later where it was."
)
MOST_WORKERS = 999


class BatchJobs(QDialog):
    """One piece of work at a time, on the shots of the open project."""

    def __init__(self, session: Session, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self.settings = session, settings
        self.short_job = ShortJob(session, self, outlasts=True)
        self.setWindowTitle("Batch jobs")
        self.setMinimumWidth(theme.grown(540))
        self.kind = _choice("What to do", WORKS)
        self.file = ListField("File of shots")
        self.level = _choice("Level of noise", {name: name for name in LEVELS})
        self.out = QLineEdit()
        self.out.setAccessibleName("File to write")
        self.choose = QPushButton("Choose…")
        self.engine = _choice("Who does it", ENGINES)
        self.address = QLineEdit()
        self.address.setMinimumWidth(theme.grown(200))
        self.address.setPlaceholderText("tcp://host:8786")
        self.address.setAccessibleName("Address of the scheduler")
        self.workers = QSpinBox()
        self.workers.setRange(0, MOST_WORKERS)
        self.workers.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.workers.setSpecialValueText("as many as fit")
        self.workers.setAccessibleName("Number of workers")
        self.said = label("", "muted", wrap=True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.button = QPushButton()
        self._began, self._first = 0.0, 0
        self._order: BatchJob | None = None
        self._lay_out()
        self._take_settings()
        for field in (self.kind, self.engine, self.file):
            field.currentIndexChanged.connect(lambda _: self.refresh())
        self.file.currentIndexChanged.connect(lambda _: self._name_out())
        self.kind.currentIndexChanged.connect(lambda _: self._name_out())
        for text in (self.out, self.address):
            text.textChanged.connect(lambda _: self.refresh())
        self.choose.clicked.connect(self._ask_out)
        self.button.clicked.connect(self.press)
        self.short_job.changed.connect(self.refresh)
        session.project_changed.connect(self._follow)
        session.project_left.connect(self.close)
        session.predictions.run_changed.connect(self.refresh)
        self._follow()

    def _lay_out(self) -> None:
        self.rows: dict[str, QWidget] = {
            "file": self.file,
            "level": self.level,
            "out": beside(self.out, self.choose),
        }
        self.form = form(
            ("What", self.kind),
            ("File of shots", self.rows["file"]),
            ("Level of noise", self.rows["level"]),
            ("Write to", self.rows["out"]),
            ("Done by", beside(self.engine, self.address)),
            ("Workers", self.workers),
        )
        about = label(ABOUT, "muted", wrap=True)
        page(self, "Batch jobs", about, self.form, self.bar, self.said, foot(self, self.button))

    def _take_settings(self) -> None:
        scheduler = self.settings["scheduler"]
        known = scheduler in ENGINES
        self.engine.setCurrentIndex(self.engine.findData(scheduler if known else ADDRESS))
        self.address.setText("" if known else scheduler)
        self.workers.setValue(self.settings["workers"])

    def _follow(self) -> None:
        """Offer the files of the project that is open now; while it works, they stay."""
        opened = self.session.opened
        if opened is None or self.short_job.is_running:
            return
        self.file.clear()
        for source in opened.project.sources:
            self.file.addItem(source.name, source.path)
        self._name_out()
        self.refresh()

    def _name_out(self) -> None:
        """Propose a file to write, in the project's folder."""
        kind, file = self.kind.currentData(), self.file.currentData()
        if kind in NEEDS_FILE and file is not None:
            ending = "noise" if kind == NOISE else "maps"
            folder = self.session.require().folder
            self.out.setText(str(folder / f"{on_one_line(Path(file).stem)}-{ending}.h5"))

    def _ask_out(self) -> None:
        chosen, _ = file_dialogs.ask_new_file(self, "File to write", self.out.text(), "HDF5 (*.h5)")
        if chosen is not None:
            self.out.setText(str(chosen))

    # -- doing it ------------------------------------------------------------------------------

    def order(self) -> BatchJob:
        """What the fields say."""
        out = self.out.text().strip()
        return BatchJob(
            self.kind.currentData(),
            self.engine.currentData(),
            self.address.text().strip(),
            self.workers.value(),
            self.file.currentData(),
            Path(out) if out else None,
            self.level.currentData(),
        )

    def press(self) -> None:
        """Start; or stop what runs, keeping what is done."""
        if self.short_job.is_running:
            self.short_job.cancel()
            self.button.setEnabled(False)
            return
        order = self.order()
        if not order.lacking(self.session.require().project):
            self.session.sources.begin_work("this batch job", lambda: self._start(order))

    def _start(self, order: BatchJob) -> None:
        if self.short_job.is_running:
            return
        project = self.session.require().project
        self._order = order
        self.settings.set("scheduler", order.scheduler)
        self.settings.set("workers", order.workers)
        self._began, self._first = 0.0, 0
        self.short_job.start(order.words(project), "starting", self._finish)

    def _finish(self, last: Event) -> None:
        """Say that it is done; what the network in use read is shown at once."""
        order = self._order
        assert order is not None
        shots = last.get("shots", self.session.labels.n_shots)
        where = f", in {order.out}" if order.kind in NEEDS_FILE else ""
        self.short_job.answer = f"Done: {WORKS[order.kind]}, {counted(shots, 'shot')}{where}."
        if order.kind == READ:
            self.session.predictions.use_run(self.session.require().project.current_run)
        self.session.noted.emit("info", self.short_job.answer)

    def refresh(self) -> None:
        """Show what can be chosen, how far the work is, and what is lacking."""
        if self.session.opened is None:
            return
        project = self.session.opened.project
        order, running = self.order(), self.short_job.is_running
        for name, widget in self.rows.items():
            shown = order.kind == NOISE if name == "level" else order.kind in NEEDS_FILE
            self.form.setRowVisible(widget, shown)
        self.address.setVisible(order.engine == ADDRESS)
        self.form.setRowVisible(self.workers, order.counts_workers)
        for field in (self.kind, self.file, self.level, self.out, self.choose, self.engine,
                      self.address, self.workers):  # fmt: skip
            field.setEnabled(not running)
        lacking = "" if running else order.lacking(project)
        self.button.setText("Stop" if running else "Start")
        set_role(self.button, "" if running else "main")
        self.button.setEnabled(not lacking)
        done, total = self.short_job.progress
        begins = running and self.bar.isHidden()
        self.bar.setVisible(running)
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        self.said.setText(
            self._progress(done, total) if running else lacking or self.short_job.answer
        )
        if self.isVisible() and (begins or not running):  # while it runs, nothing jumps
            width = self.width()
            self.adjustSize()
            self.resize(max(width, self.width()), self.height())

    def _progress(self, done: int, total: int) -> str:
        """What happens now, and how long it still takes."""
        now = time.monotonic()
        if done and not self._began:
            self._began, self._first = now, done
        fresh, gone = done - self._first, now - self._began
        if not fresh or gone < 1:
            return f"{self.short_job.said} …"
        rate = fresh / gone
        return (
            f"{self.short_job.said} · {rate:,.0f} a second · {duration((total - done) / rate)} left"
        )


def _choice(name: str, texts: dict[str, str]) -> ListField:
    made = ListField(name)
    for data, text in texts.items():
        made.addItem(text, data)
    return made


def show_batch_jobs(session: Session, settings: Settings, window: QWidget) -> None:
    """Show the dialog of this window; work that it has under way goes on meanwhile."""
    found = cast(BatchJobs | None, window.findChild(BatchJobs))
    dialog = found or BatchJobs(session, settings, window)
    dialog.refresh()
    dialog.show()
    dialog.activateWindow()
