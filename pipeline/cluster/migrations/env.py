"""Alembic's way in: migrates over the connection that the store hands it."""

from __future__ import annotations

from alembic import context

from pipeline.cluster.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=context.config.attributes["version_table"],
)
with context.begin_transaction():
    context.run_migrations()
