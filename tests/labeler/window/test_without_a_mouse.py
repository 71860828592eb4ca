"""The window is worked without a mouse: Tab goes as the eye does, what has the keys is seen, menus
and cards open, work and close by keys, and F1 helps everywhere."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import QEvent, Qt, QTimer
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QComboBox,
    QMenu,
    QMessageBox,
    QWidget,
)

from labeler.window.dialogs import file_dialogs
from labeler.window.dialogs.accept_sure import AcceptSure
from labeler.window.frame.guide import Guide
from labeler.window.grid.canvas import GridCanvas
from labeler.window.label.history import is_shown
from labeler.window.label.pattern.pattern import PatternView
from labeler.window.map.canvas import MapCanvas
from labeler.window.widgets import theme
from labeler.window.widgets.ask import Ask
from labeler.window.widgets.fields import MenuField
from labeler.window.widgets.manual import Manual
from model.heatmaps.forms import HEAT_FORMS
from tests.helpers.waiting import serve_events, until
from tests.helpers.window_parts import on_screen
from tests.labeler.window.test_accessibility import make_window, spoken, views

KEY = Qt.Key
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)  # offscreen


@pytest.fixture(scope="module")
def window(qapp, tmp_path_factory):
    with on_screen(make_window(qapp, tmp_path_factory.mktemp("keys")), qapp) as window:
        yield window


@pytest.fixture(autouse=True)
def in_front(window):
    window.activateWindow()
    until(window.isActiveWindow)
    window.show_tab("Label")
    window.session.cursor.show(0)
    window.label.pattern.setFocus()


def press(key, times=1):
    """Press a key where the keys go now: in a popup, else in the widget that has them."""
    for _ in range(times):
        popup = QApplication.activePopupWidget()
        inside = popup and (popup.focusWidget() or popup)
        QTest.keyClick(inside or QApplication.focusWidget(), key)


# -- menus -----------------------------------------------------------------------------------------


def offer_forms(window, monkeypatch):
    """Let the run offer two forms of heat."""
    heat = type(window.session.heat)
    monkeypatch.setattr(heat, "offered", property(lambda self: tuple(HEAT_FORMS)[:2]))
    window.bar.picture.refresh()


def test_the_overlays_are_opened_worked_and_closed_by_keys(window, monkeypatch):
    offer_forms(window, monkeypatch)
    field, controls = window.bar.picture.overlay, window.bar.picture.controls
    before = window.session.display.screen.mask
    field.setFocus(Qt.FocusReason.TabFocusReason)
    press(KEY.Key_Space)
    until(lambda: controls.masked.hasFocus())
    press(KEY.Key_Space)
    assert window.session.display.screen.mask != before
    press(KEY.Key_Tab)
    assert controls.heat.hasFocus()
    reached = {controls.focusWidget()}
    for _ in range(8):
        press(KEY.Key_Tab)
        reached.add(controls.focusWidget())
    inside = (controls.masked, controls.heat, controls.form, controls.contours)
    assert reached >= {*inside, controls.transparency, controls.strength}
    strength = window.session.display.overlay.strength
    controls.strength.setFocus()
    press(KEY.Key_Left)
    assert window.session.display.overlay.strength < strength
    press(KEY.Key_Escape)
    until(lambda: not controls.isVisible())
    until(field.hasFocus)


def test_the_card_of_overlays_grows_with_the_words_about_a_heatmap_that_is_ticked(window):
    controls = window.bar.picture.controls
    if window.session.heat.on:
        window.session.heat.toggle()
    window.bar.picture.show_overlays()
    until(controls.isVisible)
    controls.heat.click()
    assert controls.about.isVisible()
    words = controls.about
    assert words.height() >= words.heightForWidth(words.width())
    assert controls.height() >= controls.sizeHint().height()
    assert controls.screen().availableGeometry().contains(controls.geometry())
    controls.heat.click()
    controls.close()


def test_the_form_of_heat_is_set_by_a_command_where_its_field_gave_way(window, monkeypatch):
    controls = window.bar.picture.controls
    offer_forms(window, monkeypatch)
    window.bar.picture.overlay.hide()
    window.actions_.trigger("heat_form")
    until(lambda: controls.form.hasFocus())
    press(KEY.Key_Down)
    assert window.session.display.overlay.form == next(iter(HEAT_FORMS))
    press(KEY.Key_Escape)
    until(lambda: not controls.isVisible())
    window.bar.picture.overlay.show()
    window.session.display.change(form="best")


def test_every_menu_of_a_field_opens_by_space_and_has_a_line_chosen_by_down(window):
    seen = []

    def look():
        menu = QApplication.activePopupWidget()
        if isinstance(menu, QMenu):
            QTest.keyClick(menu, KEY.Key_Down)
            seen.append(menu.activeAction() is not None and menu.activeAction().isEnabled())
            QTest.keyClick(menu, KEY.Key_Escape)

    fields = set()
    for name in views(window):
        for field in window.findChildren(MenuField):
            if field.isVisible() and field.menu() and field not in fields:
                fields.add(field)
                window.activateWindow()
                field.setFocus(Qt.FocusReason.TabFocusReason)
                until(field.hasFocus, field.what)
                QTimer.singleShot(0, look)
                press(KEY.Key_Space)
                until(lambda: len(seen) == len(fields), f"{name}: {field.what} opened no menu")
                until(lambda: QApplication.activePopupWidget() is None)
                assert seen[-1], field.what
    assert {"Norm", "Colours", "Select shots that match"} <= {field.what for field in fields}


def test_the_value_of_a_field_is_spoken(window):
    picture = window.bar.picture
    window.session.display.change(norm="log")
    assert picture.norm.accessibleName() == "Norm: log"
    assert picture.overlay.accessibleName() == "Overlays"
    assert window.label.shots.findChildren(MenuField)[0].accessibleName().count(": ") == 1


# -- Tab -------------------------------------------------------------------------------------------


def part_of(window, widget):
    """Which part of Label has a widget."""
    label = window.label
    parts = {
        "top bar": window.bar, "queue": label.shots, "buttons": label.classes.buttons,
        "card": label.classes.card, "classes": label.classes, "foot": window.foot,
        "pattern": label.pattern,
    }  # fmt: skip
    return next((n for n, part in parts.items() if part is widget or part.isAncestorOf(widget)), "")


def test_tab_goes_from_the_top_bar_by_queue_pattern_and_classes_to_the_foot(window):
    window.label.classes.rebuild()  # rows made late come in their place all the same
    serve_events()
    window.bar.burger.setFocus()
    forward = [QApplication.focusWidget()]
    while True:
        press(KEY.Key_Tab)
        if QApplication.focusWidget() is forward[0]:
            break
        forward.append(QApplication.focusWidget())
        assert len(forward) < 300
    parts = [part_of(window, widget) for widget in forward]
    order = list(dict.fromkeys(part for part in parts if part))
    wanted = ["top bar", "queue", "pattern", "classes", "buttons", "card", "foot"]
    assert order == [part for part in wanted if part in order]
    assert {"top bar", "queue", "pattern", "classes", "buttons", "foot"} <= set(order)
    assert len([p for n, p in enumerate(parts) if not n or p != parts[n - 1]]) == len(order)
    rows = [w for w in forward if w in window.label.classes.rows.values()]
    assert rows == list(window.label.classes.rows.values())
    press(KEY.Key_Backtab)
    assert QApplication.focusWidget() is forward[-1]


# -- what has the keys is seen ---------------------------------------------------------------------


def unseen(window):
    """What looks alike with and without the keys, when Tab brings them."""
    found = []
    for widget in window.findChildren(QWidget):
        takes = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus) and widget.isEnabled()
        if not takes or not widget.isVisible() or widget.focusProxy() is not None:
            continue
        kinds = (QAbstractButton, QAbstractItemView, QComboBox, GridCanvas, MapCanvas, PatternView)
        if not isinstance(widget, kinds):
            continue
        window.setFocus()
        before = widget.grab().toImage()
        widget.setFocus(Qt.FocusReason.TabFocusReason)
        if widget.hasFocus() and widget.grab().toImage() == before:
            found.append((type(widget).__name__, spoken(widget)))
    return found


@pytest.mark.parametrize("name", ["dark", "light"])
def test_what_has_the_keys_is_seen(window, name):
    if theme.current().name != name:
        window.flip_theme()
    assert {view: found for view in views(window) if (found := unseen(window))} == {}


# -- grid and map ----------------------------------------------------------------------------------


def test_the_grid_says_whether_a_shot_is_selected_and_how_many_are(window):
    window.show_tab("Grid")
    canvas = window.views["Grid"].canvas
    canvas.setFocus()
    press(KEY.Key_Home)
    assert canvas.accessibleDescription().endswith(", selected; 1 selected")
    QTest.keyClick(canvas, KEY.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert canvas.accessibleDescription().endswith(", selected; 2 selected")
    press(KEY.Key_Space)
    assert canvas.accessibleDescription().endswith("; 1 selected")
    assert ", selected" not in canvas.accessibleDescription()
    press(KEY.Key_Escape)
    assert canvas.accessibleDescription().endswith("; 0 selected")


# -- cards -----------------------------------------------------------------------------------------


def test_escape_closes_the_history_wherever_the_keys_are(window):
    for keys in (window.label.pattern, window.label.classes.rows[0], window.bar.burger):
        window.actions_.trigger("history")
        assert is_shown(window.label.pattern)
        keys.setFocus()
        press(KEY.Key_Escape)
        assert not is_shown(window.label.pattern)


def test_escape_closes_a_question_before_the_history_under_it(window):
    window.actions_.trigger("history")
    window.actions_.trigger("jump")
    asked = window.findChildren(Ask)[-1]
    press(KEY.Key_Escape)
    assert not asked.isVisible()
    assert is_shown(window.label.pattern)
    press(KEY.Key_Escape)
    assert not is_shown(window.label.pattern)


def test_escape_on_a_button_closes_the_card_that_it_is_on(window):
    card = AcceptSure(window.session, window.label)
    button = next(b for b in card.findChildren(QAbstractButton) if b.isVisible())
    button.setFocus()
    press(KEY.Key_Escape)
    assert not card.isVisible()
    window.show_guide()
    guide = window.findChildren(Guide)[-1]
    guide.away.setFocus()
    press(KEY.Key_Escape)
    assert not guide.isVisible()
    window.session.noted.emit("error", "the disk is full")
    note = window.notes.notes[-1]
    note.help.setFocus()
    press(KEY.Key_Escape)
    assert note not in window.notes.notes


def test_a_held_enter_answers_no_question_that_it_opened(window):
    box = QMessageBox(QMessageBox.Icon.Question, "Many shots at once", "Sure?", parent=window)
    buttons = QMessageBox.StandardButton
    box.setStandardButtons(buttons.Yes | buttons.Cancel)
    box.setModal(True)
    box.show()
    until(box.isActiveWindow)
    kind, key, none = QEvent.Type.KeyPress, KEY.Key_Return, Qt.KeyboardModifier.NoModifier
    for _ in range(3):
        QApplication.sendEvent(box.focusWidget(), QKeyEvent(kind, key, none, "", autorep=True))
    assert box.isVisible()
    press(key)
    assert box.result() == buttons.Yes
    assert not box.isVisible()
    box.deleteLater()


# -- help ------------------------------------------------------------------------------------------


def shown_manual():
    return next((w for w in QApplication.topLevelWidgets()
                 if isinstance(w, Manual) and w.isVisible()), None)  # fmt: skip


def test_f1_opens_the_manual_from_dialogs_of_qt(window):
    made = file_dialogs.dialog(window.views["Label"], "Files of shots", "")
    text = "Stop the training and keep the network so far?"
    box = QMessageBox(QMessageBox.Icon.Question, "A training is running", text, parent=window)
    for dialog, address in (
        (made, "label"),
        (box, "messages-training#closing-while-a-training-runs"),
    ):
        dialog.setModal(True)
        dialog.show()
        dialog.activateWindow()
        until(dialog.isActiveWindow)
        QTest.keyClick(dialog.focusWidget() or dialog, KEY.Key_F1)
        manual = shown_manual()
        assert manual is not None
        assert manual.address == address
        assert manual.parent() is dialog, "a modal dialog would block a manual beside it"
        manual.close()
        dialog.close()
        dialog.deleteLater()


def test_rules_say_which_of_them_a_button_is_about(window):
    window.show_tab("Quality")
    window.views["Quality"].show_page("Rules")
    rows = [row for row in window.findChildren(QWidget) if type(row).__name__ == "RuleRow"]
    names = [row.go.accessibleName() for row in rows]
    assert rows
    assert len(set(names)) == len(names)
    assert all(name.startswith("Show in Label: ") for name in names)
