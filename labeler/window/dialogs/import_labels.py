"""Imports labels from a file: first what would change, in full; then, if wanted, the change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from labeler.exchange.apart import read_labels_apart
from labeler.exchange.importing import ImportPlan, apply, plan
from labeler.session.session import Session
from labeler.window.process.project_thread import ProjectThread
from labeler.window.widgets import theme
from labeler.window.widgets.manual import question_mark
from labeler.window.widgets.parts import label


class ImportLabels(QDialog):
    """`plan` is what would happen with the choices on screen; None while that is found out."""

    def __init__(self, session: Session, path: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self.session, self.path = session, path
        self.plan: ImportPlan | None = None
        self._thread: ProjectThread | None = None
        self._stale = False
        self.setWindowTitle("Import labels")
        self.setMinimumSize(640, 580)
        self.person = QComboBox()
        self.person.setEditable(True)
        self.person.setAccessibleName("Import as")
        store = session.require().project.store
        people = [a for a in store.annotators() if a.kind == "human"]
        self.person.addItems([a.name for a in people])
        self.person.setCurrentText(
            next(a.name for a in people if a.id == session.require().annotator)
        )
        self.only_new = QCheckBox("Leave shots alone that have a label of this person")
        self.drop = QCheckBox("Import shots with unknown classes without these classes")
        self.said = QPlainTextEdit()
        self.said.setReadOnly(True)
        self.said.setFont(theme.numbers(self.font().pointSizeF()))
        self.said.setAccessibleName("What would change")
        self.trouble = label("", "error", wrap=True)
        self.trouble.hide()
        self.cancel, self.take = QPushButton("Cancel"), QPushButton("Import")
        self.take.setProperty("role", "main")
        self._lay_out()
        self.person.currentTextChanged.connect(self.look)
        for box in (self.only_new, self.drop):
            box.toggled.connect(self.look)
        self.cancel.clicked.connect(self.reject)
        self.take.clicked.connect(self.take_over)
        self.look()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(9)
        form.addRow(label("File", "muted"), label(str(self.path)))
        form.addRow(label("Import as", "muted"), self.person)
        form.addRow("", self.only_new)
        form.addRow("", self.drop)
        foot = QHBoxLayout()
        foot.addWidget(question_mark())
        foot.addWidget(label("Nothing is changed before you say so.", "muted"), 1)
        foot.addWidget(self.cancel)
        foot.addWidget(self.take)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(22, 20, 22, 18)
        layout.setSpacing(12)
        layout.addWidget(label("Import labels", "title"))
        layout.addLayout(form)
        layout.addWidget(label("What would change", "heading"))
        layout.addWidget(self.said, 1)
        layout.addWidget(self.trouble)
        layout.addLayout(foot)

    # -- looking -------------------------------------------------------------------------------

    def look(self, *_: object) -> None:
        """Find out again what would change; and once more where a choice changes meanwhile."""
        self.plan = None
        self.take.setEnabled(False)
        self.take.setText("Import")
        if self._thread is not None:
            self._stale = True
            return
        person = self.person.currentText().strip() or None
        only_new, drop = self.only_new.isChecked(), self.drop.isChecked()
        path = self.path
        self._start(
            lambda project: plan(
                project, read_labels_apart(path), path, person, only_new=only_new, drop_unknown=drop
            ),
            self._show,
        )

    def _start(self, work: Any, then: Any) -> None:
        self._thread = ProjectThread(self.session.require().folder, work, self)
        self._thread.done.connect(lambda answer: self._end(lambda: then(answer)))
        self._thread.refused.connect(lambda text: self._end(lambda: self._refuse(text)))
        self._thread.start()

    def _end(self, then: Any) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.wait()
            thread.deleteLater()
        if self._stale:
            self._stale = False
            self.look()
        else:
            then()

    def _show(self, found: ImportPlan) -> None:
        self.plan = found
        self.trouble.hide()
        self.said.setPlainText("\n".join(found.lines()))
        n = len(found.rows)
        self.take.setEnabled(n > 0)
        shots = f"{n:,} shot{'' if n == 1 else 's'}"
        self.take.setText(f"Import {shots}" if n else "Nothing to import")
        self.drop.setVisible(bool(found.unknown_classes))

    def _refuse(self, text: str) -> None:
        self.said.setPlainText("")
        self.trouble.setText(text)
        self.trouble.show()

    # -- doing ---------------------------------------------------------------------------------

    def take_over(self) -> None:
        """Do what the plan says."""
        found = self.plan
        if found is None:
            return
        self.take.setEnabled(False)
        self._start(lambda project: apply(project, found), lambda gesture: self._finish(found))

    def _finish(self, found: ImportPlan) -> None:
        session, n = self.session, len(found.rows)
        session.reopen()
        mine = found.annotator == session.require().project.annotator_name
        shots, who = f"{n:,} shot{'' if n == 1 else 's'}", found.annotator
        how = "Ctrl+Z" if mine else f"switch to {who}, Ctrl+Z"
        session.noted.emit("info", f"Imported {shots} as {who}. To undo: {how}.")
        self.accept()

    def done(self, result: int) -> None:
        if self._thread is not None:
            self._thread.wait()
        super().done(result)
