"""What databases, late nodes and old leaders do to a record that nodes share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

from pipeline.calls.codec import encode
from pipeline.calls.events import CallEvent, Ended, Envelope
from pipeline.calls.info import CallInfo, RecordTerms
from pipeline.cluster.rows import Claim, NewCall
from pipeline.cluster.store import MOST_PARTS, SEQ_STEP, ClusterStore
from pipeline.cluster.tables import calls as cluster_calls
from pipeline.cluster.tables import events as told_events
from pipeline.errors import RecordUnavailable
from pipeline.record.entries import RecordState
from pipeline.record.erasing import Eraser
from pipeline.record.reading import read_events
from pipeline.record.search import SearchWanted
from pipeline.record.service import RecordService
from pipeline.record.tables import events, segments
from suggest.store.database import writing
from tests.cluster.helpers import two_nodes
from tests.cluster.recording import Nodes, Places, kept, move, part
from tests.fakes.engines import SayingEngine
from tests.record.helpers import begin, ended, event, final, sound


def seqs(nodes: Nodes) -> list[int]:
    return [item.server_seq for item in read_events(nodes.two, nodes.ciphers["r1"], "r1")]


def tell(cluster: ClusterStore, *told: tuple[int, CallEvent]) -> None:
    """Let a cluster have events of call r1."""
    with writing(cluster.engine) as connection:
        for seq, what in told:
            body = encode(Envelope(call_id="r1", server_seq=seq, acked=0, event=what))
            connection.execute(sa.insert(told_events).values(uid="r1", seq=seq, body=body))


def lost() -> Ended:
    return Ended(audio=32_000, speech=0, utterances=0, gap=0, reason="lost")


# ------------------------------------------------------------------ what a call was begun with


@pytest.mark.integration
async def test_a_call_of_which_nothing_may_be_kept_stays_so_whatever_a_resumed_stream_says(
    places: Places,
    tmp_path: Path,
) -> None:
    both = two_nodes(str(places["cluster"]), SayingEngine, "好", **kept(places, tmp_path))
    async with both as (one, two):
        # the resumed stream says what the protocol asks for: no word of the record
        assert await move(one, two, first_says={"unrecorded": True}, again_says={})
        record = two.server.app.record
        assert record is not None
        await record.written()
        assert [row for tenant in record.stores.tenants() for row in record.stores.of(tenant).rows()] == []


def test_who_takes_a_call_over_learns_how_it_was_begun(places: Places) -> None:
    cluster = ClusterStore(str(places["cluster"]), "two")
    info = CallInfo(call_id="c", queue="billing", profile="vip", started_at=5.0)
    said = RecordTerms(unrecorded=True, retention="orders", notice_given=True)
    cluster.begin(NewCall(uid="u", info=info, session_id="s", form="f", record_terms=said))
    taken = cluster.take_over(Claim(info=CallInfo(call_id="c"), session_id="s", form="f"))
    assert taken is not None
    assert (taken.info, taken.record_terms) == (info, said)
    with writing(cluster.engine) as connection:
        connection.execute(sa.update(cluster_calls).values(epoch=MOST_PARTS))
    assert cluster.take_over(Claim(info=info, session_id="s", form="f")) is None, "numbers have an end"
    assert (MOST_PARTS + 1) * SEQ_STEP < 2**31
    cluster.close()


# ------------------------------------------------------------------ written twice, or too late


def test_an_answer_that_gets_lost_writes_nothing_twice(
    nodes: Nodes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = [part(event("r1", seq, final(seq, "好")), 1) for seq in (1, 2)]
    pieces = [part(sound("r1", 0, 0), 1)]
    nodes.one.write([begin("r1", epoch=1, node="one")], nodes.ciphers)
    real = DefaultDialect.do_commit

    def commit(self: DefaultDialect, connection: Any) -> None:
        real(self, connection)  # type: ignore[no-untyped-call]
        raise sa.exc.OperationalError("COMMIT", {}, Exception("the line is gone"))

    with monkeypatch.context() as patched:
        patched.setattr(type(nodes.one.engine.dialect), "do_commit", commit)
        with pytest.raises(sa.exc.OperationalError):
            nodes.one.write([*entries, *pieces], nodes.ciphers)
    nodes.one.write([*entries, *pieces, part(ended("r1"), 1)], nodes.ciphers, again=True)
    assert seqs(nodes) == [1, 2]
    (row,) = nodes.two.rows()
    assert (row.utterances, nodes.two.counts("r1")) == (2, (2, 1))


def test_a_late_node_and_who_closed_its_record_write_nothing_twice(nodes: Nodes) -> None:
    nodes.cluster.begin(NewCall(uid="r1", info=CallInfo(call_id="r1"), session_id="s", form="f"))
    nodes.one.write([begin("r1", epoch=1, node="one")], nodes.ciphers)
    tell(nodes.cluster, (1, final(1, "一")), (2, final(2, "二")), (3, lost()))
    with writing(nodes.cluster.engine) as connection:
        connection.exec_driver_sql("UPDATE cluster_calls SET ended_at = 1.0")
    assert nodes.closer.close() == 1
    late = [part(event("r1", seq, final(seq, "好")), 1) for seq in (1, 2)]
    nodes.one.write([*late, part(ended("r1"), 1)], nodes.ciphers)
    assert seqs(nodes) == [1, 2, 3]


def test_what_was_told_and_no_other_node_knows_is_said_again_and_kept_once(nodes: Nodes) -> None:
    told = [part(event("r1", seq, final(seq, "好")), 1) for seq in (1, 2, 3)]
    nodes.one.write([begin("r1", epoch=1, node="one"), *told], nodes.ciphers)
    nodes.take_over(committed=1)
    again = [part(event("r1", SEQ_STEP + seq, final(10_000 + seq, "好")), 2) for seq in (2, 3)]
    nodes.two.write([*again, part(ended("r1"), 2)], nodes.ciphers)
    assert seqs(nodes) == [1, SEQ_STEP + 2, SEQ_STEP + 3]
    (row,) = nodes.two.rows()
    assert (row.utterances, nodes.two.counts("r1")[0]) == (3, 3)


def test_a_gap_that_a_full_node_left_is_filled_by_the_next_one(nodes: Nodes) -> None:
    told = [Envelope(call_id="r1", server_seq=seq, acked=0, event=final(seq, "好")) for seq in (1, 2, 3)]
    first = [part(event("r1", seq, final(seq, "好")), 1) for seq in (1, 3)]
    nodes.one.write([begin("r1", epoch=1, node="one"), *first], nodes.ciphers)
    nodes.take_over()
    nodes.two.write(nodes.two.missing("r1", 2, told), nodes.ciphers)
    assert seqs(nodes) == [1, 2, 3]


def test_a_call_that_was_erased_does_not_come_back_with_a_late_node(nodes: Nodes) -> None:
    nodes.two.write([begin("r1", epoch=2, node="two"), part(ended("r1"), 2)], nodes.ciphers)
    eraser = Eraser(None, nodes.two, nodes.keys, lambda _names: None)
    eraser.request(["r1"], "officer")
    eraser.remove(eraser.lock_out())
    late = [
        begin("r1", epoch=1, node="one"),
        part(event("r1", 1, final(1, "一")), 1),
        part(sound("r1", 0, 0), 1),
    ]
    assert nodes.keys.obtain([("r1", None)]) == {}, "a key that was destroyed stays so"
    nodes.one.write(late, nodes.ciphers)
    assert nodes.two.rows() == []
    for table in (events, segments):
        with nodes.two.engine.connect() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0


# ------------------------------------------------------------------ closing what nobody writes


def test_a_record_that_cannot_be_closed_holds_up_no_other(
    nodes: Nodes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nodes.ciphers |= nodes.keys.create([("r2", None)])
    nodes.one.write([begin(name, epoch=1, node="one") for name in ("r1", "r2")], nodes.ciphers)
    real = nodes.peers.told

    def told(record_id: str) -> Any:
        if record_id == "r1":
            raise sa.exc.OperationalError("SELECT", {}, Exception("damaged"))
        return real(record_id)

    monkeypatch.setattr(nodes.peers, "told", told)
    assert nodes.closer.close() == 1
    states = {row.record_id: row.state for row in nodes.two.rows()}
    assert states == {"r1": RecordState.LIVE, "r2": RecordState.INTERRUPTED}


def test_an_end_that_was_kept_and_not_noted_is_noted(nodes: Nodes) -> None:
    nodes.cluster.begin(NewCall(uid="r1", info=CallInfo(call_id="r1"), session_id="s", form="f"))
    nodes.one.write([begin("r1", epoch=1, node="one"), part(event("r1", 1, lost()), 1)], nodes.ciphers)
    tell(nodes.cluster, (1, lost()))
    with writing(nodes.cluster.engine) as connection:
        connection.exec_driver_sql("UPDATE cluster_calls SET ended_at = 1.0")
    assert nodes.closer.close() == 1
    (row,) = nodes.two.rows()
    assert (row.state, row.reason) == (RecordState.CLOSED, "lost")


# ------------------------------------------------------------------ who leads


@pytest.mark.integration
async def test_a_leader_that_was_silent_makes_its_index_anew(
    places: Places,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another node has erased a call meanwhile: its old index still had its terms."""
    nodes_of = two_nodes(
        str(places["cluster"]), SayingEngine, "電子發票", cluster={"silent_s": 1.0}, **kept(places, tmp_path)
    )
    async with nodes_of as (one, two):
        await move(one, two)
        leader, other = one.server.app.record, two.server.app.record
        cluster = one.server.app.cluster
        assert leader is not None
        assert other is not None
        assert cluster is not None
        await eventually(lambda: is_found(leader))
        before = leader.keeper._indexers.get(None)

        def silent(*_args: object, **_how: object) -> None:
            raise OSError

        with monkeypatch.context() as patched:
            patched.setattr(cluster.store, "beat", silent)
            await eventually(lambda: is_erased_by(other))
            assert cluster.term is None, "whoever may be silent to others does not lead"

        async def is_new() -> bool:
            indexer = leader.keeper._indexers.get(None)
            if indexer is None or indexer is before:
                return False
            return bool(indexer.index._index.searcher().num_docs == 0)

        await eventually(is_new)
        assert not await is_found(leader)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so; a busy node may be silent, and lead no more, for a moment."""
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.1)


async def is_found(record: RecordService) -> bool:
    try:
        return bool(await record.search(None, SearchWanted(text="發票"), 10))
    except RecordUnavailable:
        return False


async def is_erased_by(record: RecordService) -> bool:
    names = [row.record_id for row in record.stores.of(None).rows()]
    try:
        return not names or bool((await record.keeper.erase(None, names, "officer")).erased)
    except RecordUnavailable:
        return False
