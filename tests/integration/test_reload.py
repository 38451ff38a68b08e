"""Another model under live calls: promoted, refused, rolled back."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from asr.finding import BUNDLED_PATH
from models.promotion import Promotions, promoted_folder, write_promotions
from pipeline.config import Settings
from tests.integration.helpers import (
    Running,
    chunks,
    demo_bytes,
    end,
    finals,
    rest,
    running,
    settings,
    start,
    take,
    talk,
)
from yuetone.v1 import call_service_pb2 as pb

pytestmark = [pytest.mark.integration, pytest.mark.model]


def with_models(folder: Path) -> Settings:
    return settings(asr={"model": "auto", "models_dir": str(folder)})


def promoted(models: Path, name: str) -> None:
    """Promote a copy of the bundled model under another name."""
    target = promoted_folder(models) / name
    shutil.copytree(BUNDLED_PATH, target)
    declared = (target / "yuetone.toml").read_text().replace('name = "bundled"', f'name = "{name}"')
    (target / "yuetone.toml").write_text(declared)
    write_promotions(models, Promotions(stack=[name]))


async def served(run: Running) -> str:
    """Return the model that a new call is told of."""
    messages = await talk(run, [start("probe"), end()])
    return messages[0].started.model


def said(messages: list[pb.StreamCallResponse]) -> list[str]:
    return [final.raw_text for final in finals(messages)]


async def until(run: Running, name: str) -> None:
    async with asyncio.timeout(20):
        while await served(run) != name:
            await asyncio.sleep(0.1)


async def test_a_promoted_model_is_taken_up_without_dropping_calls(tmp_path: Path) -> None:
    data = demo_bytes(20)
    async with running(with_models(tmp_path), real=True) as run:
        whole = [
            m.transcript.text
            for m in await talk(run, [start("whole"), *chunks(data), end()])
            if m.HasField("transcript") and m.transcript.is_final
        ]
        assert await served(run) == "bundled"
        call = run.stub.StreamCall()
        await call.write(start("live"))
        half = list(chunks(data))
        for request in half[: len(half) // 2]:
            await call.write(request)
        first = await take(call)
        assert first.started.model == "bundled"
        promoted(tmp_path, "tuned-1")
        run.server.reload()
        await until(run, "tuned-1")
        for request in half[len(half) // 2 :]:
            await call.write(request)
        await call.write(end())
        finals = [
            m.transcript.text for m in await rest(call) if m.HasField("transcript") and m.transcript.is_final
        ]
        assert finals == whole, "the same weights under another name must write the same"
        write_promotions(tmp_path, Promotions())
        run.server.reload()
        await until(run, "bundled")


async def test_a_model_that_cannot_be_loaded_changes_nothing(tmp_path: Path) -> None:
    async with running(with_models(tmp_path), real=True) as run:
        promoted(tmp_path, "broken")
        (promoted_folder(tmp_path) / "broken" / "model.bin").write_bytes(b"not a model")
        failures = run.server.metrics.failures.labels("reload")
        for count in (1, 2):
            run.server.reload()
            async with asyncio.timeout(20):
                while failures._value.get() < count:
                    await asyncio.sleep(0.05)
            shutil.rmtree(promoted_folder(tmp_path) / "broken", ignore_errors=True)
        assert await served(run) == "bundled"


async def _read_until(stream: asyncio.StreamReader, event: str) -> dict[str, str]:
    """Return the log line of ``event``."""
    while line := await stream.readline():
        entry: dict[str, str] = json.loads(line)
        if entry["event"] == event:
            return entry
    raise AssertionError(f"the server ended without saying {event}")


async def test_sighup_reloads_a_running_server(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("yuetone"))
    process = await asyncio.create_subprocess_exec(
        program, "serve", "--port", "0", "--metrics-port", "0",
        env={**os.environ, "YUETONE_ASR__MODELS_DIR": str(tmp_path), "YUETONE_LOG__FORMAT": "json",
             "YUETONE_ASR__MODEL": "auto"},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            await _read_until(process.stderr, "serving")
            promoted(tmp_path, "tuned-2")
            process.send_signal(signal.SIGHUP)
            entry = await _read_until(process.stderr, "model reloaded")
        assert entry["now"] == "tuned-2"
    finally:
        process.terminate()
        await process.wait()
