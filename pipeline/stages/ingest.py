"""First stage: messages in, gapless 16 kHz audio of each channel out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.audio.codecs import BYTES_PER_SAMPLE, decode, split_channels
from pipeline.errors import InvalidRequest
from pipeline.events import (
    SAMPLE_RATE,
    AudioChunk,
    ClientMessage,
    Dtmf,
    EndCall,
    Finalize,
    Mark,
    MarkKind,
    Pause,
    Ping,
    Resume,
    UpdateConfig,
)
from pipeline.mailbox import Mailbox
from pipeline.pulse import Pulse
from pipeline.stages.context import CallContext
from pipeline.stages.joining import joined

Pcm = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AudioBlock:
    """Audio of one channel, float32 at 16 kHz; blocks follow each other without gaps."""

    pcm: Pcm


@dataclass(frozen=True, slots=True, kw_only=True)
class Flush:
    """Close the open utterance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Nothing follows."""


ChannelItem = AudioBlock | Flush | Close
# Bounded: when full, ingest waits, the mailbox fills, and the client is held back by gRPC flow control.
ChannelQueue = asyncio.Queue[ChannelItem]


class Ingest:
    """Runs the stage for one call.

    Args:
        context: of the call.
        channels: where each channel's audio goes.
        pulse: when to look at what has come.
    """

    def __init__(self, context: CallContext, channels: Sequence[ChannelQueue], pulse: Pulse) -> None:
        self._pulse = pulse
        self._context = context
        self._channels = channels
        self._next_health = 0

    async def run(self, mailbox: Mailbox[ClientMessage]) -> EndCall:
        """Work until the call ends; return why it did.

        Raises:
            InvalidRequest: the client broke the protocol.
            CallTooLong: the longest call was reached.
        """
        while True:
            await mailbox.filled()
            if not mailbox.full:
                await self._pulse.next()
            longest = self._context.limits.max_chunk_bytes
            for message in joined(mailbox.take(), self._expected, self._length_ms, longest):
                if isinstance(message, EndCall):
                    await self._close()
                    return message
                if isinstance(message, AudioChunk):
                    await self._audio(message)
                else:
                    await self._control(message)

    def _expected(self, channel: int | None) -> int | None:
        """Return the number of the message that should come next; None if there is no such channel."""
        known = 0 <= (channel or 0) < len(self._channels)
        return self._context.timelines[channel or 0].next_sequence if known else None

    def _length_ms(self, chunk: AudioChunk) -> float | None:
        """Return the length of a message's audio; None when it is not whole samples."""
        spec = self._context.spec
        size = BYTES_PER_SAMPLE[spec.codec] * (len(self._channels) if chunk.channel is None else 1)
        return None if len(chunk.data) % size else len(chunk.data) / size * 1000 / spec.sample_rate

    async def _audio(self, chunk: AudioChunk) -> None:
        context = self._context
        samples = decode(chunk.data, context.spec.codec)
        if chunk.channel is None:
            parts = dict(enumerate(split_channels(samples, len(self._channels))))
        elif 0 <= chunk.channel < len(self._channels):
            parts = {chunk.channel: samples}
        else:
            raise InvalidRequest(f"no channel {chunk.channel}; the call has {len(self._channels)}")
        for index, (channel, part) in enumerate(parts.items()):
            await self._place(channel, part, chunk, report=index == 0)
        if context.acked >= self._next_health:
            self._next_health = context.acked + int(context.limits.health_interval_s * SAMPLE_RATE)
            context.report_health()

    async def _place(self, channel: int, samples: Pcm, chunk: AudioChunk, *, report: bool) -> None:
        """Put one channel's samples where they belong; ``report`` once for interleaved channels."""
        context = self._context
        timeline = context.timelines[channel]
        before = timeline.position
        placed = timeline.place(chunk.sequence, len(samples), chunk.offset_ms, chunk.count)
        if placed.late and report:
            context.warn("LATE_AUDIO", "audio out of order or sent twice was left out")
        if placed.missing and report:
            self._gap(before, placed.missing, lost=placed.jumped > 0)
        heard = np.zeros_like(samples) if context.paused else samples
        for pcm in timeline.audio(heard, placed):
            await self._send(channel, pcm)
        context.arrivals[channel].note(timeline.position, chunk.arrived)
        context.metrics.audio.inc((timeline.position - before) / SAMPLE_RATE)

    def _gap(self, at: int, missing: int, *, lost: bool) -> None:
        context = self._context
        duration = missing * SAMPLE_RATE // context.spec.sample_rate
        context.metrics.gaps.inc(duration / SAMPLE_RATE)
        context.gap_end = max(context.gap_end, at + duration)
        context.emit(Mark(kind=MarkKind.GAP, at=at, duration=duration))
        if lost:
            context.warn("LOST_AUDIO", "messages are missing; their time counts as silence")

    async def _send(self, channel: int, pcm: Pcm) -> None:
        if not len(pcm):
            return
        watch = self._context.watch
        heard = pcm if watch is None else watch.hear(channel, pcm)
        await self._channels[channel].put(AudioBlock(pcm=heard))

    async def _control(self, message: ClientMessage) -> None:
        context = self._context
        match message:
            case Pause(reason=reason):
                await self._flush(None)
                context.paused = True
                context.emit(Mark(kind=MarkKind.PAUSE, at=context.acked, reason=reason))
            case Resume():
                context.paused = False
                context.emit(Mark(kind=MarkKind.RESUME, at=context.acked))
            case Dtmf():
                context.emit(Mark(kind=MarkKind.DTMF, at=context.acked))
            case Finalize(channel=channel):
                await self._flush(channel)
            case UpdateConfig():
                self._update(message)
            case Ping():
                context.report_health()

    def _update(self, update: UpdateConfig) -> None:
        context = self._context
        if update.language is not None:
            context.language = update.language
        if update.hotwords is not None:
            context.hotwords = context.merged_hotwords(update.hotwords)
        if update.swap_roles:
            context.roles.swap()
            context.roles_told = True

    async def _flush(self, channel: int | None) -> None:
        if channel is not None and not 0 <= channel < len(self._channels):
            raise InvalidRequest(f"no channel {channel}; the call has {len(self._channels)}")
        for index, queue in enumerate(self._channels):
            if channel in {None, index}:
                await queue.put(Flush())

    async def _close(self) -> None:
        for index, queue in enumerate(self._channels):
            await self._send(index, self._context.timelines[index].flush())
            await queue.put(Flush())
            await queue.put(Close())
