"""Records that are made up for measuring: real sentences, calls that nobody made."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pycantonese

from diarization import Role
from pipeline.calls.events import Envelope, TranscriptEvent
from pipeline.calls.info import CallInfo
from pipeline.record.entries import BeginRecord, EndRecord, EventEntry, RecordEntry, SoundEntry

UTTERANCE_S = 3
DAY_S = 86_400.0


def sentences(least: int = 4) -> list[str]:
    """Return what people said in HKCanCor (CC BY, through pycantonese), at least so many characters each."""
    corpus = pycantonese.hkcancor()
    texts = ("".join(said) for said in corpus.words(by_utterance=True))  # type: ignore[arg-type]
    return [text for text in texts if len(text) >= least]


def record_id(number: int) -> str:
    """Return the record id of a made-up call."""
    return f"call{number:012d}"


def call_of(
    number: int,
    said: Sequence[str],
    *,
    started_at: float,
    keep_s: float = 1e9,
    least_s: float = 0.0,
    retention: str = "service",
    sound_s: int = 0,
) -> Iterator[RecordEntry]:
    """Yield what is written of a call in which both sides speak by turns.

    Args:
        number: of the call.
        said: one utterance after the other.
        started_at: s since 1970 UTC.
        keep_s: behind its end.
        least_s: the same, before which it must not be erased.
        retention: its class.
        sound_s: sound of each channel.
    """
    name = record_id(number)
    info = CallInfo(
        call_id=f"c{number}", queue=f"q{number % 20}", agent_id=f"a{number % 200}", started_at=started_at
    )
    yield BeginRecord(
        record_id=name, info=info, roles=(Role.CUSTOMER, Role.AGENT), rate=8_000, retention=retention,
        keep_s=keep_s, least_s=least_s, notice_given=True, with_sound=sound_s > 0,
    )  # fmt: skip
    for index, text in enumerate(said):
        yield EventEntry(record_id=name, envelope=_final(f"c{number}", index, text), size=len(text) * 8)
    for piece in range(sound_s // 2):
        for channel in (0, 1):
            yield SoundEntry(
                record_id=name, channel=channel, number=piece, start=piece * 16_000, data=b"\x7f" * 16_000,
                settled=(piece + 1) * 32_000,
            )  # fmt: skip
    yield EndRecord(record_id=name, at=started_at + len(said) * UTTERANCE_S, reason="client", lost=0)


def _final(call_id: str, index: int, text: str) -> Envelope:
    channel = index % 2
    start = index * UTTERANCE_S * 16_000
    event = TranscriptEvent(
        utterance_id=f"{channel}-{index}", revision=0, channel=channel,
        role=(Role.CUSTOMER, Role.AGENT)[channel], final=True, start=start, end=start + 32_000, stability=1.0,
        text=text, raw_text=text, confidence=0.9,
    )  # fmt: skip
    return Envelope(call_id=call_id, server_seq=index + 1, acked=0, event=event)


def spoken(rng: random.Random, texts: Sequence[str], count: int) -> list[str]:
    """Return ``count`` utterances by chance."""
    return rng.choices(texts, k=count)
