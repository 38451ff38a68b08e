"""Nodes, calls and what was told of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "cluster_nodes",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("beat_at", sa.Float, nullable=False),
        sa.Column("live", sa.Integer, nullable=False),
        sa.Column("room", sa.Integer),
        sa.Column("draining", sa.Boolean, nullable=False),
    )
    op.create_table(
        "cluster_calls",
        sa.Column("uid", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("form", sa.Text, nullable=False),
        sa.Column("info", sa.Text, nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("carrier", sa.Text),
        sa.Column("acked", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("in_force", sa.Text),
        sa.Column("touched_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index("ix_cluster_calls_node", "cluster_calls", ["node"])
    op.create_index("ix_cluster_calls_call_id", "cluster_calls", ["call_id"])
    op.create_index("ix_cluster_calls_ended_at", "cluster_calls", ["ended_at"])
    op.create_index(
        "ix_cluster_calls_live", "cluster_calls", ["tenant", "call_id"], unique=True,
        postgresql_where=sa.text("ended_at IS NULL"), sqlite_where=sa.text("ended_at IS NULL"),
    )  # fmt: skip
    op.create_table(
        "cluster_events",
        sa.Column("uid", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
