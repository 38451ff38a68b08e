"""The tables as the code sees them; how they come to be is in ``migrations/``."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
"""'id' is drawn when the store is made: it tells cursors of one store from those of another."""

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("alert_id", sa.Text, nullable=False, index=True),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text),
    sa.Column("queue", sa.Text),
    sa.Column("agent_id", sa.Text),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("expire_s", sa.Float, nullable=False),
    sa.Column("is_open", sa.Integer, nullable=False),
    sa.Column("verdict", sa.Text),
    sa.Column("note", sa.Text),
    sa.Column("team", sa.Text),
    sa.Column("profile", sa.Text),
)
"""One row a state of an alert, oldest first by ``seq``; ``at`` in s since 1970 UTC, ``event`` as JSON."""

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("webhook", sa.Text, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", sa.Float, nullable=False),
)
"""What webhooks have not acknowledged yet."""

api_tokens = sa.Table(
    "api_tokens",
    metadata,
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
"""API tokens: never themselves, only their SHA-256; ``narrowing`` is roles, teams and permissions as JSON."""

revocations = sa.Table(
    "revocations",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
)
"""Principals, or single credentials: what they were issued before ``at`` (s since 1970 UTC) is void."""
