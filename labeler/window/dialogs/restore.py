"""The backups of a project, and the way back to one of them.

Going back keeps the present state as a backup first, so it can itself be taken back.
"""

from __future__ import annotations

from datetime import datetime

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QPushButton,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from labeler.project import backups
from labeler.project.backups import Backup
from labeler.session.session import Session
from labeler.window.widgets.parts import EmptyState, foot, label, when
from labeler.window.widgets.tables import text_table
from model.errors import InputError

HEADS = ("When", "Labelled", "By people", "Shots", "Size", "Made")
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class RestoreDialog(QDialog):
    """Lists the backups of the session's project. `chosen` is the one to go back to, if any."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.folder = session.require().folder
        self.chosen: Backup | None = None
        self.setWindowTitle("Backups")
        self.resize(720, 460)
        self.list = text_table("Backups", HEADS, wide=5)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.itemSelectionChanged.connect(self._selected)
        self.list.itemActivated.connect(lambda item, column: self._go())
        self.empty = EmptyState()
        self.go = QPushButton("Restore")
        self.go.clicked.connect(self._go)
        self.now = QPushButton("Back up now")
        self.now.clicked.connect(self.back_up)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 16, 14)
        layout.setSpacing(10)
        words = "Labels, their whole history and the classes, as they were. Networks stay as they"
        words += " are. Your present state is backed up first, so that a restore can be undone."
        layout.addWidget(label(words, "muted", wrap=True))
        layout.addWidget(self.list, 1)
        layout.addWidget(self.empty, 1)
        layout.addLayout(foot(self, self.go, beside=self.now))
        session.backup.made.connect(self.refresh)
        session.backup.failed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Read the list again."""
        self.list.clear()
        here = backups.list_backups(self.folder)
        for backup in here:
            self.list.addTopLevelItem(_row(backup))
        self.list.setVisible(bool(here))
        self.empty.setVisible(not here)
        self.empty.say(
            "No backup yet",
            "One is made by itself at most every 30 minutes while labels are added: all of two"
            " days are kept, then one a day, a week, a month.",
            "Back up now",
            self.back_up,
        )
        self.now.setVisible(bool(here))
        self.now.setEnabled(not self.session.backup.is_busy)
        if here:
            self.list.setCurrentItem(self.list.topLevelItem(0))
        self._selected()

    def back_up(self) -> None:
        """Make one now; the list follows when it is there."""
        self.now.setEnabled(False)
        self.session.backup.make("hand")

    def _current(self) -> Backup | None:
        items = self.list.selectedItems()
        return items[0].data(0, Qt.ItemDataRole.UserRole) if items else None

    def _selected(self) -> None:
        backup = self._current()
        self.go.setEnabled(backup is not None and backup.held is not None)

    def _go(self) -> None:
        backup = self._current()
        if backup is not None and backup.held is not None:
            self.chosen = backup
            self.accept()


def _row(backup: Backup) -> QTreeWidgetItem:
    held = backup.held
    numbers = (held.with_files, held.labelled, held.shots) if held else (None, None, None)
    cells = [
        when(backup.time.timestamp()),
        *(_number(n) for n in numbers),
        _size(backup.size),
        backup.why if held else "damaged, cannot be used",
    ]
    item = QTreeWidgetItem(cells)
    item.setData(0, Qt.ItemDataRole.UserRole, backup)
    if held:
        for column in (1, 2, 3):
            item.setToolTip(column, held.counted)
    item.setToolTip(0, f"{backup.time.astimezone():%A %d %B %Y %H:%M:%S}\n{backup.path.name}")
    if backup.trouble:
        item.setToolTip(5, backup.trouble)
    for column in (1, 2, 3, 4):
        item.setTextAlignment(column, RIGHT)
    return item


def _number(n: int | None) -> str:
    return "–" if n is None else f"{n:,}"


def _size(n: int) -> str:
    return f"{n / 1e6:,.1f} MB" if n >= 1e6 else f"{n / 1e3:,.0f} kB"


def show_backups(session: Session, window: QWidget) -> None:
    """Let the person choose a backup and go back to it."""
    if session.opened is None:
        return
    project = session.require().project
    if not project.keeps_backups:
        text = "The labels are on a server, whose administrator makes the backups."
        try:
            project.store.database.refuse_read_only()
        except InputError as error:
            text = str(error)
        session.noted.emit("info", text)
        return
    dialog = RestoreDialog(session, window)
    if dialog.exec() and dialog.chosen is not None:
        go_back(session, dialog.chosen)
    dialog.deleteLater()


def go_back(session: Session, backup: Backup) -> None:
    """Make the open project what a backup holds; a refusal leaves it as it was.

    Who labels stays the same, also where the backup knows nothing of it.
    """
    folder, who = session.require().folder, session.require().project.annotator_name
    session.close()
    try:
        backups.restore(folder, backup.path)
        there = backup.time.astimezone()
        today = there.date() == datetime.now().astimezone().date()
        made = f"{there:%H:%M}" if today else f"{there:%d %b %Y, %H:%M}"
        level, text = "info", f"Restored the backup of {made}."
        text += " Your previous state was backed up first."
    except (InputError, OSError) as error:
        level, text = "error", f"Nothing was changed: {error}"
    try:
        session.open(folder)
        if session.require().project.annotator_name != who:
            session.label_as(who)
    except (InputError, OSError) as error:
        level, text = "error", str(error)
    session.noted.emit(level, text)
