"""What was hidden of calls, under keys of their own, and who may read it; how calls came and went on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply."""
    op.add_column("calls", sa.Column("original_until", sa.Float))
    for name, kind in (
        ("direction", sa.Text), ("waited_ms", sa.BigInteger), ("transferred_from", sa.Text),
        ("transferred_to", sa.Text),
    ):  # fmt: skip
        op.add_column("calls", sa.Column(name, kind))
    op.create_index("ix_calls_original_until", "calls", ["original_until"])
    op.create_table(
        "originals",
        sa.Column("record_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("channel", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("start", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "original_requests",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("record_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("asked_at", sa.Float, nullable=False),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_at", sa.Float),
        sa.Column("until", sa.Float),
    )
    op.create_index("ix_original_requests_record_id", "original_requests", ["record_id"])
