"""The same database on a PostgreSQL server, for a team: found by a URL in the project's folder.

Everything lies in a schema of its own. The password is never stored: it comes from the environment
(PGPASSWORD), from ~/.pgpass, or from the URL while a project is made. A server is called only
after someone at this machine said so: a project may come from a stranger.
"""

from __future__ import annotations

import re
import selectors
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import tomlkit
from sqlalchemy import URL, Connection, create_engine, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.pool import StaticPool

from labeler.project.store.connection import PATIENCE_S, SLICE_MS, Database, no_text, to_json
from model.errors import InputError, install, parsed_toml, text_of
from model.output_files import written_whole
from model.shots.layouts.formats.servers import allow_server, may_be_called

SCHEMA = "airylabel"
"""Where the tables of a project are; those of older projects are in the server's default schema."""
DIALECT = "postgresql"
TIMEOUTS = {"lock_timeout": 10_000, "statement_timeout": 20_000}
TIMEOUTS["idle_in_transaction_session_timeout"] = 30_000
"""Milliseconds after which the server gives up, so that no one waits for one who fell asleep."""
ANSWER_S, REST_S = 15.0, 5.0
"""This long an answer is waited for; this long a server that did not answer is left alone."""
_MEND = "Check that the server runs and lets you in (PGPASSWORD or ~/.pgpass hold passwords)."
_passwords: dict[str, str] = {}
"""Passwords that were given in a URL, for as long as this process lives."""


class UnknownServerError(InputError):
    """The labels of a project are on a server that was never called from here."""


