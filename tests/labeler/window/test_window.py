"""The window by keyboard and mouse, off-screen: what a person presses and what is then true."""

from __future__ import annotations

import importlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PyQt6.QtCore import QByteArray, QEvent, QPointF, Qt
from PyQt6.QtGui import QCloseEvent, QImage, QKeyEvent, QKeySequence, QPainter
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import (
    QApplication,
    QDialog,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QStyleOptionViewItem,
    QToolButton,
    QWidget,
)

from labeler.project.store.records import LABELLED
from labeler.session.session import Session
from labeler.window.commands.keys import KeySheet
from labeler.window.commands.palette import Palette
from labeler.window.frame.notes import LogDialog
from labeler.window.frame.remember import restore_geometry
from labeler.window.label.classes import row as class_row
from labeler.window.label.queue import shot_list
from labeler.window.label.status_line import significant
from labeler.window.main_window import MainWindow
from labeler.window.settings import Settings
from labeler.window.widgets import theme
from model.errors import InputError
from model.taxonomy.taxonomy import Taxonomy
from tests.helpers.waiting import PATIENCE_S, serve_events
from tests.helpers.window_parts import (
    InlineReader,
    dark_window,
    make_project,
    make_session,
    names_on,
    use_made_up_run,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture
def window(qapp, tmp_path):
    with dark_window(qapp, make_project(tmp_path)) as window:
        yield window


def press(window, key, modifier=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(window.focusWidget() or window, key, modifier)


def test_the_window_never_loads_torch(tmp_path):
    project = make_project(tmp_path)
    code = (
        "import sys; from pathlib import Path; from PyQt6.QtWidgets import QApplication\n"
        "from labeler.session.session import Session; import labeler.window.main_window as w\n"
        "if __name__ == '__main__':\n"
        "    app = QApplication([]); s = Session(); m = w.MainWindow(s); m.show()\n"
        "    m.project_files.open_folder(Path(sys.argv[1])); app.processEvents()\n"
        "    [m.show_tab(t) for t in w.TABS]; app.processEvents(); m.close()\n"
        "    print([n for n in ('torch', 'matplotlib', 'sklearn', 'scipy') if n in sys.modules])\n"
    )
    script = tmp_path / "start.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, str(script), str(project)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_class_keys_arrows_and_undo_work_by_keyboard(window):
    press(window, Qt.Key.Key_1)
    assert names_on(window.session) == {"Round", "Spherical/Oblate"}
    press(window, Qt.Key.Key_Right)
    press(window, Qt.Key.Key_0)
    assert names_on(window.session, 1) == {"Empty"}
    press(window, Qt.Key.Key_End)
    assert window.session.cursor.row == 11
    press(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert window.session.cursor.row == 1
    assert not window.session.labelling.is_decided()


def press_place(window, scan_code, text, key, modifiers=Qt.KeyboardModifier.NoModifier):
    """A key press as X11 tells it: the place of the key, and what the layout types."""
    target = window.focusWidget() or window
    for kind in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress):
        event = QKeyEvent(kind, int(key), modifiers, scan_code + 8, 0, 0, text)
        if not window.actions_.eventFilter(target, event):  # made-up events try shortcuts first
            QApplication.sendEvent(target, event)


@pytest.mark.skipif(sys.platform != "linux", reason="codes of keys are those of X11")
@pytest.mark.parametrize(
    ("code", "text", "key", "names_"),
    [
        (2, "&", Qt.Key.Key_Ampersand, {"Round", "Spherical/Oblate"}),  # French 1
        (3, "é", Qt.Key.Key_Eacute, {"Elliptical", "Spherical/Oblate"}),
        (7, "-", Qt.Key.Key_Minus, {"Newton Rings"}),
        (2, "+", Qt.Key.Key_Plus, {"Round", "Spherical/Oblate"}),  # Czech 1
        (11, "à", Qt.Key.Key_Agrave, {"Empty"}),
        (24, "щ", 0x0429, {"Spherical/Oblate"}),  # Russian, at the place of O
        (25, "π", 0x03A0, {"Prolate"}),  # Greek, at the place of P
    ],
)
def test_class_keys_go_by_their_place_on_other_keyboards(window, code, text, key, names_):
    press_place(window, code, text, key)
    assert names_on(window.session) == names_


def test_shift_types_the_digits_of_a_french_keyboard(window):
    press_place(window, 2, "1", Qt.Key.Key_1, Qt.KeyboardModifier.ShiftModifier)
    assert names_on(window.session) == {"Round", "Spherical/Oblate"}


def test_a_letter_that_the_layout_types_is_that_letter(window):
    press_place(window, 24, "a", Qt.Key.Key_A)  # some Latin layout: at the place of O
    assert names_on(window.session) == set()


def test_by_place_too_no_key_fires_while_somebody_writes(window):
    press(window, Qt.Key.Key_M)
    field = window.focusWidget()
    assert isinstance(field, QLineEdit)
    press_place(window, 2, "&", Qt.Key.Key_Ampersand)
    press_place(window, 24, "щ", 0x0429)
    assert field.text() == "&щ"
    assert not names_on(window.session)


def test_a_right_click_offers_what_keys_do(window):
    menu = window.actions_.context_menu(window.label)
    texts = [action.text() for action in menu.actions() if action.text()]
    for text in ("Next shot", "Accept and next", "Undo", "Flag with a note…", "Copy image"):
        assert text in texts
    next(a for a in menu.actions() if a.text() == "Next shot").trigger()
    assert window.session.cursor.row == 1
    assert window.label.contextMenuPolicy() == Qt.ContextMenuPolicy.CustomContextMenu


def test_the_side_buttons_of_a_mouse_go_from_shot_to_shot(window):
    QTest.mouseClick(window.label.pattern, Qt.MouseButton.ForwardButton)
    assert window.session.cursor.row == 1
    QTest.mouseClick(window.label.pattern, Qt.MouseButton.BackButton)
    assert window.session.cursor.row == 0


def test_image_and_number_of_the_shot_are_copied(window, qtbot):
    qtbot.waitUntil(lambda: not window.label.pattern.image.isNull())
    board = QApplication.clipboard()
    window.actions_.trigger("copy_image")
    assert board.image().size() == window.label.pattern.image.size()
    press(window, Qt.Key.Key_End)
    window.actions_.trigger("copy_number")
    assert board.text() == "12"


def test_space_changes_nothing(window):
    press(window, Qt.Key.Key_Space)
    assert not window.session.labelling.is_decided()
    assert window.session.cursor.row == 0


def test_keys_do_not_fire_while_somebody_writes(window):
    press(window, Qt.Key.Key_M)
    field = window.focusWidget()
    assert isinstance(field, QLineEdit)
    for key in (Qt.Key.Key_1, Qt.Key.Key_U, Qt.Key.Key_F, Qt.Key.Key_Left, Qt.Key.Key_Home):
        press(window, key)
    assert set(field.text()) == {"1", "u", "f"}
    assert not names_on(window.session)
    press(window, Qt.Key.Key_Return)
    assert window.session.labelling.note() == "1uf"
    assert window.session.cursor.row == 0  # Enter ended the note and did not accept


def test_the_jump_box_goes_to_a_shot_and_refuses_what_is_none(window):
    press(window, Qt.Key.Key_G)
    field = window.focusWidget()
    field.setText("99")
    press(window, Qt.Key.Key_Return)
    assert field.isVisible()
    field.setText("8")
    press(window, Qt.Key.Key_Return)
    assert window.session.cursor.row == 7


def test_clicking_a_row_of_the_class_panel_toggles_it(window):
    row = window.label.classes.rows[window.session.labels.taxonomy.index("Streak")]
    QTest.mouseClick(row, Qt.MouseButton.LeftButton)
    assert names_on(window.session) == {"Streak", "Prolate"}
    assert row.standing.mark == "present"
    parent = window.label.classes.rows[window.session.labels.taxonomy.index("Prolate")]
    assert parent.standing.mark == "implied"


def test_a_label_is_stored_before_it_is_painted(window, qtbot, monkeypatch):
    session = window.session
    order = []
    record = session.opened.project.store.record

    def recording(*args, **kwargs):
        found = record(*args, **kwargs)
        order.append("stored")
        return found

    monkeypatch.setattr(session.opened.project.store, "record", recording)
    row = window.label.classes.rows[session.labels.taxonomy.index("Round")]
    paint = type(row).paintEvent

    def painting(self, event):
        if self is row and row.standing.mark == "present":
            order.append("painted")
        paint(self, event)

    monkeypatch.setattr(type(row), "paintEvent", painting)
    press(window, Qt.Key.Key_1)
    qtbot.waitUntil(lambda: "painted" in order)
    assert order[0] == "stored"


def test_a_full_disk_is_one_note_and_the_screen_stays(window, monkeypatch):
    def full(*_, **__):
        raise InputError("the disk is full", mend="Make space.")

    monkeypatch.setattr(window.session.opened.project.store, "record", full)
    press(window, Qt.Key.Key_1)
    standings = [r.standing.mark for r in window.label.classes.rows.values()]
    assert set(standings) == {"undecided"}
    assert [n.level for n in window.notes.notes] == ["error"]
    assert "disk is full" in window.notes.notes[0].text


def test_an_unreadable_shot_is_told_in_words_and_can_be_labelled(qapp, tmp_path):
    project = make_project(tmp_path)
    file = tmp_path / "shots.h5"
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 3])
    window = MainWindow(make_session(project))
    window.show()
    QTest.qWaitForWindowActive(window)
    assert "shots.h5" in window.label.pattern.trouble
    press(window, Qt.Key.Key_0)
    assert names_on(window.session) == {"Empty"}
    window.grab()
    window.close()


