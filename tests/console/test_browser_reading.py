"""What people read on the screens in a real browser: reasons in their language, moments, ended calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from pipeline.calls.info import CallInfo
from tests.console.browsing import WALL, chromium, live, needs_chromium, tab
from tests.integration.access import alert
from tests.integration.suggesting import calling

pytestmark = [pytest.mark.integration, needs_chromium]
INFO = CallInfo(call_id="call-1", agent_id="a7", queue="billing")


async def test_reasons_are_worded_in_the_readers_language(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser:
        english = await tab(browser, f"{base}/wall", viewport=WALL, language="en")
        chinese = await tab(browser, f"{base}/wall", viewport=WALL)
        async with calling(run, agent_id="a7"):
            alerts: Any = run.server.app.alerts
            alerts.publish(INFO, alert("alert-1"), 600)
            await expect(english.page.locator(".alert .why")).to_have_text("Agitation 70%; said: 投訴 ×2")
            await expect(chinese.page.locator(".alert .why")).to_have_text("激動程度 70%；說了：投訴 ×2")
        for found in (english, chinese):
            await found.good()


async def test_an_alert_is_taken_in_the_drawer_and_an_ended_call_leads_to_its_record(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser:
        wall = await tab(browser, f"{base}/wall", viewport=WALL)
        page = wall.page
        async with calling(run, agent_id="a7", queue="billing") as call:
            await call.say("我要投訴")
            alerts: Any = run.server.app.alerts
            alerts.publish(INFO, alert("alert-1"), 600)
            await page.locator(".tile").click()
            await expect(page.locator("#drawer .alert.warning")).to_contain_text("激動程度 70%")
            for figure in await page.locator(".figures dd").all():  # the drawer covers none of them
                box = await figure.bounding_box()
                assert box is not None
                at = [box["x"] + 5, box["y"] + box["height"] / 2]
                assert await page.evaluate("([x, y]) => document.elementFromPoint(x, y).tagName", at) == "DD"
            await page.locator("#drawer .alert .acts input").fill("我跟進")
            await page.locator("#drawer .alert button.main").click()
            await expect(page.locator("#drawer .alert.done")).to_contain_text("我跟進")
            await expect(page.locator("#queue .alert.done")).to_contain_text("已接手")
        await expect(page.locator("#kept a")).to_be_visible()
        await expect(page.locator("#drawer #log")).to_contain_text("我要投訴")
        await page.locator("#kept a").click()
        await expect(page.locator("#talk .line-said")).to_have_count(1)
        await wall.good()


async def test_a_drafts_moment_is_shown_where_it_was_said(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser:
        desk = await tab(browser, f"{base}/desk?call=call-1")
        async with calling(run, agent_id="a7") as call:
            await call.say("早晨呀，我個名係阿明")
            await call.say("我想問下幾時先可以退返錢俾我呀")
            await expect(desk.page.locator("#log .line-said")).to_have_count(2)
        moment = desk.page.locator("#wrap .sums a").last
        await moment.click()
        heard = desk.page.locator("#log .line-said.heard")
        await expect(heard).to_contain_text("退返錢")
        assert len(desk.page.context.pages) == 1
        again = await tab(browser, f"{base}/desk?call=call-1")  # past: its words are in the record
        link = await again.page.locator("#wrap .sums a").last.get_attribute("href")
        await again.page.goto(f"{base}{link}")
        await expect(again.page.locator("#talk .heard")).to_contain_text("退返錢")
        await desk.good()


async def test_an_alert_hangs_on_the_line_of_whom_it_is_about(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser:
        async with calling(run, agent_id="a7") as call:
            await call.say("早晨呀，有乜嘢可以幫到你")
            await call.say("我要去消委會投訴你哋，太離譜喇")
        page = (await tab(browser, f"{base}/calls")).page
        await page.locator("tbody a").click()
        await expect(page.locator("#talk .line-said")).to_have_count(2)
        owners = page.locator("#talk .line-said", has=page.locator(".feel"))
        await expect(owners).to_have_count(1)
        await expect(owners).to_contain_text("消委會投訴你哋")


async def test_the_menu_closes_by_escape_and_by_a_click_beside_it(tmp_path: Path) -> None:
    async with live(tmp_path) as (_run, base), chromium() as browser:
        page = (await tab(browser, f"{base}/calls")).page
        menu = page.locator("#menu")
        await page.locator("button.menu").click()
        await expect(menu).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(menu).to_be_hidden()
        await page.locator("button.menu").click()
        await page.locator("h1").click()
        await expect(menu).to_be_hidden()


async def test_a_card_that_was_copied_makes_way_although_its_button_has_the_focus(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser:
        page = (await tab(browser, f"{base}/desk?call=call-1")).page
        async with calling(run) as call:
            await call.say("我想問下幾時先可以退返錢俾我呀")
            await page.locator(".suggestion [data-act=copy]").click()
            await page.mouse.move(5, 5)
            await call.say("我想問下點樣繳費呀")
            opened = page.locator(".suggestion:not(.closed) .reply")
            await expect(opened).to_contain_text("便利店", timeout=25_000)
