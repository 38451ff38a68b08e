"""Two channels that hear each other: echo of the far end, and two channels that carry the same.

Where the echo lies is found by the generalised cross correlation with phase transform (Knapp & Carter 1976),
which sums over seconds and so sees echo far below the noise; what to silence is decided by the levels of
10 ms frames. A pure core; positions are samples since the start of the call, and either channel may be ahead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diarization.base import SAMPLE_RATE, Pcm
from diarization.copies import PIECE, UNLIKE, CopyWatch, envelopes_alike, likeness

Levels = NDArray[np.float32]

FRAME = SAMPLE_RATE // 100
HISTORY = 3000
"""Frames remembered: half a minute."""
BLOCK = 8192
"""Samples at 8 kHz that are correlated at once: a second."""
HOP = BLOCK // 2
LONGEST_DELAY = 4800
"""Samples at 8 kHz, 600 ms; ITU-T G.131 calls 400 ms unusable already."""
DECAY = 0.93
"""What is left of a correlation at the next one: a memory of about seven seconds."""
LEAST_BLOCKS = 3
LEAST_PEAK = 9.0
"""Height of the peak in standard deviations of the correlation: none of ten calls without echo came up to it,
echo at -30 dB made 10 to 62."""
GONE_PEAK = 6.0
"""Height below which an echo that was there is gone."""
LEAST_FRAMES = 80
SOFTER_DB = 6.0
"""What leaks without delay is at least this much softer than its source: else, which is which?"""
LOUDER_DB = 6.0
"""What comes later is echo even if its channel is turned up this much louder."""
_AT_ONCE = SAMPLE_RATE // 50
MARGIN_DB = 8.0
"""Levels up to this much above the expected echo count as echo."""
ACTIVE_DB = 20.0
"""Level above a channel's floor from which it carries speech."""
SPEECH_DB = 8.0
"""The same on a noisy line, for a whole half second."""
SHAPE_FRAMES = 300
"""Frames (3 s) whose levels must look alike before wave forms are compared."""
_SILENT_DB = -90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoPath:
    """How a channel hears the other one.

    Attributes:
        delay: samples.
        gain_db: level of the echo against its source, negative.
        peak: height of the correlation there, in its standard deviations.
    """

    delay: int
    gain_db: float
    peak: float


class _Envelope:
    """Levels of one channel: a ring of the last HISTORY frames."""

    def __init__(self) -> None:
        self.levels = np.full(HISTORY, _SILENT_DB, np.float32)
        self.count = 0
        self._rest = np.zeros(0, np.float32)

    def push(self, pcm: Pcm) -> None:
        whole = np.concatenate([self._rest, pcm]) if len(self._rest) else pcm
        frames = len(whole) // FRAME
        self._rest = whole[frames * FRAME :].copy()
        if frames:
            self._append(level_db(whole[: frames * FRAME].reshape(frames, FRAME)))

    def _append(self, levels: Levels) -> None:
        levels = levels[-HISTORY:]
        self.levels = np.concatenate([self.levels[len(levels) :], levels])
        self.count += len(levels)

    def at(self, first: int, last: int) -> Levels:
        """Return the levels of frames ``first`` to ``last``; unknown ones are silent."""
        oldest = self.count - HISTORY
        inside = self.levels[max(0, first - oldest) : max(0, last - oldest)]
        before = max(0, min(last, oldest) - first) if first < oldest else 0
        padded = np.concatenate([np.full(before, _SILENT_DB, np.float32), inside])
        return np.pad(padded, (0, last - first - len(padded)), constant_values=_SILENT_DB)

    def floor(self, every: int = 1) -> float:
        """Return the level of the channel's silence, from each ``every``-th frame."""
        known = self.levels[-min(self.count, HISTORY) :: every] if self.count else self.levels[-1:]
        return max(_SILENT_DB, _quantile(known, 0.1))


def _quantile(values: Levels, share: float) -> float:
    """Return the value that ``share`` of ``values`` are below; a tenth of the time of numpy's percentile."""
    at = int(share * (len(values) - 1))
    return float(np.partition(values, at)[at])


def level_db(frames: NDArray[np.float32]) -> Levels:
    """Return the RMS level of each row in dBFS."""
    return np.asarray(10 * np.log10(np.mean(frames**2, axis=-1) + 1e-9), np.float32)


class _Delay:
    """Seeks the delay at which ``own`` repeats ``other``."""

    def __init__(self) -> None:
        self._spectrum = np.zeros(BLOCK + 1, np.complex128)
        self._blocks = 0

    def add(self, own: Pcm, other: Pcm) -> None:
        """Count a block: the last BLOCK samples of one channel against the last 2 * BLOCK of the other."""
        whole = np.zeros(2 * BLOCK, np.float32)
        whole[BLOCK:] = own
        cross = np.fft.rfft(whole) * np.conj(np.fft.rfft(other))
        self._spectrum = DECAY * self._spectrum + cross / (np.abs(cross) + 1e-12)
        self._blocks += 1

    def best(self) -> tuple[int, float]:
        """Return the delay in samples at 8 kHz, and how far its peak stands out."""
        if self._blocks < LEAST_BLOCKS:
            return 0, 0.0
        correlation = np.fft.irfft(self._spectrum)[: LONGEST_DELAY + 1]
        at = int(np.argmax(correlation))
        return at, float(correlation[at] / (np.std(correlation) + 1e-12))