def test_on_other_tabs_class_keys_do_nothing(window):
    others = [t for t in window.bar.tabs if t != "Label"]
    for tab in others:
        window.show_tab(tab)
        press(window, Qt.Key.Key_1)
        assert not names_on(window.session)
    window.show_tab("Label")
    press(window, Qt.Key.Key_1)
    assert names_on(window.session)


def test_heat_is_there_once_a_run_has_predicted_and_before_that_a_word_why_not(window):
    press(window, Qt.Key.Key_H)
    assert not window.session.heat.on
    assert not window.actions_.by_id["heat"].isChecked()
    assert window.notes.notes[-1].text.startswith("No heatmaps yet")
    use_made_up_run(window.session)
    window.session.cursor.show(1)
    press(window, Qt.Key.Key_H)
    assert window.session.heat.on
    window.grab()
    assert window.label.pattern._contours


def test_contours_are_painted_once_more_while_their_project_is_left(window, monkeypatch):
    session, pattern = window.session, window.label.pattern
    use_made_up_run(session)
    session.cursor.show(1)
    session.heat.toggle()
    assert pattern._contours
    session.heat.end()
    with monkeypatch.context() as left:
        left.setattr(session.labels, "taxonomy", Taxonomy("", [], []))
        pattern.grab()


def test_both_enter_keys_are_one_key_and_written_so_everywhere(window, monkeypatch):
    asked = []
    accept_sure = importlib.import_module("labeler.window.dialogs.accept_sure")
    monkeypatch.setattr(accept_sure, "open_card", lambda *given: asked.append(given))
    held = Qt.KeyboardModifier.ShiftModifier
    press(window, Qt.Key.Key_Return, held)
    press(window, Qt.Key.Key_Enter, held | Qt.KeyboardModifier.KeypadModifier)
    assert len(asked) == 2
    for id, key in (
        ("accept", "Enter"),
        ("accept_sure", "Shift+Enter"),
        ("accept_all", "Ctrl+Enter"),
    ):
        action = window.actions_.by_id[id]
        assert action.shortcut().toString(QKeySequence.SequenceFormat.NativeText) == key
        assert action.toolTip().endswith(f"({key})")
        sheet = KeySheet(window.actions_.keymap, window)
        assert sheet.buttons[id].text() == key
        sheet.deleteLater()


