"""One record of the audit log, and its line. Never speech, names or numbers from a call. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

VERSION = 1
LONGEST_TEXT = 256
"""Characters of an id; what is longer came from somebody who plays."""


class Outcome(StrEnum):
    """What came of it."""

    OK = "ok"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Something that somebody did, or was refused.

    Attributes:
        action: what, as the permission table calls it, such as ``call.watch``.
        outcome: what came of it.
        actor: id of the principal; empty where nobody knows who asked.
        actor_type: how the principal proved who they are; ``system`` for the server itself and for commands
            on its machine, ``unknown`` where nobody knows.
        roles: of the principal.
        tenant: the company; empty where none is known.
        target_kind: ``call``, ``alert``, ``api-token`` …; empty without a target.
        target: id of it.
        scope: with whose calls: own, team or tenant.
        peer: address of the client, without the port.
        reason: stable code of a refusal, or a reason that somebody gave.
        detail: counts and ids.
    """

    action: str
    outcome: Outcome = Outcome.OK
    actor: str = ""
    actor_type: str = "system"
    roles: tuple[str, ...] = ()
    tenant: str = ""
    target_kind: str = ""
    target: str = ""
    scope: str = ""
    peer: str = ""
    reason: str = ""
    detail: Mapping[str, int | str] = field(default_factory=dict)


def line_of(entry: AuditEntry, number: int, at: float, previous: str) -> bytes:
    """Return a record as a line of JSON: sorted keys, ASCII, one way to write it.

    Args:
        entry: what happened.
        number: of the record, from 0.
        at: when, s since 1970 UTC.
        previous: hash of the line before, hexadecimal.
    """
    record: dict[str, Any] = {
        "v": VERSION,
        "n": number,
        "at": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "tenant": entry.tenant[:LONGEST_TEXT],
        "actor": {
            "type": entry.actor_type,
            "id": entry.actor[:LONGEST_TEXT],
            "roles": sorted(entry.roles),
        },
        "peer": entry.peer[:LONGEST_TEXT],
        "action": entry.action,
        "target": {"kind": entry.target_kind, "id": entry.target[:LONGEST_TEXT]},
        "scope": entry.scope,
        "outcome": entry.outcome.value,
        "reason": entry.reason[:LONGEST_TEXT],
        "detail": dict(entry.detail),
        "prev": previous,
    }
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"
