"""Everyday manners: a mouse is enough, nothing hides the shot, levels can be typed."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime

import h5py
import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFileDialog, QLabel, QWidget

from labeler.project.project import Project
from labeler.window.dialogs import file_dialogs
from labeler.window.dialogs.new_project import SHOT_FILES, NewProject
from labeler.window.label.pattern.pinned import PinnedShots
from labeler.window.main_window import MainWindow
from labeler.window.widgets import parts
from model.preprocessing.display import levels_between
from model.shots.contents import contents
from tests.helpers.window_parts import make_project, make_session


@pytest.fixture
def window(qtbot, tmp_path):
    window = MainWindow(make_session(make_project(tmp_path)))
    qtbot.addWidget(window)
    window.show()
    qtbot.waitExposed(window)
    yield window
    window.close()


def button(window, text):
    from PyQt6.QtWidgets import QToolButton

    return next(b for b in window.label.classes.findChildren(QToolButton) if b.text() == text)


def test_buttons_on_screen_accept_step_flag_and_undo(qtbot, window):
    session = window.session
    session.labelling.toggle(0)
    for text in ("Flag", "Next"):
        qtbot.mouseClick(button(window, text), Qt.MouseButton.LeftButton)
    assert session.labels.status[0] & 2
    assert session.cursor.row == 1
    qtbot.mouseClick(button(window, "Undo"), Qt.MouseButton.LeftButton)
    assert not session.labels.status[0] & 2
    session.cursor.show(0)
    qtbot.mouseClick(button(window, "Accept"), Qt.MouseButton.LeftButton)
    assert session.cursor.row == 1
    assert button(window, "Next").toolTip() == "Next shot (→)"


def test_a_resting_mouse_does_not_hide_the_card_of_the_shot(qtbot, window):
    card = window.label.classes.card
    kind = window.session.labels.taxonomy.classes[1]
    card.explain(kind)
    assert card._heading.text() == kind.name
    window.session.cursor.next()
    assert card._heading.text() == "Shot 2"
    card.explain(kind)
    card._back.timeout.emit()
    assert card._heading.text() == "Shot 2"


def test_levels_are_typed_and_taken_by_percentiles(window):
    window.flip_levels()
    pane, display = window.label.levels, window.session.display
    pane.low_field.setText("3,5")
    pane.high_field.setText("90")
    pane.high_field.editingFinished.emit()
    assert (display.screen.low, display.screen.high) == (3.5, 90.0)
    pane.low_field.setText("many")
    pane.low_field.editingFinished.emit()
    pane.low_field.setText("900")
    pane.low_field.editingFinished.emit()
    assert (display.screen.low, display.screen.high) == (3.5, 90.0)
    assert pane.low_field.text() == "3.5"
    pane._by_share("0 – 100 %")
    counts = window.session.cursor.counts()
    assert (display.screen.low, display.screen.high) == (counts.min(), counts.max())


@pytest.mark.parametrize(
    "counts", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.full((4, 4), -7.0)]
)
def test_percentiles_of_any_shot_are_levels_apart(counts):
    low, high = levels_between(counts, None, 1, 99)
    assert np.isfinite([low, high]).all()
    assert low < high


def test_a_new_project_offers_the_datasets_of_the_file(qtbot, window, tmp_path):
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["images"] = np.ones((4, 16, 16), np.uint16)
        file["other"] = np.ones((3, 24, 24), np.uint16)
    dialog = NewProject([tmp_path / "two.h5"], window)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(lambda: dialog.dataset.count() == 3)
    assert "Opens other: 3 shots of 24 × 24" in dialog.opens.text()
    assert dialog._named() == ""
    at = next(i for i in range(3) if dialog.dataset.itemData(i) == "images")
    dialog.dataset.setCurrentIndex(at)
    assert dialog._named() == "images"
    dialog.dataset.setEditText("entry_1/data")
    assert dialog._named() == "entry_1/data"
    dialog.dataset.setCurrentIndex(at)
    dialog.labels.setChecked(False)
    with qtbot.waitSignal(dialog.accepted):
        dialog.start()
    with Project.open(dialog.folder) as project:
        assert [(s.dataset, s.n_shots) for s in project.sources] == [("images", 4)]


def test_a_dialog_grows_where_a_text_in_it_comes_to_need_more_lines(qtbot, window, tmp_path):
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["a_group_with_a_name/that_is/long_enough_for_two_lines"] = np.ones((4, 16, 16))
    dialog = NewProject([tmp_path / "two.h5"], window)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(dialog.opens.isVisible)

    def is_whole():
        labels = (dialog.opens, dialog.trouble)
        inside = dialog.rect().contains(dialog.make.geometry())
        return inside and all(
            w.height() >= w.heightForWidth(w.width()) for w in labels if w.isVisible()
        )

    qtbot.waitUntil(is_whole)
    dialog._refuse("The folder cannot be made. " * 12)
    qtbot.waitUntil(lambda: dialog.trouble.isVisible() and is_whole())


def test_a_file_dialog_opens_the_folder_of_a_run(qtbot, tmp_path):
    run = tmp_path / "raw" / "r0012"
    run.mkdir(parents=True)
    (run / "RAW-R0012-AGIPD00-S00000.h5").touch()
    for start, mark in ((run, ""), (tmp_path / "raw", "r0012")):
        made = file_dialogs.dialog(None, "Files of shots", "", SHOT_FILES)
        qtbot.addWidget(made)
        made.setFileMode(QFileDialog.FileMode.ExistingFiles)
        made.setDirectory(str(start))
        folder = []
        button = file_dialogs.offer_folder(made, folder)
        made.show()
        if mark:
            made.currentChanged.emit(str(start / mark))
        assert button.isVisibleTo(made)
        button.click()
        assert folder == [run]
        assert not made.isVisible()


def test_modules_get_a_geometry_and_runs_of_the_xfel_pulses_where_they_have_such(
    qtbot, window, tmp_path
):
    with h5py.File(tmp_path / "modules.h5", "w") as file:
        file["images"] = np.ones((4, 8, 16, 32), np.uint16)
    dialog = NewProject([tmp_path / "modules.h5"], window)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(lambda: "Opens" in dialog.opens.text())
    fields = dialog.modules
    assert fields.geometry_file.isVisibleTo(dialog)
    assert not fields.pulses.isVisibleTo(dialog)
    assert fields.behind("", dialog._found) == ""
    fields.geometry_file.setText("/data/agipd.geom")
    assert fields.behind("", dialog._found) == "images?geometry=/data/agipd.geom"
    fields.offer(replace(contents(tmp_path / "modules.h5").opened, layout="exdf"))
    assert fields.pulses.isVisibleTo(dialog)
    fields.pulses.setText("0:64:2")
    assert fields.behind("CAM", "") == "CAM?geometry=/data/agipd.geom&pulses=0:64:2"


def test_a_plain_stack_has_no_fields_for_modules(qtbot, window, tmp_path):
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["images"] = np.ones((4, 16, 16), np.uint16)
    dialog = NewProject([tmp_path / "plain.h5"], window)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(lambda: "Opens" in dialog.opens.text())
    assert not dialog.modules.isVisibleTo(dialog)


def test_times_in_words_do_not_grow_stale(window, monkeypatch):
    session, card = window.session, window.label.classes.card
    session.labelling.toggle(0)
    card.refresh()
    assert "just now" in card._text.text()
    now = time.time()
    assert f"{datetime.fromtimestamp(now):%A %d %B %Y}" in card._text.toolTip()
    monkeypatch.setattr(parts.time, "time", lambda: now + 200)
    parts.minutes().passed.emit()
    assert "3 min ago" in card._text.text()


def test_a_pinned_shot_stays_beside_the_pattern_with_its_levels_and_zoom(qtbot, window, tmp_path):
    session, pattern = window.session, window.label.pattern
    (pane,) = window.label.findChildren(PinnedShots)
    assert not pane.isVisible()
    session.labelling.toggle(session.labels.taxonomy.index("Round"))
    window.actions_.trigger("pin")
    session.cursor.show(3)
    window.actions_.trigger("pin")
    assert pane.isVisible()
    assert [shot.row for shot in pane.shots] == [0, 3]
    assert [name.whole for name in pane._names] == ["1 · Round", "4"]
    qtbot.waitUntil(lambda: not any(shot._image.isNull() for shot in pane.shots))
    before = pane.shots[0]._image.copy()
    session.display.change(low=50.0, high=60.0)
    assert pane.shots[0]._image != before
    shown = session.display.screen.picture(session.shots.counts(3), session.shots.mask(3))
    assert pane.shots[1]._image.pixel(16, 16) & 0xFFFFFF == int(shown[16, 16]) & 0xFFFFFF
    pattern.zoom(3.0)
    assert pattern.looked_at[0] == 3.0
    whole, close = (pane.shots[1].grab(), None)
    pattern.zoom(None)
    close = pane.shots[1].grab()
    assert whole.toImage() != close.toImage()
    qtbot.mouseClick(pane.shots[0], Qt.MouseButton.LeftButton)
    assert session.cursor.row == 0
    session.reopen()
    assert session.display.pinned == [0, 3]
    window.actions_.trigger("pin")
    assert session.display.pinned == [3]
    session.display.pin(3)
    assert not pane.isVisible()


def test_a_pinned_shot_says_no_labels_while_it_is_read_a_second_time(window, monkeypatch):
    session = window.session
    session.labelling.toggle(session.labels.taxonomy.index("Round"))
    monkeypatch.setattr(session.repeats, "hides", lambda row: row == 0)
    session.display.pin(0)
    (pane,) = window.label.findChildren(PinnedShots)
    assert [name.whole for name in pane._names] == ["1"]


def test_a_hidden_field_without_a_name_takes_no_room_in_a_form(qtbot):
    heights = []
    for hidden in (1, 2):
        page = QWidget()
        qtbot.addWidget(page)
        fields = [("", QLabel("said")) for _ in range(hidden)]
        page.setLayout(parts.form(("Name", QLabel("field")), *fields))
        for _, field in fields:
            field.hide()
        heights.append(page.sizeHint().height())
    assert heights[0] == heights[1]
