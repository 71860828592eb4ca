"""A window whose project is gone, or held by another program: it says so, and loses nothing."""

from __future__ import annotations

import shutil
import signal
import socket
import sqlite3
import subprocess
import sys

import psutil
import pytest
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QMessageBox

from labeler.project.store import LABELLED, Store, server
from labeler.window.dialogs import file_dialogs
from labeler.window.main_window import MainWindow
from labeler.window.settings import Settings
from model.errors import InputError
from tests.helpers.waiting import PATIENCE_S, until
from tests.helpers.window_parts import make_project, make_session


@pytest.fixture
def window(qapp, qtbot, tmp_path):
    session = make_session(make_project(tmp_path / "place", 6))
    made = MainWindow(session, Settings(tmp_path / "settings.toml"))
    qtbot.addWidget(made)
    made.show()
    session.labelling.toggle(0)
    yield made
    made.session.close()


def labels(path, who=1):
    store = Store.open(path)
    try:
        return store.load_state(who).present.tolist()
    finally:
        store.close()


@pytest.mark.parametrize("how", ["moved", "deleted", "replaced"])
def test_a_project_that_is_gone_is_said_and_what_the_window_holds_can_be_saved(
    window, tmp_path, monkeypatch, how
):
    session, week = window.session, window.session.require().folder
    assert window.not_stored.isHidden()
    older = tmp_path / "older.sqlite"
    if how == "moved":
        week.rename(week.with_name("elsewhere"))
    elif how == "deleted":
        shutil.rmtree(week)
    else:
        session.require().project.store.save_copy(older)
        older.replace(week / "project.sqlite")
    session.other_windows.look()
    assert window.not_stored.isVisible()
    assert "not stored any more" in window.not_stored.words.text()
    session.cursor.show(2)
    before = session.labels.decided.own_status[2]
    session.labelling.toggle(0)
    assert session.labels.decided.own_status[2] == before  # not shown, for it is not stored
    out = tmp_path / "saved.sqlite"
    monkeypatch.setattr(file_dialogs, "ask_new_file", lambda *a: (out, ""))
    window.not_stored.ask()
    held = session.labels.decided.own_present.tolist()
    assert labels(out, session.require().annotator) == held
    assert window._holds_nothing()
    if how == "moved":
        week.with_name("elsewhere").rename(week)
        session.other_windows.look()
        assert window.not_stored.isHidden()
        session.labelling.toggle(0)
        assert session.labels.decided.own_status[2] != before


def test_a_window_that_holds_what_is_nowhere_else_asks_before_it_closes(window, monkeypatch):
    shutil.rmtree(window.session.require().folder)
    window.session.other_windows.look()
    answer = [QMessageBox.StandardButton.Cancel]
    monkeypatch.setattr(QMessageBox, "question", lambda *a: answer[0])
    assert not window.close()
    answer[0] = QMessageBox.StandardButton.Discard
    assert window.close()


def test_while_another_program_holds_the_project_the_window_lives_and_the_label_follows(
    window, qtbot
):
    session = window.session
    week = session.require().folder
    other = sqlite3.connect(week / "project.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    said: list[str] = []
    alive: list[bool] = []

    def live() -> None:
        alive.append(window.not_stored.isVisible())
        if window.not_stored.isVisible():
            said.append(window.not_stored.words.text())
            assert not window.close()  # a label waits
            other.execute("ROLLBACK")
            timer.stop()

    timer = QTimer()
    timer.timeout.connect(live)
    timer.start(10)
    session.cursor.show(3)
    session.labelling.toggle(0)  # returns when it is stored
    assert session.labels.decided.own_status[3] & LABELLED
    assert "Your keys wait" in said[0]
    assert len(alive) > 3
    qtbot.waitUntil(window.not_stored.isHidden)
    other.close()


def test_two_windows_of_one_person_keep_their_places_when_opened_again(window, qtbot):
    one = window.session
    other = make_session(one.require().folder)
    one.cursor.show(2)
    one.place.keep()
    other.cursor.show(5)
    other.place.keep()
    one.reopen()
    assert one.cursor.row == 2
    other.close()


def test_a_server_that_a_project_names_is_called_only_after_the_person_said_so(
    window, tmp_path, monkeypatch
):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    asked: list[str] = []
    answer = [QMessageBox.StandardButton.No]
    monkeypatch.setattr(QMessageBox, "question", lambda *a: asked.append(a[2]) or answer[0])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)
        url = f"postgresql+psycopg://ada@127.0.0.1:{listening.getsockname()[1]}/week"
        (theirs / "project.toml").write_text(f'store = "{url}"\n')
        window.project_files.open_folder(theirs)
        with pytest.raises(TimeoutError):
            listening.accept()
    assert url in asked[0]
    answer[0] = QMessageBox.StandardButton.Yes
    monkeypatch.setitem(server.PATIENCE, "connect_timeout", 2)
    window.project_files.open_folder(theirs)  # no one listens there any more
    assert window.session.require().folder != theirs


