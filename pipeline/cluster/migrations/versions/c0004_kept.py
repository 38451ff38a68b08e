"""What is kept of a call, as its first StartCall said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply; nodes that are older go on without it. Somebody who went back a release has it already."""
    known = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("cluster_calls")}
    if "kept" not in known:
        op.add_column("cluster_calls", sa.Column("kept", sa.Text))
