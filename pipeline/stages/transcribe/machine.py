"""The utterances of one channel as a state machine: what to recognise, what to publish. No clock, no task.

It is told what the endpointer found and what the recogniser read, and says what should be recognised next and
what is to be published. When anything is done, and by whom, is the driver's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from asr import AsrRequest, Transcript
from asr.committing import Committed
from cantonese.completeness import ends_in_short_digits, is_finished, is_unfinished
from diarization import ChannelRoles, Role
from pipeline.calls.controls import CallControls
from pipeline.calls.events import SpeechEdge, TranscriptEvent
from pipeline.calls.forms import language_spans, on_time_line, raw_and_reading
from pipeline.calls.info import SAMPLE_RATE
from pipeline.sections.asr import PartialSettings
from pipeline.stages.crosstalk import EchoWatch
from pipeline.stages.items import Pcm
from pipeline.stages.speaker_lookup import VoiceAnswer, who_said
from pipeline.stages.transcribe.cadence import between_partials_ms
from pipeline.stages.transcribe.utterance import Utterance
from pipeline.stages.window import AudioWindow
from vad.endpointer import EndReason, Expect, SpeechBegan, SpeechEnded, SpeechPaused

KEEP_SAMPLES = 2 * SAMPLE_RATE
"""Audio kept while nobody speaks: more than pre-roll and detection delay together."""

ECHO_ONLY = Transcript(text="", language="", confidence=0.0, no_speech=1.0, rejected="echo")
"""What is published for an utterance that is the other channel's, heard again."""
FAILED = Transcript(text="", language="", confidence=0.0, no_speech=0.0, rejected="failed")
"""What is published where the recogniser failed: what the client saw last stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFacts:
    """What the machine asks about its call.

    Attributes:
        channel: index.
        controls: what is in force at each sample.
        roles: who is on each channel.
        echo: which utterances are the other channel's, heard again.
        partials: when partials are made.
        states: whether finals should bring the recogniser's states.
        first_id: utterances are counted from behind it.
    """

    channel: int
    controls: CallControls
    roles: ChannelRoles
    echo: EchoWatch
    partials: PartialSettings
    states: bool
    first_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartialWanted:
    """Something to be read while the utterance goes on.

    Attributes:
        utterance: whose.
        window: first sample, and behind the last one.
        request: for the recogniser.
    """

    utterance: Utterance
    window: tuple[int, int]
    request: AsrRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a finished utterance comes to.

    Attributes:
        edge: the end of speech.
        final: its text; None where there is nothing to say or to take back.
        failed: the recogniser failed on it.
    """

    edge: SpeechEdge
    final: TranscriptEvent | None
    failed: bool


