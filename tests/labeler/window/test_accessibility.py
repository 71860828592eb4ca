"""Everybody can use the window: names and states are spoken, contrast holds, colours differ for
colour-blind eyes, letters twice as large are not cut, and no dialog needs a mouse."""

from __future__ import annotations

import re
import tomllib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PyQt6 import sip
from PyQt6.QtCore import QPoint, QRect, QSize, Qt
from PyQt6.QtGui import QColor, QFont
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QStyle,
    QStyleOptionComboBox,
    QToolButton,
    QTreeWidget,
    QWidget,
)

from labeler.window.commands.keys import KeySheet
from labeler.window.dialogs import file_dialogs
from labeler.window.dialogs.accept_sure import AcceptSure
from labeler.window.dialogs.batch_jobs import BatchJobs
from labeler.window.dialogs.classes import ClassesDialog, ClassForm
from labeler.window.dialogs.import_labels import ImportLabels
from labeler.window.dialogs.new_project import SHOT_FILES, NewProject
from labeler.window.dialogs.people import PeopleDialog
from labeler.window.dialogs.preparation import PreparationDialog
from labeler.window.dialogs.restore import RestoreDialog
from labeler.window.dialogs.rule_form import RuleForm
from labeler.window.dialogs.settings_page import SettingsPage
from labeler.window.dialogs.sources import SourcesDialog
from labeler.window.frame.guide import Guide
from labeler.window.frame.notes import LogDialog
from labeler.window.frame.start import StartPage
from labeler.window.label.classes.row import MARKS, ClassRow, RowState
from labeler.window.label.pattern.geometry_dialog import GeometryDialog
from labeler.window.main_window import TABS, MainWindow
from labeler.window.map.colours import BLUE_TO_YELLOW, OKABE_ITO
from labeler.window.settings import Settings
from labeler.window.widgets import theme
from labeler.window.widgets.manual import Manual
from labeler.window.widgets.parts import Elided, foot, page, press_by_enter
from model.preprocessing.display import COLORMAPS, colormap
from model.taxonomy.taxonomy import Class
from tests.helpers.runs import give_roles, make_project, make_run
from tests.helpers.window_parts import make_session, on_screen

ROOT = Path(__file__).parents[3]
DIALOGS = {
    "classes": lambda w, folder: ClassesDialog(w.session, w),
    "batch jobs": lambda w, folder: BatchJobs(w.session, w.settings, w),
    "new project": lambda w, folder: NewProject([folder / "shots.h5"], w),
    "annotators": lambda w, folder: PeopleDialog(w.session, w),
    "preprocessing": lambda w, folder: PreparationDialog(w.session, w),
    "backups": lambda w, folder: RestoreDialog(w.session, w),
    "keys": lambda w, folder: KeySheet(w.actions_.keymap, w),
    "messages": lambda w, folder: LogDialog([], w),
    "manual": lambda w, folder: Manual(w),
    "settings": lambda w, folder: SettingsPage(
        w.settings, w.refused_keys, w.apply_settings, w.show_keys, w
    ),
    "files of shots": lambda w, folder: SourcesDialog(w.session, w),
    "geometry": lambda w, folder: GeometryDialog(w.session, w.label.pattern, w),
    "class form": lambda w, folder: ClassForm(
        w.session.labels.taxonomy, "Round", lambda entry: "", parent=w
    ),
    "rule form": lambda w, folder: RuleForm(
        w.session.labels.taxonomy.names_in_order, lambda rule: "", w
    ),
    "import labels": lambda w, folder: ImportLabels(w.session, labels_file(folder), w),
    "file dialog": lambda w, folder: shots_dialog(w, folder),
}
"""All of the program's own; `test_every_dialog_is_in_the_list` counts them."""


def labels_file(folder):
    """Labels to be imported."""
    path = folder / "labels.csv"
    path.write_text("shot,Round\n1,1\n2,0\n")
    return path


def shots_dialog(window, folder):
    """The dialog that asks for files of shots."""
    made = file_dialogs.dialog(window, "Files of shots", str(folder), SHOT_FILES)
    made.setFileMode(QFileDialog.FileMode.ExistingFiles)
    file_dialogs.offer_folder(made, [])
    return made


def make_window(qapp, folder):
    """A window on a project with labels and a run, so that no view is empty."""
    theme.apply(qapp, "dark")
    with make_project(folder) as project:
        give_roles(project)
        project.current_run = make_run(project)
        make_run(project, 0.5)
        week = project.folder
    return MainWindow(make_session(week), Settings(folder / "settings.toml"))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("accessible")


