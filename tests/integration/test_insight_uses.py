"""What agents do with suggestions reaches the figures."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from client import insight_stub, suggestion_stub
from suggest.base import Article
from suggest.store.knowledge import KnowledgeStore
from tests.fakes.engines import SayingEngine
from tests.integration.helpers import running, settings
from tests.integration.suggesting import calling, until
from tests.record.helpers import profile, section
from yuetone.v1 import insight_service_pb2 as pb
from yuetone.v1 import suggestion_service_pb2

pytestmark = pytest.mark.integration

REFUND = Article(id="refund", question_zh="退款需要多久？", answer_zh="退款會於5個工作天內存入信用卡。")


async def test_a_copied_suggestion_counts(tmp_path: Path) -> None:
    store = KnowledgeStore(str(tmp_path / "kb.db"))
    store.write([REFUND])
    store.close()
    chosen = settings(
        record=section(tmp_path), profiles=profile(), suggest={"store": str(tmp_path / "kb.db")}
    )
    async with running(chosen, SayingEngine("")) as run:
        action = suggestion_service_pb2.SubmitFeedbackRequest
        async with calling(run, agent_id="a7") as call:
            await call.say("我想問下幾時先可以退返錢俾我呀")
            await until(lambda: bool(call.found))
            for what in (action.ACTION_SHOWN, action.ACTION_COPIED):
                told = action(call_id="call-1", suggestion_id=call.found[0].suggestion_id, action=what)
                await suggestion_stub(run.channel).SubmitFeedback(told)
        assert run.server.app.record is not None
        await run.server.app.record.written()
        now = int(time.time() * 1000)
        asked = pb.QueryKpisRequest(
            kpis=[pb.KPI_SUGGESTIONS_USED], since_unix_ms=now - 3_600_000, until_unix_ms=now + 1_000
        )
        (found,) = (await insight_stub(run.channel).QueryKpis(asked)).values
        assert (found.value, found.count) == (1.0, 1)
