from __future__ import annotations

from pathlib import Path

import jiwer
import numpy as np
import pytest

from asr import AsrRequest
from asr.directory import read_recogniser
from asr.finding import TINY_PATH, find_recogniser
from asr.options import WhisperOptions
from asr.whisper import WhisperEngine, silence
from cantonese.scoring import scoring_form
from models import ModelError
from models.registry import entries
from tests.audio import demo_turns, turn_16k

pytestmark = pytest.mark.model
NOWHERE = Path("/nowhere")


@pytest.fixture(scope="module")
def engine() -> WhisperEngine:
    return WhisperEngine(find_recogniser("tiny", NOWHERE))


def test_the_bundled_model_reads_at_the_length_it_is_given(engine: WhisperEngine) -> None:
    assert find_recogniser("auto", NOWHERE).min_context_s == 0.0
    short, long = (AsrRequest(pcm=silence(seconds), final=False) for seconds in (1.0, 4.0))
    assert engine.bucket(short) != engine.bucket(long)
    assert engine.bucket(short) == engine.bucket(AsrRequest(pcm=silence(0.8), final=False))


def test_finals_have_words_in_order_within_the_audio(engine: WhisperEngine) -> None:
    pcm = turn_16k(3)
    (result,) = engine.transcribe([AsrRequest(pcm=pcm, final=True)])
    assert result.text
    assert 0.0 < result.confidence <= 1.0
    assert "".join(word.text for word in result.words) == "".join(
        c for c in result.text if c not in "，。？！ "
    )
    starts = [word.start for word in result.words]
    assert starts == sorted(starts)
    assert all(0 <= word.start <= word.end <= len(pcm) for word in result.words)
    assert all(0.0 <= word.confidence <= 1.0 for word in result.words)


def test_a_batch_gives_what_single_requests_give(engine: WhisperEngine) -> None:
    pieces = [turn_16k(index)[:40_000] for index in (0, 1, 3, 6)]
    requests = [AsrRequest(pcm=piece, final=True) for piece in pieces]
    together = engine.transcribe(requests)
    alone = [engine.transcribe([request])[0] for request in requests]
    assert [result.text for result in together] == [result.text for result in alone]


@pytest.mark.parametrize("level", [0.0, 0.001, 0.02])
def test_silence_and_noise_give_no_text(engine: WhisperEngine, level: float) -> None:
    noise = (np.random.default_rng(0).standard_normal(32_000) * level).astype(np.float32)
    (result,) = engine.transcribe([AsrRequest(pcm=noise, final=True)])
    assert result.text == ""


@pytest.mark.parametrize("samples", [0, 1, 399, 1599, 16_000 * 31])
def test_any_length_is_taken(engine: WhisperEngine, samples: int) -> None:
    (result,) = engine.transcribe([AsrRequest(pcm=np.zeros(samples, np.float32), final=True)])
    assert result.text == ""


def test_language_hints_become_what_the_model_has(engine: WhisperEngine) -> None:
    assert [engine.language(hint) for hint in (None, "yue", "zh-HK", "yue-Hant-HK", "en", "xx")] == [
        "yue"
    ] * 6


def test_hotwords_do_not_break_recognition(engine: WhisperEngine) -> None:
    pcm = turn_16k(3)
    words = tuple(f"詞語{index}" for index in range(100))
    (plain,) = engine.transcribe([AsrRequest(pcm=pcm, final=True)])
    (primed,) = engine.transcribe([AsrRequest(pcm=pcm, final=True, hotwords=words)])
    assert abs(len(primed.text) - len(plain.text)) < 8


def test_a_stock_whisper_directory_is_padded(tmp_path: Path) -> None:
    for file in TINY_PATH.iterdir():
        if file.suffix in {".bin", ".json"}:
            (tmp_path / file.name).symlink_to(file)
    directory = read_recogniser(tmp_path)
    assert directory.min_context_s == 30.0
    engine = WhisperEngine(directory)
    request = AsrRequest(pcm=silence(1.0), final=False)
    assert engine.bucket(request) == engine.bucket(AsrRequest(pcm=silence(9.0), final=False))


def test_problems_name_the_fix(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="yuetone models list"):
        read_recogniser(tmp_path / "nothing")
    with pytest.raises(ModelError, match=r"model\.bin, config\.json, tokenizer\.json missing"):
        read_recogniser(tmp_path)
    with pytest.raises(ModelError, match="yuetone models pull"):
        find_recogniser("whisper-large-v3", NOWHERE)
    with pytest.raises(ModelError, match="cannot load"):
        WhisperEngine(find_recogniser("tiny", NOWHERE), WhisperOptions(compute_type="nonsense"))


def test_every_registered_model_is_described() -> None:
    for entry in entries().values():
        assert entry.licence
        assert entry.languages
        assert entry.language in entry.languages
        assert entry.min_context_s in {0.0, 10.0, 30.0}


def test_the_demo_call_is_understood(engine: WhisperEngine) -> None:
    turns = [turn for turn in demo_turns() if len(str(turn["text"])) < 40]
    requests = [AsrRequest(pcm=turn_16k(demo_turns().index(turn)), final=True) for turn in turns]
    heard = [scoring_form(engine.transcribe([request])[0].text) for request in requests]
    rate = jiwer.cer([scoring_form(str(turn["text"])) for turn in turns], heard)
    assert rate < 0.10, f"CER {rate:.3f} on the demo call"
