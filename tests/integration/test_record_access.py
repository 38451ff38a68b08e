"""Recorded calls over the wire: who sees, hears, holds and erases whose."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from client import insight_stub, record_stub
from pipeline.alerts.service import AlertService
from pipeline.alerts.store import AlertStore
from pipeline.calls.info import CallInfo
from pipeline.sections.access import AccessRole
from tests.access.provider import Provider
from tests.fakes.engines import SayingEngine
from tests.integration.access import CALLS, alert, bearer, guarded, of_role
from tests.integration.helpers import Running, chunks, demo_bytes, end, rest, running, settings, start, talk
from tests.record.helpers import keys, profile, section, store
from yuetone.v1 import audio_pb2
from yuetone.v1 import insight_service_pb2 as insight_pb2
from yuetone.v1 import record_service_pb2 as pb

pytestmark = pytest.mark.integration

OWN, TEAM, TENANT = {"own"}, {"own", "team"}, {"own", "team", "tenant"}
READS: dict[str, set[str]] = {
    "agent": OWN, "team-lead": TEAM, "supervisor": TENANT, "quality": TENANT, "privacy-officer": TENANT,
}  # fmt: skip
LISTENS = {role: seen for role, seen in READS.items() if role != "agent"}
ERASES = {"privacy-officer": TENANT}
METHODS = {
    "GetCall": READS, "GetSummary": READS, "ExportCall": READS,
    "StreamRecording": LISTENS, "PlaceHold": ERASES,
}  # fmt: skip
SAID = "我要投訴你哋間公司"


async def _recorded(run: Running, provider: Provider) -> dict[str, str]:
    """Send one call of each kind; return their record ids, once they can be found."""
    for name, fields in CALLS.items():
        machine = bearer(provider.token("pbx", roles=["telephony"], company=fields["company"]))
        call = run.stub.StreamCall(metadata=machine)
        await call.write(start(name, agent_id=fields["agent_id"], team=fields["team"]))
        for request in chunks(demo_bytes(8)):
            await call.write(request)
        await call.write(end())
        await call.done_writing()
        await rest(call)
    record = run.server.app.record
    assert record is not None
    async with asyncio.timeout(20):
        while record.writer.waiting_bytes:
            await asyncio.sleep(0.05)
    await record.keeper.index()
    rows = [row for tenant in ("bank", "telecom") for row in record.stores.of(tenant).rows()]
    return {row.info.call_id: row.record_id for row in rows}


async def _code(work: Any) -> str:
    try:
        if hasattr(work, "__aiter__"):
            async for _message in work:
                pass
        else:
            await work
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "ok"


def _asked(stub: Any, method: str, record_id: str, who: Any) -> Any:
    """Ask for a call by one of the methods."""
    request: Any = {
        "GetCall": pb.GetRecordedCallRequest(record_id=record_id),
        "GetSummary": pb.GetSummaryRequest(record_id=record_id),
        "StreamRecording": pb.StreamRecordingRequest(record_id=record_id),
        "ExportCall": pb.ExportCallRequest(record_id=record_id),
        "PlaceHold": pb.PlaceHoldRequest(record_ids=[record_id], reason="case"),
    }[method]
    return getattr(stub, method)(request, metadata=who)


async def test_every_method_for_every_role_and_every_call(provider: Provider, tmp_path: Path) -> None:
    chosen = guarded(
        provider, record=section(tmp_path), profiles=profile(), audit={"folder": tmp_path / "audit"}
    )
    surprises: list[tuple[str, object, object]] = []

    def expect(cell: str, got: object, wanted: object) -> None:
        if got != wanted:
            surprises.append((cell, got, wanted))

    async with running(chosen, SayingEngine(SAID)) as run:
        records = await _recorded(run, provider)
        assert set(records) == set(CALLS)
        stub = record_stub(run.channel)
        for role in AccessRole:
            who = of_role(provider, role.value)
            for name, table in METHODS.items():
                sees = table.get(role.value, set())
                for call, record_id in records.items():
                    wanted = "ok" if call in sees else "NOT_FOUND" if sees else "PERMISSION_DENIED"
                    asked = _asked(stub, name, record_id, who)
                    expect(f"{role} {name} {call}", await _code(asked), wanted)
            subject = stub.ExportSubject(pb.ExportSubjectRequest(customer_ref="C-1"), metadata=who)
            wanted = "ok" if role.value in ERASES else "PERMISSION_DENIED"
            expect(f"{role} ExportSubject", await _code(subject), wanted)
            sees = READS.get(role.value, set())
            if not sees:
                listing = stub.ListCalls(pb.ListRecordedCallsRequest(), metadata=who)
                expect(f"{role} ListCalls", await _code(listing), "PERMISSION_DENIED")
                continue
            listed = await stub.ListCalls(pb.ListRecordedCallsRequest(), metadata=who)
            expect(f"{role} ListCalls", {call.call_id for call in listed.calls}, sees)
            found = await stub.SearchCalls(pb.SearchRecordedCallsRequest(query="投訴"), metadata=who)
            expect(f"{role} SearchCalls", {hit.call.call_id for hit in found.hits}, sees)
            assert all("投訴" in hit.transcript.text for hit in found.hits)
        assert surprises == []


async def test_calls_are_found_by_what_they_are_like(tmp_path: Path) -> None:
    chosen = settings(record=section(tmp_path), profiles=profile(), alerts={"store": str(tmp_path / "a.db")})
    async with running(chosen, SayingEngine(SAID)) as run:
        for number in range(2):
            await talk(run, [start(f"c{number}"), *chunks(demo_bytes(8)), end()])
        stub = record_stub(run.channel)
        wrap_up = pb.WrapUp(resolution=pb.RESOLUTION_RESOLVED, topics=["退款"], note="好")
        kept = await stub.SaveWrapUp(pb.SaveWrapUpRequest(call_id="c1", wrap_up=wrap_up))
        assert kept.wrap_up.topics == ["退款"]
        record = run.server.app.record
        assert record is not None
        await record.keeper.index()
        like = pb.RecordedCallFilter
        for wanted, names in (
            (like(topics=["退款"]), {"c1"}),
            (like(topics=["帳單"]), set()),
            (like(resolutions=[pb.RESOLUTION_RESOLVED]), {"c1"}),
            (like(alerts=True), set()),
            (like(alerts=False), {"c0", "c1"}),
            (like(agitation_above=1.0), set()),
        ):
            listed = await stub.ListCalls(pb.ListRecordedCallsRequest(filter=wanted))
            assert {call.call_id for call in listed.calls} == names, wanted
            found = await stub.SearchCalls(pb.SearchRecordedCallsRequest(query="投訴", filter=wanted))
            assert {hit.call.call_id for hit in found.hits} == names, wanted
        bad = pb.ListRecordedCallsRequest(filter=like(agitation_above=2.0))
        assert await _code(stub.ListCalls(bad)) == "INVALID_ARGUMENT"
        summary = await stub.GetSummary(pb.GetSummaryRequest(call_id="c1"))
        assert summary.wrap_up.note == "好"


async def test_who_may_not_see_alerts_cannot_ask_for_them(provider: Provider, tmp_path: Path) -> None:
    chosen = guarded(
        provider, record=section(tmp_path), profiles=profile(), audit={"folder": tmp_path / "audit"}
    )
    async with running(chosen, SayingEngine(SAID)) as run:
        await _recorded(run, provider)
        asked = pb.ListRecordedCallsRequest(filter=pb.RecordedCallFilter(alerts=True))
        for role, code in (
            ("agent", "PERMISSION_DENIED"),
            ("quality", "PERMISSION_DENIED"),
            ("supervisor", "ok"),
        ):
            who = of_role(provider, role)
            assert await _code(record_stub(run.channel).ListCalls(asked, metadata=who)) == code


async def test_figures_are_of_the_calls_within_reach(provider: Provider, tmp_path: Path) -> None:
    chosen = guarded(
        provider, record=section(tmp_path), profiles=profile(), audit={"folder": tmp_path / "audit"}
    )
    async with running(chosen, SayingEngine(SAID)) as run:
        await _recorded(run, provider)
        stub = insight_stub(run.channel)
        period: dict[str, Any] = {"since_unix_ms": 0, "until_unix_ms": 400 * 86_400_000}
        now = int(time.time() * 1000)
        asked = insight_pb2.QueryKpisRequest(since_unix_ms=now - 3_600_000, until_unix_ms=now + 1)
        cells = insight_pb2.GetIssueHeatMapRequest(
            since_unix_ms=now - 3_600_000, until_unix_ms=now + 1, bucket_ms=3_600_000
        )
        for role in AccessRole:
            who, sees = of_role(provider, role.value), READS.get(role.value)
            if sees is None:
                assert await _code(stub.QueryKpis(asked, metadata=who)) == "PERMISSION_DENIED"
                assert await _code(stub.GetIssueHeatMap(cells, metadata=who)) == "PERMISSION_DENIED"
                continue
            found = await stub.QueryKpis(asked, metadata=who)
            counted = {value.kpi: value.count for value in found.values}
            assert counted[insight_pb2.KPI_CALLS] == len(sees)
            heat = await stub.GetIssueHeatMap(cells, metadata=who)
            assert sum(cell.calls for cell in heat.cells) == len(sees)
        who = of_role(provider, "supervisor")
        for bad in (
            insight_pb2.QueryKpisRequest(),
            insight_pb2.QueryKpisRequest(**period, bucket_ms=1),
            insight_pb2.QueryKpisRequest(since_unix_ms=5, until_unix_ms=4),
            insight_pb2.QueryKpisRequest(**period, kpis=[99]),  # type: ignore[list-item]
            insight_pb2.QueryKpisRequest(**period, group_by=99),  # type: ignore[arg-type]
        ):
            assert await _code(stub.QueryKpis(bad, metadata=who)) == "INVALID_ARGUMENT"
        huge = insight_pb2.GetIssueHeatMapRequest(**period, bucket_ms=3_600_000)
        assert await _code(stub.GetIssueHeatMap(huge, metadata=who)) == "INVALID_ARGUMENT"


async def test_agents_see_their_own_calls_for_some_days(provider: Provider, tmp_path: Path) -> None:
    chosen = guarded(
        provider,
        record=section(tmp_path, agents_see_days=0),
        profiles=profile(),
        audit={"folder": tmp_path / "audit"},
    )
    async with running(chosen, SayingEngine(SAID)) as run:
        records = await _recorded(run, provider)
        stub = record_stub(run.channel)
        for role, sees in (("agent", set()), ("team-lead", TEAM)):
            who = of_role(provider, role)
            listed = await stub.ListCalls(pb.ListRecordedCallsRequest(), metadata=who)
            assert {call.call_id for call in listed.calls} == sees
            found = await stub.SearchCalls(pb.SearchRecordedCallsRequest(query="投訴"), metadata=who)
            assert {hit.call.call_id for hit in found.hits} == sees
            code = await _code(_asked(stub, "GetCall", records["own"], who))
            assert code == ("ok" if sees else "NOT_FOUND")


async def test_what_is_erased_is_gone_everywhere(tmp_path: Path) -> None:
    chosen = settings(
        record=section(tmp_path), profiles=profile(), alerts={"store": str(tmp_path / "alerts.db")},
        suggest={"store": str(tmp_path / "kb.db")},
    )  # fmt: skip
    async with running(chosen, SayingEngine(SAID)) as run:
        await talk(run, [start("one"), *chunks(demo_bytes(8)), end()])
        await talk(run, [start("two"), *chunks(demo_bytes(8)), end()])
        record = run.server.app.record
        assert record is not None
        async with asyncio.timeout(20):
            while record.writer.waiting_bytes:
                await asyncio.sleep(0.05)
        await record.keeper.index()
        stub = record_stub(run.channel)
        calls = (await stub.ListCalls(pb.ListRecordedCallsRequest())).calls
        (first,) = [call for call in calls if call.call_id == "one"]
        alerts = run.server.app.alerts
        assert isinstance(alerts, AlertService)
        for call_id in ("one", "two"):
            alerts.publish(CallInfo(call_id=call_id), alert(f"alert-{call_id}"), 600)
        assert await alerts.flush()
        receipt = await stub.EraseCalls(pb.EraseCallsRequest(record_ids=[first.record_id]))
        assert list(receipt.erased) == [first.record_id]
        again = await stub.GetErasure(pb.GetErasureRequest(erasure_id=receipt.erasure_id))
        assert list(again.erased) == [first.record_id]
        found = await stub.SearchCalls(pb.SearchRecordedCallsRequest(query="投訴"))
        assert {hit.call.call_id for hit in found.hits} == {"two"}
        calls = (await stub.ListCalls(pb.ListRecordedCallsRequest())).calls
        assert [call.call_id for call in calls] == ["two"]
        left = await alerts.in_thread(AlertStore(tmp_path / "alerts.db").after, 0)
        assert {entry.call.call_id for entry in left} == {"two"}
        assert await _code(stub.GetCall(pb.GetRecordedCallRequest(record_id=first.record_id))) == "NOT_FOUND"
    for file in tmp_path.rglob("*"):
        if not file.is_file():
            continue
        assert SAID.encode() not in file.read_bytes(), file.name
        tombstones = (
            "record.db",
            "keys.db",
        )  # an id and no word; so have parts of the index until it merges them
        if not file.name.startswith(tombstones) and file.parent.name != "index":
            assert first.record_id.encode() not in file.read_bytes(), file.name
    assert keys(tmp_path).cipher(first.record_id) is None
    assert store(tmp_path).row(first.record_id) is None


async def test_a_call_is_found_a_moment_after_it_was_said(tmp_path: Path) -> None:
    async with running(settings(record=section(tmp_path), profiles=profile()), SayingEngine(SAID)) as run:
        call = run.stub.StreamCall()
        await call.write(start("live"))
        for request in chunks(demo_bytes(8)):
            await call.write(request)
        stub = record_stub(run.channel)
        async with asyncio.timeout(20):
            while not (await stub.SearchCalls(pb.SearchRecordedCallsRequest(query="投訴"))).hits:
                await asyncio.sleep(0.1)
        await call.write(end())
        await call.done_writing()
        await rest(call)


async def test_the_sound_is_sent_as_it_is_kept(tmp_path: Path) -> None:
    async with running(
        settings(record=section(tmp_path), profiles=profile()), SayingEngine("今日天氣幾好")
    ) as run:
        await talk(run, [start(), *chunks(demo_bytes(9)), end()])
        stub = record_stub(run.channel)
        (call,) = (await stub.ListCalls(pb.ListRecordedCallsRequest())).calls
        both = [
            piece async for piece in stub.StreamRecording(pb.StreamRecordingRequest(record_id=call.record_id))
        ]
        one = [
            piece
            async for piece in stub.StreamRecording(
                pb.StreamRecordingRequest(record_id=call.record_id, channel=1, from_ms=2_500)
            )
        ]
    whole = b"".join(piece.data for piece in both)
    assert {(piece.channels, piece.sample_rate_hz) for piece in both} == {(2, 8_000)}
    assert len(whole) == pytest.approx(9 * 16_000, abs=160)
    assert one[0].start_ms == 2_500
    assert b"".join(piece.data for piece in one) == whole[1::2][20_000:]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (pb.SearchRecordedCallsRequest(query=""), "query"),
        (pb.SearchRecordedCallsRequest(query="投訴", limit=0), "limit"),
        (pb.ListRecordedCallsRequest(limit=1_001), "limit"),
        (pb.EraseCallsRequest(), "record_ids"),
        (pb.PlaceHoldRequest(record_ids=["nobody"], reason="x"), "UNKNOWN_RECORD"),
        (pb.ReleaseHoldRequest(hold_id="nobody"), "UNKNOWN_HOLD"),
        (pb.GetErasureRequest(erasure_id="nobody"), "UNKNOWN_ERASURE"),
    ],
)
async def test_bad_requests_are_told(tmp_path: Path, request_: Any, said: str) -> None:
    methods = {
        pb.SearchRecordedCallsRequest: "SearchCalls",
        pb.ListRecordedCallsRequest: "ListCalls",
        pb.EraseCallsRequest: "EraseCalls",
        pb.PlaceHoldRequest: "PlaceHold",
        pb.ReleaseHoldRequest: "ReleaseHold",
        pb.GetErasureRequest: "GetErasure",
    }
    async with running(settings(record=section(tmp_path), profiles=profile())) as run:
        await talk(run, [start(), *chunks(demo_bytes(1)), end()])
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await getattr(record_stub(run.channel), methods[type(request_)])(request_)
    assert said in (error.value.details() or "")


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
        records, stub = await _recorded(run, provider), record_stub(run.channel)
        hidden = _Hidden(stub, records["own"], provider)
        amy, bob = hidden.who("amy", "supervisor"), hidden.who("bob", "supervisor")
        officer = hidden.who("otto", "privacy-officer")
        stranger = hidden.who("eve", "privacy-officer", "telecom")
        everybody = stub.GetCall(pb.GetRecordedCallRequest(record_id=hidden.name), metadata=amy)
        assert "98765432" not in await _texts(everybody)
        assert await _code(hidden.read(amy)) == "PERMISSION_DENIED"
        assert await _code(hidden.ask(of_role(provider, "agent"))) == "PERMISSION_DENIED"
        assert await _code(hidden.ask(stranger)) == "NOT_FOUND"
        asked = await hidden.ask(amy)
        name = asked.original_request_id
        assert await _code(hidden.agree(name, amy)) == "PERMISSION_DENIED"
        assert await _code(hidden.agree(name, stranger)) == "NOT_FOUND"
        assert await hidden.waiting(stranger) == []
        (waiting,) = await hidden.waiting(officer)
        assert (waiting.record_id, waiting.reason, waiting.asked_by) == (
            hidden.name,
            "case 7",
            asked.asked_by,
        )
        assert await _code(hidden.read(amy)) == "PERMISSION_DENIED"
        decided = await hidden.agree(name, officer)
        assert decided.readable_until_unix_ms / 1000 == pytest.approx(time.time() + 86_400, abs=60)
        assert "98765432" in await _texts(hidden.read(amy))
        for nobody in (bob, officer, stranger):
            assert await _code(hidden.read(nobody)) in ("PERMISSION_DENIED", "NOT_FOUND")
            assert await _code(hidden.heard("StreamOriginal", nobody)) in ("PERMISSION_DENIED", "NOT_FOUND")
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
        assert await _code(stub.RequestOriginal(wanted)) == "INVALID_ARGUMENT"
