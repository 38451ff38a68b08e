"""Articles, their versions, feedback and open questions."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply."""
    state = op.create_table(
        "kb_state",
        sa.Column("key", sa.String(32), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    identity = secrets.randbelow(2**62)
    op.bulk_insert(state, [{"key": "revision", "value": 0}, {"key": "id", "value": identity}])
    texts = ("category", "question_zh", "answer_zh", "question_en", "answer_en")
    op.create_table(
        "kb_articles",
        sa.Column("tenant", sa.String(128), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        *(sa.Column(name, sa.JSON, nullable=False) for name in ("keywords", "synonyms", "tags")),
        sa.Column("valid_from", sa.Date),
        sa.Column("valid_until", sa.Date),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("source", "place", "uri")),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("removed", sa.Boolean, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False, index=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "kb_versions",
        sa.Column("tenant", sa.String(128), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "kb_feedback",
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
    op.create_table(
        "kb_questions",
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


def downgrade() -> None:
    """Take back."""
    for name in ("kb_questions", "kb_feedback", "kb_versions", "kb_articles", "kb_state"):
        op.drop_table(name)
