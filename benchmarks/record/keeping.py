"""What keeping live calls costs the processor: holding sound back, cutting, coding, sealing, writing."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.record.archive_of import call_of, record_id, sentences, spoken
from pipeline.audio.codecs import mulaw_encoded
from pipeline.calls.controls import History
from pipeline.calls.info import SAMPLE_RATE
from pipeline.record.entries import EventEntry, SoundEntry
from pipeline.record.key_store import KeyStore
from pipeline.record.master_keys import new_line, parsed
from pipeline.record.stores import RecordStores
from pipeline.record.writer import RecordWriter
from pipeline.redaction.guard import CallGuard
from pipeline.redaction.holding import Pcm
from pipeline.redaction.recording import GuardedSound
from pipeline.sections.redaction import RedactionSettings
from pipeline.stages.recording import PIECE

CALL = Path(__file__).parents[2] / "pipeline" / "demo" / "call.wav"
BLOCK = SAMPLE_RATE // 50
"""Samples of a packet of 20 ms."""
EVENTS_A_SECOND = 3
BEHIND = SAMPLE_RATE
"""Samples behind the newest that are final: a second."""


def keeping(calls: int, seconds: int) -> dict[str, Any]:
    """Keep the bundled call (synthetic voices) many times at once, at its own pace; return what it cost."""
    with tempfile.TemporaryDirectory(prefix="yuetone-record-") as name:
        return asyncio.run(_kept(Path(name), calls, seconds))


async def _kept(folder: Path, calls: int, seconds: int) -> dict[str, Any]:
    keys = KeyStore(folder / "keys.db", parsed(new_line("benchmark"), "record.key"))
    stores = RecordStores(folder / "record", None)
    writer = RecordWriter(stores, keys, 500_000_000)
    live = [_Call(number, writer, seconds) for number in range(calls)]
    without = await _paced(live, seconds, lambda call, at: call.packets(at))
    with_it = await _paced(live, seconds, lambda call, at: call.keep(at))
    await asyncio.to_thread(writer.close)
    stores.close()
    keys.close()
    return {
        "audio": "synthetic: the bundled call, both channels",
        "calls": calls,
        "seconds": seconds,
        "cpu_ms_a_call_second": round((with_it - without) * 1000 / (calls * seconds), 3),
        "lost": writer.state.lost,
    }


async def _paced(live: list[_Call], seconds: int, work: Callable[[_Call, int], object]) -> float:
    """Let calls go on for a time, 20 ms by 20 ms; return the processor time that it took, s."""
    cpu, began = time.process_time(), time.monotonic()
    for number in range(seconds * 50):
        await asyncio.sleep(max(0.0, began + number / 50 - time.monotonic()))
        for call in live:
            work(call, number * BLOCK)
    return time.process_time() - cpu


class _Call:
    """A call that is kept: its sound as the recording stage keeps it, and its events."""

    def __init__(self, number: int, writer: RecordWriter, seconds: int) -> None:
        said = spoken(random.Random(number), sentences(), EVENTS_A_SECOND * (seconds + 1))
        begin, *entries = call_of(number, said, started_at=1.7e9)
        self._name, self._writer = record_id(number), writer
        self._events = (entry for entry in entries if isinstance(entry, EventEntry))
        guard = CallGuard(RedactionSettings(), 2, History(None))
        self._at = 0
        self._sound = [
            GuardedSound(channel, guard, lambda: max(0, self._at - BEHIND), PIECE) for channel in (0, 1)
        ]
        self._audio = _audio(seconds)
        self._kept, self._pieces = [0, 0], [0, 0]
        writer.put(None, begin, _nothing)

    def packets(self, at: int) -> list[Pcm]:
        """Return the packets of both channels that begin at a sample."""
        return [channel[at : at + BLOCK] for channel in self._audio]

    def keep(self, at: int) -> None:
        """Keep the packets of both channels that begin at a sample, and an event from time to time."""
        self._at = at
        for channel, packet in enumerate(self.packets(at)):
            blocks = self._sound[channel].hear(packet)
            if blocks:
                self._keep(channel, np.concatenate(blocks))
        if at % (SAMPLE_RATE // EVENTS_A_SECOND) < BLOCK:
            self._writer.put(None, next(self._events), _nothing)

    def _keep(self, channel: int, pcm: Pcm) -> None:
        start = self._kept[channel] // 2
        self._kept[channel] += len(pcm)
        entry = SoundEntry(
            record_id=self._name, channel=channel, number=self._pieces[channel], start=start,
            data=mulaw_encoded(pcm[::2]), settled=self._kept[channel],
        )  # fmt: skip
        self._pieces[channel] += 1
        self._writer.put(None, entry, _nothing)


def _audio(seconds: int) -> list[Pcm]:
    """Return the channels of the bundled call at 16 kHz, again and again."""
    read, rate = soundfile.read(CALL, dtype="float32", always_2d=True)
    factor, length = SAMPLE_RATE // rate, seconds * SAMPLE_RATE
    return [np.resize(np.repeat(channel, factor), length) for channel in read.T]


def _nothing() -> None:
    pass
