"""The guided first label: done by doing it, in the demo alone, and gone when it is told to go."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from labeler.cli.demo.project import LABELLER
from labeler.project.store.records import LABELLED
from labeler.window.frame.guide import DEMO, STEPS, Guide, is_demo
from labeler.window.main_window import MainWindow
from labeler.window.settings import Settings
from labeler.window.widgets import manual, theme
from tests.helpers.window_parts import make_project, make_session, use_made_up_run


@pytest.fixture(scope="module")
def window(qapp, tmp_path_factory):
    folder = tmp_path_factory.mktemp("guide")
    theme.apply(qapp, "dark")
    session = make_session(make_project(folder))
    store = session.require().project.store
    rows = np.arange(6)
    store.record(store.annotator(DEMO, "import"), rows, np.ones(6, np.int64),
                 np.full(6, LABELLED, np.uint8), origin="import")  # fmt: skip
    window = MainWindow(session, Settings(folder / "settings.toml"))
    window.resize(1280, 800)
    window.show()
    yield window
    window.close()
    window.deleteLater()
    qapp.setStyleSheet("")


@pytest.fixture
def guide(window):
    window.session.reopen()
    window.show_guide()
    found = [g for g in window.findChildren(Guide) if g.isVisible()]
    yield found[-1]
    found[-1].leave()


def press(window, key, modifier=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(window.label.pattern, key, modifier)


def test_a_demo_is_known_by_the_annotator_of_its_labels(window):
    assert DEMO == LABELLER
    assert is_demo(window.session)
    assert any(g.isVisible() for g in window.findChildren(Guide)), "it comes by itself in a demo"


def test_doing_each_step_leads_to_the_next_one(window, guide):
    session = window.session
    use_made_up_run(session)
    session.cursor.show(0)
    assert guide.title.text() == STEPS[0].title
    press(window, Qt.Key.Key_U)
    assert guide.place == 1
    press(window, Qt.Key.Key_1)
    press(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert guide.place == 3
    press(window, Qt.Key.Key_1)
    assert guide.place == 3, "the next shot is wanted too"
    press(window, Qt.Key.Key_Right)
    assert guide.place == 4
    press(window, Qt.Key.Key_H)
    assert guide.place == 5
    window.show_tab("Grid")
    assert guide.place == 6
    guide.skip.click()
    assert "F1" in guide.words.text()
    assert not guide.skip.isVisible()


def test_steps_can_be_skipped_and_the_cross_keeps_it_away(window, guide):
    guide.skip.click()
    assert guide.title.text() == STEPS[1].title
    guide.away.click()
    assert not guide.isVisible()
    assert not window.settings["guide"]
    window.session.reopen()
    assert not any(g.isVisible() for g in window.findChildren(Guide))


def test_it_stands_over_the_pattern_and_cuts_no_text(window, guide):
    window.show_tab("Label")
    guide._put()
    pattern = window.label.pattern
    right = pattern.mapTo(window, pattern.rect().topRight()).x()
    assert guide.geometry().right() <= right
    for words in (guide.title, guide.words):
        assert words.heightForWidth(words.width()) <= words.height() + 1
    assert manual.about(guide.words) == "start#guided-first-label"


def test_every_key_that_it_names_does_what_it_says(window):
    said = " ".join(step.text for step in STEPS)
    for key, id in (("U", "next_undecided"), ("Ctrl+Z", "undo"), ("H", "heat"),
                    ("Ctrl+2", "view_grid"), ("Ctrl+R", "retrain"),
                    ("4", "class.Streak")):  # fmt: skip
        assert key in said
        assert window.actions_.keymap.owner(key).id == id


def test_a_step_about_label_is_not_shown_over_other_views(window, guide):
    """It would hide what stands there; steps about other views stay."""
    window.show_tab("Learn")
    assert not guide.isVisible()
    window.show_tab("Label")
    assert guide.isVisible()
    while STEPS[guide.place].in_label:
        guide.go_on()
    window.show_tab("Quality")
    assert guide.isVisible()
    window.show_tab("Label")
