"""The tables of the record and of its keys as the code sees them; how they come to be is in ``migrations/``.

What was said is in ``events.body`` and ``segments.body`` alone, sealed. The rest is what lists, retention and
erasure need: ids, times, counts.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""A number that the database draws; SQLite draws none of another type."""

calls = sa.Table(
    "calls",
    metadata,
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
    sa.Column("original_until", sa.Float, index=True),
    sa.Column("direction", sa.Text),
    sa.Column("waited_ms", sa.BigInteger),
    sa.Column("transferred_from", sa.Text),
    sa.Column("transferred_to", sa.Text),
    sa.Column("stored_seq", sa.Integer, nullable=False),
    sa.Column("stored_audio", sa.Integer, nullable=False),
    sa.Column("utterances", sa.Integer, nullable=False),
    sa.Column("alerts", sa.Integer, nullable=False),
    sa.Column("agitation", sa.Float),
    sa.Column("lost", sa.Integer, nullable=False),
    sa.Column("segments", sa.Integer, nullable=False),
    sa.Column("events", sa.Integer, nullable=False),
    sa.Column("packed", sa.Boolean, nullable=False, server_default=sa.sql.expression.false()),
    sa.Column("epoch", sa.Integer, nullable=False, server_default="0"),
    sa.Column("node", sa.Text, nullable=False, server_default=""),
    sa.Index("calls_to_pack", "packed", "ended_at"),
)
"""Times in s since 1970 UTC; ``stored_audio`` in samples at 16 kHz; ``rate`` of the kept sound. ``lost``
counts what could not be stored; ``segments`` and ``events`` tell that none is missing; ``packed``: no
sound of it is left to pack; ``node`` writes it, with the part ``epoch`` of the call: what an earlier part
brings is too late. 0 for a call that no other node can go on with."""

events = sa.Table(
    "events",
    metadata,
    sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("record_id", sa.Text, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index("events_of_call", "record_id", "seq"),
)
"""In the order in which they were written: appending is four times as fast as keeping calls together."""

segments = sa.Table(
    "segments",
    metadata,
    sa.Column("record_id", sa.Text, primary_key=True),
    sa.Column("channel", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("start", sa.Integer, nullable=False),
    sa.Column("length", sa.Integer, nullable=False),
    sa.Column("codec", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
"""Pieces of a channel's sound; ``start`` and ``length`` in samples at the call's ``rate``."""

wrap_ups = sa.Table(
    "wrap_ups",
    metadata,
    sa.Column("record_id", sa.Text, primary_key=True),
    sa.Column("resolution", sa.Text, nullable=False),
    sa.Column("topics", sa.Text, nullable=False),
    sa.Column("closed", sa.Boolean, nullable=False),
    sa.Column("saved_at", sa.Float, nullable=False),
    sa.Column("follow_up_at", sa.Float),
    sa.Column("saved_by", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
"""What agents keep of their calls; the note is in ``body``, sealed; ``topics`` is a list in JSON."""

wordings = sa.Table(
    "wordings",
    metadata,
    sa.Column("record_id", sa.Text, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
"""Summaries in a language model's words, sealed."""

originals = sa.Table(
    "originals",
    metadata,
    sa.Column("record_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("channel", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("start", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
"""What was hidden of calls, sealed under keys of their own: events, by their number, and stretches of sound,
each with its first sample at the call's ``rate``."""

original_requests = sa.Table(
    "original_requests",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("record_id", sa.Text, nullable=False, index=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("asked_at", sa.Float, nullable=False),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", sa.Float),
    sa.Column("until", sa.Float),
)
"""Who wants to read what was hidden of a call; ``until`` when they may, where a second person has agreed."""

reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("record_id", sa.Text, nullable=False, index=True),
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
    sa.Index("ix_reviews_state", "state", "drawn_at"),
)
"""What people judge of calls (:mod:`pipeline.quality`): answers, comments and appeals are in ``body``, sealed
under the call's key, and go with it."""

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("record_id", sa.Text, nullable=False, index=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("placed_by", sa.Text, nullable=False),
    sa.Column("placed_at", sa.Float, nullable=False),
    sa.Column("released_at", sa.Float),
)
"""What must not be erased, whatever its class says."""

erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("n", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, index=True),
    sa.Column("record_id", sa.Text, nullable=False, index=True),
    sa.Column("call_id", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("asked_at", sa.Float, nullable=False),
    sa.Column("done_at", sa.Float),
)
"""Receipts, and tombstones: what a restored backup brings back is erased again by them."""

indexed = sa.Table(
    "indexed",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("upto", sa.BigInteger, nullable=False),
)
"""One row: ``events.n`` up to which the search index has everything."""

key_metadata = sa.MetaData()

destroyed_keys = sa.Table(
    "destroyed_keys",
    key_metadata,
    sa.Column("record_id", sa.Text, primary_key=True),
)
"""Calls whose key was destroyed: what a backup of the record brings back is erased again. A key that is only
missing tells nothing: its disk may not be mounted."""

call_keys = sa.Table(
    "call_keys",
    key_metadata,
    sa.Column("record_id", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("master", sa.Text, nullable=False, index=True),
    sa.Column("wrapped", sa.LargeBinary, nullable=False),
)
"""The key of each call, wrapped by its company's key; without it nothing of the call can be read."""
