"""Dialogs for files open no file: SQLite's locks on an open project would go with its close."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PyQt6.QtCore import QTimer
from PyQt6.QtGui import QFileSystemModel
from PyQt6.QtWidgets import QApplication, QFileDialog, QLineEdit, QMessageBox

from labeler.window.dialogs import file_dialogs
from labeler.window.dialogs.exchange import LABEL_FILES, REPORT_FILES, SHOT_FILES
from tests.helpers.waiting import until
from tests.helpers.window_parts import make_project, make_session

IN_OPEN = 0x20


class Opened:
    """Whether anybody opens files of a folder, as Linux tells."""

    def __init__(self, *files: Path) -> None:
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.number = self.libc.inotify_init1(os.O_NONBLOCK)
        for file in files:
            assert self.libc.inotify_add_watch(self.number, bytes(file), IN_OPEN) >= 0

    def any(self) -> bool:
        try:
            return bool(os.read(self.number, 4096))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self.number)


@pytest.fixture
def session(qapp, tmp_path):
    opened = make_session(make_project(tmp_path, 6))
    opened.labelling.toggle(0)
    yield opened
    opened.close()


def shown(dialog: QFileDialog, folder: Path) -> None:
    """Show a dialog in a folder until all that lies there is in its list, with icons and kinds."""
    dialog.setDirectory(str(folder))
    dialog.show()
    (model,) = dialog.findChildren(QFileSystemModel)

    def listed(name: str) -> bool:
        top = model.index(str(folder))
        names = {model.fileName(model.index(k, 0, top)) for k in range(model.rowCount(top))}
        for k in range(model.rowCount(top)):
            model.fileIcon(model.index(k, 0, top))
            model.type(model.index(k, 0, top))
        return name in names

    until(lambda: listed("project.sqlite"))
    (folder / "made later").mkdir()  # Qt looks at one after another: after this at nothing more
    until(lambda: listed("made later"))


@pytest.mark.skipif(sys.platform != "linux", reason="inotify tells who opens a file")
def test_a_dialog_in_the_folder_of_an_open_project_opens_none_of_its_files(session, qtbot):
    week = session.require().folder
    files = [week / f"project.sqlite{end}" for end in ("", "-wal", "-shm")]
    dialog = file_dialogs.dialog(None, "Save figure", "", "All files (*)")
    qtbot.addWidget(dialog)
    watch = Opened(*files)
    shown(dialog, week)
    assert not watch.any()
    files[0].read_bytes()
    assert watch.any()  # the watch sees what it should
    watch.close()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX loses locks")
def test_labels_after_a_dialog_outlive_the_window(session, qtbot):
    week = session.require().folder
    dialog = file_dialogs.dialog(None, "Save figure", "", "All files (*)")
    qtbot.addWidget(dialog)
    shown(dialog, week)
    words = [sys.executable, "-m", "labeler", "info", str(week)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    journal = week / "project.sqlite-wal"
    assert journal.is_file()  # the child did not take itself for the last
    session.cursor.show(1)
    session.labelling.toggle(0)
    copies = {p.name: p.read_bytes() for p in week.glob("project.sqlite*")}  # as a kill leaves it
    left = week.parent / "left"
    left.mkdir()
    for name, raw in copies.items():
        (left / name).write_bytes(raw)
    (left / "taxonomy.toml").write_bytes((week / "taxonomy.toml").read_bytes())
    found = subprocess.run(
        [sys.executable, "-m", "labeler", "info", str(left), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert '"labelled_own": 2' in found.stdout


def test_dialogs_begin_beside_a_project_and_not_in_it(session):
    week = session.require().folder
    (week / "runs" / "0001").mkdir(parents=True)
    for inside in (week, week / "runs" / "0001"):
        assert file_dialogs.beside_projects(inside) == week.parent
        made = file_dialogs.dialog(None, "Save figure", str(inside / "shot 1.png"))
        assert Path(made.directory().absolutePath()) == week.parent
        assert not made.testOption(QFileDialog.Option.ReadOnly)
        assert made.testOption(QFileDialog.Option.DontUseNativeDialog)
        made.deleteLater()


def test_every_dialog_of_the_program_is_one_of_these():
    window = Path(file_dialogs.__file__).parent
    own = {p for p in window.rglob("*.py") if "QFileDialog" in p.read_text(encoding="utf-8")}
    assert own == {Path(file_dialogs.__file__)}


@pytest.mark.parametrize("kinds", [LABEL_FILES, tuple(SHOT_FILES), REPORT_FILES])
def test_a_name_without_its_ending_is_asked_about_as_the_file_that_it_becomes(
    qapp, tmp_path, monkeypatch, kinds
):
    last = kinds[-1]
    there = tmp_path / f"final{last[last.rindex('.') : -1]}"
    there.write_text("of last week")
    asked = []

    def refuse():
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        asked.append(box.text())
        box.button(QMessageBox.StandardButton.No).click()

    def save(dialog):
        """The person chooses a kind, types a name, saves, and wants nothing replaced."""
        dialog.selectNameFilter(last)
        dialog.filterSelected.emit(last)
        dialog.setDirectory(str(tmp_path))
        dialog.findChild(QLineEdit).setText("final")
        QTimer.singleShot(0, refuse)
        dialog.accept()
        return dialog.result()

    monkeypatch.setattr(QFileDialog, "exec", save)
    chosen, kind = file_dialogs.ask_new_file(None, "Export", "week.csv", ";;".join(kinds))
    assert chosen is None
    assert kind == last
    assert len(asked) == 1
    assert there.name in asked[0]
