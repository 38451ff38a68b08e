"""What an analysis says of a recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emotion import LABELS, AgitationPoint, VoiceReading
from pipeline.calls.events import AlertEvent
from pipeline.calls.info import SAMPLE_RATE

SPAN_S = 10.0
"""One figure for a whole recording is the highest mean over windows within so many seconds."""
THRESHOLD = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedWindow:
    """A window and how it sounds; positions are samples at 16 kHz."""

    start: int
    end: int
    reading: VoiceReading


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelReport:
    """One channel.

    Attributes:
        windows: in order; those without an opinion have quality 0.
        curve: agitation, two points a second.
        words: strongest words of complaint in one utterance, in [0, 1]; None if nothing was recognised.
    """

    windows: tuple[JudgedWindow, ...]
    curve: tuple[AgitationPoint, ...]
    words: float | None

    @property
    def agitation(self) -> float | None:
        """One figure for the recording in [0, 1], None if there was no speech that could be judged.

        The highest mean over 10 s of speech, joined with the strongest words where they were recognised.
        """
        voice = peak(self.windows)
        if voice is None:
            return self.words
        return voice if self.words is None else 1 - (1 - voice) * (1 - self.words)

    def mean(self, value: Callable[[VoiceReading], float]) -> float | None:
        """Return the mean of a figure over all windows, weighted by quality; None without opinion."""
        weight = sum(window.reading.quality for window in self.windows)
        if not weight:
            return None
        return sum(w.reading.quality * value(w.reading) for w in self.windows) / weight

    def probabilities(self) -> dict[str, float] | None:
        """Return the mean probabilities by label; None without opinion."""
        found = {
            label: self.mean(lambda reading, label=label: reading.probabilities[label])  # type: ignore[misc]
            for label in LABELS
        }
        return None if found["angry"] is None else {k: float(v or 0.0) for k, v in found.items()}


def peak(windows: Sequence[JudgedWindow]) -> float | None:
    """Return the highest mean score over :data:`SPAN_S` of judged speech, of all if there is less."""
    judged = [window for window in windows if window.reading.quality > 0]
    best, span = None, SPAN_S * SAMPLE_RATE
    for last in range(len(judged)):
        heard, total, weight = 0, 0.0, 0.0
        for first in range(last, -1, -1):
            window = judged[first]
            following = judged[first + 1].start if first < last else window.end
            heard += max(0, min(window.end, following) - window.start)
            total += window.reading.quality * window.reading.score
            weight += window.reading.quality
            if heard >= span:
                break
        if heard >= span or (last == len(judged) - 1 and best is None):
            best = max(best or 0.0, total / weight)
    return best


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    """One recording.

    Attributes:
        channels: one report for each channel.
        alerts: what the rules would have raised, in order.
    """

    channels: tuple[ChannelReport, ...]
    alerts: tuple[AlertEvent, ...]