def test_nothing_that_goes_on_beside_a_label_that_waits_asks_the_project_or_is_lost(
    window, monkeypatch
):
    session = window.session
    said: list[tuple[str, str]] = []
    monkeypatch.setattr(window.net, "show", lambda *note: said.append(note))
    other = sqlite3.connect(session.require().folder / "project.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    met: list[object] = []

    def meanwhile() -> None:
        timer.stop()
        try:
            session.backup.look()
            session.other_windows.look()
            session.sources._take(session.require(), [])
            session.training._end(True, "", {})
            met.append(session.backup.is_busy)
        except Exception as error:  # noqa: BLE001 - a slot would swallow it
            met.append(error)
        window.net.caught(InputError, InputError("a change waits"), None)
        other.execute("ROLLBACK")

    timer = QTimer()
    timer.timeout.connect(meanwhile)
    timer.start(10)
    ended: list[None] = []
    session.training.runs_changed.connect(lambda: ended.append(None))
    session.cursor.show(3)
    session.labelling.toggle(0)
    assert met == [False]
    assert session.labels.decided.own_status[3] & LABELLED
    until(lambda: ended, "the end of a training is told once the project is free")
    assert said == [("error", "a change waits.")], "in its own words, not as a defect"
    other.close()


def test_a_database_that_is_damaged_beneath_the_window_is_said_once(window, monkeypatch, caplog):
    session, said = window.session, []
    session.noted.connect(lambda level, text: said.append((level, text)))
    real = session.opened.project.store.current_state
    damaged = InputError("the database is damaged (malformed)", mend="Repair it.")
    away = InputError("the store does not answer")

    def look_twice(error):
        def current_state():
            if error is not None:
                raise error
            return real()

        monkeypatch.setattr(session.opened.project.store, "current_state", current_state)
        session.other_windows.look()
        session.other_windows.look()

    look_twice(damaged)
    assert said == [("error", "the database is damaged (malformed). Repair it.")]
    look_twice(away)  # of a server that comes back by itself
    look_twice(None)
    assert len(said) == 1
    look_twice(damaged)
    assert len(said) == 2
    assert sum("could not be read" in line.message for line in caplog.records) == 3


def test_files_that_changed_while_the_store_is_away_are_found_by_the_next_look(window, monkeypatch):
    session = window.session
    real, away = session.opened.project.store.get_meta, [True]

    def get_meta(*words):
        if away[0]:
            raise InputError("the store does not answer")
        return real(*words)

    monkeypatch.setattr(session.opened.project.store, "get_meta", get_meta)
    begun = []
    session.sources.begin_work("training", lambda: begun.append(1))
    assert begun, "the training says itself what stands against it"
    away[0] = False
    session.sources.begin_work("training", lambda: begun.append(1))
    assert len(begun) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals are not sent there as Unix does")
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
def test_ctrl_c_in_the_terminal_ends_the_window_at_once_and_its_children_with_it(tmp_path, how):
    week = make_project(tmp_path, 3)
    code = "import sys, pathlib; from labeler.window.main_window import open_window\n"
    code += "open_window(pathlib.Path(sys.argv[1]))"
    words = [sys.executable, "-c", code, str(week)]
    how = getattr(signal, how)  # by name: some systems lack them
    heeded = [number for number in (signal.SIGHUP, signal.SIGQUIT) if number == how]
    before = {number: signal.signal(number, signal.SIG_DFL) for number in heeded}
    try:
        window = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    until((week / "project.sqlite-wal").is_file, "the window never opened the project")
    children = psutil.Process(window.pid).children(recursive=True)
    window.send_signal(how)
    _, said = window.communicate()
    assert (window.returncode, "Traceback" in said) == (-how, False)
    psutil.wait_procs(children, timeout=PATIENCE_S)
    assert not any(child.is_running() for child in children)
