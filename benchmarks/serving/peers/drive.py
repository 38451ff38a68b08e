"""Paced clients of WhisperLive and WhisperLiveKit; runs in the peers' environment.

    python drive.py SYSTEM PORT SPEECH.npz OUT.json LANGUAGE

SPEECH.npz has one int16 array at 16 kHz for each stream. OUT.json has, for each stream, what was sent and
when (monotonic clock) and every message's text with its time.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import websockets

Texts = tuple[str, str, int, float | None]
CHUNK = 320
SPREAD_S = 1.28
GOLDEN = 0.618034
LATEST_S = 12.0


def whisperlive_hello(language: str) -> str:
    """Return the first message of a stream."""
    return json.dumps(
        {"uid": str(uuid.uuid4()), "language": language, "task": "transcribe", "model": "custom",
         "use_vad": True, "send_last_n_segments": 1000}
    )  # fmt: skip


def whisperlive_texts(message: dict[str, Any]) -> Texts | None:
    """Return committed text, open text, end of the committed part in ms; None for other messages."""
    segments = message.get("segments")
    if segments is None:
        return None
    done = [s for s in segments if s.get("completed")]
    rest = [s for s in segments if not s.get("completed")]
    until = int(float(done[-1]["end"]) * 1000) if done else 0
    return "".join(s["text"] for s in done), "".join(s["text"] for s in rest), until, None


def whisperlivekit_texts(message: dict[str, Any]) -> Texts | None:
    """Return the same, and by how much the server says it is behind, in ms."""
    if "lines" not in message and "buffer_transcription" not in message:
        return None
    lines = [line for line in message.get("lines") or [] if line.get("text")]
    until = max([_milliseconds(line.get("end")) for line in lines] or [0])
    behind = float(message.get("remaining_time_transcription") or 0) * 1000
    return "".join(line["text"] for line in lines), message.get("buffer_transcription") or "", until, behind


def _milliseconds(value: float | str | None) -> int:
    """Return seconds, or hours:minutes:seconds, as ms."""
    if value is None:
        return 0
    parts = [float(part) for part in str(value).split(":")]
    return int(sum(part * 60**power for power, part in enumerate(reversed(parts))) * 1000)


async def stream(system: str, port: int, pcm: Any, delay: float, language: str) -> dict[str, Any]:
    """Run one stream; return what it saw."""
    await asyncio.sleep(delay)
    record: dict[str, Any] = {"sent": [], "updates": [], "failed": "", "late_s": 0.0}
    path = "/asr" if system == "whisperlivekit" else "/"
    try:
        async with websockets.connect(
            f"ws://127.0.0.1:{port}{path}", max_size=None, open_timeout=60
        ) as socket:
            if system != "whisperlivekit":
                await socket.send(whisperlive_hello(language))
                await socket.recv()
            texts = whisperlivekit_texts if system == "whisperlivekit" else whisperlive_texts
            reader = asyncio.create_task(_read(socket, texts, record))
            await _send(socket, system, pcm, record)
            reader.cancel()
    except (OSError, websockets.exceptions.WebSocketException, TimeoutError) as error:
        record["failed"] = type(error).__name__
    return record


async def _read(socket: Any, texts: Callable[[dict[str, Any]], Texts | None], record: dict[str, Any]) -> None:
    async for message in socket:
        found = texts(json.loads(message))
        if found is not None:
            record["updates"].append([time.monotonic(), *found])


async def _send(socket: Any, system: str, pcm: Any, record: dict[str, Any]) -> None:
    began = time.monotonic()
    for first in range(0, len(pcm), CHUNK):
        last = min(len(pcm), first + CHUNK)
        due, now = began + last / 16_000, time.monotonic()
        if now < due:
            await asyncio.sleep(due - now)
        record["late_s"] = max(record["late_s"], now - due)
        piece = pcm[first:last]
        await socket.send(
            piece.tobytes() if system == "whisperlivekit" else (piece.astype(np.float32) / 32768).tobytes()
        )
        record["sent"].append([last * 1000 // 16_000, due])
    before: object = None
    quiet = 0
    end = time.monotonic() + LATEST_S
    while time.monotonic() < end and quiet < 3:  # until the transcript stands still
        await asyncio.sleep(1)
        text = record["updates"][-1][1:3] if record["updates"] else None
        quiet = quiet + 1 if text == before else 0
        before = text
    await socket.send(b"" if system == "whisperlivekit" else b"END_OF_AUDIO")


async def main() -> None:
    """Run all streams."""
    system, port, source, out, language = sys.argv[1:6]
    with np.load(source) as file:
        speeches = [file[name] for name in sorted(file.files, key=int)]
    records = await asyncio.gather(
        *(
            stream(system, int(port), pcm, i * GOLDEN % 1.0 * SPREAD_S, language)
            for i, pcm in enumerate(speeches)
        )
    )
    Path(out).write_text(json.dumps(records))


if __name__ == "__main__":
    asyncio.run(main())
