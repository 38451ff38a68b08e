"""What the audit log says of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.access.grant import Grant
from pipeline.access.principal import Principal
from pipeline.audit.entry import AuditEntry
from pipeline.rpc.peers import Connection


def actor_of(principal: Principal) -> dict[str, Any]:
    """Return a principal as the audit log names it."""
    return {
        "actor": principal.id,
        "actor_type": principal.method.value,
        "roles": tuple(sorted(principal.roles)),
        "tenant": principal.tenant or "",
    }


def record_of(
    given: Grant,
    connection: Connection,
    kind: str,
    target: str,
    detail: Mapping[str, int | str] | None = None,
) -> AuditEntry:
    """Return the record of a request that is let in.

    Args:
        given: what whoever asks may do.
        connection: over which they came.
        kind: of what it is about; empty where it names nothing.
        target: id of that.
        detail: counts and ids.
    """
    return AuditEntry(
        action=given.permission.value,
        target_kind=kind,
        target=target,
        scope=given.scope.name.lower(),
        peer=connection.host,
        detail=detail or {},
        **actor_of(given.principal),
    )


def target_of(request: Any) -> tuple[str, str]:
    """Return what a request is about: its kind and its id; empty where it names nothing."""
    for kind in ("profile", "prefix"):
        named = getattr(request, kind, "")
        if isinstance(named, str) and named:
            return {"prefix": "credential"}.get(kind, kind), named
    for kind in ("alert", "call", "record", "hold", "erasure", "original_request", "review"):
        named = getattr(request, f"{kind}_id", "")
        if isinstance(named, str) and named:
            return kind, named
    several = getattr(request, "record_ids", ())
    return ("records", str(len(several))) if several else ("", "")
