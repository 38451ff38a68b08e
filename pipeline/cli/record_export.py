"""A recorded call as text, subtitles, a table, JSON, or a vCon. Pure."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import client
from yuetone.v1 import audio_pb2, transcript_pb2
from yuetone.v1 import record_service_pb2 as pb

ROLES = {audio_pb2.ROLE_CUSTOMER: "customer", audio_pb2.ROLE_AGENT: "agent"}
_VCON = "0.4.0"
"""Syntax of draft-ietf-vcon-vcon-core-04."""
Said = Sequence[transcript_pb2.Transcript]


class Format(StrEnum):
    """A form of export."""

    TXT = "txt"
    SRT = "srt"
    CSV = "csv"
    JSON = "json"
    VCON = "vcon"


def exported(call: pb.RecordedCall, said: Said, form: Format) -> str:
    """Return a call in a form; it ends with a newline.

    Args:
        call: what it is.
        said: its finals, by their start.
        form: which.
    """
    return {Format.TXT: _txt, Format.SRT: _srt, Format.CSV: _csv, Format.JSON: _json, Format.VCON: _vcon}[
        form
    ](call, said)


def _role(transcript: transcript_pb2.Transcript) -> str:
    return ROLES.get(transcript.role, transcript.speaker or "unknown")


def _clock(ms: int, mark: str = ".") -> str:
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{rest:03d}"


def _txt(_call: pb.RecordedCall, said: Said) -> str:
    return "".join(f"[{_clock(item.start_ms)}] {_role(item):<9}{item.text}\n" for item in said)


def _srt(_call: pb.RecordedCall, said: Said) -> str:
    blocks = (
        f"{number}\n{_clock(item.start_ms, ',')} --> {_clock(max(item.end_ms, item.start_ms + 1), ',')}\n"
        f"{_role(item)}: {item.text}\n\n"
        for number, item in enumerate(said, 1)
    )
    return "".join(blocks)


def _csv(call: pb.RecordedCall, said: Said) -> str:
    """Return a table that spreadsheets open: with a byte order mark, and no cell that is a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("record_id", "start_ms", "end_ms", "role", "text", "confidence"))
    for item in said:
        text = f"'{item.text}" if item.text[:1] in "=+-@\t\r" else item.text
        confidence = f"{item.confidence:.2f}" if item.HasField("confidence") else ""
        writer.writerow((call.record_id, item.start_ms, item.end_ms, _role(item), text, confidence))
    return "\ufeff" + out.getvalue()


def _json(call: pb.RecordedCall, said: Said) -> str:
    plain = {"call": client.as_json(call), "transcript": [client.as_json(item) for item in said]}
    return json.dumps(plain, ensure_ascii=False) + "\n"


def _vcon(call: pb.RecordedCall, said: Said) -> str:
    name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"yuetone:record:{call.record_id}"))
    began, parties = _iso(call.started_at_unix_ms), _parties(call, said)
    duration = max((item.end_ms for item in said), default=0) / 1000
    dialog: dict[str, Any] = {
        "type": "incomplete" if not call.with_sound else "recording",
        "start": began,
        "duration": duration,
        "parties": list(range(len(parties))),
    }
    if not call.with_sound:
        dialog["disposition"] = "failed"
    vcon = {
        "vcon": _VCON,
        "uuid": name,
        "created_at": _iso(call.ended_at_unix_ms or call.started_at_unix_ms),
        "subject": call.call_id,
        "redacted": {"uuid": name, "type": "personal-data"},
        "parties": [{"role": role} | ({"name": name} if name else {}) for role, name in parties],
        "dialog": [dialog],
        "analysis": [
            {
                "type": "transcript",
                "dialog": 0,
                "vendor": "Yuetone",
                "schema": "yuetone.v1.Transcript",
                "mediatype": "application/json",
                "encoding": "json",
                "body": [client.as_json(item) for item in said],
            }
        ],
        "attachments": [],
    }
    return json.dumps(vcon, ensure_ascii=False) + "\n"


def _parties(call: pb.RecordedCall, said: Said) -> list[tuple[str, str]]:
    """Return role and id of each person; customers have none here."""
    roles = [ROLES.get(role, "unknown") for role in call.roles] or [_role(item) for item in said]
    return [(role, call.agent_id if role == "agent" else "") for role in dict.fromkeys(roles)]


def _iso(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds")
