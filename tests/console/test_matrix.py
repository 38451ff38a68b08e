"""Role by page, topic and action: nobody gets what is not theirs. The table is written down here by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect

from console.auth.users import LocalUsers
from pipeline.sections.access import AccessRole
from tests.access.provider import Provider
from tests.console.helpers import consoling, origin, post
from tests.fakes.engines import SayingEngine
from tests.integration.access import bearer, guarded, recorded
from tests.integration.helpers import running, start
from tests.record.helpers import profile, section

pytestmark = pytest.mark.integration
PASSWORD = "correct horse battery"  # noqa: S105 (of a test)
AT_CALLS = {"agent", "team-lead", "supervisor"}
READS = {"agent", "team-lead", "supervisor", "quality", "privacy-officer"}
PAGES = {
    "/desk": AT_CALLS,
    "/wall": {"team-lead", "supervisor"},
    "/calls": READS,
    "/calls?q=投訴": READS,
    "/calls/{own}": READS,
    "/calls/{own}/export/txt": READS,
    "/calls/{own}/sound.wav": READS - {"agent"},
    "/calls/{other}": {"supervisor", "quality", "privacy-officer"},
    "/calls/{other}/export/vcon": {"supervisor", "quality", "privacy-officer"},
    "/kpis": READS,
    "/quality": {"agent", "team-lead", "supervisor", "quality"},
    "/knowledge": {"supervisor", "quality"},
    "/knowledge/gaps.csv": {"supervisor", "quality"},
    "/admin": {"supervisor", "operator"},
    "/admin/rules/default": {"supervisor", "operator"},
    "/admin/tokens": {"operator"},
}
TOPICS = {
    "calls": AT_CALLS,
    "alerts": AT_CALLS,
    "call:mine": AT_CALLS,
    "call:theirs": {"supervisor"},
}
ACTIONS: dict[str, tuple[set[str], dict[str, Any]]] = {
    "feedback": (AT_CALLS, {"call": "mine", "suggestion": "s1", "action": "copied"}),
    "language": (AT_CALLS, {"call": "mine", "language": "en"}),
    "sensitive": (AT_CALLS, {"call": "mine", "on": False}),
    "search": (AT_CALLS | {"quality"}, {"query": "退款"}),
    "take": (AT_CALLS, {"alert": "nobody's"}),
    "summary": (READS, {"call": "own"}),
    "wrap-up": (AT_CALLS, {"call": "own", "note": "好"}),
    "today": (READS, {}),
}
OF_OTHERS: dict[str, tuple[set[str], dict[str, Any]]] = {
    "language": ({"supervisor"}, {"call": "theirs", "language": "en"}),
    "sensitive": ({"supervisor"}, {"call": "theirs", "on": False}),
    "summary": ({"supervisor", "quality", "privacy-officer"}, {"call": "other"}),
    "wrap-up": ({"supervisor"}, {"call": "other", "note": "好"}),
}
FORMS = {
    "/quality/sample": ({"team-lead", "supervisor", "quality"}, {"form": "service", "days": "1"}),
    "/admin/rules/default": ({"supervisor"}, {"text": "", "days": "1", "try": "1"}),
    "/admin/tokens": ({"operator"}, {"owner": "x", "role.agent": "1", "days": "1"}),
}
MAY = {200, 303}
NOT_THERE = {"feedback", "take"}
"""Actions about what is not there: told only to those who may ask for it."""
ENDED = {
    "own": {"company": "bank", "agent_id": "a7", "team": "cards"},
    "other": {"company": "bank", "agent_id": "a9", "team": "loans"},
}


@asynccontextmanager
async def centre(provider: Provider, folder: Path) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """Run a server with two recorded and two live calls, and a console with a person of each role."""
    users = LocalUsers(folder / "users.json")
    for role in AccessRole:
        token = provider.token(role.value, roles=[role.value], company="bank", agent="a7", teams=["cards"])
        users.add(role.value, PASSWORD, token)
    chosen = guarded(
        provider, record=section(folder), profiles=profile(), audit={"folder": folder / "audit"},
        alerts={"store": str(folder / "alerts.db")}, access={"store": str(folder / "access.db")},
    )  # fmt: skip
    own = {"login": "local", "users": folder / "users.json"}
    async with running(chosen, SayingEngine("我要投訴")) as run, consoling(run.server.port, **own) as base:
        ids = await recorded(run, provider, ENDED)
        machine = bearer(provider.token("pbx", roles=["telephony"], company="bank"))
        calls = [run.stub.StreamCall(metadata=machine) for _ in range(2)]
        await calls[0].write(start("mine", agent_id="a7", team="cards"))
        await calls[1].write(start("theirs", agent_id="a9", team="loans"))
        await asyncio.sleep(0.3)
        yield base, ids
        for call in calls:
            call.cancel()


async def test_nobody_gets_what_is_not_theirs(provider: Provider, tmp_path: Path) -> None:
    surprises: list[str] = []
    async with centre(provider, tmp_path) as (base, ids):
        for role in AccessRole:
            surprises += await _of(role.value, base, ids)
    assert not surprises, "\n".join(surprises)


async def _of(role: str, base: str, ids: dict[str, str]) -> list[str]:
    """Return what one role gets and should not, or should get and does not."""
    found: list[str] = []

    def expect(what: str, status: int, allowed: set[str]) -> None:
        if (status in MAY) != (role in allowed):
            found.append(f"{role} {what}: {status}")

    async with httpx2.AsyncClient(timeout=20) as web:
        form = {"name": role, "password": PASSWORD}
        assert (await web.post(f"{base}/login", data=form, headers=origin(base))).status_code == 303
        for path, allowed in PAGES.items():
            expect(path, (await web.get(base + path.format(**ids))).status_code, allowed)
        for name, (allowed, fields) in ACTIONS.items():
            status = (await post(web, base, name, **fields)).status_code
            expect(name, 200 if status == 404 and name in NOT_THERE else status, allowed)
        for name, (allowed, fields) in OF_OTHERS.items():
            status = (await post(web, base, name, **fields)).status_code
            expect(f"{name} of others", status, allowed)
        for path, (allowed, fields) in FORMS.items():
            status = (await web.post(base + path, data=fields, headers=origin(base))).status_code
            expect(f"POST {path}", status, allowed)
        table = "id,question_zh,answer_zh\nt1,幾時,聽日\n".encode()
        address = f"{base}/knowledge/import?name=a.csv&dry_run=1"
        status = (await web.post(address, content=table, headers=origin(base))).status_code
        expect("import", status, {"supervisor"})
        phases = await _phases(base, web.cookies["yuetone"])
    for topic, allowed in TOPICS.items():
        if (phases.get(topic) == "live") != (role in allowed):
            found.append(f"{role} follows {topic}: {phases.get(topic)}")
    return found


async def _phases(base: str, cookie: str) -> dict[str, str]:
    """Return how the line of each topic is for somebody."""
    address = base.replace("http", "ws") + "/live"
    found: dict[str, str] = {}
    headers = {"cookie": f"yuetone={cookie}"}
    async with connect(address, origin=base, additional_headers=headers) as tab:  # type: ignore[arg-type]
        await tab.send(json.dumps({"open": dict.fromkeys(TOPICS)}))
        async with asyncio.timeout(15):
            while len(found) < len(TOPICS):
                message = json.loads(await tab.recv())
                for topic, patch in message["t"].items():
                    for row in patch["rows"]:
                        if row["key"] == "line":
                            found[topic] = row["phase"]
                await tab.send(json.dumps({"ack": message["n"]}))
    return found
