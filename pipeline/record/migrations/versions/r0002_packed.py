"""Calls whose sound is packed."""

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
    op.create_index("calls_to_pack", "calls", ["packed", "ended_at"])