def test_the_log_of_notes_has_a_title_and_closes(window):
    dialog = LogDialog(window.notes.log, window)
    assert "Messages" in [word.text() for word in dialog.findChildren(QLabel)]
    (close,) = dialog.findChildren(QPushButton)
    dialog.show()
    close.click()
    assert not dialog.isVisible()
    dialog.deleteLater()


def test_the_palette_runs_what_was_typed(window):
    window.show_palette()
    field = window.focusWidget()
    field.setText("next shot")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert window.session.cursor.row == 1


def test_the_palette_says_that_no_command_has_the_words_and_enter_leaves_it_open(window):
    window.show_palette()
    field = window.focusWidget()
    assert not window.findChild(Palette).none.isVisible()
    field.setText("no such thing")
    assert window.findChild(Palette).none.isVisible()
    QTest.keyClick(field, Qt.Key.Key_Return)
    field.setText("next shot")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert window.session.cursor.row == 1


@pytest.mark.parametrize(
    ("typed", "first"),
    [("files of shots", "Files of shots"), ("skip", "Skip"), ("project new", "New project")],
)
def test_what_begins_as_it_was_typed_stands_first_in_the_palette(window, typed, first):
    window.show_palette()
    field = window.focusWidget()
    field.setText(typed)
    assert field.parentWidget().list.currentItem().text().startswith(first)
    QTest.keyClick(field, Qt.Key.Key_Escape)


