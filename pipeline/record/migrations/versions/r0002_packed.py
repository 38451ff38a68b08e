"""Calls whose sound is packed; what agents, and a language model, keep of calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "calls", sa.Column("packed", sa.Boolean, nullable=False, server_default=sa.sql.expression.false())
    )
    op.create_table(
        "wrap_ups",
        sa.Column("record_id", sa.Text, primary_key=True),
        sa.Column("resolution", sa.Text, nullable=False),
        sa.Column("topics", sa.Text, nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("saved_at", sa.Float, nullable=False),
        sa.Column("follow_up_at", sa.Float),
        sa.Column("saved_by", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "wordings",
        sa.Column("record_id", sa.Text, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("calls_to_pack", "calls", ["packed", "ended_at"])
