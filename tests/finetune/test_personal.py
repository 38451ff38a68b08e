"""Training data without people in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scripts.finetune.common.manifest import Utterance, pcm_sha256, read_span
from scripts.finetune.corpus.personal import kinds_of, without_people
from scripts.finetune.corpus.recordings import rewrite_shard, write_shard

pytestmark = pytest.mark.training
RATE = 16_000


def utterance(at: float, text: str, channel: int = 0, heard: str = "") -> Utterance:
    start = int(at * RATE)
    return Utterance(
        id=f"c/{channel}/{start}", call="c", audio="audio/c.flac", channel=channel, start=start,
        end=start + 2 * RATE,
        speaker="c/x", role="agent" if channel else "customer", text=text, heard=heard, source=f"t:{at}",
        sha256="old",
    )  # fmt: skip


CALL = [
    utterance(0, "請講你個密碼", channel=1),
    utterance(3, "二五八零"),
    utterance(6, "唔該晒"),
    utterance(9, "月費一百九十八蚊", channel=1),
    utterance(12, "好呀", heard="我電話係九一二三四五六七"),
]


def test_what_was_asked_for_and_what_was_only_heard_is_found() -> None:
    assert kinds_of(CALL) == {"c/0/48000": ["password"], "c/0/192000": ["phone"]}


def test_those_utterances_are_left_out_and_silent_and_the_others_stay_bit_for_bit(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).uniform(-1, 1, (15 * RATE, 2)).astype(np.float32)
    audio = write_shard(tmp_path / "c.flac", noise)
    silent, kept, left_out = without_people(audio, CALL)
    rewrite_shard(tmp_path / "c.flac", silent)
    assert [one.text for one in kept] == ["請講你個密碼", "唔該晒", "月費一百九十八蚊"]
    assert [(line.source, line.reason) for line in left_out] == [
        ("t:3", "personal data (password)"),
        ("t:12", "personal data (phone)"),
    ]
    for channel in (0, 1):  # a secret is silent on both
        assert not read_span(tmp_path / "c.flac", channel, 3 * RATE, 5 * RATE).any()
    assert not read_span(tmp_path / "c.flac", 0, 12 * RATE, 14 * RATE).any()
    assert read_span(tmp_path / "c.flac", 1, 12 * RATE, 14 * RATE).any()
    for one in kept:
        pcm = read_span(tmp_path / "c.flac", one.channel, one.start, one.end)
        assert pcm_sha256(pcm) == one.sha256
        assert np.array_equal(pcm, audio[one.start : one.end, one.channel])
