"""The screens in a real browser, before a real server with live calls."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from console.auth.users import LocalUsers
from pipeline.calls.info import CallInfo
from tests.console.browsing import HOSTILE, WALL, chromium, live, needs_chromium, rules_hold, tab
from tests.console.helpers import consoling
from tests.integration.access import alert
from tests.integration.helpers import kept, running, settings
from tests.integration.suggesting import calling, until

pytestmark = [pytest.mark.integration, needs_chromium]


async def test_an_agent_talks_reads_copies_and_wraps_up(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser:
        desk = await tab(browser, f"{base}/desk")
        page = desk.page
        await expect(page.locator("#idle")).to_be_visible()
        async with calling(run, agent_id="a7", queue="<i>hotline") as call:
            await page.locator("#choose button").click()
            await call.say(HOSTILE)
            line = page.locator("#log .line-said.customer .text")
            await expect(line).to_have_text(HOSTILE)
            card = page.locator(".suggestion:not(.closed)")
            await expect(card.locator(".reply")).to_contain_text("5個工作天")
            await expect(card.locator("a")).to_have_count(0)  # no link to anything but https
            await card.locator("[data-act=copy]").click()
            await expect(card.locator("button.main")).to_have_text("已複製")
            assert "5個工作天" in await page.evaluate("navigator.clipboard.readText()")
            await until(lambda: _done(tmp_path) == ["copied", "shown"])
            await page.keyboard.press("/")
            await page.keyboard.type("退款")
            await page.keyboard.press("Enter")
            await expect(page.locator("#hits summary").first).to_contain_text("退款需要多久")
            await page.locator("#sensitive").click()
            await expect(page.locator("#notice")).to_contain_text("不會被轉寫")
            await call.say("我張卡係四一一一")
            await expect(page.locator("#log .line-said")).to_have_count(2)
            assert "四一一一" not in await page.locator("#log").inner_text()
            await page.locator("#sensitive").click()
        await expect(page.locator("#wrap")).to_be_visible()
        await expect(page.locator("#wrap .sums")).to_contain_text("客戶來電原因")
        await page.locator("#wrap [name=resolution]").select_option("resolved")
        await page.locator("#wrap [name=note]").fill("已解釋")
        await page.locator("#wrap [name=note]").press("Control+Enter")
        await expect(page.locator("#wrap output")).to_contain_text("已儲存")
        await page.goto(f"{base}/calls")
        await expect(page.locator("tbody tr")).to_contain_text("已解決")
        await page.locator("tbody a").click()
        await expect(page.locator("#talk .line-said")).to_have_count(2)
        assert await page.evaluate("window.hit") is None
        await desk.good()


def _done(folder: Path) -> list[str]:
    """Return what the knowledge base has noted of agents."""
    with contextlib.closing(sqlite3.connect(folder / "kb.db")) as store:
        return sorted(action for (action,) in store.execute("SELECT action FROM kb_feedback"))


async def test_nothing_that_is_read_moves(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser:
        desk = await tab(browser, f"{base}/desk?call=call-1", viewport={"width": 1366, "height": 360})
        page = desk.page
        async with calling(run) as call:
            for number in range(8):
                await call.say(f"第{number}句我想問下你哋嘅上網計劃")
            await page.evaluate("document.querySelector('#log').scrollTop = 20")
            await page.evaluate(
                """() => {
                  const range = document.createRange();
                  range.selectNodeContents(document.querySelector('#log .text'));
                  getSelection().addRange(range);
                  window.moved = 0;
                  const line = document.querySelectorAll('#log .line-said')[2];
                  const top = line.getBoundingClientRect().top;
                  const look = () => {
                    if (line.getBoundingClientRect().top !== top) window.moved++;
                    requestAnimationFrame(look);
                  };
                  look();
                }"""
            )
            for number in range(8, 11):
                await call.say(f"第{number}句我想問下你哋嘅上網計劃")
            await expect(page.locator("#follow")).to_contain_text("新對話")
            assert await page.evaluate("document.querySelector('#log').scrollTop") == 20
            assert await page.evaluate("window.moved") == 0
            assert "第0句" in await page.evaluate("String(getSelection())")
            await page.locator("#follow").click()
            await expect(page.locator("#follow")).to_be_hidden()
            assert "第10句" in await page.locator("#log .line-said").last.inner_text()
        await desk.good()


async def test_a_card_that_is_edited_stays_and_keys_do_the_rest(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser:
        desk = await tab(browser, f"{base}/desk?call=call-1")
        page = desk.page
        async with calling(run) as call:
            await call.say("我想問下幾時先可以退返錢俾我呀")
            await expect(page.locator(".suggestion:not(.closed) .reply")).to_contain_text("5個工作天")
            await page.keyboard.press("Alt+l")
            await expect(page.locator(".suggestion:not(.closed) .reply")).to_contain_text(
                "within 5 working days"
            )
            await page.locator("[data-reply='zh-Hant']").click()
            await expect(page.locator(".suggestion:not(.closed) .reply")).to_contain_text("5個工作天")
            await page.locator("[data-reply='en']").click()
            await page.keyboard.press("Alt+e")
            await expect(page.locator(".suggestion textarea")).to_be_focused()
            await page.keyboard.press("Escape")
            await expect(page.locator(".suggestion textarea")).to_have_count(0)
            await page.keyboard.press("Alt+e")
            field = page.locator(".suggestion textarea")
            await field.fill("I have written this myself")
            await call.say("我想問下點樣繳費呀")
            await asyncio.sleep(1.5)
            await expect(field).to_have_value("I have written this myself")
            await expect(field).to_be_focused()
            await page.locator(".suggestion .acts button").first.click()
            assert await page.evaluate("navigator.clipboard.readText()") == "I have written this myself"
            await until(lambda: "edited" in _done(tmp_path))
        await desk.good()


async def test_a_wrong_card_says_so_and_a_call_that_ended_shows_its_wrap_up_alone(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser:
        desk = await tab(browser, f"{base}/desk?call=call-1")
        page = desk.page
        async with calling(run) as call:
            await call.say("我想問下幾時先可以退返錢俾我呀")
            card = page.locator(".suggestion:not(.closed)")
            await card.locator(".acts button").last.click()
            await expect(card.locator(".acts")).to_contain_text("還原")
            await card.locator(".acts button").last.click()
            await expect(card.locator(".acts button")).to_have_count(5)
            await card.locator(".acts button").last.click()
            await expect(card.locator(".from .fate")).to_contain_text("✗ 錯誤", timeout=15_000)
            await expect(card.locator(".acts button")).to_have_count(0)
            await until(lambda: "wrong" in _done(tmp_path))
        await expect(page.locator("#wrap")).to_be_visible()
        await page.locator("#cards").hover()
        await page.locator("#query").hover()
        await asyncio.sleep(0.7)
        await expect(page.locator("#wrap")).to_be_visible()
        await expect(page.locator("article.suggestion")).to_have_count(0)
        await desk.good()


async def test_the_sound_begins_where_a_word_was_said(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser:
        async with calling(run) as call:
            await call.say("早晨")
            await call.say("我想問下退款")
        await kept(run)
        found = await tab(browser, f"{base}/calls?q=退款")
        await found.page.locator("a[href*='退款'], a[href*='#t']").first.click()
        moment = int(found.page.url.partition("#t")[2])
        assert moment > 0
        await expect(found.page.locator(f"#t{moment}")).to_have_class(re.compile("heard"))
        async with asyncio.timeout(10):  # the policy lets no wait_for_function in
            while not (at := await found.page.evaluate("document.querySelector('audio').currentTime")):
                await asyncio.sleep(0.05)
        assert at == pytest.approx(moment / 1000, abs=0.05)
        await found.good()


async def test_supervisors_see_alerts_and_one_takes_them(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser:
        first, second = [await tab(browser, f"{base}/wall", viewport=WALL) for _ in range(2)]
        await expect(first.page.locator(".tiles .empty")).to_be_visible()
        async with calling(run, agent_id="a7", queue="billing") as call:
            await call.say("我要投訴")
            await expect(first.page.locator(".tile")).to_have_count(1)
            alerts: Any = run.server.app.alerts
            alerts.publish(CallInfo(call_id="call-1", agent_id="a7", queue="billing"), alert("alert-1"), 600)
            for wall in (first, second):
                await expect(wall.page.locator("#queue .alert.warning")).to_contain_text("激動程度 70%")
                assert (await wall.page.title()).startswith("(1)")
            late = await tab(browser, f"{base}/wall", viewport=WALL)
            await expect(late.page.locator("#queue .alert.warning")).to_have_count(1)
            await first.page.locator("#queue .acts input").fill("我跟")
            await first.page.locator("#queue .name").focus()
            await first.page.keyboard.press("a")
            for wall in (first, second, late):
                await expect(wall.page.locator("#queue .alert.done")).to_contain_text("已接手")
                await expect(wall.page.locator("#queue .alert.done .why")).to_contain_text("激動程度 70%")
                await expect(wall.page.locator("#queue .alert.done .why")).to_contain_text("我跟")
            alerts.publish(CallInfo(call_id="call-1", agent_id="a7", queue="billing"), alert("alert-2"), 600)
            await first.page.locator("#queue .alert.warning .acts button").nth(1).click()
            for wall in (first, second):
                await expect(wall.page.locator("#queue .alert.done")).to_contain_text("誤報")
            await second.page.locator(".tile").focus()
            await second.page.keyboard.press("Enter")
            await expect(second.page.locator("#drawer #log")).to_contain_text("我要投訴")
            await second.page.keyboard.press("Escape")
            await expect(second.page.locator("#drawer")).to_be_hidden()
            await expect(second.page.locator(".tile")).to_be_focused()
        await expect(first.page.locator(".tile")).to_have_count(0)
        for wall in (first, second):
            await wall.good()


async def test_a_line_that_breaks_is_mended_and_nothing_is_lost(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser:
        desk = await tab(browser, f"{base}/desk?call=call-1")
        page = desk.page
        async with calling(run) as call:
            await call.say("第一句說話")
            await expect(page.locator("#log")).to_contain_text("第一句說話")
            await page.locator("#query").fill("打到一半")
            await page.evaluate("performance.mark('same')")
            await page.evaluate(
                "import('/static/' + document.body.dataset.static.split('/').pop() + '/live.js')"
            )
            await page.context.set_offline(True)
            await call.say("第二句說話")
            await page.context.set_offline(False)
            await expect(page.locator("#log")).to_contain_text("第二句說話", timeout=30_000)
            await expect(page.locator("#log .line-said")).to_have_count(2)
            await expect(page.locator("#query")).to_have_value("打到一半")
            assert await page.evaluate("performance.getEntriesByName('same').length") == 1
        await desk.good()


async def test_the_wrap_up_of_a_past_call_can_still_be_written(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser:
        async with calling(run, agent_id="a7") as call:
            await call.say("我想問下退款")
        desk = await tab(browser, f"{base}/calls")
        await desk.page.locator("tbody a").click()
        await desk.page.get_by_text("填寫小結").click()
        await expect(desk.page.locator("#wrap .sums")).to_contain_text("我想問下退款")
        await desk.page.locator("#wrap [name=note]").fill("未儲存")
        await desk.page.reload()
        await expect(desk.page.locator("#wrap [name=note]")).to_have_value("未儲存")
        await desk.page.locator("#wrap button.main").click()
        await expect(desk.page.locator("#wrap output")).to_contain_text("已儲存")
        before = await desk.page.locator("#phase").inner_text()
        await asyncio.sleep(1.5)
        assert await desk.page.locator("#phase").inner_text() == before  # after-call work is over
        await desk.page.reload()
        await expect(desk.page.locator("#wrap [name=note]")).to_have_value("未儲存")
        await desk.page.locator("#wrap button.main").click()  # what was kept is not lost by saving again
        await expect(desk.page.locator("#wrap output")).to_contain_text("已儲存")
        await desk.page.reload()
        await expect(desk.page.locator("#wrap [name=note]")).to_have_value("未儲存")
        await desk.page.goto(f"{base}/kpis")
        await expect(desk.page.locator("h1")).to_have_text("營運數字")
        await rules_hold(desk.page)
        await desk.good()


@pytest.mark.parametrize(
    ("language", "theme"), [("zh-Hant", "light"), ("en", "dark"), ("zh-Hant", "contrast"), ("en", "light")]
)
async def test_pages_are_accessible_in_every_language_and_theme(
    tmp_path: Path, language: str, theme: str
) -> None:
    chosen = {"language": language, "theme": theme}
    async with live(tmp_path) as (run, base), chromium() as browser:
        async with calling(run, agent_id="a7", queue="billing") as call:
            desk = await tab(browser, f"{base}/desk?call=call-1", **chosen)
            await call.say("我想問下幾時先可以退返錢俾我呀")
            await expect(desk.page.locator(".suggestion").first).to_be_visible()
            alerts: Any = run.server.app.alerts
            alerts.publish(CallInfo(call_id="call-1", agent_id="a7"), alert("alert-1"), 600)
            wall = await tab(browser, f"{base}/wall", viewport=WALL, **chosen)
            await expect(wall.page.locator("#queue .alert.warning")).to_be_visible()
            await rules_hold(desk.page)
            await rules_hold(wall.page)
        await expect(desk.page.locator("#wrap")).to_be_visible()
        await rules_hold(desk.page)
        await desk.page.goto(f"{base}/calls")
        await rules_hold(desk.page)
        await desk.page.locator("tbody a").click()  # comes back before the next page is there
        await expect(desk.page.locator("audio")).to_have_count(1)
        await rules_hold(desk.page)
        await desk.page.goto(f"{base}/quality")
        await desk.page.locator("form[action='/quality/sample'] button").click()
        await expect(desk.page.locator("tbody a")).to_have_count(1)
        await rules_hold(desk.page)
        await desk.page.locator("tbody a").click()
        await expect(desk.page.locator("fieldset")).to_have_count(5)
        await rules_hold(desk.page)
        for found in (desk, wall):
            await found.good()


@pytest.mark.parametrize("path", ["/desk?call=call-1", "/wall", "/calls"])
async def test_pages_fit_a_narrow_window(tmp_path: Path, path: str) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser, calling(run, agent_id="a7") as call:
        await call.say("我想問下幾時先可以退返錢俾我呀")
        narrow = await tab(browser, base + path, viewport={"width": 320, "height": 640})
        await asyncio.sleep(1.0)
        over = await narrow.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0
        await narrow.good()


async def test_characters_are_drawn_as_in_hong_kong(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser, calling(run) as call:
        await call.say("嗰個𠮶隻𡃉仔喺𠻺度，骨過滑遍說嘅")
        desk = await tab(browser, f"{base}/desk?call=call-1")
        await expect(desk.page.locator("#log .text")).to_be_visible()
        assert await desk.page.evaluate("document.documentElement.lang") == "zh-Hant-HK"
        session = await desk.page.context.new_cdp_session(desk.page)
        await session.send("DOM.enable")
        await session.send("CSS.enable")
        root = await session.send("DOM.getDocument")
        node = await session.send(
            "DOM.querySelector", {"nodeId": root["root"]["nodeId"], "selector": "#log .text"}
        )
        fonts = await session.send("CSS.getPlatformFontsForNode", {"nodeId": node["nodeId"]})
        assert sum(font["glyphCount"] for font in fonts["fonts"]) >= 15
        assert not any("last resort" in font["familyName"].lower() for font in fonts["fonts"])


async def test_people_log_in_choose_a_language_and_log_out(tmp_path: Path) -> None:
    """The forms of our own pages must work in a browser: what it says of their origin is its own affair."""
    LocalUsers(tmp_path / "users.json").add("alice", "correct horse battery", None)
    async with running(settings()) as run:
        chosen = {"login": "local", "users": tmp_path / "users.json"}
        async with consoling(run.server.port, **chosen) as base, chromium() as browser:
            desk = await tab(browser, f"{base}/desk")
            await desk.page.locator("input[name=name]").fill("alice")
            await desk.page.locator("input[name=password]").fill("correct horse battery")
            await desk.page.locator("form.login button").click()
            await expect(desk.page.locator("#idle")).to_be_visible()
            await desk.page.locator("button.menu").click()
            await desk.page.locator("select[name=language]").select_option("en")
            await desk.page.locator("form[action='/choose'] button").click()
            await expect(desk.page.locator("html")).to_have_attribute("lang", "en")
            await desk.page.locator("button.menu").click()
            await desk.page.locator("form[action='/logout'] button").click()
            await expect(desk.page.locator("input[name=password]")).to_be_visible()
            await desk.good()
