"""Imports labels from a file: first what would change, in full; then, if wanted, the change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QCheckBox,
    QDialog,
    QPlainTextEdit,
    QPushButton,
    QWidget,
)

from labeler.exchange import read_labels_apart
from labeler.exchange.importing import ImportPlan, apply, plan
from labeler.project.project import Project
from labeler.session.session import Session
from labeler.window.process.project_thread import ProjectThread
from labeler.window.widgets import theme
from labeler.window.widgets.fields import ListField
from labeler.window.widgets.parts import Elided, foot, form, label, page
from model.errors import counted


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
        self.person = ListField("Import as")
        self.person.setEditable(True)
        store = session.require().project.store
        people = [a for a in store.annotators() if a.kind == "human"]
        self.person.addItems([a.name for a in people])
        self.person.setCurrentText(store.name_of(session.require().annotator))
        self.of, self.index = ListField("Labels of"), ListField("Shots count from")
        for text, first in (("as the file says", None), ("0", 0), ("1", 1)):
            self.index.addItem(text, first)
        self.sure = QCheckBox("I have looked: these are the shots that were labelled")
        self._typed = False
        """Whether the person chose whose labels they become; else the file says it."""
        self.only_new = QCheckBox("Leave shots alone that have a label of this person")
        self.drop = QCheckBox("Import shots with unknown classes without these classes")
        self.said = QPlainTextEdit()
        self.said.setReadOnly(True)
        self.said.setFont(theme.numbers(self.font().pointSizeF()))
        self.said.setAccessibleName("What would change")
        self.trouble = label("", "error", wrap=True)
        self.trouble.hide()
        self.take = QPushButton("Import")
        self._lay_out()
        self.person.currentTextChanged.connect(self._choose_person)
        self.of.activated.connect(self.look)
        self.index.activated.connect(self.look)
        self.sure.toggled.connect(self._enable)
        for box in (self.only_new, self.drop):
            box.toggled.connect(self.look)
        self.take.clicked.connect(self.take_over)
        self.look()

    def _lay_out(self) -> None:
        file = Elided(Qt.TextElideMode.ElideMiddle)
        file.show_text(str(self.path))
        self._form = form(
            ("File", file),
            ("Labels of", self.of),
            ("Import as", self.person),
            ("Shots count from", self.index),
            ("", self.only_new),
            ("", self.drop),
        )
        words = label("Nothing is changed before you say so.", "muted")
        last = foot(self, self.take, "Cancel", beside=words)
        heading = label("What would change", "heading")
        said = self.said, self.sure, self.trouble
        page(self, "Import labels", self._form, heading, *said, last, wide=self.said)
        for field in (self.of, self.index):
            self._form.setRowVisible(field, False)
        self.sure.hide()

    # -- looking -------------------------------------------------------------------------------

    def look(self, *_: object) -> None:
        """Find out again what would change; and once more where a choice changes meanwhile."""
        self.plan = None
        self.take.setEnabled(False)
        self.take.setText("Import")
        if self._thread is not None:
            self._stale = True
            return
        name = self.person.currentText().strip() if self._typed else ""
        choices: dict[str, Any] = {
            "only_new": self.only_new.isChecked(),
            "drop_unknown": self.drop.isChecked(),
            "index_from": self.index.currentData(),
        }
        path, of = self.path, self.of.currentData()

        def work(project: Project) -> tuple[ImportPlan, dict[str, int], bool]:
            sheet = read_labels_apart(path)
            people, open_index = sheet.people, not sheet.counts_known
            whose = of or next(iter(people), None) if len(people) > 1 else None
            found = plan(project, sheet, path, name or whose, person=whose, **choices)
            return found, people, open_index

        self._start(work, lambda answer: self._show(*answer))

    def _choose_person(self) -> None:
        self._typed = True
        self.look()

    def _start(self, work: Any, then: Any) -> None:
        self._thread = ProjectThread(self.session.require().folder, work)
        self._then = then
        self._thread.done.connect(self._done)  # methods: nothing arrives once this is gone
        self._thread.refused.connect(self._refused)
        self._thread.begin()

    def _done(self, answer: Any) -> None:
        self._end(lambda: self._then(answer))

    def _refused(self, text: str) -> None:
        self._end(lambda: self._refuse(text))

    def _end(self, then: Any) -> None:
        self._thread = None
        if self._stale:
            self._stale = False
            self.look()
        else:
            then()

    def _show(self, found: ImportPlan, people: dict[str, int], open_index: bool) -> None:
        self.plan = found
        self.trouble.hide()
        if not self._typed:
            self.person.blockSignals(True)
            self.person.setCurrentText(found.annotator)
            self.person.blockSignals(False)
        if not self.of.count() and len(people) > 1:
            for name, count in people.items():
                self.of.addItem(f"{name} ({counted(count, 'shot')})", name)
        self._form.setRowVisible(self.of, len(people) > 1)
        self._form.setRowVisible(
            self.index, open_index and (bool(found.questions) or self.index.currentIndex() > 0)
        )
        self.sure.setChecked(False)
        self.sure.setVisible(bool(found.questions))
        self.said.setPlainText("\n".join(found.lines()))
        n = len(found.rows)
        self._enable()
        self.take.setText(f"Import {counted(n, 'shot')}" if n else "Nothing to import")
        self.drop.setVisible(bool(found.unknown_classes))

    def _enable(self) -> None:
        """Nothing goes to other shots unless a person says that they are the same ones."""
        found = self.plan
        able = found is not None and len(found.rows) > 0
        asked = found is not None and bool(found.questions)
        self.take.setEnabled(able and (not asked or self.sure.isChecked()))

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
        shots, who = counted(n, "shot"), found.annotator
        how = "Undo takes it back" if mine else f"To undo: switch to {who}, then Undo"
        session.noted.emit("info", f"Imported {shots} as {who}. {how}.")
        self.accept()

    def done(self, result: int) -> None:
        if self._thread is not None:
            self._thread.wait()
        super().done(result)
