"""The classes and rules of the project, to be changed while all labels are kept.

Every change is stored at once, told in the list of changes, and can be taken back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QInputDialog,
    QMessageBox,
    QPushButton,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from labeler.project import classes
from labeler.project.store.classing import in_effect
from labeler.session.session import Session
from labeler.window.widgets.manual import question_mark
from labeler.window.widgets.parts import label, when
from labeler.window.widgets.tables import text_table
from model.errors import InputError

RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
MANY = 200
"""Merging asks before it changes more shots than this."""


class ClassesDialog(QDialog):
    """Lists classes, rules and changes of the session's project; buttons change them."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setWindowTitle("Classes and rules")
        self.resize(820, 720)
        self.classes = text_table("Classes", ("Class", "Key", "Under", "Shots", ""))
        self.rules = text_table("Rules", ("Rule", "Severity"))
        self.past = text_table("Changes", ("Change", "Who", "When"))
        self.buttons: dict[str, QPushButton] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 16, 14)
        layout.setSpacing(8)
        words = "A label never changes its meaning: renamed classes keep theirs, retired ones stay"
        layout.addWidget(label(f"{words} on the shots that carry them.", "muted", wrap=True))
        layout.addWidget(self.classes, 5)
        layout.addLayout(
            self._row(
                ("Add…", self.add),
                ("Rename…", self.rename),
                ("Merge into…", self.merge),
                ("Retire", self.retire),
            )
        )
        layout.addWidget(label("Rules", "heading"))
        layout.addWidget(self.rules, 3)
        layout.addLayout(
            self._row(
                ("Hard", lambda: self._rule("hard")),
                ("Soft", lambda: self._rule("soft")),
                ("Remove rule", lambda: self._rule("off")),
            )
        )
        layout.addWidget(label("Changes so far", "heading"))
        layout.addWidget(self.past, 2)
        foot = self._row(("Undo the last change", self.undo))
        foot.insertWidget(0, question_mark())
        close = QPushButton("Close")
        close.clicked.connect(self.accept)
        foot.addWidget(close)
        layout.addLayout(foot)
        for table in (self.classes, self.rules):
            table.itemSelectionChanged.connect(self._enable)
        self.refresh()

    def _row(self, *buttons: tuple[str, Callable[[], None]]) -> QHBoxLayout:
        row = QHBoxLayout()
        for text, press in buttons:
            button = QPushButton(text)
            button.setAutoDefault(False)
            button.clicked.connect(lambda _, press=press: press())
            self.buttons[text] = button
            row.addWidget(button)
        row.addStretch(1)
        return row

    def refresh(self) -> None:
        """Read everything again."""
        project = self.session.require().project
        for table in (self.classes, self.rules, self.past):
            table.clear()
        for c in project.taxonomy.classes:
            state = f"retired {c.retired}" if c.retired else ""
            state = state or (f"was {c.was.replace(';', ', ')}" if c.was else "")
            shots = f"{classes.shots_with(project, c.name):,}"
            item = QTreeWidgetItem([c.name, c.key, c.parent, shots, state])
            item.setTextAlignment(3, RIGHT)
            item.setDisabled(bool(c.retired))
            self.classes.addTopLevelItem(item)
        for rule in project.taxonomy.rules:
            self.rules.addTopLevelItem(QTreeWidgetItem([rule.text, rule.severity]))
        changes = classes.changes(project)
        for change in reversed(changes):
            text = change.text[:1].upper() + change.text[1:]
            item = QTreeWidgetItem([text, change.annotator, when(change.time.timestamp())])
            item.setToolTip(2, f"{change.time.astimezone():%A %d %B %Y %H:%M:%S}")
            self.past.addTopLevelItem(item)
        left = in_effect(changes)
        self.buttons["Undo the last change"].setToolTip(left[-1].text if left else "")
        self.buttons["Undo the last change"].setEnabled(bool(left))
        self._enable()

    def _enable(self) -> None:
        writable = not self.session.require().project.store.read_only
        self.buttons["Add…"].setEnabled(writable)
        for name in ("Rename…", "Merge into…", "Retire"):
            self.buttons[name].setEnabled(writable and bool(self.classes.selectedItems()))
        for name in ("Hard", "Soft", "Remove rule"):
            self.buttons[name].setEnabled(writable and bool(self.rules.selectedItems()))

    # -- changing ------------------------------------------------------------------------------

    def change(self, verb: Callable[..., str], *words: Any) -> None:
        """Make a change; a refusal is said in a note and changes nothing."""
        try:
            self.session.change_classes(verb, *words)
        except (InputError, OSError) as error:
            self.session.noted.emit("error", str(error))
            QMessageBox.information(self, "Classes and rules", str(error))
        self.refresh()

    def _chosen(self) -> str:
        return self.classes.selectedItems()[0].text(0)

    def _ask(self, question: str, text: str = "") -> str:
        answer, sure = QInputDialog.getText(self, self.windowTitle(), question, text=text)
        return answer if sure and answer.strip() != text else ""

    def add(self) -> None:
        """Ask for the name of a new class."""
        name = self._ask("Name of the new class")
        if name:
            self.change(classes.add, name)

    def rename(self) -> None:
        """Ask for another name of the chosen class."""
        old = self._chosen()
        new = self._ask(f"Another name for {old}", old)
        if new:
            self.change(classes.rename, old, new)

    def merge(self) -> None:
        """Ask into which class the chosen one goes, and before many shots change."""
        gone, project = self._chosen(), self.session.require().project
        others = [c.name for c in project.taxonomy.classes if not c.retired and c.name != gone]
        question = f"Every label {gone} becomes"
        into, sure = QInputDialog.getItem(self, self.windowTitle(), question, others, 0, False)
        if not sure:
            return
        n = classes.shots_with(project, gone)
        if n > MANY:
            text = f"This changes the labels of {n:,} shots. It can be undone."
            if QMessageBox.question(self, "Merge classes", text) != _YES:
                return
        self.change(classes.merge, gone, into)

    def retire(self) -> None:
        """Offer the chosen class no more."""
        self.change(classes.retire, self._chosen())

    def undo(self) -> None:
        """Take the last change back."""
        self.change(classes.undo)

    def _rule(self, severity: str) -> None:
        number = self.rules.indexOfTopLevelItem(self.rules.selectedItems()[0]) + 1
        self.change(classes.set_rule, number, severity)


_YES = QMessageBox.StandardButton.Yes


def show_classes(window: Any) -> None:
    """Let the person change the classes of the open project."""
    if window.session.opened is None:
        return
    dialog = ClassesDialog(window.session, window)
    dialog.exec()
    dialog.deleteLater()
