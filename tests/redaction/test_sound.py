"""Sound: what is held back, cut and sealed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr import Word
from cantonese.personal import Category
from pipeline.calls.controls import History
from pipeline.calls.info import SAMPLE_RATE
from pipeline.inference.spool import CallSpool
from pipeline.redaction.dtmf import HIGH, LOW, DtmfDetector
from pipeline.redaction.guard import CallGuard
from pipeline.redaction.holding import MOST_HELD, HeldSound, silenced
from pipeline.sealing import BLOCK
from pipeline.sections.redaction import RedactionSettings
from tests.redaction.test_guard import guard, said


def noise(seconds: float, level: float = 0.1) -> np.ndarray:
    made = np.random.default_rng(1).uniform(0.5, 1, int(seconds * SAMPLE_RATE)) * level
    return made.astype(np.float32)  # never zero


def test_hidden_stretches_are_exactly_zero_and_the_rest_is_untouched() -> None:
    pcm = noise(2)
    cut = silenced(pcm, 1_000, [(5_000, 9_000), (0, 1_500), (32_900, 60_000)])
    assert not cut[4_000:8_000].any()
    assert not cut[:500].any()
    assert not cut[31_900:].any()
    assert np.array_equal(cut[500:4_000], pcm[500:4_000])


def test_sound_waits_for_its_words_and_is_silence_where_it_waits_too_long() -> None:
    held = HeldSound()
    for _ in range(50):
        held.hear(noise(1))
    (first, *more) = held.release(0, [])
    assert not first.any()
    assert held.lost == 5 * SAMPLE_RATE == sum(map(len, [first, *more]))
    rest = held.release(held.end, [(10 * SAMPLE_RATE, 11 * SAMPLE_RATE)], closing=True)
    assert sum(map(len, rest)) == MOST_HELD
    sound = np.concatenate(rest)
    began = held.end - MOST_HELD
    assert list(np.flatnonzero(sound == 0)[[0, -1]] + began) == [10 * SAMPLE_RATE, 11 * SAMPLE_RATE - 1]


def test_the_words_of_an_utterance_are_cut_out_of_its_sound() -> None:
    under_test = guard()
    final, _ = under_test.final(said("我電話係九一二三四五六七唔該", start=1.0))
    held = HeldSound()
    held.hear(noise(6))
    assert under_test.settled(0, 6 * SAMPLE_RATE) == 6 * SAMPLE_RATE
    sound = np.concatenate(held.release(6 * SAMPLE_RATE, under_test.unheard(0), closing=True))
    words = [word for word in final.words if word.text in "九一二三四五六七"]
    for word in words:
        assert not sound[word.start : word.end].any()
    assert sound[:SAMPLE_RATE].all()
    assert sound[int(5.0 * SAMPLE_RATE) :].all()


def test_sound_is_kept_back_while_a_number_may_go_on() -> None:
    under_test = guard()
    final, _ = under_test.final(said("我要一二三", start=1.0))
    assert under_test.settled(0, final.end) == final.start


def test_a_secret_is_silenced_with_its_whole_utterance_on_both_channels() -> None:
    under_test = guard()
    final, _ = under_test.final(said("密碼係八八一二三四", start=1.0))
    assert (final.start, final.end) in under_test.unheard(0)
    assert (final.start, final.end) in under_test.unheard(1)


def test_an_uncertain_answer_to_a_question_for_a_secret_is_silenced() -> None:
    under_test = guard()
    under_test.final(said("請讀短訊嗰六位驗證碼", channel=1))
    answer = said("呃係咪", start=4.0)
    under_test.final(replace(answer, confidence=0.3))
    assert (answer.start, answer.end) in under_test.unheard(0)


def test_what_the_client_says_is_sensitive_is_silent_from_sample_to_sample() -> None:
    sensitive = History[Category | None](None)
    sensitive.change(3_000, Category.CARD)
    sensitive.change(9_000, None)
    under_test = CallGuard(RedactionSettings(), 1, sensitive)
    assert under_test.unheard(0) == [(3_000, 9_000)]


def keys(count: int, seed: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Return keys in noise, at levels, lengths and imbalances as telephones have them."""
    rng = np.random.default_rng(seed)
    parts, places, at = [], [], 0
    for _ in range(count):
        length, level = int(SAMPLE_RATE * rng.uniform(0.04, 0.2)), rng.uniform(0.02, 0.3)
        time = np.arange(length) / SAMPLE_RATE
        twist = 10 ** (rng.uniform(-6, 6) / 20)
        tone = np.sin(2 * np.pi * rng.choice(LOW) * time) + twist * np.sin(
            2 * np.pi * rng.choice(HIGH) * time
        )
        silence = np.zeros(int(SAMPLE_RATE * rng.uniform(0.2, 0.5)))
        parts += [silence, level * tone]
        places.append((at + len(silence), at + len(silence) + length))
        at += len(silence) + length
    pcm = np.concatenate([*parts, np.zeros(SAMPLE_RATE)])
    return (pcm + rng.normal(size=len(pcm)) * 0.002).astype(np.float32), places


