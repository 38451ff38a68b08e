"""Nodes that keep one record: a call that goes from one to the other is kept once, and whole."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.calls.codec import encode
from pipeline.calls.events import CallEvent, Ended, Envelope, RedactionEvent, TranscriptEvent
from pipeline.calls.info import CallInfo
from pipeline.cluster.rows import NewCall
from pipeline.cluster.tables import events as told_events
from pipeline.errors import RecordUnavailable, SettingsError
from pipeline.record import fencing
from pipeline.record.ciphers import CallCipher
from pipeline.record.entries import EndRecord, RecordState
from pipeline.record.key_store import KeyStore
from pipeline.record.orphans import OrphanCloser
from pipeline.record.ownership import RecordLock
from pipeline.record.reading import numbered_finals, opened_sound, read_events, transcript, verified
from pipeline.record.rows import event_row
from pipeline.record.search import SearchWanted
from pipeline.record.store import RecordStore
from pipeline.record.stores import RecordStores
from pipeline.record.tables import events
from suggest.store.database import writing
from tests.cluster.helpers import two_nodes
from tests.cluster.recording import SECONDS, Nodes, kept, move, part
from tests.fakes.engines import SayingEngine
from tests.record.helpers import begin, ended, event, final, masters, sound
from tests.record.test_postgresql import database_in


class KeptCall:
    """The record as somebody finds it behind the nodes."""

    def __init__(self, stack: ExitStack, places: dict[str, str | None], folder: Path) -> None:
        self.keys = KeyStore(str(places["keys"]), masters())
        self.store = RecordStores(folder / "record", places["store"]).of(None)
        stack.callback(self.keys.close)
        stack.callback(self.store.close)
        (self.row,) = self.store.rows()
        cipher = self.keys.cipher(self.row.record_id)
        assert cipher is not None
        self.cipher: CallCipher = cipher
        self.events = list(read_events(self.store, cipher, self.row.record_id))


@pytest.mark.integration
async def test_a_call_that_goes_on_at_another_node_is_kept_once_and_whole(
    places: dict[str, str | None], tmp_path: Path, closing: ExitStack
) -> None:
    nodes = two_nodes(str(places["cluster"]), SayingEngine, "我想問下電子發票", **kept(places, tmp_path))
    async with nodes as (one, two):
        messages = await move(one, two)
    told = {m.transcript.utterance_id: m.transcript for m in messages if m.transcript.is_final}
    found = KeptCall(closing, places, tmp_path)
    finals = {item.utterance_id: item for item in transcript(iter(found.events))}
    assert len(told) > 3
    assert {name: item.start // 16 for name, item in finals.items()} == {
        name: item.start_ms for name, item in told.items() if item.text
    }
    row = found.row
    assert (row.state, row.reason, row.info.call_id) == (RecordState.CLOSED, "client", "call-1")
    assert row.utterances == len(finals)
    assert row.notice_given
    ends = [item.event.audio for item in found.events if isinstance(item.event, Ended)]
    assert ends == [pytest.approx(SECONDS * 16_000, abs=1_600)]
    problems = verified(found.store, found.cipher, row).problems
    assert problems in ((), (f"{row.lost} events or pieces of sound could not be kept",))
    for channel in (0, 1):
        pieces = [opened_sound(found.cipher, one) for one in found.store.sound(row.record_id, channel)]
        assert sum(len(piece.data) for piece in pieces) == pytest.approx(SECONDS * 8_000, abs=80)


@pytest.mark.integration
async def test_the_node_that_keeps_the_record_finds_and_erases_and_no_other(
    places: dict[str, str | None], tmp_path: Path
) -> None:
    before = RecordStores(tmp_path / "record", places["store"])
    before.of(None)
    before.close()
    for name in ("index", "index-gone"):  # of a server that stood alone, of a node that was renamed
        (tmp_path / "record" / "_" / name).mkdir(parents=True)
    nodes = two_nodes(str(places["cluster"]), SayingEngine, "我想問下電子發票", **kept(places, tmp_path))
    async with nodes as (one, two):
        messages = await move(one, two)
        leader, other = one.server.app.record, two.server.app.record
        assert leader is not None
        assert other is not None
        count = len([m for m in messages if m.transcript.is_final and m.transcript.text])
        async with asyncio.timeout(20):
            while len(await _found(leader)) < count:
                await asyncio.sleep(0.1)
        for work in (_found(other), other.keeper.erase(None, ["x"], "officer")):
            with pytest.raises(RecordUnavailable, match="another node keeps the record"):
                await work
        (row,) = leader.stores.of(None).rows()
        receipt = await leader.keeper.erase(None, [row.record_id], "officer")
        assert receipt.erased == (row.record_id,)
        assert await _found(leader) == []
        assert other.keys.cipher(row.record_id) is None
        folders = {path.name for path in (tmp_path / "record").glob("*/index*")}
        assert folders == {"index-one"}


async def _found(record: Any) -> list[Any]:
    found = await record.search(None, SearchWanted(text="發票"), 100)
    return list(found)


# ------------------------------------------------------------------ what comes too late


def test_what_the_node_before_brings_too_late_is_left_out(nodes: Nodes) -> None:
    told = part(event("r1", 1, final(1, "一")), 1)
    first = [begin("r1", epoch=1, node="one"), told, part(sound("r1", 0, 0), 1)]
    nodes.one.write(first, nodes.ciphers)
    nodes.take_over()
    late = [event("r1", 2, final(2, "二")), sound("r1", 0, 1), ended("r1")]
    nodes.one.write([part(entry, 1) for entry in late], nodes.ciphers)
    nodes.two.write([part(event("r1", 1_001, final(10_002, "二")), 2), part(ended("r1"), 2)], nodes.ciphers)
    (row,) = nodes.two.rows()
    assert row.state is RecordState.CLOSED
    assert nodes.two.counts("r1") == (2, 1)
    assert [item.server_seq for item in read_events(nodes.two, nodes.ciphers["r1"], "r1")] == [1, 1_001]


def test_a_node_that_went_before_it_wrote_anything_leaves_a_whole_record(
    nodes: Nodes,
) -> None:
    nodes.take_over()
    nodes.one.write(
        [begin("r1", epoch=1, node="one"), part(event("r1", 1, final(1, "一")), 1)], nodes.ciphers
    )
    nodes.two.write([part(event("r1", 1_001, final(2, "二")), 2), part(ended("r1"), 2)], nodes.ciphers)
    assert [item.server_seq for item in read_events(nodes.two, nodes.ciphers["r1"], "r1")] == [1_001]
    assert verified(nodes.two, nodes.ciphers["r1"], nodes.two.rows()[0]).problems == ()


def test_sound_joins_where_it_stopped_and_what_nobody_kept_is_silent_and_counted(
    nodes: Nodes,
) -> None:
    heard = [sound("r1", 0, 0), sound("r1", 0, 1), sound("r1", 1, 0)]  # two seconds, and one
    nodes.one.write([begin("r1", epoch=1), *(part(piece, 1) for piece in heard)], nodes.ciphers)
    nodes.take_over(origin=24_000)  # the part begins at 1.5 s
    rest = [
        replace(sound("r1", channel, 1 << 20), start=12_000, settled=40_000, epoch=2) for channel in (0, 1)
    ]
    nodes.two.write([*rest, part(ended("r1"), 2)], nodes.ciphers)
    cipher = nodes.ciphers["r1"]
    first, second = (
        b"".join(opened_sound(cipher, piece).data for piece in nodes.two.sound("r1", channel))
        for channel in (0, 1)
    )
    assert (len(first), len(second)) == (20_000, 20_000)
    assert second[8_000:12_000] == b"\xff" * 4_000
    (row,) = nodes.two.rows()
    assert row.lost == 1, "half a second of the second channel"
    problems = verified(nodes.two, cipher, row).problems
    assert problems == ("1 events or pieces of sound could not be kept",)


def test_what_was_told_and_not_kept_is_kept_by_the_next_node(
    nodes: Nodes,
) -> None:
    """Also a redaction: the final whose words it hides does not stay."""
    secret = final(1, "我叫陳大文")
    nodes.one.write([begin("r1", epoch=1), part(event("r1", 3, secret), 1)], nodes.ciphers)
    nodes.take_over()
    hidden = RedactionEvent(revision=1, final=final(1, "我叫＊＊＊"))
    told = [
        Envelope(call_id="call-1", server_seq=seq, acked=0, event=what)
        for seq, what in ((3, secret), (5, hidden), (6, final(2, "好")))
    ]
    nodes.two.write(nodes.two.missing("r1", 2, told), nodes.ciphers)
    found = list(read_events(nodes.two, nodes.ciphers["r1"], "r1"))
    assert [item.server_seq for item in found] == [5, 6]
    assert [one.text for _seq, one in numbered_finals(found).values()] == ["我叫＊＊＊", "好"]
    assert nodes.two.missing("r1", 2, told) == []


# ------------------------------------------------------------------ calls that end with their node


def test_a_record_whose_call_ended_with_its_node_is_closed_with_its_last_words(
    nodes: Nodes,
) -> None:
    nodes.cluster.begin(NewCall(uid="r1", info=CallInfo(call_id="r1"), session_id="s", form="f"))
    nodes.one.write(
        [begin("r1", epoch=1, node="one"), part(event("r1", 1, final(1, "一")), 1)], nodes.ciphers
    )
    assert nodes.closer.close() == 0, "somebody may take the call over"
    lost = Ended(audio=32_000, speech=0, utterances=0, gap=0, reason="lost")
    told: list[tuple[int, CallEvent]] = [(1, final(1, "一")), (2, final(2, "二")), (1_001, lost)]
    with writing(nodes.cluster.engine) as connection:
        for seq, what in told:
            body = encode(Envelope(call_id="r1", server_seq=seq, acked=0, event=what))
            connection.execute(sa.insert(told_events).values(uid="r1", seq=seq, body=body))
        connection.exec_driver_sql("UPDATE cluster_calls SET ended_at = 1.0")
    assert nodes.closer.close() == 1
    assert nodes.closer.close() == 0
    (row,) = nodes.two.rows()
    assert (row.state, row.reason) == (RecordState.CLOSED, "lost")
    found = list(read_events(nodes.two, nodes.ciphers["r1"], "r1"))
    assert [item.server_seq for item in found] == [1, 2, 1_001]
    assert [one.text for one in transcript(found)] == ["一", "二"]


def test_a_call_that_no_node_could_take_over_is_interrupted_with_its_node(
    nodes: Nodes,
) -> None:
    nodes.cluster.beat("unix:/two", 0, 1, draining=False)
    nodes.ciphers |= nodes.keys.create([("r2", None)])
    nodes.one.write([begin("r1", node="one"), begin("r2", node="two")], nodes.ciphers)
    assert nodes.closer.close() == 0, "it may be the database that was away"
    nodes.closer = OrphanCloser(nodes.stores, nodes.keys, nodes.peers, patience_s=0.2)
    assert nodes.closer.close() == 0
    time.sleep(0.3)
    assert nodes.closer.close() == 1
    states = {row.record_id: row.state for row in nodes.two.rows()}
    assert states == {"r1": RecordState.INTERRUPTED, "r2": RecordState.LIVE}
    assert nodes.closer.close_own() == 1, "the process before this one"


# ------------------------------------------------------------------ who writes


def test_nodes_share_a_record_and_a_server_that_stands_alone_shares_none(tmp_path: Path) -> None:
    first, second = (RecordLock(tmp_path, node=name) for name in ("one", "two"))
    with pytest.raises(SettingsError, match="another server writes the record"):
        RecordLock(tmp_path, node="one")
    with pytest.raises(SettingsError, match="another server writes the record"):
        RecordLock(tmp_path)
    first.release()
    second.release()
    alone = RecordLock(tmp_path)
    with pytest.raises(SettingsError, match="another server writes the record"):
        RecordLock(tmp_path, node="one")
    alone.release()


def test_nodes_that_share_a_database_share_one_record_there(postgresql: str, tmp_path: Path) -> None:
    url = database_in(postgresql)
    nodes = [RecordLock(tmp_path / name, url, node=name) for name in ("one", "two")]
    with pytest.raises(SettingsError, match="another server writes the record in this database"):
        RecordLock(tmp_path / "alone", url)
    for node in nodes:
        node.release()


def test_events_are_indexed_once_no_number_before_them_can_come_any_more(
    postgresql: str, tmp_path: Path, closing: ExitStack
) -> None:
    """Numbers are drawn before they are committed: the index must not go past one that is on its way."""
    url = database_in(postgresql)
    opener = KeyStore(tmp_path / "keys.db", masters())
    ciphers = opener.create([("r1", None)])
    store = RecordStores(tmp_path, url, node="one").of(None)
    closing.callback(opener.close)
    closing.callback(store.close)
    store.write([begin("r1", epoch=1)], ciphers)
    seen = _indexed_while_another_node_writes(store, ciphers)
    assert seen == [1, 2]


def _indexed_while_another_node_writes(store: RecordStore, ciphers: dict[str, CallCipher]) -> list[int]:
    found: list[int] = []
    slow = part(event("r1", 1, final(1, "一")), 1)
    with writing(store.engine) as connection:
        fencing.epochs(connection, [])
        connection.execute(sa.insert(events), [event_row(slow, ciphers["r1"])])
        quick = part(event("r1", 2, final(2, "二")), 1)
        others = threading.Thread(target=lambda: store.write([quick], ciphers))
        others.start()
        others.join(5)
        assert not others.is_alive(), "writers do not wait for each other"
        reader = threading.Thread(target=lambda: found.extend(e.seq for e in store.events_behind(0, 10)))
        reader.start()
        reader.join(0.5)
        assert reader.is_alive(), "the index waits for what is on its way"
    reader.join(5)
    return sorted(found)


def test_a_node_that_freezes_in_a_transaction_does_not_hold_up_the_others(
    postgresql: str, tmp_path: Path, closing: ExitStack
) -> None:
    url = database_in(postgresql)
    opener = KeyStore(tmp_path / "keys.db", masters())
    ciphers = opener.create([("r1", None)])
    frozen, other = (RecordStores(tmp_path, url, node=name).of(None) for name in ("one", "two"))
    for part_ in (opener, frozen, other):
        closing.callback(part_.close)
    other.write([begin("r1", epoch=1)], ciphers)
    with pytest.raises(sa.exc.DBAPIError), writing(frozen.engine) as connection:
        fencing.epochs(connection, [begin("r1")])
        other.write([part(event("r1", 1, final(1, "一")), 1)], ciphers)
        assert [sealed.seq for sealed in other.events_behind(0, 10)] == [1]
        connection.execute(sa.select(sa.func.count()).select_from(events))  # it thaws


def test_an_end_that_comes_too_late_closes_nothing(nodes: Nodes) -> None:
    nodes.one.write([begin("r1", epoch=1, node="one")], nodes.ciphers)
    nodes.take_over()
    nodes.one.write([EndRecord(record_id="r1", at=1.0, reason="client", lost=5, epoch=1)], nodes.ciphers)
    (row,) = nodes.two.rows()
    assert (row.state, row.lost) == (RecordState.LIVE, 0)


def test_finals_of_two_parts_are_told_apart(nodes: Nodes) -> None:
    nodes.one.write([begin("r1", epoch=1), part(event("r1", 1, final(1, "一")), 1)], nodes.ciphers)
    nodes.take_over()
    nodes.two.write([part(event("r1", 1_001, final(10_001, "一")), 2)], nodes.ciphers)
    names = [
        item.event.utterance_id
        for item in read_events(nodes.two, nodes.ciphers["r1"], "r1")
        if isinstance(item.event, TranscriptEvent)
    ]
    assert names == ["0-1", "0-10001"]
