"""A day of labelling in the real window: every key on the right shot, nothing lost or queued."""

from __future__ import annotations

import time

import numpy as np
import psutil
import pytest
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from labeler.project.project import Project
from labeler.project.store.records import FLAGGED, LABELLED, SKIPPED
from labeler.session.session import Session
from labeler.window.main_window import MainWindow
from labeler.window.settings import Settings
from labeler.window.widgets import theme
from tests.helpers.window_parts import InlineReader, make_project, use_made_up_run

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture(autouse=True)
def only_when_asked_for(request):
    """A day takes its time: `pytest -m slow` runs it."""
    asked = "slow" in (request.config.option.markexpr or "")
    if request.node.get_closest_marker("slow") and not asked:
        pytest.skip("a study: pytest -m slow")


@pytest.fixture
def opened(qapp, tmp_path):
    """Opens the real window, with the real reader child unless told otherwise."""
    theme.apply(qapp, "dark")
    windows = []

    def open_it(n, make_reader=None):
        window = MainWindow(Session(make_reader=make_reader), Settings(tmp_path / "s.toml"))
        window.resize(1280, 800)
        window.show()
        window.project_files.open_folder(make_project(tmp_path, n))
        windows.append(window)
        window.session.repeats.rate = 0.0  # a shot that comes again is not in the script
        QTest.qWaitForWindowExposed(window)
        qapp.processEvents()
        return window

    yield open_it
    for window in windows:
        window.close()


class Script:
    """What the keys of a day should lead to, by the taxonomy and plain loops alone."""

    def __init__(self, taxonomy, n, seed):
        self.taxonomy = taxonomy
        self.random = np.random.default_rng(seed)
        self.present = np.zeros(n, np.int64)
        self.status = np.zeros(n, np.uint8)
        self.done = []
        self.undone = []

    def key(self, row, c):
        """A class key on a shot."""
        before = self.taxonomy.unpack(self.present[row])
        after = int(self.taxonomy.pack(self.taxonomy.toggle(before, c)))
        status = (int(self.status[row]) | LABELLED) & ~SKIPPED
        nothing = self.taxonomy.violations(np.zeros(len(self.taxonomy), bool)).any()
        self.put(row, after, status & ~LABELLED if not after and nothing else status)

    def put(self, row, present, status):
        self.done.append((row, int(self.present[row]), int(self.status[row]), present, status))
        self.undone.clear()
        self.present[row], self.status[row] = present, status

    def undo(self):
        """The row that it leads to."""
        row, present, status, *after = self.done.pop()
        self.undone.append((row, present, status, *after))
        self.present[row], self.status[row] = present, status
        return row


def label_a_day(window, n, seed):
    """One to three keys on each shot at full speed, with slips, flags, skips and undos."""
    session = window.session
    script = Script(session.labels.taxonomy, n, seed)
    keys = [c.key for c in session.labels.taxonomy.classes]
    for row in range(n):
        assert session.cursor.row == row
        for c in script.random.choice(len(keys), script.random.integers(1, 4), replace=False):
            QTest.keyClick(window, keys[c].lower())
            script.key(row, int(c))
        dice = script.random.random()
        if dice < 0.05:
            QTest.keyClick(window, Qt.Key.Key_M, SHIFT)
            script.put(row, int(script.present[row]), int(script.status[row]) ^ FLAGGED)
        elif dice < 0.12:
            QTest.keyClick(window, Qt.Key.Key_Z, CTRL)
            assert script.undo() == row
        elif dice < 0.16 and row < n - 1:
            QTest.keyClick(window, "s")
            script.put(row, int(script.present[row]), int(script.status[row]) | SKIPPED)
            continue
        QTest.keyClick(window, Qt.Key.Key_Right)
    return script


def check(window, script):
    session = window.session
    np.testing.assert_array_equal(session.labels.present, script.present)
    folder, annotator = session.opened.folder, session.opened.annotator
    tally = session.labels.decided.tally
    assert tally.labelled == np.count_nonzero(script.status & LABELLED)
    labelled = script.present[(script.status & LABELLED) > 0]
    wanted = session.labels.taxonomy.unpack(labelled).sum(0)
    assert tally.classes(session.labels.taxonomy).tolist() == wanted.tolist()
    window.close()
    with Project.open(folder) as project:
        kept = project.store.load_state(annotator)
        assert project.store.audit() == []
    np.testing.assert_array_equal(kept.present, script.present)
    np.testing.assert_array_equal(kept.status, script.status)