class ServerDatabase(Database):
    """A connection to a project on a server. One write at a time, in the order of the gestures."""

    dialect = DIALECT
    _left_alone_until = 0.0

    def __init__(self, path: Path, url: URL, schema: str | None = None) -> None:
        self.path = path
        self.read_only = self.network = False
        self.notes: list[str] = []
        self.shown = _without_password(url)
        self.schema = schema
        self.made = False
        """Whether the schema was made by this object, which may then take it away again."""
        password = url.password or _passwords.get(self.shown)
        if password:
            _passwords[self.shown] = str(password)
            url = url.set(password=str(password))
        try:
            self._engine = create_engine(
                url, creator=self._call, poolclass=StaticPool, json_serializer=to_json,
                isolation_level="AUTOCOMMIT",
            )  # fmt: skip
            self._wanted = self._engine.dialect.create_connect_args(url)[1]
        except ImportError as error:
            mend = install("psycopg[binary]")
            raise InputError("projects on a server need psycopg", file=path, mend=mend) from error
        except (ArgumentError, NoSuchModuleError) as error:
            raise InputError(f"is no URL of a store ({error})", file=path, mend=_FORM) from error
        with self.translated():
            self.connection: Connection = self._engine.connect()

    def _call(self) -> Any:
        """A connection, called in a thread so that a window lives meanwhile."""
        if time.monotonic() < self._left_alone_until:
            raise _class_of_connections().Away("it did not answer a moment ago")
        settings = [f"-c {name}={value}" for name, value in TIMEOUTS.items()]
        if self.schema is not None:
            settings.append(f"-c search_path={self.schema}")
        options = " ".join([str(self._wanted.get("options", "")), *settings]).strip()
        wanted = {**PATIENCE, **self._wanted, "options": options}
        got: list[Any] = []

        def call() -> None:
            try:
                got.append(_class_of_connections().connect(**wanted))
            except Exception as error:  # noqa: BLE001 - raised again where it was asked for
                got.append(error)

        thread = threading.Thread(target=call, name="calling the server", daemon=True)
        begin = time.monotonic()
        thread.start()
        while thread.is_alive():
            thread.join(SLICE_MS / 1000)
            if thread.is_alive() and self.while_waiting is not None:
                self._live(time.monotonic() - begin)
        if isinstance(got[0], Exception):
            self._left_alone_until = time.monotonic() + REST_S
            raise got[0]
        got[0].live = self._live_meanwhile
        return got[0]

    def _live_meanwhile(self, waited: float) -> None:
        if self.while_waiting is not None:
            self._live(waited)

    def live_while_waiting(self, live: Callable[[float], None]) -> None:
        """Call `live` with the seconds so far while the server or a colleague is waited for."""
        self.while_waiting = live

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: all of it is on the server's disk at the end, or nothing of it."""
        run = self.connection.exec_driver_sql
        with self.translated():
            run("BEGIN")
            try:
                self._take_turn()
                yield self.connection
                run("COMMIT")
            except BaseException:
                if not (self.connection.closed or self.connection.invalidated):
                    run("ROLLBACK")
                raise

    def _take_turn(self) -> None:
        """Wait until no colleague writes; the window lives between one look and the next."""
        if self.while_waiting is None:
            self.connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            return
        begin, ask = time.monotonic(), f"SELECT pg_try_advisory_xact_lock({_LOCK})"
        while not self.connection.exec_driver_sql(ask).scalar():
            waited = time.monotonic() - begin
            if waited > PATIENCE_S:
                mend = "Ask who it is, or wait, and do that again."
                raise InputError("a colleague holds the store", file=self.path, mend=mend)
            time.sleep(SLICE_MS / 1000)
            self._live(waited)

    def rows(self, sql: str, *values: Any) -> Iterable[Any]:
        """The answer to a plain question."""
        sql = sql.replace("?", "%s").replace(" IS NOT ", " IS DISTINCT FROM ")
        return (tuple(row) for row in self.connection.exec_driver_sql(sql, values))

    @contextmanager
    def translated(self) -> Iterator[None]:
        """A server that does not answer becomes an InputError; a mistake of ours stays one."""
        if self.waiting:
            what = "a change waits for the server or for a colleague"
            raise InputError(what, file=self.path, mend="Wait for it.")
        try:
            yield
        except UnicodeEncodeError as error:
            raise no_text(error) from error
        except DBAPIError as error:
            words = " ".join(str(error.orig).split())
            if error.connection_invalidated or isinstance(error, OperationalError):
                known = hasattr(self, "connection")
                if known and self.connection.invalidated:  # the next question connects again
                    self.connection.rollback()
                what = f"the store at {self.shown} does not answer ({words})"
                raise InputError(what, file=self.path, mend=_MEND) from error
            if isinstance(error, DataError):
                what = f"the store at {self.shown} cannot hold this text or number ({words})"
                mend = "Nothing was changed. Leave characters that are no text out."
                raise InputError(what, file=self.path, mend=mend) from error
            if type(error.orig).__name__ == "InsufficientPrivilege":
                what = f"the store at {self.shown} does not let you do that ({words})"
                raise InputError(what, file=self.path, mend=_RIGHTS) from error
            raise

    def quick_check(self) -> None:
        """The server looks after its own disks."""

    def look_for_files(self) -> None:
        """Nothing of it is in files here."""

    def look_again(self) -> None:
        """Every question is answered by the server as of now."""

    def copy_to(self, target: Path) -> None:
        """Copies of a server are its administrator's (pg_dump)."""
        mend = "Ask whoever runs the server for its backups (pg_dump, pg_restore)."
        raise InputError("the labels are on a server", file=self.path, mend=mend)

    def make_schema(self) -> None:
        """A schema of its own, which is not there yet; InputError where it is."""
        try:
            with self.translated():
                self.connection.exec_driver_sql(f"CREATE SCHEMA {self.schema}")
        except ProgrammingError as error:
            raise self._in_use() from error
        except DBAPIError as error:  # someone else made it in the same moment
            if type(error.orig).__name__ != "UniqueViolation":
                raise
            raise self._in_use() from error
        self.made = True

    def _in_use(self) -> InputError:
        mend = "Give another database: createdb NAME. To join a project, copy its folder."
        return InputError(f"{self.shown} is in use already", file=self.path, mend=mend)

    def erase(self) -> None:
        """Take away what this object made: only for a project whose making failed."""
        if self.made:
            with self.write() as connection:
                connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")
            self.made = False


