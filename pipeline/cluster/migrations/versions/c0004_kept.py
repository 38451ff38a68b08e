"""What is kept of a call, as its first StartCall said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply; nodes that are older go on without it."""
    op.add_column("cluster_calls", sa.Column("kept", sa.Text))
