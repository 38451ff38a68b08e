"""What the record of a cluster has of the calls that were played: every final once, and their sound."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.speech import DEMO
from client import read_audio
from pipeline.audio.codecs import decoded
from pipeline.calls.info import Codec
from pipeline.record.ciphers import CallCipher
from pipeline.record.entries import RecordRow, RecordState
from pipeline.record.key_store import KeyStore
from pipeline.record.master_keys import parsed
from pipeline.record.reading import opened_sound, read_events, transcript, verified
from pipeline.record.store import RecordStore
from pipeline.record.stores import RecordStores

MASTER = "benchmark:" + base64.b64encode(bytes(range(32))).decode()
PATIENCE_S = 45.0
"""How long records may take to be closed, s."""
WINDOW = 800
"""Samples at 8 kHz that are compared at once: 100 ms."""
AUDIBLE = 0.01
"""Root mean square from which a window of what was sent is audible, of full scale."""
SETTINGS = """
[record]
enabled = true
folder = "{folder}/record-{number}"
store = "{database}_record"
keys = "{database}_keys"
key = "{key}"
[record.classes.service]
keep_days = 30
"""


async def kept(told: Sequence[dict[str, Any]], url: str, folder: Path) -> dict[str, Any]:
    """Compare the record with what clients were told.

    Args:
        told: of the calls, in the order of their names.
        url: PostgreSQL of the record and its keys, without their names.
        folder: for what the store wants to write.
    """
    stores = RecordStores(folder / "reading", url.replace("/postgres?", "/postgres_record?"))
    keys = KeyStore(url.replace("/postgres?", "/postgres_keys?"), parsed(MASTER, "record.key"))
    try:
        store = stores.of(None)
        rows = await _closed(store)
        found = [_compared(store, keys, rows, f"call-{n}", call) for n, call in enumerate(told)]
    finally:
        stores.close()
        keys.close()
    return {
        "kept": f"{sum(one['kept'] for one in found)}/{len(found)}",
        "kept_finals_missing": sum(one["missing"] for one in found),
        "kept_finals_too_many": sum(one["too_many"] for one in found),
        "kept_damaged": sum(one["damaged"] for one in found),
        "kept_sound_silent_s": round(sum(one["silent_s"] for one in found), 1),
        "kept_sound_silent_max_s": round(max(one["silent_s"] for one in found), 1),
    }


async def _closed(store: RecordStore) -> list[RecordRow]:
    """Wait until no record is open any more; return all."""
    async with asyncio.timeout(PATIENCE_S):
        while any(row.state is RecordState.LIVE for row in store.rows()):  # noqa: ASYNC110 (of other hosts)
            await asyncio.sleep(0.5)
    return store.rows()


def _compared(
    store: RecordStore, keys: KeyStore, rows: Sequence[RecordRow], name: str, call: dict[str, Any]
) -> dict[str, Any]:
    mine = [row for row in rows if row.info.call_id == name]
    cipher = keys.cipher(mine[0].record_id) if len(mine) == 1 else None
    if cipher is None:
        return {"kept": 0, "missing": len(call["finals"]), "too_many": 0, "damaged": 0, "silent_s": 0.0}
    finals = transcript(read_events(store, cipher, mine[0].record_id))
    ours = {(final.channel, final.start // 16, final.end // 16) for final in finals}
    theirs = {(channel, start, end) for channel, start, end, _text in call["finals"]}
    problems = verified(store, cipher, mine[0]).problems
    return {
        "kept": int(mine[0].state is RecordState.CLOSED),
        "missing": len(theirs - ours),
        "too_many": len(finals) - len(ours & theirs),
        "damaged": sum("could not be kept" not in problem for problem in problems),
        "silent_s": _silent_s(store, cipher, mine[0]),
    }


def _silent_s(store: RecordStore, cipher: CallCipher, row: RecordRow) -> float:
    """Return for how long a call's channels are silent where something audible was sent, s."""
    sent = np.frombuffer(read_audio(DEMO).data, np.uint8).reshape(-1, 2)
    windows = 0
    for channel in (0, 1):
        data = b"".join(opened_sound(cipher, piece).data for piece in store.sound(row.record_id, channel))
        loud = _loudness(sent[: len(data), channel].tobytes()) > AUDIBLE
        windows += int(np.sum(loud & (_loudness(data) == 0.0)))
    return windows * WINDOW / 8_000


def _loudness(data: bytes) -> NDArray[np.float64]:
    """Return the root mean square of each window of G.711 µ-law."""
    pcm = decoded(data[: len(data) // WINDOW * WINDOW], Codec.MULAW).astype(np.float64)
    return np.asarray(np.sqrt(np.mean(pcm.reshape(-1, WINDOW) ** 2, axis=1)))
