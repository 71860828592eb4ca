"""A project that a stranger sent is text everywhere: on a terminal, in pages, tables and figures,
and in every part of the window."""

from __future__ import annotations

import csv
import re
from types import BuiltinMethodType, MethodType
from xml.etree import ElementTree

import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QAction, QPainter
from PyQt6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QLabel,
    QMenu,
    QMessageBox,
    QToolTip,
    QWidget,
)

from labeler.cli import main
from labeler.session.session import Session
from labeler.window.dialogs.batch_jobs import BatchJobs
from labeler.window.dialogs.new_project import NewProject
from labeler.window.dialogs.sources import SourcesDialog
from labeler.window.label.pattern.geometry_dialog import GeometryDialog
from labeler.window.main_window import TABS, MainWindow
from labeler.window.settings import Settings
from labeler.window.widgets import theme
from model.errors import InputError
from model.taxonomy.toml import loads
from tests.helpers.hostile import FORMULA, HOSTILE, IMAGE, NOTE, PERSON, TURN, make_hostile
from tests.helpers.waiting import until
from tests.helpers.window_parts import InlineReader, use_made_up_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_hostile(tmp_path_factory.mktemp("hostile"))


@pytest.mark.parametrize(
    "words",
    ["info", "check", "classes", "sources", "agreement", "fractions", "restore",
     "side-by-side --labels"],
)  # fmt: skip
def test_on_a_terminal_every_name_is_text(folder, words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    name, *more = words.split()
    assert main([name, str(folder), *more]) == 0
    said = capsys.readouterr().out
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", said)
    if name in ("info", "classes", "fractions", "side-by-side"):
        assert IMAGE in said
        assert FORMULA in said
    if name == "agreement":
        assert PERSON in said


def test_an_error_that_names_what_a_stranger_called_it_acts_on_no_terminal(tmp_path, capsys):
    assert main(["info", str(tmp_path / "\x1b]0;owned\x07")]) == 1
    said = capsys.readouterr().err
    assert "\\u001b]0;owned\\u0007" in said
    assert "\x1b" not in said


def test_json_names_everything_as_it_is(folder, capsys):
    import json

    assert main(["info", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {IMAGE, FORMULA} < set(found["classes"])


def test_a_report_holds_no_element_that_a_name_wrote(folder, tmp_path, capsys):
    page, paper = tmp_path / "report.html", tmp_path / "report.pdf"
    for out in (page, paper):
        assert main(["report", str(folder), "--out", str(out)]) == 0
    text = page.read_text("utf-8")
    for bad in ("<img", "<i>Eve", "<b>shots", "<u>week"):
        assert bad not in text
    assert "&lt;i&gt;Eve" in text
    assert "\x1b" not in text


def test_figures_write_names_as_they_are(folder, tmp_path, capsys):
    out = tmp_path / "gallery.svg"
    assert main(["gallery", str(folder), "--out", str(out)]) == 0
    texts = {t.text for t in ElementTree.parse(out).iter("{http://www.w3.org/2000/svg}text")}
    assert {IMAGE, FORMULA} <= texts


@pytest.mark.parametrize("ending", ["csv", "json", "cxi", "h5", "parquet"])
def test_labels_come_back_exactly_from_every_format(folder, ending, tmp_path, capsys):
    out = tmp_path / f"labels.{ending}"
    assert main(["export", str(folder), "--out", str(out)]) == 0
    capsys.readouterr()
    assert main(["import", str(folder), str(out), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "6 have the same label already" in said
    if ending != "csv":
        return
    with out.open(encoding="utf-8-sig", newline="") as lines:
        cells = [cell for line in csv.reader(lines) for cell in line]
    assert not [c for c in cells if c.startswith(("=", "+", "-", "@"))]


def test_a_table_is_not_written_as_a_page(folder, tmp_path, capsys):
    out = tmp_path / "sides.html"
    assert main(["side-by-side", str(folder), "--labels", "--out", str(out)]) == 1
    assert ".csv" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("name", ["two\\nlines", "bell\\u0007", "\\u202eback", "R" * 101])
def test_a_class_has_a_name_of_one_line(name):
    with pytest.raises(InputError, match="no name of a class"):
        loads(f'[[class]]\nname = "{name}"\n')


# -- the window ------------------------------------------------------------------------------------


@pytest.fixture
def window(qtbot, qapp, folder, tmp_path):
    theme.apply(qapp, "dark")
    session = Session(make_reader=InlineReader)
    window = MainWindow(session, Settings(tmp_path / "settings.toml"))
    window.resize(1280, 800)
    window.show()
    session.open(folder)
    yield window
    session.close()
    window.close()
    window.deleteLater()
    qapp.setStyle("Fusion")


def visit(window):
    """Everything that the window can show of a project, one after another."""
    session = window.session
    session.cursor.show(1)
    use_made_up_run(session)
    for name in TABS:
        window.show_tab(name)
        QApplication.processEvents()
        yield name


def test_no_text_of_the_window_is_markup_or_marks_a_key(window, qtbot):
    seen = set()
    for _ in visit(window):
        for label in window.findChildren(QLabel):
            assert label.textFormat() == Qt.TextFormat.PlainText, label.text()
            seen.update(bad for bad in HOSTILE if bad in label.text())
        for menu in window.findChildren(QMenu):
            menu.aboutToShow.emit()
        pressed = [*window.findChildren(QAbstractButton), *window.findChildren(QAction)]
        for text in (one.text() for one in pressed):
            assert not re.search(r"R&D|</i> & =", text), text
            seen.update(bad for bad in HOSTILE if bad.replace("&", "&&") in text)
    assert {IMAGE, FORMULA} <= seen


def texts(widget):
    """What a widget shows, and says to a screen reader."""
    asked = ("text", "toolTip", "accessibleName", "accessibleDescription", "windowTitle")
    for name in asked:
        said = getattr(widget, name, "")
        if isinstance(said, str):
            yield said
        elif isinstance(said, (MethodType, BuiltinMethodType)):
            yield said()
    if isinstance(widget, QComboBox):
        yield from (widget.itemText(n) for n in range(widget.count()))


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_names_of_files_and_of_what_is_in_them_stay_on_their_line_and_turn_no_other_text(
    window, qtbot, monkeypatch
):
    session, shown, drawn = window.session, set(), QPainter.drawText

    def draw(painter, *given):
        shown.update(text for text in given if isinstance(text, str))
        return drawn(painter, *given)

    monkeypatch.setattr(QPainter, "drawText", draw)
    for dialog in (
        GeometryDialog(session, window.label.pattern, window),
        SourcesDialog(session, window),
        BatchJobs(session, window.settings, window),
        NewProject([info.path for info in session.opened.table.sources], window),
    ):
        dialog.show()
    session.queue.want_numbers()
    until(lambda: session.queue.numbers, "the numbers of the shots were never read")
    for _ in visit(window):
        for menu in window.findChildren(QMenu):
            menu.aboutToShow.emit()
        for kind in (QWidget, QAction):
            for one in window.findChildren(kind):
                shown.update(texts(one))
        window.grab()
    assert any("second" in text for text in shown)
    assert [text for text in shown if TURN in text or "\nsecond" in text] == []


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_tooltips_and_message_boxes_show_what_is_written(window, qtbot):
    QToolTip.showText(QPoint(5, 5), IMAGE, window)
    tips = [w for w in QApplication.topLevelWidgets() if w.metaObject().className() == "QTipLabel"]
    assert [t.textFormat() for t in tips] == [Qt.TextFormat.PlainText]
    box = QMessageBox(QMessageBox.Icon.NoIcon, NOTE, IMAGE, parent=window)
    box.setInformativeText(NOTE)
    box.show()
    shown = [w for w in box.findChildren(QLabel) if w.text()]
    assert {w.textFormat() for w in shown} == {Qt.TextFormat.PlainText}
    box.close()
    QToolTip.hideText()