@cache
def _class_of_connections() -> Any:
    """psycopg's connections, which give up a server that says nothing, and let a window live."""
    import psycopg

    class Patient(psycopg.Connection[Any]):
        Away = psycopg.OperationalError
        live: Callable[[float], None] | None = None

        def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
            begin, limit = time.monotonic(), timeout or ANSWER_S
            try:
                want = next(gen)
                with selectors.DefaultSelector() as sockets:
                    key = sockets.register(self.pgconn.socket, int(want))
                    while True:
                        found = sockets.select(SLICE_MS / 1000)
                        want = gen.send(found[0][1] if found else 0)
                        if want and int(want) != key.events:
                            key = sockets.modify(self.pgconn.socket, int(want))
                        waited = time.monotonic() - begin
                        if not found and waited > limit:
                            self.pgconn.finish()
                            raise psycopg.OperationalError(f"no answer for {waited:.0f} s")
                        if not found and self.live is not None:
                            self.live(waited)
            except StopIteration as end:
                return end.value

    return Patient


def found(path: Path, text: str) -> ServerDatabase:
    """Begin a project on a server, in a schema of its own. Writes the file that says where."""
    url = _url(path, text)
    server = ServerDatabase(path, url, SCHEMA)
    try:
        server.make_schema()
        with written_whole(path) as part:
            kept = tomlkit.dumps({"store": server.shown, "schema": SCHEMA})
            part.write_text(kept, encoding="utf-8")
    except BaseException:
        server.erase()
        server.close()
        raise
    allow_server(server.shown)
    return server


def open_server(path: Path) -> ServerDatabase:
    """The store that a project's file names; UnknownServerError where no one here allowed it."""
    url, schema = named_in(path)
    if not may_be_called(_without_password(url)):
        what = f"its labels are on the server {_without_password(url)}, never called from here"
        mend = "If you trust whoever gave you the project: airylabel allow-server PROJECT"
        raise UnknownServerError(what, file=path, mend=mend)
    return ServerDatabase(path, url, schema)


def named_in(path: Path) -> tuple[URL, str | None]:
    """The server and the schema that a project's file names; InputError where it names none."""
    try:
        kept = parsed_toml(text_of(path), path)
        text, schema = str(kept["store"]), kept.get("schema")
    except KeyError as error:
        raise InputError("says no store", file=path, mend=_FORM) from error
    except InputError as error:
        raise InputError(f"says no store ({error.what})", file=path, mend=_FORM) from error
    if schema is not None and not (isinstance(schema, str) and re.fullmatch(r"\w+", schema)):
        raise InputError(f"{schema!r} is no name of a schema", file=path, mend=_FORM)
    return make_url(_without_password(_url(path, text))), schema


def allow(path: Path) -> str:
    """Allow the server that a project's file names; returns which it is."""
    shown = _without_password(named_in(path)[0])
    allow_server(shown)
    return shown


def _without_password(url: URL) -> str:
    kept = URL.create(url.drivername, url.username, None, url.host, url.port, url.database)
    query = {name: value for name, value in url.query.items() if name != "password"}
    return kept.set(query=query).render_as_string()


def _url(path: Path, text: str) -> URL:
    hidden = re.sub(r"//[^@/]*@|password=[^&]*", "//…@", text)
    try:
        url = make_url(text)
        name = url.get_backend_name()
    except (ArgumentError, ValueError) as error:
        raise InputError(f"{hidden!r} is no URL of a store", file=path, mend=_FORM) from error
    if name != DIALECT:
        raise InputError(f"{url.drivername} is no store that we know", file=path, mend=_FORM)
    if "password" in url.query:
        url = url.set(password=str(url.query["password"])).difference_update_query(["password"])
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
_RIGHTS = "Ask its administrator: GRANT CREATE ON DATABASE … TO …"
_LOCK = 7_264
"""The number of the lock that every writer takes, so that gestures are numbered as they commit."""
