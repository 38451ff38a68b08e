"""Second stage: audio of one channel in, the same audio with utterance boundaries out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import numpy as np

from pipeline.stages.ingest import AudioBlock, ChannelItem, ChannelQueue, Close, Flush
from vad import VadStream
from vad.segmenter import Segmenter, SegmentEvent

MIN_BLOCK_SAMPLES = 1024
"""64 ms, two frames: smaller blocks are gathered, to visit the VAD thread less often."""

MAX_BLOCK_SAMPLES = 8192
"""0.5 s: an event follows the audio that it is about within this time, however large the messages are."""

SegmentItem = AudioBlock | SegmentEvent | Close
# Bounded: when full, the stage waits and holds the channel back; nothing is dropped.
SegmentQueue = asyncio.Queue[SegmentItem]


async def segment(
    inbox: ChannelQueue,
    outbox: SegmentQueue,
    vad: VadStream,
    segmenter: Segmenter,
    executor: Executor,
    tell: Callable[[SegmentItem], None],
) -> None:
    """Run the stage for one channel until it is closed.

    Args:
        inbox: from ingest.
        outbox: every block, followed by the events that became certain with it.
        vad: of this channel.
        segmenter: of this channel.
        executor: the VAD thread of the server.
        tell: is told everything that goes to ``outbox`` but its end, and never waits.
    """
    loop = asyncio.get_running_loop()
    gathered: list[AudioBlock] = []
    while True:
        item: ChannelItem = await inbox.get()
        if isinstance(item, AudioBlock):
            gathered.append(item)
            if sum(len(block.pcm) for block in gathered) < MIN_BLOCK_SAMPLES:
                continue
        if gathered:
            pcm = np.concatenate([block.pcm for block in gathered])
            gathered.clear()
            for start in range(0, len(pcm), MAX_BLOCK_SAMPLES):
                piece = pcm[start : start + MAX_BLOCK_SAMPLES]
                probabilities = await loop.run_in_executor(executor, vad.accept, piece)
                await _forward(outbox, [AudioBlock(pcm=piece)], tell)
                for probability in probabilities:
                    await _forward(outbox, segmenter.accept(probability), tell)
        if isinstance(item, Flush):
            await _forward(outbox, segmenter.flush(), tell)
        elif isinstance(item, Close):
            await outbox.put(item)
            return


async def _forward(
    outbox: SegmentQueue, items: Sequence[AudioBlock | SegmentEvent], tell: Callable[[SegmentItem], None]
) -> None:
    for item in items:
        await outbox.put(item)
        tell(item)
