"""First stage: messages in, gapless 16 kHz audio of each channel out, controls at their sample. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from pipeline.audio.codecs import BYTES_PER_SAMPLE, Blocks
from pipeline.audio.suspect import CodingWatch
from pipeline.audio.timeline import Placed, Timeline
from pipeline.calls.events import Mark, MarkKind
from pipeline.calls.info import SAMPLE_RATE, CallSpec
from pipeline.calls.messages import AudioChunk, Dtmf, Pause, Resume, Sensitive, UpdateConfig
from pipeline.errors import InvalidRequest
from pipeline.stages.context import CallContext, merged_hotwords
from pipeline.stages.crosstalk import EchoWatch

Pcm = NDArray[np.float32]
SETTLED_S = 2.0
"""Silence of a gap after which every utterance is closed: the rest of the gap is not listened to."""
LONGEST_GAP_S = 600.0
"""Audio that may be missing at once, outside a hold: more is a mistake, or an attack, not a bad line."""
MAX_PIECE = 8192
"""Samples (0.5 s) of one piece: an event follows its audio within this, however large messages are."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """Audio of a channel.

    Attributes:
        channel: from 0.
        pcm: float32 at 16 kHz, shape (n,), n <= MAX_PIECE.
        absent: it was never sent, and all around it is silent: nobody need look for speech in it.
    """

    channel: int
    pcm: Pcm
    absent: bool = False


class Ingest:
    """Places a call's audio on its time line and notes what is in force from where.

    Args:
        context: of the call.
        echo: silences what a channel repeats of the other one.
    """

    def __init__(self, context: CallContext, echo: EchoWatch) -> None:
        self._context = context
        self._audio = context.metrics.audio.labels(context.metrics.company(context.spec.info.tenant))
        self._echo = echo
        self._held: set[int] = (
            set()
        )  # channels that may be silent for long: of them nothing came since a Pause
        longest = int(context.limits.max_call_s * context.spec.sample_rate)
        self._coding = CodingWatch(context.spec.codec, context.spec.sample_rate)
        self._repeated = _repeated(context.spec)  # samples still to be silenced, by channel
        self._timelines = [Timeline(context.spec.sample_rate, longest) for _ in context.spec.roles]

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self._timelines)

    @property
    def position(self) -> int:
        """Samples at 16 kHz on the channel that is furthest."""
        return max(timeline.position for timeline in self._timelines)

    @property
    def gap(self) -> int:
        """Samples at 16 kHz that were missing and count as silence."""
        missing = max(timeline.gap_samples for timeline in self._timelines)
        return missing * SAMPLE_RATE // self._context.spec.sample_rate

    def expected(self, channel: int | None) -> int | None:
        """Return the number of the message that should come next; None if there is no such channel."""
        known = 0 <= (channel or 0) < self.channels
        return self._timelines[channel or 0].next_sequence if known else None

    def length_ms(self, chunk: AudioChunk) -> float | None:
        """Return the length of a message's audio; None when it is not whole samples."""
        spec = self._context.spec
        size = BYTES_PER_SAMPLE[spec.codec] * (self.channels if chunk.channel is None else 1)
        return None if len(chunk.data) % size else len(chunk.data) / size * 1000 / spec.sample_rate

    def reconnect(self) -> None:
        """Accept any sequence number next: the client has a new stream."""
        for timeline in self._timelines:
            timeline.reconnect()

    # ---------------------------------------------------------------- audio

    def audio(self, chunk: AudioChunk) -> Iterator[list[Piece]]:
        """Take a message of audio; yield what is to be heard, the channels' pieces side by side.

        Raises:
            InvalidRequest: the client broke the protocol.
            CallTooLong: the longest call was reached.
        """
        if chunk.channel is not None:
            self.check_channel(chunk.channel)
        channels = range(self.channels) if chunk.channel is None else (chunk.channel,)
        blocks = Blocks(chunk.data, self._context.spec.codec, len(channels))
        self._look_at(chunk, blocks, len(channels))
        placed = [
            self._place(channel, blocks.frames, chunk, report=index == 0)
            for index, channel in enumerate(channels)
        ]
        gaps = [
            _gap(channel, self._timelines[channel].gap(place))
            for channel, place in zip(channels, placed, strict=True)
        ]
        yield from self._side_by_side(gaps)
        for first, parts in blocks:
            came = zip(channels, parts, placed, strict=True)
            yield from self._side_by_side(
                [self._came(channel, part, first, place) for channel, part, place in came]
            )

    def _look_at(self, chunk: AudioChunk, blocks: Blocks, channels: int) -> None:
        """Tell the client where its audio is not coded as it said."""
        if blocks.had_zeros:
            self._context.output.warn(
                "AUDIO_SUSPECT",
                "silence comes as bytes of 0, which is a loud buzz in G.711; it is taken for silence",
            )
        if self._coding.done or self._context.controls.paused.now:
            return
        looks_like = self._coding.look(chunk.data, channels)
        if looks_like is not None:
            self._context.output.warn("AUDIO_SUSPECT", f"the audio looks like {looks_like}")

    def _side_by_side(self, channels: list[Iterator[Piece]]) -> Iterator[list[Piece]]:
        for row in zip_longest(*channels):
            yield [self._heard(piece) for piece in row if piece is not None]

    def _heard(self, piece: Piece) -> Piece:
        if self._repeated[piece.channel]:
            piece = self._silenced(piece)
        return replace(piece, pcm=self._echo.hear(piece.channel, piece.pcm))

    def _silenced(self, piece: Piece) -> Piece:
        """Take away what is in finals of the call that this one goes on with."""
        known = min(self._repeated[piece.channel], len(piece.pcm))
        self._repeated[piece.channel] -= known
        pcm = piece.pcm.copy()
        pcm[:known] = 0
        return replace(piece, pcm=pcm)

    def _place(self, channel: int, size: int, chunk: AudioChunk, *, report: bool) -> Placed:
        """Decide where one channel's samples belong; ``report`` once for interleaved channels."""
        context, timeline = self._context, self._timelines[channel]
        before = timeline.position
        longest = context.limits.hold_timeout_s if channel in self._held else 0.0
        placed = timeline.place(
            chunk.sequence, size, chunk.offset_ms, chunk.count, max(LONGEST_GAP_S, longest)
        )
        if not context.controls.paused.now:
            self._held.discard(channel)
        if report:
            self._report(placed, before)
        progress = context.progress.channels[channel]
        progress.received = timeline.position
        progress.arrivals.note(timeline.position, chunk.arrived)
        self._audio.inc((timeline.position - before) / SAMPLE_RATE)
        return placed

    def _came(self, channel: int, samples: Pcm, first: int, placed: Placed) -> Iterator[Piece]:
        """Yield what is to be heard of a placed message's block, its samples from ``first`` on."""
        if placed.late:
            return iter(())
        new = samples[max(0, placed.skip - first) :]
        heard = np.zeros_like(new) if self._context.controls.paused.now else new
        return _pieces(channel, [self._timelines[channel].accept(heard)])

    def _report(self, placed: Placed, at: int) -> None:
        """Tell the client what is wrong with how its audio came."""
        context = self._context
        if placed.late:
            context.output.warn("LATE_AUDIO", "audio out of order or sent twice was left out")
        if not placed.missing:
            return
        duration = placed.missing * SAMPLE_RATE // context.spec.sample_rate
        context.metrics.gaps.inc(duration / SAMPLE_RATE)
        context.progress.gap_end = max(context.progress.gap_end, at + duration)
        context.output.emit(Mark(kind=MarkKind.GAP, at=at, duration=duration))
        if placed.jumped:
            context.output.warn("LOST_AUDIO", "messages are missing; their time counts as silence")

    def rest(self) -> Iterator[Piece]:
        """Yield what the resamplers still hold, at the end of the call."""
        for channel, timeline in enumerate(self._timelines):
            yield from map(self._heard, _pieces(channel, [timeline.flush()]))

    # ---------------------------------------------------------------- control

    def control(self, message: Pause | Resume | Sensitive | Dtmf | UpdateConfig) -> int:
        """Note a control; return the sample from which it is in force."""
        context, at = self._context, self._context.progress.received
        match message:
            case Pause(reason=reason):
                self._held = set(range(self.channels))
                context.controls.paused.change(at, True)
                context.output.emit(Mark(kind=MarkKind.PAUSE, at=at, reason=reason))
            case Resume():
                context.controls.paused.change(at, False)
                context.output.emit(Mark(kind=MarkKind.RESUME, at=at))
            case Dtmf():
                context.output.emit(Mark(kind=MarkKind.DTMF, at=at))
            case Sensitive(category=category):
                context.controls.sensitive.change(at, category)
            case UpdateConfig():
                self._update(message, at)
        return at

    def _update(self, update: UpdateConfig, at: int) -> None:
        context = self._context
        if update.language is not None:
            context.controls.language.change(at, update.language)
        if update.hotwords is not None:
            context.controls.hotwords.change(at, merged_hotwords(update.hotwords, context.profile))
        if update.swap_roles:
            context.roles.exchange_from(at)

    def check_channel(self, channel: int) -> None:
        """Check a channel that a client named.

        Raises:
            InvalidRequest: the call has no such channel.
        """
        if not 0 <= channel < self.channels:
            raise InvalidRequest(f"no channel {channel}; the call has {self.channels}")


def _repeated(spec: CallSpec) -> list[int]:
    """Return by channel the samples at the beginning that are in finals of the part before."""
    if spec.part is not None and spec.part.said_until:
        known = spec.part.said_until
    else:
        said = spec.info.continues.said_until_ms if spec.info.continues else ()
        known = tuple(until * SAMPLE_RATE // 1000 for until in said)
    return [*known, *[0] * len(spec.roles)][: len(spec.roles)]


def _gap(channel: int, blocks: Iterable[Pcm]) -> Iterator[Piece]:
    """Yield silence that nobody sent; what comes when all has settled need not be listened to."""
    told = 0
    for piece in _pieces(channel, blocks):
        yield replace(piece, absent=told > SETTLED_S * SAMPLE_RATE)
        told += len(piece.pcm)


def _pieces(channel: int, blocks: Iterable[Pcm]) -> Iterator[Piece]:
    for pcm in blocks:
        for start in range(0, len(pcm), MAX_PIECE):
            yield Piece(channel=channel, pcm=pcm[start : start + MAX_PIECE])
