"""What the stages of one call share: facts that do not change, and parts of which each has one writer."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from cantonese.personal import Category
from diarization import ChannelRoles
from pipeline.calls.controls import CallControls, History
from pipeline.calls.events import CallEvent, WarningEvent
from pipeline.calls.info import SAMPLE_RATE, CallSpec, InForce
from pipeline.calls.log import CallLog
from pipeline.config import LimitSettings, ProfileSettings
from pipeline.metrics import Metrics
from pipeline.tracing import NO_TRACE, CallTrace

MAX_HOTWORDS = 100
WARNINGS_PER_CODE = 3
"""Warnings of one kind in one call; further ones are left out: no broken sender floods the log."""


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


@dataclass(slots=True)
class ChannelProgress:
    """How far one channel is; positions in samples at 16 kHz.

    Attributes:
        received: taken from the client; written by ingest.
        arrivals: when; written by ingest.
        transcribed: worked on by the transcribing stage, which writes it.
        safe: everything said before is in finals that were told. Written by that stage too.
        due: end of the speech whose final is being waited for; None if none is. Written by that stage too.
    """

    received: int = 0
    arrivals: ArrivalClock = field(default_factory=ArrivalClock)
    transcribed: int = 0
    safe: int = 0
    due: int | None = None

    @property
    def lag(self) -> int:
        """Samples that came since the oldest speech whose final is due, or that nobody has looked at."""
        return max(0, self.received - (self.transcribed if self.due is None else self.due))


@dataclass(slots=True)
class CallTotals:
    """What a call has come to; written by the transcribing stage.

    Attributes:
        speech: samples of speech, over channels.
        utterances: finals with text.
        dropped_partials: partials left out to keep finals in time.
    """

    speech: int = 0
    utterances: int = 0
    dropped_partials: int = 0


class CallProgress:
    """How far a call is.

    Args:
        channels: of the call.

    Attributes:
        channels: by index.
        totals: so far.
        gap_end: position behind the last audio that nobody sent; written by ingest.
    """

    def __init__(self, channels: int) -> None:
        self.channels = tuple(ChannelProgress() for _ in range(channels))
        self.totals = CallTotals()
        self.gap_end = 0

    @property
    def received(self) -> int:
        """Samples at 16 kHz taken on the channel that is furthest behind."""
        return min(channel.received for channel in self.channels)

    @property
    def acked(self) -> int:
        """Samples at 16 kHz that a client need not keep: everything said in them is in finals."""
        return min(channel.safe for channel in self.channels)

    @property
    def lag(self) -> int:
        """Samples that came since the oldest speech whose final is still due, on the worst channel."""
        return max(channel.lag for channel in self.channels)


class CallOutput:
    """Where stages say what they found.

    Args:
        log: of the call.
        progress: of the call.
    """

    def __init__(self, log: CallLog, progress: CallProgress) -> None:
        self._log = log
        self._progress = progress
        self._told_acked = 0
        self._warned: Counter[str] = Counter()

    @property
    def acked(self) -> int:
        """Samples that are safe for a client that has every event told so far."""
        if self._log.all_told:
            self._told_acked = self._progress.acked
        return self._told_acked

    def emit(self, event: CallEvent) -> None:
        """Publish an event to everyone who follows the call."""
        self._log.append(event, self._progress.acked)

    def warn(self, code: str, message: str) -> None:
        """Tell the client, a few times for each code."""
        self._warned[code] += 1
        if self._warned[code] <= WARNINGS_PER_CODE:
            self.emit(WarningEvent(code=code, message=message))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """What every stage of a call is given.

    Attributes:
        spec: how the call began.
        profile: settings that it chose.
        limits: of the server.
        metrics: where to count.
        output: where to say what was found.
        progress: how far the call is.
        controls: what is in force at each sample; written by ingest.
        trace: spans of the call.
        roles: who is on each channel; changed by ingest at the client's wish, by the speakers' stage on
            evidence.
    """

    spec: CallSpec
    profile: ProfileSettings
    limits: LimitSettings
    metrics: Metrics
    output: CallOutput
    progress: CallProgress
    controls: CallControls
    roles: ChannelRoles
    trace: CallTrace = NO_TRACE

    def in_force(self, at: int) -> InForce:
        """Return what the controls have come to at a sample."""
        controls, roles = self.controls, self.roles
        hidden = controls.sensitive.at(at)
        return InForce(
            language=controls.language.at(at),
            hotwords=controls.hotwords.at(at),
            roles=tuple(roles.of(channel, at) for channel in range(roles.count)),
            paused=controls.paused.at(at),
            sensitive=None if hidden is None else hidden.value,
        )

    @classmethod
    def begin(
        cls,
        spec: CallSpec,
        profile: ProfileSettings,
        limits: LimitSettings,
        metrics: Metrics,
        log: CallLog,
        trace: CallTrace = NO_TRACE,
    ) -> CallContext:
        """Return the context of a call that begins."""
        progress = CallProgress(len(spec.roles))
        now = spec.part.in_force if spec.part is not None else None
        hidden = now.sensitive if now is not None else None
        controls = CallControls(
            language=History(now.language if now else spec.language or profile.language),
            hotwords=History(now.hotwords if now else merged_hotwords(spec.hotwords, profile)),
            paused=History(now.paused if now else False),
            sensitive=History[Category | None](None if hidden is None else Category(hidden)),
        )
        return cls(
            spec=spec,
            profile=profile,
            limits=limits,
            metrics=metrics,
            output=CallOutput(log, progress),
            progress=progress,
            controls=controls,
            roles=ChannelRoles(now.roles if now else spec.roles),
            trace=trace,
        )


def merged_hotwords(words: tuple[str, ...], profile: ProfileSettings) -> tuple[str, ...]:
    """Return a call's hotwords followed by its profile's."""
    return tuple(dict.fromkeys([*words, *profile.hotwords]))[:MAX_HOTWORDS]


def overload_lag(limits: LimitSettings) -> int:
    """Return the samples of lag from which a call counts as overloaded."""
    return int(limits.overload_lag_s * SAMPLE_RATE)
