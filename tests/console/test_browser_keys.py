"""Work by keyboard alone, with an input method, in many tabs, with forced colours: in a real browser."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from pipeline.calls.events import AlertState, Severity
from pipeline.calls.info import CallInfo
from tests.console.browsing import WALL, chromium, live, needs_chromium, tab
from tests.integration.access import alert
from tests.integration.suggesting import calling

pytestmark = [pytest.mark.integration, needs_chromium]
INFO = CallInfo(call_id="call-1", agent_id="a7", queue="billing")


async def tab_to(page: Page, selector: str, most: int = 60) -> None:
    """Press Tab until an element has the focus; it must be reachable so."""
    for _ in range(most):
        if await page.evaluate("(s) => document.activeElement?.matches(s) ?? false", selector):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reaches {selector}")


async def test_an_agent_works_without_a_mouse(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser:
        desk = await tab(browser, f"{base}/desk")
        page = desk.page
        async with calling(run, agent_id="a7") as call:
            await expect(page.locator("#choose button")).to_be_visible()
            await tab_to(page, "#choose button")
            await page.keyboard.press("Enter")
            await call.say("我想問下幾時先可以退返錢俾我呀")
            await expect(page.locator(".suggestion:not(.closed) .reply")).to_contain_text("5個工作天")
            await page.keyboard.press("Alt+1")
            await expect(page.locator(".suggestion button.main")).to_have_text("已複製")
            assert "5個工作天" in await page.evaluate("navigator.clipboard.readText()")
            await page.keyboard.press("/")
            await page.keyboard.type("繳費")
            await page.keyboard.press("Enter")
            await tab_to(page, "#hits summary")
            await page.keyboard.press("Enter")
            await expect(page.locator("#hits p").first).to_be_visible()
            await tab_to(page, "#sensitive")
            await page.keyboard.press("Enter")
            await expect(page.locator("#notice")).to_contain_text("不會被轉寫")
            await page.keyboard.press("Enter")
            await tab_to(page, "[data-reply=en]")
            await page.keyboard.press("Enter")
            await expect(page.locator("[data-reply=en]")).to_have_attribute("aria-pressed", "true")
        await expect(page.locator("#wrap button.main")).to_be_enabled()
        await tab_to(page, "#wrap .sums a")
        await page.keyboard.press("Enter")
        await expect(page.locator("#log .heard")).to_have_count(1)
        await tab_to(page, "#wrap [name=resolution]")
        await page.keyboard.press("ArrowDown")
        await tab_to(page, "#wrap [name=note]")
        await page.keyboard.type("done")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#wrap output")).to_contain_text("已儲存")
        await desk.good()


async def test_a_supervisor_works_without_a_mouse(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser:
        wall = await tab(browser, f"{base}/wall", viewport=WALL)
        page = wall.page
        async with calling(run, agent_id="a7", queue="billing") as call:
            await call.say("我要投訴")
            alerts: Any = run.server.app.alerts
            alerts.publish(INFO, alert("alert-1"), 600)
            await expect(page.locator("#queue .alert.warning")).to_be_visible()
            await tab_to(page, "#queue input")
            await page.keyboard.type("a note, with the letter a")  # no shortcut fires while somebody types
            await expect(page.locator("#queue .alert.warning")).to_be_visible()
            await tab_to(page, ".tile")
            await page.keyboard.press("Enter")
            await expect(page.locator("#drawer #log")).to_contain_text("我要投訴")
            await tab_to(page, "#drawer .alert button.main")
            await page.keyboard.press("Enter")
            await expect(page.locator("#queue .alert.done")).to_contain_text("已接手")
            await page.keyboard.press("Escape")
            await expect(page.locator("#drawer")).to_be_hidden()
        await tab_to(page, "nav a[href='/calls']")
        await page.keyboard.press("Enter")
        await expect(page.locator("tbody tr")).to_have_count(1)
        await tab_to(page, "tbody a")
        await page.keyboard.press("Enter")
        await expect(page.locator("#talk .line-said")).to_have_count(1)
        await tab_to(page, "#talk .at")
        await page.keyboard.press("Enter")
        await wall.good()


async def test_an_input_method_goes_on_while_the_call_does(tmp_path: Path) -> None:
    """Characters that are being composed stay, whatever comes; keys of the method are no shortcuts."""
    async with live(tmp_path) as (run, base), chromium() as browser:
        desk = await tab(browser, f"{base}/desk?call=call-1")
        page = desk.page
        async with calling(run) as call:
            await call.say("我想問下幾時先可以退返錢俾我呀")
            await expect(page.locator(".suggestion .reply").first).to_be_visible()
            await page.locator("#query").focus()
            session = await page.context.new_cdp_session(page)
            composed = {"text": "退fun", "selectionStart": 4, "selectionEnd": 4}
            await session.send("Input.imeSetComposition", composed)
            await call.say("我想問下點樣繳費呀")
            await expect(page.locator("#log .line-said")).to_have_count(2)
            assert await page.evaluate("document.activeElement.id") == "query"
            assert await page.evaluate("document.querySelector('#query').value") == "退fun"
            await page.evaluate(
                "document.querySelector('#query').dispatchEvent(new KeyboardEvent('keydown',"
                " {key: '1', code: 'Digit1', altKey: true, isComposing: true, bubbles: true}))"
            )
            await session.send("Input.insertText", {"text": "退款"})
            await expect(page.locator("#query")).to_have_value("退款")
            await expect(page.locator(".suggestion button.main").first).not_to_have_text("已複製")
        await desk.good()


async def test_many_tabs_share_what_is_followed(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser, calling(run, agent_id="a7"):
        first = await tab(browser, f"{base}/wall", viewport=WALL)
        pages = [first.page]
        for _ in range(7):  # more than browsers open connections to one host
            page = await first.page.context.new_page()
            await page.goto(f"{base}/wall")
            pages.append(page)
        alerts: Any = run.server.app.alerts
        alerts.publish(INFO, alert("alert-1"), 600)
        for page in pages:
            await expect(page.locator("#queue .alert.warning")).to_have_count(1)
        assert alerts.watchers == 1
        answer = await pages[-1].evaluate(
            "fetch('/api/search', {method: 'POST', headers: {'content-type': 'application/json'},"
            " body: JSON.stringify({query: '退款'})}).then((found) => found.status)"
        )
        assert answer == 200


async def test_an_alert_that_becomes_worse_sounds_once(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser:
        wall = await tab(browser, f"{base}/wall", viewport=WALL)
        page = wall.page
        await page.evaluate(
            """() => {
              window.tones = 0;
              const start = OscillatorNode.prototype.start;
              OscillatorNode.prototype.start = function (...given) {
                window.tones++;
                return start.apply(this, given);
              };
            }"""
        )
        await page.locator("#sound").click()
        alerts: Any = run.server.app.alerts
        alerts.publish(INFO, alert("alert-1"), 600)
        await expect(page.locator("#queue .alert.warning")).to_have_count(1)
        assert await page.evaluate("window.tones") == 0
        worse = replace(alert("alert-1"), state=AlertState.ESCALATED, severity=Severity.CRITICAL)
        alerts.publish(INFO, worse, 600)
        await expect(page.locator("#queue .alert.critical")).to_contain_text("升級")
        alerts.publish(INFO, replace(alert("alert-2"), severity=Severity.CRITICAL), 600)
        await expect(page.locator("#queue .alert.critical")).to_contain_text("另 1 項")
        await asyncio.sleep(0.5)
        assert await page.evaluate("window.tones") == 1
        await expect(page.locator("#queue article")).to_have_count(1)
        await wall.good()


async def test_forced_colours_and_less_motion_lose_nothing(tmp_path: Path) -> None:
    async with live(tmp_path) as (run, base), chromium() as browser, calling(run, agent_id="a7"):
        wall = await tab(browser, f"{base}/wall", viewport=WALL)
        await wall.page.emulate_media(forced_colors="active", reduced_motion="reduce")
        alerts: Any = run.server.app.alerts
        alerts.publish(INFO, alert("alert-1"), 600)
        row = wall.page.locator("#queue .alert.warning")
        await expect(row).to_contain_text("▲")  # a sign beside the colour
        border = await row.evaluate("(node) => getComputedStyle(node).borderTopStyle")
        gauge = wall.page.locator(".tile .gauge i")
        assert border == "solid"
        ink = await gauge.evaluate("(node) => getComputedStyle(node).backgroundColor")
        under = await wall.page.locator(".tile").evaluate("(node) => getComputedStyle(node).backgroundColor")
        assert ink != under
        await wall.good()
