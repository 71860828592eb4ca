"""Views one by one: what they paint, what they ask the session for, what a hand does to them."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import QPointF, QRect, Qt
from PyQt6.QtGui import QImage, QPainter
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QCheckBox

from labeler.window.commands import COMMANDS, Keymap
from labeler.window.commands.keys import KeySheet
from labeler.window.dialogs.new_project import NewProject, free_folder
from labeler.window.label.classes.panel import NO_CLASS, ClassPanel, standings
from labeler.window.label.classes.row import MARKS, paint_mark
from labeler.window.label.pattern.levels import LevelsPane, short
from labeler.window.label.pattern.pattern import PatternView, contours_of
from labeler.window.label.queue.head import QueueHead
from labeler.window.label.queue.shot_list import ROW, ProgressFoot, ShotList, in_words, spoken
from labeler.window.label.status_line import angle
from labeler.window.widgets import theme
from model.preprocessing.display import MASKED
from model.shots.layouts import Geometry
from model.taxonomy.toml import load, shipped
from tests.helpers.window_parts import (
    learnt,
    make_project,
    make_session,
    use_made_up_run,
    write_shots,
)


@pytest.fixture
def session(qapp, tmp_path):
    theme.apply(qapp, "dark")
    session = make_session(make_project(tmp_path))
    yield session
    session.close()


def shown(widget, qtbot, width=400, height=300):
    qtbot.addWidget(widget)
    widget.resize(width, height)
    widget.show()
    return widget


# -- pattern ---------------------------------------------------------------------------------------


def test_the_wheel_zooms_about_the_cursor_and_double_click_resets(session, qtbot):
    view = shown(PatternView(session), qtbot, 320, 320)
    at = QPointF(100, 200)
    before = view.pixel_at(at)
    view.zoom(3.0, at)
    assert view.pixel_at(at) == before
    assert view.target().width() == pytest.approx(960)
    QTest.mouseDClick(view, Qt.MouseButton.LeftButton)
    assert view.target().width() == pytest.approx(320)


def test_the_shot_stays_square_in_a_wide_pane(session, qtbot):
    target = shown(PatternView(session), qtbot, 700, 300).target()
    assert (target.width(), target.height()) == pytest.approx((300, 300))
    assert target.center().x() == pytest.approx(350)


def test_painting_tells_the_session_which_shot_is_on_screen(session, qtbot):
    view = shown(PatternView(session), qtbot)
    painted = []
    session.cursor.painted.connect(painted.append)
    session.cursor.show(3)
    qtbot.waitUntil(lambda: 3 in painted)
    assert view.trouble == ""


def test_zoom_and_levels_stay_from_shot_to_shot(session, qtbot):
    view = shown(PatternView(session), qtbot)
    view.zoom(4.0)
    session.display.change(low=2.0, high=50.0)
    session.cursor.next()
    assert view.target().width() == pytest.approx(1200)
    assert (session.display.screen.low, session.display.screen.high) == (2.0, 50.0)


def test_masked_pixels_are_drawn_in_checks(session, qtbot, monkeypatch):
    mask = np.ones((32, 32), bool)
    mask[:16] = False
    monkeypatch.setattr(session.shots.feed.reader, "mask", lambda row: mask)
    view = shown(PatternView(session), qtbot)
    view.refresh()
    assert set(np.unique(view._pixels[:16]).tolist()) == set(MASKED)
    session.display.change(mask=False)
    assert not set(np.unique(view._pixels).tolist()) & set(MASKED)


def test_a_heatmap_darkens_where_it_is_weak_and_draws_contours(session, qtbot):
    view = shown(PatternView(session), qtbot)
    plain = view._pixels.copy() & 0xFF
    use_made_up_run(session)
    session.heat.show(1)
    dimmed = view._pixels & 0xFF
    assert (dimmed <= plain).all()
    assert dimmed[0, 0] < max(plain[0, 0], 1) or plain[0, 0] == 0
    assert len(view._contours) == 4
    session.display.change(transparency=False, contours=False)
    assert (view._pixels & 0xFF == plain).all()
    assert not view._contours


def test_contours_of_a_flat_map_are_none():
    assert contours_of(np.zeros((20, 20), np.float32)) == []
    assert contours_of(np.full((1, 1), 0.5, np.float32)) == []


# -- classes ---------------------------------------------------------------------------------------


def test_groups_follow_the_hierarchy_and_the_keys():
    taxonomy = load(shipped("helium"))
    assert [[taxonomy.names[i] for i in group] for group in taxonomy.groups] == [
        ["Spherical/Oblate", "Round", "Elliptical", "Double Rings"],
        ["Prolate", "Streak", "Bent"],
        ["Newton Rings", "Asymmetric", "Layered", "Empty"],
    ]


def test_the_four_marks_differ_in_shape_not_only_in_colour(qapp):
    pictures = []
    for mark in MARKS:
        image = QImage(24, 24, QImage.Format.Format_RGB32)
        image.fill(Qt.GlobalColor.black)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_mark(painter, QPointF(12, 12), 8, mark)
        painter.end()
        bright = [image.pixelColor(x, y).lightness() > 60 for x in range(24) for y in range(24)]
        pictures.append(np.array(bright))
    for a in range(4):
        for b in range(a):
            assert (pictures[a] != pictures[b]).sum() > 15, (MARKS[a], MARKS[b])


def test_an_undecided_shot_shows_suggestions_as_ghosts(session):
    use_made_up_run(session)
    session.cursor.show(1)
    at = session.labels.taxonomy.index
    found = standings(session)
    assert found[at("Round")].mark == "undecided"
    assert found[at("Round")].suggested
    assert found[at("Round")].probability == pytest.approx(0.9)
    session.labelling.toggle(at("Streak"))
    found = standings(session)
    assert not any(s.suggested for s in found)
    assert (found[at("Streak")].mark, found[at("Prolate")].mark) == ("present", "implied")
    assert found[at("Round")].mark == "absent"


def test_a_broken_rule_is_named_with_its_fix_and_key(session, qtbot):
    panel = shown(ClassPanel(session), qtbot, 300, 700)
    panel.show_keys({"fix": "F"})
    present = session.labels.taxonomy.pack(session.labels.taxonomy.mask(["Bent"]))
    session.labels.decided.put(0, present, 1)
    session.labels.labels_changed.emit(np.array([0]))
    from PyQt6.QtWidgets import QLabel, QToolButton

    bent = panel.rules[session.labels.taxonomy.index("Bent")]
    words = [w.text() for w in bent.findChildren(QLabel) if w.isVisible()]
    assert any("Bent without Prolate" in w for w in words)
    (button,) = [b for b in bent.findChildren(QToolButton) if b.isVisible()]
    assert button.text() == "Add Prolate  (F)"
    panel.show_keys({"fix": ""})  # a class took it
    button = bent.findChildren(QToolButton)[-1]  # the one before it goes in a moment
    assert (button.text(), button.toolTip()) == ("Add Prolate", "Apply this fix")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert session.labelling.shown_labels()[session.labels.taxonomy.index("Prolate")]


@pytest.mark.parametrize(
    ("labels", "words", "place"),
    [
        (["Round", "Spherical/Oblate", "Elliptical"], "Round and Elliptical exclude", "Elliptical"),
        (["Bent"], "Bent without Prolate", "Bent"),
        (["Newton Rings"], "neither", None),
    ],
)
def test_a_rule_message_stands_under_the_class_that_it_speaks_of(
    session, qtbot, labels, words, place
):
    from PyQt6.QtWidgets import QLabel

    panel, taxonomy = shown(ClassPanel(session), qtbot, 300, 900), session.labels.taxonomy
    session.labels.decided.put(0, taxonomy.pack(taxonomy.mask(labels)), 1)
    session.labels.labels_changed.emit(np.array([0]))
    said = {
        c: " ".join(w.text() for w in messages.findChildren(QLabel)).casefold()
        for c, messages in panel.rules.items()
        if messages.isVisible()
    }
    where = NO_CLASS if place is None else taxonomy.index(place)
    assert [c for c, text in said.items() if words.casefold() in text] == [where]
    if place is not None:
        row, message = panel.rows[where], panel.rules[where]
        assert message.y() == row.y() + row.height()


def test_a_class_that_the_model_has_not_learnt_is_named_over_the_probabilities(session, qtbot):
    use_made_up_run(session)
    line = shown(ClassPanel(session), qtbot, 300, 700).prediction_line
    assert "not learnt" not in line.toolTip()
    taxonomy = session.labels.taxonomy
    session.predictions.now.known[[taxonomy.index("Bent"), taxonomy.index("Layered")]] = False
    session.predictions.run_changed.emit()
    assert line.toolTip().endswith(" It has not learnt Bent, Layered and says nothing of that.")
    assert line.toolTip() in line.accessibleDescription()


def test_the_line_over_the_probabilities_tells_the_run_from_the_run_with_the_labels(session, qtbot):
    line = shown(ClassPanel(session), qtbot, 260, 700).prediction_line
    session.suggestions.take(learnt(session, labels=240))
    assert line.text == "from 240 labels"
    use_made_up_run(session)
    session.predictions.run.name = "run 12"
    session.suggestions.take(learnt(session, labels=7264))
    assert line.text == "run 12 + 7,264 labels"
    assert "Inspect, Learn and reports show run 12 by itself." in line.toolTip()
    session.suggestions.take(None)
    assert line.text == "run 12"
    assert line.toolTip() == "What this run says of the shot."


def test_hovering_a_class_explains_it(session, qtbot):
    panel = shown(ClassPanel(session), qtbot, 300, 700)
    kind = session.labels.taxonomy.classes[session.labels.taxonomy.index("Bent")]
    panel.rows[session.labels.taxonomy.index("Bent")].hovered.emit(kind)
    assert panel.card._text.text() == kind.help
    panel.rows[session.labels.taxonomy.index("Bent")].hovered.emit(None)
    assert panel.card._heading.text() == "Shot 1"


# -- queue -----------------------------------------------------------------------------------------


def test_a_click_in_the_list_shows_that_shot(session, qtbot):
    shots = shown(ShotList(session), qtbot, 200, 600)
    index = shots.model.index(2)
    place = shots.view.visualRect(index).center()
    QTest.mouseClick(shots.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert session.cursor.row == 2
    shots.grab()
    assert session.shots.feed.reader.small  # thumbnails of what is in sight were asked for


def test_the_list_speaks_and_follows_the_queue(session, qtbot):
    shots = shown(ShotList(session), qtbot, 200, 600)
    session.labelling.toggle(session.labels.taxonomy.index("Empty"))
    session.labelling.flag("why")
    assert spoken(session, 0) == "shot 1, Empty, flagged"
    session.queue.choose(filter="flagged")
    assert [shots.model.index(i).data(ROW) for i in range(shots.model.rowCount())] == [0]


def test_the_head_counts_what_no_longer_matches(session, qtbot):
    head = shown(QueueHead(session), qtbot, 200, 90)
    session.queue.choose(filter="unlabelled")
    session.labelling.toggle(session.labels.taxonomy.index("Round"))
    assert head.number.stale.text() == "1 done · refresh"
    QTest.mouseClick(head.number.stale, Qt.MouseButton.LeftButton)
    assert head.number.number.text() == "11 shots"
    assert not head.number.stale.isVisible()


def test_filters_that_need_a_run_are_offered_but_not_enabled_before_one(session, qtbot):
    head = shown(QueueHead(session), qtbot, 200, 90)
    head.order.fill()
    assert [a.isEnabled() for a in head.order.list.actions()] == [True, False, False, False, True]
    use_made_up_run(session)
    head.order.fill()
    assert all(a.isEnabled() for a in head.order.list.actions())
    head.order.list.actions()[1].trigger()
    assert session.queue.rows[0] == 0  # every third shot is unsure, the first comes first
    assert session.queue.rows[1] == 3


def test_the_end_is_told_as_people_say_it():
    from datetime import datetime

    now = datetime(2026, 3, 4, 10)
    assert in_words(datetime(2026, 3, 4, 16, 20), now) == "done 16:20"
    assert in_words(datetime(2026, 3, 5, 16, 20), now) == "done Thu 16:20"
    assert in_words(datetime(2026, 4, 5), now) == "done 05 Apr"


# -- levels and status -----------------------------------------------------------------------------


def test_dragging_a_level_changes_the_picture_for_all_shots(session, qtbot):
    pane = shown(LevelsPane(session), qtbot, 112, 500)
    pane.region.setRegion([0.5, 2.0])
    assert (session.display.screen.low, session.display.screen.high) == pytest.approx(
        (10**0.5, 100)
    )
    session.cursor.next()
    assert session.display.screen.high == pytest.approx(100)
    QTest.mouseClick(pane.auto, Qt.MouseButton.LeftButton)
    assert session.display.screen.high != pytest.approx(100)
    for norm in ("linear", "sqrt", "arcsinh", "log"):
        session.display.change(norm=norm)
        pane.grab()


@pytest.mark.parametrize(
    ("counts", "text"), [(0.25, "0.25"), (12, "12"), (1500, "1.5k"), (2.5e7, "25M")]
)
def test_counts_on_the_axis_are_short(counts, text):
    assert short(counts) == text


def test_angle_and_q_are_told_only_where_the_geometry_is_known():
    known = Geometry(wavelength_m=50e-9, distance_m=0.065, pixel_m=1e-4, centre=None)
    assert angle(known, 375.2777) == ["30.0°", "q 0.065 nm⁻¹"]  # 4π/50 · sin 15°
    assert angle(Geometry(None, None, None, None), 10) == []
    assert angle(None, 10) == []


# -- keys and new project --------------------------------------------------------------------------


def test_the_key_sheet_refuses_a_clash_and_names_the_other(qapp, qtbot):
    from PyQt6.QtWidgets import QWidget

    host = QWidget()
    qtbot.addWidget(host)
    sheet = KeySheet(Keymap(COMMANDS), host)
    sheet.show()
    QTest.mouseClick(sheet.buttons["skip"], Qt.MouseButton.LeftButton)
    QTest.keyClick(sheet.buttons["skip"], Qt.Key.Key_U)
    assert "Next undecided shot" in sheet._word.text()
    assert sheet.keymap.keys("skip") == ("S",)
    QTest.mouseClick(sheet.buttons["skip"], Qt.MouseButton.LeftButton)
    QTest.keyClick(sheet.buttons["skip"], Qt.Key.Key_J)
    assert sheet.keymap.keys("skip") == ("J",)
    assert sheet.changed
    sheet.close()


def test_a_sign_typed_with_shift_is_given_to_a_command_as_qt_finds_it(qapp, qtbot):
    from PyQt6.QtWidgets import QWidget

    host = QWidget()
    qtbot.addWidget(host)
    sheet = KeySheet(Keymap(COMMANDS), host)
    sheet.show()
    for key in (Qt.Key.Key_Exclam, Qt.Key.Key_Question):
        QTest.mouseClick(sheet.buttons["skip"], Qt.MouseButton.LeftButton)
        QTest.keyClick(sheet.buttons["skip"], key, Qt.KeyboardModifier.ShiftModifier)
    assert sheet.keymap.keys("skip") == ("!",)
    assert "The key ? already means “Keys…”." in sheet._word.text()
    sheet.close()


def test_a_new_project_is_made_and_a_refusal_is_told_in_the_dialog(qapp, qtbot, tmp_path):
    from PyQt6.QtWidgets import QWidget

    host = QWidget()
    qtbot.addWidget(host)
    broken = tmp_path / "broken.h5"
    broken.write_text("this is no HDF5 file")
    dialog = NewProject([broken], host)
    dialog.show()
    dialog.start()
    qtbot.waitUntil(lambda: dialog.trouble.isVisible())
    assert "broken.h5" in dialog.trouble.text()
    assert dialog.folder is None
    dialog.reject()
    good = NewProject([write_shots(tmp_path / "good.h5", 3)], host)
    good.show()
    good.start()
    qtbot.waitUntil(lambda: good.folder is not None)
    assert (good.folder / "project.sqlite").is_file()
    assert free_folder(tmp_path / "good.h5").name == "good-labels-2"


def test_a_drawing_that_is_missing_is_simply_not_there(qapp):
    assert theme.drawing("schematics/none.svg", 32, "#ffffff").isNull()
    assert not theme.icon("eye").isNull()


def luminance(pixel):
    """Relative luminance, as WCAG 2 has it."""
    parts = [(pixel >> shift & 255) / 255 for shift in (16, 8, 0)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", ["dark", "light"])
def test_a_check_mark_stands_out_from_its_field(qapp, qtbot, name):
    theme.apply(qapp, name)
    box = QCheckBox()
    qtbot.addWidget(box)
    box.setChecked(True)
    picture = box.grab().toImage()
    field = luminance(theme.colour("field").rgb())
    pixels = [luminance(picture.pixel(x, y)) for y in range(2, box.height() - 2) for x in range(14)]
    ratios = [(max(p, field) + 0.05) / (min(p, field) + 0.05) for p in pixels]
    assert sum(ratio >= 3 for ratio in ratios) >= 12


def test_the_list_says_of_a_decided_shot_that_it_has_no_class(qapp, qtbot, tmp_path):
    labels = np.zeros((12, 11), np.uint8)
    labels[:, :2] = 1  # Round, of the file
    session = make_session(make_project(tmp_path, labels=labels))
    shots = ShotList(session)
    qtbot.addWidget(shots)
    shots.resize(240, 500)
    shots.show()
    session.cursor.show(0)

    def below():
        """What stands below the number of the first shot."""
        box = shots.view.visualRect(shots.model.index(0))
        place = QRect(box.left() + 76, box.bottom() - 26, box.width() - 90, 24)
        return shots.view.viewport().grab(place).toImage()

    session.labelling.toggle(1)
    assert session.labelling.is_decided()
    assert not session.labelling.shown_labels().any()
    none = below()
    assert len({none.pixel(x, y) for x in range(none.width()) for y in range(none.height())}) > 2
    session.close()


# -- progress --------------------------------------------------------------------------------------


def test_the_progress_in_very_many_shots_is_not_cut(qtbot, session, monkeypatch):
    foot = ProgressFoot(session)
    qtbot.addWidget(foot)
    foot.resize(400, 80)
    foot.show()
    assert foot.count.text() == "0 of 12 labelled"
    monkeypatch.setattr(type(session.labels), "n_shots", 1_000_000)
    foot.refresh()
    whole = "0 of 1,000,000 labelled"
    assert foot.count.text() == whole
    foot.resize(foot.count.fontMetrics().horizontalAdvance(whole), 80)
    assert foot.count.text() == "0 of 1,000,000"
    assert foot.count.accessibleName() == whole
