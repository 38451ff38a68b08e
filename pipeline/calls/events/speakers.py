"""Events about who speaks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from diarization import Role, SpeakerTurn


class AttributionSource(StrEnum):
    """Where an answer comes from."""

    LIVE = "live"
    SECOND_LOOK = "second_look"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributionEvent:
    """Who said an utterance, told anew.

    Attributes:
        utterance_id: of the transcript.
        revision: counts from 1 for each utterance.
        channel: index.
        speaker: label of the voice that says most of it.
        role: of that voice.
        role_confidence: probability of that role.
        provisional: may well change.
        source: live or second look.
        turns: by start, positions in samples; roles in ``turn_roles``.
        turn_roles: of each turn.
        word_speakers: label for each word of the final; '' where nobody is known.
    """

    utterance_id: str
    revision: int
    channel: int
    speaker: str
    role: Role
    role_confidence: float
    provisional: bool
    source: AttributionSource
    turns: tuple[SpeakerTurn, ...]
    turn_roles: tuple[Role, ...]
    word_speakers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerEvent:
    """A voice was heard for the first time, or its role is seen differently now."""

    speaker: str
    channel: int
    role: Role
    role_confidence: float
    additional: bool


class FindingKind(StrEnum):
    """What is odd about the channels."""

    SWAPPED = "swapped"
    IDENTICAL = "identical"
    ECHO = "echo"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFinding:
    """Something is odd about how the channels are wired; ``delay`` in samples."""

    kind: FindingKind
    channel: int
    corrected: bool
    delay: int | None = None
    gain_db: float | None = None


class LookState(StrEnum):
    """How far a second look is."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondLookEvent:
    """How far the second look at a finished call is."""

    state: LookState
    changed: int = 0
    reason: str = ""


SpeakersEvent = AttributionEvent | SpeakerEvent | ChannelFinding | SecondLookEvent
