"""Logging in by an OpenID provider, from the first page to the token that is renewed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from console.auth import gate as gate_module
from tests.access.provider import Provider
from tests.console.helpers import consoling
from tests.console.idp import LoginProvider, providing
from tests.integration.access import guarded
from tests.integration.helpers import running, settings

pytestmark = pytest.mark.integration


@asynccontextmanager
async def logging_in(
    provider: Provider, folder: Path, lasts: float = 300.0
) -> AsyncIterator[tuple[LoginProvider, str]]:
    """Run a server, a provider whose tokens it believes, and a console between them."""

    def access() -> str:
        return provider.token("sue", roles=["supervisor"], company="bank")

    chosen = guarded(provider, audit={"folder": folder / "audit"})
    async with running(chosen) as run, providing(access, lasts) as idp:
        oidc = {"issuer": idp.url, "client_id": "console"}
        async with consoling(run.server.port, login="oidc", oidc=oidc) as base:
            yield idp, base


async def test_somebody_logs_in_and_comes_back_to_where_they_wanted(
    provider: Provider, tmp_path: Path
) -> None:
    async with logging_in(provider, tmp_path) as (_idp, base), httpx2.AsyncClient() as web:
        answer = await web.get(f"{base}/wall", follow_redirects=True)
        assert (answer.status_code, answer.url.path) == (200, "/wall")
        assert "蘇主任" in answer.text
        assert web.cookies.get("yuetone")
        assert web.cookies.get("yuetone-login") is None


async def test_an_answer_that_was_not_asked_for_here_is_refused(provider: Provider, tmp_path: Path) -> None:
    async with logging_in(provider, tmp_path) as (idp, base):
        async with httpx2.AsyncClient() as mine, httpx2.AsyncClient() as others:
            gone = await mine.get(f"{base}/login")
            back = (await mine.get(gone.headers["location"])).headers["location"]
            assert (await others.get(back)).status_code == 403  # in another browser
            assert (await mine.get(f"{base}/login/callback?state=&code=x")).status_code == 403
            assert (await mine.get(back)).status_code == 303
            assert (await mine.get(back)).status_code == 403  # a second time
        async with httpx2.AsyncClient() as web:
            idp.nonce = "another"
            assert (await web.get(f"{base}/login", follow_redirects=True)).status_code == 403
            idp.nonce, idp.refuses = None, True
            refused = await web.get(f"{base}/login", follow_redirects=True)
            assert refused.status_code == 403
            assert "Traceback" not in refused.text


async def test_a_token_is_renewed_and_a_session_ends_where_that_fails(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_module, "RENEWED_S", 0.2)
    async with logging_in(provider, tmp_path, lasts=6) as (idp, base), httpx2.AsyncClient() as web:
        await web.get(f"{base}/wall", follow_redirects=True)
        async with asyncio.timeout(10):
            while not idp.renewed:
                await asyncio.sleep(0.1)
        assert (await web.get(f"{base}/wall")).status_code == 200
        idp.refuses = True
        async with asyncio.timeout(15):
            while (await web.get(f"{base}/wall")).status_code == 200:
                await asyncio.sleep(0.3)
        assert (await web.get(f"{base}/wall")).headers["location"].startswith("/login")


async def test_a_provider_that_is_away_is_told(tmp_path: Path) -> None:
    oidc = {"issuer": "http://127.0.0.1:1", "client_id": "console"}
    async with running(settings()) as run, consoling(run.server.port, login="oidc", oidc=oidc) as base:
        async with httpx2.AsyncClient() as web:
            answer = await web.get(f"{base}/login")
        assert answer.status_code == 503
        assert "provider" in answer.text
