"""What people judge of calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "reviews",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("record_id", sa.Text, nullable=False),
        sa.Column("form_id", sa.Text, nullable=False),
        sa.Column("stratum", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("drawn_at", sa.Float, nullable=False),
        sa.Column("drawn_by", sa.Text, nullable=False),
        sa.Column("reviewer", sa.Text),
        sa.Column("submitted_at", sa.Float),
        sa.Column("answer_until", sa.Float),
        sa.Column("decided_by", sa.Text),
        sa.Column("score", sa.Float),
        sa.Column("failed", sa.Boolean),
        sa.Column("body", sa.LargeBinary),
    )
    op.create_index("ix_reviews_record_id", "reviews", ["record_id"])
    op.create_index("ix_reviews_state", "reviews", ["state", "drawn_at"])
