"""Places and accidents: full disks, read-only folders, damage, newer programs, networks."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from labeler import version
from labeler.project.store import LABELLED, Store, copies, migrating, salvage
from labeler.project.store import connection as connection_module
from labeler.project.store.connection import DisplacedError
from labeler.project.store.schema import Base
from model.errors import InputError
from model.shots.sources import SourceInfo


def new_store(folder: Path, n: int = 100) -> Store:
    store = Store.create(folder / "project.sqlite", ["Round", "Bent"])
    store.add_source(SourceInfo(Path("/data/a.h5"), "images", "stack", n, (4, 4), "u2", "f"), "")
    return store


def pragma(store: Store, name: str) -> object:
    return store.database.connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_commits_are_synced_and_references_are_kept(tmp_path):
    store = new_store(tmp_path)
    assert pragma(store, "journal_mode") == "wal"
    assert pragma(store, "synchronous") == 2
    assert pragma(store, "foreign_keys") == 1
    assert pragma(store, "busy_timeout") >= 1000
    store.close()


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path):
    store = new_store(tmp_path)
    ada = store.annotator("Ada")
    store.record(ada, 0, 1, LABELLED, origin="key")
    pragma(store, f"max_page_count={pragma(store, 'page_count')}")
    with pytest.raises(InputError, match=r"disk is full.*Free some space"):
        store.record(ada, range(100), 3, LABELLED, origin="bulk", note="n" * 5000)
    assert store.load_state(ada).present.tolist() == [1] + [0] * 99
    pragma(store, "max_page_count=100000")
    store.record(ada, 1, 2, LABELLED, origin="key")
    assert store.undo(ada).rows.tolist() == [1]
    assert store.undo(ada).rows.tolist() == [0]
    assert store.audit() == []
    store.close()


def test_a_failed_undo_can_be_undone_later(tmp_path):
    store = new_store(tmp_path)
    ada = store.annotator("Ada")
    store.record(ada, range(100), 3, LABELLED, origin="bulk", note="n" * 3000)
    pragma(store, f"max_page_count={pragma(store, 'page_count')}")
    with pytest.raises(InputError, match="disk is full"):
        store.undo(ada)
    assert store.load_state(ada).labelled.all()
    pragma(store, "max_page_count=100000")
    assert len(store.undo(ada).rows) == 100
    store.close()


def test_a_project_held_by_another_program_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(connection_module, "BUSY_MS", 50)
    store = new_store(tmp_path)
    ada = store.annotator("Ada")
    other = sqlite3.connect(tmp_path / "project.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(InputError, match="another program holds"):
        store.record(ada, 0, 1, LABELLED, origin="key")
    other.execute("ROLLBACK")
    other.close()
    store.record(ada, 0, 1, LABELLED, origin="key")
    store.close()


def test_a_read_only_place_can_be_looked_at(tmp_path, monkeypatch):
    store = new_store(tmp_path)
    ada = store.annotator("Ada")
    store.record(ada, 0, 1, LABELLED, origin="key")
    store.close()
    monkeypatch.setattr(connection_module, "is_writable", lambda path: False)
    looked = Store.open(tmp_path / "project.sqlite")
    assert looked.read_only
    assert "only be looked at" in looked.database.notes[0]
    assert looked.load_state(ada).present[0] == 1
    with pytest.raises(InputError, match="only be looked at"):
        looked.record(ada, 0, 2, LABELLED, origin="key")
    with pytest.raises(InputError, match="only be looked at"):
        looked.undo(ada)
    looked.close()


@pytest.mark.parametrize("follows", [True, False])
def test_who_may_only_look_sees_what_is_labelled_meanwhile(tmp_path, monkeypatch, follows):
    store = new_store(tmp_path)
    ada = store.annotator("Ada")
    store.close()  # nothing is left of its log: SQLite may take the file for one that never changes
    if not follows:
        monkeypatch.setattr(connection_module, "_follows", lambda connection: False)
    with monkeypatch.context() as may_not:
        may_not.setattr(connection_module, "is_writable", lambda path: False)
        looked = Store.open(tmp_path / "project.sqlite")
    assert looked.read_only
    before = looked.current_state()
    store = Store.open(tmp_path / "project.sqlite")
    for row in range(3):
        store.record(ada, row, 1, LABELLED, origin="key")
    store.database.connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    store.record(ada, 0, 2, LABELLED, origin="key")
    store.close()
    assert looked.current_state() != before
    assert looked.load_state(ada).present[:3].tolist() == [2, 1, 1]
    looked.close()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no file modes")
def test_a_folder_that_may_not_be_written_is_opened_for_reading():
    folder = Path(tempfile.mkdtemp())
    try:
        new_store(folder).close()
        (folder / "project.sqlite").chmod(0o444)
        folder.chmod(0o555)
        code = (
            f"import os, sys; sys.path[:0] = {sys.path!r}\n"
            "from pathlib import Path; from labeler.project.store import Store\n"
            f"path = Path({str(folder)!r}) / 'project.sqlite'\n"
            "Store.open(path).close()\n"  # so that everything is imported
            "if os.geteuid() == 0: os.setuid(65534)\n"  # root may write everywhere
            "store = Store.open(path); print(store.read_only, store.n_shots()); store.close()"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.split() == ["True", "100"], done.stderr
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_network_place_gets_a_journal_that_works_there_and_a_note(tmp_path, monkeypatch):
    monkeypatch.setattr(connection_module, "is_network", lambda folder: True)
    store = new_store(tmp_path)
    assert pragma(store, "journal_mode") == "delete"
    assert pragma(store, "synchronous") == 2
    assert "network" in store.database.notes[0]
    store.record(store.annotator("Ada"), 0, 1, LABELLED, origin="key")
    store.close()


@pytest.mark.parametrize(
    ("kind", "network"),
    [
        ("ext4", False),
        ("nfs4", True),
        ("cifs", True),
        ("fuse.sshfs", True),
        ("lustre", True),
        ("fuseblk", False),
        ("gpfs", True),
    ],
)
def test_network_file_systems_are_known_by_their_name(tmp_path, monkeypatch, kind, network):
    part = namedtuple("part", "mountpoint fstype opts", defaults=["rw"])
    mounts = [part("/", "ext4"), part(str(tmp_path.resolve()), kind), part("/nfs", "nfs")]
    monkeypatch.setattr(connection_module.psutil, "disk_partitions", lambda all: mounts)
    (tmp_path / "week").mkdir()
    assert connection_module.is_network(tmp_path / "week") is network


def test_a_damaged_database_is_said_with_the_way_to_its_backup(tmp_path):
    new_store(tmp_path).close()
    path = tmp_path / "project.sqlite"
    raw = bytearray(path.read_bytes())
    raw[5000:20000] = os.urandom(15000)
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"damaged.*backups"):
        Store.open(path)
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match=r"damaged.*backups"):
        Store.open(path)


# -- migrations --------------------------------------------------------------------------------


def script() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", migrating.folder())
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def test_the_steps_known_to_the_program_are_those_in_the_folder():
    steps = [s.revision for s in script().walk_revisions()][::-1]
    assert tuple(steps) == migrating.KNOWN
    assert script().get_current_head() == migrating.HEAD == steps[-1]


def test_the_migrated_database_is_the_one_that_the_models_describe(tmp_path):
    store = new_store(tmp_path)
    context = MigrationContext.configure(store.database.connection)
    assert compare_metadata(context, Base.metadata) == []
    store.close()


def test_a_project_of_a_newer_program_names_the_version_it_needs(tmp_path):
    store = new_store(tmp_path)
    store.set_meta("program_version", "7.1.0")
    store.database.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0099'")
    store.close()
    with pytest.raises(InputError, match=r"newer program \(7\.1\.0\).*Install airylabel 7\.1\.0"):
        Store.open(tmp_path / "project.sqlite")


def test_a_project_of_a_later_state_of_the_same_version_asks_for_the_newest_state(tmp_path):
    store = new_store(tmp_path)
    store.set_meta("program_version", version())
    store.database.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0099'")
    store.close()
    with pytest.raises(InputError, match="earlier state of that version: get the newest one"):
        Store.open(tmp_path / "project.sqlite")


@pytest.fixture
def with_a_second_step(tmp_path, monkeypatch):
    """A program with one more migration than this one, which adds a table."""
    steps = tmp_path / "migrations"
    shutil.copytree(migrating.folder(), steps)
    (steps / "versions" / "v0003_more.py").write_text(
        '"""More."""\nfrom alembic import op\nimport sqlalchemy as sa\n'
        'revision = "0003"\ndown_revision = "0002"\nbranch_labels = None\ndepends_on = None\n'
        'def upgrade():\n    op.create_table("more", sa.Column("id", sa.Integer()))\n'
        "    FAIL\n".replace("FAIL", "pass")
    )

    def install() -> Path:
        monkeypatch.setattr(migrating, "HEAD", "0003")
        monkeypatch.setattr(migrating, "KNOWN", ("0001", "0002", "0003"))
        monkeypatch.setattr(migrating, "folder", lambda: str(steps))
        return steps / "versions" / "v0003_more.py"

    return install


def test_an_older_project_is_backed_up_and_brought_up(tmp_path, with_a_second_step):
    store = new_store(tmp_path)
    ada = store.annotator("Ada")
    store.record(ada, 0, 1, LABELLED, origin="key")
    store.close()
    with_a_second_step()
    again = Store.open(tmp_path / "project.sqlite")
    assert migrating.revision(again.database) == "0003"
    assert again.load_state(ada).present[0] == 1
    again.close()
    (backup,) = (tmp_path / "backups").iterdir()
    with sqlite3.connect(backup) as copy:
        assert copy.execute("SELECT version_num FROM alembic_version").fetchone() == ("0002",)
        assert copy.execute("SELECT present FROM current").fetchone() == (1,)
    copy.close()


def test_a_migration_that_fails_leaves_the_project_as_it_was(tmp_path, with_a_second_step):
    new_store(tmp_path).close()
    step = with_a_second_step()
    step.write_text(step.read_text().replace("pass", "raise RuntimeError('no')"))
    with pytest.raises(RuntimeError, match="no"):
        Store.open(tmp_path / "project.sqlite")
    with sqlite3.connect(tmp_path / "project.sqlite") as left:
        assert left.execute("SELECT version_num FROM alembic_version").fetchone() == ("0002",)
        tables = [name for (name,) in left.execute("SELECT name FROM sqlite_master")]
        assert "more" not in tables
    left.close()


def test_opening_an_up_to_date_project_does_not_import_alembic(tmp_path):
    new_store(tmp_path).close()
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path; from labeler.project.store import Store\n"
        f"Store.open(Path({str(tmp_path)!r}) / 'project.sqlite').close()\n"
        "assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_backup_is_a_whole_database(tmp_path):
    store = new_store(tmp_path)
    ada = store.annotator("Ada")
    store.record(ada, 3, 1, LABELLED, origin="key")
    backup = copies.back_up(store.database.path, "test")
    store.close()
    restored = Store.open(backup)
    assert restored.load_state(ada).present[3] == 1
    restored.close()
    assert not list(backup.parent.glob("*.part"))


# -- the files are not the project's any more ------------------------------------------------------


def elsewhere(code: str, path: Path) -> str:
    """What another process says that does something with a project."""
    head = f"import sys; sys.path[:0] = {sys.path!r}\nfrom pathlib import Path\nimport sqlite3\n"
    head += f"from labeler.project.store import LABELLED, Store\npath = Path({str(path)!r})\n"
    done = subprocess.run([sys.executable, "-c", head + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX loses locks, Windows does not")
def test_a_journal_that_another_process_deleted_costs_nothing_that_was_stored(tmp_path):
    path = tmp_path / "project.sqlite"
    store = new_store(tmp_path)
    ada = store.annotator("Ada")
    store.record(ada, 0, 1, LABELLED, origin="key")
    path.read_bytes()  # with the close of any file of that name, POSIX drops SQLite's locks
    elsewhere("Store.open(path).close()", path)  # it takes itself for the last, and sweeps
    store.record(ada, 1, 2, LABELLED, origin="key")
    assert store.load_state(ada).present[:2].tolist() == [1, 2]
    found = elsewhere("print(Store.open(path).load_state(1).present[:2].tolist())", path)
    assert found.strip() == "[1, 2]"
    assert not list(tmp_path.glob("*held*"))
    store.close()
    assert elsewhere("print(Store.open(path).audit())", path).strip() == "[]"


@pytest.mark.parametrize("how", ["moved", "deleted", "replaced"])
def test_what_is_not_the_projects_file_any_more_takes_no_label_and_gives_back_all(tmp_path, how):
    week = tmp_path / "week"
    week.mkdir()
    store = new_store(week)
    ada = store.annotator("Ada")
    store.record(ada, 0, 1, LABELLED, origin="key")
    before = store.current_state()
    if how == "moved":
        week.rename(tmp_path / "other")
    elif how == "deleted":
        shutil.rmtree(week)
    else:
        new_store(tmp_path).close()
        (tmp_path / "project.sqlite").replace(week / "project.sqlite")
    with pytest.raises(DisplacedError, match=r"while it is open.*[Ss]ave what this window holds"):
        store.record(ada, 1, 2, LABELLED, origin="key")
    with pytest.raises(DisplacedError):
        store.current_state()
    store.save_copy(tmp_path / "saved.sqlite")
    saved = Store.open(tmp_path / "saved.sqlite")
    assert saved.load_state(ada).present[:2].tolist() == [1, 0]
    saved.close()
    if how == "moved":
        (tmp_path / "other").rename(week)
        assert store.current_state() == before
        store.record(ada, 1, 2, LABELLED, origin="key")
    store.close()


def test_a_label_waits_for_another_process_while_the_window_lives(tmp_path, monkeypatch):
    store = new_store(tmp_path)
    ada = store.annotator("Ada")
    other = sqlite3.connect(tmp_path / "project.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    lived: list[float] = []

    def live(waited: float) -> None:
        lived.append(waited)
        with pytest.raises(InputError, match="waits for another program"):
            store.record(ada, 5, 1, LABELLED, origin="key")  # nothing overtakes the one that waits
        if len(lived) == 4:
            other.execute("ROLLBACK")

    store.database.live_while_waiting(live)
    store.record(ada, 0, 1, LABELLED, origin="key")
    assert len(lived) == 4
    assert store.load_state(ada).present[:6].tolist() == [1, 0, 0, 0, 0, 0]
    monkeypatch.setattr(connection_module, "PATIENCE_S", 0.2)
    other.execute("BEGIN IMMEDIATE")
    lived.clear()
    with pytest.raises(InputError, match="another program holds"):
        store.record(ada, 1, 1, LABELLED, origin="key")
    other.execute("ROLLBACK")
    other.close()
    store.record(ada, 1, 1, LABELLED, origin="key")
    store.close()


@pytest.mark.parametrize("index", [True, False])
def test_labels_still_in_the_journal_are_shown_where_one_may_only_look(
    tmp_path, monkeypatch, index
):
    store = new_store(tmp_path)
    ada = store.annotator("Ada")
    store.record(ada, range(50), 1, LABELLED, origin="bulk")
    copy = tmp_path / "archive"
    copy.mkdir()
    for end in ("", "-wal", *(["-shm"] if index else [])):
        shutil.copyfile(tmp_path / f"project.sqlite{end}", copy / f"project.sqlite{end}")
    store.close()
    monkeypatch.setattr(connection_module, "is_writable", lambda path: False)
    if not index:
        monkeypatch.setattr(connection_module, "_follows", lambda connection: False)
    looked = Store.open(copy / "project.sqlite")
    assert looked.load_state(ada).labelled.sum() == 50
    looked.close()


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 4 MB that can be filled up; skipped where this user may not mount one."""
    place = tmp_path / "small"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path, room: int) -> Path:
    free = os.statvfs(place)
    with (place / "filler").open("wb") as out:
        os.posix_fallocate(out.fileno(), 0, free.f_bavail * free.f_frsize - room)
    return place / "filler"


