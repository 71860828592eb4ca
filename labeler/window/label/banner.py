"""A banner where files of shots are not where they were: it asks where they are now."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from labeler.session.session import Session
from labeler.window.widgets import theme
from labeler.window.widgets.parts import label
from model.errors import InputError


class MissingFiles(QFrame):
    """Names the first missing file and lets it be found again; labelling works meanwhile."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setObjectName("banner")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.sign = QLabel()
        self.words = label()
        self.words.setWordWrap(True)
        self.button = QPushButton("Locate…")
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.setAccessibleName("Say where the missing file is now")
        self.button.clicked.connect(self.ask)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 7, 10, 7)
        layout.setSpacing(10)
        layout.addWidget(self.sign)
        layout.addWidget(self.words, 1)
        layout.addWidget(self.button)
        session.project_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the first missing file, or nothing."""
        opened = self.session.opened
        missing = () if opened is None else opened.project.missing_sources()
        self.setVisible(bool(missing))
        if missing:
            self.sign.setPixmap(theme.icon("warning", "warning").pixmap(18))
            path = missing[0].info.path
            more = f" {len(missing) - 1} more are missing." if len(missing) > 1 else ""
            self.words.setText(
                f"{path.name} is not in {path.parent} any more.{more} Where is it now?"
            )

    def ask(self) -> None:
        """Ask for the file and tell the project."""
        missing = self.session.require().project.missing_sources()
        if not missing:
            return
        old = missing[0].info.path
        chosen, _ = QFileDialog.getOpenFileName(self, f"Where is {old.name}?", old.name)
        if chosen:
            self.relocate(missing[0].id, Path(chosen))

    def relocate(self, source_id: int, path: Path) -> None:
        """Tell the project where a file is; a wrong one is refused in a note."""
        try:
            self.session.require().project.relocate(source_id, path)
        except (InputError, OSError) as error:
            self.session.noted.emit("error", str(error))
            return
        self.session.noted.emit("info", f"Found {path.name} again.")
        self.session.reopen()
