"""The tables as the code sees them; how they come to be is in ``migrations/``."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

state = sa.Table(
    "kb_state",
    metadata,
    sa.Column("key", sa.String(32), primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)
"""'revision' counts transactions that changed articles; 'id' is drawn when the store is made."""

articles = sa.Table(
    "kb_articles",
    metadata,
    sa.Column("tenant", sa.String(128), primary_key=True),
    sa.Column("id", sa.String(200), primary_key=True),
    sa.Column("category", sa.Text, nullable=False),
    sa.Column("question_zh", sa.Text, nullable=False),
    sa.Column("answer_zh", sa.Text, nullable=False),
    sa.Column("question_en", sa.Text, nullable=False),
    sa.Column("answer_en", sa.Text, nullable=False),
    sa.Column("keywords", sa.JSON, nullable=False),
    sa.Column("synonyms", sa.JSON, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("valid_from", sa.Date),
    sa.Column("valid_until", sa.Date),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("uri", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("removed", sa.Boolean, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False, index=True),
    sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
)
"""Removed articles stay as marks, so that indexes learn of it, and their versions go on counting."""

versions = sa.Table(
    "kb_versions",
    metadata,
    sa.Column("tenant", sa.String(128), primary_key=True),
    sa.Column("id", sa.String(200), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
)
"""Every state that an article ever had."""

feedback = sa.Table(
    "kb_feedback",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False, index=True),
    sa.Column("tenant", sa.String(128), nullable=False),
    sa.Column("article_id", sa.String(200), nullable=False),
    sa.Column("article_tenant", sa.String(128), nullable=False),
    sa.Column("call_id", sa.String(128), nullable=False),
    sa.Column("suggestion_id", sa.String(64), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("language", sa.String(8), nullable=False),
    sa.Column("after_ms", sa.BigInteger),
    sa.Column("text", sa.Text, nullable=False),
)
"""What agents did with suggestions; ``text`` is what they made of it, masked."""

questions = sa.Table(
    "kb_questions",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False, index=True),
    sa.Column("tenant", sa.String(128), nullable=False),
    sa.Column("call_id", sa.String(128), nullable=False),
    sa.Column("utterance_id", sa.String(64), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("language", sa.String(8), nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),
    sa.Column("nearest", sa.String(200), nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
)
"""Questions of customers without a good answer, masked; kept for ``suggest.keep_days``."""