@pytest.mark.parametrize("room", [0, 4096, 40_000, 100_000])
@pytest.mark.parametrize("form", ["0001", "0002"])
@pytest.mark.parametrize("killed", [True, False])
def test_a_project_on_a_full_disk_opens_to_look_and_labels_again_with_room(
    small_disk, room, form, killed
):
    week = small_disk / "week"
    week.mkdir()
    store = new_store(week)
    ada = store.annotator("Ada")
    store.record(ada, 0, 1, LABELLED, origin="key")
    if form == "0001":
        make_first_form(store.database.driver)
    if killed:  # its journal is left
        kept = {p: p.read_bytes() for p in week.glob("project.sqlite*")}
        store.close()
        for path, raw in kept.items():
            path.write_bytes(raw)
        (week / "project.sqlite-shm").unlink(missing_ok=True)
    else:
        store.close()
    filler = fill(small_disk, room)
    looked = Store.open(week / "project.sqlite")
    assert looked.load_state(ada).present[0] == 1
    assert looked.load_state(ada).known[0] == 3
    if looked.read_only:
        assert "disk is full" in looked.database.notes[0]
        with pytest.raises(InputError, match="Free some space"):
            looked.record(ada, 1, 1, LABELLED, origin="key")
    looked.close()
    filler.unlink()
    again = Store.open(week / "project.sqlite")
    again.record(ada, 1, 1, LABELLED, origin="key")
    assert again.load_state(ada).present[:2].tolist() == [1, 1]
    assert again.audit() == []
    again.close()


