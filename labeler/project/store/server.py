"""The same database on a PostgreSQL server, for a team: found by a URL in the project's folder.

The password is never stored: it comes from the environment (PGPASSWORD), from ~/.pgpass, or from
the URL once, while a project is made.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomlkit
from sqlalchemy import URL, Connection, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import StaticPool

from labeler.project.store.connection import Database, to_json
from model.errors import InputError

FILE = "project.toml"
DIALECT = "postgresql"
_MEND = "Check that the server runs and lets you in (PGPASSWORD or ~/.pgpass hold passwords)."


class Server(Database):
    """A connection to a project on a server. One write at a time, in the order of the gestures."""

    dialect = DIALECT

    def __init__(self, path: Path, url: URL) -> None:
        self.path = path
        self.read_only = self.network = False
        self.notes: list[str] = []
        self.shown = url.set(password=None).render_as_string()
        try:
            self._engine = create_engine(
                url, poolclass=StaticPool, json_serializer=to_json, connect_args=dict(PATIENCE)
            )
        except ImportError as error:
            mend = "Install it: pip install 'airylabel[team]'"
            raise InputError("projects on a server need psycopg", file=path, mend=mend) from error
        except (ArgumentError, NoSuchModuleError) as error:
            raise InputError(f"is no URL of a store ({error})", file=path, mend=_FORM) from error
        with self.translated():
            self.connection: Connection = self._engine.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            )

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: all of it is on the server's disk at the end, or nothing of it."""
        run = self.connection.exec_driver_sql
        with self.translated():
            run("BEGIN")
            try:
                run(f"SELECT pg_advisory_xact_lock({_LOCK})")
                yield self.connection
                run("COMMIT")
            except BaseException:
                if not self.connection.invalidated:
                    run("ROLLBACK")
                raise

    def rows(self, sql: str, *values: Any) -> Iterable[Any]:
        """The answer to a plain question."""
        sql = sql.replace("?", "%s").replace(" IS NOT ", " IS DISTINCT FROM ")
        return (tuple(row) for row in self.connection.exec_driver_sql(sql, values))

    @contextmanager
    def translated(self) -> Iterator[None]:
        """A server that does not answer becomes an InputError; a mistake of ours stays one."""
        try:
            yield
        except DBAPIError as error:
            known = hasattr(self, "connection")
            if error.connection_invalidated or type(error.orig).__name__ in _TROUBLES:
                if known and self.connection.invalidated:  # the next question connects anew
                    self.connection.rollback()
                words = " ".join(str(error.orig).split())
                what = f"the store at {self.shown} does not answer ({words})"
                raise InputError(what, file=self.path, mend=_MEND) from error
            raise

    def quick_check(self) -> None:
        """The server looks after its own disks."""

    def is_empty(self) -> bool:
        """Whether nothing was ever made in this database."""
        with self.translated():
            found = self.connection.exec_driver_sql(
                "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"
            )
            return not found.scalar()

    def erase(self) -> None:
        """Take away what was made: only for a project whose making failed."""
        with self.write() as connection:
            connection.exec_driver_sql("DROP SCHEMA IF EXISTS public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")


def found(path: Path, text: str) -> Server:
    """Begin a project on a server: in an empty database only. Writes the file that says where."""
    url = _url(path, text)
    server = Server(path, url)
    try:
        if not server.is_empty():
            mend = "Give an empty database: createdb NAME. To join a project, copy its folder."
            raise InputError(f"{server.shown} is in use already", file=path, mend=mend)
        path.write_text(tomlkit.dumps({"store": server.shown}), encoding="utf-8")
    except BaseException:
        server.close()
        raise
    return server


def open_server(path: Path) -> Server:
    """The store that a project's file names."""
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"))["store"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as error:
        raise InputError(f"says no store ({error!r})", file=path, mend=_FORM) from error
    return Server(path, _url(path, str(text)))


def _url(path: Path, text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise InputError(f"{text!r} is no URL of a store", file=path, mend=_FORM) from error
    if url.get_backend_name() != DIALECT:
        raise InputError(f"{url.drivername} is no store that we know", file=path, mend=_FORM)
    return url.set(drivername="postgresql+psycopg")


PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""Seconds (the last: milliseconds) until a server that does not answer is given up (libpq)."""
_FORM = "Write it as postgresql+psycopg://NAME@HOST/DATABASE."
_LOCK = 7_264
"""The number of the lock that every writer takes, so that gestures are numbered as they commit."""
_TROUBLES = ("OperationalError", "AdminShutdown", "ConnectionTimeout")
