"""A recorded call as a file: text, subtitles, a table, JSON, a vCon, a document. Pure."""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import client
from pipeline.errors import ExportUnavailable, InvalidRequest
from pipeline.rpc.convert import ROLES
from yuetone.v1 import audio_pb2, transcript_pb2
from yuetone.v1 import record_service_pb2 as pb

_VCON = "0.4.0"
"""Syntax of draft-ietf-vcon-vcon-core-04."""
_FONT = "Microsoft JhengHei"
"""Font of Word documents. It is on Windows and, with Office, on macOS; elsewhere another one is taken."""
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Said = Sequence[transcript_pb2.Transcript]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """A file.

    Attributes:
        name: of it.
        media_type: as in HTTP.
        data: what is in it.
    """

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Form:
    ending: str
    media_type: str
    write: Callable[[pb.RecordedCall, Said], str | bytes]


def exported(call: pb.RecordedCall, said: Said, form: pb.ExportFormat.ValueType) -> ExportedFile:
    """Return a call as a file.

    Args:
        call: what it is.
        said: its finals, by their start.
        form: which; unspecified is text.

    Raises:
        InvalidRequest: there is no such form.
        ExportUnavailable: this server cannot write documents.
    """
    chosen = _FORMS.get(form or pb.EXPORT_FORMAT_TXT)
    if chosen is None:
        raise InvalidRequest("format: see ExportFormat")
    data = chosen.write(call, said)
    return ExportedFile(
        name=f"{call.record_id}.{chosen.ending}",
        media_type=chosen.media_type,
        data=data.encode() if isinstance(data, str) else data,
    )


def _role_name(role: audio_pb2.Role.ValueType) -> str:
    """Return a role as files name it; empty where it is not known."""
    return ROLES[role].value if role and role in ROLES else ""


def _role(transcript: transcript_pb2.Transcript) -> str:
    return _role_name(transcript.role) or transcript.speaker or "unknown"


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
    roles = [_role_name(role) or "unknown" for role in call.roles] or [_role(item) for item in said]
    return [(role, call.agent_id if role == "agent" else "") for role in dict.fromkeys(roles)]


def _iso(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _docx(call: pb.RecordedCall, said: Said) -> bytes:
    """Return a document: what the call is, and a table of what was said."""
    try:
        import docx  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ExportUnavailable(
            "documents need more on the server: pip install 'yuetone[documents]'"
        ) from error
    document = docx.Document()
    document.styles["Normal"].font.name = _FONT
    document.styles["Normal"].element.rPr.rFonts.set(docx.oxml.ns.qn("w:eastAsia"), _FONT)
    document.core_properties.author, document.core_properties.title = "", call.record_id
    document.add_heading(call.call_id, level=1)
    for name, value in _facts(call):
        document.add_paragraph(f"{name}: {_printable(value)}")
    table = document.add_table(rows=0, cols=3, style="Light List")
    for row in (
        ("time", "who", "said"),
        *((_clock(item.start_ms)[:-4], _role(item), item.text) for item in said),
    ):
        for cell, text, width in zip(table.add_row().cells, row, (0.9, 1.0, 4.6), strict=True):
            cell.text, cell.width = _printable(text), docx.shared.Inches(width)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _facts(call: pb.RecordedCall) -> list[tuple[str, str]]:
    """Return what is told of a call at the head of a document."""
    facts = [
        ("began", _iso(call.started_at_unix_ms)),
        ("ended", _iso(call.ended_at_unix_ms) if call.HasField("ended_at_unix_ms") else ""),
        ("hotline", call.queue),
        ("agent", call.agent_id),
        ("class", call.retention_class),
        ("record", call.record_id),
        ("notice given", "yes" if call.notice_given else "no"),
    ]
    return [(name, value) for name, value in facts if value]


def _printable(text: str) -> str:
    """Return text without the characters that XML 1.0 cannot hold."""
    return _NOT_XML.sub("", text)


_FORMS: dict[int, _Form] = {
    pb.EXPORT_FORMAT_TXT: _Form("txt", "text/plain; charset=utf-8", _txt),
    pb.EXPORT_FORMAT_SRT: _Form("srt", "application/x-subrip", _srt),
    pb.EXPORT_FORMAT_CSV: _Form("csv", "text/csv; charset=utf-8", _csv),
    pb.EXPORT_FORMAT_JSON: _Form("json", "application/json", _json),
    pb.EXPORT_FORMAT_VCON: _Form("vcon", "application/vcon+json", _vcon),
    pb.EXPORT_FORMAT_DOCX: _Form("docx", _WORD, _docx),
}
