"""Training of the speaker embedding and of the local segmentation, small and whole."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import soxr

pytest.importorskip("torch")
pytest.importorskip("pyannote.audio")

import torch

from diarization.base import Spread
from diarization.directory import SPEAKER_FILE
from diarization.fbank import fbank
from diarization.onnx import OnnxEmbedder, OnnxSegmentation
from diarization.turns import to_rttm
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.task import find_task
from scripts.finetune.segmentation.calls import part, read_calls
from scripts.finetune.segmentation.network import TdnnSegmentation
from scripts.finetune.speakers.examples import Piece, build, clips_of, is_held_out
from scripts.finetune.speakers.export import export_directory
from scripts.finetune.speakers.network import FRONT, SpeakerNetwork
from scripts.finetune.speakers.scores import equal_error_rate, pair_scores
from scripts.finetune.speakers.spread import COUNTS, fit
from scripts.finetune.speakers.training import TrainSettings, train
from scripts.finetune.voices.mixtures import MixtureSpec, Voices, crying, mix, music, spoken
from tests.audio import demo_call, turn_16k
from tests.diarization.test_models import truth

pytestmark = [pytest.mark.training, pytest.mark.filterwarnings("ignore")]
RATE = 16_000


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of ten speakers: pieces of the bundled call, at different pitches."""
    folder = tmp_path_factory.mktemp("data") / "toy"
    folder.mkdir()
    rows = []
    for speaker in range(10):
        for clip, turn in enumerate((0, 2, 6) if speaker % 2 else (1, 9, 3)):
            pcm = soxr.resample(turn_16k(turn), RATE, RATE * (0.8 + 0.04 * speaker))
            name = f"s{speaker}-{clip}.flac"
            sf.write(folder / name, pcm, RATE)
            rows.append({"file": name, "speaker": f"s{speaker}", "duration_s": f"{len(pcm) / RATE:.2f}"})
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["file", "speaker", "duration_s"])
        writer.writeheader()
        writer.writerows(rows)
    return folder.parent


def test_an_embedding_is_trained_exported_and_loaded(data: Path, tmp_path: Path) -> None:
    clips = clips_of(data, held_out=False)
    pieces = build(clips, copies=2, seed=0, training=True)
    losses: list[float] = []
    settings = TrainSettings(steps=250, batch=8, seconds=(0.8, 1.0))
    network = train(
        pieces, settings, network=SpeakerNetwork(width=32), after=lambda _s, loss, _n: losses.append(loss)
    )
    assert len(losses) == 1
    export_directory(network, tmp_path / "out", name="toy", spread=Spread(floor=0.05, slope=0.2))
    embedder = OnnxEmbedder(tmp_path / "out")
    assert embedder.spread == Spread(floor=0.05, slope=0.2)
    pcm = turn_16k(1)
    with torch.no_grad():
        level = np.float32(0.05 / np.sqrt(np.mean(pcm**2)))
        theirs = network(torch.from_numpy(fbank(pcm * level, FRONT))[None])[0].numpy()
    assert float(embedder.embed(pcm) @ (theirs / np.linalg.norm(theirs))) > 0.9999
    assert SPEAKER_FILE in {path.name for path in (tmp_path / "out").iterdir()}


def test_held_out_speakers_are_never_learned_from(data: Path) -> None:
    learned = {clip.speaker for clip in clips_of(data, held_out=False)}
    kept = {clip.speaker for clip in clips_of(data, held_out=True)}
    assert not learned & kept
    assert all(is_held_out(name) for name in kept)


def test_training_can_go_on_and_learns(data: Path) -> None:
    pieces = build(clips_of(data, held_out=False), copies=1, seed=0, training=False)
    told: list[float] = []
    settings = TrainSettings(steps=500, batch=8, seconds=(0.8, 1.0), margin=0.0)
    train(pieces, settings, network=SpeakerNetwork(width=32), after=lambda _s, loss, _n: told.append(loss))
    assert told[1] < told[0]


