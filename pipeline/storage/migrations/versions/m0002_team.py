"""The agent's team on alerts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply."""
    op.add_column("alerts", sa.Column("team", sa.Text))


def downgrade() -> None:
    """Take back."""
    op.drop_column("alerts", "team")