@pytest.fixture(scope="module")
def window(qapp, place):
    with on_screen(make_window(qapp, place), qapp) as window:
        yield window


def views(window):
    """Brings every view, and every page of it, to the front in turn; yields its name."""
    for tab in TABS:
        window.show_tab(tab)
        view = window.views[tab]
        for name in getattr(view, "buttons", {"": None}) if tab == "Quality" else [""]:
            if name:
                view.show_page(name)
            yield f"{tab} {name}".strip()


# -- what is spoken --------------------------------------------------------------------------------


def spoken(widget):
    """The name that a screen reader says, as Qt's bridge makes it.

    On Linux a combo box is called by its value, and by a label beside it that is its buddy.
    """
    if isinstance(widget, QComboBox):
        parent, here = widget.parentWidget(), Qt.FindChildOption.FindDirectChildrenOnly
        beside = parent.findChildren(QLabel, options=here)
        return next((label.text() for label in beside if label.buddy() is widget), "")
    text = widget.accessibleName()
    text = text or (widget.text() if isinstance(widget, QAbstractButton) else "")
    return text or (widget.windowTitle() if widget.isWindow() else "")


def unnamed(root):
    """Widgets that take the keys and say nothing."""
    inner = (QComboBox, QAbstractSpinBox)
    buddies = {label.buddy() for label in root.findChildren(QLabel)}
    named = {widget for widget in buddies if not isinstance(widget, QComboBox)}
    return [
        (type(widget).__name__, type(widget.parentWidget()).__name__)
        for widget in root.findChildren(QWidget)
        if widget.focusPolicy() != Qt.FocusPolicy.NoFocus
        and widget.isVisibleTo(root)
        and not isinstance(widget.parentWidget(), inner)
        and not widget.objectName().startswith("qt_")
        and not spoken(widget).strip()
        and widget not in named
    ]


def test_everything_that_takes_keys_in_a_view_has_a_name(window):
    assert {name: found for name in views(window) if (found := unnamed(window))} == {}


@pytest.mark.parametrize("name", DIALOGS)
def test_everything_that_takes_keys_in_a_dialog_has_a_name(window, place, name):
    dialog = DIALOGS[name](window, place)
    dialog.show()
    assert unnamed(dialog) == []
    dialog.close()
    dialog.deleteLater()


@pytest.mark.parametrize("name", DIALOGS)
def test_enter_in_a_field_never_closes_what_asks_for_something(window, place, qtbot, name):
    dialog = DIALOGS[name](window, place)
    qtbot.addWidget(dialog)
    buttons = dialog.findChildren(QPushButton)
    main = [b for b in buttons if b.property("role") == "main"]
    if not isinstance(dialog, QDialog) or not main or isinstance(dialog, QFileDialog):
        return
    with qtbot.waitExposed(dialog):
        dialog.show()
    for button in main:
        button.setEnabled(False)
    fields = (QLineEdit, QAbstractSpinBox, QTreeWidget, QCheckBox)
    for field in dialog.findChildren(QWidget):
        if isinstance(field, fields) and field.isVisible() and field.isEnabled():
            field.setFocus()
            qtbot.keyClick(field, Qt.Key.Key_Return)
            taken = isinstance(field, QTreeWidget) and dialog.result()  # Enter on a line takes it
            assert dialog.isVisible() or taken, field.accessibleName()
    dialog.reject()


def test_enter_on_a_button_presses_it_and_not_the_main_one(qtbot):
    dialog, pressed = QDialog(), []
    other, main = QPushButton("Locate the old file…"), QPushButton("Go on")
    press_by_enter(other)
    page(dialog, "Files", other, foot(dialog, main))
    for button in (other, main):
        button.clicked.connect(lambda _, button=button: pressed.append(button.text()))
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.show()
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
        other.setFocus()
        qtbot.keyClick(other, key)
    assert pressed == ["Locate the old file…"] * 2


def test_no_button_of_a_dialog_leaves_enter_to_another():
    found = [
        path.name
        for path in (ROOT / "labeler").rglob("*.py")
        if "setAutoDefault(False)" in path.read_text("utf-8")
    ]
    assert found == ["parts.py"], "use press_by_enter"