def test_a_hundred_shots_labelled_at_full_speed_are_in_the_database_as_the_script_says(opened):
    window = opened(100)
    check(window, label_a_day(window, 100, seed=1))


@pytest.mark.slow
def test_a_day_of_two_thousand_shots_ends_as_the_script_says(opened):
    window = opened(2000)
    check(window, label_a_day(window, 2000, seed=2))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_keys_a_second_for_ten_minutes_all_land_on_the_right_shot(opened):
    window = opened(6000)
    session = window.session
    script = Script(session.labels.taxonomy, 6000, 3)
    begin, late = time.perf_counter(), []
    for k in range(20 * 600):
        due = begin + k / 20
        while (left := due - time.perf_counter()) > 0:
            QTest.qWait(max(1, int(1000 * left)))
        late.append(time.perf_counter() - due)
        row = session.cursor.row
        if k % 2:
            QTest.keyClick(window, Qt.Key.Key_Right)
            assert session.cursor.row == min(row + 1, 5999)
        else:
            c = int(script.random.integers(len(session.labels.taxonomy)))
            QTest.keyClick(window, session.labels.taxonomy.classes[c].key.lower())
            script.key(row, c)
            assert session.labels.present[row] == script.present[row]
    print(f"12,000 keys in {time.perf_counter() - begin:.0f} s, latest {1000 * max(late):.0f} ms")
    check(window, script)


# -- holding a key ---------------------------------------------------------------------------------


def hold(widget, key, repeats):
    """A key held down, as the system sends it: faster than anybody can paint."""
    for _ in range(repeats):
        for kind in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress):
            event = QKeyEvent(kind, key, Qt.KeyboardModifier.NoModifier, "", True)
            QApplication.sendEvent(widget, event)


def test_a_held_arrow_plays_at_the_rate_of_the_screen_and_stops_at_once(opened, qapp):
    window = opened(60, InlineReader)
    session, actions = window.session, window.actions_
    qapp.processEvents()
    assert not session.cursor.unseen
    session.cursor.next()
    assert session.cursor.unseen
    override = QKeyEvent(
        QEvent.Type.ShortcutOverride, Qt.Key.Key_Right, Qt.KeyboardModifier.NoModifier, "", True
    )
    assert actions.eventFilter(window.label.pattern, override), "not painted yet: dropped"
    window.label.pattern.repaint()
    assert not session.cursor.unseen
    assert not actions.eventFilter(window.label.pattern, override), "painted: the next may come"
    first = QKeyEvent(
        QEvent.Type.ShortcutOverride, Qt.Key.Key_Right, Qt.KeyboardModifier.NoModifier
    )
    session.cursor.next()
    assert not actions.eventFilter(window.label.pattern, first), "a key pressed again always counts"
    row = session.cursor.row
    hold(window.label.pattern, Qt.Key.Key_Right, 40)
    qapp.processEvents()
    assert session.cursor.row == row, "nothing was queued up"


def test_a_held_class_key_labels_once(opened):
    window = opened(12, InlineReader)
    assert window.actions_.by_id["next"].autoRepeat()
    repeating = {i for i, a in window.actions_.by_id.items() if a.autoRepeat()}
    assert not any(i.startswith("class.") or i in ("undo", "accept", "skip") for i in repeating)


# -- memory ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_seven_thousand_shots_with_a_heatmap_cost_no_memory(opened):
    window = opened(7000)
    session = window.session
    use_made_up_run(session)
    session.heat.show(1)
    process = psutil.Process()

    def play(shots):
        for _ in range(shots):
            QTest.keyClick(window, Qt.Key.Key_Right)
            QApplication.processEvents()

    play(600)
    before = process.memory_info().rss
    play(6300)
    grown = (process.memory_info().rss - before) / 1e6
    print(f"memory grew by {grown:.1f} MB over 6,300 shots")
    assert grown <= 50
