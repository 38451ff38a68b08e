"""The pages on which a server is looked after: settings, rules, tokens, the knowledge base."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.async_api import expect

from console.auth.users import LocalUsers
from tests.access.provider import Provider
from tests.console.browsing import chromium, live, needs_chromium, rules_hold, tab
from tests.console.helpers import consoling, origin
from tests.fakes.engines import SayingEngine
from tests.integration.access import guarded
from tests.integration.helpers import chunks, demo_bytes, end, kept, running, settings, start, talk
from tests.integration.test_alerts import ANGRY
from tests.record.helpers import section

pytestmark = pytest.mark.integration
RULES = '[[rule]]\nname = "hello"\nwhen = "words"\nphrases = ["早晨"]\n'
OWN = '[[rule]]\nname = "angry"\nwhen = "words"\nphrases = ["太離譜"]\n'


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None
    return found[1]


async def test_rules_are_tried_and_saved(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    chosen = settings(
        record=section(tmp_path),
        profiles={"default": {"alert_rules": str(file), "record": {"retention": "service"}}},
        alerts={"store": str(tmp_path / "alerts.db")},
    )
    async with running(chosen, SayingEngine(ANGRY)) as run, consoling(run.server.port) as base:
        await talk(run, [start("c1"), *chunks(demo_bytes(12)), end()])
        await kept(run)
        async with httpx2.AsyncClient() as web:
            listed = (await web.get(f"{base}/admin")).text
            assert "hello" in listed
            assert "vad.hangover_ms" in listed
            assert str(tmp_path) not in listed  # where files lie is nobody's business
            address = f"{base}/admin/rules/default"
            shown = (await web.get(address)).text
            version = hidden(shown, "version")
            attempt = {"text": OWN, "version": version, "days": "1", "try": "1"}
            assert (await web.post(address, data=attempt)).status_code == 403  # of no page of ours
            tried = await web.post(address, data=attempt, headers=origin(base))
            assert tried.status_code == 200
            assert "c1 · 0:" in tried.text
            assert "angry" in tried.text
            assert file.read_text() == RULES
            wrong = {**attempt, "text": "[[rule]]\nname = '<i>'\n"}
            refused = await web.post(address, data=wrong, headers=origin(base))
            assert refused.status_code == 400
            assert "line 1" in refused.text
            assert "&lt;i&gt;" in refused.text  # what was typed stays
            save = {"text": OWN.replace("\n", "\r\n"), "version": version, "save": "1"}
            done = await web.post(address, data=save, headers=origin(base))
            assert (done.status_code, file.read_text()) == (303, OWN)
            assert "已儲存" in (await web.get(base + done.headers["location"])).text
            late = await web.post(address, data=save, headers=origin(base))
            assert late.status_code == 400
            assert "meanwhile" in late.text


async def test_a_token_is_shown_once(provider: Provider, tmp_path: Path) -> None:
    users = LocalUsers(tmp_path / "users.json")
    users.add("otto", "correct horse battery", provider.token("otto", roles=["operator"], company="bank"))
    access = {"store": str(tmp_path / "access.db")}
    chosen = guarded(provider, access=access, audit={"folder": tmp_path / "audit"})
    own: dict[str, Any] = {"login": "local", "users": tmp_path / "users.json"}
    async with running(chosen) as run, consoling(run.server.port, **own) as base, httpx2.AsyncClient() as web:
        form = {"name": "otto", "password": "correct horse battery"}
        await web.post(f"{base}/login", data=form, headers=origin(base))
        address = f"{base}/admin/tokens"
        wanted = {
            "owner": "<b>nightly",
            "role.agent": "1",
            "agent": "a7",
            "teams": "cards, loans",
            "days": "7",
        }
        assert (await web.post(address, data=wanted)).status_code == 403
        made = await web.post(address, data=wanted, headers=origin(base))
        assert "&lt;b&gt;nightly" in made.text
        found = re.search(r"yt_([0-9a-f]{8})_[A-Za-z0-9_-]{43}", made.text)
        assert found is not None
        again = (await web.get(address)).text
        assert found[0] not in again
        assert "a7 · cards · loans" in again
        nobody = await web.post(address, data={**wanted, "days": "0"}, headers=origin(base))
        assert nobody.status_code == 400
        assert "<b>" not in nobody.text
        assert "&lt;b&gt;nightly" in nobody.text
        gone = await web.post(f"{address}/{found[1]}/revoke", headers=origin(base))
        assert gone.status_code == 303
        assert "已作廢" in (await web.get(address)).text


@needs_chromium
async def test_a_file_is_checked_then_imported(tmp_path: Path) -> None:
    table = tmp_path / "faq.csv"
    table.write_text("id,question_zh,answer_zh\nt1,幾時開門,九點開門\nt2,幾時收工,\n", "utf-8")
    async with live(tmp_path) as (run, base), chromium() as browser:
        found = await tab(browser, f"{base}/knowledge")
        page = found.page
        await page.locator("input[type=file]").set_input_files(str(table))
        await page.locator("#import button.main").click()
        await expect(page.locator("#outcome li")).to_have_count(1)
        await expect(page.locator("#go")).to_be_disabled()
        table.write_text("id,question_zh,answer_zh\nt1,幾時開門,九點開門\n", "utf-8")
        await page.locator("input[type=file]").set_input_files(str(table))
        await page.locator("#import button.main").click()
        await expect(page.locator("#outcome")).to_contain_text("1 新增")
        assert run.server.app.knowledge.articles == 2
        await page.locator("#go").click()
        await expect(page.locator("#outcome")).to_contain_text("已匯入")
        assert run.server.app.knowledge.articles == 3
        await expect(page.locator("#go")).to_be_disabled()
        await rules_hold(page)
        await found.good()


@needs_chromium
@pytest.mark.parametrize(("language", "theme"), [("zh-Hant", "light"), ("en", "dark"), ("en", "contrast")])
async def test_what_is_missing_is_read_and_everything_is_accessible(
    tmp_path: Path, language: str, theme: str
) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser:
        run.engine._text = ANGRY  # type: ignore[attr-defined]
        await talk(run, [start("angry", agent_id="a7"), *chunks(demo_bytes(12)), end()])
        run.engine._text = "請問你哋有冇得買火星太空船票呀"  # type: ignore[attr-defined]
        await talk(run, [start(agent_id="a7"), *chunks(demo_bytes(9)), end()])
        await kept(run)
        found = await tab(browser, f"{base}/knowledge", language=language, theme=theme)
        await expect(found.page.locator("#gaps")).to_contain_text("火星")
        await rules_hold(found.page)
        async with httpx2.AsyncClient() as web:
            csv = await web.get(f"{base}/knowledge/gaps.csv")
        assert csv.text.startswith("\ufeff") or "question_zh" in csv.text
        assert "火星" in csv.text
        for path in ("/admin", "/admin/rules/default", "/admin/tokens"):
            await found.page.goto(base + path)
            if path == "/admin/rules/default":
                await found.page.locator("button[name=try]").click()
                await expect(found.page.locator("#tried")).to_be_visible()
                await expect(found.page.locator("td.why").first).to_contain_text("消委會")
            await rules_hold(found.page)
        await found.good()