class UtteranceMachine:
    """Follows one channel of one call.

    Args:
        facts: about the call.
    """

    def __init__(self, facts: ChannelFacts) -> None:
        self._facts = facts
        self._window = AudioWindow()
        self._open: Utterance | None = None
        self._count = facts.first_id

    @property
    def position(self) -> int:
        """Samples heard so far."""
        return self._window.end

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open."""
        return self._open is not None

    @property
    def safe(self) -> int:
        """Samples before which all is said: no utterance that is open or to come reaches back."""
        return self._open.start if self._open else max(0, self._window.end - KEEP_SAMPLES)

    # ---------------------------------------------------------------- what was heard

    def hear(self, pcm: Pcm, pace: Callable[[], tuple[int, float]]) -> PartialWanted | None:
        """Take audio; return what should be read of it now, if anything is due.

        Args:
            pcm: float32 at 16 kHz, shape (n,).
            pace: gives the jobs before the recogniser and the share of its time in use.
        """
        self._window.append(pcm)
        utterance = self._open
        if utterance is None:
            self._window.forget(self._window.end - KEEP_SAMPLES)
            return None
        if not utterance.speaking or self._window.end < utterance.next_partial:
            return None
        return self._partial(utterance, pace)

    def _partial(self, utterance: Utterance, pace: Callable[[], tuple[int, float]]) -> PartialWanted | None:
        settings, end = self._facts.partials, self._window.end
        if not settings.enabled or self.is_echo(utterance.start, end):
            return None
        every_ms = between_partials_ms(settings, *pace())
        utterance.next_partial = end + every_ms * SAMPLE_RATE // 1000
        window = (utterance.committed.window_start, end)
        return PartialWanted(
            utterance=utterance, window=window, request=self._request(utterance, *window, final=False)
        )

    def began(self, event: SpeechBegan) -> SpeechEdge:
        """Open an utterance; return the beginning of speech."""
        self._count += 1
        utterance = Utterance(
            id=f"{self._facts.channel}-{self._count}", start=event.start, committed=Committed(event.start)
        )
        utterance.next_partial = event.start + self._facts.partials.first_ms * SAMPLE_RATE // 1000
        self._open = utterance
        return SpeechEdge(begin=True, channel=self._facts.channel, at=event.start, utterance_id=utterance.id)

    def paused(self, event: SpeechPaused) -> tuple[Utterance, AsrRequest] | None:
        """Note that the speaker may have finished; return what the final would be made of."""
        if self._open is None:
            return None
        self._open.speaking = False
        return self._open, self._request(self._open, self._open.start, event.end, final=True)

    def resumed(self) -> None:
        """Note that the speaker had not finished."""
        if self._open is not None:
            self._open.speaking = True

    def ended(self, event: SpeechEnded) -> AsrRequest | None:
        """Return what the final is made of; None where no utterance is open."""
        if self._open is None:
            return None
        return self._request(self._open, self._open.start, event.end, final=True)

    def is_echo(self, start: int, end: int) -> bool:
        """Tell whether a stretch of the channel is the other channel's speech, heard again."""
        return self._facts.echo.is_echo(self._facts.channel, start, end)

    def _request(self, utterance: Utterance, start: int, end: int, *, final: bool) -> AsrRequest:
        """Return a request with what was in force where the utterance began."""
        controls = self._facts.controls
        return AsrRequest(
            pcm=self._window.slice(start, end),
            final=final,
            language=controls.language.at(utterance.start),
            hotwords=controls.hotwords.at(utterance.start),
            states=final and self._facts.states,
        )

    # ---------------------------------------------------------------- what was read

    def partial_read(
        self, utterance: Utterance, window: tuple[int, int], result: Transcript
    ) -> TranscriptEvent | None:
        """Take a reading of an open utterance; return the partial to publish, if it says anything new."""
        if utterance is not self._open:
            return None
        if not result.text:
            self._ask_sooner(utterance, window[1])
            return None
        if not result.words and window[0] > utterance.start:  # another model, without times: from the start
            utterance.committed = Committed(utterance.start)
            return None
        if result.words:
            result = replace(result, text=utterance.committed.take(result.words, window))
        raw, reading = raw_and_reading(result.text)
        if utterance.shown and utterance.shown.text == reading and utterance.shown.stability == 1.0:
            return None
        return self._next_revision(
            utterance,
            TranscriptEvent(
                utterance_id=utterance.id,
                revision=utterance.revision,
                channel=self._facts.channel,
                role=self._role(utterance.start),
                final=False,
                start=utterance.start,
                end=window[1],
                stability=utterance.agreement.update(reading),
                text=reading,
                raw_text=raw,
                spans=language_spans(raw),
                confidence=result.confidence,
                verbatim=result.text,
            ),
        )

    @staticmethod
    def _ask_sooner(utterance: Utterance, read_to: int) -> None:
        """Halve the way to the next partial while nothing is shown.

        A third of first readings are of too little sound to be believed (31 of 94, real telephone speech).
        """
        if utterance.shown is None:
            utterance.next_partial = min(utterance.next_partial, (read_to + utterance.next_partial) // 2)

    def read_ahead(self, utterance: Utterance, result: Transcript) -> Expect | None:
        """Return what the words of a final computed ahead let one expect behind the pause."""
        if utterance is not self._open or utterance.speaking:
            return None
        if is_unfinished(result.text) or ends_in_short_digits(result.text):
            return Expect.MORE
        return Expect.END if is_finished(result.text) else None

    def finished(
        self, event: SpeechEnded, result: Transcript, voices: VoiceAnswer | None
    ) -> Published | None:
        """Close the open utterance with what was recognised; None if none is open.

        Args:
            event: its end.
            result: of the recogniser, :data:`ECHO_ONLY` or :data:`FAILED`.
            voices: who speaks in it, as far as that is known.
        """
        utterance, self._open = self._open, None
        if utterance is None:
            return None
        self._window.forget(min(event.end, self._window.end - KEEP_SAMPLES))
        edge = SpeechEdge(
            begin=False, channel=self._facts.channel, at=event.speech_end, utterance_id=utterance.id
        )
        return Published(
            edge=edge, final=self._final(utterance, event, result, voices), failed=result is FAILED
        )

    def _final(
        self, utterance: Utterance, event: SpeechEnded, result: Transcript, voices: VoiceAnswer | None
    ) -> TranscriptEvent | None:
        verbatim, confidence = result.text, None if result is FAILED else result.confidence
        if result is FAILED and utterance.shown is not None:
            verbatim = utterance.shown.verbatim
        raw, reading = raw_and_reading(verbatim)
        if not reading and utterance.shown is None:
            return None
        words, role = on_time_line(result.words, event.start), self._role(utterance.start)
        speaker, labels = who_said(words, voices, self._facts.channel, role)
        known = voices.roles if voices else {}
        return self._next_revision(
            utterance,
            TranscriptEvent(
                utterance_id=utterance.id,
                revision=utterance.revision,
                channel=self._facts.channel,
                role=known.get(speaker or "", role),
                final=True,
                start=event.start,
                end=event.end,
                stability=1.0,
                text=reading,
                raw_text=raw,
                words=words,
                speaker=speaker,
                word_speakers=labels,
                spans=language_spans(raw),
                confidence=confidence,
                forced=event.reason is EndReason.FLUSH,
                verbatim=verbatim,
            ),
        )

    def _role(self, at: int) -> Role:
        return self._facts.roles.of(self._facts.channel, at)

    @staticmethod
    def _next_revision(utterance: Utterance, event: TranscriptEvent) -> TranscriptEvent:
        utterance.revision += 1
        utterance.shown = event
        return event