def test_equal_error_rate_is_what_it_says() -> None:
    same, other = np.array([0.9, 0.8, 0.4, 0.7]), np.array([0.1, 0.2, 0.5, 0.3])
    rate, threshold = equal_error_rate(same, other)
    assert rate == pytest.approx(0.25, abs=0.13)
    assert 0.3 <= threshold <= 0.5
    assert equal_error_rate(np.array([0.9, 0.8]), np.array([0.1, 0.2]))[0] == 0


def test_pairs_of_one_recording_do_not_count() -> None:
    vectors = np.eye(3, dtype=np.float32)
    similar, same, near = pair_scores(vectors, ["a", "a", "b"], ["x", "x", "y"], [0, 0, 1])
    assert len(similar) == 2
    assert not same.any()
    assert not near.any()


def test_the_spread_is_fitted() -> None:
    found = fit({count: 0.05 + 0.3 / count for count in COUNTS})
    assert found.floor == pytest.approx(0.05)
    assert found.slope == pytest.approx(0.3)


def test_a_mixture_knows_who_speaks(data: Path) -> None:
    voices = Voices(clips_of(data, held_out=False))
    rng = np.random.default_rng(0)
    names = voices.draw(rng, 2, same_set=1.0)
    made = mix(rng, voices, names, MixtureSpec(seconds=30, disturbed=1.0, own_colour=1.0))
    assert len(made.pcm) == 30 * RATE
    assert {turn.speaker for turn in made.turns} == set(names)
    assert all(0 <= turn.start < turn.end <= 30 * RATE for turn in made.turns)
    speech = sum(turn.end - turn.start for turn in made.turns) / len(made.pcm)
    assert 0.4 < speech < 1.3


def test_disturbances_have_unit_power_and_pauses_are_seen() -> None:
    rng = np.random.default_rng(0)
    for made in (music(rng, RATE), crying(rng, RATE)):
        assert np.std(made) == pytest.approx(1, abs=0.01)
    speech = np.concatenate([turn_16k(1), np.zeros(RATE, np.float32), turn_16k(3)])
    assert len(spoken(speech)) >= 2
    assert spoken(np.zeros(10, np.float32)) == []


def test_the_front_end_in_the_graph_is_the_one_outside() -> None:
    network = TdnnSegmentation()
    pcm = turn_16k(1)
    inside = network.fbank(torch.from_numpy(pcm)[None, None])[0].numpy()
    assert np.abs(inside - fbank(pcm, FRONT)).max() < 2e-3
    for samples in (6 * RATE, 5 * RATE + 77, RATE):
        told = network.voice(network.fbank(torch.zeros(1, 1, samples)).transpose(1, 2))
        assert network.reduce(told).shape[-1] == network.num_frames(samples)


# ------------------------------------------------------------------ the task


def names_of(wanted: str, count: int) -> list[str]:
    return [name for name in (f"call{number}" for number in range(200)) if part(name) == wanted][:count]


