"""Second stage: audio of one channel in, the same audio with utterance boundaries out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pipeline.stages.ingest import AudioBlock, ChannelItem, ChannelQueue, Close, Flush
from pipeline.vad_pool import VadPool
from vad import VadStream
from vad.segmenter import Segmenter, SegmentEvent

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
    detector: VadPool,
    tell: Callable[[SegmentItem], None],
) -> None:
    """Run the stage for one channel until it is closed.

    Args:
        inbox: from ingest.
        outbox: every block, followed by the events that became certain with it.
        vad: of this channel.
        segmenter: of this channel.
        detector: of the server.
        tell: is told everything that goes to ``outbox`` but its end, and never waits.
    """
    while True:
        item: ChannelItem = await inbox.get()
        if isinstance(item, AudioBlock):
            for start in range(0, len(item.pcm), MAX_BLOCK_SAMPLES):
                piece = item.pcm[start : start + MAX_BLOCK_SAMPLES]
                probabilities = await detector.accept(vad, piece)
                await _forward(outbox, [AudioBlock(pcm=piece)], tell)
                for probability in probabilities:
                    await _forward(outbox, segmenter.accept(probability), tell)
        elif isinstance(item, Flush):
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
