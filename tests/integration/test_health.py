from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from client.health import main
from tests.fakes.engines import FakeEngine
from tests.integration.helpers import running
from tests.integration.test_pool import pool

pytestmark = pytest.mark.integration


async def asked(*arguments: str) -> int:
    return await asyncio.to_thread(main, list(arguments))


async def test_a_server_that_serves_is_told_from_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with running() as run:
        address = f"127.0.0.1:{run.server.port}"
        assert await asked("--server", address) == 0
        assert capsys.readouterr().out.endswith("\nserving\n")
    assert await asked("--server", address, "--within", "0.5") == 1
    assert capsys.readouterr().err in ("unavailable\n", "deadline exceeded\n")


async def test_a_recogniser_of_the_pool_is_asked_alike() -> None:
    async with pool(FakeEngine()) as one:
        assert await asked("--server", f"127.0.0.1:{one.port}") == 0


async def test_a_server_without_tls_is_not_taken_for_one_with_it(tmp_path: Path) -> None:
    async with running() as run:
        assert await asked("--server", f"127.0.0.1:{run.server.port}", "--tls", "--within", "0.5") == 1
    with pytest.raises(SystemExit, match="2"):
        main(["--tls-ca", str(tmp_path / "none.pem")])
