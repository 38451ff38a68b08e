"""What the stages of one call share."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from diarization import ChannelRoles
from pipeline.audio.timeline import Timeline
from pipeline.bus import EventLog
from pipeline.config import LimitSettings, ProfileSettings
from pipeline.events import SAMPLE_RATE, CallEvent, CallSpec, HealthReport, WarningEvent
from pipeline.metrics import Metrics
from pipeline.pool import AsrScheduler
from pipeline.stages.voices import VoiceBoard

MAX_HOTWORDS = 100
WARNINGS_PER_CODE = 3
"""Of one kind in one call; further ones are only counted, so that a broken sender cannot flood the log."""


class EchoWatch(Protocol):
    """What the stages ask about channels that hear each other."""

    @property
    def identical(self) -> bool:
        """Whether both channels carry the same."""
        ...

    def hear(self, channel: int, pcm: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take audio of a channel, in order; return what is to be heard of it."""
        ...

    def is_echo(self, channel: int, start: int, end: int) -> bool:
        """Tell whether an utterance is the other channel's, heard again."""
        ...


class ArrivalClock:
    """When each sample of a channel arrived, for latency metrics.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._positions: deque[int] = deque(maxlen=2048)
        self._times: deque[float] = deque(maxlen=2048)

    def note(self, position: int, at: float | None = None) -> None:
        """Audio up to ``position`` (samples at 16 kHz) is here, since ``at`` if that is known."""
        self._positions.append(position)
        self._times.append(at or self._clock())

    def since(self, position: int) -> float | None:
        """Return seconds since the sample before ``position`` arrived; None if that is too long ago."""
        index = bisect_left(self._positions, position)
        if index >= len(self._positions) or (index == 0 and len(self._positions) == self._positions.maxlen):
            return None
        return self._clock() - self._times[index]


class CallContext:
    """State of one call that more than one stage needs; for one event loop.

    Args:
        spec: the validated StartCall.
        profile: settings that the call chose.
        limits: of the server.
        scheduler: the recogniser.
        metrics: where to count.
    """

    def __init__(
        self,
        spec: CallSpec,
        profile: ProfileSettings,
        limits: LimitSettings,
        scheduler: AsrScheduler,
        metrics: Metrics,
    ) -> None:
        self.spec = spec
        self.profile = profile
        self.limits = limits
        self.scheduler = scheduler
        self.metrics = metrics
        self.log = EventLog(spec.call_id)
        longest = int(limits.max_call_s * spec.sample_rate)
        self.timelines = [Timeline(spec.sample_rate, longest) for _ in spec.roles]
        self.arrivals = [ArrivalClock() for _ in spec.roles]
        self.transcribed = [0 for _ in spec.roles]
        self.roles = ChannelRoles(spec.roles)
        self.roles_told = False  # the client has swapped them itself: it knows better than we
        self.voices = VoiceBoard()
        self.watch: EchoWatch | None = None
        self.language = spec.language or profile.language
        self.hotwords = self.merged_hotwords(spec.hotwords)
        self.paused = False
        self.wants_states = False
        self.gap_end = 0  # behind the last missing audio: what nobody sent is no dead air
        self.speech = 0
        self.utterances = 0
        self.dropped_partials = 0
        self._warned: Counter[str] = Counter()

    def merged_hotwords(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """Return the call's hotwords followed by the profile's."""
        return tuple(dict.fromkeys([*words, *self.profile.hotwords]))[:MAX_HOTWORDS]

    @property
    def acked(self) -> int:
        """Samples at 16 kHz taken on the channel that is furthest behind."""
        return min(timeline.position for timeline in self.timelines)

    @property
    def lag(self) -> int:
        """Samples received and not yet worked on, on the worst channel."""
        return max(
            timeline.position - done for timeline, done in zip(self.timelines, self.transcribed, strict=True)
        )

    def emit(self, event: CallEvent) -> None:
        """Publish an event to everyone who follows the call."""
        self.log.publish(event, self.acked)

    def warn(self, code: str, message: str) -> None:
        """Tell the client, a few times for each code."""
        self._warned[code] += 1
        if self._warned[code] <= WARNINGS_PER_CODE:
            self.emit(WarningEvent(code=code, message=message))

    def report_health(self) -> None:
        """Publish how the server keeps up."""
        lag = max(0, self.lag)
        self.emit(
            HealthReport(
                lag=lag,
                load=self.scheduler.load(),
                dropped_partials=self.dropped_partials,
                overloaded=lag > self.limits.overload_lag_s * SAMPLE_RATE,
            )
        )