def test_a_name_that_is_typed_in_the_list_of_annotators_is_who_labels(window, qtbot):
    dialog = PeopleDialog(window.session, window)
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.show()
    dialog.list.setFocus()
    for letter in "bert":
        qtbot.keyClicks(dialog.focusWidget(), letter)
    qtbot.keyClick(dialog.focusWidget(), Qt.Key.Key_Return)
    assert dialog.name == "bert"


def test_every_dialog_is_in_the_list(window, place):
    """A dialog that someone adds is walked too."""
    walked = set()
    for make in DIALOGS.values():
        dialog = make(window, place)
        walked.add(type(dialog))
        dialog.close()
        dialog.deleteLater()
    named = re.compile(r"^class (\w+)\(QDialog\)", re.MULTILINE)
    files = (ROOT / "labeler").rglob("*.py")
    ours = {name for file in files for name in named.findall(file.read_text("utf-8"))}
    assert ours == {kind.__name__ for kind in walked if kind is not QFileDialog}


def test_the_first_page_the_card_and_the_guide_have_names(window):
    assert unnamed(window.start) == []
    assert unnamed(window.bar.picture.controls) == []
    window.show_guide()
    for made in (AcceptSure(window.session, window.label), *window.findChildren(Guide)):
        assert made.accessibleName()
        assert unnamed(made) == []
        made.hide()
        made.deleteLater()


def test_a_class_row_says_each_of_its_states(qapp):
    row = ClassRow(Class("Round"), indent=False)
    for mark in MARKS:
        row.stand(RowState(mark))
        assert row.accessibleName() == f"Round: {mark}"
    row.stand(RowState("undecided", suggested=True, probability=0.912))
    assert row.accessibleName() == "Round: undecided, suggested, model 0.91"
    assert row.isCheckable()
    assert not row.isChecked()
    row.stand(RowState("implied"))
    assert row.isChecked()
    row.deleteLater()


def said_by(widget, monkeypatch):
    """The names that a widget takes from now on: Qt sends an event for each."""
    names, take = [], widget.setAccessibleName
    monkeypatch.setattr(widget, "setAccessibleName", lambda name: (names.append(name), take(name)))
    return names


def test_the_pattern_says_its_shot_and_what_a_key_did_to_it_once_each(window, monkeypatch):
    window.show_tab("Label")
    session, pattern = window.session, window.label.pattern
    session.cursor.show(session.labels.n_shots - 1)
    names = said_by(pattern, monkeypatch)
    before = session.labelling.shown_labels()
    shot = f"Shot {session.cursor.row + 1}"
    window.actions_.trigger("class.Newton Rings")
    assert len(names) == 1
    assert names[0].startswith(f"{shot}: ")
    assert ("Newton Rings" in names[0]) != before[session.labels.taxonomy.index("Newton Rings")]
    window.actions_.trigger("undo")
    assert "Undo on shot" in names[-1]
    session.cursor.show(0)
    assert names[-1].startswith("Shot 1")
    said = len(names)
    session.display.display_changed.emit()
    assert len(names) == said, "nothing new is to be said"


def test_a_note_is_said_by_what_has_the_keys_while_it_is_on_screen(window, qtbot):
    window.show_tab("Label")
    window.activateWindow()
    row = window.label.classes.rows[0]
    row.setFocus()
    qtbot.waitUntil(row.hasFocus)
    own = row.accessibleDescription()
    for text in ("the disk is full", "the disk is full still"):
        window.session.noted.emit("error", text)
        assert row.accessibleDescription() == f"error: {text}"
    window.notes.clear()
    assert row.accessibleDescription() == own


def test_a_class_row_that_stays_as_it_is_is_not_painted_again_but_unpressed(qapp, monkeypatch):
    row = ClassRow(Class("Round"), indent=False)
    row.stand(RowState("present"))
    painted = []
    monkeypatch.setattr(row, "update", lambda: painted.append(row.standing.mark))

    row.setChecked(False)  # pressed, to no effect
    row.stand(RowState("present"))

    assert not painted
    assert row.isChecked()
    row.stand(RowState("absent"))
    assert painted == ["absent"]
    assert not row.isChecked()


