"""A server that asks who somebody is, four calls of two companies, and requests of every method."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from client import overview_stub, suggestion_stub, supervisor_stub
from pipeline.alerts.service import AlertService
from pipeline.calls.events import AlertEvent, AlertReason, AlertState, ReasonKind, Severity
from pipeline.calls.reach import EVERYTHING
from pipeline.config import Settings
from pipeline.knowledge.service import KnowledgeService
from suggest.dialogue.active import ActiveSuggestion, State
from suggest.dialogue.drafting import Draft
from tests.access.provider import AUDIENCE, Provider
from tests.integration.helpers import (
    Running,
    chunks,
    demo_bytes,
    end,
    kept,
    rest,
    running,
    settings,
    start,
    take,
)
from yuetone.v1 import audio_pb2
from yuetone.v1 import call_service_pb2 as call_pb
from yuetone.v1 import overview_service_pb2 as overview_pb
from yuetone.v1 import suggestion_service_pb2 as suggestion_pb
from yuetone.v1 import supervisor_service_pb2 as supervisor_pb

CALLS = {
    "own": {"company": "bank", "agent_id": "me", "team": "cards"},
    "team": {"company": "bank", "agent_id": "a2", "team": "cards"},
    "tenant": {"company": "bank", "agent_id": "a3", "team": "loans"},
    "other": {"company": "telecom", "agent_id": "me", "team": "cards"},
}
Metadata = tuple[tuple[str, str], ...]


def bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


def guarded(provider: Provider, **sections: dict[str, Any]) -> Settings:
    """Return settings of a server that believes ``provider``."""
    issuer = {
        "name": "staff", "issuer": provider.url, "audience": AUDIENCE, "tenant_claim": "company",
        "agent_claim": "agent", "teams_claim": "teams",
    }  # fmt: skip
    access = {"issuers": [issuer], "identity": "required", **sections.pop("access", {})}
    return settings(access=access, **sections)


def of_role(provider: Provider, *roles: str, **claims: Any) -> Metadata:
    """Return what somebody of these roles shows: agent ``me`` of team ``cards``, of the bank."""
    return bearer(provider.token(roles=list(roles), agent="me", teams=["cards"], **claims))


@dataclass
class Live:
    """A server with the four calls.

    Attributes:
        run: the server.
        provider: whom it believes.
        alerts: id of an alert about each call.
    """

    run: Running
    provider: Provider
    alerts: dict[str, str]


@asynccontextmanager
async def four_calls(provider: Provider, chosen: Settings | None = None) -> AsyncIterator[Live]:
    """Start a server with four live calls, an alert and a suggestion in each."""
    async with running(chosen or guarded(provider)) as run:
        streams = []
        for name, fields in CALLS.items():
            machine = bearer(provider.token("pbx", roles=["telephony"], company=fields["company"]))
            stream = run.stub.StreamCall(metadata=machine)
            await stream.write(start(name, agent_id=fields["agent_id"], team=fields["team"]))
            await take(stream)
            streams.append(stream)
            await _with_alert_and_suggestion(run, name)
        try:
            yield Live(run, provider, {name: f"alert-{name}" for name in CALLS})
        finally:
            for stream in streams:
                await stream.write(end())
                await stream.done_writing()
                await rest(stream)


async def _with_alert_and_suggestion(run: Running, name: str) -> None:
    app = run.server.app
    info = (await run.server.calls.find(name, EVERYTHING)).info
    assert isinstance(app.alerts, AlertService)
    assert isinstance(app.knowledge, KnowledgeService)
    app.alerts.publish(info, alert(f"alert-{name}"), 600)
    assert await app.alerts.flush()
    draft = Draft(article=("", "a1"), language="zh-Hant", text="好", wordings={}, sources=(), confidence=0.9)
    shown = ActiveSuggestion(
        id=f"s-{name}", utterance_id="u", draft=draft, state=State.PROPOSED, revision=1, rank=1
    )
    app.knowledge.remember(info, shown, "點解咁貴")


def alert(alert_id: str) -> AlertEvent:
    return AlertEvent(
        alert_id=alert_id, rule="mood", severity=Severity.WARNING, state=AlertState.RAISED, channel=0,
        start=0, end=16_000, evidence="激動程度 70%", agitation=0.7, curve=((0, 0.7),),
        reasons=(
            AlertReason(kind=ReasonKind.AGITATION, value=0.7),
            AlertReason(kind=ReasonKind.WORD, text="投訴", value=2),
        ),
    )  # fmt: skip


class Requests:
    """Each method of the API as one attempt: ``ok``, or the name of the status that refused it.

    Args:
        run: the server.
        metadata: what is shown.
    """

    def __init__(self, run: Running, metadata: Metadata) -> None:
        self._run = run
        self._metadata = metadata
        self._numbers = iter(range(10_000))

    async def stream_call(self, **fields: Any) -> str:
        call = self._run.stub.StreamCall(metadata=self._metadata)

        async def work() -> None:
            with contextlib.suppress(asyncio.InvalidStateError, grpc.aio.UsageError):
                await call.write(start(f"new-{next(self._numbers)}-{id(self)}", **fields))
                await call.write(end())
                await call.done_writing()
            await rest(call)

        return await _outcome(work())

    async def watch_call(self, call_id: str) -> str:
        stream = self._run.stub.WatchCall(call_pb.WatchCallRequest(call_id=call_id), metadata=self._metadata)
        return await _first(stream)

    async def get_capabilities(self) -> str:
        return await _outcome(
            self._run.stub.GetCapabilities(call_pb.GetCapabilitiesRequest(), metadata=self._metadata)
        )

    async def list_calls(self, tenant: str | None = None) -> tuple[str, set[str]]:
        request = overview_pb.ListCallsRequest(scope=overview_pb.CallScope(tenant=tenant))
        found: set[str] = set()

        async def work() -> None:
            answer = await overview_stub(self._run.channel).ListCalls(request, metadata=self._metadata)
            found.update(row.call_id for row in answer.calls)

        return await _outcome(work()), found

    async def watch_calls(self, tenant: str | None = None) -> tuple[str, set[str]]:
        request = overview_pb.WatchCallsRequest(scope=overview_pb.CallScope(tenant=tenant))
        stream = overview_stub(self._run.channel).WatchCalls(request, metadata=self._metadata)
        found: set[str] = set()

        async def work() -> None:
            message = await stream.read()
            if isinstance(message, overview_pb.WatchCallsResponse):
                found.update(row.call_id for row in message.calls)
            stream.cancel()

        return await _outcome(work()), found

    async def get_me(self) -> str:
        return await _outcome(
            overview_stub(self._run.channel).GetMe(overview_pb.GetMeRequest(), metadata=self._metadata)
        )

    async def watch_alerts(self, tenant: str | None = None, for_s: float = 0.4) -> tuple[str, set[str]]:
        request = supervisor_pb.WatchAlertsRequest(cursor="0", tenant=tenant)
        stream = supervisor_stub(self._run.channel).WatchAlerts(request, metadata=self._metadata)
        found: set[str] = set()

        async def work() -> None:
            assert await stream.read() is not grpc.aio.EOF  # a heartbeat comes at once
            try:
                async with asyncio.timeout(for_s):
                    while isinstance(message := await stream.read(), supervisor_pb.WatchAlertsResponse):
                        if message.HasField("alert"):
                            found.add(message.call_id)
            except TimeoutError:
                stream.cancel()

        return await _outcome(work()), found

    async def ack_alert(self, alert_id: str) -> str:
        request = supervisor_pb.AckAlertRequest(alert_id=alert_id)
        return await _outcome(supervisor_stub(self._run.channel).AckAlert(request, metadata=self._metadata))

    async def submit_feedback(self, call_id: str) -> str:
        request = suggestion_pb.SubmitFeedbackRequest(
            call_id=call_id,
            suggestion_id=f"s-{call_id}",
            action=suggestion_pb.SubmitFeedbackRequest.ACTION_SHOWN,
        )
        return await _outcome(
            suggestion_stub(self._run.channel).SubmitFeedback(request, metadata=self._metadata)
        )

    async def set_reply_language(self, call_id: str) -> str:
        request = suggestion_pb.SetReplyLanguageRequest(call_id=call_id, language="en")
        return await _outcome(
            suggestion_stub(self._run.channel).SetReplyLanguage(request, metadata=self._metadata)
        )

    async def set_sensitive(self, call_id: str) -> str:
        request = call_pb.SetSensitiveRequest(call_id=call_id, sensitive=audio_pb2.Sensitive(on=False))
        return await _outcome(self._run.stub.SetSensitive(request, metadata=self._metadata))

    async def list_open_alerts(self, tenant: str | None = None) -> tuple[str, set[str]]:
        request = supervisor_pb.ListOpenAlertsRequest(tenant=tenant)
        found: set[str] = set()

        async def work() -> None:
            answer = await supervisor_stub(self._run.channel).ListOpenAlerts(request, metadata=self._metadata)
            found.update(group.call_id for group in answer.groups)

        return await _outcome(work()), found

    async def search_articles(self, tenant: str | None = None) -> str:
        request = suggestion_pb.SearchArticlesRequest(query="張單", tenant=tenant)
        return await _outcome(
            suggestion_stub(self._run.channel).SearchArticles(request, metadata=self._metadata)
        )

    async def every_one(self) -> dict[str, str]:
        """Return what each method answers, each asked about a call of one's own."""
        return {
            "StreamCall": await self.stream_call(),
            "WatchCall": await self.watch_call("own"),
            "GetCapabilities": await self.get_capabilities(),
            "ListCalls": (await self.list_calls())[0],
            "WatchCalls": (await self.watch_calls())[0],
            "GetMe": await self.get_me(),
            "WatchAlerts": (await self.watch_alerts())[0],
            "AckAlert": await self.ack_alert("alert-own"),
            "SubmitFeedback": await self.submit_feedback("own"),
            "SetReplyLanguage": await self.set_reply_language("own"),
            "SetSensitive": await self.set_sensitive("own"),
            "ListOpenAlerts": (await self.list_open_alerts())[0],
            "SearchArticles": await self.search_articles(),
        }