def test_backups_of_a_project_that_can_only_be_looked_at_say_what_to_do(window, monkeypatch):
    said = []
    window.session.noted.connect(lambda level, text: said.append(text))
    monkeypatch.setattr(window.session.require().project.store.database, "read_only", True)
    window.actions_.trigger("backups")
    assert "this project can only be looked at. Copy its folder to a place" in said[-1]


@pytest.mark.parametrize(("left", "top"), [(2, 20), (60, 80)])
def test_a_window_comes_back_exactly_where_it_was(qtbot, left, top):
    before, after = QWidget(), QWidget()
    for widget in (before, after):
        qtbot.addWidget(widget)
    before.setGeometry(left, top, 400, 300)
    before.show()
    assert restore_geometry(after, before.saveGeometry())
    assert after.geometry() == before.geometry()
    assert not restore_geometry(after, QByteArray(b"nothing"))


def test_a_window_that_was_where_no_screen_is_comes_back_on_one(qtbot):
    before, after = QWidget(), QWidget()
    for widget in (before, after):
        qtbot.addWidget(widget)
    before.setGeometry(3000, 80, 400, 300)
    before.show()
    assert restore_geometry(after, before.saveGeometry())
    assert after.screen().availableGeometry().contains(after.geometry())


OPENERS = {
    "palette": lambda w: w.show_palette(),
    "jump": lambda w: w.actions_.trigger("jump"),
    "flag": lambda w: w.actions_.trigger("flag"),
}


@pytest.mark.parametrize("opener", OPENERS)
def test_a_small_question_gives_the_keys_back_to_who_had_them(window, opener):
    for before in (window.label.shots.view, None):
        if before is None:
            window.focusWidget().clearFocus()
        else:
            before.setFocus()
        OPENERS[opener](window)
        asked = window.focusWidget()
        assert asked not in (before, None)
        QTest.keyClick(asked, Qt.Key.Key_Escape)
        assert window.focusWidget() is before


def test_a_click_beside_a_question_keeps_the_keys_where_it_was(window):
    window.label.shots.view.setFocus()
    window.show_palette()
    row = window.label.classes.rows[0]
    row.setFocus()
    assert window.focusWidget() is row


def test_keys_can_be_changed_and_survive_a_restart(window):
    window.actions_.keymap.rebind("skip", ["J"])
    window.actions_.rebound()
    press(window, Qt.Key.Key_J)
    assert window.session.cursor.row == 1
    window.settings.set("keys", {i: list(k) for i, k in window.actions_.own_keys.items()})
    window.close()
    again = MainWindow(make_session())
    assert again.actions_.keymap.keys("skip") == ("J",)
    again.close()


def test_what_names_a_key_names_the_one_in_use(window):
    session, taxonomy = window.session, window.session.labels.taxonomy
    window.show_tab("Grid")
    layered, bent = taxonomy.index("Layered"), taxonomy.pack(taxonomy.mask(["Bent"]))
    session.labels.decide([session.cursor.row], bent, LABELLED, "key")
    rule = window.label.classes.rules[taxonomy.index("Bent")]

    def shown():
        fix = rule.findChildren(QToolButton)[-1]  # the ones before it go in a moment
        return (
            fix.text().partition("  ")[2],
            window.views["Grid"].tags.buttons[layered].key,
            window.retrain_bar.key,
            window.session.heat.use_key,
            window.bar.search.text(),
            window.bar.tabs["Grid"].toolTip(),
            window.bar.picture.norm.toolTip(),
        )

    before = taxonomy.classes[layered].key.upper()
    use = "Ctrl+Shift+Enter"
    assert shown() == ("(F)", before, "Ctrl+R", use, "Ctrl+K", "Grid (Ctrl+2)", "Norm (N)")
    own = {
        "class.Layered": ["F"], "fix": ["J"], "norm": [], "retrain": ["F6"], "palette": ["F7"],
        "view_grid": ["F8"], "use_new_run": ["F9"],
    }  # fmt: skip
    window.settings.set("keys", own)
    window.apply_settings()
    assert shown() == ("(J)", "F", "F6", "F9", "F7", "Grid (F8)", "Norm")
    window.settings.set("keys", {"class.Layered": ["F"]})
    window.apply_settings()
    assert shown() == ("", "F", "Ctrl+R", use, "Ctrl+K", "Grid (Ctrl+2)", "Norm (N)")