def test_what_a_screen_reader_presses_does_what_a_click_does(window):
    """It toggles what can be checked, and no click comes with that."""
    window.show_tab("Label")
    window.session.cursor.show(3)
    rows, taxonomy = window.label.classes.rows, window.session.labels.taxonomy
    streak = taxonomy.index("Streak")
    before = window.session.labelling.shown_labels()[streak]
    rows[streak].toggle()
    assert window.session.labelling.shown_labels()[streak] != before
    assert rows[streak].isChecked() != before
    rows[streak].click()
    assert window.session.labelling.shown_labels()[streak] == before
    window.bar.tabs["Quality"].toggle()
    assert window.tab == "Quality"
    window.views["Quality"].buttons["Week"].toggle()
    assert window.views["Quality"].page == "Week"
    window.show_tab("Inspect")
    window.views["Inspect"].tabs.button(2).toggle()
    assert window.views["Inspect"].pages.currentIndex() == 2


def test_the_eye_the_switch_and_the_levels_are_pressed_by_a_screen_reader(window):
    window.show_tab("Label")
    session, panel = window.session, window.label.classes
    session.cursor.show(1)
    streak = session.labels.taxonomy.index("Streak")
    eye = panel.rows[streak].eye
    assert eye.isVisibleTo(window)
    eye.toggle()
    assert session.heat.on
    assert session.heat.class_index == streak
    eye.toggle()
    assert not session.heat.on
    for press in (panel.switch.toggle, panel.switch.click):
        on = session.suggestions.on
        press()
        assert session.suggestions.on != on
        assert panel.switch.isChecked() != on
    QTest.keyClick(panel.switch, Qt.Key.Key_Space)
    QTest.keyClick(panel.switch, Qt.Key.Key_Space)
    assert session.suggestions.on
    for press in (window.bar.levels.toggle, window.bar.levels.click):
        shown = window.levels_shown
        press()
        assert window.levels_shown != shown


def deaf(root):
    """Buttons that can be checked and hear clicks alone, which a screen reader never makes."""
    return [
        spoken(button)
        for button in root.findChildren(QAbstractButton)
        if button.isCheckable()
        and sip.ispycreated(button)
        and not button.receivers(button.toggled)
        and (button.receivers(button.clicked) or getattr(button, "defaultAction", lambda: None)())
    ] + [
        [spoken(b) for b in group.buttons()]
        for group in root.findChildren(QButtonGroup)
        if group.receivers(group.idClicked) and not group.receivers(group.idToggled)
    ]


def test_nothing_that_can_be_checked_hears_clicks_alone(window, place):
    assert {name: found for name in views(window) if (found := deaf(window))} == {}
    for make in DIALOGS.values():
        dialog = make(window, place)
        assert deaf(dialog) == []
        dialog.close()
        dialog.deleteLater()


# -- colours ---------------------------------------------------------------------------------------


def light_of(colour):
    """(3,) linear RGB of "#rrggbb"."""
    value = np.array(QColor(colour).getRgbF()[:3])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    """WCAG 2: (L + 0.05) of the lighter over that of the darker."""
    low, high = sorted(float(light_of(c) @ (0.2126, 0.7152, 0.0722)) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


BACKGROUNDS = ("window", "panel", "card", "field", "button", "popup", "banner")
INKS = ("strong", "text", "muted", "faint", "accent_text", "warning", "error", "good")
ON_SELECTED = ("strong", "text", "muted", "accent_text")


@pytest.mark.parametrize("kind", theme.THEMES.values(), ids=lambda kind: kind.name)
def test_the_contrast_of_text_is_4_5_and_that_of_borders_of_input_3(kind):
    pairs = [(ink, background, 4.5) for ink in INKS for background in BACKGROUNDS]
    pairs += [(ink, background, 4.5) for ink in ON_SELECTED for background in ("hover", "select")]
    pairs += [("on_accent", "accent", 4.5), ("on_accent", "accent_hover", 4.5)]
    pairs += [
        (sign, background, 3.0) for sign in ("rim", "accent") for background in BACKGROUNDS[:6]
    ]
    found = {(ink, on): round(contrast(getattr(kind, ink), getattr(kind, on)), 2)
             for ink, on, least in pairs
             if contrast(getattr(kind, ink), getattr(kind, on)) < least}  # fmt: skip
    assert found == {}


DEFICIENCIES = {
    "none": np.eye(3),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
               (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
               (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602),
               (0.004733, 0.691367, 0.303900)),
}  # fmt: skip
"""Machado, Oliveira, Fernandes 2009, severity 1, on linear RGB."""
XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750),
       (0.0193339, 0.1191920, 0.9503041))  # fmt: skip


