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
from tests.helpers.window_parts import make_project, make_session, on_screen, use_made_up_run


def demo_window(folder, qapp):
    theme.apply(qapp, "dark")
    session = make_session(make_project(folder))
    store = session.require().project.store
    rows = np.arange(6)
    store.record(store.annotator(DEMO, "import"), rows, np.ones(6, np.int64),
                 np.full(6, LABELLED, np.uint8), origin="import")  # fmt: skip
    return on_screen(MainWindow(session, Settings(folder / "settings.toml")), qapp)


@pytest.fixture(scope="module")
def window(qapp, tmp_path_factory):
    with demo_window(tmp_path_factory.mktemp("guide"), qapp) as window:
        yield window


@pytest.fixture
def guide(window):
    window.session.reopen()
    window.show_guide()
    found = [g for g in window.findChildren(Guide) if g.isVisible()]
    yield found[-1]
    found[-1].leave()


def press(window, key, modifier=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(window.label.pattern, key, modifier)


def test_a_demo_is_known_by_the_annotator_of_its_labels(tmp_path, qapp):
    assert DEMO == LABELLER
    with demo_window(tmp_path, qapp) as window:
        assert is_demo(window.session)
        shown = [g for g in window.findChildren(Guide) if g.isVisible()]
        assert shown, "it comes by itself in a demo"


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
    assert guide.place == 5, "it is to be read, and done"
    window.views["Grid"].canvas.chosen.take_rows(np.array([8, 9]))
    window.target.toggle(session.labels.taxonomy.index("Round"))
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


def test_it_names_the_keys_in_use_and_the_menu_for_a_command_without_one(window, guide):
    assert guide.words.text().startswith("Press U:")
    window.actions_.take_keys({"next_undecided": ["J"], "undo": [], "class.Round": ["9"]})
    window._show_keys_in_use()
    assert guide.words.text().startswith("Press J:")
    guide.skip.click()
    assert "9 Round, 2 Elliptical" in guide.words.text()
    guide.skip.click()
    assert guide.words.text().startswith("its command in the menu undoes")
    window.actions_.take_keys({})
    window._show_keys_in_use()
    assert guide.words.text().startswith("Ctrl+Z undoes")


def test_a_training_that_runs_already_does_not_pass_the_step_about_training(
    window, guide, monkeypatch
):
    """The first one of a demo does."""
    training = window.session.training
    monkeypatch.setattr(type(training), "is_running", property(lambda self: True))
    monkeypatch.setattr(training, "number", 1)
    while STEPS[guide.place].title != "Retrain":
        guide.skip.click()
    place = guide.place
    training.changed.emit()
    assert guide.place == place
    monkeypatch.setattr(training, "number", 2)
    training.changed.emit()
    assert guide.place == place + 1


def test_the_step_about_heat_names_the_key_that_uses_a_run_and_goes_on_with_it(window, guide):
    session = window.session
    assert session.predictions.run is None
    while STEPS[guide.place].title != "See where the network looks":
        guide.skip.click()
    place = guide.place
    assert "not in use, Ctrl+Shift+Enter uses it" in guide.words.text()
    press(window, Qt.Key.Key_H)
    assert guide.place == place
    assert not session.heat.on
    use_made_up_run(session)
    press(window, Qt.Key.Key_H)
    assert guide.place == place + 1


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
