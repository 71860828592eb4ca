"""The same store on a real PostgreSQL server: the same answers as SQLite, for several at once."""

from __future__ import annotations

import random
import socket
import sys
import threading
import time
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
    assert len(ours.labelling_times(ada[0])) == len(theirs.labelling_times(ada[1]))
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
    before = two.pulse()
    one.record(ada, [2, 4], [1, 2], LABELLED, origin="bulk")
    assert two.pulse() != before
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
    one.toggle(one.taxonomy.index("Bent"))
    two.toggle(two.taxonomy.index("Round"))
    one.following.look()
    assert one.labels()[one.taxonomy.index("Bent")]
    assert [(p.name, p.labelled) for p in people.people(one.project.store)][1] == ("Bob", 1)
    one.change_classes(classes.merge, "Bent", "Streak")
    two.following.look()
    assert two.taxonomy.classes[two.taxonomy.index("Bent")].retired
    assert not one.project.keeps_backups
    one.undo()
    assert one.project.store.audit() == []
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
        begin = time.monotonic()
        with pytest.raises(InputError, match="does not answer"):
            Project.create(tmp_path / "one", [shots], store=url)
    assert time.monotonic() - begin < 20


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
