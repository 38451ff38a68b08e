"""From speech probabilities to utterances: a pure state machine without clock, thread or audio.

Positions are sample indices at 16 kHz since the first sample of the channel.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from vad.base import FRAME_SAMPLES, SAMPLE_RATE


def _frames(milliseconds: int) -> int:
    return max(1, round(milliseconds * SAMPLE_RATE / 1000 / FRAME_SAMPLES))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointerSettings:
    """How utterances are cut; all times in ms.

    Attributes:
        onset: probability from which a frame may begin speech.
        offset: probability below which a frame is silence once speech has begun.
        min_speech_ms: shorter bursts are not speech.
        pre_roll_ms: audio kept before the first speech frame.
        post_roll_ms: audio kept behind the last speech frame.
        speculate_ms: silence after which the final may be computed ahead.
        finished_ms: silence that ends an utterance whose words are a whole sentence; at least speculate_ms,
            at most hangover_ms.
        hangover_ms: silence that ends any other.
        hold_open_ms: the same while the speaker is in the middle of a sentence (a filler).
        max_utterance_ms: longest utterance; a longer one is cut at its best pause.
        cut_search_ms: how far back the best pause is looked for.
    """

    onset: float = 0.5
    offset: float = 0.35
    min_speech_ms: int = 96
    pre_roll_ms: int = 256
    post_roll_ms: int = 160
    speculate_ms: int = 160
    finished_ms: int = 256
    hangover_ms: int = 448
    hold_open_ms: int = 1200
    max_utterance_ms: int = 9600
    cut_search_ms: int = 4000

    def __post_init__(self) -> None:
        if not 0.0 < self.offset <= self.onset < 1.0:
            raise ValueError("vad: need 0 < offset <= onset < 1")
        if not self.speculate_ms <= self.hangover_ms <= self.hold_open_ms:
            raise ValueError("vad: need speculate_ms <= hangover_ms <= hold_open_ms")
        if self.cut_search_ms >= self.max_utterance_ms:
            raise ValueError("vad: need cut_search_ms < max_utterance_ms")


class Expect(StrEnum):
    """What the words so far let one expect behind a pause."""

    SILENCE = "silence"
    END = "end"
    MORE = "more"


class EndReason(StrEnum):
    """Why an utterance ended."""

    SILENCE = "silence"
    LENGTH = "length"
    FLUSH = "flush"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechBegan:
    """Speech was found; ``start`` includes the pre-roll."""

    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechPaused:
    """The speaker may have finished; the utterance would reach from ``start`` to ``end``."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechResumed:
    """The speaker had not finished: what was concluded from SpeechPaused is void."""

    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEnded:
    """The utterance is complete.

    Attributes:
        start: first sample, pre-roll included.
        end: behind the last sample, post-roll included.
        speech_end: behind the last sample of speech.
        reason: why it ended.
    """

    start: int
    end: int
    speech_end: int
    reason: EndReason


EndpointEvent = SpeechBegan | SpeechPaused | SpeechResumed | SpeechEnded


