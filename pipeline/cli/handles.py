"""Open files and sockets that the process may have: as many as the system lets it."""

from __future__ import annotations

import resource

import structlog

OF_THE_SERVER = 128
"""Models, stores, threads' pipes."""

_log = structlog.get_logger(__name__)


def allow_handles(connections: int) -> None:
    """Raise the limit of open files to the hard one; warn where even that is too low for what may come."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = OF_THE_SERVER + connections
    if hard != resource.RLIM_INFINITY and hard < wanted:
        _log.warning(
            "the limit of open files is low for limits.max_connections; raise it (ulimit -n, LimitNOFILE)",
            limit=hard,
            wanted=wanted,
        )
