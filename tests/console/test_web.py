"""The console over HTTP, before a real server: who gets what, and from which pages."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from client import supervisor_stub
from console.auth.users import LocalUsers
from tests.access.provider import Provider
from tests.console.helpers import SAID, consoling, origin, post, recorded
from tests.fakes.engines import SayingEngine
from tests.integration.access import bearer, guarded
from tests.integration.helpers import Running, chunks, demo_bytes, end, kept, running, settings, start, talk
from tests.integration.test_alerts import ANGRY
from tests.record.helpers import profile, section
from yuetone.v1 import supervisor_service_pb2 as sup

pytestmark = pytest.mark.integration

PASSWORD = "correct horse battery"  # noqa: S105
PAGES = ("/desk", "/wall", "/calls", "/")


async def test_a_call_shows_who_took_its_alerts_and_what_they_wrote(tmp_path: Path) -> None:
    chosen = settings(record=section(tmp_path), profiles=profile(), alerts={"store": str(tmp_path / "a.db")})
    async with running(chosen, SayingEngine(ANGRY)) as run, consoling(run.server.port) as base:
        await talk(run, [start("angry"), *chunks(demo_bytes(24)), end()])
        await kept(run)
        stub = supervisor_stub(run.channel)
        raised = (await stub.ListCallAlerts(sup.ListCallAlertsRequest(call_id="angry"))).alerts
        assert raised
        note = "<b>called back</b>"
        await stub.AckAlert(sup.AckAlertRequest(alert_id=raised[0].alert.alert_id, note=note))
        async with httpx2.AsyncClient(headers={"accept-language": "en"}) as web:
            listed = await web.get(f"{base}/calls")
            record = listed.text.partition('href="/calls/')[2].partition('"')[0]
            page = (await web.get(f"{base}/calls/{record}")).text
        assert "&lt;b&gt;called back&lt;/b&gt;" in page
        assert "Taken (development" in page
        assert f'href="#t{raised[0].alert.end_ms}"' in page


async def test_pages_show_text_as_text_and_allow_nothing_else(tmp_path: Path) -> None:
    async with recorded(tmp_path) as run, consoling(run.server.port) as base, httpx2.AsyncClient() as web:
        listed = await web.get(f"{base}/calls")
        assert "&lt;b&gt;billing" in listed.text
        record = listed.text.partition('href="/calls/')[2].partition('"')[0]
        call = await web.get(f"{base}/calls/{record}")
        found = await web.get(f"{base}/calls", params={"q": "投訴"})
        assert "<mark>投訴</mark>" in found.text
        for page in (listed, call, found):
            assert page.status_code == 200
            assert "<img" not in page.text
            policy = page.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "require-trusted-types-for 'script'" in policy
            assert page.headers["cache-control"] == "no-store"
            assert page.headers["x-content-type-options"] == "nosniff"
        sound = await web.get(f"{base}/calls/{record}/sound.wav", headers={"range": "bytes=0-99"})
        whole = await web.get(f"{base}/calls/{record}/sound.wav")
        assert (sound.status_code, len(sound.content)) == (206, 100)
        assert sound.content == whole.content[:100]
        assert whole.content[:4] == b"RIFF"
        assert len(whole.content) == pytest.approx(9 * 16_000, abs=400)
        part = await web.get(f"{base}/calls/{record}/sound.wav", headers={"range": "bytes=40001-40100"})
        assert part.content == whole.content[40_001:40_101]
        text = await web.get(f"{base}/calls/{record}/export/txt")
        assert text.headers["content-disposition"] == f"attachment; filename={record}.txt"
        assert "投訴" in text.text
        static = listed.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
        assert "immutable" in (await web.get(base + static)).headers["cache-control"]
        for bad in (
            "/static/x/console.css",
            f"{static}/../app.py",
            "/calls/none",
            "/nothing",
            "/calls?before=x&since=y",
        ):
            assert (await web.get(base + bad)).status_code in (200, 400, 404)


async def test_figures_are_shown_with_what_they_were_counted_from(tmp_path: Path) -> None:
    async with recorded(tmp_path) as run, consoling(run.server.port) as base, httpx2.AsyncClient() as web:
        for number in range(5):
            await talk(run, [start(f"k{number}", queue="退款熱線"), *chunks(demo_bytes(2)), end()])
            told = {
                "resolution": "resolved" if number else "unresolved",
                "topics": ["退款<b>"],
                "closed": True,
            }
            assert (await post(web, base, "wrap-up", call=f"k{number}", **told)).status_code == 200
        figures = (await web.get(f"{base}/kpis", params={"group": "topic"})).text
        assert "80% <small>n=5</small>" in figures
        assert "退款&lt;b&gt;" in figures
        assert 'title="1 / 5"' in figures
        for bad in ("/kpis?days=x&group=y", "/kpis?days=28&group=agent&queue=none"):
            assert (await web.get(base + bad)).status_code == 200


async def test_commands_come_from_our_own_pages_alone(tmp_path: Path) -> None:
    async with recorded(tmp_path) as run, consoling(run.server.port) as base, httpx2.AsyncClient() as web:
        good = await post(web, base, "summary", call="c1")
        assert good.status_code == 200
        assert good.json()["about"][0]["text"] == SAID
        body = json.dumps({"call": "c1"})
        as_json = {"content-type": "application/json"}
        for headers in (
            {**as_json},
            {**as_json, "origin": "https://evil.example"},
            {**as_json, "origin": base, "sec-fetch-site": "cross-site"},
            {**as_json, "origin": "null"},
            {"content-type": "text/plain", **origin(base)},
        ):
            answer = await web.post(f"{base}/api/summary", content=body, headers=headers)
            assert answer.status_code == 403, headers
        for content in ("", "[]", "{", '{"call": 7}', "{}", "x" * 40_000):
            answer = await web.post(
                f"{base}/api/summary", content=content, headers={**as_json, **origin(base)}
            )
            assert answer.status_code in (400, 404), content[:9]
        missing = await post(web, base, "take", alert="none")
        assert missing.status_code == 404
        assert "UNKNOWN_ALERT" in missing.json()["error"]
        noted = {
            "resolution": "follow-up",
            "topics": ["退款"],
            "note": "打 9123 4567 找陳大文",
            "closed": True,
        }
        kept = await post(web, base, "wrap-up", call="c1", **noted)
        assert kept.status_code == 200
        assert "9123" not in kept.json()["wrap_up"]["note"]
        again = (await post(web, base, "summary", call="c1")).json()["wrap_up"]
        assert (again["resolution"], again["topics"]) == ("RESOLUTION_FOLLOW_UP", ["退款"])
        assert "待跟進" in (await web.get(f"{base}/calls")).text
        wrong = await post(web, base, "wrap-up", call="c1", note="x" * 5_000)
        assert wrong.status_code == 400
        for path in (tmp_path / "record").rglob("*"):
            if path.is_file():
                assert "陳大文".encode() not in path.read_bytes()


async def opened(base: str, **headers: str) -> ClientConnection:
    address = base.replace("http", "ws") + "/live"
    return await connect(address, additional_headers=headers, origin=base)  # type: ignore[arg-type]


async def closed_with(tab: ClientConnection) -> int:
    """Return the code with which a tab is closed, whatever comes before."""
    with pytest.raises(websockets.ConnectionClosed) as closed:
        while True:
            await asyncio.wait_for(tab.recv(), 5)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


async def test_a_tab_gets_rows_with_credit(tmp_path: Path) -> None:
    async with recorded(tmp_path) as run, consoling(run.server.port) as base:
        call = run.stub.StreamCall()
        await call.write(start("live", agent_id="a9"))
        async with await opened(base) as tab:
            await tab.send(json.dumps({"open": {"calls": None, "call:live": None}}))
            first = json.loads(await tab.recv())
            for request in chunks(demo_bytes(12)):
                await call.write(request)
            await asyncio.sleep(1.0)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(tab.recv(), 0.5)  # nothing more until it is acknowledged
            await tab.send(json.dumps({"ack": first["n"]}))
            rows: dict[str, Any] = {}
            while not any(key.startswith("u:") for key in rows):
                message = json.loads(await asyncio.wait_for(tab.recv(), 10))
                for patch in message["t"].values():
                    rows |= {row["key"]: row for row in patch["rows"]}
                await tab.send(json.dumps({"ack": message["n"]}))
            assert {row["text"] for key, row in rows.items() if key.startswith("u:")} == {SAID}
        call.cancel()


@pytest.mark.parametrize(
    "message",
    ["nonsense", "[]", '{"open": {"calls; drop": null}}', '{"open": {"a": null}}', "x" * 5_000],
)
async def test_a_tab_that_talks_nonsense_is_closed(tmp_path: Path, message: str) -> None:
    async with recorded(tmp_path) as run, consoling(run.server.port) as base, await opened(base) as tab:
        await tab.send(message)
        assert await closed_with(tab) == 4403


async def test_a_tab_of_another_page_is_closed(tmp_path: Path) -> None:
    async with recorded(tmp_path) as run, consoling(run.server.port) as base:
        address = base.replace("http", "ws") + "/live"
        async with connect(address, origin="https://evil.example") as tab:  # type: ignore[arg-type]
            assert await closed_with(tab) == 4403


@asynccontextmanager
async def with_people(provider: Provider, folder: Path, **more: Any) -> AsyncIterator[tuple[Running, str]]:
    """Run a server that asks who somebody is, with a live call, and a console with local users."""
    users = LocalUsers(folder / "users.json")
    for name, role in (("alice", "agent"), ("sue", "supervisor"), ("otto", "operator")):
        users.add(name, PASSWORD, provider.token(name, roles=[role], company="bank", agent="a7"))
    chosen = guarded(
        provider, record=section(folder), profiles=profile(), audit={"folder": folder / "audit"},
        alerts={"store": str(folder / "alerts.db")},
    )  # fmt: skip
    own = {"login": "local", "users": folder / "users.json", **more}
    async with running(chosen, SayingEngine(SAID)) as run, consoling(run.server.port, **own) as base:
        call = run.stub.StreamCall(
            metadata=bearer(provider.token("pbx", roles=["telephony"], company="bank"))
        )
        await call.write(start("c1", agent_id="a8"))
        yield run, base
        call.cancel()


async def logged_in(web: httpx2.AsyncClient, base: str, name: str, **more: str) -> httpx2.Response:
    form = {"name": name, "password": PASSWORD, **more}
    return await web.post(f"{base}/login", data=form, headers=origin(base))


async def test_who_is_not_logged_in_gets_nothing(provider: Provider, tmp_path: Path) -> None:
    async with with_people(provider, tmp_path) as (_run, base), httpx2.AsyncClient() as web:
        for path in PAGES:
            answer = await web.get(base + path)
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login")
        assert (await post(web, base, "summary", call="c1")).status_code == 401
        assert await closed_with(await opened(base)) == 4401
        assert (await logged_in(web, base, "alice", password="wrong password")).status_code == 401
        right = {"name": "sue", "password": PASSWORD}
        assert (await web.post(f"{base}/login", data=right)).status_code == 403  # from no page of ours


async def test_a_password_cannot_be_guessed_for_long(provider: Provider, tmp_path: Path) -> None:
    async with with_people(provider, tmp_path) as (_run, base), httpx2.AsyncClient() as web:
        for _ in range(10):
            assert (await logged_in(web, base, "alice", password="a wrong one")).status_code == 401
        assert (await logged_in(web, base, "alice")).status_code == 401  # the right one, too late
        assert (await logged_in(web, base, "sue")).status_code == 303


async def test_a_session_lasts_while_somebody_is_there(provider: Provider, tmp_path: Path) -> None:
    """A pointer that moves is somebody; a card that comes to the screen is not."""
    async with (
        with_people(provider, tmp_path, idle_minutes=3 / 60) as (_run, base),
        httpx2.AsyncClient() as web,
    ):
        await logged_in(web, base, "alice")
        async with await opened(base, cookie=f"yuetone={web.cookies['yuetone']}") as tab:
            for _ in range(4):
                await asyncio.sleep(1.0)
                await tab.send(json.dumps({"here": True}))
            await asyncio.sleep(0.2)
            told = await post(web, base, "feedback", call="c1", suggestion="s1", action="shown")
            assert told.status_code == 404  # of the server, which knows no such suggestion
            for _ in range(4):
                told = await post(web, base, "feedback", call="c1", suggestion="s1", action="shown")
                if told.status_code == 401:
                    break
                await asyncio.sleep(1.0)
            assert (await post(web, base, "search", query="x")).status_code == 401
            assert await closed_with(tab) == 4401


async def test_a_session_begins_and_ends_with_its_tabs(provider: Provider, tmp_path: Path) -> None:
    async with with_people(provider, tmp_path) as (_run, base), httpx2.AsyncClient() as web:
        answer = await logged_in(web, base, "sue", next="//evil.example")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert (await web.get(f"{base}/wall")).status_code == 200
        async with await opened(base, cookie=f"yuetone={web.cookies['yuetone']}") as tab:
            await tab.send(json.dumps({"open": {"calls": None}}))
            rows: list[str] = []
            while "c1" not in rows:
                message = json.loads(await asyncio.wait_for(tab.recv(), 5))
                rows += [row["key"] for patch in message["t"].values() for row in patch["rows"]]
                await tab.send(json.dumps({"ack": message["n"]}))
            assert (await web.post(f"{base}/logout", headers=origin(base))).status_code == 303
            assert await closed_with(tab) == 4401
        assert (await web.get(f"{base}/wall")).status_code == 303


@pytest.mark.parametrize(
    ("name", "page", "status"), [("otto", "/calls", 403), ("alice", "/calls", 200), ("sue", "/wall", 200)]
)
async def test_what_the_server_refuses_is_refused(
    provider: Provider, tmp_path: Path, name: str, page: str, status: int
) -> None:
    async with with_people(provider, tmp_path) as (_run, base), httpx2.AsyncClient() as web:
        await logged_in(web, base, name)
        assert (await web.get(base + page)).status_code == status


async def test_an_agent_sees_no_call_of_another_one(provider: Provider, tmp_path: Path) -> None:
    async with with_people(provider, tmp_path) as (_run, base), httpx2.AsyncClient() as web:
        await logged_in(web, base, "alice")
        async with await opened(base, cookie=f"yuetone={web.cookies['yuetone']}") as tab:
            await tab.send(json.dumps({"open": {"calls": None, "call:c1": None, "alerts": None}}))
            rows: dict[str, Any] = {}
            while len(rows) < 3:
                message = json.loads(await asyncio.wait_for(tab.recv(), 12))
                for topic, patch in message["t"].items():
                    rows |= {f"{topic} {row['key']}": row for row in patch["rows"]}
                await tab.send(json.dumps({"ack": message["n"]}))
            assert set(rows) == {"calls line", "call:c1 line", "alerts line"}
            assert rows["call:c1 line"]["phase"] == "gone"


async def test_a_proxy_is_believed_from_its_own_address_alone(provider: Provider, tmp_path: Path) -> None:
    chosen = guarded(provider, audit={"folder": tmp_path / "audit"})
    token = provider.token("sue", roles=["supervisor"], company="bank")
    header = {"x-forwarded-access-token": token}
    async with running(chosen, SayingEngine(SAID)) as run:
        believed = {"login": "proxy", "proxy_addresses": ("127.0.0.1",)}
        async with consoling(run.server.port, **believed) as base, httpx2.AsyncClient() as web:
            assert (await web.get(f"{base}/wall", headers=header)).status_code == 200
            assert (await web.get(f"{base}/wall")).status_code == 401
            forged = {"x-forwarded-access-token": token[:-3] + "abc"}
            assert (await web.get(f"{base}/wall", headers=forged)).status_code == 401
        other = {"login": "proxy", "proxy_addresses": ("192.0.2.7",)}
        async with consoling(run.server.port, **other) as base, httpx2.AsyncClient() as web:
            assert (await web.get(f"{base}/wall", headers=header)).status_code == 401


async def test_a_server_that_is_not_there_is_told_and_found_again() -> None:
    async with consoling(1) as base, httpx2.AsyncClient(timeout=20) as web:
        answer = await web.get(f"{base}/wall")
        assert answer.status_code == 503
        assert "Traceback" not in answer.text
        assert (await post(web, base, "search", query="退款")).status_code == 503


async def test_a_tab_finds_a_server_that_was_not_there_at_first(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with consoling(port) as base, await opened(base) as tab:
        await tab.send(json.dumps({"open": {"calls": None, "alerts": None}}))
        phases: dict[str, str] = {}

        async def read_until(wanted: str) -> None:
            while set(phases.values()) != {wanted} or len(phases) < 2:
                message = json.loads(await asyncio.wait_for(tab.recv(), 20))
                for topic, patch in message["t"].items():
                    phases.update((topic, row["phase"]) for row in patch["rows"] if row["key"] == "line")
                await tab.send(json.dumps({"ack": message["n"]}))

        await read_until("lost")
        chosen = settings(server={"port": port}, alerts={"store": str(tmp_path / "alerts.db")})
        async with running(chosen):
            await read_until("live")


async def test_a_page_that_borrows_this_machines_address_gets_nothing(tmp_path: Path) -> None:
    async with recorded(tmp_path) as run, consoling(run.server.port) as base, httpx2.AsyncClient() as web:
        port = base.rsplit(":", 1)[1]
        for host in (f"evil.example:{port}", "evil.example", ""):
            answer = await web.get(f"{base}/calls", headers={"host": host})
            assert answer.status_code == 400, host
            assert "billing" not in answer.text
        evil = f"http://evil.example:{port}"
        answer = await web.post(
            f"{base}/api/summary",
            json={"call": "c1"},
            headers={"host": f"evil.example:{port}", "origin": evil},
        )
        assert answer.status_code == 400
        assert (await web.get(f"http://localhost:{port}/calls")).status_code == 200
