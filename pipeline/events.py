"""What a call consists of, inside the house: requests in, events out. A leaf.

Positions are sample indices at 16 kHz since the first sample of the call; milliseconds exist only at the
edge (:mod:`pipeline.rpc.mapping`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from asr import Word
from diarization import Role
from pipeline.assist import AlertEvent, EmotionEvent
from pipeline.speakers import AttributionEvent, ChannelFinding, SecondLookEvent, SpeakerEvent
from pipeline.suggestions import SuggestionEvent

SAMPLE_RATE = 16_000


class Codec(StrEnum):
    """How audio bytes are coded."""

    MULAW = "mulaw"
    ALAW = "alaw"
    L16 = "l16"


class PauseReason(StrEnum):
    """Why audio is held back."""

    UNSPECIFIED = "unspecified"
    HOLD = "hold"
    PCI = "pci"
    IVR = "ivr"


# ------------------------------------------------------------------ from the client


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePoint:
    """Where a broken call goes on."""

    session_id: str
    last_server_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSpec:
    """A validated StartCall.

    Attributes:
        call_id: unique among live calls.
        codec: of all audio.
        sample_rate: samples a second and channel, as sent.
        roles: one for each channel, by index.
        language: BCP 47 hint, or None.
        profile: name of the settings profile.
        hotwords: likely words.
        resume: present when an earlier stream broke.
        tenant: whose call it is.
        queue: hotline it came in on.
        agent_id: who answers.
        earlier_calls: of this customer about the same matter, 0 if not known.
    """

    call_id: str
    codec: Codec
    sample_rate: int
    roles: tuple[Role, ...]
    language: str | None = None
    profile: str = "default"
    hotwords: tuple[str, ...] = ()
    resume: ResumePoint | None = None
    tenant: str | None = None
    queue: str | None = None
    agent_id: str | None = None
    earlier_calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioChunk:
    """Bytes as they came.

    Attributes:
        sequence: counts messages from 0, for each channel on its own if ``channel`` is set.
        data: whole samples.
        offset_ms: of the first sample, if the client said.
        channel: the only channel in it; None means all, interleaved.
        arrived: when it came, s, monotonic; for metrics only.
        count: messages that were put together in it.
    """

    sequence: int
    data: bytes
    offset_ms: int | None = None
    channel: int | None = None
    arrived: float = 0.0
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Stop hearing."""

    reason: PauseReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Hear again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalize:
    """Close the open utterances now, of one channel or of all."""

    channel: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateConfig:
    """Change settings; None leaves one as it is."""

    language: str | None = None
    hotwords: tuple[str, ...] | None = None
    swap_roles: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dtmf:
    """A key was pressed; which one is not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Keep alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCall:
    """The call is over.

    Attributes:
        reason: client, idle, limit, shutdown, lost or error.
    """

    reason: str = "client"


ClientMessage = AudioChunk | Pause | Resume | Finalize | UpdateConfig | Dtmf | Ping | EndCall

# ------------------------------------------------------------------ to the client


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The call was accepted."""

    session_id: str
    language: str
    profile: str
    model: str
    model_ready: bool
    resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEdge:
    """Someone began or stopped to speak."""

    begin: bool
    channel: int
    at: int
    utterance_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageSpan:
    """A stretch of one language, in code points of the raw text."""

    language: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptEvent:
    """What was said in an utterance; ``words`` are in samples of the call, ``word_speakers`` go with them."""

    utterance_id: str
    revision: int
    channel: int
    role: Role
    final: bool
    start: int
    end: int
    stability: float
    text: str
    raw_text: str
    words: tuple[Word, ...] = ()
    spans: tuple[LanguageSpan, ...] = ()
    confidence: float | None = None
    forced: bool = False
    speaker: str | None = None
    word_speakers: tuple[str, ...] = ()


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
    """How the server keeps up; ``lag`` in samples."""

    lag: int
    load: float
    dropped_partials: int
    overloaded: bool


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
    """Totals; lengths in samples."""

    audio: int
    speech: int
    utterances: int
    gap: int
    reason: str
    second_look: bool = False


CallEvent = (
    Started
    | SpeechEdge
    | TranscriptEvent
    | EmotionEvent
    | AlertEvent
    | AttributionEvent
    | SpeakerEvent
    | ChannelFinding
    | SecondLookEvent
    | SuggestionEvent
    | Mark
    | HealthReport
    | WarningEvent
    | ErrorEvent
    | Ended
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A numbered event of a call.

    Attributes:
        call_id: of the call.
        server_seq: counts from 1.
        acked: samples of audio taken so far, on the channel that is furthest behind.
        event: what happened.
    """

    call_id: str
    server_seq: int
    acked: int
    event: CallEvent
