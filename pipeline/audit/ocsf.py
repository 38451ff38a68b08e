"""Audit records in the words of OCSF 1.9 (https://schema.ocsf.io), which a SIEM understands. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any

_API_ACTIVITY, _USER_MANAGEMENT, _AUTHENTICATION = 6003, 3007, 3002
_CREATE, _READ, _UPDATE, _DELETE, _LOGON = 1, 2, 3, 4, 1
_ACTIVITIES = {
    "access.token-create": (_USER_MANAGEMENT, _CREATE),
    "access.token-revoke": (_USER_MANAGEMENT, _DELETE),
    "access.revoke": (_USER_MANAGEMENT, _DELETE),
    "alert.acknowledge": (_API_ACTIVITY, _UPDATE),
    "suggestion.feedback": (_API_ACTIVITY, _UPDATE),
    "call.reply-language": (_API_ACTIVITY, _UPDATE),
    "call.send": (_API_ACTIVITY, _CREATE),
}
"""Everything else reads."""
_SUCCESS, _FAILURE = 1, 2
_INFORMATIONAL, _MEDIUM = 1, 3


def ocsf_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of the log as an OCSF event.

    Args:
        record: as it is written in the log.
    """
    refused = record["outcome"] == "refused"
    kind, activity = _ACTIVITIES.get(record["action"], (_API_ACTIVITY, _READ))
    if refused and record["reason"] in ("UNAUTHENTICATED", "TOKEN_EXPIRED"):
        kind, activity = _AUTHENTICATION, _LOGON
    return {
        "category_uid": kind // 1000,
        "class_uid": kind,
        "activity_id": activity,
        "type_uid": kind * 100 + activity,
        "time": int(datetime.fromisoformat(record["at"]).timestamp() * 1000),
        "severity_id": _MEDIUM if refused else _INFORMATIONAL,
        "status_id": _FAILURE if refused else _SUCCESS,
        "status_detail": record["reason"] or None,
        "metadata": {
            "version": "1.9.0",
            "uid": str(record["n"]),
            "tenant_uid": record["tenant"] or None,
            "product": {"name": "Yuetone", "vendor_name": "Yuetone", "version": version("yuetone")},
        },
        "actor": {
            "user": {"uid": record["actor"]["id"] or "unknown", "type": record["actor"]["type"]},
            "authorizations": [{"policy": {"name": role}} for role in record["actor"]["roles"]],
        },
        "src_endpoint": {"ip": _address(record["peer"])},
        "api": {"operation": record["action"], "service": {"name": "yuetone"}},
        "resources": [{"type": record["target"]["kind"], "uid": record["target"]["id"]}]
        if record["target"]["id"]
        else [],
        "unmapped": {"scope": record["scope"], "detail": record["detail"]},
    }


def _address(peer: str) -> str:
    """Return the IP address of a peer as gRPC writes it."""
    return peer.removeprefix("ipv4:").removeprefix("ipv6:").replace("%5B", "").replace("%5D", "").strip("[]")
