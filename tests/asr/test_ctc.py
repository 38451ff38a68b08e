from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr.base import AsrRequest, Word
from asr.committing import LEAD, READ_AGAIN, Committed
from asr.ctc import CONTEXT, CtcHead, read_head
from asr.finding import find_recogniser
from asr.options import WhisperOptions
from asr.whisper import WhisperEngine
from models import ModelError
from tests.audio import speech_16k

D, N = 4, 3


def head(inner: int = 0) -> CtcHead:
    """Writes token i * 10 where feature i is largest, the blank where the last one is; the gate agrees."""
    rng = np.random.default_rng(0)
    return CtcHead(
        tokens=np.array([0, 10, 20], np.int32),
        weight=np.eye(N + 1, D, dtype=np.float32) * 20,
        bias=np.zeros(N + 1, np.float32),
        gate=np.array([1, 1, 1, -1], np.float32),
        gate_bias=0.0,
        inner=rng.normal(size=(inner, (2 * CONTEXT + 1) * D)).astype(np.float32),
        inner_bias=np.zeros(inner, np.float32),
        outer=np.zeros((D, inner), np.float32),
    )


def states(*labels: int) -> np.ndarray:
    return np.eye(D, dtype=np.float32)[list(labels)]


@pytest.mark.parametrize("inner", [0, 2])
def test_repeats_are_one_token_and_blanks_part_them(inner: int) -> None:
    found = head(inner).read(states(3, 1, 1, 3, 1, 2, 0, 3))
    assert found.tokens == [10, 10, 20, 0]
    assert found.at == [1, 4, 5, 6]
    assert found.log_probability == pytest.approx(0.0, abs=0.01)


def test_nothing_but_blanks_is_no_text() -> None:
    assert head().read(states(3, 3, 3)).tokens == []


def test_a_head_is_kept_and_a_damaged_or_foreign_one_is_told(tmp_path: Path) -> None:
    assert read_head(tmp_path, D) is None
    head(2).save(tmp_path)
    again = read_head(tmp_path, D)
    assert again is not None
    assert again.read(states(3, 1, 3)).tokens == [10]
    with pytest.raises(ModelError, match="another model"):
        read_head(tmp_path, D + 1)
    (tmp_path / "ctc.npz").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="partials"):
        read_head(tmp_path, D)


@pytest.mark.model
def test_the_bundled_head_writes_what_is_said_with_times() -> None:
    directory = find_recogniser("tiny", Path("/nowhere"))
    by_head = WhisperEngine(directory, WhisperOptions(partials="ctc"))
    by_decoder = WhisperEngine(directory, WhisperOptions(partials="decoder"))
    request = AsrRequest(pcm=speech_16k(), final=False)
    live, plain = by_head.transcribe([request])[0], by_decoder.transcribe([request])[0]
    assert not plain.words
    assert live.words
    said = set(plain.text)
    assert len(said & set(live.text)) / len(said) > 0.6
    starts = [word.start for word in live.words]
    assert starts == sorted(starts)
    assert starts[-1] < len(request.pcm)
    assert WhisperEngine(directory)._partials is None, "the bundled model declares its decoder"


@pytest.mark.model
def test_a_model_without_a_head_says_how_to_make_one(tmp_path: Path) -> None:
    source = find_recogniser("tiny", Path("/nowhere")).path
    for file in source.iterdir():
        if file.name != "ctc.npz":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match=r"scripts\.finetune partials"):
        WhisperEngine(find_recogniser(str(tmp_path), Path("/nowhere")), WhisperOptions(partials="ctc"))


# ---------------------------------------------------------------- commit and trim


def words(text: str, first: int, step: int = 4000) -> list[Word]:
    return [
        Word(text=char, start=first + i * step, end=first + (i + 1) * step, confidence=0.9)
        for i, char in enumerate(text)
    ]


def test_what_two_readings_agree_on_is_not_read_again() -> None:
    committed = Committed(0)
    assert committed.take(words("一二三四五六七", 0), (0, 28_000)) == "一二三四五六七"
    assert committed.window_start == 0, "one reading is no agreement"
    text = committed.take(words("一二三四五六七八九十", 0), (0, 40_000))
    assert text == "一二三四五六七八九十"
    start = committed.window_start
    assert 0 < start < 40_000 - READ_AGAIN
    # The next reading begins in the middle of a word: what begins before the cut is not written twice.
    skipped = [word for word in words("一二三四五六七八九十百千", 0) if word.start >= start]
    shifted = [Word(text=w.text, start=w.start - start, end=w.end - start, confidence=0.9) for w in skipped]
    assert committed.take(shifted, (start, 48_000)) == "一二三四五六七八九十百千"


def test_what_still_changes_is_read_again() -> None:
    committed = Committed(0)
    committed.take(words("一二三四五六七", 0), (0, 28_000))
    committed.take(words("壹二三四五六七八九十", 0), (0, 40_000))
    assert committed.window_start == 0


def test_latin_words_keep_their_space() -> None:
    committed = Committed(0)
    mixed = [*words("我想", 0), Word(text="check", start=8000, end=12_000, confidence=0.9)]
    assert committed.take(mixed, (0, 12_000)) == "我想 check"


def test_the_window_never_begins_before_the_utterance() -> None:
    committed = Committed(50_000)
    for _ in range(2):
        committed.take(words("一二三四五六七八九十", 0), (50_000, 90_000))
    assert committed.window_start >= 50_000 - LEAD
    assert committed.window_start >= 50_000


def test_half_a_head_is_told_too(tmp_path: Path) -> None:
    head(2).save(tmp_path)
    whole = (tmp_path / "ctc.npz").read_bytes()
    for damaged in (b"", whole[: len(whole) // 2]):
        (tmp_path / "ctc.npz").write_bytes(damaged)
        with pytest.raises(ModelError, match="partials"):
            read_head(tmp_path, D)
    with np.load(_written(tmp_path, whole)) as file:
        arrays = dict(file)
    np.savez(tmp_path / "ctc.npz", **{**arrays, "outer": np.zeros((D, 5), np.float16)})
    with pytest.raises(ModelError, match="another model"):
        read_head(tmp_path, D)


def _written(folder: Path, data: bytes) -> Path:
    (folder / "whole.npz").write_bytes(data)
    return folder / "whole.npz"
