"""Which classes a decision spoke of: a class that is added later is undecided on earlier labels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labeler.project.store.classing import fill_known

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table, names in (("events", ("known_before", "known_after")), ("current", ("known",))):
        for name in names:
            op.add_column(
                table, sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
            )
    fill_known(op.get_bind())
