"""What the service keeps in a database: engine, tables and migrations, for SQLite and PostgreSQL alike."""
