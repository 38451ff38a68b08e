"""``yuetone calls`` beside a server with a live call."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.integration.helpers import end, rest, running, start, take

PROGRAM = str(Path(sys.executable).with_name("yuetone"))
pytestmark = pytest.mark.integration


async def command(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(PROGRAM, "calls", *arguments, stdout=PIPE, stderr=PIPE)


async def test_list_shows_live_calls_in_a_table_or_as_json() -> None:
    async with running() as run, asyncio.timeout(60):
        call = run.stub.StreamCall()
        await call.write(start("c-1", queue="billing[2]", agent_id="amy"))
        await take(call)
        at = f"127.0.0.1:{run.server.port}"
        shown, _ = await (await command("list", "--server", at)).communicate()
        assert "c-1" in shown.decode()
        assert "billing[2]" in shown.decode(), "brackets are no markup"
        listed, _ = await (
            await command("list", "--server", at, "--queue", "billing[2]", "--json")
        ).communicate()
        (row,) = json.loads(listed)["calls"]
        assert (row["call_id"], row["agent_id"]) == ("c-1", "amy")
        other, _ = await (await command("list", "--server", at, "--queue", "cards", "--json")).communicate()
        assert not json.loads(other).get("calls")
        await call.write(end())
        await rest(call)


async def test_watch_prints_nothing_but_json_until_interrupted() -> None:
    async with running() as run, asyncio.timeout(60):
        watching = await command("watch", "--server", f"127.0.0.1:{run.server.port}", "--json")
        assert watching.stdout is not None
        first = json.loads(await watching.stdout.readline())
        assert first["snapshot"] is True
        call = run.stub.StreamCall()
        await call.write(start("c-1"))
        await take(call)
        await call.write(end())
        await rest(call)
        phases: list[str] = []
        while "PHASE_ENDED" not in phases:
            phases += [row["phase"] for row in json.loads(await watching.stdout.readline()).get("calls", [])]
        watching.send_signal(signal.SIGINT)
        left, errors = await watching.communicate()
        assert (left, errors) == (b"", b"")
        assert watching.returncode == 130
