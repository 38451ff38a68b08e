"""Calls through a real server, and what is on disk of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from client import record_stub
from pipeline.audio.codecs import decoded
from pipeline.calls.events import Ended, Started, TranscriptEvent
from pipeline.calls.info import Codec
from pipeline.errors import SettingsError
from pipeline.record.entries import RecordState
from pipeline.record.reading import opened_sound, read_events, transcript, verified
from pipeline.record.store import RecordStore
from pipeline.rpc import records
from tests.fakes.engines import SayingEngine
from tests.integration.helpers import (
    chunks,
    demo_bytes,
    end,
    finals,
    refused,
    rest,
    running,
    settings,
    start,
    take,
    talk,
)
from tests.integration.test_redaction import SAID, assert_clean
from tests.record.helpers import keys, profile, section, store
from tests.suggest.test_llm import speaking
from yuetone.v1 import call_service_pb2 as pb
from yuetone.v1 import record_service_pb2


async def test_a_call_is_kept_as_it_was_told(tmp_path: Path) -> None:
    async with running(settings(record=section(tmp_path), profiles=profile())) as run:
        asked = start(queue="billing", agent_id="a7", notice_given=True)
        messages = await talk(run, [asked, *chunks(demo_bytes(12)), end()])
    told = finals(messages)
    records, opener = store(tmp_path), keys(tmp_path)
    (row,) = records.rows()
    assert (row.info.call_id, row.info.queue, row.info.agent_id) == ("call-1", "billing", "a7")
    assert (row.state, row.reason, row.retention) == (RecordState.CLOSED, "client", "service")
    assert row.notice_given
    assert row.with_sound
    assert row.utterances == len(told) > 0
    assert row.expires_at is not None
    assert row.ended_at is not None
    assert row.expires_at - row.ended_at == pytest.approx(180 * 86_400)
    cipher = opener.cipher(row.record_id)
    assert cipher is not None
    found = list(read_events(records, cipher, row.record_id))
    assert isinstance(found[0].event, Started)
    assert found[0].event.session_id == ""
    assert isinstance(found[-1].event, Ended)
    assert [final.text for final in transcript(iter(found))] == [final.text for final in told]
    assert not any(isinstance(item.event, TranscriptEvent) and not item.event.final for item in found)
    assert verified(records, cipher, row).problems == ()


async def test_messages_tell_how_much_is_on_disk(tmp_path: Path) -> None:
    async with running(settings(record=section(tmp_path), profiles=profile())) as run:
        messages = await talk(run, [start(), *chunks(demo_bytes(12)), end()])
        unkept = await talk(run, [start(unrecorded=True), *chunks(demo_bytes(3)), end()])
    stored = [message.stored_server_seq for message in messages]
    assert stored == sorted(stored)
    assert stored[-1] > 0
    assert stored[-1] <= messages[-1].server_seq
    assert messages[-1].stored_audio_ms <= messages[-1].ended.audio_ms
    assert {message.stored_server_seq for message in unkept} == {0}
    assert len(store(tmp_path).rows()) == 1


async def test_the_sound_of_both_channels_is_kept(tmp_path: Path) -> None:
    seconds, engine = 10, SayingEngine("今日天氣幾好")
    async with running(settings(record=section(tmp_path), profiles=profile()), engine) as run:
        await talk(run, [start(), *chunks(demo_bytes(seconds)), end()])
    records = store(tmp_path)
    (row,) = records.rows()
    cipher = keys(tmp_path).cipher(row.record_id)
    assert cipher is not None
    sent = np.frombuffer(demo_bytes(seconds), np.uint8).reshape(-1, 2)
    for channel in (0, 1):
        pieces = [opened_sound(cipher, piece) for piece in records.sound(row.record_id, channel)]
        heard = decoded(b"".join(piece.data for piece in pieces), Codec.MULAW)
        said = decoded(sent[:, channel].tobytes(), Codec.MULAW)
        assert abs(len(heard) - len(said)) <= 80  # 10 ms: the last frame
        both = min(len(heard), len(said))
        assert np.corrcoef(heard[:both], said[:both])[0, 1] > 0.98
    assert row.audio == pytest.approx(seconds * 16_000, abs=160)


async def test_nothing_that_is_hidden_is_on_disk_and_nothing_at_all_in_clear(tmp_path: Path) -> None:
    async with running(settings(record=section(tmp_path), profiles=profile()), SayingEngine(SAID)) as run:
        await talk(run, [start(), *chunks(demo_bytes(12)), end()])
    records, opener = store(tmp_path), keys(tmp_path)
    (row,) = records.rows()
    cipher = opener.cipher(row.record_id)
    assert cipher is not None
    texts = [repr(item.event) for item in read_events(records, cipher, row.record_id)]
    assert any("電子發票" in text for text in texts)
    for text in texts:
        assert_clean(text)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert "電子發票".encode() not in file.read_bytes(), file.name


async def test_a_strict_call_tells_no_final_before_it_is_on_disk(tmp_path: Path) -> None:
    chosen = settings(record=section(tmp_path), profiles=profile(durability="strict"))
    async with running(chosen) as run:
        messages = await talk(run, [start(), *chunks(demo_bytes(12)), end()])
    numbered = [message for message in messages if message.server_seq]
    assert [message.server_seq for message in numbered] == sorted(message.server_seq for message in numbered)
    for message in numbered:
        if message.transcript.is_final or message.HasField("ended"):
            assert message.stored_server_seq >= message.server_seq
    records = store(tmp_path)
    (row,) = records.rows()
    cipher = keys(tmp_path).cipher(row.record_id)
    assert cipher is not None
    kept = {item.server_seq for item in read_events(records, cipher, row.record_id)}
    assert {message.server_seq for message in numbered if message.transcript.is_final} <= kept


async def test_the_end_of_a_call_is_kept_also_where_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(record=section(tmp_path), profiles=profile())
    async with running(chosen) as run:
        record = run.server.app.record
        assert record is not None
        monkeypatch.setattr(record.writer, "_most_bytes", 700)  # one event
        messages = await talk(run, [start(), *chunks(demo_bytes(6)), end()])
    assert messages[-1].ended.reason == "client"
    (row,) = store(tmp_path).rows()
    assert row.state is RecordState.CLOSED
    assert row.lost > 0


async def test_two_servers_cannot_write_one_record(tmp_path: Path) -> None:
    chosen = settings(record=section(tmp_path), profiles=profile())
    async with running(chosen):
        with pytest.raises(SettingsError, match="another server writes the record"):
            async with running(chosen):
                pass
    async with running(chosen):
        pass


async def test_an_unknown_class_is_refused(tmp_path: Path) -> None:
    async with running(settings(record=section(tmp_path), profiles=profile())) as run:
        _code, details, _kinds = await refused(run, [start(retention_class="for-ever"), end()])
    assert "service, orders" in details
    assert not (tmp_path / "record" / "_").exists()


async def test_a_disk_that_fails_is_told_and_the_call_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.record.service.WATCH_S", 0.05)
    monkeypatch.setattr("pipeline.record.writer.RETRY_S", (0.05,))
    failing, real = True, RecordStore.write

    def write(self: RecordStore, *args: object, **how: object) -> None:
        if failing:
            raise sa.exc.OperationalError("insert", {}, Exception("disk I/O error"))
        real(self, *args, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(RecordStore, "write", write)
    chosen = settings(
        record=section(tmp_path),
        profiles=profile(),
        audit={"folder": str(tmp_path / "audit"), "enabled": "on"},
    )
    async with running(chosen) as run:
        call = run.stub.StreamCall()
        await call.write(start())
        for request in chunks(demo_bytes(6)):
            await call.write(request)
        seen: list[pb.StreamCallResponse] = []
        while not any(message.warning.code == "RECORDING_FAILED" for message in seen):
            seen.append(await take(call))
        failing = False
        while not any(message.warning.code == "RECORDING_RESUMED" for message in seen):
            seen.append(await take(call))
        await call.write(end())
        await call.done_writing()
        seen += await rest(call)
    assert seen[-1].ended.reason == "client"
    (row,) = store(tmp_path).rows()
    assert row.lost == 0
    assert row.utterances == len(finals(seen))
    written = "".join(path.read_text("ascii") for path in (tmp_path / "audit").glob("audit-*.jsonl"))
    assert "record.failing" in written
    assert "record.kept-again" in written


async def test_a_language_model_words_a_summary_and_a_liar_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "我想取消下個月嘅上網計劃"
    with speaking() as model:
        chosen = settings(
            record=section(tmp_path, llm_summaries=True),
            profiles=profile(),
            suggest={"store": str(tmp_path / "kb.db"), "llm": {"base_url": model.url, "model": "tiny"}},
        )
        async with running(chosen, SayingEngine(said)) as run:
            await talk(run, [start("one"), *chunks(demo_bytes(8)), end()])
            asked = record_service_pb2.GetSummaryRequest(call_id="one")
            model.text = "客戶想取消下個月的上網計劃。[1]"
            summary = await record_stub(run.channel).GetSummary(asked)
            assert summary.wording[0].text == "客戶想取消下個月的上網計劃。"
            assert set(summary.wording[0].utterance_ids) <= {"0-1", "1-1"}
            model.text = "客戶想取消，客服保證免費。[1]"
            summary = await record_stub(run.channel).GetSummary(asked)
            assert not summary.wording
            assert summary.about
            model.text, asked_before = "客戶想取消下個月的上網計劃。[1]", len(model.requests)
            monkeypatch.setattr(records, "SETTLED_S", 0.0)  # the call is old now: its summary is kept
            for _ in range(3):
                summary = await record_stub(run.channel).GetSummary(asked)
                assert summary.wording[0].text == "客戶想取消下個月的上網計劃。"
            assert len(model.requests) == asked_before + 1
    for path in (tmp_path / "record").rglob("*"):
        assert path.is_dir() or "取消下個月".encode() not in path.read_bytes()
