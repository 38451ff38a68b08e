"""Reasons of an alert as rows carry them: the screen words them in the reader's language. Pure."""

from __future__ import annotations

from typing import Any

from yuetone.v1 import admin_service_pb2, assist_pb2


def reasons_of(alert: assist_pb2.Alert | admin_service_pb2.TriedAlert) -> list[dict[str, Any]]:
    """Return the reasons, as ``static/reasons.js`` reads them."""
    return [
        {
            "kind": assist_pb2.AlertReason.Kind.Name(reason.kind).removeprefix("KIND_").lower(),
            "text": reason.text,
            "value": round(reason.value, 3),
        }
        for reason in alert.reasons
        if reason.kind in assist_pb2.AlertReason.Kind.values()  # a newer server may know others
    ]