class Crosstalk:
    """Watches the two channels of one call."""

    def __init__(self) -> None:
        self._envelopes = (_Envelope(), _Envelope())
        self._narrow = [np.zeros(2 * BLOCK, np.float32), np.zeros(2 * BLOCK, np.float32)]
        self._heard = [0, 0]
        self._delays = (_Delay(), _Delay())
        self._next = 2 * BLOCK
        self._paths: list[EchoPath | None] = [None, None]
        self._copies = CopyWatch()

    def hear(self, channel: int, pcm: Pcm) -> Pcm:
        """Take audio of ``channel`` (0 or 1), in order; return it with echo of the other channel silenced."""
        envelope = self._envelopes[channel]
        first, start = envelope.count, self._heard[channel]
        envelope.push(pcm)
        self._remember(channel, pcm)
        path = self._paths[channel]
        if path is None or envelope.count == first:
            return pcm
        echo = self._is_echo(channel, first, envelope.count, path)
        if not echo.any():
            return pcm
        frame = np.clip(np.arange(start, start + len(pcm)) // FRAME - first, 0, len(echo) - 1)
        return np.where(echo[frame], np.float32(0), pcm)

    def path(self, channel: int) -> EchoPath | None:
        """Return how ``channel`` hears the other one; None where no echo was found."""
        return self._paths[channel]

    def echo_share(self, channel: int, start: int, end: int) -> float:
        """Return how much of what is loud between two samples is echo, in [0, 1]."""
        self._paths[channel] = path = self._search(channel) or self._paths[channel]
        if path is None:
            return 0.0
        first, last = start // FRAME, max(start // FRAME + 1, end // FRAME)
        levels = self._envelopes[channel].at(first, last)
        loud = levels > self._envelopes[channel].floor() + ACTIVE_DB / 2
        return float(self._is_echo(channel, first, last, path)[loud].mean()) if loud.any() else 0.0

    def identical(self, seconds: float = 15.0, least_s: float = 4.0) -> bool | None:
        """Tell whether both channels carried the same lately; None if too little was said to tell.

        Args:
            seconds: to look back.
            least_s: of speech in them without which nothing is told.
        """
        return self._copies.are_same(min(self._heard) / SAMPLE_RATE, seconds=seconds, least_s=least_s)

    def _compare(self, ends: list[int]) -> None:
        """Note how alike the channels were for half a second, if somebody spoke."""
        frames = PIECE * 2 // FRAME
        known = self._next * 2 // FRAME
        levels = [envelope.at(known - frames, known) for envelope in self._envelopes]
        above_db = max(
            _quantile(level, 0.8) - envelope.floor(every=8)
            for level, envelope in zip(levels, self._envelopes, strict=True)
        )
        if above_db < SPEECH_DB:
            return
        shapes = [envelope.at(known - SHAPE_FRAMES, known) for envelope in self._envelopes]
        found = UNLIKE
        if envelopes_alike(shapes[0], shapes[1]):
            found = likeness(*(self._narrow[c][ends[c] - PIECE : ends[c]] for c in (0, 1)))
        self._copies.note(self._next * 2 / SAMPLE_RATE, found, above_db)

    def _remember(self, channel: int, pcm: Pcm) -> None:
        """Keep two blocks at 8 kHz; look for echo whenever both channels have half a block more."""
        start = self._heard[channel]
        for at in range(0, len(pcm), 2 * HOP):
            piece = pcm[at : at + 2 * HOP]
            narrow = piece[(start + at) % 2 :: 2]  # a telephone carries nothing above 4 kHz that could fold
            self._narrow[channel] = np.concatenate([self._narrow[channel], narrow])[-6 * BLOCK :]
        self._heard[channel] = start + len(pcm)
        while min(self._heard) // 2 >= self._next:
            ends = [len(self._narrow[c]) - (-(-self._heard[c] // 2) - self._next) for c in (0, 1)]
            if min(ends) >= 2 * BLOCK:
                for own in (0, 1):
                    self._delays[own].add(
                        self._narrow[own][ends[own] - BLOCK : ends[own]],
                        self._narrow[1 - own][ends[1 - own] - 2 * BLOCK : ends[1 - own]],
                    )
                    self._paths[own] = self._search(own) or self._faded(own)
                self._compare(ends)
            self._next += HOP

    def _faded(self, channel: int) -> EchoPath | None:
        """Return the path that was known, unless its echo has been gone for a while."""
        _delay, peak = self._delays[channel].best()
        return self._paths[channel] if peak >= GONE_PEAK else None

    def _search(self, channel: int) -> EchoPath | None:
        """Return the echo path as it looks now."""
        delay, peak = self._delays[channel].best()
        if peak < LEAST_PEAK:
            return None
        own, other = self._envelopes[channel], self._envelopes[1 - channel]
        frames = round(2 * delay / FRAME)
        last = own.count
        first = max(0, last - HISTORY // 2)
        heard, source = own.at(first, last), other.at(first - frames, last - frames)
        speaking = source > other.floor() + ACTIVE_DB
        if speaking.sum() < LEAST_FRAMES:
            return None
        gain = float(
            np.percentile(heard[speaking] - source[speaking], 40)
        )  # below the middle: some talk at once
        most = -SOFTER_DB if 2 * delay < _AT_ONCE else LOUDER_DB
        return EchoPath(delay=2 * delay, gain_db=gain, peak=peak) if gain <= most else None

    def _is_echo(self, channel: int, first: int, last: int, path: EchoPath) -> NDArray[np.bool_]:
        own, other = self._envelopes[channel], self._envelopes[1 - channel]
        delay = path.delay // FRAME
        around = np.stack([other.at(first - delay + d, last - delay + d) for d in (-2, -1, 0, 1, 2)]).max(
            axis=0
        )
        spoken = around > other.floor() + ACTIVE_DB / 2
        return np.asarray(spoken & (own.at(first, last) < around + path.gain_db + MARGIN_DB))
