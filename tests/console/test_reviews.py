"""The pages on which calls are judged."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from tests.console.helpers import consoling, origin, recorded

pytestmark = pytest.mark.integration


async def test_a_review_goes_from_the_draw_to_the_appeal(tmp_path: Path) -> None:
    """With pages alone; what was typed stays where the server refuses it."""
    async with recorded(tmp_path) as run, consoling(run.server.port) as base, httpx2.AsyncClient() as web:
        draw = {"form": "service", "days": "1", "share": "100"}
        assert (await web.post(f"{base}/quality/sample", data=draw)).status_code == 403  # of no page of ours
        made = await web.post(f"{base}/quality/sample", data=draw, headers=origin(base))
        assert made.headers["location"] == "/quality?drawn=1"
        again = await web.post(f"{base}/quality/sample", data=draw, headers=origin(base))
        assert again.headers["location"] == "/quality?drawn=0"
        listed = (await web.get(f"{base}/quality?state=drawn")).text
        name = listed.partition('href="/quality/')[2].partition('"')[0]
        shown = await web.get(f"{base}/quality/{name}")
        assert "開場有打招呼" in shown.text
        part = {"q.greeting": "no", "c.greeting": "<b>冇打招呼", "submit": "1"}
        refused = await web.post(f"{base}/quality/{name}/save", data=part, headers=origin(base))
        assert refused.status_code == 400
        assert "not answered" in refused.text
        assert "&lt;b&gt;冇打招呼" in refused.text
        whole = {**part, "q.identity": "yes", "q.empathy": "-", "q.answer": "whole", "q.next-step": "yes"}
        kept = await web.post(f"{base}/quality/{name}/save", data=whole, headers=origin(base))
        assert (kept.status_code, kept.headers["location"]) == (303, f"/quality/{name}")
        shown = await web.get(f"{base}/quality/{name}")
        assert "<dd>86</dd>" in shown.text
        assert "待座席回覆" in shown.text
        empty = await web.post(f"{base}/quality/{name}/answer", data={"object": "1"}, headers=origin(base))
        assert empty.status_code == 303
        appeal = {"object": "1", "appeal": "我有打招呼<script>"}
        await web.post(f"{base}/quality/{name}/answer", data=appeal, headers=origin(base))
        shown = await web.get(f"{base}/quality/{name}")
        assert "申訴中" in shown.text
        assert "我有打招呼&lt;script&gt;" in shown.text
        decide = {**whole, "change": "1", "decision": "聽到了"}
        own = await web.post(f"{base}/quality/{name}/decide", data=decide, headers=origin(base))
        assert own.status_code == 403  # the same person
        assert (await web.get(f"{base}/quality/nobody")).status_code == 404
