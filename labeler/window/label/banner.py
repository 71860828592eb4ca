"""Banners for what a person must know at once: shots that are gone, labels that are not stored."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from labeler.session.session import Session
from labeler.window.dialogs import file_dialogs
from labeler.window.dialogs.sources import ask_sources, in_words
from labeler.window.widgets import theme
from labeler.window.widgets.parts import label
from model.errors import InputError, counted


class Banner(QFrame):
    """A sign, words, and a button that asks for what helps."""

    def __init__(self, session: Session, ask: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setObjectName("banner")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.sign = QLabel()
        self.sign.setPixmap(theme.icon("warning", "warning").pixmap(18))
        self.words = label()
        self.words.setWordWrap(True)
        self.button = QPushButton(ask)
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.clicked.connect(self.ask)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 7, 10, 7)
        layout.setSpacing(10)
        layout.addWidget(self.sign)
        layout.addWidget(self.words, 1)
        layout.addWidget(self.button)

    def ask(self) -> None:
        """Ask the person; each banner for its own."""
        raise NotImplementedError


class ChangedFiles(Banner):
    """Says what became of the first file that changed, and leads to the choice that it needs."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Choose…")
        session.project_changed.connect(self.refresh)
        session.sources.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the first file that wants a choice, or nothing."""
        found = [] if self.session.opened is None else self.session.sources.found
        self.setVisible(bool(found))
        if found:
            self.sign.setPixmap(theme.icon("warning", "warning").pixmap(18))
            others = counted(len(found) - 1, "more file")
            more = f"; {others} changed" if len(found) > 1 else ""
            self.words.setText(f"{in_words(found[0][1])}{more}.")

    def ask(self) -> None:
        """Ask how to go on."""
        ask_sources(self.session, self.window() or self)


class NotStored(Banner):
    """Says that labels wait for another program, or that the project is not there any more.

    Then it offers to save what the window holds, which is more than any file of the project.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Save what this window holds…")
        self.saved: Path | None = None
        """Where the person saved what the window holds."""
        self.button.setToolTip("All labels and their history, as a file for `airylabel restore`")
        session.other_windows.displaced.connect(self.refresh)
        session.other_windows.held.connect(self._wait)
        self.refresh(session.other_windows.trouble)

    def refresh(self, trouble: str) -> None:
        """Show why nothing is stored, or nothing."""
        self.saved = None if not trouble else self.saved
        self.setVisible(bool(trouble))
        self.button.setVisible(bool(trouble))
        if trouble:
            self.sign.setPixmap(theme.icon("warning", "warning").pixmap(18))
            self.words.setText(f"Labels are not stored any more. {trouble}")

    def _wait(self, seconds: float) -> None:
        if self.session.other_windows.trouble:
            return
        self.setVisible(seconds > 0)
        self.button.setVisible(False)
        self.sign.setPixmap(theme.icon("warning", "warning").pixmap(18))
        words = "Another program holds the project. Your keys wait, and follow in their order"
        self.words.setText(f"{words} ({seconds:.0f} s).")

    def ask(self) -> None:
        """Ask where to save all that the window holds, and save it."""
        opened = self.session.require()
        start = str(opened.folder.parent.parent / f"{opened.project.name}-saved.sqlite")
        chosen, _ = file_dialogs.ask_new_file(self, "Save what this window holds", start, KIND)
        if chosen is not None:
            self.save(chosen)

    def save(self, path: Path) -> None:
        """Save all that the window holds; a refusal is a note."""
        try:
            self.session.require().project.store.save_copy(path)
        except (InputError, OSError) as error:
            self.session.noted.emit("error", str(error))
            return
        self.saved = path
        back = f"`airylabel restore PROJECT {path.name}` brings it back"
        self.session.noted.emit("info", f"Saved as {path}; {back}.")


KIND = "Saved labels (*.sqlite)"
