"""Shots on screen after the project's preparation: switched by key, told in words, kept."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from labeler.project.preparation import FILE, prepare_project
from labeler.project.project import Project
from labeler.window.main_window import MainWindow
from labeler.window.settings import Settings
from labeler.window.widgets import theme
from model.preprocessing.preparation import Preparation
from tests.helpers.waiting import serve_events
from tests.helpers.window_parts import dark_window, make_project, make_session

LEVEL = 7.0
SUBTRACTED = Preparation(stray_light="shots", centre=True)


def prepare(week: Path, steps: Preparation = SUBTRACTED) -> None:
    background = week.parent / "background.h5"
    with h5py.File(background, "w") as file:
        file["images"] = np.full((4, 32, 32), LEVEL, np.float32)
    with Project.open(week) as project:
        list(prepare_project(project, steps, background))


@pytest.fixture
def week(tmp_path):
    return make_project(tmp_path)


@pytest.fixture
def window(qapp, week):
    prepare(week)
    with dark_window(qapp, week) as window:
        # else the first shots of a project choose them
        window.session.display.change(low=1.0, high=500.0)
        yield window


def press(window: MainWindow) -> None:
    QTest.keyClick(window.label.pattern, Qt.Key.Key_D)
    serve_events()


def pixels(window: MainWindow) -> np.ndarray:
    return window.label.pattern._pixels.copy()


def test_one_key_shows_the_shot_prepared_and_raw_again(window):
    session = window.session
    raw, before = session.cursor.counts().copy(), pixels(window)
    assert raw.dtype == np.uint16
    press(window)
    np.testing.assert_allclose(session.cursor.counts(), np.maximum(raw - LEVEL, 0))
    assert window.windowTitle() == "week – preprocessed: background shots subtracted – airylabel"
    assert not np.array_equal(pixels(window), before)
    session.cursor.step(1)
    assert session.cursor.counts().dtype == np.float32  # every shot, until it is switched again
    session.cursor.step(-1)
    press(window)
    np.testing.assert_array_equal(session.cursor.counts(), raw)
    assert window.windowTitle() == "week – airylabel"
    np.testing.assert_array_equal(pixels(window), before)


def test_the_physics_of_the_shot_follows(window):
    serve_events()
    window.label.physics.settle()
    raw = window.label.physics._shown.small.counts.copy()
    press(window)
    window.label.physics.settle()
    assert window.label.physics._shown.small.counts.sum() < raw.sum()


def test_a_label_given_meanwhile_is_kept(window):
    press(window)
    QTest.keyClick(window.label.pattern, Qt.Key.Key_1)
    index = window.session.labels.taxonomy.index("Round")
    assert window.session.labels.present[0] & (1 << index)


def test_other_steps_are_shown_as_soon_as_they_are_set(window, week):
    press(window)
    with Project.open(week) as project:
        list(prepare_project(project, Preparation(stray_light="smooth")))
    window.session.shots.prepare_again()
    assert "smooth background subtracted" in window.windowTitle()


def test_a_project_that_prepares_nothing_says_so_and_shows_raw_shots(qapp, week):
    session, told = make_session(week), []
    session.noted.connect(lambda level, text: told.append(text))
    session.shots.show_prepared(True)
    assert len(told) == 1
    assert "raw" in told[0]
    assert "Preprocessing" in told[0]
    assert session.cursor.counts().dtype == np.uint16
    assert session.shots.steps == ""
    session.close()


def test_lost_background_shots_are_told_and_labelling_goes_on(qapp, week):
    prepare(week)
    (week / FILE).unlink()
    session, told = make_session(), []
    session.noted.connect(lambda level, text: told.append(text))
    session.shots.prepared = True
    session.open(week)
    assert any("airylabel prepare" in text for text in told)
    assert session.cursor.counts().dtype == np.uint16
    session.close()


def test_the_choice_is_remembered_and_off_at_first(qapp, week, tmp_path):
    prepare(week)
    theme.apply(qapp, "dark")
    for expected in (False, True):
        window = MainWindow(make_session(), Settings(tmp_path / "settings.toml"))
        window.session.open(week)
        assert (window.session.cursor.counts().dtype == np.float32) == expected
        window.session.shots.show_prepared(True)
        window.close()
        window.deleteLater()
