"""Keeps the sound of a call, beside the other stages. On failure the call goes on, and says so."""

from __future__ import annotations

import numpy as np
import structlog

from pipeline.audio.codecs import mulaw_encoded
from pipeline.calls.commands import CommandMessage
from pipeline.calls.info import SAMPLE_RATE
from pipeline.record.recorder import CallRecorder
from pipeline.redaction.guard import CallGuard
from pipeline.redaction.holding import Pcm
from pipeline.redaction.recording import GuardedSound
from pipeline.stages.context import CallContext, ChannelProgress
from pipeline.stages.inboxes import Inbox
from pipeline.stages.items import AudioBlock, Close
from pipeline.stages.transcribe.machine import KEEP_SAMPLES

PIECE = 2 * SAMPLE_RATE
"""Samples that are kept at once, at least."""
BEHIND = KEEP_SAMPLES
"""Samples that are held although their words are final: what is said next may tell more of them."""
FAILED = "RECORDING_FAILED"

_log = structlog.get_logger(__name__)


class _Channel:
    """One channel: what came in, and how far it is kept, in samples at 16 kHz."""

    def __init__(self, sound: GuardedSound) -> None:
        self.sound = sound
        self.kept = 0


class RecordingStage:
    """Runs the stage for one call.

    Args:
        context: of the call.
        guard: knows what of it must not be heard.
        recorder: takes what may be heard.
    """

    def __init__(self, context: CallContext, guard: CallGuard, recorder: CallRecorder) -> None:
        self._context, self._recorder = context, recorder
        self._step = SAMPLE_RATE // recorder.rate
        self._channels = [
            _Channel(_guarded(index, progress, guard, with_cut=recorder.keeping.with_original))
            for index, progress in enumerate(context.progress.channels)
        ]

    async def run(self, inbox: Inbox) -> None:
        """Work until every channel is closed."""
        left = len(self._channels)
        try:
            while left:
                index, lost, item = await inbox.get()
                channel = self._channels[index]
                if lost:  # positions must stay right
                    self._keep(index, channel.sound.hear(np.zeros(lost, np.float32)))
                if isinstance(item, AudioBlock):
                    self._keep(index, channel.sound.hear(item.pcm))
                elif isinstance(item, Close):
                    self._keep(index, channel.sound.finish())
                    left -= 1
                elif isinstance(item, CommandMessage):
                    self._keep_now()
                    item.answer()
        except Exception as error:  # noqa: BLE001 (keeping sound never breaks the call)
            self._context.metrics.failures.labels("recording").inc()
            _log.error("recording failed", call=self._context.spec.call_id, error=type(error).__name__)
            self._context.output.warn(FAILED, "the call goes on; its sound is kept no further")
        finally:
            self._context.metrics.dropped.labels("recording").inc(inbox.dropped)

    def _keep_now(self) -> None:
        for index, progress in enumerate(self._context.progress.channels):
            self._keep(index, self._channels[index].sound.settle(progress.safe))

    def _keep(self, index: int, blocks: list[Pcm]) -> None:
        """Hand sound on; of a telephone's every other sample: the one between was made by the resampler."""
        if not blocks:
            return
        channel, step = self._channels[index], self._step
        pcm = np.concatenate(blocks)
        first = -(-channel.kept // step)
        skipped = first * step - channel.kept
        channel.kept += len(pcm)
        data = mulaw_encoded(pcm[skipped::step])
        if data:
            self._recorder.hear(index, first, data, channel.kept)
        for start, cut in channel.sound.cut():
            at = -(-start // step)
            self._recorder.hear_cut(index, at, mulaw_encoded(cut[at * step - start :: step]))


def _guarded(index: int, progress: ChannelProgress, guard: CallGuard, *, with_cut: bool) -> GuardedSound:
    def safe() -> int:
        return min(progress.safe, progress.transcribed - BEHIND)

    return GuardedSound(index, guard, safe, PIECE, with_cut=with_cut)