def lab_of(light):
    """(3,) CIE L*a*b* of linear RGB."""
    x, y, z = np.array(XYZ) @ np.clip(light, 0, 1) / (0.95047, 1, 1.08883)
    f = [np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def nearest(colours, deficiency):
    """The smallest distance (CIE 1976) between two of the colours, and these two."""
    seen = [lab_of(np.array(DEFICIENCIES[deficiency]) @ light_of(c)) for c in colours]
    return min((float(np.linalg.norm(seen[a] - seen[b])), colours[a], colours[b])
               for a, b in combinations(range(len(colours)), 2))  # fmt: skip


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize("palette", ["helium", "cxidb", "map"])
def test_no_two_colours_of_a_palette_look_alike_to_any_eye(palette, deficiency):
    """Four times what is just noticeable; and never is colour the only sign."""
    colours = list(OKABE_ITO)
    if palette != "map":
        text = (ROOT / f"resources/taxonomies/{palette}.toml").read_text("utf-8")
        colours = [c["colour"] for c in tomllib.loads(text)["class"] if c.get("colour")]
    assert nearest(colours, deficiency)[0] > 9


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_more_is_lighter_in_every_colormap_to_any_eye(deficiency):
    maps = {name: [f"#{c & 0xFFFFFF:06x}" for c in colormap(name)[::15]] for name in COLORMAPS}
    maps["numbers"] = list(BLUE_TO_YELLOW)
    maps["inverted gray"] = maps["inverted gray"][::-1]
    for name, colours in maps.items():
        seen = [lab_of(np.array(DEFICIENCIES[deficiency]) @ light_of(c))[0] for c in colours]
        assert (np.diff(seen) > 0).all(), name


# -- letters twice as large ------------------------------------------------------------------------


SCREEN, WITHIN = QSize(1280, 800), QSize(1276, 768)
"""A small screen, and what the title and the frame of a window leave of it."""


@pytest.fixture(scope="module")
def large(qapp, tmp_path_factory):
    """A window with letters of 200 %, on such a screen."""
    before, folder = qapp.font(), tmp_path_factory.mktemp("large")
    font = QFont(before)
    font.setPointSizeF(2 * before.pointSizeF())
    qapp.setFont(font)
    window = make_window(qapp, folder)
    window.resize(WITHIN)
    window.show()
    yield window, folder
    window.close()
    window.deleteLater()
    qapp.setStyleSheet("")
    qapp.setFont(before)


def shows_text(button):
    icon_alone = Qt.ToolButtonStyle.ToolButtonIconOnly
    is_tool = isinstance(button, QToolButton) and not button.icon().isNull()
    return bool(button.text()) and not (is_tool and button.toolButtonStyle() == icon_alone)


def cut(root):
    """Texts that have less room than their letters need."""
    found = set()
    for widget in root.findChildren(QWidget):
        endings = widget.objectName() == "fileTypeCombo"  # of Qt's file dialog: a list of them
        if not widget.isVisibleTo(root) or isinstance(widget, Elided) or endings:
            continue
        metrics, room = widget.fontMetrics(), widget.contentsRect()
        if isinstance(widget, QLabel) and widget.text() and widget.pixmap().isNull():
            lines = widget.text().replace("&", "" if widget.buddy() else "&").split("\n")
            high = metrics.height() * len(lines)
            wide = max(metrics.horizontalAdvance(line) for line in lines)
            if widget.wordWrap():
                high, wide = widget.heightForWidth(widget.width()), 0
        elif isinstance(widget, QComboBox):
            option, kind = QStyleOptionComboBox(), QStyle.ComplexControl.CC_ComboBox
            option.initFrom(widget)
            field = QStyle.SubControl.SC_ComboBoxEditField
            room = widget.style().subControlRect(kind, option, field, widget)
            high, wide = metrics.height(), metrics.horizontalAdvance(widget.currentText())
        elif isinstance(widget, (QAbstractSpinBox, QLineEdit)):
            high, wide = metrics.height(), 0
        elif isinstance(widget, (QPushButton, QToolButton, QCheckBox)) and shows_text(widget):
            high, wide = metrics.height(), metrics.horizontalAdvance(widget.text())
        else:
            continue
        if high > room.height() + 1 or wide > room.width() + 1:
            text = getattr(widget, "text", lambda: "")() or widget.accessibleName()
            found.add((type(widget).__name__, text, wide, room.width(), high, room.height()))
    return found


def test_letters_twice_as_large_are_not_cut_in_any_view(large):
    window, _ = large
    for name in views(window):
        QApplication.processEvents()
        assert (name, cut(window)) == (name, set())


@pytest.mark.qt_log_ignore("This plugin does not support", extend=True)
def test_letters_twice_as_large_are_not_cut_in_the_overlays_though_their_field_gave_way(large):
    window, _ = large
    window.show_tab("Label")
    controls = window.bar.picture.controls
    window.bar.picture.show_overlays()
    QApplication.processEvents()
    assert controls.size().boundedTo(SCREEN) == controls.size(), "it is larger than the screen"
    assert cut(controls) == set()
    controls.close()


def shortened_for_nothing(root):
    """Texts that were shortened though the row in which they stand has room."""
    found = set()
    for widget in root.findChildren(Elided):
        if not widget.isVisibleTo(root) or widget.text() == widget.whole:
            continue
        row = widget.parentWidget()
        beside = [
            w
            for w in row.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly)
            if w.isVisibleTo(row) and w.y() < widget.y() + widget.height()
            and widget.y() < w.y() + w.height()
        ]  # fmt: skip
        gaps = row.layout().spacing() * (len(beside) + 1) + 40
        if row.width() > sum(w.width() for w in beside) + gaps:
            found.add((widget.whole, widget.width(), row.width()))
    return found


