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
from tests.integration.access import CALLS, alert, code, guarded, of_role, recorded
from tests.integration.helpers import chunks, demo_bytes, end, kept, rest, running, settings, start, talk
from tests.record.helpers import keys, profile, section, store
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
        records = await recorded(run, provider)
        assert set(records) == set(CALLS)
        stub = record_stub(run.channel)
        for role in AccessRole:
            who = of_role(provider, role.value)
            for name, table in METHODS.items():
                sees = table.get(role.value, set())
                for call, record_id in records.items():
                    wanted = "ok" if call in sees else "NOT_FOUND" if sees else "PERMISSION_DENIED"
                    asked = _asked(stub, name, record_id, who)
                    expect(f"{role} {name} {call}", await code(asked), wanted)
            subject = stub.ExportSubject(pb.ExportSubjectRequest(customer_ref="C-1"), metadata=who)
            wanted = "ok" if role.value in ERASES else "PERMISSION_DENIED"
            expect(f"{role} ExportSubject", await code(subject), wanted)
            sees = READS.get(role.value, set())
            if not sees:
                listing = stub.ListCalls(pb.ListRecordedCallsRequest(), metadata=who)
                expect(f"{role} ListCalls", await code(listing), "PERMISSION_DENIED")
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
        saved = await stub.SaveWrapUp(pb.SaveWrapUpRequest(call_id="c1", wrap_up=wrap_up))
        assert saved.wrap_up.topics == ["退款"]
        await kept(run)
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
        assert await code(stub.ListCalls(bad)) == "INVALID_ARGUMENT"
        summary = await stub.GetSummary(pb.GetSummaryRequest(call_id="c1"))
        assert summary.wrap_up.note == "好"


async def test_who_may_not_see_alerts_cannot_ask_for_them(provider: Provider, tmp_path: Path) -> None:
    chosen = guarded(
        provider, record=section(tmp_path), profiles=profile(), audit={"folder": tmp_path / "audit"}
    )
    async with running(chosen, SayingEngine(SAID)) as run:
        await recorded(run, provider)
        asked = pb.ListRecordedCallsRequest(filter=pb.RecordedCallFilter(alerts=True))
        for role, wanted in (
            ("agent", "PERMISSION_DENIED"),
            ("quality", "PERMISSION_DENIED"),
            ("supervisor", "ok"),
        ):
            who = of_role(provider, role)
            assert await code(record_stub(run.channel).ListCalls(asked, metadata=who)) == wanted


async def test_figures_are_of_the_calls_within_reach(provider: Provider, tmp_path: Path) -> None:
    chosen = guarded(
        provider, record=section(tmp_path), profiles=profile(), audit={"folder": tmp_path / "audit"}
    )
    async with running(chosen, SayingEngine(SAID)) as run:
        await recorded(run, provider)
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
                assert await code(stub.QueryKpis(asked, metadata=who)) == "PERMISSION_DENIED"
                assert await code(stub.GetIssueHeatMap(cells, metadata=who)) == "PERMISSION_DENIED"
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
            assert await code(stub.QueryKpis(bad, metadata=who)) == "INVALID_ARGUMENT"
        huge = insight_pb2.GetIssueHeatMapRequest(**period, bucket_ms=3_600_000)
        assert await code(stub.GetIssueHeatMap(huge, metadata=who)) == "INVALID_ARGUMENT"


async def test_agents_see_their_own_calls_for_some_days(provider: Provider, tmp_path: Path) -> None:
    chosen = guarded(
        provider,
        record=section(tmp_path, agents_see_days=0),
        profiles=profile(),
        audit={"folder": tmp_path / "audit"},
    )
    async with running(chosen, SayingEngine(SAID)) as run:
        records = await recorded(run, provider)
        stub = record_stub(run.channel)
        for role, sees in (("agent", set()), ("team-lead", TEAM)):
            who = of_role(provider, role)
            listed = await stub.ListCalls(pb.ListRecordedCallsRequest(), metadata=who)
            assert {call.call_id for call in listed.calls} == sees
            found = await stub.SearchCalls(pb.SearchRecordedCallsRequest(query="投訴"), metadata=who)
            assert {hit.call.call_id for hit in found.hits} == sees
            got = await code(_asked(stub, "GetCall", records["own"], who))
            assert got == ("ok" if sees else "NOT_FOUND")


async def test_what_is_erased_is_gone_everywhere(tmp_path: Path) -> None:
    chosen = settings(
        record=section(tmp_path), profiles=profile(), alerts={"store": str(tmp_path / "alerts.db")},
        suggest={"store": str(tmp_path / "kb.db")},
    )  # fmt: skip
    async with running(chosen, SayingEngine(SAID)) as run:
        await talk(run, [start("one"), *chunks(demo_bytes(8)), end()])
        await talk(run, [start("two"), *chunks(demo_bytes(8)), end()])
        await kept(run)
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
        assert await code(stub.GetCall(pb.GetRecordedCallRequest(record_id=first.record_id))) == "NOT_FOUND"
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
        await kept(run)
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