async def _first(stream: Any) -> str:
    async def work() -> None:
        assert await stream.read() is not grpc.aio.EOF
        stream.cancel()

    return await _outcome(work())


async def _outcome(work: Any) -> str:
    try:
        async with asyncio.timeout(10):
            await work
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "ok"


class Cells:
    """What was found and what should have been."""

    def __init__(self) -> None:
        self.count = 0
        self.surprises: list[str] = []

    def expect(self, cell: str, found: object, wanted: object) -> None:
        self.count += 1
        if found != wanted:
            self.surprises.append(f"{cell}: {found}, not {wanted}")


async def recorded(
    run: Running, provider: Provider, calls: Mapping[str, Mapping[str, str]] = CALLS
) -> dict[str, str]:
    """Send one call of each kind; return their record ids, once they can be found."""
    for name, fields in calls.items():
        machine = bearer(provider.token("pbx", roles=["telephony"], company=fields["company"]))
        call = run.stub.StreamCall(metadata=machine)
        await call.write(start(name, agent_id=fields["agent_id"], team=fields.get("team", "")))
        for request in chunks(demo_bytes(8)):
            await call.write(request)
        await call.write(end())
        await call.done_writing()
        await rest(call)
    await kept(run)
    record = run.server.app.record
    assert record is not None
    rows = [row for tenant in ("bank", "telecom") for row in record.stores.of(tenant).rows()]
    return {row.info.call_id: row.record_id for row in rows}


async def code(work: Any) -> str:
    """Return the status with which a request or a stream ends; ``ok`` where it does not fail."""
    try:
        if hasattr(work, "__aiter__"):
            async for _message in work:
                pass
        else:
            await work
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "ok"
