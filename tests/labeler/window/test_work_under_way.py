"""Work on a project in another thread ends as it should, whatever goes away meanwhile."""

from __future__ import annotations

import threading

import pytest
from PyQt6.QtWidgets import QDialog, QPushButton

from labeler.window.process.project_thread import ProgressBar, run_in_thread, work_under_way
from model.errors import InputError
from tests.helpers.waiting import PATIENCE_S, until
from tests.helpers.window_parts import make_project, window_on


@pytest.fixture
def window(qtbot, tmp_path):
    yield from window_on(make_project(tmp_path), qtbot, tmp_path)


@pytest.fixture
def goes_on():
    """Work waits for this; in the end it always ends."""
    event = threading.Event()
    yield event
    event.set()
    until(lambda: work_under_way() is None)


def begin_work(window, goes_on):
    """Work that ends with `goes_on`; whether it was cancelled by then is put into the list."""
    stopped = []

    def work(project, progress):
        assert goes_on.wait(PATIENCE_S)
        stopped.append(progress.stopped)
        return ""

    run_in_thread(window.session, window, "Writing…", work)
    return stopped


def test_work_ends_and_says_so_when_the_dialog_that_began_it_is_gone(window, goes_on):
    session, said, gone = window.session, [], []
    session.noted.connect(lambda level, text: said.append(text))
    dialog = QDialog(window)
    dialog.destroyed.connect(gone.append)

    def work(project, progress):
        assert goes_on.wait(PATIENCE_S)
        progress.advanced.emit(1, 2)
        return f"{project.n_shots} shots written."

    run_in_thread(session, dialog, "Writing…", work)
    dialog.deleteLater()
    until(lambda: gone)
    goes_on.set()
    until(lambda: work_under_way() is None)
    assert said == ["12 shots written."]


def test_the_bar_of_work_stops_it_and_goes_with_it(window, goes_on):
    stopped = begin_work(window, goes_on)
    (bar,) = window.findChildren(ProgressBar)
    bar.findChild(QPushButton).click()
    goes_on.set()
    until(lambda: not window.findChildren(ProgressBar))
    assert stopped == [True]


def test_the_window_closes_when_work_has_ended_and_takes_nothing_until_then(
    window, goes_on, tmp_path
):
    def work(project, progress):
        assert goes_on.wait(PATIENCE_S)
        (tmp_path / "written.csv").write_text("labels")
        return "Written."

    run_in_thread(window.session, window, "Writing…", work)
    for _ in range(2):
        assert not window.close()
        assert not window.isEnabled()
        assert window.notes.notes[-1].text == "The window closes after this: Writing…"
    goes_on.set()
    until(window.isHidden)
    assert (tmp_path / "written.csv").is_file()


def test_work_can_be_cancelled_while_the_window_waits_for_it(window, goes_on):
    stopped = begin_work(window, goes_on)
    assert not window.close()
    window.findChild(ProgressBar).findChild(QPushButton).click()
    goes_on.set()
    until(window.isHidden)
    assert stopped == [True]


def test_the_window_stays_where_work_was_refused_before_it_closed(window, goes_on):
    def work(project, progress):
        assert goes_on.wait(PATIENCE_S)
        raise InputError("the disk is full", mend="Make space.")

    run_in_thread(window.session, window, "Writing…", work)
    assert not window.close()
    goes_on.set()
    until(window.isEnabled)
    assert window.isVisible()
    assert "disk is full" in window.notes.notes[-1].text
    assert window.close()
