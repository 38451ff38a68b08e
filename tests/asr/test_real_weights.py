"""Real weights: stock Whisper base from the package index, the bundled model, and people's own habits."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr

from asr.base import AsrRequest
from asr.context import ContextFigures, Speech, least_safe, measure_contexts, runs_away
from asr.directory import read_recogniser
from asr.finding import BUNDLED_PATH, TINY_PATH, find_recogniser
from asr.options import WhisperOptions
from asr.whisper import WhisperEngine, compute_type
from cantonese.scoring import character_error_rate
from models.files import sha256_of
from models.registry import entries
from tests.audio import DEMO

pytestmark = pytest.mark.model


def human_turns() -> list[tuple[str, np.ndarray]]:
    """Return text and audio (16 kHz) of the customer in the bundled call: recorded syllables."""
    import json  # noqa: PLC0415

    samples, rate = sf.read(DEMO / "call.wav", dtype="float32", always_2d=True)
    turns = json.loads((DEMO / "call.json").read_text("utf-8"))
    found = []
    for turn in turns:
        if turn["channel"] == 0:
            start, end = (turn[key] * rate // 1000 for key in ("start_ms", "end_ms"))
            piece = samples[max(0, start - rate // 5) : end + rate // 5, 0]
            found.append((turn["text"], np.asarray(soxr.resample(piece, rate, 16_000), np.float32)))
    return found


def test_whisper_base_is_the_published_one(whisper_base: Path) -> None:
    assert sha256_of(whisper_base / "model.bin") == entries()["whisper-base"].sha256["model.bin"]


def test_half_precision_weights_run_in_int8_on_a_cpu(whisper_base: Path) -> None:
    engine = WhisperEngine(read_recogniser(whisper_base))
    assert engine.compute_type == "int8_float32"
    assert compute_type("float32", "cpu") == "float32"
    assert WhisperEngine(read_recogniser(TINY_PATH)).compute_type == "int8_float32"


def test_ctranslate2_says_nothing_on_the_terminal(whisper_base: Path) -> None:
    code = (
        "from pathlib import Path; from asr.directory import read_recogniser\n"
        "from asr.options import WhisperOptions; from asr.whisper import WhisperEngine\n"
        f"WhisperEngine(read_recogniser(Path({str(whisper_base)!r})), WhisperOptions(compute_type='default'))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "CT2_VERBOSE": ""},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout == ""


def test_stock_weights_hear_what_is_said(whisper_base: Path) -> None:
    """Stock Whisper writes Mandarin for Cantonese, so only words that both write are looked for."""
    engine = WhisperEngine(replace(read_recogniser(whisper_base), min_context_s=10.0, languages=("zh",)))
    text = "".join(
        engine.transcribe([AsrRequest(pcm=pcm, final=True)])[0].text for _said, pcm in human_turns()
    )
    found = [word for word in ("電話", "香港", "消息", "投訴", "紀錄") if word in text]
    assert len(found) >= 3, text


def test_the_bundled_model_hears_a_human_voice() -> None:
    engine = WhisperEngine(find_recogniser("bundled", Path("/nowhere")))
    said, written = [], []
    for text, pcm in human_turns():
        said.append(text)
        written.append(engine.transcribe([AsrRequest(pcm=pcm, final=True)])[0].text)
    assert character_error_rate(said, written) < 0.35, written


def test_the_bundled_model_fits_a_repository() -> None:
    sizes = {path.name: path.stat().st_size for path in BUNDLED_PATH.iterdir()}
    assert max(sizes.values()) <= 50 * 2**20
    assert sum(sizes.values()) <= 55e6


@pytest.mark.parametrize("hertz", [0, 440, 1000])
def test_tones_and_hiss_give_no_loop(whisper_base: Path, hertz: int) -> None:
    engine = WhisperEngine(replace(read_recogniser(whisper_base), min_context_s=10.0, languages=("zh",)))
    rng, time = np.random.default_rng(3), np.arange(3 * 16_000) / 16_000
    sound = np.sin(2 * np.pi * hertz * time) if hertz else rng.standard_normal(len(time))
    pcm = (0.1 * sound).astype(np.float32)
    result = engine.transcribe([AsrRequest(pcm=pcm, final=True)])[0]
    assert len(result.text) <= 8, result.text
    assert not runs_away(result.text, 3.0)


def test_a_loop_in_a_batch_leaves_the_others_alone(whisper_base: Path) -> None:
    engine = WhisperEngine(replace(read_recogniser(whisper_base), min_context_s=10.0, languages=("zh",)))
    speech = human_turns()[0][1]
    time = np.arange(len(speech)) / 16_000
    hum = (0.2 * np.sin(2 * np.pi * 180 * time) * np.sin(2 * np.pi * 3 * time)).astype(np.float32)
    alone = engine.transcribe([AsrRequest(pcm=speech, final=True)])[0]
    batch = engine.transcribe([AsrRequest(pcm=pcm, final=True) for pcm in (hum, speech, hum)])
    assert batch[1].text == alone.text
    assert alone.text


# ---------------------------------------------------------------- how little context


def figures(context: float, error: float, runaway: float = 0.0) -> ContextFigures:
    return ContextFigures(context_s=context, error=error, runaway=runaway, cpu_s_per_s=0.1)


def test_the_least_safe_context_is_the_last_before_errors_rise() -> None:
    found = [figures(30, 0.30), figures(10, 0.31), figures(5, 0.60), figures(3, 0.30)]
    assert least_safe(found, 0.02) == 10, "3 s are good by chance: what is above was not"
    assert least_safe([figures(30, 0.3), figures(10, 0.3, 0.1)], 0.02) == 30, "texts run away"
    assert least_safe([figures(30, 0.3)], 0.02) == 30


def test_one_loop_counts_no_more_than_its_text() -> None:
    assert character_error_rate(["你好"], ["茶" * 100], capped=True) == 1.0
    assert character_error_rate(["你好"], ["茶" * 100]) == 50.0
    assert character_error_rate(["一二三四", "你好"], ["一二三四", ""], capped=True) == pytest.approx(2 / 6)


def test_a_model_trained_on_short_input_needs_no_context() -> None:
    speech = [Speech(pcm=pcm, text=text) for text, pcm in human_turns()[:3]]
    found = measure_contexts(
        find_recogniser("tiny", Path("/nowhere")), speech, (10.0, 0.0), WhisperOptions(beam_size=1)
    )
    assert [row.context_s for row in found] == [30.0, 10.0, 0.0]
    assert found[-1].error <= found[0].error + 0.1
    assert found[-1].cpu_s_per_s < found[0].cpu_s_per_s


def test_without_transcripts_thirty_seconds_are_the_measure() -> None:
    speech = [Speech(pcm=pcm) for _text, pcm in human_turns()[:2]]
    found = measure_contexts(find_recogniser("tiny", Path("/nowhere")), speech, (30.0,))
    assert found[0].error == 0.0
