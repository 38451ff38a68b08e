"""What the streams of RecordService send: events of a call as its reader may see them, and its sound."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.calls.events import AlertEvent, Envelope
from pipeline.errors import InvalidRequest
from pipeline.record.entries import RecordRow
from pipeline.rpc import responses
from pipeline.rpc.record_messages import as_it_stands
from pipeline.rpc.record_reach import RecordReach
from yuetone.v1 import call_service_pb2
from yuetone.v1 import record_service_pb2 as pb


def told(reach: RecordReach, row: RecordRow, events: list[Envelope]) -> Iterator[pb.GetRecordedCallResponse]:
    """Yield the events of a call that the caller may see."""
    alerts = reach.sees_alerts(row)
    for envelope in as_it_stands(events):
        if alerts or not isinstance(envelope.event, AlertEvent):
            message = responses.response(envelope, call_service_pb2.Limits())
            yield pb.GetRecordedCallResponse(event=message)


def wanted_sound(row: RecordRow, request: pb.StreamRecordingRequest) -> tuple[list[int], int]:
    """Return the channels that are asked for, and the first sample.

    Raises:
        InvalidRequest: the call has no such channel.
    """
    channels = list(range(len(row.roles)))
    if request.HasField("channel"):
        if request.channel not in channels:
            raise InvalidRequest(f"channel: this call has {len(channels)}")
        channels = [request.channel]
    return channels, max(0, request.from_ms) * row.rate // 1000


def sound_piece(row: RecordRow, channels: list[int], start: int, data: bytes) -> pb.StreamRecordingResponse:
    """Return a piece of sound in its wire form."""
    return pb.StreamRecordingResponse(
        sample_rate_hz=row.rate,
        channels=len(channels),
        start_ms=start * 1000 // row.rate,
        data=data,
    )
