"""The form of a watch: source, run, what to keep; start and stop. It reads no shot."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from labeler.runs.run_report import MACRO, read_reports
from labeler.session.background.live import LiveWatch, WatchRequest
from labeler.session.session import Session
from labeler.window.dialogs import file_dialogs
from labeler.window.widgets import theme
from labeler.window.widgets.fields import ListField
from labeler.window.widgets.parts import label, set_role, share


class LiveForm(QWidget):
    """Starts and stops the session's watch."""

    def __init__(self, session: Session, watch: LiveWatch) -> None:
        super().__init__()
        self.session, self.watch = session, watch
        self.source = QLineEdit()
        self.source.setPlaceholderText("file, folder, or tcp://…")
        self.source.setAccessibleName("Source of live shots")
        self.source.setToolTip(
            "A file that grows (.h5, .cxi), a folder that fills with such files,\n"
            "or the address of a Karabo bridge: tcp://HOST:PORT"
        )
        self.file, self.folder = QPushButton("File…"), QPushButton("Folder…")
        self.runs = ListField("Run that reads the shots")
        self.miss = QSpinBox()
        self.miss.setRange(0, 50)
        self.miss.setValue(1)
        self.miss.setSuffix(" %")
        self.miss.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.miss.setAccessibleName("Share of hits that may be missed")
        self.new_only = QCheckBox("Only new shots")
        self.new_only.setToolTip("Pass over what is there already when the watch begins")
        self.keep = QCheckBox("Keep the hits in a file")
        self.keep.setChecked(True)
        self.button = QPushButton("Start")
        set_role(self.button, "main")
        self.needed = label("", "muted", wrap=True)
        self._build()
        self.file.clicked.connect(self._ask_file)
        self.folder.clicked.connect(self._ask_folder)
        self.button.clicked.connect(self.press)
        self.source.textChanged.connect(lambda: self.refresh())
        self.source.returnPressed.connect(self._start_by_key)
        session.project_changed.connect(self.read_runs)

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 16)
        layout.setSpacing(8)
        layout.addWidget(label("Shots from", "heading"))
        layout.addWidget(self.source)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.file, 1)
        row.addWidget(self.folder, 1)
        layout.addLayout(row)
        layout.addWidget(self.new_only)
        layout.addSpacing(10)
        layout.addWidget(label("Read by", "heading"))
        layout.addWidget(self.runs)
        layout.addSpacing(10)
        layout.addWidget(label("Hit finder", "heading"))
        row = QHBoxLayout()
        row.addWidget(label("Allowed missed hits"), 1)
        self.miss.setFixedWidth(theme.grown(60))
        row.addWidget(self.miss)
        layout.addLayout(row)
        layout.addWidget(
            label("Fitted on labelled shots when the watch begins; Empty ones are needed.", "muted",
                  wrap=True)
        )  # fmt: skip
        layout.addSpacing(10)
        layout.addWidget(self.keep)
        layout.addSpacing(10)
        layout.addWidget(self.button)
        layout.addWidget(self.needed)
        layout.addStretch(1)

    @property
    def has_runs(self) -> bool:
        """Whether any run can read shots."""
        return self.runs.count() > 0

    def read_runs(self) -> None:
        """Offer the project's runs, the one in use first; what was chosen stays if it can."""
        before, opened = self.runs.currentData(), self.session.opened
        self.runs.clear()
        if opened is None:
            return
        for run in reversed([r for r in read_reports(opened.project) if r.has_network]):
            always = run.constant.get(MACRO)
            beside = "" if always is None else f" (constant {share(always)})"
            text = f"Run {run.number} · F1 {share(run.metrics.get(MACRO))}{beside}"
            self.runs.addItem(text, run.number)
        chosen = before if self.runs.findData(before) >= 0 else opened.project.current_run
        self.runs.setCurrentIndex(max(0, self.runs.findData(chosen)))
        if not self.source.text():
            self.source.setText(str(self.watch.kept().get("source", "")))

    def refresh(self) -> None:
        """Say what is lacking; while a watch runs nothing but Stop can be pressed."""
        running = self.watch.is_running
        for widget in (self.source, self.file, self.folder, self.runs, self.miss,
                       self.new_only, self.keep):  # fmt: skip
            widget.setEnabled(not running)
        stopping = self.watch.seen.state == "stopping"
        self.button.setText("Stop" if running else "Start")
        set_role(self.button, "" if running else "main")
        lacking = "" if running else self._lacking()
        self.button.setEnabled(not lacking and not (running and stopping))
        self.needed.setText(lacking)
        self.needed.setVisible(bool(lacking))

    def _lacking(self) -> str:
        if not self.has_runs:
            return "Train a run first (Learn)."
        if self.watch.joining.is_running:
            return "The hits are being added."
        return "" if self.source.text().strip() else "Choose a source."

    def order(self) -> WatchRequest:
        """What the form says."""
        run = Path(self.session.require().project.run_folder(self.runs.currentData()))
        return WatchRequest(
            self.source.text().strip(), run, self.miss.value() / 100,
            self.new_only.isChecked(), self.keep.isChecked(),
        )  # fmt: skip

    def press(self) -> None:
        """Start, or stop where a watch runs."""
        if self.watch.is_running:
            self.watch.cancel()
        elif not self._lacking():
            self.watch.start(self.order())

    def ask(self) -> None:
        """Bring the eye to where a source is named."""
        self.source.setFocus()
        self.source.selectAll()

    def _start_by_key(self) -> None:
        if not self.watch.is_running:
            self.press()

    def _ask_file(self) -> None:
        from labeler.window.dialogs.new_project import SHOT_FILES

        chosen = file_dialogs.ask_file(self, "A file that grows", SHOT_FILES)
        if chosen:
            self.source.setText(str(chosen))

    def _ask_folder(self) -> None:
        chosen = file_dialogs.ask_folder(self, "A folder that fills")
        if chosen:
            self.source.setText(str(chosen))
