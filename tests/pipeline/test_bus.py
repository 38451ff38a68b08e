from __future__ import annotations

import asyncio

from diarization import Role
from pipeline.bus import EventLog
from pipeline.events import Ended, Mark, MarkKind, TranscriptEvent
from pipeline.mailbox import Mailbox


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


async def read(log: EventLog, after: int = 0) -> list[tuple[int, int]]:
    out = []
    while (delivery := await log.next(after)) is not None:
        after = delivery.envelope.server_seq
        out.append((after, delivery.missed))
    return out


async def test_a_reader_that_is_behind_skips_replaced_partials_only() -> None:
    log = EventLog("c")
    events = (
        partial("a", "我"),
        partial("b", "喂"),
        partial("a", "我想"),
        partial("a", "我想問", final=True),
        ended(),
    )
    for event in events:
        log.publish(event, 0)
    assert [number for number, _missed in await read(log)] == [2, 4, 5]


async def test_what_was_pushed_out_is_counted() -> None:
    log = EventLog("c", length=4)
    for _ in range(9):
        log.publish(key(), 0)
    log.publish(ended(), 0)
    assert await read(log) == [(7, 6), (8, 0), (9, 0), (10, 0)]


async def test_readers_wait_and_have_their_own_cursor() -> None:
    log = EventLog("c")
    both = [asyncio.create_task(read(log), name="reader") for _ in range(2)]
    await asyncio.sleep(0)
    for _ in range(3):
        log.publish(key(), 0)
        await asyncio.sleep(0)
    log.publish(ended(), 0)
    log.publish(key(), 0)  # nothing follows Ended
    assert [await task for task in both] == [[(n, 0) for n in (1, 2, 3, 4)]] * 2
    assert await read(log, after=3) == [(4, 0)]


async def test_a_full_mailbox_holds_the_writer_and_can_still_be_closed() -> None:
    box: Mailbox[int] = Mailbox(2)
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
    log = EventLog("c")
    for number in range(500):
        log.publish(partial("a", str(number)), 0)
    log.publish(partial("a", "final", final=True), 0)
    log.publish(partial("a", "revised", final=True), 0)
    log.publish(partial("b", "open"), 0)
    log.publish(ended(), 0)
    assert sum(kept is not None for kept in log._kept) == 4, "a call that lasts for hours keeps its finals"
    assert [number for number, _missed in await read(log)] == [501, 502, 503, 504]
    assert (log.first_seq, log.last_seq) == (1, 504)


async def test_a_late_reader_finds_what_stands_behind_hundreds_of_replaced_events() -> None:
    log = EventLog("c")
    for number in range(200):
        log.publish(partial("a", str(number)), 0)
    delivery = await asyncio.wait_for(log.next(0), 1)
    assert delivery is not None
    assert delivery.envelope.server_seq == 200
