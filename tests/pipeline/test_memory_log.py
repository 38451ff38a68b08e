from __future__ import annotations

import asyncio
import time

import pytest

from diarization import Role
from pipeline.calls.events import Ended, Envelope, Mark, MarkKind, TranscriptEvent
from pipeline.logs.memory import MemoryCallLog
from pipeline.logs.packing import Packed
from pipeline.stages.mailbox import Mailbox


def partial(utterance: str, text: str, *, final: bool = False) -> TranscriptEvent:
    return TranscriptEvent(
        utterance_id=utterance,
        revision=0,
        channel=0,
        role=Role.CUSTOMER,
        final=final,
        start=0,
        end=1,
        stability=0.0,
        text=text,
        raw_text=text,
    )


def ended() -> Ended:
    return Ended(audio=0, speech=0, utterances=0, gap=0, reason="client")


def key() -> Mark:
    return Mark(kind=MarkKind.DTMF, at=0)


async def read(log: MemoryCallLog, after: int = 0) -> list[tuple[int, int]]:
    out = []
    async for entry in log.follow(after):
        assert entry is not None
        out.append((entry.envelope.server_seq, entry.missed))
        await asyncio.sleep(0)  # as a write to the wire: others have their turn
    return out


async def test_a_reader_that_is_behind_skips_replaced_partials_only() -> None:
    log = MemoryCallLog("c")
    events = (
        partial("a", "我"),
        partial("b", "喂"),
        partial("a", "我想"),
        partial("a", "我想問", final=True),
        ended(),
    )
    for event in events:
        log.append(event, 0)
    assert [number for number, _missed in await read(log)] == [2, 4, 5]


async def test_a_sign_of_life_never_overtakes_an_event_that_comes_while_the_time_runs_out() -> None:
    log = MemoryCallLog("c")
    reader = log.follow(0, heartbeat_s=0.02)
    first = asyncio.ensure_future(anext(reader))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.021, log.append, key(), 0)
    time.sleep(0.05)  # noqa: ASYNC251 (both timers are due in one turn of the loop)
    entry = await first
    assert entry is not None
    assert entry.envelope.server_seq == 1


async def test_what_was_pushed_out_is_counted() -> None:
    log = MemoryCallLog("c", length=4)
    for _ in range(9):
        log.append(key(), 0)
    log.append(ended(), 0)
    assert await read(log) == [(7, 6), (8, 0), (9, 0), (10, 0)]


async def test_readers_wait_and_have_their_own_cursor() -> None:
    log = MemoryCallLog("c")
    both = [asyncio.create_task(read(log), name="reader") for _ in range(2)]
    await asyncio.sleep(0)
    for _ in range(3):
        log.append(key(), 0)
        await asyncio.sleep(0)
    log.append(ended(), 0)
    log.append(key(), 0)  # nothing follows Ended
    assert [await task for task in both] == [[(n, 0) for n in (1, 2, 3, 4)]] * 2
    assert await read(log, after=3) == [(4, 0)]


async def test_a_full_mailbox_holds_the_writer_and_can_still_be_closed() -> None:
    box: Mailbox[int] = Mailbox(2, lambda _item: 1)
    await box.put(1)
    await box.put(2)
    waiting = asyncio.create_task(box.put(3), name="writer")
    await asyncio.sleep(0.01)
    assert not waiting.done()
    box.close(99)
    box.close(100)
    await box.filled()
    assert box.full
    assert box.take() == [1, 2]
    await waiting
    assert [box.take(), box.take(), box.take()] == [[3], [99], [99]]


async def test_what_is_replaced_is_let_go_and_nothing_else() -> None:
    log = MemoryCallLog("c")
    for number in range(500):
        log.append(partial("a", str(number)), 0)
    log.append(partial("a", "final", final=True), 0)
    log.append(partial("a", "revised", final=True), 0)
    log.append(partial("b", "open"), 0)
    log.append(ended(), 0)
    assert sum(kept is not None for kept in log._kept) == 4, "a call that lasts for hours keeps its finals"
    assert [number for number, _missed in await read(log)] == [501, 502, 503, 504]
    assert (log.first_seq, log.last_seq) == (1, 504)


async def test_a_late_reader_finds_what_stands_behind_hundreds_of_replaced_events() -> None:
    log = MemoryCallLog("c")
    for number in range(200):
        log.append(partial("a", str(number)), 0)
    entry = await asyncio.wait_for(anext(log.follow(0)), 1)
    assert entry is not None
    assert entry.envelope.server_seq == 200
    assert [entry.envelope.server_seq for entry in await log.read(0)] == [200]
    assert await log.read(200) == ()


async def test_an_hours_finals_are_packed_and_read_as_they_were() -> None:
    log = MemoryCallLog("c")
    for number in range(1000):
        log.append(partial(str(number), f"text {number}"), 0)
        log.append(partial(str(number), f"text {number}", final=True), 0)
    log.append(ended(), 0)
    assert log.first_seq == 1
    assert len(log._kept) < 200
    assert sum(len(block.data) for block in log._old) < 30_000
    texts = []
    async for entry in log.follow(0):
        assert entry is not None
        assert entry.missed == 0
        if isinstance(entry.envelope.event, TranscriptEvent):
            texts.append(entry.envelope.event.text)
    assert len(await log.read(0, limit=10)) == 10
    assert texts == [f"text {number}" for number in range(1000)]


async def test_two_late_readers_each_find_everything_and_unpack_it_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unpacked: list[int] = []
    unpack = Packed.unpacked

    def counted(page: Packed) -> tuple[Envelope, ...]:
        unpacked.append(page.first)
        return unpack(page)

    monkeypatch.setattr(Packed, "unpacked", counted)
    log = MemoryCallLog("c")
    for _ in range(700):
        log.append(key(), 0)
    log.append(ended(), 0)
    first, second = await asyncio.gather(read(log), read(log, after=300))
    assert [number for number, _missed in first] == list(range(1, 702))
    assert [number for number, _missed in second] == list(range(301, 702))
    assert len(unpacked) <= 2 * len(log._old)


async def test_what_is_replaced_after_it_was_packed_is_skipped_too() -> None:
    log = MemoryCallLog("c")
    log.append(partial("a", "old"), 0)
    log.append(partial("b", "still open"), 0)
    for _ in range(300):
        log.append(key(), 0)
    log.append(partial("a", "final", final=True), 0)
    log.append(ended(), 0)
    assert [number for number, _missed in await read(log)] == [2, *range(3, 305)]


async def test_a_full_log_drops_packed_events_first() -> None:
    log = MemoryCallLog("c", length=400)
    for _ in range(1000):
        log.append(key(), 0)
    log.append(ended(), 0)
    numbers = await read(log)
    assert 1001 - 400 < numbers[0][0] <= 1001 - 400 + 64
    assert numbers[0][1] == numbers[0][0] - 1
    assert numbers[-1] == (1001, 0)


async def test_a_reader_that_waits_is_told_that_nothing_came() -> None:
    log = MemoryCallLog("c")
    log.append(key(), 0)
    entries = log.follow(0, heartbeat_s=0.02)
    first = await anext(entries)
    assert first is not None
    assert await asyncio.wait_for(anext(entries), 1) is None
    log.append(ended(), 0)
    last = await anext(entries)
    assert last is not None
    assert last.envelope.server_seq == 2
    assert [entry async for entry in entries] == []