def test_five_hundred_keys_are_silenced_and_none_can_be_read() -> None:
    pcm, places = keys(500, seed=3)
    held = HeldSound()
    for start in range(0, len(pcm), 480):
        held.hear(pcm[start : start + 480])
        held.release(0, [])
    sound = np.concatenate([*held.release(held.end, [], closing=True)])
    first = len(pcm) - len(sound)
    readable = [
        place for place in places if place[0] >= first and sound[place[0] - first : place[1] - first].any()
    ]
    assert readable == []
    assert DtmfDetector().accept(sound) == []


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 700), min_size=1, max_size=40))
def test_keys_are_found_however_the_sound_is_cut(sizes: list[int]) -> None:
    pcm, places = keys(6, seed=5)
    detector, found, at = DtmfDetector(), list[tuple[int, int]](), 0
    index = 0
    while at < len(pcm):
        size = sizes[index % len(sizes)]
        found += detector.accept(pcm[at : at + size])
        at, index = at + size, index + 1
    covered = np.zeros(len(pcm), bool)
    for start, end in found:
        covered[start:end] = True
    assert all(covered[start:end].all() for start, end in places)


def test_a_recording_on_disk_can_be_read_by_nobody_else(tmp_path: Path) -> None:
    spool = CallSpool(tmp_path)
    pcm = np.tile(np.arange(200) / 400, 800).astype(np.float32)
    spool.write(pcm)
    spool.finish()
    written = (np.clip(pcm, -1, 1) * 32767).astype("<i2").tobytes()
    stored = spool.path.read_bytes()
    assert len(stored) > len(written) > BLOCK
    assert not any(written[start : start + 64] in stored for start in range(0, len(written), 4_000))
    assert b"".join(spool.read()) == written


@pytest.mark.parametrize("harm", ["flip", "cut", "swap"])
def test_a_recording_that_was_changed_is_not_read(tmp_path: Path, harm: str) -> None:
    spool = CallSpool(tmp_path)
    spool.write(noise(8))
    spool.finish()
    data = bytearray(spool.path.read_bytes())
    block = BLOCK + 16 + 4
    if harm == "flip":
        data[100] ^= 1
    elif harm == "cut":
        del data[block:]
    else:
        data[:block], data[block : 2 * block] = data[block : 2 * block], data[:block]
    spool.path.write_bytes(data)
    with pytest.raises(OSError, match="not what was written"):
        list(spool.read())


def test_words_that_no_time_is_known_of_are_cut_by_their_place_in_the_text() -> None:
    under_test = guard()
    event = said("電話九一二三四五六七")
    bare = replace(event, words=(Word(text="?", start=0, end=1, confidence=0.1),))
    under_test.final(bare)
    ((first, last),) = under_test.unheard(0)
    assert first <= event.words[2].start
    assert last >= event.words[-1].end
