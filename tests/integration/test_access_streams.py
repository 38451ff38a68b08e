"""Streams of those who are known, for as long as they are; and of those whom nobody knows."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from client import overview_stub
from pipeline.access import authenticator as authenticating
from pipeline.access.tokens import AccessStore
from pipeline.errors import AtCapacity
from pipeline.rpc import gate
from tests.access.provider import Provider
from tests.integration.access import Requests, bearer, guarded
from tests.integration.helpers import end, reloaded, rest, running, start, take
from yuetone.v1 import call_service_pb2 as pb
from yuetone.v1 import overview_service_pb2 as overview_pb

pytestmark = pytest.mark.integration


async def test_watching_ends_behind_the_token_and_a_call_does_not(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "CHECK_S", 0.05)
    monkeypatch.setattr(gate, "EXPIRY_GRACE_S", 0.5)
    async with running(guarded(provider)) as run:
        soon: dict[str, Any] = {"iat": time.time() - 1, "exp": time.time() + 1.0}
        call = run.stub.StreamCall(metadata=bearer(provider.token(roles=["telephony"], **soon)))
        await call.write(start("long"))
        await take(call)
        watch = run.stub.WatchCall(
            pb.WatchCallRequest(call_id="long"), metadata=bearer(provider.token(**soon))
        )
        begun = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            async with asyncio.timeout(10):
                async for _message in watch:
                    pass
        assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert (ended.value.details() or "").startswith("TOKEN_EXPIRED")
        assert time.monotonic() - begun > 1.2
        await call.write(end())
        await call.done_writing()
        assert (await rest(call))[-1].HasField("ended")


async def test_watching_ends_when_somebody_is_revoked(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "CHECK_S", 0.05)
    monkeypatch.setattr(authenticating, "FOLLOW_S", 0.05)
    path = str(tmp_path / "access.db")
    async with running(guarded(provider, access={"store": path})) as run:
        request = overview_pb.WatchCallsRequest()
        watch = overview_stub(run.channel).WatchCalls(request, metadata=bearer(provider.token("eve")))
        assert await watch.read() is not grpc.aio.EOF
        store = AccessStore(path)
        store.revoke("oidc:staff:eve", time.time())
        store.close()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            async with asyncio.timeout(10):
                while await watch.read() is not grpc.aio.EOF:
                    pass
        assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_only_who_began_a_call_resumes_it(provider: Provider) -> None:
    async with running(guarded(provider)) as run:
        first = run.stub.StreamCall(metadata=bearer(provider.token("pbx-1", roles=["telephony"])))
        await first.write(start("mine"))
        session = (await take(first)).started.session_id
        for subject, company in (("pbx-2", "bank"), ("pbx-1", "telecom")):
            shown = bearer(provider.token(subject, roles=["telephony"], company=company))
            thief = run.stub.StreamCall(metadata=shown)
            await thief.write(start("mine", resume={"session_id": session, "last_server_seq": 0}))
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await rest(thief)
            assert (refused.value.details() or "").startswith("UNKNOWN_CALL"), subject
        again = run.stub.StreamCall(metadata=bearer(provider.token("pbx-1", roles=["telephony"])))
        await again.write(start("mine", resume={"session_id": session, "last_server_seq": 0}))
        assert (await take(again)).started.session_id == session
        await again.write(end())
        await again.done_writing()
        await rest(again)


async def test_two_companies_may_use_one_call_id(provider: Provider) -> None:
    async with running(guarded(provider)) as run:
        calls = []
        for company in ("bank", "telecom"):
            shown = bearer(provider.token("pbx", roles=["telephony"], company=company))
            call = run.stub.StreamCall(metadata=shown)
            await call.write(start("1001", team=company))
            assert (await take(call)).HasField("started")
            calls.append(call)
        for company in ("bank", "telecom"):
            answer = await overview_stub(run.channel).ListCalls(
                overview_pb.ListCallsRequest(), metadata=bearer(provider.token(company=company))
            )
            assert [(row.call_id, row.tenant, row.team) for row in answer.calls] == [
                ("1001", company, company)
            ]
        for call in calls:
            await call.write(end())
            await call.done_writing()
            await rest(call)


async def test_issuers_and_companies_are_read_again(provider: Provider, tmp_path: Path) -> None:
    store = {"store": str(tmp_path / "access.db")}
    before = guarded(provider, access=store)
    after = guarded(
        provider,
        access={**store, "issuers": [], "certificates": [{"common_name": "pbx", "tenant": "bank"}]},
        tenants={"bank": {"max_calls": 0}},
    )
    async with running(before, reread=lambda: after) as run:
        shown = bearer(provider.token(roles=["telephony"]))
        assert await Requests(run, shown).stream_call() == "ok"
        await reloaded(run)
        assert await Requests(run, shown).stream_call() == "UNAUTHENTICATED"
        with pytest.raises(AtCapacity):
            run.server.app.capacity.admit({}, tenant="bank")


async def test_who_begins_a_call_and_leaves_leaves_no_call_behind(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = guarded(
        provider, audit={"folder": tmp_path}, limits={"resume_window_s": 0.2, "idle_timeout_s": 2}
    )
    async with running(chosen) as run:
        real = run.server.app.auditor.record

        async def slow(entry: Any) -> None:
            await asyncio.sleep(0.3)
            await real(entry)

        monkeypatch.setattr(run.server.app.auditor, "record", slow)
        shown = bearer(provider.token(roles=["telephony"]))
        for number in range(5):
            call = run.stub.StreamCall(metadata=shown)
            await call.write(start(f"left-{number}"))
            await asyncio.sleep(0.1)
            call.cancel()
        async with asyncio.timeout(10):
            while len(run.server.calls):
                await asyncio.sleep(0.05)


async def test_strangers_who_watch_the_health_leave_room(provider: Provider) -> None:
    async with running(guarded(provider)) as run:
        health = health_pb2_grpc.HealthStub(run.channel)
        streams = [health.Watch(health_pb2.HealthCheckRequest()) for _ in range(20)]
        outcomes = []
        for stream in streams:
            try:
                outcomes.append(await stream.read() is not grpc.aio.EOF)
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # noqa: PT017 (others succeed)
                outcomes.append(False)
        assert outcomes.count(True) == gate.PUBLIC_STREAMS_A_HOST
        assert await Requests(run, bearer(provider.token())).get_me() == "ok"
        for stream in streams:
            stream.cancel()
