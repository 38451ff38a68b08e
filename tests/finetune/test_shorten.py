"""A model that learns to read speech at its own length, from recordings without transcripts."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile as sf
import torch

from asr.directory import read_recogniser
from asr.finding import TINY_PATH, find_recogniser
from asr.options import WhisperOptions
from asr.whisper import WhisperEngine
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.manifest import Manifest
from scripts.finetune.common.promotion import promote
from scripts.finetune.common.task import Check
from scripts.finetune.recogniser.checkpoint import open_checkpoint
from scripts.finetune.recogniser.journal import Journal
from scripts.finetune.shorten import step
from scripts.finetune.shorten.gates import gate
from scripts.finetune.shorten.options import ShortenOptions
from scripts.finetune.shorten.speech import LANGUAGE, cut_recordings, deal
from scripts.finetune.shorten.teacher import Languages, read_targets, write_targets
from tests.finetune.toy import run_finetune, toy_calls

pytestmark = pytest.mark.model


def options(audio: Path, **changes: Any) -> ShortenOptions:
    chosen: dict[str, Any] = {
        "model": str(TINY_PATH), "audio": audio, "name": "short", "hours": 0.03, "epochs": 2, "threads": 1,
        "rate": 1e-4, "batch_seconds": 8.0, "dev_utterances": 2, "test_utterances": 4, "save_every": 1,
    }  # fmt: skip
    return ShortenOptions(**{**chosen, **changes})


def test_the_whole_step_resumed_measured_served_and_gated(tmp_path: Path) -> None:
    """One test for one model: making it twice is most of the time."""
    made, again = tmp_path / "short", tmp_path / "again"
    killed_once(made)
    step.shorten(find_recogniser("tiny", made), made, options(toy_calls()))
    step.shorten(find_recogniser("tiny", again), again, options(toy_calls()))
    assert (again / "model.bin").read_bytes() == (made / "model.bin").read_bytes(), "a killed run repeats"
    learns(made)
    is_served_at_own_length_and_holds_no_speech(made)
    is_measured(made)
    is_promoted_only_through_its_gate(made, tmp_path / "models")


def killed_once(out: Path) -> None:
    """Begin to shorten the small model; stop in the middle of the training."""
    taken: list[int] = []
    real = Journal.step

    def killed(self: Journal, parts: dict[str, torch.Tensor], rate: float) -> None:
        taken.append(1)
        if len(taken) == 4:
            raise KeyboardInterrupt
        real(self, parts, rate)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "step", killed)
        with pytest.raises(KeyboardInterrupt):
            step.shorten(find_recogniser("tiny", out), out, options(toy_calls()))
    assert not out.exists()


def learns(made: Path) -> None:
    rows = [json.loads(line) for line in (made / "train.jsonl").read_text().splitlines()]
    watched = {row["step"]: row["dev_divergence"] for row in rows if "dev_divergence" in row}
    assert list(watched) == sorted(watched), "in order, though some steps were taken twice"
    assert watched[0] > watched[max(watched)], "on speech that it does not learn from"


def is_served_at_own_length_and_holds_no_speech(made: Path) -> None:
    directory = read_recogniser(made)
    assert (directory.name, directory.min_context_s, directory.languages) == ("short", 0.0, ("yue",))
    WhisperEngine(directory, WhisperOptions())
    assert not (made / "work").exists(), "speech is personal data and stays out of a model"
    assert not list(made.rglob("checkpoint.pt"))


def is_measured(made: Path) -> None:
    report = json.loads((made / "report" / "report.json").read_text("utf-8"))
    assert report["test"]["transcribed"] == 0
    assert [row["context_s"] for row in report["contexts"]["tuned"]] == [30.0, 0.0]
    page = (made / "report" / "report.html").read_text("utf-8")
    (few,) = [check for check in gate(report) if check.name == "enough speech"]
    assert f"enough speech: {few.detail}" in page, "the page says what the gate says"
    card = (made / "README.md").read_text("utf-8")
    assert "no transcripts" in card
    assert "Apache-2.0" in card, "the licence of the model before"


def is_promoted_only_through_its_gate(made: Path, models: Path) -> None:
    command = ("promote", made, "--report", made / "report", "--models", models)
    other = run_finetune(*command)
    assert other.returncode == 2
    assert "did not measure the model that is served now" in other.stderr, "it was measured against tiny"
    passed = [Check(name="x", passed=True, detail="")]
    promote(TINY_PATH, models, kind="recogniser", checks=passed, report={"test": {"sha256": ""}}, reason=None)
    told = run_finetune(*command)
    assert told.returncode == 1
    assert "FAIL  enough speech" in told.stdout
    assert "not promoted" in told.stdout


def test_dry_run_says_what_would_be_done(tmp_path: Path) -> None:
    told = run_finetune("shorten", "tiny", "--audio", toy_calls(), "--out", tmp_path / "x", "--dry-run")
    assert "10 recordings" in told.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"), [(None, "no folder"), ("", "no recordings in")], ids=["missing", "empty"]
)
def test_no_recordings_are_one_line(tmp_path: Path, content: str | None, message: str) -> None:
    folder = tmp_path / "calls"
    if content is not None:
        folder.mkdir()
    told = run_finetune("shorten", "tiny", "--audio", folder, "--out", tmp_path / "x")
    assert told.returncode == 2
    assert message in told.stderr
    assert "Traceback" not in told.stderr


@pytest.fixture
def listed(tmp_path: Path) -> Iterator[Path]:
    """Give six speakers with a list that says who they are, and what two of them say."""
    folder = tmp_path / "calls"
    folder.mkdir()
    rows = []
    for number, path in enumerate(sorted(toy_calls().glob("*.wav"))):
        samples, rate = sf.read(path, always_2d=True)
        sf.write(folder / f"{number}.wav", samples[: 20 * rate, 0], rate)
        said = "你好。" if number < 2 else ""
        rows.append(
            {"file": f"{number}.wav", "speaker": f"s{number}", "language": "yue-HK", "transcript": said}
        )
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    (folder / "broken.wav").write_bytes(b"RIFF")
    yield folder
    shutil.rmtree(folder)


def test_a_list_tells_speakers_languages_and_transcripts(listed: Path, tmp_path: Path) -> None:
    found = cut_recordings(options(listed, hours=1.0), tmp_path / "cut")
    assert {u.speaker for u in found} == {f"s{n}" for n in range(10)}
    assert {u.labels[LANGUAGE] for u in found} == {"yue"}
    whole = [u for u in found if u.text]
    assert [u.start for u in whole] == [0, 0], "what has a transcript stays whole"
    assert min(u.seconds for u in whole) > 15
    assert cut_recordings(options(listed, hours=1.0), tmp_path / "cut") == found, "cut once"


def test_sets_share_no_speaker_and_train_has_speech_that_breaks_off(listed: Path, tmp_path: Path) -> None:
    chosen = options(listed, hours=1.0, cuts=1.0)
    sets = deal(cut_recordings(chosen, tmp_path / "cut"), chosen)
    speakers = {name: {u.speaker for u in members} for name, members in sets.items()}
    assert not speakers["train"] & speakers["test"]
    assert not speakers["train"] & speakers["dev"]
    whole = {u.id: u for u in sets["train"] if u.id.count("/") == 2}
    broken = [u for u in sets["train"] if u.id.count("/") == 3]
    assert broken
    for cut in broken:
        before = whole[cut.id.rsplit("/", 1)[0]]
        assert (cut.start, cut.text) == (before.start, "")
        assert before.start + 8000 <= cut.end <= before.end


def test_the_teacher_leaves_out_texts_that_run_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(next(toy_calls().glob("*.wav")), tmp_path / "x.wav")
    spoken = cut_recordings(options(tmp_path, hours=1.0), tmp_path / "cut")[:4]
    manifest = Manifest(tmp_path / "cut", spoken)
    checkpoint = open_checkpoint("tiny")
    languages = Languages(checkpoint, "yue", ())
    layout = languages.layout("yue")
    write_targets(checkpoint, languages, manifest, tmp_path / "targets", "x")
    targets = read_targets(tmp_path / "targets", manifest, layout)
    assert {target.states.shape for target in targets} == {
        (len(target.tokens), checkpoint.whisper.config.d_model) for target in targets
    }
    monkeypatch.setattr("scripts.finetune.shorten.teacher.runs_away", lambda _text, _seconds: True)
    assert read_targets(tmp_path / "targets", manifest, layout) == []


def test_stock_whisper_hears_which_language_is_spoken(whisper_base: Path, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    calls.mkdir()
    shutil.copy("pipeline/demo/call.wav", calls)
    spoken = [u for u in cut_recordings(options(calls, hours=1.0), tmp_path / "cut") if u.channel == 0][:4]
    checkpoint = open_checkpoint(str(whisper_base))
    languages = Languages(checkpoint, "", ("zh", "en"))
    write_targets(checkpoint, languages, Manifest(tmp_path / "cut", spoken), tmp_path / "targets", "x")
    targets = read_targets(tmp_path / "targets", Manifest(tmp_path / "cut", spoken), languages.layout("zh"))
    chinese = languages.layout("zh").start[1]
    assert sum(int(target.tokens[1]) == chinese for target in targets) > len(targets) / 2
    assert any(len(target.tokens) > 8 for target in targets)


def report(**changes: Any) -> dict[str, Any]:
    row = {"runaway": 0.0, "cpu_s_per_s": 0.1}
    base = [{**row, "context_s": 30.0, "error": 0.2, "difference": 0.0, "cpu_s_per_s": 0.5}]
    base += [{**row, "context_s": 10.0, "error": 0.21, "difference": 0.1, "cpu_s_per_s": 0.2}]
    tuned = {**row, "context_s": 0.0, "error": 0.205, "difference": 0.12, **changes}
    return {
        "kind": "shorten",
        "models": {"base": {"min_context_s": 10.0}},
        "test": {"utterances": 200, "transcribed": changes.get("transcribed", 200)},
        "contexts": {"base": base, "tuned": [tuned]},
    }


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({}, []),
        ({"error": 0.211}, ["own length against padded"]),
        ({"error": 0.9, "transcribed": 10}, []),
        ({"difference": 0.16, "transcribed": 10}, ["own length against padded"]),
        ({"runaway": 0.02}, ["texts that run away"]),
        ({"cpu_s_per_s": 0.21}, ["speed"]),
    ],
)
def test_the_gate(changes: dict[str, Any], failed: list[str]) -> None:
    assert [check.name for check in gate(report(**changes)) if not check.passed] == failed


def test_a_language_that_the_model_lacks_is_named() -> None:
    languages = Languages(open_checkpoint("tiny"), "", ())
    with pytest.raises(FinetuneError, match="language"):
        languages.layout("xx")
