"""The bundled models, foreign directories, and the tracker on real audio."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soxr

from diarization import DiarizationError, SpeakerTurn
from diarization.base import SHORTEST
from diarization.directory import BUNDLED_SEGMENTATION, BUNDLED_SPEAKER, SPEAKER_FILE, read_speaker
from diarization.fbank import FbankSpec, fbank
from diarization.onnx import OnnxEmbedder, OnnxSegmentation
from diarization.tracker import MOST_ITEMS, SpeakerTracker, VoiceEngines, tracker_settings
from pipeline.analysis.speakers import live_turns
from tests.audio import demo_call, demo_turns, turn_16k
from vad.endpointer import EndpointerSettings
from vad.gated import GatedVad

pytestmark = pytest.mark.model
RATE = 16_000
AGENT, CUSTOMER = (0, 2, 6), (1, 3, 9)


@pytest.fixture(scope="module")
def engines() -> VoiceEngines:
    embedder, segmenter = OnnxEmbedder(), OnnxSegmentation()
    return VoiceEngines(
        segmenter=segmenter, embedder=embedder, settings=tracker_settings(embedder, segmenter)
    )


def mono_demo() -> np.ndarray:
    """Return the bundled call on one channel, 16 kHz."""
    samples, rate = demo_call()
    return np.asarray(soxr.resample(samples.mean(axis=1), rate, RATE), np.float32)


def truth() -> list[tuple[str, int, int]]:
    return [
        (str(turn["role"]), int(str(turn["start_ms"])) * 16, int(str(turn["end_ms"])) * 16)
        for turn in demo_turns()
    ]


def test_one_voice_is_closer_to_itself_than_to_another(engines: VoiceEngines) -> None:
    agent = np.stack([engines.embedder.embed(turn_16k(index)) for index in AGENT])
    customer = np.stack([engines.embedder.embed(turn_16k(index)) for index in CUSTOMER])
    own = min(float(a @ b) for group in (agent, customer) for a, b in pairwise(group))
    assert own > float((agent @ customer.T).max())
    assert agent.shape[1] == engines.embedder.size
    assert np.allclose(np.linalg.norm(agent, axis=1), 1, atol=1e-5)


def test_the_level_of_speech_does_not_matter(engines: VoiceEngines) -> None:
    pcm = turn_16k(1)
    loud, soft = engines.embedder.embed(pcm), engines.embedder.embed(pcm * np.float32(0.05))
    assert float(loud @ soft) > 0.98


def test_the_bundled_files_are_small() -> None:
    assert (BUNDLED_SPEAKER / "model.onnx").stat().st_size <= 3_000_000
    assert (BUNDLED_SEGMENTATION / "model.onnx").stat().st_size <= 3_500_000


@pytest.mark.parametrize(
    "pcm",
    [
        np.zeros(RATE, np.float32),
        np.ones(RATE, np.float32),
        np.sin(np.arange(2 * RATE) * 0.4).astype(np.float32),
        np.random.default_rng(0).normal(0, 0.3, RATE).astype(np.float32),
        np.full(SHORTEST, 1e-9, np.float32),
    ],
)
def test_odd_audio_gives_a_vector_and_chances(engines: VoiceEngines, pcm: np.ndarray) -> None:
    assert np.isfinite(engines.embedder.embed(pcm)).all()
    chances = engines.segmenter.activity(pcm)
    assert ((chances >= 0) & (chances <= 1 + 1e-5)).all()


def test_too_little_audio_is_an_error(engines: VoiceEngines) -> None:
    with pytest.raises(DiarizationError, match="needs"):
        engines.embedder.embed(np.zeros(SHORTEST - 1, np.float32))


def test_kaldi_would_say_the_same() -> None:
    kaldi = pytest.importorskip("torchaudio.compliance.kaldi", reason="comes with the pyannote extra")
    import torch  # noqa: PLC0415

    pcm = turn_16k(1)
    for window, bins in (("hamming", 80), ("povey", 40)):
        theirs = kaldi.fbank(
            torch.from_numpy(pcm * 32768)[None], num_mel_bins=bins, window_type=window, dither=0.0,
            energy_floor=0.0,
        ).numpy()  # fmt: skip
        ours = fbank(pcm, FbankSpec(bins=bins, window=window, normalise="none"))  # type: ignore[arg-type]
        assert ours.shape == theirs.shape
        assert np.percentile(np.abs(ours - theirs), 99) < 0.02


# ------------------------------------------------------------------ directories


def foreign(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(BUNDLED_SPEAKER / "model.onnx", folder)
    (folder / SPEAKER_FILE).write_text(text, "utf-8")
    return folder


SPREAD = "[spread]\nfloor = 0.06\nslope = 0.2\n"


def test_a_directory_declares_its_own_front_end(tmp_path: Path) -> None:
    text = f'name = "other"\n{SPREAD}[fbank]\nbins = 48\nwindow = "hann"\nnormalise = "mean-variance"\n'
    embedder = OnnxEmbedder(foreign(tmp_path, text))
    assert embedder.name == "other"
    assert not np.allclose(embedder.embed(turn_16k(1)), OnnxEmbedder().embed(turn_16k(1)), atol=0.01)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "spread"),
        (SPREAD.replace("0.06", "6"), "floor"),
        (SPREAD + "[fbank]\nbinz = 80\n", "binz"),
        (SPREAD + "[fbank]\nwindow = 'square'\n", "window"),
        ("front_end = 'mfcc'\n" + SPREAD, "front_end"),
        ("layout = 'sideways'\n" + SPREAD, "layout"),
        ("[", SPEAKER_FILE),
    ],
)
def test_a_wrong_declaration_says_what_is_wrong(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(DiarizationError, match=reason):
        read_speaker(foreign(tmp_path, text))


def test_a_front_end_that_the_graph_cannot_take_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DiarizationError):
        OnnxEmbedder(foreign(tmp_path, SPREAD + "[fbank]\nbins = 80\n"))


def test_a_missing_directory_names_the_setting() -> None:
    with pytest.raises(DiarizationError, match=r"diarization\.speaker_model"):
        OnnxEmbedder(Path("/nowhere"))
    with pytest.raises(DiarizationError, match=r"diarization\.segmentation_model"):
        OnnxSegmentation(Path("/nowhere"))


# ------------------------------------------------------------------ a call on one channel


def right_share(turns: list[SpeakerTurn]) -> float:
    """Return the share of true speech that got the voice that its role has most of."""
    pairs: dict[tuple[str, str], int] = {}
    total = 0
    for role, start, end in truth():
        total += end - start
        for turn in turns:
            common = min(end, turn.end) - max(start, turn.start)
            if common > 0:
                pairs[turn.speaker, role] = pairs.get((turn.speaker, role), 0) + common
    labels = {label for label, _role in pairs}
    best = {
        label: max(("agent", "customer"), key=lambda role: pairs.get((label, role), 0)) for label in labels
    }
    return sum(count for (label, role), count in pairs.items() if best[label] == role) / total


def test_two_voices_on_one_channel_are_told_apart(engines: VoiceEngines) -> None:
    found = live_turns(mono_demo(), engines, GatedVad(1), EndpointerSettings())
    assert {turn.speaker for turn in found.turns} == {"A1", "A2"}
    assert right_share(found.turns) > 0.85


def test_one_voice_on_a_channel_of_its_own_stays_one(engines: VoiceEngines) -> None:
    samples, rate = demo_call()
    for channel in (0, 1):
        pcm = np.asarray(soxr.resample(samples[:, channel], rate, RATE), np.float32)
        found = live_turns(pcm, engines, GatedVad(1), EndpointerSettings(), mixed=False, channel=channel)
        assert {turn.speaker for turn in found.turns} == {f"{'AB'[channel]}1"}


def test_a_second_voice_on_one_channel_is_a_new_speaker(engines: VoiceEngines) -> None:
    """An agent hands over to another one, whose voice is the customer's of the bundled call."""
    samples, rate = demo_call()
    wide = np.asarray(soxr.resample(samples, rate, RATE), np.float32)
    pcm = np.concatenate([wide[: 45 * RATE, 1], wide[35 * RATE :, 0]])
    found = live_turns(pcm, engines, GatedVad(1), EndpointerSettings(), mixed=False)
    before = {turn.speaker for turn in found.turns if turn.end < 44 * RATE}
    after = [turn for turn in found.turns if turn.start > 47 * RATE]
    length = {name: sum(t.end - t.start for t in after if t.speaker == name) for name in ("A1", "A2")}
    assert before == {"A1"}
    assert length["A2"] > 2 * length["A1"]


