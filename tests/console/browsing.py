"""A real Chromium before a real console: pages whose errors and broken rules are noted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.console.helpers import CHROMIUM

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
