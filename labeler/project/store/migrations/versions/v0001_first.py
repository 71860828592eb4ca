"""The first form: sources, annotators, gestures, events, the current state, roles."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "meta",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("value", sa.JSON(), nullable=False),
    )
    op.create_table(
        "annotators",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.UniqueConstraint("name", "kind"),
    )
    op.create_table(
        "classes",
        sa.Column("bit", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(), nullable=False, unique=True),
    )
    op.create_table(
        "sources",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("relative", sa.String(), nullable=False),
        sa.Column("first_row", sa.BigInteger(), nullable=False, unique=True),
        sa.Column("n_shots", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
    )
    _create_history()
    op.create_table(
        "current",
        sa.Column("annotator_id", sa.Integer(), sa.ForeignKey("annotators.id"), primary_key=True),
        sa.Column("row", sa.BigInteger(), primary_key=True),
        sa.Column("present", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("note", sa.String()),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "roles",
        sa.Column("row", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("role", sa.Integer(), nullable=False),
    )


def _create_history() -> None:
    op.create_table(
        "gestures",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("annotator_id", sa.Integer(), sa.ForeignKey("annotators.id"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target_id", sa.Integer(), sa.ForeignKey("gestures.id")),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("shown", sa.JSON()),
        sa.Column("seconds", sa.Float()),
    )
    op.create_index("gestures_of", "gestures", ["annotator_id", "id"])
    op.create_table(
        "events",
        sa.Column("gesture_id", sa.Integer(), sa.ForeignKey("gestures.id"), primary_key=True),
        sa.Column("row", sa.BigInteger(), primary_key=True),
        sa.Column("present_before", sa.BigInteger(), nullable=False),
        sa.Column("status_before", sa.Integer(), nullable=False),
        sa.Column("note_before", sa.String()),
        sa.Column("present_after", sa.BigInteger(), nullable=False),
        sa.Column("status_after", sa.Integer(), nullable=False),
        sa.Column("note_after", sa.String()),
        sqlite_with_rowid=False,
    )
    op.create_index("events_of", "events", ["row"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION history_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE EXCEPTION 'the history only grows'; END$$"
        )
    for table in ("gestures", "events"):
        for verb in ("UPDATE", "DELETE"):
            op.execute(_trigger(table, verb, op.get_bind().dialect.name))


def _trigger(table: str, verb: str, dialect: str) -> str:
    head = f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
    if dialect == "postgresql":
        return head + "FOR EACH ROW EXECUTE FUNCTION history_only_grows()"
    return head + "BEGIN SELECT RAISE(ABORT, 'the history only grows'); END"
