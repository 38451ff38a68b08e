"""Writing down who was refused what; never so often that refusals fill the disk."""

from __future__ import annotations

import time

import structlog

from pipeline.access.principal import Principal
from pipeline.access.remembered import Remembered
from pipeline.audit.entry import AuditEntry, Outcome
from pipeline.audit.service import Auditor
from pipeline.errors import AuditUnavailable
from pipeline.rpc.audit_records import actor_of
from pipeline.rpc.peers import Connection

EVERY_S = 10.0
"""Refusals of one kind to one machine are written down once in this time, s."""
MOST_REMEMBERED = 4096

_log = structlog.get_logger(__name__)


class Refusals:
    """Writes refusals down; for one event loop.

    Args:
        auditor: the audit log.
    """

    def __init__(self, auditor: Auditor) -> None:
        self._auditor = auditor
        self._told: Remembered[tuple[str, str, str], float] = Remembered(MOST_REMEMBERED)

    async def note(
        self,
        action: str,
        code: str,
        connection: Connection,
        principal: Principal | None,
        target: tuple[str, str] = ("", ""),
    ) -> None:
        """Write down a refusal; it stands also where that fails.

        Args:
            action: that was refused.
            code: of the error.
            connection: over which it was asked for.
            principal: who asked; None where nobody knows.
            target: kind and id of what it was about.
        """
        kind = (connection.host, principal.id if principal else action, code)
        now, before = time.monotonic(), self._told.get(kind)
        if before is not None and now - before < EVERY_S:
            return
        self._told.put(kind, now)
        _log.info("request refused", action=action, code=code)
        entry = AuditEntry(
            action=action,
            outcome=Outcome.REFUSED,
            reason=code,
            target_kind=target[0],
            target=target[1],
            peer=connection.host,
            **(actor_of(principal) if principal else {"actor_type": "unknown"}),
        )
        try:
            await self._auditor.record(entry)
        except AuditUnavailable:
            return
