"""Which node keeps a call, and by which part of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply."""
    op.add_column("calls", sa.Column("epoch", sa.Integer, nullable=False, server_default="0"))
    op.add_column("calls", sa.Column("node", sa.Text, nullable=False, server_default=""))
