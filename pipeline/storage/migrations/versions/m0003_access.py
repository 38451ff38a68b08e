"""API tokens and revocations, and the profile of a call on its alerts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply."""
    op.add_column("alerts", sa.Column("profile", sa.Text))
    op.create_table(
        "api_tokens",
        sa.Column("prefix", sa.Text, primary_key=True),
        sa.Column("sha256", sa.Text, nullable=False, unique=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("agent_id", sa.Text),
        sa.Column("narrowing", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float),
        sa.Column("revoked_at", sa.Float),
    )
    op.create_table(
        "revocations",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("revocations")
    op.drop_table("api_tokens")
    op.drop_column("alerts", "profile")
