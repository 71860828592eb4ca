"""Brings a database to the form that this program knows, after a backup; refuses a newer one.

Alembic is imported only when there is something to do, for it costs more than opening a project.
"""

from __future__ import annotations

from importlib import resources

from sqlalchemy import inspect, select

from labeler import version
from labeler.project.store import copies
from labeler.project.store.connection import Database, is_full
from labeler.project.store.dialects import SQLITE, upsert
from labeler.project.store.schema import HEAD, KNOWN, META
from model.errors import InputError

WRITER = "program_version"
"""The named value that says which program made or updated the project."""
UNKNOWN = "of unknown version"


def bring_up(database: Database) -> None:
    """Apply the steps that are missing, in one transaction, after a backup of what is there.

    A project that may not be written to is brought up in a copy elsewhere, and only looked at.
    """
    found = revision(database)
    if found == HEAD:
        return
    if found is not None and found not in KNOWN:
        raise _newer(database)
    if found is not None and database.dialect == SQLITE and not database.read_only:
        _back_up(database)
    if database.read_only:
        database.work_on_copy()
        with database.writable():
            _bring_up(database)
        return
    _bring_up(database)


def _newer(database: Database) -> InputError:
    """What to say of a form that this program does not know."""
    writer, mine = _writer(database), version()
    what = f"this project was made by a newer program ({writer}); this is {mine}"
    mend = f"Install airylabel {writer} or newer."
    if writer in (mine, UNKNOWN):  # states between two versions may have the same number
        mend = "This is an earlier state of that version: get the newest one and install it again."
    return InputError(what, file=database.path, mend=mend)


def _back_up(database: Database) -> None:
    """Keep what is there; where there is no room for that, nothing of the project is touched."""
    try:
        copies.back_up(database.path, f"before-{HEAD}")
    except InputError:
        if not is_full(database.path.parent):
            raise
        database.turn_read_only()


def _bring_up(database: Database) -> None:
    made = upsert(database.dialect, META).values(key=WRITER, value=version())
    keep = made.on_conflict_do_update(index_elements=["key"], set_={"value": version()})
    with database.write() as connection:
        _upgrade(connection)
        connection.execute(keep)


def revision(database: Database) -> str | None:
    """The step that the database is at; None for a new file."""
    with database.translated():
        if not inspect(database.connection).has_table("alembic_version"):
            return None
        found = database.connection.exec_driver_sql("SELECT version_num FROM alembic_version")
        return str(found.scalar())


def folder() -> str:
    """Where the steps lie, in a checkout and in an installed wheel alike."""
    return str(resources.files("labeler.project.store") / "migrations")


def _upgrade(connection: object) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", folder().replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _writer(database: Database) -> str:
    find = select(META.c.value).where(META.c.key == WRITER)
    return str(database.connection.execute(find).scalar() or UNKNOWN)
