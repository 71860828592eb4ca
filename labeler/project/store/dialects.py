"""What differs between SQLite and PostgreSQL: statements, each built once when first needed."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Insert,
    Select,
    Table,
    any_,
    bindparam,
    func,
    insert,
    select,
)

from labeler.project.store.schema import CURRENT, EVENTS

SQLITE, POSTGRES = "sqlite", "postgresql"
MANY = 200
"""From this many events on a server is sent a stream instead of statements."""
_STATE = (
    CURRENT.c.row,
    CURRENT.c.present,
    CURRENT.c.status,
    CURRENT.c.note,
    CURRENT.c.known,
)
AFTER = (
    EVENTS.c.row,
    EVENTS.c.present_after,
    EVENTS.c.status_after,
    EVENTS.c.note_after,
    EVENTS.c.known_after,
)
_COLUMNS = ["annotator_id", "row", "present", "status", "note", "known"]


def upsert(dialect: str, table: Table) -> Any:
    """An insert that knows what to do where the row is there already."""
    if dialect == POSTGRES:
        from sqlalchemy.dialects.postgresql import insert as of_postgres

        return of_postgres(table)
    from sqlalchemy.dialects.sqlite import insert as of_sqlite

    return of_sqlite(table)


def only_grows(table: str, verb: str, dialect: str = SQLITE) -> str:
    """A trigger that refuses to UPDATE or DELETE (the verb) rows of a table of the history.

    Written here as migration 0001 wrote it: by this text a database knows its own triggers.
    """
    head = f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
    if dialect == POSTGRES:
        return head + "FOR EACH ROW EXECUTE FUNCTION history_only_grows()"
    return head + "BEGIN SELECT RAISE(ABORT, 'the history only grows'); END"


@cache
def states(dialect: str) -> Select[Any]:
    """(row, present, status, note, known) of `annotator` on `rows`, which `these` prepares."""
    mine = CURRENT.c.annotator_id == bindparam("annotator")
    if dialect == POSTGRES:
        from sqlalchemy.dialects.postgresql import ARRAY

        rows = bindparam("rows", type_=ARRAY(BigInteger))
        return select(*_STATE).where(mine, CURRENT.c.row == any_(rows))
    each = select(func.json_each(bindparam("rows")).table_valued("value").c.value)
    return select(*_STATE).where(mine, CURRENT.c.row.in_(each))


def these(dialect: str, rows: list[int]) -> Any:
    """Rows as the parameter of `states`."""
    return rows if dialect == POSTGRES else json.dumps(rows)


@cache
def make_current(dialect: str) -> Insert:
    """Make the events of `gesture` the current state of `annotator`."""
    annotator = bindparam("annotator", type_=BigInteger)
    after = select(annotator, *AFTER).where(EVENTS.c.gesture_id == bindparam("gesture"))
    if dialect == SQLITE:
        return insert(CURRENT).prefix_with("OR REPLACE").from_select(_COLUMNS, after)
    made = upsert(dialect, CURRENT).from_select(_COLUMNS, after)
    keep = {name: made.excluded[name] for name in _COLUMNS[2:]}
    kept: Insert = made.on_conflict_do_update(index_elements=_COLUMNS[:2], set_=keep)
    return kept


def add_events(connection: Connection, dialect: str, events: list[tuple[Any, ...]]) -> None:
    """Append events, many at once by the way that is fast for them."""
    names = [c.name for c in EVENTS.c]
    if dialect == SQLITE or len(events) < MANY:
        connection.execute(insert(EVENTS), [dict(zip(names, e, strict=True)) for e in events])
        return
    driver: Any = connection.connection.driver_connection
    copy = f"COPY events ({', '.join(names)}) FROM STDIN"
    with driver.cursor() as cursor, cursor.copy(copy) as to:
        for event in events:
            to.write_row(event)
