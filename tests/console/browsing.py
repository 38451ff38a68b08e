"""A real Chromium before a real console: pages whose errors and broken rules are noted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.async_api import Browser, Page, async_playwright

from suggest.base import Article
from suggest.store.knowledge import KnowledgeStore
from tests.console.helpers import CHROMIUM, consoling
from tests.fakes.engines import SayingEngine
from tests.integration.helpers import Running, running, settings
from tests.record.helpers import profile, section

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium (apt-get install chromium fonts-noto-cjk, or YUETONE_CHROMIUM)"
)
_NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""
DESK, WALL = {"width": 1366, "height": 641}, {"width": 1920, "height": 1080}


@dataclass
class Tab:
    """A page, and what went wrong in it."""

    page: Page
    errors: list[str] = field(default_factory=list)

    async def good(self) -> None:
        """Fail where a script broke, or where the policy had to refuse something."""
        assert self.errors == []
        assert await self.page.evaluate("window.violations") == []


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


async def tab(browser: Browser, address: str, **chosen: Any) -> Tab:
    """Open a page with a person's choices: language, theme, viewport."""
    base = "/".join(address.split("/")[:3])
    options = {"viewport": chosen.pop("viewport", DESK)}
    context = await browser.new_context(permissions=["clipboard-read", "clipboard-write"], **options)
    for name, value in {"language": "zh-Hant", **chosen}.items():
        await context.add_cookies([{"name": name, "value": value, "url": base}])
    await context.add_init_script(_NOTE_VIOLATIONS)
    found = Tab(await context.new_page())
    found.page.on("pageerror", lambda error: found.errors.append(str(error)))
    found.page.set_default_timeout(15_000)
    await found.page.goto(address)
    return found


HOSTILE = "我想問下幾時先可以退返錢俾我呀<script>window.hit=1</script><img src=x onerror=window.hit=1>"
REFUND = Article(
    id="refund", question_zh="退款需要多久？<b>",
    answer_zh="退款會於5個工作天內存入信用卡。<img src=x onerror=window.hit=1>",
    question_en="How long does a refund take?", answer_en="A refund reaches your card within 5 working days.",
    source="kb.csv", place="row 1", uri="javascript:window.hit=1",
)  # fmt: skip
OTHER = Article(id="pay", question_zh="如何繳費？", answer_zh="可於便利店繳費。")


@asynccontextmanager
async def live(folder: Path) -> AsyncIterator[tuple[Running, str]]:
    """Run a server with a knowledge base and a record, and a console before it."""
    store = KnowledgeStore(str(folder / "kb.db"))
    store.write([REFUND, OTHER])
    store.close()
    chosen = settings(
        record=section(folder),
        profiles=profile(),
        alerts={"store": str(folder / "alerts.db")},
        suggest={"store": str(folder / "kb.db")},
    )
    async with running(chosen, SayingEngine("")) as run, consoling(run.server.port) as base:
        yield run, base


async def rules_hold(page: Page) -> None:
    """Fail where axe finds something serious. It comes by the debugger: the policy lets no others in."""
    session = await page.context.new_cdp_session(page)
    await session.send("Runtime.evaluate", {"expression": Path(AXE_FILE_PATH).read_text("utf-8")})
    found = await page.evaluate("axe.run({resultTypes: ['violations']})")
    bad = [
        f"{one['id']}: {[node['html'][:120] for node in one['nodes'][:3]]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert bad == []
