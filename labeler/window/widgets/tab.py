"""What every view of the main window is to it: a widget that may ask for Label, or select shots."""

from __future__ import annotations

from collections.abc import Mapping

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QWidget

from labeler.session.selection import SelectedShots
from labeler.session.session import Session


class Tab(QWidget):
    """One of the views. Its commands go to `selection` where it has one."""

    label_requested = pyqtSignal()
    """A shot was chosen here: show it in Label."""
    selection: SelectedShots | None = None
    """The shots that are selected here; None where none can be."""
    section = ""
    """What of the view is in front, where it has pages: a section of its page in the manual."""

    session: Session

    def open_in_label(self, row: int) -> None:
        """Show a shot in Label."""
        self.session.cursor.show(row)
        self.label_requested.emit()

    @property
    def stage(self) -> QWidget:
        """Over which part of the view its cards lie."""
        return self

    def show_keys(self, keys: Mapping[str, str]) -> None:
        """Write the keys in use: that of each command by its id, '' where it has none."""
