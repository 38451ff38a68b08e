"""Drives the first stages: messages of one call in, audio and endpoints out to all other stages.

One task a call does this at the beat of the server, for all channels: waking a task for each stage and
channel costs more than what is in a message of 20 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.audio.reorder import Reorder
from pipeline.calls.commands import CommandMessage, FinishCall, SetSensitive, SwapRoles
from pipeline.calls.events import HealthReport
from pipeline.calls.info import SAMPLE_RATE
from pipeline.calls.messages import (
    AudioChunk,
    CallMessage,
    ControlMessage,
    EndCall,
    Finalize,
    Pause,
    Ping,
    Reconnect,
    Sensitive,
    UpdateConfig,
)
from pipeline.errors import CallError
from pipeline.inference.detector import VadBatcher
from pipeline.inference.ticker import BatchTicker
from pipeline.stages.context import CallContext, overload_lag
from pipeline.stages.ingest import Ingest, Piece
from pipeline.stages.items import AudioBlock, ChannelItem, Close
from pipeline.stages.joining import join_audio
from pipeline.stages.mailbox import Mailbox
from vad import FRAME_SAMPLES, VadStream
from vad.endpointer import Endpointer


class ItemSink(Protocol):
    """The stage that a channel's items go to; it may ask to be given no more for a moment."""

    def take(self, item: ChannelItem) -> None:
        """Take the next item; never waits."""
        ...

    async def room(self) -> None:
        """Wait while too much audio is waiting to be worked on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEars:
    """One channel's way from audio to utterances.

    Attributes:
        stream: state of the voice detector.
        endpointer: cuts utterances.
        sink: the transcribing stage.
        tell: is told every item but the end of the channel; never waits.
    """

    stream: VadStream
    endpointer: Endpointer
    sink: ItemSink
    tell: Callable[[ChannelItem], None]

    def forward(self, items: Sequence[ChannelItem]) -> None:
        """Hand items on, in order."""
        for item in items:
            self.sink.take(item)
            self.tell(item)

    def heard(self, piece: Piece, probabilities: Sequence[float]) -> None:
        """Hand on a piece of audio and the events that became certain with it."""
        self.forward([AudioBlock(pcm=piece.pcm)])
        for probability in probabilities:
            self.forward(self.endpointer.accept(probability))


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingTools:
    """What the driver works with.

    Attributes:
        ticker: when to look at what has come.
        detector: the voice detector of the server.
        load: share of the recogniser's time in use, in [0, 1].
        command: takes the commands that are for later stages.
    """

    ticker: BatchTicker
    detector: VadBatcher
    load: Callable[[], float]
    command: Callable[[CommandMessage], None]


def passed_over(piece: Piece) -> int:
    """Return how many frames of a piece the voice detector is not shown, because nobody sent them."""
    return len(piece.pcm) // FRAME_SAMPLES if piece.absent else 0


class Hearing:
    """Runs the first stages of one call.

    Args:
        context: of the call.
        ingest: the first stage.
        ears: by channel.
        tools: of the server, and of the call.
    """

    def __init__(
        self, context: CallContext, ingest: Ingest, ears: Sequence[ChannelEars], tools: HearingTools
    ) -> None:
        self._context = context
        self._ingest = ingest
        self._ears = ears
        self._tools = tools
        self._reorder = Reorder()
        self._next_health = 0

    async def run(self, mailbox: Mailbox[CallMessage], failed: Callable[[CallError], None]) -> EndCall:
        """Work until the call ends; return why it did. What is still open is finished in any case.

        Args:
            mailbox: of the call.
            failed: is told what the client did wrong, which ends the call.
        """
        try:
            end = await self._until_end(mailbox)
        except CallError as error:
            failed(error)
            end = EndCall(reason=error.ended_reason)
        await self._finish()
        return end

    async def _until_end(self, mailbox: Mailbox[CallMessage]) -> EndCall:
        longest = self._context.limits.max_chunk_bytes
        while True:
            await mailbox.filled()
            if not mailbox.full:
                await self._tools.ticker.next()
            for message in self._in_order(mailbox.take(), longest):
                if isinstance(message, AudioChunk):
                    await self._hear(message)
                elif isinstance(message, EndCall):
                    return message
                elif (end := self._control(message)) is not None:
                    return end

    def _in_order(self, messages: list[CallMessage], longest: int) -> Iterator[CallMessage]:
        """Yield messages in the order of their numbers, runs of audio as one."""
        ingest = self._ingest
        return join_audio(
            self._reorder.take(messages, ingest.expected), ingest.expected, ingest.length_ms, longest
        )

    async def _hear(self, chunk: AudioChunk) -> None:
        for pieces in self._ingest.audio(chunk):
            await self._detect(pieces)
        if self._context.progress.received >= self._next_health:
            interval = int(self._context.limits.health_interval_s * SAMPLE_RATE)
            self._next_health = self._context.progress.received + interval
            self._report_health()

    async def _detect(self, pieces: Sequence[Piece]) -> None:
        """Find speech in the channels' pieces, in one run of the detector."""
        jobs = [(piece, passed_over(piece)) for piece in pieces]
        found = [
            self._tools.detector.submit(
                self._ears[piece.channel].stream, piece.pcm[skipped * FRAME_SAMPLES :]
            )
            for piece, skipped in jobs
        ]
        for (piece, skipped), job in zip(jobs, found, strict=True):
            probabilities = [0.0] * skipped + await job
            ears = self._ears[piece.channel]
            ears.heard(piece, probabilities)
            await ears.sink.room()

    # ---------------------------------------------------------------- control

    def _control(self, message: ControlMessage | Reconnect | CommandMessage) -> EndCall | None:
        match message:
            case Reconnect():
                self._ingest.reconnect()
                message.greet()
            case CommandMessage():
                return self._command(message)
            case Ping():
                self._report_health()
            case Finalize(channel=channel):
                self._flush(channel)
            case Pause():
                self._flush(None)
                self._ingest.control(message)
            case _:
                self._ingest.control(message)
        return None

    def _command(self, message: CommandMessage) -> EndCall | None:
        if isinstance(message.command, FinishCall):
            message.answer()
            return EndCall(reason=message.command.reason)
        match message.command:
            case SwapRoles():
                self._ingest.control(UpdateConfig(swap_roles=True))
                message.answer()
            case SetSensitive(category=category):
                message.answer(self._ingest.control(Sensitive(category=category)))
            case _:
                self._tools.command(message)
        return None

    def _flush(self, channel: int | None) -> None:
        if channel is not None:
            self._ingest.check_channel(channel)
        for index, ears in enumerate(self._ears):
            if channel in {None, index}:
                ears.forward(ears.endpointer.flush())

    async def _finish(self) -> None:
        """Close the open utterances, and all channels."""
        await self._detect(list(self._ingest.rest()))
        self._flush(None)
        for ears in self._ears:
            ears.sink.take(Close())

    def _report_health(self) -> None:
        """Publish how the server keeps up."""
        progress, lag = self._context.progress, self._context.progress.lag
        self._context.output.emit(
            HealthReport(
                lag=lag,
                load=self._tools.load(),
                dropped_partials=progress.totals.dropped_partials,
                overloaded=lag > overload_lag(self._context.limits),
                received=progress.received,
            )
        )
