"""Events about the call itself: its start and end, holds and gaps, how the server keeps up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.calls.info import PauseReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The call was accepted; ``received`` is the audio that has come so far, in samples."""

    session_id: str
    language: str
    profile: str
    model: str
    model_ready: bool
    resumed: bool
    received: int = 0


class MarkKind(StrEnum):
    """What a mark on the time line stands for."""

    PAUSE = "pause"
    RESUME = "resume"
    DTMF = "dtmf"
    GAP = "gap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something on the time line that is not speech."""

    kind: MarkKind
    at: int
    duration: int | None = None
    reason: PauseReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """How the server keeps up; ``lag``, and the audio ``received`` so far, in samples."""

    lag: int
    load: float
    dropped_partials: int
    overloaded: bool
    received: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningEvent:
    """Something was wrong and the call goes on."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvent:
    """Something was wrong and the call ends."""

    code: str
    message: str
    retryable: bool
    retry_after_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Totals; lengths in samples. ``transferred_to``: who the call was handed to."""

    audio: int
    speech: int
    utterances: int
    gap: int
    reason: str
    second_look: bool = False
    transferred_to: str | None = None
