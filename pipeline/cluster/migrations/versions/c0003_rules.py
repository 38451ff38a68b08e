"""Alert rules that were saved on a page, for all nodes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply; nodes that are older go on without it."""
    op.create_table(
        "cluster_rules",
        sa.Column("profile", sa.Text, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("saved_at", sa.Float, nullable=False),
    )
