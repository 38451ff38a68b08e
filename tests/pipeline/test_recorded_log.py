from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from diarization import Role
from pipeline.calls.events import Envelope, TranscriptEvent
from pipeline.logs.memory import MemoryCallLog
from pipeline.logs.recorded import RecordedCallLog
from pipeline.stages.context import CallOutput, CallProgress


class StalledDisk:
    """A recorder of a strict call whose disk answers when the test says so."""

    strict, failing, stored_seq, stored_audio = True, False, 0, 0

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def keep(self, _envelope: Envelope, done: Callable[[], None] = lambda: None) -> bool:
        self.waiting.append(done)
        return True


@pytest.fixture
def final() -> TranscriptEvent:
    return TranscriptEvent(
        utterance_id="0-1", revision=1, channel=0, role=Role.CUSTOMER, final=True, start=0, end=16_000,
        stability=1.0, text="喂", raw_text="喂",
    )  # fmt: skip


async def test_while_a_final_waits_for_the_disk_its_sound_is_not_safe(final: TranscriptEvent) -> None:
    """A heartbeat meanwhile must not let the client drop sound whose words it does not have."""
    disk, progress = StalledDisk(), CallProgress(1)
    output = CallOutput(RecordedCallLog("c", MemoryCallLog("c"), cast("Any", disk)), progress)
    progress.channels[0].safe = 8_000
    assert output.acked == 8_000
    output.emit(final)
    progress.channels[0].safe = 32_000
    assert output.acked == 8_000
    disk.waiting.pop()()
    assert output.acked == 32_000