def stereo_calls(folder: Path) -> Path:
    """Fill a folder with calls for each part and return it."""
    samples, rate = demo_call()
    for wanted, count in (("train", 2), ("dev", 1), ("test", 1)):
        for number, name in enumerate(names_of(wanted, count)):
            sf.write(folder / f"{name}.wav", samples[number * 8000 : (25 + number) * rate], rate)
    return folder


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stereo recordings for each part, and one with RTTM on one channel."""
    folder = stereo_calls(tmp_path_factory.mktemp("calls"))
    samples, rate = demo_call()
    name = names_of("train", 3)[2]
    sf.write(folder / f"{name}.flac", samples[: 25 * rate].mean(axis=1), rate)
    from diarization import SpeakerTurn  # noqa: PLC0415

    turns = [
        SpeakerTurn(speaker=role, start=start, end=end) for role, start, end in truth() if end < 25 * RATE
    ]
    (folder / "truth.rttm").write_text(to_rttm(turns, name), "utf-8")
    return folder


OPTIONS: dict[str, Any] = {"epochs": 0.4, "seed": 0, "threads": 1}


def test_the_segmentation_is_tuned_measured_and_gated(calls: Path, tmp_path: Path) -> None:
    task = find_task("segmentation")
    assert len(task.plan_training(calls, "bundled", OPTIONS)) == 5
    result = task.train(calls, "bundled", tmp_path / "run", OPTIONS)
    assert result["calls"] == 3
    exported = task.export(tmp_path / "run", tmp_path / "model", {"name": "ours", "data": None})
    assert exported["calls"] == 1
    assert len(exported["factors"]) == 2
    segmentation = OnnxSegmentation(tmp_path / "model")
    assert segmentation.name == "ours"
    assert segmentation.tuned == tuple(exported["factors"])
    report = task.evaluate(
        str(tmp_path / "model"), "bundled", calls, tmp_path / "report", {"models": tmp_path}
    )
    assert 0 <= report["base"]["der"] < 0.5
    assert report["tuned"]["der"] >= 0
    assert {check.name.split(" on ")[0] for check in task.gate(report)} == {
        "diarization error",
        "speaker confusion",
    }
    for step, told in (("train", result), ("export", exported), ("evaluate", report)):
        assert all(task.told(step, told))
    assert task.plan_export(tmp_path / "run")
    assert task.plan_evaluation("auto", "bundled", calls, {"models": tmp_path})


def test_a_gate_refuses_what_confuses_more() -> None:
    task = find_task("segmentation")
    good = {"der": 0.1, "confusion": 0.02}
    assert all(check.passed for check in task.gate({"base": good, "tuned": good}))
    worse = {"der": 0.2, "confusion": 0.1}
    assert not any(check.passed for check in task.gate({"base": good, "tuned": worse}))


def test_truth_comes_from_channels_or_from_rttm(calls: Path) -> None:
    found = {call.name: call for wanted in ("train", "dev", "test") for call in read_calls(calls, wanted)}
    assert len(found) == 5
    with_rttm = names_of("train", 3)[2]
    for name, call in found.items():
        voices = {"agent", "customer"} if name == with_rttm else {"channel 0", "channel 1"}
        assert {turn.speaker for turn in call.turns} == voices
        assert call.pcm.dtype == np.int16


@pytest.mark.parametrize("case", ["nothing", "missing", "no truth", "bad rttm", "two of a name"])
def test_calls_that_cannot_be_used_say_why(tmp_path: Path, case: str) -> None:
    name = names_of("train", 1)[0]
    folder = tmp_path / "calls"
    if case != "missing":
        folder.mkdir()
    if case in ("no truth", "bad rttm", "two of a name"):
        sf.write(folder / f"{name}.wav", np.zeros(8000), 8000)
    if case == "bad rttm":
        (folder / "x.rttm").write_text("SPEAKER x\n", "utf-8")
    if case == "two of a name":
        sf.write(folder / f"{name}.flac", np.zeros(8000), 8000)
    reasons = {
        "nothing": "no recording", "missing": "no folder", "no truth": "no RTTM", "bad rttm": "line 1",
        "two of a name": "two recordings",
    }  # fmt: skip
    with pytest.raises(FinetuneError, match=reasons[case]):
        list(read_calls(folder, "train"))


def test_a_wrong_start_is_one_line(calls: Path, tmp_path: Path) -> None:
    with pytest.raises(FinetuneError, match="--init is bundled"):
        find_task("segmentation").train(calls, str(tmp_path), tmp_path / "run", OPTIONS)


def test_pieces_are_drawn_from_short_recordings_too() -> None:
    pieces = [Piece(speaker=name, mel=np.zeros((30, FRONT.bins), np.float16)) for name in "ab"]
    train(pieces, TrainSettings(steps=2, batch=2, seconds=(1.0, 1.0)), network=SpeakerNetwork(width=16))
