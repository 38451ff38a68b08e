"""Addresses of databases whose connections do not wait for ever."""

from __future__ import annotations

import sqlalchemy as sa

LINE = {
    "connect_timeout": "3", "tcp_user_timeout": "3000", "keepalives_idle": "2", "keepalives_interval": "1",
    "keepalives_count": "2",
}  # fmt: skip
"""Parameters of libpq: without them, a connection over a line that was cut waits for a quarter of an hour."""


def impatient(url: sa.URL, **session: str) -> sa.URL:
    """Return an address whose connections notice within seconds that nobody answers; what is given stays.

    Args:
        url: of a database; nothing is changed but for PostgreSQL.
        session: parameters of PostgreSQL for each connection, such as ``statement_timeout="5000"``.
    """
    if url.get_backend_name() != "postgresql":
        return url
    missing = {name: value for name, value in LINE.items() if name not in url.query}
    given = url.query.get("options", "")
    options = [given if isinstance(given, str) else " ".join(given)]
    options += [f"-c {name}={value}" for name, value in session.items() if name not in options[0]]
    return url.update_query_dict({**missing, "options": " ".join(options).strip()})