def test_keys_are_reset_to_the_shipped_ones(window):
    keymap = window.actions_.keymap
    keymap.rebind("skip", ["J"])
    sheet = KeySheet(keymap, window)
    assert sheet.buttons["skip"].text() == "J"
    sheet.defaults.click()
    assert sheet.changed
    assert sheet.buttons["skip"].text() == "S"
    assert keymap.own() == {}
    assert not sheet.defaults.isEnabled()
    sheet.buttons["skip"].click()
    QTest.keyClick(sheet.buttons["skip"], Qt.Key.Key_J)
    assert sheet.defaults.isEnabled()
    sheet.close()


def test_the_look_is_remembered(window):
    window.session.display.change(norm="sqrt", colormap="viridis", strength=0.3)
    window.flip_theme()
    window.close()
    settings = Settings()
    assert (settings["norm"], settings["colormap"], settings["theme"]) == (
        "sqrt",
        "viridis",
        "light",
    )
    assert "0 of 12 labelled" in settings["progress"].values()


def test_the_first_page_offers_three_ways_and_recent_projects(window):
    folder = window.session.opened.folder
    window.close_project()
    assert window.stack.currentWidget() is window.start
    assert [c.title for c in window.start.choices] == [
        "Open a file of shots",
        "Open a project",
        "Try the demo",
    ]
    assert [r.folder for r in window.start.recent] == [folder]
    QTest.mouseClick(window.start.recent[0], Qt.MouseButton.LeftButton)
    assert window.session.opened is not None


def test_a_dropped_folder_that_is_no_project_leaves_everything(window, tmp_path):
    press(window, Qt.Key.Key_1)
    (tmp_path / "empty").mkdir()
    window.project_files.take_files([tmp_path / "empty"])
    assert names_on(window.session) == {"Round", "Spherical/Oblate"}
    assert window.notes.notes[-1].level == "error"