def test_letters_twice_as_large_shorten_no_text_that_has_room(large):
    window, _ = large
    for name in views(window):
        QApplication.processEvents()
        assert (name, shortened_for_nothing(window)) == (name, set())


def test_letters_twice_as_large_leave_most_of_the_panel_to_the_classes(large):
    window, _ = large
    assert window.size() == WITHIN
    window.show_tab("Label")
    QApplication.processEvents()
    panel = window.label.classes
    assert panel._area.height() > 2 * panel.card.height()


@pytest.mark.parametrize("name", DIALOGS)
def test_letters_twice_as_large_are_not_cut_in_any_dialog(large, name):
    dialog = DIALOGS[name](*large)
    dialog.show()
    wanted = dialog.size().expandedTo(dialog.sizeHint())  # the screen of the tests is smaller
    dialog.resize(wanted.boundedTo(SCREEN))
    QApplication.processEvents()
    assert dialog.size().boundedTo(SCREEN) == dialog.size(), "it is larger than the screen"
    assert cut(dialog) == set()
    dialog.close()
    dialog.deleteLater()


@pytest.mark.parametrize("name", DIALOGS)
def test_with_letters_twice_as_large_no_dialog_has_to_be_moved_to_the_side(large, name):
    dialog = DIALOGS[name](*large)
    dialog.show()
    dialog.resize(dialog.size().boundedTo(SCREEN))
    QApplication.processEvents()
    hidden = {
        area.accessibleName(): (area.widget().width(), area.viewport().width())
        for area in dialog.findChildren(QScrollArea)
        if area.widget().width() > area.viewport().width()
    }
    assert hidden == {}
    dialog.close()
    dialog.deleteLater()


def test_letters_twice_as_large_lay_nothing_over_another_on_the_first_page(large):
    window, folder = large
    start = StartPage(window.project_files, window.settings)
    window.settings.set("recent", [str(folder)] * 6)
    start.refresh()
    start.setMinimumSize(1, 1)  # as the window does: it is no larger than a small screen
    start.resize(WITHIN)
    start.show()
    QApplication.processEvents()
    shown = (*start.choices, *start.recent, *start.findChildren(QLabel))
    places = [QRect(w.mapTo(start, QPoint()), w.size()) for w in shown if w.isVisible()]
    for one, other in combinations(places, 2):
        assert not one.intersects(other)
    start.close()
    start.deleteLater()


# -- without a mouse -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIALOGS)
def test_tab_reaches_everything_in_a_dialog_and_escape_closes_it(window, place, qtbot, name):
    dialog = DIALOGS[name](window, place)
    assert isinstance(dialog, QDialog)
    dialog.show()
    dialog.activateWindow()
    qtbot.waitUntil(dialog.isActiveWindow)
    wanted = {
        widget
        for widget in dialog.findChildren(QWidget)
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        and widget.isVisibleTo(dialog)
        and widget.isEnabled()
        and widget.focusProxy() is None
        and not widget.objectName().startswith("qt_")
    }
    reached = set()
    for _ in range(2 * len(wanted) + 2):
        reached.add(dialog.focusWidget())
        QTest.keyClick(dialog.focusWidget() or dialog, Qt.Key.Key_Tab)
    assert {spoken(w) or type(w).__name__ for w in wanted - reached} == set()
    QTest.keyClick(dialog.focusWidget() or dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    dialog.deleteLater()
