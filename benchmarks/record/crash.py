"""Servers that are killed under calls: whether what they promised to be on disk is there."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import soundfile as sf

import client
from benchmarks.serving.processes import yuetone
from benchmarks.serving.speech import DEMO
from pipeline.record.key_store import KeyStore
from pipeline.record.master_keys import new_line, parsed
from pipeline.record.reading import numbered_finals, read_events, verified
from pipeline.record.stores import RecordStores
from yuetone.v1 import audio_pb2, record_service_pb2
from yuetone.v1 import call_service_pb2 as pb

SOONEST_S, LATEST_S = 2.0, 8.0
"""When a server is killed, s behind its calls' start."""
CHUNK = 480
"""Frames of one message: 60 ms."""


@dataclass(slots=True)
class Promised:
    """What a client was told of its call.

    Attributes:
        finals: text by utterance and number.
        stored_seq: the highest stored_server_seq.
        stored_ms: the highest stored_audio_ms.
    """

    finals: dict[tuple[str, int], str] = field(default_factory=dict)
    stored_seq: int = 0
    stored_ms: int = 0


def crash(kills: int, streams: int, durability: str, seed: int) -> dict[str, Any]:
    """Kill servers under live calls; return what was promised and what was missing.

    Args:
        kills: how many.
        streams: calls at once.
        durability: relaxed or strict.
        seed: of the moments.
    """
    rng, totals = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="yuetone-record-") as name:
        folder, master = Path(name), new_line("benchmark")
        environment = {
            "YUETONE_RECORD__ENABLED": "true",
            "YUETONE_RECORD__FOLDER": str(folder / "record"),
            "YUETONE_RECORD__KEYS": str(folder / "keys" / "keys.db"),
            "YUETONE_RECORD__KEY": master,
            "YUETONE_RECORD__CLASSES": '{"service": {"keep_days": 30}}',
            "YUETONE_PROFILES__DEFAULT__RECORD__DURABILITY": durability,
            "YUETONE_PROFILES__DEFAULT__REDACTION__HIDE": '["phone", "name"]',
            "YUETONE_SUGGEST__ENABLED": "false",
        }
        for number in range(kills):
            promised = asyncio.run(_round(environment, number, streams, rng))
            totals += _checked(folder, master, promised)
            totals["kills"] += 1
            print(f"kill {number + 1}: {dict(totals)}", flush=True)
        with_server = asyncio.run(_closed_by_the_next(environment))
        totals["closed_as_interrupted"] = with_server
    none_missing = dict.fromkeys(("finals_missing", "audio_ms_missing", "damaged"), 0)
    return {"durability": durability, "streams": streams, **none_missing, **totals}


async def _round(
    environment: dict[str, str], number: int, streams: int, rng: random.Random
) -> dict[str, Promised]:
    promised = {f"c{number}-{stream}": Promised() for stream in range(streams)}
    sound = _demo()
    async with yuetone(settings=environment) as (server, address), client.connected(address) as channel:
        calls = [
            asyncio.create_task(_talk(channel, name, told, sound, rng.uniform(0, 60)))
            for name, told in promised.items()
        ]
        await asyncio.sleep(rng.uniform(SOONEST_S, LATEST_S))
        server.kill()
        await asyncio.gather(*calls, return_exceptions=True)
    return promised


def _demo() -> bytes:
    with sf.SoundFile(DEMO) as file:
        frames = file.frames
    raw = Path(DEMO).read_bytes()
    return raw[raw.index(b"data") + 8 :][: frames * 2]


async def _talk(channel: grpc.aio.Channel, name: str, told: Promised, sound: bytes, from_s: float) -> None:
    """Play the bundled call in real time from a moment on, and note what is told."""
    stream = client.call_stub(channel).StreamCall()
    roles = (audio_pb2.ROLE_CUSTOMER, audio_pb2.ROLE_AGENT)
    start = audio_pb2.StartCall(
        call_id=name,
        codec=audio_pb2.CODEC_MULAW,
        sample_rate_hz=8000,
        channels=[audio_pb2.ChannelConfig(index=index, role=role) for index, role in enumerate(roles)],
    )

    async def send() -> None:
        await stream.write(pb.StreamCallRequest(start_call=start))
        begin, place = asyncio.get_running_loop().time(), int(from_s * 8000) * 2
        for sequence in range(10_000):
            first = place + sequence * CHUNK * 2
            data = sound[first : first + CHUNK * 2]
            if not data:
                return
            await stream.write(pb.StreamCallRequest(audio=audio_pb2.Audio(sequence=sequence, data=data)))
            due = begin + (sequence + 1) * CHUNK / 8000
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))

    sender = asyncio.create_task(send())
    try:
        async for message in stream:
            told.stored_seq = max(told.stored_seq, message.stored_server_seq)
            told.stored_ms = max(told.stored_ms, message.stored_audio_ms)
            transcript = message.transcript
            if transcript.is_final and transcript.text:
                told.finals[transcript.utterance_id, message.server_seq] = transcript.text
    except grpc.aio.AioRpcError:
        pass  # killed
    finally:
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)


def _checked(folder: Path, master: str, promised: dict[str, Promised]) -> Counter[str]:
    """Compare what was promised of calls with what is on disk."""
    found: Counter[str] = Counter()
    keys = KeyStore(folder / "keys" / "keys.db", parsed(master, "record.key"))
    stores = RecordStores(folder / "record")
    store = stores.of(None)
    rows = {row.info.call_id: row for row in store.rows()}
    for name, told in promised.items():
        due = {key: text for key, text in told.finals.items() if key[1] <= told.stored_seq}
        found["calls"] += 1
        found["finals_told"] += len(told.finals)
        found["finals_promised"] += len(due)
        found["audio_ms_promised"] += told.stored_ms
        row = rows.get(name)
        cipher = keys.cipher(row.record_id) if row is not None else None
        if row is None or cipher is None:
            found["finals_missing"] += len(due)
            found["audio_ms_missing"] += told.stored_ms
            if due or told.stored_ms:
                print(f"MISSING call {name}: row {row is not None}, stored {told.stored_seq}", flush=True)
            continue
        kept = numbered_finals(read_events(store, cipher, row.record_id))
        for (utterance, seq), text in due.items():
            at, final = kept.get(utterance, (0, None))
            missing = final is None or (at == seq and final.text != text)
            if missing:
                print(f"MISSING {name} {utterance} {seq} of {told.stored_seq}; kept at {at}", flush=True)
            found["finals_missing"] += missing
        for channel in range(len(row.roles)):
            length = sum(piece.length for piece in store.sound(row.record_id, channel))
            found["audio_ms_missing"] += max(0, told.stored_ms - length * 1000 // row.rate)
        found["damaged"] += bool(verified(store, cipher, row).problems)
    stores.close()
    keys.close()
    return found


async def _closed_by_the_next(environment: dict[str, str]) -> int:
    """Start one more server; return how many calls the record then has as interrupted."""
    async with yuetone(settings=environment) as (_server, address), client.connected(address) as channel:
        request = record_service_pb2.ListRecordedCallsRequest(limit=1000)
        answer = await client.record_stub(channel).ListCalls(request)
        state = record_service_pb2.RecordedCall.STATE_INTERRUPTED
        return sum(call.state == state for call in answer.calls)
