"""Two companies on one server: what one sees is the same whether the other is there or not."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from client import as_json, overview_stub, suggestion_stub, supervisor_stub
from pipeline.alerts.service import AlertService
from pipeline.calls.reach import EVERYTHING, CallReach
from pipeline.knowledge.service import KnowledgeService
from suggest.base import Article
from suggest.dialogue.active import ActiveSuggestion
from suggest.dialogue.drafting import Draft
from suggest.store.knowledge import KnowledgeStore
from tests.access.provider import Provider
from tests.integration.access import alert, bearer, guarded
from tests.integration.helpers import Running, end, rest, running, start, take
from yuetone.v1 import call_service_pb2 as call_pb
from yuetone.v1 import overview_service_pb2 as overview_pb
from yuetone.v1 import suggestion_service_pb2 as suggestion_pb
from yuetone.v1 import supervisor_service_pb2 as supervisor_pb

pytestmark = pytest.mark.integration
IDS = ("1001", "1002", "1003", "1004")
"""Ids that both companies use."""
MARK_OF_OTHER = "月光寶盒"
"""Is in everything that belongs to the other company."""
MOVES_WITHOUT_ITS_OWN_DOING = {
    "at_unix_ms", "started_at_unix_ms", "phase_since_unix_ms", "cursor", "session_id", "audio_ms",
}  # fmt: skip
"""Clocks, and what is drawn at random."""


class Company:
    """One company: its telephony and its supervisor, on one server."""

    def __init__(self, run: Running, provider: Provider, name: str, mark: str) -> None:
        self._run = run
        self.name = name
        self._mark = mark
        self._machine = bearer(provider.token("pbx", roles=["telephony"], company=name))
        self._person = bearer(provider.token("ann", roles=["supervisor"], company=name))
        self._calls: dict[str, Any] = {}

    async def act(self, rng: random.Random) -> list[Any]:
        """Do something at random; return everything that came back."""
        call_id = rng.choice(IDS)
        step = rng.randrange(10)
        works = (self._begin, self._end, self._raise_alert, self._show)
        if step < len(works):
            return [await works[step](call_id)]
        return [await self._ask(step - len(works), call_id)]

    async def _begin(self, call_id: str) -> Any:
        if call_id in self._calls:
            return await self._refused(call_id)
        call = self._run.stub.StreamCall(metadata=self._machine)
        await call.write(start(call_id, team=self._mark, queue=self._mark))
        answer = await take(call)
        self._calls[call_id] = call
        return shown(answer)

    async def _refused(self, call_id: str) -> Any:
        call = self._run.stub.StreamCall(metadata=self._machine)
        await call.write(start(call_id))
        try:
            await rest(call)
        except grpc.aio.AioRpcError as error:
            return error.code().name, error.details()
        return "begun twice"

    async def _end(self, call_id: str) -> Any:
        call = self._calls.pop(call_id, None)
        if call is None:
            return None
        await call.write(end())
        await call.done_writing()
        messages = await rest(call)
        return [shown(message) for message in messages if not message.HasField("heartbeat")]

    async def _raise_alert(self, call_id: str) -> Any:
        alerts, info = self._run.server.app.alerts, await self._info(call_id)
        if info is None:
            return None
        assert isinstance(alerts, AlertService)
        alerts.publish(info, alert(f"{self.name}-{call_id}"), 600)
        return await alerts.flush()

    async def _show(self, call_id: str) -> Any:
        knowledge, info = self._run.server.app.knowledge, await self._info(call_id)
        if info is None:
            return None
        assert isinstance(knowledge, KnowledgeService)
        draft = Draft(
            article=(self.name, "a1"),
            language="zh-Hant",
            text=self._mark,
            wordings={},
            sources=(),
            confidence=0.9,
        )
        shown_one = ActiveSuggestion(id="s1", utterance_id="u", draft=draft, revision=1, rank=1)
        knowledge.remember(info, shown_one, self._mark)
        return None

    async def _info(self, call_id: str) -> Any:
        if call_id not in self._calls:
            return None
        return (await self._run.server.calls.find(call_id, CallReach(tenant=self.name))).info

    async def _ask(self, number: int, call_id: str) -> Any:
        """Ask one thing as the supervisor; return the answer or the refusal."""
        channel, who = self._run.channel, self._person
        try:
            if number == 0:
                answer: Any = await overview_stub(channel).ListCalls(
                    overview_pb.ListCallsRequest(), metadata=who
                )
            elif number == 1:
                request = call_pb.WatchCallRequest(call_id=call_id)
                stream = self._run.stub.WatchCall(request, metadata=who)
                answer = await stream.read()
                stream.cancel()
            elif number == 2:
                query = suggestion_pb.SearchArticlesRequest(query="點樣交電費", limit=20)
                answer = await suggestion_stub(channel).SearchArticles(query, metadata=who)
            elif number == 3:
                copied = suggestion_pb.SubmitFeedbackRequest.ACTION_COPIED
                done = suggestion_pb.SubmitFeedbackRequest(call_id=call_id, suggestion_id="s1", action=copied)
                answer = await suggestion_stub(channel).SubmitFeedback(done, metadata=who)
            elif number == 4:
                acked = supervisor_pb.AckAlertRequest(alert_id=f"bank-{call_id}")
                answer = await supervisor_stub(channel).AckAlert(acked, metadata=who)
            else:
                answer = await self._run.stub.GetCapabilities(call_pb.GetCapabilitiesRequest(), metadata=who)
        except grpc.aio.AioRpcError as error:
            return number, error.code().name, error.details()
        return number, shown(answer)

    async def leave(self) -> None:
        """End all calls."""
        for call_id in list(self._calls):
            await self._end(call_id)


def shown(message: Any) -> Any:
    """Return a message without clocks and without what is drawn at random."""
    return _without(as_json(message)) if isinstance(message, Message) else message


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(part) for key, part in value.items() if key not in MOVES_WITHOUT_ITS_OWN_DOING}
    return [_without(part) for part in value] if isinstance(value, list) else value


async def _life(provider: Provider, folder: Path, seed: int, *, with_other: bool) -> list[Any]:
    """Return everything that the bank sees of a server, with or without another company on it."""
    seen: list[Any] = []
    mine, others = random.Random(seed), random.Random(seed + 1)
    store = KnowledgeStore(str(folder / f"{seed}-{with_other}.db"))
    articles = [article("bank", "電費可以用網上銀行繳交。")]
    others_articles = [article("telecom", f"{MARK_OF_OTHER}：電費點樣交都得。")]
    store.write(articles + others_articles * with_other)
    store.close()
    suggest = {"store": str(folder / f"{seed}-{with_other}.db")}
    async with running(guarded(provider, access={"requests_per_s": 1000}, suggest=suggest)) as run:
        bank = Company(run, provider, "bank", "電費")
        other = Company(run, provider, "telecom", MARK_OF_OTHER)
        for _ in range(60):
            if with_other:
                for _ in range(others.randrange(3)):
                    await other.act(others)
            seen += await bank.act(mine)
        seen.append(shown(await _alerts(run, provider)))
        await bank.leave()
        await other.leave()
        assert not await run.server.calls.list(_everything())
    return seen


def _everything() -> Any:
    from pipeline.calls.overview import CallFilter  # noqa: PLC0415

    return CallFilter(reach=EVERYTHING)


async def _alerts(run: Running, provider: Provider) -> list[Any]:
    """Return every alert that the bank's supervisor can follow from the beginning."""
    import asyncio  # noqa: PLC0415

    found = []
    shown_by = bearer(provider.token("ann", roles=["supervisor"], company="bank"))
    stream = supervisor_stub(run.channel).WatchAlerts(
        supervisor_pb.WatchAlertsRequest(cursor="0"), metadata=shown_by
    )
    try:
        async with asyncio.timeout(0.5):
            while True:
                found.append(shown(await stream.read()))
    except TimeoutError:
        stream.cancel()
    return found


def article(tenant: str, answer: str) -> Article:
    return Article(id="a1", tenant=tenant, question_zh="點樣交電費", answer_zh=answer)


@pytest.mark.parametrize("seed", range(8))
async def test_one_company_sees_nothing_of_the_other(provider: Provider, tmp_path: Path, seed: int) -> None:
    alone = await _life(provider, tmp_path, seed, with_other=False)
    together = await _life(provider, tmp_path, seed, with_other=True)
    assert together == alone
    assert MARK_OF_OTHER not in str(together)
    assert "telecom" not in str(together)
    assert sum(answer is not None for answer in together) > 30