def make_first_form(driver: sqlite3.Connection) -> None:
    """Take away what the second form of the database added."""
    for table, names in (("events", ("known_before", "known_after")), ("current", ("known",))):
        for name in names:
            driver.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
    driver.execute("UPDATE alembic_version SET version_num = '0001'")


def test_a_project_of_an_older_form_is_shown_where_nothing_may_be_written(tmp_path, monkeypatch):
    store = new_store(tmp_path)
    ada = store.annotator("Ada")
    store.record(ada, 0, 1, LABELLED, origin="key")
    make_first_form(store.database.driver)
    store.close()
    before = (tmp_path / "project.sqlite").read_bytes()
    monkeypatch.setattr(connection_module, "is_writable", lambda path: False)
    looked = Store.open(tmp_path / "project.sqlite")
    assert looked.load_state(ada).known[0] == 3
    with pytest.raises(InputError, match="only be looked at"):
        looked.record(ada, 1, 1, LABELLED, origin="key")
    looked.close()
    assert (tmp_path / "project.sqlite").read_bytes() == before


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id FROM n"


@pytest.mark.parametrize(
    "acts",
    [
        ["ALTER TABLE gestures RENAME TO g", f"CREATE VIEW gestures AS {ENDLESS}"],
        ["CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM current; END"],
        ["DROP TRIGGER events_no_delete",
         "CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN SELECT 1; END"],
        ["CREATE VIRTUAL TABLE v USING fts5(x)"],
    ],
    ids=["view", "trigger", "another trigger of that name", "virtual table"],
)  # fmt: skip
def test_a_database_of_a_stranger_that_acts_by_itself_is_refused_unread(tmp_path, acts):
    new_store(tmp_path).close()
    path = tmp_path / "project.sqlite"
    with closing(sqlite3.connect(path)) as theirs:
        for statement in acts:
            theirs.execute(statement)
        theirs.execute("PRAGMA journal_mode=DELETE")
    reading = (Store.open, copies.check, copies.look_into, salvage.is_damaged)
    for read in reading:
        with pytest.raises(InputError, match="that no project has"):
            read(path)
    assert copies.paths_of_sources(path) == []


@pytest.mark.parametrize("content", [b"", None], ids=["nothing", "other tables"])
def test_a_database_without_a_project_is_damaged_and_no_new_project(tmp_path, content):
    path = tmp_path / "project.sqlite"
    if content is None:
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE x(a)")
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged \(there is no project in it\)"):
        Store.open(path)
    with closing(sqlite3.connect(path)) as left:
        assert len(left.execute("SELECT name FROM sqlite_master").fetchall()) == (content is None)
