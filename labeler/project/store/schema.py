"""The tables, typed. How they came to be is told by the migrations, not here.

`gestures` and `events` are the truth and only ever grow (triggers refuse anything else);
`current` follows from them. `known` has the bits of the classes that a decision spoke of. `row` is
the number of a shot in the project, from 0.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, Table, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

KNOWN = ("0001", "0002")
"""Every step under `migrations/versions`, oldest first."""
HEAD = KNOWN[-1]


class Base(DeclarativeBase):
    """Common metadata of all tables."""


class Meta(Base):
    """Named values of the project."""

    __tablename__ = "meta"
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)


class AnnotatorRow(Base):
    """Who decides: a person, or the labels that came with a file."""

    __tablename__ = "annotators"
    __table_args__ = (UniqueConstraint("name", "kind"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]


class ClassBit(Base):
    """Which bit of `present` stands for which class; a bit is never given to another class."""

    __tablename__ = "classes"
    bit: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(unique=True)


class SourceRow(Base):
    """A file of shots; its shots are rows first_row … first_row + n_shots - 1."""

    __tablename__ = "sources"
    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str]
    relative: Mapped[str]
    first_row: Mapped[int] = mapped_column(BigInteger, unique=True)
    n_shots: Mapped[int] = mapped_column(BigInteger)
    fingerprint: Mapped[str]
    details: Mapped[Any] = mapped_column(JSON)


class GestureRow(Base):
    """One thing a person did, on one shot or on many, or its undo or redo."""

    __tablename__ = "gestures"
    __table_args__ = (Index("gestures_of", "annotator_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    time_us: Mapped[int] = mapped_column(BigInteger)
    annotator_id: Mapped[int] = mapped_column(ForeignKey("annotators.id"))
    kind: Mapped[str]
    target_id: Mapped[int | None] = mapped_column(ForeignKey("gestures.id"))
    origin: Mapped[str]
    changed: Mapped[int] = mapped_column(BigInteger)
    shown: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    seconds: Mapped[float | None] = mapped_column(Float)


class EventRow(Base):
    """What a gesture did to one shot: the state before and after."""

    __tablename__ = "events"
    __table_args__ = (Index("events_of", "row"), {"sqlite_with_rowid": False})
    gesture_id: Mapped[int] = mapped_column(ForeignKey("gestures.id"), primary_key=True)
    row: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    present_before: Mapped[int] = mapped_column(BigInteger)
    status_before: Mapped[int]
    note_before: Mapped[str | None]
    present_after: Mapped[int] = mapped_column(BigInteger)
    status_after: Mapped[int]
    note_after: Mapped[str | None]
    known_before: Mapped[int] = mapped_column(BigInteger, server_default="0")
    known_after: Mapped[int] = mapped_column(BigInteger, server_default="0")


class CurrentRow(Base):
    """The state that follows from the events, for shots that have one."""

    __tablename__ = "current"
    __table_args__ = ({"sqlite_with_rowid": False},)
    annotator_id: Mapped[int] = mapped_column(ForeignKey("annotators.id"), primary_key=True)
    row: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    present: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[int]
    note: Mapped[str | None]
    known: Mapped[int] = mapped_column(BigInteger, server_default="0")


class RoleRow(Base):
    """Whether a shot trains or evaluates; the same in all runs of a project."""

    __tablename__ = "roles"
    row: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    role: Mapped[int]


def table_of(model: type[Base]) -> Table:
    """The Core table of a typed model."""
    found = model.__table__
    assert isinstance(found, Table)
    return found


META, ANNOTATORS, CLASSES = table_of(Meta), table_of(AnnotatorRow), table_of(ClassBit)
SOURCES, ROLES = table_of(SourceRow), table_of(RoleRow)
GESTURES, EVENTS, CURRENT = table_of(GestureRow), table_of(EventRow), table_of(CurrentRow)
