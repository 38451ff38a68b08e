"""What agents keep of their calls, in its wire form."""

from __future__ import annotations

from cantonese.personal import mask_personal_data
from pipeline.errors import InvalidRequest
from pipeline.record.entries import Resolution, WrappedUp
from pipeline.record.wrapping import WrapUp
from yuetone.v1 import record_service_pb2 as pb

MOST_TOPICS, LONGEST_TOPIC, LONGEST_NOTE = 5, 60, 4_000
LATEST_MS = 1 << 45
"""A thousand years after 1970, ms."""
RESOLUTIONS = {
    pb.RESOLUTION_UNSPECIFIED: Resolution.NOT_TOLD,
    pb.RESOLUTION_RESOLVED: Resolution.RESOLVED,
    pb.RESOLUTION_FOLLOW_UP: Resolution.FOLLOW_UP,
    pb.RESOLUTION_TRANSFERRED: Resolution.TRANSFERRED,
    pb.RESOLUTION_UNRESOLVED: Resolution.UNRESOLVED,
}
_RESOLUTIONS_OUT = {resolution: number for number, resolution in RESOLUTIONS.items()}


def wrap_up_of(message: pb.WrapUp) -> WrapUp:
    """Return what is to be kept, with personal data masked.

    Raises:
        InvalidRequest: something in it is too long, or no value of this API.
    """
    resolution = RESOLUTIONS.get(message.resolution)
    if resolution is None:
        raise InvalidRequest("resolution: see Resolution")
    topics = [topic.strip() for topic in message.topics]
    if len(topics) > MOST_TOPICS or not all(1 <= len(topic) <= LONGEST_TOPIC for topic in topics):
        raise InvalidRequest(f"topics: at most {MOST_TOPICS}, of 1 to {LONGEST_TOPIC} characters")
    if len(message.note) > LONGEST_NOTE:
        raise InvalidRequest(f"note is longer than {LONGEST_NOTE} characters")
    if len(message.disposition) > LONGEST_TOPIC:
        raise InvalidRequest(f"disposition is longer than {LONGEST_TOPIC} characters")
    if not 0 <= message.follow_up_at_unix_ms <= LATEST_MS:
        raise InvalidRequest("follow_up_at_unix_ms must be ms since 1970 UTC")
    follows = message.HasField("follow_up_at_unix_ms")
    return WrapUp(
        resolution=resolution,
        topics=tuple(map(mask_personal_data, topics)),
        note=mask_personal_data(message.note.strip()),
        disposition=mask_personal_data(message.disposition) if message.HasField("disposition") else None,
        follow_up_at=message.follow_up_at_unix_ms / 1000 if follows else None,
        closed=message.closed,
    )


def wrap_up_message(kept: WrapUp, at: float) -> pb.WrapUp:
    """Return the wire form of what is kept; ``at`` in s since 1970 UTC."""
    follow_up = kept.follow_up_at
    return pb.WrapUp(
        resolution=_RESOLUTIONS_OUT[kept.resolution],
        topics=kept.topics,
        note=kept.note,
        disposition=kept.disposition,
        follow_up_at_unix_ms=None if follow_up is None else int(follow_up * 1000),
        closed=kept.closed,
        saved_at_unix_ms=int(at * 1000),
    )


def glance(kept: WrappedUp) -> pb.WrapUp:
    """Return the wire form of what is kept, without the note."""
    return pb.WrapUp(
        resolution=_RESOLUTIONS_OUT[kept.resolution],
        topics=kept.topics,
        closed=kept.closed,
        saved_at_unix_ms=int(kept.at * 1000),
    )
