"""Calls, events, sound, holds, erasures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "calls",
        sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("record_id", sa.Text, nullable=False, unique=True),
        sa.Column("call_id", sa.Text, nullable=False, index=True),
        sa.Column("queue", sa.Text),
        sa.Column("team", sa.Text),
        sa.Column("agent_id", sa.Text),
        sa.Column("customer", sa.Text, index=True),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("continues", sa.Text),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("rate", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Float, nullable=False, index=True),
        sa.Column("ended_at", sa.Float),
        sa.Column("state", sa.Text, nullable=False, index=True),
        sa.Column("reason", sa.Text),
        sa.Column("retention", sa.Text, nullable=False),
        sa.Column("notice_given", sa.Boolean, nullable=False),
        sa.Column("with_sound", sa.Boolean, nullable=False),
        sa.Column("expires_at", sa.Float, index=True),
        sa.Column("least_until", sa.Float),
        sa.Column("stored_seq", sa.Integer, nullable=False),
        sa.Column("stored_audio", sa.Integer, nullable=False),
        sa.Column("utterances", sa.Integer, nullable=False),
        sa.Column("alerts", sa.Integer, nullable=False),
        sa.Column("agitation", sa.Float),
        sa.Column("lost", sa.Integer, nullable=False),
        sa.Column("segments", sa.Integer, nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("record_id", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Index("events_of_call", "record_id", "seq"),
    )
    op.create_table(
        "segments",
        sa.Column("record_id", sa.Text, primary_key=True),
        sa.Column("channel", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("start", sa.Integer, nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("codec", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "holds",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("record_id", sa.Text, nullable=False, index=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("placed_by", sa.Text, nullable=False),
        sa.Column("placed_at", sa.Float, nullable=False),
        sa.Column("released_at", sa.Float),
    )
    op.create_table(
        "erasures",
        sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, index=True),
        sa.Column("record_id", sa.Text, nullable=False, index=True),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("asked_at", sa.Float, nullable=False),
        sa.Column("done_at", sa.Float),
    )
    op.create_table(
        "indexed",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("upto", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("indexed")
    op.drop_table("erasures")
    op.drop_table("holds")
    op.drop_table("segments")
    op.drop_table("events")
    op.drop_table("calls")
