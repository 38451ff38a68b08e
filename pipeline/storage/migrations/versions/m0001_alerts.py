"""Alerts and the webhooks' outbox; a file that was written before there were migrations is taken over."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0001"
down_revision = None

LAST_WITHOUT_MIGRATIONS = "1"


def upgrade() -> None:
    """Apply."""
    connection = op.get_bind()
    if sa.inspect(connection).has_table("alerts"):
        version = connection.execute(sa.text("SELECT value FROM meta WHERE key = 'version'")).scalar()
        if version != LAST_WITHOUT_MIGRATIONS:
            raise CommandError(f"alerts of version {version}")
        return
    meta = op.create_table(
        "meta", sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False)
    )
    op.bulk_insert(
        meta,
        [{"key": "version", "value": LAST_WITHOUT_MIGRATIONS}, {"key": "id", "value": secrets.token_hex(4)}],
    )
    op.create_table(
        "alerts",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("alert_id", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text) for name in ("tenant", "queue", "agent_id")),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("expire_s", sa.Float, nullable=False),
        sa.Column("is_open", sa.Integer, nullable=False),
        sa.Column("verdict", sa.Text),
        sa.Column("note", sa.Text),
        sqlite_autoincrement=True,  # a number is never given twice, also when the newest rows were deleted
    )
    op.create_index("alerts_by_id", "alerts", ["alert_id"])
    op.create_table(
        "deliveries",
        sa.Column("webhook", sa.Text, primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.Float, nullable=False),
    )


def downgrade() -> None:
    """Take back."""
    for name in ("deliveries", "alerts", "meta"):
        op.drop_table(name)
