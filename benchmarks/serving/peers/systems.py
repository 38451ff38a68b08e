"""The peers as systems that can be started, driven and measured like Yuetone."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving.peers.setup import python_of
from benchmarks.serving.processes import free_port, pinned
from benchmarks.serving.record import StreamRecord, Update
from benchmarks.serving.speech import Speech

HERE = Path(__file__).parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
"""A pinned server gains nothing from more, and loses by their waiting for each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A system to compare with.

    Attributes:
        name: in the result.
        system: whose protocol it speaks.
        options: of its server.
    """

    name: str
    system: str
    options: tuple[str, ...] = ()


PEERS = (
    Peer(name="WhisperLive", system="whisperlive"),
    Peer(name="WhisperLive --batch_inference", system="whisperlive", options=("batch",)),
    Peer(name="WhisperLiveKit (LocalAgreement)", system="whisperlivekit"),
)


def command(peer: Peer, folder: Path, model: str, port: int, language: str) -> list[str]:
    """Return the peer's command line."""
    python = str(python_of(folder))
    if peer.system == "whisperlive":
        return [python, str(HERE / "serve_whisperlive.py"), model, str(port), *peer.options]
    return [
        python, str(HERE / "serve_whisperlivekit.py"), "--backend", "faster-whisper",
        "--backend-policy", "localagreement", "--model-path", model, "--lan", language, "--pcm-input",
        "--warmup-file", "", "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip


@asynccontextmanager
async def running(
    peer: Peer, folder: Path, model: str, cores: set[int] | None, language: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Run the peer's server; give its process and port once it listens."""
    port = free_port()
    async with pinned(command(peer, folder, model, port, language), cores, ONE_THREAD) as process:
        drain = asyncio.create_task(_drain(process), name="peer log")
        try:
            await _listening(process, port)
            yield process, port
        finally:
            drain.cancel()


async def _drain(process: asyncio.subprocess.Process) -> None:
    while process.stderr and await process.stderr.read(65_536):
        pass


async def _listening(process: asyncio.subprocess.Process, port: int) -> None:
    for _ in range(240):
        if process.returncode is not None:
            raise RuntimeError(f"the peer's server ended with {process.returncode}")
        try:
            _reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.5)
        else:
            writer.close()
            return
    raise RuntimeError("the peer's server does not listen")


async def drive(
    peer: Peer,
    folder: Path,
    port: int,
    chosen: Sequence[Speech],
    cores: set[int] | None,
    solo_s: float,
    language: str,
) -> list[StreamRecord]:
    """Stream to a running peer; return what the streams saw.

    Args:
        peer: which.
        folder: of the peers' environment.
        port: of its server.
        chosen: the speech.
        cores: of the client.
        solo_s: time between two updates of a single stream; see :func:`as_record`.
        language: Whisper code.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source, out = Path(scratch) / "speech.npz", Path(scratch) / "out.json"
        arrays: dict[str, Any] = {str(index): speech.pcm for index, speech in enumerate(chosen)}
        np.savez(source, **arrays)
        arguments = [peer.system, str(port), str(source), str(out), language]
        process = await asyncio.create_subprocess_exec(
            str(python_of(folder)), str(HERE / "drive.py"), *arguments,
            preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
        )  # fmt: skip
        if await process.wait():
            raise RuntimeError(f"the client of {peer.name} failed")
        told = json.loads(out.read_text())
    return [as_record(one, speech, solo_s) for one, speech in zip(told, chosen, strict=True)]


def as_record(told: dict[str, Any], speech: Speech, solo_s: float) -> StreamRecord:
    """Return a peer's messages as a record, in the peer's favour where its protocol leaves room.

    WhisperLive does not say how much audio an update has taken into account. Its threads take what has come
    when the previous update went out, and wait for the lock afterwards; so an update covers what had been
    sent when the previous one came, or ``solo_s`` before it came, whichever is later. WhisperLiveKit says
    by how much it is behind. An update that covers a sentence's end counts as its final, though either
    system may still change it.
    """
    record = StreamRecord(said=speech.said, failed=told["failed"], late_s=told["late_s"])
    record.sent = [(int(ms), float(at)) for ms, at in told["sent"]]
    before, shown = 0.0, None
    for at, done, rest, _until, behind in told["updates"]:
        reach = at - behind / 1000 if behind is not None else max(before, at - solo_s)
        before = at
        covers = _sent_by(record, reach)
        if (done + rest) == shown and behind is not None:
            continue  # a status message
        shown = done + rest
        record.updates.append(Update(at=at, covers_ms=covers, final=False, text=shown, key="all"))
    if record.updates:  # its last word is its transcript
        last = record.updates[-1]
        record.updates.append(
            Update(at=last.at, covers_ms=last.covers_ms, final=True, text=last.text, key="all")
        )
    return record


def _sent_by(record: StreamRecord, at: float) -> int:
    """Return ms of audio that had gone out at a time."""
    covered = 0
    for ms, sent in record.sent:
        if sent > at:
            break
        covered = ms
    return covered


def solo_gap(told: Sequence[StreamRecord]) -> float:
    """Return the median time between two updates, s."""
    times = [[u.at for u in record.updates] for record in told]
    gaps = [b - a for row in times for a, b in itertools.pairwise(row) if b > a]
    return float(np.median(gaps)) if gaps else 0.0
