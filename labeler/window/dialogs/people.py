"""Who labels here: choose a name, see how far the others are, and whether all work blind."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import (
    QCheckBox,
    QDialog,
    QLineEdit,
    QPushButton,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from labeler.project import people
from labeler.session.session import Session
from labeler.window.widgets.parts import foot, label
from labeler.window.widgets.tables import text_table
from model.errors import InputError


class PeopleDialog(QDialog):
    """`name` is who shall label from now on; '' where that stays as it is."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.name = ""
        self.setWindowTitle("Annotator")
        self.resize(460, 380)
        opened = session.require()
        store = opened.project.store
        self.list = text_table("People", ("Name", "Labelled"))
        for person in people.people(store, opened.annotator):
            mark = "  (you)" if person.is_me else ""
            item = QTreeWidgetItem([f"{person.name}{mark}", f"{person.labelled:,}"])
            item.setData(0, Qt.ItemDataRole.UserRole, "" if person.is_me else person.name)
            item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.list.addTopLevelItem(item)
            if person.is_me:
                self.list.setCurrentItem(item)
        self.list.itemActivated.connect(lambda item, column: self._take())
        self.list.installEventFilter(self)
        self.new = QLineEdit()
        self.new.setPlaceholderText("or a new name")
        self.new.setAccessibleName("A new name")
        self.new.setMaxLength(people.LONGEST)
        self.new.setClearButtonEnabled(True)
        self.blind = QCheckBox("Blind: no one sees what the others decided")
        self.blind.setChecked(people.is_blind(store))
        self.blind.setEnabled(not store.read_only)
        self.take = QPushButton("Label under this name")
        self.take.clicked.connect(self._take)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 16, 14)
        layout.setSpacing(10)
        words = "Everybody has labels, an undo and a place of their own. Your choice is remembered"
        layout.addWidget(label(f"{words} for your user on this machine.", "muted", wrap=True))
        for widget in (self.list, self.new, self.blind):
            layout.addWidget(widget)
        layout.addLayout(foot(self, self.take))
        self.list.currentItemChanged.connect(lambda now, before: self._refresh())
        self.new.textChanged.connect(lambda text: self._refresh())
        self.finished.connect(lambda result: self._keep_blind())
        self._refresh()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """A name that is typed in the list is a new one, or that of someone in it."""
        if not (isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress):
            return False
        if not (event.text().isprintable() and event.text().strip()):
            return False
        self.new.setFocus()
        self.new.event(event)
        return True

    def _chosen(self) -> str:
        item = self.list.currentItem()
        return self.new.text().strip() or (item.data(0, Qt.ItemDataRole.UserRole) if item else "")

    def _refresh(self) -> None:
        self.take.setEnabled(
            bool(self._chosen()) and not self.session.require().project.store.read_only
        )

    def _take(self) -> None:
        self.name = self._chosen()
        if self.name:
            self.accept()

    def _keep_blind(self) -> None:
        store = self.session.require().project.store
        if self.blind.isChecked() != people.is_blind(store):
            people.set_blind(store, self.blind.isChecked())
            self.session.reopen()  # what may be seen is another thing everywhere


def show_people(session: Session, window: QWidget) -> None:
    """Let the person choose under whose name they label."""
    if session.opened is None:
        return
    dialog = PeopleDialog(session, window)
    try:
        if dialog.exec() and dialog.name:
            session.label_as(dialog.name)
    except (InputError, OSError) as error:
        session.noted.emit("error", str(error))
    dialog.deleteLater()
