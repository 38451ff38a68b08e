"""Files of recorded calls: one call in a form, or all that is kept of a customer."""

from __future__ import annotations

import asyncio
import io
import json
import time
import wave
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import numpy as np

from pipeline.audio.codecs import decoded
from pipeline.calls.events import TranscriptEvent
from pipeline.calls.info import Codec
from pipeline.calls.overview import CallFilter
from pipeline.errors import InvalidRequest
from pipeline.record.archive import Archive
from pipeline.record.entries import RecordRow
from pipeline.rpc import responses
from pipeline.rpc.exports import ExportedFile, exported
from pipeline.rpc.record_messages import as_it_stands
from pipeline.rpc.record_reach import RecordReach
from yuetone.v1 import record_service_pb2 as pb
from yuetone.v1 import transcript_pb2

DAYS = 40
"""Days from its receipt to comply with a data access request (Personal Data (Privacy) Ordinance, s. 19)."""
PIECE_BYTES = 256 * 1024
"""Bytes of a file in one message."""
ALL = 1_000_000
"""Calls of one customer, more than anybody has."""
WAV = "audio/wav"


async def exported_call(
    reach: RecordReach, record_id: str, form: pb.ExportFormat.ValueType
) -> AsyncIterator[pb.ExportedPiece]:
    """Yield one call as a file; errors as of :func:`pipeline.rpc.exports.exported`."""
    archive, row = await reach.found(record_id)
    said = await _said(reach, archive, row)
    for piece in _pieces(await asyncio.to_thread(exported, reach.message(row), said, form)):
        yield piece


async def exported_subject(
    reach: RecordReach, wanted: CallFilter, customer: str, received: float | None
) -> AsyncIterator[pb.ExportedPiece]:
    """Yield all that is kept of a customer: an index, then text, vCon and sound of each call.

    Raises:
        InvalidRequest: no customer is named.
    """
    if not customer.strip():
        raise InvalidRequest("customer_ref: name the customer as StartCall did")
    found = await reach.listed(wanted, ALL, customer=customer)
    day = datetime.fromtimestamp(time.time() if received is None else received).astimezone().date()
    for piece in _pieces(_index([row for _archive, row in found], day)):
        yield piece
    for archive, row in found:
        call = reach.message(row)
        call.ClearField("agent_id")
        call.ClearField("team")
        said = await _said(reach, archive, row)
        for form in (pb.EXPORT_FORMAT_TXT, pb.EXPORT_FORMAT_VCON):
            for piece in _pieces(await asyncio.to_thread(exported, call, said, form)):
                yield piece
        if row.with_sound and row.audio:
            async for piece in _sound(reach, archive, row):
                yield piece


async def _said(reach: RecordReach, archive: Archive, row: RecordRow) -> list[transcript_pb2.Transcript]:
    """Return what was said in a call, by its start."""
    finals = [
        responses.transcript(envelope.event)
        for envelope in as_it_stands(await reach.events(archive, row))
        if isinstance(envelope.event, TranscriptEvent) and envelope.event.text
    ]
    return sorted(finals, key=lambda final: final.start_ms)


async def _sound(reach: RecordReach, archive: Archive, row: RecordRow) -> AsyncIterator[pb.ExportedPiece]:
    """Yield the sound of a call as 16-bit WAV."""
    channels = range(len(row.roles))
    frames = await asyncio.to_thread(archive.frames, row)
    head = _wav_head(len(channels), row.rate, frames)
    yield pb.ExportedPiece(name=f"{row.record_id}.wav", media_type=WAV, data=head)
    async for _start, data in reach.sound(archive, row, channels):
        pcm = (decoded(data, Codec.MULAW) * 32767).astype("<i2")
        yield pb.ExportedPiece(data=np.asarray(pcm).tobytes())


def _wav_head(channels: int, rate: int, frames: int) -> bytes:
    out = io.BytesIO()
    file = wave.open(out, "wb")  # noqa: SIM115 (closing it would correct the length to what is here)
    file.setnchannels(channels)
    file.setsampwidth(2)
    file.setframerate(rate)
    file.setnframes(frames)
    file.writeframesraw(b"")
    return out.getvalue()


def _pieces(file: ExportedFile) -> list[pb.ExportedPiece]:
    parts = [file.data[at : at + PIECE_BYTES] for at in range(0, max(1, len(file.data)), PIECE_BYTES)]
    first, *rest = parts
    head = pb.ExportedPiece(name=file.name, media_type=file.media_type, data=first)
    return [head, *(pb.ExportedPiece(data=part) for part in rest)]


def _index(rows: list[RecordRow], received: date) -> ExportedFile:
    calls = [
        {
            "record": row.record_id,
            "began": _iso(row.info.started_at),
            "kept_until": None if row.expires_at is None else _iso(row.expires_at),
            "class": row.retention,
            "notice_given": row.notice_given,
        }
        for row in rows
    ]
    told = {
        "received": received.isoformat(),
        "answer_by": (received + timedelta(days=DAYS)).isoformat(),
        "calls": calls,
    }
    return ExportedFile(
        name="index.json", media_type="application/json", data=json.dumps(told, indent=1).encode() + b"\n"
    )


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
