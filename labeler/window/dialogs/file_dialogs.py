"""Dialogs that ask for files and folders, and open none of them.

The system's own dialogs, and Qt's with its usual icons, look into every file of the folder that
they show. In the folder of an open project that would cost SQLite its locks (POSIX drops all locks
of a process on a file as soon as it closes it anywhere), and with them the labels of the next
minutes. So these take their icons from names alone, and begin beside the project and not in it.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from PyQt6.QtCore import QFileInfo
from PyQt6.QtGui import QIcon
from PyQt6.QtWidgets import (
    QApplication,
    QDialogButtonBox,
    QFileDialog,
    QFileIconProvider,
    QPushButton,
    QStyle,
    QWidget,
)

from labeler.project.folder import is_project_folder
from labeler.window.widgets.parts import press_by_enter

_last: dict[str, str] = {}
"""Where a dialog of each title was last, for as long as the program runs."""


class IconsByName(QFileIconProvider):
    """Icons and kinds that follow from what the folder says of a file, never from its content."""

    def __init__(self) -> None:
        super().__init__()
        style = QApplication.style()
        assert style is not None
        self._folder = style.standardIcon(QStyle.StandardPixmap.SP_DirIcon)
        self._file = style.standardIcon(QStyle.StandardPixmap.SP_FileIcon)

    def icon(self, which: QFileInfo | QFileIconProvider.IconType) -> QIcon:
        """A folder or a file."""
        if isinstance(which, QFileInfo):
            return self._folder if which.isDir() else self._file
        return self._folder if which != QFileIconProvider.IconType.File else self._file

    def type(self, info: QFileInfo) -> str:
        """The kind in words, by the ending of the name."""
        return "Folder" if info.isDir() else f"{info.suffix() or 'plain'} file"


@cache
def _icons() -> IconsByName:
    """One for all dialogs: a thread of Qt's may still ask it when a dialog is gone."""
    return IconsByName()


def dialog(host: QWidget | None, title: str, start: str, filters: str = "") -> QFileDialog:
    """A dialog that opens no file, beginning at `start` or where the last one of that title was."""
    made = QFileDialog(host, title, filter=filters)
    made.setOption(QFileDialog.Option.DontUseNativeDialog)
    made.setOption(QFileDialog.Option.DontUseCustomDirectoryIcons)
    made.setIconProvider(_icons())
    given = Path(start)
    folder = given.parent if given.suffix or given.is_file() else given
    folder = Path(_last.get(title, ".")) if not start or not given.is_absolute() else folder
    made.setDirectory(str(beside_projects(folder.absolute())))
    if start and given.name and not given.is_dir():
        made.selectFile(given.name)
    return made


def beside_projects(folder: Path) -> Path:
    """The folder, or where it belongs to a project, the one in which that project lies."""
    for place in (folder, *folder.parents):
        if is_project_folder(place):
            return place.parent
    return folder


def _answer(made: QFileDialog, title: str) -> list[Path]:
    try:
        chosen = made.selectedFiles() if made.exec() else []
        if chosen:
            _last[title] = str(Path(chosen[0]).parent)
        return [Path(path) for path in chosen]
    finally:
        made.deleteLater()


def ask_shots(host: QWidget | None, title: str, filters: str) -> list[Path]:
    """Existing files of shots, or the folder of a run; none where the person thought better of
    it."""
    made = dialog(host, title, "", filters)
    made.setFileMode(QFileDialog.FileMode.ExistingFiles)
    folder: list[Path] = []
    offer_folder(made, folder)
    chosen = _answer(made, title) or folder
    if folder:
        _last[title] = str(folder[0].parent)
    return chosen


def offer_folder(made: QFileDialog, folder: list[Path]) -> QPushButton:
    """A button that ends the dialog with the folder that is marked, or else the one shown.

    For runs, stores and pictures that are opened as a folder: Open would only go into it.
    """
    buttons = made.findChild(QDialogButtonBox)
    assert buttons is not None
    button = buttons.addButton("Open folder of a run", QDialogButtonBox.ButtonRole.ActionRole)
    assert button is not None
    press_by_enter(button)
    button.setToolTip("Opens the marked folder, or else the one shown, as one file of shots")
    marked = [made.directory().absolutePath()]
    made.currentChanged.connect(lambda path: marked.__setitem__(0, path))
    made.directoryEntered.connect(lambda path: marked.__setitem__(0, path))

    def take() -> None:
        path = Path(marked[0])
        folder.append(path if path.is_dir() else path.parent)
        made.reject()

    button.clicked.connect(take)
    return button


def ask_file(host: QWidget | None, title: str, filters: str = "", start: str = "") -> Path | None:
    """One existing file, or None."""
    made = dialog(host, title, start, filters)
    made.setFileMode(QFileDialog.FileMode.ExistingFile)
    return next(iter(_answer(made, title)), None)


def ask_folder(host: QWidget | None, title: str) -> Path | None:
    """A folder, or None."""
    made = dialog(host, title, "")
    made.setFileMode(QFileDialog.FileMode.Directory)
    made.setOption(QFileDialog.Option.ShowDirsOnly)
    return next(iter(_answer(made, title)), None)


def ask_new_file(
    host: QWidget | None, title: str, start: str, filters: str = ""
) -> tuple[Path | None, str]:
    """(a file to be written or None, the kind that was chosen); asks before one is replaced.

    A name without an ending gets that of the kind before Qt asks, so it asks about the real file.
    """
    made = dialog(host, title, start, filters)
    made.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    made.setDefaultSuffix(_ending(made.selectedNameFilter()))
    made.filterSelected.connect(lambda kind: made.setDefaultSuffix(_ending(kind)))
    chosen = next(iter(_answer(made, title)), None)
    return chosen, made.selectedNameFilter()


def _ending(kind: str) -> str:
    """The first ending of a kind such as "Web page (*.html)"; '' for all files."""
    found = re.search(r"\*(\.[^ )*]+)", kind)
    return found[1] if found else ""
