"""The same store on a real PostgreSQL server: the same answers as SQLite, for several at once."""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import threading
from pathlib import Path

import numpy as np
import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from labeler.cli import main
from labeler.project import classes, people
from labeler.project.check import repair
from labeler.project.project import Project
from labeler.project.store import FLAGGED, LABELLED, SKIPPED, Store
from labeler.project.store import server as server_module
from model.errors import InputError
from model.shots.sources import SourceInfo
from tests.helpers import postgres
from tests.helpers.window_parts import make_session, write_shots

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="the server is started as Unix does"),
    pytest.mark.skipif(postgres.programs() is None, reason="PostgreSQL is not installed here"),
]
CLASSES = ["Round", "Bent", "Empty"]


@pytest.fixture(scope="module")
def server():
    with postgres.server() as url:
        yield url


@pytest.fixture
def url(server):
    """A fresh database."""
    with psycopg.connect(server.replace("+psycopg", "") + "/postgres", autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS week WITH (FORCE)")
        admin.execute("CREATE DATABASE week")
    return f"{server}/week"


def fill(store: Store, n: int = 6) -> Store:
    store.add_source(SourceInfo(Path("/data/a.h5"), "images", "stack", n, (4, 4), "u2", "f"), "")
    return store


@pytest.fixture
def team(tmp_path, url):
    """Two connections to one store, as two people have them."""
    one = fill(Store.create(tmp_path / "project.toml", CLASSES, url))
    two = Store.open(tmp_path / "project.toml")
    yield one, two
    one.close()
    two.close()


def test_the_server_gives_the_same_answers_as_a_file(team, tmp_path):
    ours, theirs = team[0], fill(Store.create(tmp_path / "same.sqlite", CLASSES))
    chance = random.Random(2)
    stores = (ours, theirs)
    ada = [s.annotator("Ada") for s in stores]
    for _ in range(70):
        wish = chance.random()
        rows = chance.sample(range(6), chance.choice((1, 1, 2, 5)))
        present = [chance.randrange(8) for _ in rows]
        status = chance.choice((LABELLED, LABELLED | FLAGGED, SKIPPED, 0))
        note = chance.choice((None, None, "", "odd"))
        for store, who in zip(stores, ada, strict=True):
            if wish < 0.2:
                store.undo(who)
            elif wish < 0.35:
                store.redo(who)
            else:
                shown = {"run": "1", "p": np.array([0.5], np.float32)}
                store.record(who, rows, present, status, origin="key", note=note, shown=shown)
    for row in range(6):
        found = [
            [(e.kind, e.present_before, e.status_before, e.present, e.status, e.note, e.shown)
             for e in store.history(row)] for store in stores
        ]  # fmt: skip
        assert found[0] == found[1]
    a, b = (store.load_state(who) for store, who in zip(stores, ada, strict=True))
    assert np.array_equal(a.present, b.present)
    assert np.array_equal(a.status, b.status)
    assert ours.notes(ada[0]) == theirs.notes(ada[1])
    assert ours.audit() == theirs.audit() == []
    theirs.close()


def test_values_roles_annotators_and_sources_are_kept(team):
    one, two = team
    one.set_roles([1, 3], [1, 2])
    one.set_roles(3, 1)
    one.set_meta("window.row", {"row": 3})
    one.set_meta("window.row", {"row": 4})
    assert two.roles().tolist() == [0, 1, 0, 1, 0, 0]
    assert two.get_meta("window.row") == {"row": 4}
    assert one.annotator("Ada") == two.annotator("Ada")
    assert two.class_names() == CLASSES
    assert two.sources()[0].info.path == Path("/data/a.h5")


def test_others_labels_are_seen_and_the_history_only_grows(team):
    one, two = team
    ada = one.annotator("Ada")
    before = two.current_state()
    one.record(ada, [2, 4], [1, 2], LABELLED, origin="bulk")
    assert two.current_state() != before
    rows, present, _ = two.changes_since(before.gesture).of[ada]
    assert (rows.tolist(), present.tolist()) == ([2, 4], [1, 2])
    for table in ("events", "gestures"):
        with pytest.raises(DBAPIError, match="only grows"):
            one.database.connection.exec_driver_sql(f"DELETE FROM {table}")
    one.database.connection.exec_driver_sql("UPDATE current SET present = 6 WHERE row = 2")
    assert "shot 3" in one.audit()[0]


def test_many_hands_at_once_lose_nothing(team, tmp_path):
    one, _ = team
    ada = one.annotator("Ada")

    def work(k: int) -> None:
        store = Store.open(tmp_path / "project.toml")
        for _ in range(8):
            store.record(ada, k, k + 1, LABELLED, origin="key")
            store.record(ada, 5, k + 1, LABELLED, origin="key")
        store.close()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.newest_gesture() == 48
    assert one.load_state(ada).present[:3].tolist() == [1, 2, 3]
    assert one.audit() == []


def test_after_the_server_was_away_labelling_goes_on(team):
    one, two = team
    ada = one.annotator("Ada")
    one.record(ada, 0, 1, LABELLED, origin="key")
    two.database.connection.exec_driver_sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with pytest.raises(InputError, match="does not answer"):
        one.record(ada, 1, 1, LABELLED, origin="key")
    one.record(ada, 2, 1, LABELLED, origin="key")
    assert one.load_state(ada).present.tolist() == [1, 0, 1, 0, 0, 0]
    assert one.audit() == []


def test_thousands_of_shots_in_one_gesture(tmp_path, url):
    store = fill(Store.create(tmp_path / "project.toml", CLASSES, url), 5000)
    ada = store.annotator("Ada")
    store.record(ada, np.arange(5000), np.arange(5000) % 8, LABELLED, origin="bulk", note="all")
    state = store.load_state(ada)
    assert state.present.tolist() == [k % 8 for k in range(5000)]
    assert store.notes(ada)[4999] == "all"
    assert len(store.undo(ada).rows) == 5000
    assert store.audit() == []
    with pytest.raises(DBAPIError):
        store.record(99, np.arange(5000), 1, LABELLED, origin="bulk")
    store.record(ada, 0, 1, LABELLED, origin="key")
    assert store.audit() == []
    store.close()


def test_a_gesture_that_fails_leaves_nothing_behind(team):
    one, _ = team
    with pytest.raises(DBAPIError):
        one.record(99, 0, 1, LABELLED, origin="key")
    assert one.history(0) == []
    one.record(one.annotator("Ada"), 0, 1, LABELLED, origin="key")


def test_a_project_on_a_server_is_made_labelled_and_opened_by_another(qapp, tmp_path, url, capsys):
    shots = write_shots(tmp_path / "shots.h5")
    week = tmp_path / "week"
    with_password = url.replace("ada@", "ada:secret@")
    assert main(["create", str(week), str(shots), "--store", with_password]) == 0
    assert "12 shots" in capsys.readouterr().out
    assert sorted(p.name for p in week.iterdir()) == ["project.toml", "taxonomy.toml"]
    assert "secret" not in (week / "project.toml").read_text()
    one, two = make_session(week), make_session(week)
    two.label_as("Bob")
    one.labelling.toggle(one.labels.taxonomy.index("Bent"))
    two.labelling.toggle(two.labels.taxonomy.index("Round"))
    one.other_windows.look()
    assert one.labelling.shown_labels()[one.labels.taxonomy.index("Bent")]
    assert [(p.name, p.labelled) for p in people.people(one.opened.project.store)][1] == ("Bob", 1)
    one.change_classes(classes.merge, "Bent", "Streak")
    two.other_windows.look()
    assert two.labels.taxonomy.classes[two.labels.taxonomy.index("Bent")].retired
    assert not one.opened.project.keeps_backups
    one.labelling.undo()
    assert one.opened.project.store.audit() == []
    one.close()
    two.close()
    assert main(["check", str(week)]) == 0
    with pytest.raises(InputError, match="on a server"):
        repair(week)


def test_a_server_that_takes_calls_and_says_nothing_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setitem(server_module.PATIENCE, "connect_timeout", 2)
    shots = write_shots(tmp_path / "shots.h5", 3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://ada@127.0.0.1:{silent.getsockname()[1]}/week"
        with pytest.raises(InputError, match="does not answer"):
            Project.create(tmp_path / "one", [shots], store=url)
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()  # nobody called a second time, to wait as long once more


def test_a_store_in_use_or_out_of_reach_is_refused_in_words(tmp_path, url):
    shots = write_shots(tmp_path / "shots.h5", 3)
    Project.create(tmp_path / "one", [shots], store=url).close()
    with pytest.raises(InputError, match=r"in use already.*createdb"):
        Project.create(tmp_path / "two", [shots], store=url)
    assert not (tmp_path / "two").exists()
    nowhere = "postgresql+psycopg://ada@127.0.0.1:1/week"
    with pytest.raises(InputError, match="does not answer"):
        Project.create(tmp_path / "two", [shots], store=nowhere)
    with pytest.raises(InputError, match="no store that we know"):
        Project.create(tmp_path / "two", [shots], store="mysql://ada@host/week")
    with Project.open(tmp_path / "one") as project:
        project.store.database.connection.exec_driver_sql("SELECT 1")


# -- nothing of others is touched, no one is called unasked ----------------------------------------


def admin(url: str, password: str | None = None):
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True, password=password)


def test_a_project_that_could_not_be_made_takes_nothing_away_that_it_did_not_make(tmp_path, url):
    with admin(url) as db:
        db.execute("CREATE TABLE precious (x int)")
        db.execute("INSERT INTO precious VALUES (7)")
    shots = write_shots(tmp_path / "shots.h5", 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "add_source", None)  # in the midst of the making
        with pytest.raises(TypeError):
            Project.create(tmp_path / "one", [shots], store=url)
    with admin(url) as db:
        assert db.execute("SELECT x FROM precious").fetchall() == [(7,)]
        assert db.execute(_SCHEMAS).fetchall() == [("public",)]
    Project.create(tmp_path / "one", [shots], store=url).close()
    with pytest.raises(InputError, match="in use already"):
        Project.create(tmp_path / "two", [shots], store=url)
    Project.open(tmp_path / "one").close()


_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname IN ('public', 'airylabel')"


def test_two_who_begin_at_once_end_with_one_project(tmp_path, url):
    shots = write_shots(tmp_path / "shots.h5", 3)
    said: list[object] = []

    def make(name: str) -> None:
        try:
            Project.create(tmp_path / name, [shots], store=url).close()
            said.append(name)
        except InputError as error:
            said.append(error)

    threads = [threading.Thread(target=make, args=(name,)) for name in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (made,) = [s for s in said if isinstance(s, str)]
    assert all("in use already" in str(s) for s in said if s != made)
    with Project.open(tmp_path / made) as project:
        assert project.n_shots == 3
    assert [p.name for p in tmp_path.iterdir() if p.is_dir() and p.name != "config"] == [made]


def test_a_password_opens_the_server_and_stands_nowhere(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    shots = write_shots(tmp_path / "shots.h5", 3)
    secret = "pass#w0rd"
    with postgres.server(secret) as url:
        given = url.replace("ada@", "ada:pass%23w0rd@") + "/postgres"
        assert main(["create", str(tmp_path / "week"), str(shots), "--store", given]) == 0
        server_module._passwords.clear()
        assert main(["info", str(tmp_path / "week")]) != 0
        said = capfd.readouterr()
        assert "PGPASSWORD" in said.err
        with monkeypatch.context() as known:
            known.setenv("PGPASSWORD", secret)
            assert main(["info", str(tmp_path / "week")]) == 0
        host = url.split("@")[1]
        (tmp_path / "pgpass").write_text(f"{host}:*:ada:{secret}\n")
        (tmp_path / "pgpass").chmod(0o600)
        assert main(["info", str(tmp_path / "week")]) == 0
        assert main(["create", str(tmp_path / "b"), str(shots), "--store", given]) != 0
        assert (
            main(["create", str(tmp_path / "b"), str(shots), "--store", f"x://a:{secret}@h"]) != 0
        )
        said = capfd.readouterr()
    assert "w0rd" not in said.out + said.err
    kept = [p for p in (tmp_path / "week").rglob("*") if p.is_file()]
    assert not any(b"w0rd" in p.read_bytes() for p in [*kept, tmp_path / "config" / "servers"])


def test_a_project_from_a_stranger_calls_no_server(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PGPASSWORD", "of-the-team")
    week = tmp_path / "week"
    week.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        theirs.settimeout(0.2)
        url = f"postgresql+psycopg://ada@127.0.0.1:{theirs.getsockname()[1]}/week"
        (week / "project.toml").write_text(f'store = "{url}"\n')
        (week / "taxonomy.toml").write_text("")
        with pytest.raises(server_module.UnknownServerError, match="never called from here"):
            Project.open(week)
        with pytest.raises(TimeoutError):
            theirs.accept()
    assert main(["allow-server", str(week)]) == 0
    assert url in capsys.readouterr().out
    with pytest.raises(InputError, match="does not answer"):
        Project.open(week)


def test_what_the_server_cannot_hold_is_refused_in_words_or_left_out(team):
    one, two = team
    ada = one.annotator("Ada")
    with pytest.raises(InputError, match="NUL"):
        one.record(ada, 0, 1, LABELLED, origin="flag", note="a\0b")
    with pytest.raises(InputError, match=r"cannot hold.*NUL"):
        one.annotator("A\0da")
    shown = {"run": "1", "probabilities": [np.float32("nan"), 0.5]}
    one.record(ada, 0, 1, LABELLED, origin="key", shown=shown)
    assert two.history(0)[0].shown == {"run": "1", "probabilities": [None, 0.5]}
    assert one.audit() == []


# -- a server that does not answer -----------------------------------------------------------------


def test_a_colleague_who_holds_the_store_freezes_nobody(team, url):
    one, _ = team
    ada = one.annotator("Ada")
    lived: list[float] = []
    asleep = admin(url)
    asleep.autocommit = False
    asleep.execute("SELECT pg_advisory_xact_lock(7264)")

    def live(waited: float) -> None:
        lived.append(waited)
        with pytest.raises(InputError, match="waits"):
            one.current_state()
        if len(lived) == 5:
            asleep.rollback()

    one.database.live_while_waiting(live)
    one.record(ada, 0, 1, LABELLED, origin="key")
    asleep.close()
    assert len(lived) >= 5
    assert one.load_state(ada).present[0] == 1


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root may stop a process of the server",
)
def test_a_frozen_server_is_given_up_while_the_window_lives_and_comes_back(team, monkeypatch):
    monkeypatch.setattr(server_module, "ANSWER_S", 0.5)
    monkeypatch.setattr(server_module, "REST_S", 0.0)
    one, two = team
    ada = one.annotator("Ada")
    find = "SELECT pg_backend_pid()"
    (pid,) = one.database.connection.exec_driver_sql(find).one()
    lived: list[float] = []
    one.database.live_while_waiting(lived.append)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(InputError, match=r"does not answer.*no answer for"):
            one.record(ada, 0, 1, LABELLED, origin="key")
        assert len(lived) >= 5
    finally:
        os.kill(pid, signal.SIGCONT)
    one.record(ada, 1, 1, LABELLED, origin="key")
    assert two.load_state(ada).present[1] == 1
    assert one.audit() == []


def test_what_was_committed_while_the_answer_was_lost_is_seen_as_news(team):
    one, _ = team
    ada = one.annotator("Ada")
    before = one.current_state()

    def lose_the_answer() -> None:
        with one._change_of_history() as connection:
            one._record(connection, ada, [(2, 1, LABELLED, 0, 0)], "key")
            connection.exec_driver_sql("COMMIT")
            raise InputError("the answer was lost")

    with pytest.raises(InputError, match="answer was lost"):
        lose_the_answer()
    assert one.changes_since(before.gesture).of[ada][0].tolist() == [2]
