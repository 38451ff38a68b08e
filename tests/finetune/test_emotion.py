"""The voice model through the frame, on toy voices: train, export, evaluate, promote, serve."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from emotion import VoiceWindow
from emotion.engine import OnnxEmotion
from emotion.features import extract
from pipeline.config import load_settings
from pipeline.engines import build_emotion
from scripts.finetune.commands import app as frame
from scripts.finetune.commands import model as _steps  # noqa: F401 (adds the steps to the command line)
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.emotion.calibration import calibrate
from scripts.finetune.emotion.network import VoiceNetwork
from scripts.finetune.emotion.scores import agitation_figures, auc
from scripts.finetune.emotion.task import CHECKPOINT, TASK, part
from scripts.finetune.voices.sets import read_sets

pytestmark = pytest.mark.training
RATE = 16_000


def voice(rng: np.random.Generator, *, angry: bool) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return 2 s of harmonics in syllables; an angry voice is higher, brighter and rougher."""
    time = np.arange(2 * RATE) / RATE
    pitch = rng.uniform(90, 220) * (1.5 if angry else 1.0)
    contour = pitch * (1 + (0.25 if angry else 0.05) * np.sin(2 * np.pi * 1.3 * time + rng.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(contour) / RATE
    slope = 0.6 if angry else 1.6
    wave = sum(np.sin(k * phase) / k**slope for k in range(1, 16))
    syllables = np.clip(np.sin(2 * np.pi * (5 if angry else 3) * time), 0, 1) ** 0.5
    return np.asarray(0.1 * wave * syllables + 1e-4 * rng.standard_normal(len(time)), np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return voices(tmp_path_factory.mktemp("toy"))


def voices(folder: Path) -> Path:
    """Fill a folder with voices of 16 people, angry and not, and return it."""
    rng, rows = np.random.default_rng(0), []
    for speaker in range(16):
        for take in range(2):
            for emotion in ("angry", "neutral"):
                name = f"{speaker}-{take}-{emotion}.wav"
                sf.write(folder / name, voice(rng, angry=emotion == "angry"), RATE)
                rows.append({"file": name, "speaker": f"s{speaker}", "emotion": emotion})
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["file", "speaker", "emotion"])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def run(*arguments: object) -> str:
    done = CliRunner().invoke(frame.app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_whole_way_from_recordings_to_the_server(data: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    plan = run(
        "train", data, "--task", "emotion", "--init", "scratch", "--out", tmp_path / "run", "--dry-run"
    )
    assert all(f"{name}: " in plan for name in ("train", "calibration", "test"))
    assert not (tmp_path / "run").exists()
    run("train", data, "--task", "emotion", "--init", "scratch", "--out", tmp_path / "run", "--epochs", 8)
    run("export", tmp_path / "run", "--task", "emotion", "--out", tmp_path / "model")
    said = run(
        "evaluate", tmp_path / "model", "--task", "emotion", "--data", data, "--base", "bundled",
        "--out", tmp_path / "report", "--models", models,
    )  # fmt: skip
    assert "AUC" in said
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["tuned"]["auc"] > 0.9
    report["base"] = report["tuned"]  # whatever the bundled model makes of these toys
    (tmp_path / "report" / "report.json").write_text(json.dumps(report))
    run(
        "promote",
        tmp_path / "model",
        "--task",
        "emotion",
        "--report",
        tmp_path / "report",
        "--models",
        models,
    )
    engine = build_emotion(load_settings(flags={"asr": {"models_dir": models}}))
    assert engine is not None
    assert engine.name == "model"
    rng = np.random.default_rng(5)
    angry, calm = (
        engine.stream().read(VoiceWindow(pcm=voice(rng, angry=angry))).score for angry in (True, False)
    )
    assert angry > calm
    run("rollback", "--task", "emotion", "--models", models)
    back = build_emotion(load_settings(flags={"asr": {"models_dir": models}}))
    assert back is not None
    assert back.name == "bundled"


def test_the_bundled_checkpoint_is_the_bundled_model(data: Path, tmp_path: Path) -> None:
    network = VoiceNetwork()
    network.load_state_dict(load_file(CHECKPOINT))
    pcm = voice(np.random.default_rng(1), angry=True)
    features = extract(pcm)
    assert features is not None
    zero = torch.zeros(1, len(features.figures))
    logit, _classes, _place = network.eval()(
        torch.tensor(features.figures[None]), zero, torch.zeros(1, 1), torch.tensor(features.mel[None])
    )
    engine = OnnxEmotion()
    columns = engine.run(VoiceWindow(pcm=pcm), features, None)
    assert columns["agitation"] == pytest.approx(torch.sigmoid(logit).item(), abs=1e-4)


def test_a_worse_model_is_refused() -> None:
    good = {"auc": 0.9, "false_alarms": 0.05}
    assert all(check.passed for check in TASK.gate({"base": good, "tuned": good}))
    worse = [{**good, "auc": 0.88}, {**good, "false_alarms": 0.2}]
    assert [[c.passed for c in TASK.gate({"base": good, "tuned": bad})] for bad in worse] == [
        [False, True],
        [True, False],
    ]


def test_speakers_are_split_alike_for_ever() -> None:
    assert [part(f"toy/s{n}")[:2] for n in range(6)] == ["tr", "tr", "tr", "te", "tr", "tr"]
    assert {part(f"toy/s{n}") for n in range(50)} == {"train", "calibration", "test"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "no manifest.csv"),
        ("file,speaker\nx.wav,a\n", "no file x.wav"),
        ("name\nx\n", "line 2"),
        ("file,speaker,emotion\nmanifest.csv,a,furious\n", "furious|emotion is none of"),
    ],
)
def test_a_wrong_manifest_is_one_clear_error(tmp_path: Path, text: str | None, reason: str) -> None:
    if text is not None:
        (tmp_path / "manifest.csv").write_text(text, "utf-8")
    with pytest.raises(FinetuneError, match=reason):
        read_sets(tmp_path)


def test_auc_counts_ties_half() -> None:
    assert auc(np.array([0.1, 0.5, 0.5, 0.9]), np.array([False, False, True, True])) == pytest.approx(0.875)
    assert auc(np.zeros(4), np.array([True, False, True, False])) == pytest.approx(0.5)


def test_the_threshold_is_set_on_the_hardest_calm_set() -> None:
    easy, hard = np.linspace(-5, -3, 100), np.linspace(-2, 0, 100)
    slope, offset = calibrate([easy, hard], np.full(10, 2.0))
    assert np.mean(slope * hard + offset > 0) == pytest.approx(0.02, abs=0.011)
    assert slope * 2.0 + offset == pytest.approx(2.0)


def test_clips_that_say_nothing_of_agitation_give_figures_without_opinion() -> None:
    found = agitation_figures(np.zeros(2, np.float32), np.full(2, -1, np.float32), ["a", "b"])
    assert (found["auc"], found["auc_low"], found["auc_high"]) == (0.5, 0.0, 1.0)
    assert found["agitated"] == found["calm"] == 0