class Endpointer:
    """Cuts one channel into utterances.

    Args:
        settings: thresholds and times.
    """

    def __init__(self, settings: EndpointerSettings) -> None:
        self._settings = settings
        self._onset_frames = _frames(settings.min_speech_ms)
        self._speculate = _frames(settings.speculate_ms)
        self._waits = {
            Expect.SILENCE: _frames(settings.hangover_ms),
            Expect.END: _frames(min(max(settings.finished_ms, settings.speculate_ms), settings.hangover_ms)),
            Expect.MORE: _frames(settings.hold_open_ms),
        }
        self._longest = _frames(settings.max_utterance_ms)
        self._recent: deque[float] = deque(maxlen=_frames(settings.cut_search_ms))
        self._frame = 0  # frames taken so far
        self._floor = 0  # no utterance may begin before this sample
        self._run = 0  # consecutive frames above onset while silent
        self._start: int | None = None  # first sample of the open utterance
        self._last_speech = 0  # frame behind the last one with speech
        self._paused = False
        self._expect = Expect.SILENCE

    @property
    def position(self) -> int:
        """Samples decided so far."""
        return self._frame * FRAME_SAMPLES

    @property
    def open_since(self) -> int | None:
        """First sample of the open utterance, if there is one."""
        return self._start

    def expect(self, what: Expect, start: int) -> None:
        """Take a hint from the words of the utterance that began at ``start``, until the speaker goes on."""
        if self._start == start:  # not for the next one, if the words came late
            self._expect = what

    def accept(self, probability: float) -> list[EndpointEvent]:
        """Take the probability of the next frame; return what became certain with it."""
        self._frame += 1
        if self._start is None:
            return self._while_silent(probability)
        self._recent.append(probability)
        return self._while_speaking(probability)

    def flush(self) -> list[EndpointEvent]:
        """End the open utterance now."""
        if self._start is None:
            self._run = 0
            return []
        return [self._end(EndReason.FLUSH)]

    def _while_silent(self, probability: float) -> list[EndpointEvent]:
        self._run = self._run + 1 if probability >= self._settings.onset else 0
        if self._run < self._onset_frames:
            return []
        first = (self._frame - self._run) * FRAME_SAMPLES
        pre_roll = self._settings.pre_roll_ms * SAMPLE_RATE // 1000
        return [self._begin(max(self._floor, first - pre_roll))]

    def _begin(self, start: int) -> SpeechBegan:
        self._start = start
        self._last_speech = self._frame
        self._run, self._paused, self._expect = 0, False, Expect.SILENCE
        self._recent.clear()
        return SpeechBegan(start=start)

    def _while_speaking(self, probability: float) -> list[EndpointEvent]:
        events: list[EndpointEvent] = []
        if probability >= self._settings.offset:
            self._last_speech = self._frame
            self._expect = Expect.SILENCE
            if self._paused:
                self._paused = False
                events.append(SpeechResumed(start=self._open_start()))
        silent = self._frame - self._last_speech
        if silent >= self._waits[self._expect]:
            return [*events, self._end(EndReason.SILENCE)]
        if silent >= self._speculate and not self._paused:
            self._paused = True
            events.append(SpeechPaused(start=self._open_start(), end=self._end_sample()))
        if self._frame - self._open_start() // FRAME_SAMPLES >= self._longest:
            events += self._cut()
        return events

    def _open_start(self) -> int:
        if self._start is None:
            raise RuntimeError("no open utterance")
        return self._start

    def _end_sample(self) -> int:
        post_roll = self._settings.post_roll_ms * SAMPLE_RATE // 1000
        return min(self.position, self._last_speech * FRAME_SAMPLES + post_roll)

    def _end(self, reason: EndReason) -> SpeechEnded:
        start = self._open_start()  # what is left behind a cut may hold no speech at all
        ended = SpeechEnded(
            start=start,
            end=max(start, self._end_sample()),
            speech_end=max(start, min(self.position, self._last_speech * FRAME_SAMPLES)),
            reason=reason,
        )
        self._floor = ended.end
        self._start, self._run = None, 0
        return ended

    def _cut(self) -> list[EndpointEvent]:
        """End a long utterance at its best recent pause and go on with the rest."""
        start, cut = self._open_start(), self._best_pause() * FRAME_SAMPLES
        last_speech, paused = self._last_speech, self._paused
        self._floor = cut
        ended = SpeechEnded(start=start, end=cut, speech_end=cut, reason=EndReason.LENGTH)
        began = self._begin(cut)
        self._last_speech, self._paused = last_speech, paused
        return [ended, began]

    def _best_pause(self) -> int:
        """Return the frame at the middle of the quietest 96 ms among the recent frames."""
        values = list(self._recent)
        window = min(3, len(values))
        sums = [sum(values[i : i + window]) for i in range(len(values) - window + 1)]
        quietest = min(range(len(sums)), key=sums.__getitem__)
        return self._frame - len(values) + quietest + window // 2