@pytest.mark.parametrize("kind", ["music", "crying", "noise", "silence"])
def test_what_is_no_speech_has_no_speaker(engines: VoiceEngines, kind: str) -> None:
    line = pytest.importorskip("scripts.finetune.voices.mixtures")
    rng = np.random.default_rng(1)
    length = 20 * RATE
    made = np.zeros(length, np.float32)
    if kind in ("music", "crying"):
        made = getattr(line, kind)(rng, length) * np.float32(0.05)
    elif kind == "noise":
        made = rng.normal(0, 0.02, length).astype(np.float32)
    found = live_turns(made, engines, GatedVad(1), EndpointerSettings())
    assert sum(turn.end - turn.start for turn in found.turns) < 4 * RATE


def test_a_day_of_speech_does_not_fill_memory(engines: VoiceEngines) -> None:
    tracker = SpeakerTracker(engines.segmenter, engines.embedder, engines.settings)
    pcm = mono_demo()[: 12 * RATE]
    heard = [tracker.listen(pcm, 0, start * RATE, (start + 4) * RATE) for start in (0, 4, 8)]
    told: dict[int, tuple[SpeakerTurn, ...]] = {}
    for number in range(400):
        tracker.add(number, [*heard[number % 3], *heard[(number + 1) % 3]], number)
        for key, turns in tracker.settle().items():
            longest = sum(t.end - t.start for t in told.get(key, ()))
            assert sum(t.end - t.start for t in turns) >= 0.9 * longest  # nothing that was told goes away
            told[key] = turns
    assert len(tracker._items) <= MOST_ITEMS + 9
    assert len(tracker._told) <= MOST_ITEMS + 9
