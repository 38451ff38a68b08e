"""Keys of calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "call_keys",
        sa.Column("record_id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("master", sa.Text, nullable=False, index=True),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
    )
    op.create_table("destroyed_keys", sa.Column("record_id", sa.Text, primary_key=True))


def downgrade() -> None:
    """Take back."""
    op.drop_table("destroyed_keys")
    op.drop_table("call_keys")