def test_closing_while_a_training_runs_asks_first(window, monkeypatch):
    class Running:
        is_running = True
        stopped = False

        def stop(self):
            self.stopped, self.is_running = True, False

    bar = Running()
    monkeypatch.setattr(window, "retrain_bar", bar)
    answers = [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(QMessageBox, "question", lambda *a: answers.pop(0))
    event = QCloseEvent()
    window.closeEvent(event)
    assert not event.isAccepted()
    assert not bar.stopped
    event = QCloseEvent()
    window.closeEvent(event)
    assert event.isAccepted()
    assert bar.stopped


def test_an_exception_in_a_slot_is_shown_and_the_work_goes_on(window):
    press(window, Qt.Key.Key_1)
    try:
        raise ZeroDivisionError("made up")
    except ZeroDivisionError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    assert "ZeroDivisionError: made up" in window.notes.notes[-1].text
    press(window, Qt.Key.Key_Right)
    assert window.session.cursor.row == 1


def test_a_note_is_clicked_away_and_stays_in_the_log(window):
    window.notes.add("error", "Something happened.")
    note = window.notes.notes[-1]
    QTest.mouseClick(note, Qt.MouseButton.LeftButton)
    assert note not in window.notes.notes
    assert "Something happened." in [text for _, _, text in window.notes.log]


TEXT = (
    "Accepted shots of the queue that were undecided and are now labelled, wrong at most by what "
    "was counted on labels that you gave. "
)


@pytest.mark.parametrize("level", ["info", "warning"])
def test_no_note_is_cut_however_its_text_breaks_into_lines(window, level):
    words = (3 * TEXT).split()
    for start, count in itertools.product(range(0, 20, 2), range(5, 40)):
        window.notes.clear()
        window.notes.add(level, " ".join(words[start : start + count]))
        QApplication.processEvents()
        note = window.notes.notes[-1]
        shown = next(w for w in note.findChildren(QLabel) if w.text() == note.text)
        assert shown.height() >= shown.heightForWidth(shown.width()), note.text


def test_tabs_stand_still_from_view_to_view(window):
    window.resize(1280, 800)
    window.bar.name.show_text("a project with quite a long name of its own")
    places = set()
    for tab in ("Label", "Grid", "Quality"):
        window.show_tab(tab)
        serve_events()
        places.add(tuple(button.x() for button in window.bar.tabs.values()))
    assert len(places) == 1
    assert "…" in window.bar.name.text()


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_the_drawn_pattern_takes_all_the_height_that_is_left(window, size):
    window.resize(*size)
    serve_events()
    pattern = window.label.pattern
    target = pattern.target()
    assert target.width() == pytest.approx(target.height())
    assert target.height() == pattern.height() >= 0.79 * size[1]
    assert pattern.width() * pattern.height() >= 0.55 * size[0] * size[1]
    assert window.label.physics.isVisible()


def test_the_sides_give_way_where_the_drawn_pattern_would_else_be_smaller(window):
    window.resize(1060, 800)
    serve_events()
    pattern = window.label.pattern
    assert pattern.target().height() == pattern.height()
    left, _, right = window.label.splitter.sizes()
    assert left < 194
    assert right < 284


def recorded(monkeypatch, *modules):
    """Every text that these modules paint from now on."""
    texts = []

    class Recording(QPainter):
        def drawText(self, *given):
            texts.append(str(given[-1]))
            return super().drawText(*given)

    for module in modules:
        monkeypatch.setattr(module, "QPainter", Recording)
    return texts


def label_shot(window, *classes):
    """The first shot has these classes and no others."""
    session = window.session
    session.labels.decide(
        [0], session.labels.taxonomy.pack(session.labels.taxonomy.mask(classes)), LABELLED, "bulk"
    )


@pytest.mark.parametrize(
    "others", [("Round", "Double Rings"), ("Round", "Elliptical", "Streak", "Bent", "Empty")]
)
def test_names_of_present_classes_are_whole_beside_few_and_many_rules(window, monkeypatch, others):
    window.resize(1280, 800)
    use_made_up_run(window.session)
    label_shot(window, "Spherical/Oblate", *others)
    serve_events()
    texts = recorded(monkeypatch, class_row)
    window.label.classes.grab()
    assert "Spherical/Oblate" in texts
    assert not [text for text in texts if "…" in text]


def test_the_offered_fix_stands_first_among_rules_and_is_in_sight(window):
    window.resize(1280, 800)
    use_made_up_run(window.session)
    label_shot(window, "Double Rings", "Streak", "Bent", "Asymmetric")
    serve_events()
    messages = window.label.classes.rules.values()
    (fix,) = (b for m in messages for b in m.findChildren(QToolButton) if b.isVisible())
    assert fix.visibleRegion().boundingRect() == fix.rect()


def painted_row(window, monkeypatch, width):
    """The words of the first shot of the queue, in a list of this width."""
    view = window.label.shots.view
    texts = recorded(monkeypatch, shot_list)
    canvas = QImage(width, shot_list.ROW_HEIGHT, QImage.Format.Format_RGB32)
    option = QStyleOptionViewItem()
    option.rect = canvas.rect()
    painter = shot_list.QPainter(canvas)
    view.itemDelegate().paint(painter, option, view.model().index(0, 0))
    painter.end()
    return texts


def test_classes_without_room_in_the_queue_are_counted(window, monkeypatch):
    label_shot(window, "Streak", "Bent", "Newton Rings", "Asymmetric", "Layered")
    assert painted_row(window, monkeypatch, 250) == ["1", "4", "5", "6", "7", "8"]
    assert painted_row(window, monkeypatch, 150) == ["1", "4", "5", "+3"]


def test_undecided_is_elided_and_not_cut_in_a_narrow_queue(window, monkeypatch):
    assert painted_row(window, monkeypatch, 190) == ["1", "undecided"]
    assert painted_row(window, monkeypatch, 120)[1].endswith("…")


def test_the_status_line_tells_shot_place_and_counts(window):
    pattern = window.label.pattern
    counts = window.session.cursor.counts()
    target = pattern.target()
    step = target.width() / counts.shape[1]
    point = QPointF(target.left() + 3.5 * step, target.top() + 5.5 * step)
    assert pattern.pixel_at(point) == (5, 3)
    pattern.pointed.emit((5, 3))
    text = window.status.text
    assert "shots.h5 #1 (1 of 12)" in text
    assert f"{counts[5, 3]:,} counts" in text
    assert "x −12" in text
    assert "°" not in text  # the geometry is not known


def test_in_the_status_line_the_name_gives_way_before_what_is_under_the_cursor(window):
    status = window.status
    window.label.pattern.pointed.emit((5, 3))
    whole = status.sizeHint().width()
    assert status.shown(whole) == status.text
    rest = status.text.partition("#1")[2]
    shortened = status.shown(whole - 60)
    assert shortened != status.text
    assert shortened.endswith(rest)


def test_the_foot_leaves_room_to_the_text_that_needs_it(window):
    window.resize(1280, 800)
    window.retrain_bar._idle.about.show_text("46 evaluation shots, which is said at length")
    window.label.pattern.pointed.emit((5, 3))
    serve_events()
    about = window.retrain_bar._idle.about
    assert about.text() == about.whole
    assert window.status.shown(window.status.width() - 12) == window.status.text


def test_numbers_under_the_cursor_have_no_negative_zero_and_digits_that_count():
    assert [significant(q, 3) for q in (0, 0.0000123, 0.0249, 0.123)] == [
        "0", "0.000012", "0.025", "0.123",
    ]  # fmt: skip
    assert significant(12.345, 1) == "12.3"


def test_near_the_middle_of_the_pattern_zero_has_no_sign(window):
    window.label.pattern.pointed.emit((15, 15))  # half a pixel from the middle
    assert "x 0  y 0" in window.status.text


def test_every_control_has_a_name_for_a_screen_reader(window):
    from PyQt6.QtWidgets import QAbstractButton, QSlider

    window.flip_levels()
    nameless = [
        w
        for kind in (QAbstractButton, QSlider, QLineEdit)
        for w in window.findChildren(kind)
        if not (w.accessibleName() or (isinstance(w, QAbstractButton) and w.text()))
        and w.isVisible()
        and "pyqtgraph" not in type(w).__module__
    ]
    assert [type(w).__name__ for w in nameless] == []


@pytest.mark.parametrize("name", ["dark", "light"])
def test_every_view_paints_in_both_themes(window, qapp, name):
    if theme.current().name != name:
        window.flip_theme()
    use_made_up_run(window.session)
    window.session.heat.show(1)
    window.flip_levels()
    for tab in window.bar.tabs:
        window.show_tab(tab)
        serve_events()
        picture = window.grab().toImage()
        seen = {picture.pixel(x, y) for x in range(0, picture.width(), 9) for y in (20, 300)}
        assert len(seen) > 5


def test_a_new_project_says_which_dataset_was_opened(window, monkeypatch):
    folder = window.session.require().folder

    class Made(QDialog):
        def __init__(self, files, parent):
            super().__init__(parent)
            self.folder = folder

        def exec(self):
            return 1

    monkeypatch.setattr("labeler.window.dialogs.new_project.NewProject", Made)
    window.project_files.new_project([folder / "shots.h5"])
    (source,) = window.session.require().project.sources
    said = [str(entry[-1]) for entry in map(tuple, window.notes.log)]
    assert f"Opened {source.path.name}: 12 shots of {source.dataset}." in said


def test_without_a_project_the_window_opens_on_its_first_page(qapp):
    window = MainWindow(Session(make_reader=InlineReader))
    window.show()
    assert window.stack.currentWidget() is window.start
    assert not window.actions_.by_id["next"].isEnabled()
    assert window.findChild(QWidget, "footer").isHidden()
    window.close()


def test_a_project_that_is_opened_anew_stays_in_the_view_that_was_in_front(window):
    window.show_tab("Grid")
    window.session.reopen()
    assert window.tab == "Grid"
    assert window.stack.currentWidget() is window.views["Grid"]
    window.close_project()
    assert window.stack.currentWidget() is window.start
