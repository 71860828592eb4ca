"""The Core tables of the typed models, for statements."""

from __future__ import annotations

from sqlalchemy import Table

from labeler.project.store.schema import (
    AnnotatorRow,
    Base,
    ClassBit,
    CurrentRow,
    EventRow,
    GestureRow,
    Meta,
    RoleRow,
    SourceRow,
)


def table_of(model: type[Base]) -> Table:
    """The Core table of a typed model."""
    found = model.__table__
    assert isinstance(found, Table)
    return found


META, ANNOTATORS, CLASSES = table_of(Meta), table_of(AnnotatorRow), table_of(ClassBit)
SOURCES, ROLES = table_of(SourceRow), table_of(RoleRow)
GESTURES, EVENTS, CURRENT = table_of(GestureRow), table_of(EventRow), table_of(CurrentRow)
