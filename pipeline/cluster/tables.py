"""The tables that nodes share."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

nodes = sa.Table(
    "cluster_nodes",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("beat_at", sa.Float, nullable=False),
    sa.Column("live", sa.Integer, nullable=False),
    sa.Column("room", sa.Integer),
    sa.Column("draining", sa.Boolean, nullable=False),
)
"""Processes that have calls: where they are reached, and when they last said so (the database's clock)."""

calls = sa.Table(
    "cluster_calls",
    metadata,
    sa.Column("uid", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("session", sa.Text, nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("form", sa.Text, nullable=False),
    sa.Column("info", sa.Text, nullable=False),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("node", sa.Text, nullable=False, index=True),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("carrier", sa.Text),
    sa.Column("acked", sa.BigInteger, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("in_force", sa.Text),
    sa.Column("kept", sa.Text),
    sa.Column("touched_at", sa.Float, nullable=False),
    sa.Column("ended_at", sa.Float, index=True),
    sa.Index("ix_cluster_calls_call_id", "call_id"),
    postgresql_with={"fillfactor": 50},
)
"""Calls, and who has them. ``session``: SHA-256 of the secret; ``carrier``: stream of a gateway that brings
the call, None for any other; ``form``: codec, rate and channels, which a
resumed call must keep; ``info``: hotline, team, agent and profile; ``kept``: what its first
StartCall said of its record. Half of each page is left free: a row
changes once a second, where it lies."""

sa.Index(
    "ix_cluster_calls_live",
    calls.c.tenant,
    calls.c.call_id,
    unique=True,
    postgresql_where=calls.c.ended_at.is_(None),
    sqlite_where=calls.c.ended_at.is_(None),
)

events = sa.Table(
    "cluster_events",
    metadata,
    sa.Column("uid", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
"""What was told of a call and must not be lost with its node; redacted; deleted soon after the call's end."""

pointers = sa.Table(
    "cluster_pointers",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("set_at", sa.Float, nullable=False),
)
"""The model of each kind that all nodes serve: its folder's name, the SHA-256 of what is in it, and where
nodes copy it from."""

rules = sa.Table(
    "cluster_rules",
    metadata,
    sa.Column("profile", sa.Text, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("saved_at", sa.Float, nullable=False),
)
"""Alert rules as they were saved on a page last, by profile; files that are newer stay."""
