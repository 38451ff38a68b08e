"""The recipe of the bundled model, on a voice of three made syllables and on real weights."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer

from asr.directory import read_recogniser
from asr.finding import TINY_PATH
from asr.whisper import WhisperEngine
from scripts.finetune.bundled import examples, vocoder
from scripts.finetune.bundled.examples import Example, ExampleMaker, Sources, english_clips
from scripts.finetune.bundled.no_speech import no_speech
from scripts.finetune.bundled.turns import Piece, conversations, sentence, written
from scripts.finetune.bundled.vocoder import Speaker, VocoderVoice
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.held_out import held_out
from scripts.finetune.recogniser.checkpoint import TINY_CHECKPOINT, locate
from scripts.finetune.recogniser.ct2_weights import read_variables, unpack
from scripts.finetune.recogniser.tokens import with_all_merges
from scripts.finetune.tiny.texts import Texts
from tests.processes import run_program

pytestmark = [pytest.mark.model, pytest.mark.training]
RATE = 16_000
SPEAKER = Speaker(pitch_hz=200.0, pitch_range=1.0, tract=1.0, seconds=0.2, breath=0.0, slur=0.5, tilt=0.0)


def buzz(hertz: float, seconds: float = 0.3) -> NDArray[np.float32]:
    """Return a vowel of sorts: harmonics under two formants."""
    time = np.arange(int(seconds * RATE)) / RATE
    sound = np.zeros(len(time))
    for number in range(1, 40):
        at = number * hertz
        if at < 7000:
            gain = np.exp(-(((at - 700) / 250) ** 2)) + 0.6 * np.exp(-(((at - 1700) / 300) ** 2)) + 0.01
            sound += gain * np.sin(2 * np.pi * at * time)
    fade = np.minimum(1, np.minimum(time, time[::-1]) / 0.03)
    return np.asarray(0.4 * sound * fade / np.abs(sound).max(), np.float32)


@pytest.fixture(scope="module")
def syllables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of recordings of every syllable of a few sentences; all the same buzz."""
    folder = tmp_path_factory.mktemp("syllables")
    names = {piece.syllable for recording in conversations()[:2] for t in recording for piece in t.pieces}
    names |= {piece.syllable for piece in sentence("你好，唔該晒。").pieces}
    with (folder / "manifest.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, ["file", "transcript"])
        rows.writeheader()
        for index, name in enumerate(sorted(name for name in names if name)):
            sf.write(folder / f"{index}.wav", buzz(110 + index % 40), RATE)
            rows.writerow({"file": f"{index}.wav", "transcript": name})
    return folder


@pytest.fixture(scope="module")
def voice(syllables: Path, tmp_path_factory: pytest.TempPathFactory) -> VocoderVoice:
    return VocoderVoice(syllables, tmp_path_factory.mktemp("cache") / "syllables.npz")


def pitch_of(pcm: NDArray[np.float32]) -> float:
    """Return the pitch by autocorrelation, in Hz."""
    middle = pcm[len(pcm) // 3 : len(pcm) // 3 + 2048]
    found = np.correlate(middle, middle, "full")[len(middle) - 1 :]
    low, high = RATE // 400, RATE // 70
    return RATE / (low + int(np.argmax(found[low:high])))


@pytest.mark.parametrize("hertz", [100.0, 220.0])
def test_a_speaker_has_the_pitch_that_was_asked_for(
    voice: VocoderVoice, monkeypatch: pytest.MonkeyPatch, hertz: float
) -> None:
    monkeypatch.setattr(vocoder, "OWN_PITCH_HZ", 128.0)
    speaker = Speaker(pitch_hz=hertz, pitch_range=0.0, tract=1.0, seconds=0.3, breath=0.0, slur=0.5, tilt=0.0)
    spoken = voice.speak(["nei5", "hou2", "nei5"], speaker, random.Random(1))
    assert pitch_of(spoken.pcm) == pytest.approx(hertz, rel=0.35), "declination and wander included"


def test_a_sentence_says_where_its_syllables_end(voice: VocoderVoice) -> None:
    spoken = voice.speak(["nei5", "", "hou2"], SPEAKER, random.Random(1))
    assert len(spoken.ends) == 3
    assert list(spoken.ends) == sorted(spoken.ends)
    assert abs(spoken.ends[-1] - len(spoken.pcm)) <= RATE // 100
    pause = spoken.pcm[spoken.ends[0] + 160 : spoken.ends[1] - 160]
    assert np.abs(pause).max(initial=0) < 0.2 * np.abs(spoken.pcm).max()


def test_the_analysis_is_kept(voice: VocoderVoice, syllables: Path, tmp_path: Path) -> None:
    cache = tmp_path / "kept.npz"
    first = VocoderVoice(syllables, cache).syllable("nei5")
    again = VocoderVoice(Path("/nowhere"), cache).syllable("nei5")
    assert np.array_equal(first.envelope, again.envelope)
    with pytest.raises(FileNotFoundError, match=r"no manifest\.csv"):
        VocoderVoice(tmp_path, tmp_path / "other.npz")


def test_test_material_stays_out_of_the_training_texts() -> None:
    """Clips of these recordings are what recognisers are tested on."""
    lines = {written(turn.pieces) for recording in conversations() for turn in recording}
    assert "飲完杯奶茶，噉煲支煙" not in "".join(lines)
    assert len(conversations()) == 56
    assert sum(map(len, conversations())) > 15_000


def test_a_sentence_is_read_by_the_dictionary() -> None:
    pieces = sentence("你好，send個email。").pieces
    assert [piece.syllable for piece in pieces[:3]] == ["nei5", "hou2", ""]
    assert any(piece.syllable is None and "send" in piece.text for piece in pieces)
    assert written(pieces) == "你好， send個 email。"


def test_a_cut_utterance_keeps_what_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "CUT_SHARE", 1.0)
    pieces = [
        (Piece(text=char, syllable="x1"), (index + 1) * RATE // 4)
        for index, char in enumerate("一二三四五六七八")
    ]
    pcm = np.arange(2 * RATE, dtype=np.float32)
    for seed in range(30):
        cut, kept = examples._cut(pcm, pieces, random.Random(seed))
        text = written([piece for piece, _ in kept])
        first, last = int(cut[0]), int(cut[-1]) + 1
        assert text in "一二三四五六七八"
        for index, char in enumerate("一二三四五六七八"):
            inside = min(last, (index + 1) * RATE // 4) - max(first, index * RATE // 4)
            assert (char in text) == (inside > 0.6 * RATE // 4), (seed, char)


def test_sound_without_speech_is_sound() -> None:
    rng = random.Random(2)
    for _ in range(40):
        pcm = no_speech(rng)
        assert pcm.dtype == np.float32
        assert 0.3 * RATE <= len(pcm) <= 8 * RATE
        assert 1e-3 < np.abs(pcm).max() <= 0.51


def test_speakers_of_english_are_kept_for_testing(tmp_path: Path) -> None:
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, ["file", "speaker", "transcript"])
        rows.writeheader()
        for index in range(80):
            rows.writerow(
                {"file": f"{index}.wav", "speaker": f"s{index}", "transcript": "I CAN'T SAY I'M SURE"}
            )
    training = {path.stem for path, _ in english_clips(tmp_path)}
    testing = {path.stem for path, _ in english_clips(tmp_path, testing=True)}
    assert training
    assert testing == {str(index) for index in range(80) if held_out(f"s{index}")}
    assert not training & testing
    assert english_clips(tmp_path)[0][1] == "I can't say I'm sure."


def test_examples_repeat_and_fit(voice: VocoderVoice) -> None:
    maker = ExampleMaker(Sources(voice=voice, texts=Texts(), english=()))

    def draw() -> list[Example]:
        rng = random.Random(4)
        return [maker.draw(rng) for _ in range(12)]

    first, again = draw(), draw()
    assert [e.text for e in first] == [e.text for e in again]
    assert all(e.pcm.dtype == np.float32 and np.abs(e.pcm).max() <= 1 for e in first)
    assert {e.language for e in first} <= {"yue", "en"}


# ---------------------------------------------------------------- weights


def test_served_weights_come_back_as_they_were(tmp_path: Path) -> None:
    unpack(TINY_PATH, tmp_path)
    back, trained = (
        load_file(tmp_path / "model.safetensors"),
        load_file(TINY_CHECKPOINT / "model.safetensors"),
    )
    for name, value in back.items():
        if name in trained:
            wanted = trained[name].float()
            assert torch.allclose(value, wanted, atol=float(wanted.abs().max()) / 120), name


def test_a_damaged_file_of_weights_is_an_error(tmp_path: Path) -> None:
    for content in (b"", b"\6\0\0\0", b"\7\0\0\0" + b"x" * 50, (TINY_PATH / "model.bin").read_bytes()[:5000]):
        (tmp_path / "model.bin").write_bytes(content)
        with pytest.raises(FinetuneError):
            read_variables(tmp_path / "model.bin")


def test_names_and_served_directories_can_be_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate("tiny") == TINY_CHECKPOINT
    folder = locate(str(TINY_PATH))
    assert (folder / "config.json").is_file()
    assert locate(str(TINY_PATH)) == folder
    assert locate("bundled") != folder


def test_the_lost_merge_is_mended(whisper_base: Path) -> None:
    tokenizer = Tokenizer.from_file(str(whisper_base / "tokenizer.json"))
    assert tokenizer.encode(" the", add_special_tokens=False).tokens == ["Ġ", "the"]
    mended = with_all_merges(tokenizer)
    assert mended.encode(" the", add_special_tokens=False).tokens == ["Ġthe"]
    assert with_all_merges(mended).to_str() == mended.to_str()


def test_whisper_base_is_trained_killed_and_exported(
    whisper_base: Path, syllables: Path, tmp_path: Path
) -> None:
    start, run, out = tmp_path / "start", tmp_path / "run", tmp_path / "served"
    unpack(whisper_base, start)
    places = ("--start", start, "--syllables", syllables, "--out", run)
    small = ("--batch-seconds", "6", "--pool", "6", "--workers", "0")
    for steps in (1, 2):
        done = run_program("scripts.finetune.bundled.train", *places, *small, "--steps", steps)
        assert done.returncode == 0, done.stderr
    steps_done = [json.loads(line)["step"] for line in (run / "train.jsonl").read_text().splitlines()]
    assert steps_done == [1, 2]
    blended = ("--run", run, "--out", out, "--blend", "0.5", "--gate", "6")
    done = run_program("scripts.finetune.bundled.export", *blended)
    assert done.returncode == 0, done.stderr
    directory = read_recogniser(out)
    assert directory.languages == ("yue", "en")
    assert directory.min_context_s == 0.0
    assert WhisperEngine(directory).language("zh-HK") == "yue"
    assert sum(path.stat().st_size for path in out.iterdir()) < 56e6
