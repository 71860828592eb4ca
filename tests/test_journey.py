"""The whole path of a week in the real window, with real children: open, label, retrain, look."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import Qt

from labeler.project.project import Project
from labeler.project.store.records import LABELLED
from labeler.runs.training_choices import TrainingOrder
from labeler.session.session import Session
from labeler.window.main_window import MainWindow
from labeler.window.settings import Settings
from model.shots.table import open_source
from model.simulate.generate import simulate

BY_KEY = 12
FOUR_MINUTES = 240_000


@pytest.fixture
def week(tmp_path):
    """A project of simulated shots without labels, and what they really are."""
    source = tmp_path / "shots.h5"
    for _ in simulate(source, 14, 3, 64, balanced=True, workers=1):
        pass
    folder = tmp_path / "week"
    with (
        Project.create(folder, [source], labels=False) as project,
        open_source(source) as found,
    ):
        names, labels = found.labels()
        truth = np.zeros((len(labels), len(project.taxonomy)), bool)
        truth[:, project.taxonomy.columns(names)] = labels.astype(bool)
    return folder, truth


@pytest.fixture
def opened(qtbot, tmp_path):
    """Opens a window on a project; closes it as a person would."""
    windows = []

    def open_it(folder):
        session = Session()
        window = MainWindow(session, Settings(tmp_path / "settings.toml"))
        qtbot.addWidget(window)
        window.resize(1280, 800)
        window.show()
        window.project_files.open_folder(folder)
        windows.append(window)
        qtbot.waitUntil(lambda: session.cursor.counts() is not None)
        return window, session

    yield open_it
    for window in windows:
        window.close()


def press(qtbot, window, key):
    """One key, wherever the keyboard is."""
    code = {"Right": Qt.Key.Key_Right, "U": Qt.Key.Key_U, "H": Qt.Key.Key_H}.get(key)
    qtbot.keyClick(window, code or getattr(Qt.Key, f"Key_{key.upper()}"))


def label_by_key(qtbot, window, session, truth):
    for row in range(BY_KEY):
        assert session.cursor.row == row
        wanted = truth[row]
        for c in np.flatnonzero(wanted & ~session.labels.taxonomy.implied(wanted)):
            press(qtbot, window, session.labels.taxonomy.classes[c].key)
        press(qtbot, window, "Right")


def test_a_week_in_the_window_ends_with_a_network_that_shows_where_it_looked(
    qtbot, week, opened, tmp_path
):
    folder, truth = week
    window, session = opened(folder)
    label_by_key(qtbot, window, session, truth)
    expected = session.labels.present.copy()
    legal = ~session.labels.taxonomy.contradictions(truth[:BY_KEY])
    np.testing.assert_array_equal(
        session.labels.taxonomy.unpack(expected[:BY_KEY])[legal],
        session.labels.taxonomy.complete(truth[:BY_KEY])[legal],
    )

    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert session.labels.present[BY_KEY - 1] != expected[BY_KEY - 1]
    assert session.cursor.row == BY_KEY - 1, "undo shows the shot that it changed"
    window.close()

    window, session = opened(folder)
    assert (session.labels.status[: BY_KEY - 1] & LABELLED).all()
    np.testing.assert_array_equal(session.labels.present[: BY_KEY - 1], expected[: BY_KEY - 1])
    qtbot.keyClick(
        window,
        Qt.Key.Key_Z,
        Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
    )
    np.testing.assert_array_equal(session.labels.present, expected)

    training = session.training
    assert training.lacking() == ""
    training.start(TrainingOrder(epochs=2))
    qtbot.waitUntil(lambda: not training.is_running, timeout=FOUR_MINUTES)
    assert training.outcome is None or training.outcome.ok, training.outcome.message
    assert training.curves.epochs == [1, 2]
    project = session.require().project
    assert project.current_run is None, "two shots that judge are too few: the person chooses"
    modifiers = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(window, Qt.Key.Key_Return, modifiers)
    assert project.current_run == 1
    window.show_tab("Learn")
    assert window.views["Learn"].isVisible()

    window.show_tab("Label")
    run = session.predictions.run
    assert run is not None, "what the run says is shown"
    assert run.grid[0] > 1
    assert run.heatmap(0, 0, (64, 64)).max() <= 1
    press(qtbot, window, "H")
    assert session.heat.on
    heat = session.heat.on_pattern((64, 64))
    assert heat.shape == (64, 64)
    assert np.isfinite(heat).all()
    window.show_tab("Inspect")
    window.close()

    with Project.open(folder) as project:
        assert project.current_run == 1
        assert (project.run_folder(1) / "predictions.h5").is_file()
