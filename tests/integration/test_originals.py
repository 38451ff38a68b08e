"""What was hidden of recorded calls, and how calls came and went on, over the wire."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from client import record_stub
from tests.access.provider import Provider
from tests.fakes.engines import SayingEngine
from tests.integration.access import bearer, code, guarded, of_role, recorded
from tests.integration.helpers import chunks, demo_bytes, end, running, settings, start, talk
from tests.record.helpers import profile, section
from yuetone.v1 import audio_pb2
from yuetone.v1 import record_service_pb2 as pb

pytestmark = pytest.mark.integration

SAID = "我要投訴你哋間公司"


class _Hidden:
    """A call of which something is hidden, and who asks for it."""

    def __init__(self, stub: Any, name: str, provider: Provider) -> None:
        self.stub, self.name, self._provider = stub, name, provider

    def who(self, name: str, role: str, company: str = "bank") -> Any:
        return bearer(self._provider.token(name, roles=[role], company=company))

    def read(self, who: Any) -> Any:
        return self.stub.GetOriginal(pb.GetOriginalRequest(record_id=self.name), metadata=who)

    def heard(self, method: str, who: Any) -> Any:
        return getattr(self.stub, method)(pb.StreamRecordingRequest(record_id=self.name), metadata=who)

    def ask(self, who: Any) -> Any:
        request = pb.RequestOriginalRequest(record_id=self.name, reason="case 7")
        return self.stub.RequestOriginal(request, metadata=who)

    def agree(self, request_id: str, who: Any) -> Any:
        request = pb.DecideOriginalRequest(original_request_id=request_id, agree=True)
        return self.stub.DecideOriginal(request, metadata=who)

    async def waiting(self, who: Any) -> list[pb.OriginalRequest]:
        answer = await self.stub.ListOriginalRequests(pb.ListOriginalRequestsRequest(), metadata=who)
        return list(answer.requests)


async def _texts(pieces: Any) -> str:
    return " ".join(
        [piece.event.transcript.text async for piece in pieces if piece.event.HasField("transcript")]
    )


async def test_what_was_hidden_needs_a_second_person(provider: Provider, tmp_path: Path) -> None:
    """A supervisor asks, a privacy officer agrees; then this supervisor reads and hears it, nobody else."""
    classes = {"service": {"keep_days": 180, "original_days": 30}}
    chosen = guarded(
        provider,
        record=section(tmp_path, classes=classes),
        profiles=profile(),
        audit={"folder": tmp_path / "audit"},
    )
    async with running(chosen, SayingEngine("我電話係九八七六五四三二")) as run:
        records, stub = await recorded(run, provider), record_stub(run.channel)
        hidden = _Hidden(stub, records["own"], provider)
        amy, bob = hidden.who("amy", "supervisor"), hidden.who("bob", "supervisor")
        officer = hidden.who("otto", "privacy-officer")
        stranger = hidden.who("eve", "privacy-officer", "telecom")
        everybody = stub.GetCall(pb.GetRecordedCallRequest(record_id=hidden.name), metadata=amy)
        assert "98765432" not in await _texts(everybody)
        assert await code(hidden.read(amy)) == "PERMISSION_DENIED"
        assert await code(hidden.ask(of_role(provider, "agent"))) == "PERMISSION_DENIED"
        assert await code(hidden.ask(stranger)) == "NOT_FOUND"
        asked = await hidden.ask(amy)
        name = asked.original_request_id
        assert await code(hidden.agree(name, amy)) == "PERMISSION_DENIED"
        assert await code(hidden.agree(name, stranger)) == "NOT_FOUND"
        assert await hidden.waiting(stranger) == []
        (waiting,) = await hidden.waiting(officer)
        assert (waiting.record_id, waiting.reason, waiting.asked_by) == (
            hidden.name,
            "case 7",
            asked.asked_by,
        )
        assert await code(hidden.read(amy)) == "PERMISSION_DENIED"
        decided = await hidden.agree(name, officer)
        assert decided.readable_until_unix_ms / 1000 == pytest.approx(time.time() + 86_400, abs=60)
        assert "98765432" in await _texts(hidden.read(amy))
        for nobody in (bob, officer, stranger):
            assert await code(hidden.read(nobody)) in ("PERMISSION_DENIED", "NOT_FOUND")
            assert await code(hidden.heard("StreamOriginal", nobody)) in ("PERMISSION_DENIED", "NOT_FOUND")
        cut = b"".join([piece.data async for piece in hidden.heard("StreamRecording", amy)])
        whole = b"".join([piece.data async for piece in hidden.heard("StreamOriginal", amy)])
        assert len(cut) == len(whole)
        silent = {one for one, other in zip(cut, whole, strict=True) if one != other}
        assert silent == {0xFF}  # what differs is silent in what everybody hears
    said = b"".join(file.read_bytes() for file in (tmp_path / "audit").rglob("*") if file.is_file())
    assert b"record.original-agree" in said
    assert b"98765432" not in said


async def test_how_a_call_came_and_went_on_is_kept(tmp_path: Path) -> None:
    async with running(settings(record=section(tmp_path), profiles=profile()), SayingEngine(SAID)) as run:
        first = start(waited_ms=12_000, direction=audio_pb2.CALL_DIRECTION_INBOUND, transferred_from="sales")
        last = end()
        last.end_call.transferred_to = "complaints"
        told = await talk(run, [first, *chunks(demo_bytes(1)), last])
        assert told[-1].ended.transferred_to == "complaints"
        record = run.server.app.record
        assert record is not None
        await record.written()
        (call,) = (await record_stub(run.channel).ListCalls(pb.ListRecordedCallsRequest())).calls
        assert (call.waited_ms, call.direction) == (12_000, audio_pb2.CALL_DIRECTION_INBOUND)
        assert (call.transferred_from, call.transferred_to) == ("sales", "complaints")
        with pytest.raises(grpc.aio.AioRpcError, match="waited_ms"):
            await talk(run, [start("c2", waited_ms=-1)])


async def test_where_nothing_hidden_is_kept_nobody_can_ask(tmp_path: Path) -> None:
    async with running(settings(record=section(tmp_path), profiles=profile())) as run:
        await talk(run, [start(), *chunks(demo_bytes(1)), end()])
        stub, record = record_stub(run.channel), run.server.app.record
        assert record is not None
        await record.written()
        (call,) = (await stub.ListCalls(pb.ListRecordedCallsRequest())).calls
        assert not call.HasField("original_until_unix_ms")
        wanted = pb.RequestOriginalRequest(record_id=call.record_id, reason="x")
        assert await code(stub.RequestOriginal(wanted)) == "INVALID_ARGUMENT"
