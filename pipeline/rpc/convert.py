"""What several messages share: roles and times in their wire form."""

from __future__ import annotations

from diarization import Role
from pipeline.calls.info import SAMPLE_RATE, Direction
from yuetone.v1 import audio_pb2

ROLES = {
    audio_pb2.ROLE_UNSPECIFIED: Role.UNKNOWN,
    audio_pb2.ROLE_CUSTOMER: Role.CUSTOMER,
    audio_pb2.ROLE_AGENT: Role.AGENT,
}
ROLES_OUT = {role: number for number, role in ROLES.items()}
DIRECTIONS = {
    audio_pb2.CALL_DIRECTION_UNSPECIFIED: Direction.UNKNOWN,
    audio_pb2.CALL_DIRECTION_INBOUND: Direction.INBOUND,
    audio_pb2.CALL_DIRECTION_OUTBOUND: Direction.OUTBOUND,
}
DIRECTIONS_OUT = {direction: number for number, direction in DIRECTIONS.items()}


def milliseconds(samples: int) -> int:
    """Return samples at 16 kHz as whole milliseconds."""
    return samples * 1000 // SAMPLE_RATE
