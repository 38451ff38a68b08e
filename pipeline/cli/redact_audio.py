"""A recording through a server of our own, and out again without what is personal in it."""

from __future__ import annotations

import asyncio
import functools
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

import client
from cantonese.personal import SECRETS, Category
from client.decoding import RawFormat, decode_file
from pipeline.calls.info import SAMPLE_RATE
from pipeline.cli.own_server import own_server, own_settings
from pipeline.config import Settings
from pipeline.errors import SettingsError
from pipeline.redaction.dtmf import DtmfDetector
from pipeline.redaction.guard import EVERYWHERE
from yuetone.v1 import audio_pb2, transcript_pb2

Stretch = tuple[float, float]
"""From and to, in s."""


@dataclass(slots=True)
class RedactedCall:
    """What was said in a recording, without what is personal.

    Attributes:
        turns: by id; texts and masks as they stand at the end.
        seconds: length.
        channels: how many.
    """

    seconds: float
    channels: int
    turns: dict[str, transcript_pb2.Transcript] = field(default_factory=dict)

    def take(self, message: Any) -> None:
        """Take a message of the server."""
        if message.HasField("transcript") and message.transcript.is_final:
            self.turns[message.transcript.utterance_id] = message.transcript
        elif message.HasField("redaction") and (turn := self.turns.get(message.redaction.utterance_id)):
            turn.text, turn.raw_text = message.redaction.text, message.redaction.raw_text
            del turn.masks[:]
            turn.masks.extend(message.redaction.masks)

    def unheard(self, channel: int) -> list[Stretch]:
        """Return what of a channel must not be heard; secrets go with their whole utterance."""
        found: list[Stretch] = []
        for turn in self.turns.values():
            for mask in turn.masks:
                category = Category(mask.category)
                if turn.channel != channel and category not in EVERYWHERE:
                    continue
                start, end = mask.start_ms, mask.end_ms
                if category in SECRETS:
                    start, end = min(start, turn.start_ms), max(end, turn.end_ms)
                found.append((start / 1000, end / 1000))
        return found

    def plain(self, name: str) -> dict[str, Any]:
        """Return it as JSON has it."""
        ordered = sorted(self.turns.values(), key=lambda turn: turn.start_ms)
        return {
            "file": name,
            "audio_s": round(self.seconds, 2),
            "turns": [
                {
                    "channel": turn.channel,
                    "role": audio_pb2.Role.Name(turn.role).removeprefix("ROLE_").lower(),
                    "start_ms": turn.start_ms,
                    "end_ms": turn.end_ms,
                    "text": turn.text,
                    "masks": [
                        {"category": mask.category, "start_ms": mask.start_ms, "end_ms": mask.end_ms}
                        for mask in turn.masks
                    ],
                }
                for turn in ordered
                if turn.text
            ],
        }


async def redact_recordings(
    files: Sequence[Path],
    settings: Settings,
    raw: RawFormat | None,
    done: Callable[[Path, RedactedCall], None],
    heard: Callable[[Path, float], None],
) -> None:
    """Hear recordings, one after the other, by a server of our own.

    Args:
        files: of one or two channels; the first one is the customer's.
        settings: of the server.
        raw: how files without a header are coded.
        done: is told each call when it is complete.
        heard: is told how much was sent, s.

    Raises:
        client.BadAudio: a file is no recording.
        SettingsError: the server ended a call; the message says why.
    """
    async with own_server(None, own_settings(settings)) as address, client.connected(address) as channel:
        for path in files:
            recording = await asyncio.to_thread(client.read_audio, path, raw)
            roles = ("customer", "agent") if recording.format.channels > 1 else ("unknown",)
            options = client.CallOptions(call_id=f"redact-{uuid.uuid4().hex[:12]}", roles=roles)
            call = client.CallStream(channel, options, recording.format)
            found = RedactedCall(seconds=recording.seconds, channels=recording.format.channels)
            told = functools.partial(_heard, heard, path)
            messages = client.stream_recording(call, recording, speed=0, sent=told)
            async for message in messages:
                found.take(message)
                if message.HasField("error"):
                    raise SettingsError(f"{path}: {message.error.message}")
            done(path, found)


def _heard(heard: Callable[[Path, float], None], path: Path, sent_ms: float) -> None:
    heard(path, sent_ms / 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What was taken out of a recording: share of it, in [0, 1], and keys of a telephone, s."""

    share: float
    keys_s: float


def write_cut(path: Path, call: RedactedCall, out: Path, raw: RawFormat | None) -> Cut:
    """Write a recording with what must not be heard at exactly zero, at the rate that it has.

    Args:
        path: of the recording.
        call: what was said in it.
        out: file that is written; its suffix chooses the form (.wav, .flac, .ogg).
        raw: how a file without a header is coded.

    Raises:
        SettingsError: it cannot be written.
    """
    found = decode_file(path, raw)
    samples, silent, keys = found.samples.copy(), np.zeros(found.samples.shape, bool), 0.0
    for channel in range(samples.shape[1]):
        pressed = _keys(samples[:, channel], found.rate)
        keys += sum(end - start for start, end in pressed)
        for start, end in (*call.unheard(channel), *pressed):
            first, last = int(start * found.rate), int(np.ceil(end * found.rate))
            silent[max(0, first) : last, channel] = True
    samples[silent] = 0.0
    try:
        sf.write(out, samples, found.rate)
    except (OSError, ValueError, TypeError, sf.LibsndfileError) as error:
        raise SettingsError(f"{out} cannot be written: .wav, .flac and .ogg can") from error
    return Cut(share=float(silent.mean()) if silent.size else 0.0, keys_s=round(keys, 3))


def _keys(samples: NDArray[np.float32], rate: int) -> list[Stretch]:
    """Return when keys of a telephone are heard, joined."""
    pcm = samples if rate == SAMPLE_RATE else soxr.resample(samples, rate, SAMPLE_RATE)
    joined: list[list[int]] = []
    for start, end in DtmfDetector().accept(np.asarray(pcm, np.float32)):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = end
        else:
            joined.append([start, end])
    return [(start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in joined]
