"""Canaries planted in what people say: nobody finds them, wherever they look."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from tests.access.provider import Provider
from tests.fakes.engines import SayingEngine
from tests.integration.access import guarded, of_role
from tests.integration.helpers import audio, control, end, events, rest, running, settings, start, take
from tests.integration.suggesting import calling, one_side
from yuetone.v1 import audio_pb2
from yuetone.v1 import call_service_pb2 as pb

SAID = (
    "我叫陳大文，電話係九一二三四五六七，身份證A一二三四五六括號三，密碼係apple八八一二，"
    "點樣申請電子發票呀，我要投訴"
)
CANARIES = (
    "陳大文",
    "九一二三四五六七",
    "91234567",
    "9123 4567",
    "一二三四五六",
    "123456",
    "apple",
    "八八一二",
)


def assert_clean(text: str) -> None:
    found = [canary for canary in CANARIES if canary in text]
    assert found == []


async def test_canaries_reach_no_reader_no_store_and_no_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = settings(
        suggest={"store": str(tmp_path / "kb.db")},
        alerts={"store": str(tmp_path / "alerts.db")},
        audit={"folder": tmp_path / "audit"},
        emotion={"enabled": True},
    )
    async with running(chosen, SayingEngine("")) as run:
        async with calling(run) as call:
            await call.say(SAID)
            watching = run.stub.WatchCall(pb.WatchCallRequest(call_id="call-1", after_server_seq=0))
            watched = [cast("Message", await watching.read()) for _ in range(4)]
            watching.cancel()
        finals = [item for item in events(call.messages, "transcript") if item.is_final]
        assert any(item.masks for item in finals)
        assert any("電子發票" in item.text for item in finals)
        for message in (*call.messages, *watched):
            assert_clean(MessageToJson(message, ensure_ascii=False))
    told = capsys.readouterr()
    assert_clean(told.out + told.err)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert [canary for canary in CANARIES if canary.encode() in data] == [], file.name


async def _watched(run: Any, metadata: Any, wanted: str) -> pb.StreamCallResponse:
    """Return the first message of a kind that somebody who watches gets."""
    stream = run.stub.WatchCall(pb.WatchCallRequest(call_id="call-1", after_server_seq=0), metadata=metadata)
    async with asyncio.timeout(20):
        while True:
            message = await stream.read()
            if message.event.HasField("transcript") and message.event.transcript.is_final:
                stream.cancel()
                event: pb.StreamCallResponse = message.event
                return event


@pytest.mark.parametrize(
    ("roles", "sees"), [(["agent"], True), (["supervisor"], False), (["team-lead"], False)]
)
async def test_agents_see_the_categories_that_the_profile_names(
    provider: Provider, roles: list[str], sees: bool
) -> None:
    chosen = guarded(provider, profiles={"default": {"redaction": {"agents_see": ["phone"]}}})
    async with running(chosen, SayingEngine(SAID)) as run:
        sender = of_role(provider, "telephony", company="bank")
        stream = run.stub.StreamCall(metadata=sender)
        await stream.write(start(agent_id="me", team="cards"))
        data = one_side(3.0)
        for number, at in enumerate(range(0, len(data), 960)):
            await stream.write(audio(number, data[at : at + 960]))
        shown = await _watched(run, of_role(provider, *roles, company="bank"), "transcript")
        assert ("九一二三四五六七" in shown.transcript.raw_text) is sees
        assert "陳大文" not in shown.transcript.raw_text
        assert "八八一二" not in shown.transcript.raw_text
        await stream.write(end())
        for message in await rest(stream):
            assert_clean(MessageToJson(message, ensure_ascii=False))


async def test_what_is_announced_as_sensitive_is_hidden_whole() -> None:
    async with running(settings(), SayingEngine("等陣先我攞張卡")) as run:
        stream = run.stub.StreamCall()
        await stream.write(start())
        await take(stream)
        await stream.write(control(sensitive=audio_pb2.Sensitive(on=True, category="card")))
        data = one_side(3.0)
        for number, at in enumerate(range(0, len(data), 960)):
            await stream.write(audio(number, data[at : at + 960]))
        await stream.write(end())
        messages = await rest(stream)
    finals = [item for item in events(messages, "transcript") if item.is_final]
    assert {item.text for item in finals} == {"〔卡號〕"}


async def test_an_unknown_category_is_refused() -> None:
    async with running() as run:
        stream = run.stub.StreamCall()
        await stream.write(start())
        await take(stream)
        await stream.write(control(sensitive=audio_pb2.Sensitive(on=True, category="secret")))
        with pytest.raises(grpc.aio.AioRpcError, match="docs/privacy"):
            await rest(stream)
