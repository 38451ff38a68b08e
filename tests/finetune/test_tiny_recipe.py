"""The whole recipe at toy size: text, speech, training with a kill in between, export, recognition."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from asr import AsrRequest
from asr.directory import read_recogniser
from asr.whisper import WhisperEngine
from cantonese.numerals import spoken_numeral
from cantonese.spoken import normalize_spoken
from scripts.finetune.recogniser.line import augment, codec_round_trip, shift_voice, telephone
from scripts.finetune.tiny.grammar import Grammar
from scripts.finetune.tiny.syllables import SyllableVoice, espeak_mnemonics, shorten
from scripts.finetune.tiny.synth import HELD_OUT_VARIANTS, TRAINING_VARIANTS, Voice, synthesiser
from scripts.finetune.tiny.texts import Texts, held_out
from tests.processes import run_program

pytestmark = pytest.mark.training
VOICE = Voice(variant="f3", rate=180, pitch=50, pitch_range=50)


def test_the_grammar_writes_many_different_sentences_and_repeats_for_a_seed() -> None:
    grammar = Grammar.load()
    rng = random.Random(1)
    lines = [grammar.sentence(rng) for _ in range(20_000)]
    assert len(set(lines)) > 11_000
    again = random.Random(1)
    assert [grammar.sentence(again) for _ in range(50)] == lines[:50]
    assert not any("{" in line or "|" in line for line in lines)


def test_a_broken_grammar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown \{NOBODY\}"):
        Grammar({"A": ["{NOBODY}"]})
    file = tmp_path / "g"
    file.write_text("no rule here")
    with pytest.raises(ValueError, match="g:1"):
        Grammar.load(file)


def test_held_out_sentences_are_never_trained_on() -> None:
    rng = random.Random(2)
    training, evaluation = Texts(), Texts(evaluation=True)
    for source in ("service", "hkcancor", "corpus", "figures"):
        assert not any(held_out(normalize_spoken(training.draw(rng, source).text)) for _ in range(200))
        assert all(held_out(normalize_spoken(evaluation.draw(rng, source).text)) for _ in range(10))
    assert not set(TRAINING_VARIANTS) & set(HELD_OUT_VARIANTS)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (0, "零"),
        (10, "十"),
        (15, "十五"),
        (20, "二十"),
        (105, "一百零五"),
        (350, "三百五十"),
        (12_000, "一萬二千"),
    ],
)
def test_numbers_are_read_as_people_do(value: int, read: str) -> None:
    assert spoken_numeral(value) == read


def test_the_synthesiser_speaks_cantonese() -> None:
    pcm = synthesiser().speak("唔該，點解咁樣？", VOICE)
    assert 0.8 < len(pcm) / synthesiser().sample_rate < 3.0
    assert float(np.abs(pcm).max()) > 0.05
    assert synthesiser().phonemes("唔該", VOICE) == "ng4goi1"
    with pytest.raises(ValueError, match="no voice"):
        synthesiser().speak("好", Voice(variant="", rate=180, pitch=50, pitch_range=50, language="xx-none"))


def test_augmentation_keeps_length_and_range() -> None:
    pcm = shift_voice(synthesiser().speak("你好", VOICE), synthesiser().sample_rate, 1.0)
    rng = np.random.default_rng(0)
    for _ in range(40):
        out = augment(rng, pcm)
        assert len(pcm) - 2 <= len(out) <= len(pcm) + 16_002
        assert np.isfinite(out).all()
        assert np.abs(out).max() <= 1.0
    assert abs(len(telephone(rng, pcm)) - len(pcm)) <= 2
    narrow = pcm[::2]
    assert np.abs(codec_round_trip(narrow, "ULAW") - narrow).max() < 0.03


def test_shortening_keeps_the_pitch() -> None:
    time = np.arange(16_000) / 16_000
    tone = np.sin(2 * np.pi * 200 * time).astype(np.float32)
    short = shorten(tone, 3.0)
    assert 0.25 < len(short) / 16_000 < 0.42
    spectrum = np.abs(np.fft.rfft(short[480:-480]))
    peak = np.argmax(spectrum) * 16_000 / (len(short) - 960)
    assert abs(peak - 200) < 8


def test_recorded_syllables_speak_sentences(tmp_path: Path) -> None:
    import soundfile as sf  # noqa: PLC0415

    rows = ["file,transcript"]
    for name in ("nei5", "hou2"):
        sf.write(tmp_path / f"{name}.wav", synthesiser().speak("好", VOICE)[:9000], 16_000)
        rows.append(f"{name}.wav,{name}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    voice = SyllableVoice(tmp_path)
    names = voice.jyutping("你好，")
    assert names == ["nei5", "hou2", ""]
    assert len(voice.speak(names, random.Random(0))) > 3000
    assert voice.jyutping("再見") is None
    assert [espeak_mnemonics(s) for s in ("dim2", "ngo5", "ng5", "zoeng1")] == [
        "di2m",
        "No5",
        "ng5",
        "zoeng1",
    ]
    with pytest.raises(FileNotFoundError, match="--syllables"):
        SyllableVoice(tmp_path / "nothing")


def test_train_stop_continue_export_and_recognise(tmp_path: Path) -> None:
    def module(name: str, *arguments: object) -> None:
        done = run_program(f"scripts.finetune.tiny.{name}", *arguments)
        assert done.returncode == 0, done.stderr

    run = tmp_path / "run"
    small = ("--phone-steps", "1", "--batch-seconds", "6", "--workers", "0", "--threads", "1")
    module("train", "--out", run, *small, "--steps", "2")
    module("train", "--out", run, *small, "--steps", "3")
    rows = [json.loads(line) for line in (run / "train.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 3], "the second start must go on, not begin again"
    assert all(np.isfinite(row["loss"]) for row in rows)
    module("export", "--run", run, "--hf", tmp_path / "hf", "--ct2", tmp_path / "ct2")
    assert (tmp_path / "hf" / "model.safetensors").stat().st_size < 16_000_000
    assert (tmp_path / "hf" / "ctc_heads.safetensors").exists()
    module("train", "--out", tmp_path / "more", *small, "--steps", "1", "--init", tmp_path / "hf")
    assert (tmp_path / "more" / "tokenizer.json").read_bytes() == (run / "tokenizer.json").read_bytes()
    engine = WhisperEngine(read_recogniser(tmp_path / "ct2"))
    engine.transcribe([AsrRequest(pcm=np.zeros(16_000, np.float32), final=True)])
