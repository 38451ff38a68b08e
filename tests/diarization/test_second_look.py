"""The second look: the real pyannote.audio, on models that are trained or bundled here."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from diarization import DiarizationError
from diarization.directory import BUNDLED_SPEAKER
from diarization.second_look import BUNDLED_PIPELINE, PyannotePipeline
from pipeline.errors import SecondLookFailed
from pipeline.inference.second_look import SecondLookWorker
from pipeline.inference.spool import CallSpool
from pipeline.sections.diarization import SecondLookSettings
from tests.diarization.test_models import mono_demo, right_share

pytestmark = [
    pytest.mark.training,
    pytest.mark.filterwarnings("ignore"),  # torch, lightning and pyannote warn about each other
]
RATE = 16_000


@pytest.fixture(scope="module")
def bundled() -> PyannotePipeline:
    pytest.importorskip("pyannote.audio")
    return PyannotePipeline()


def test_the_bundled_pipeline_tells_two_voices_apart(bundled: PyannotePipeline) -> None:
    turns = bundled.diarize(mono_demo())
    assert len({turn.speaker for turn in turns}) == 2
    assert right_share(turns) > 0.85


@pytest.mark.parametrize("seconds", [0.0, 0.2, 1.0, 3.0])
def test_short_recordings_and_silence_have_few_turns_or_none(
    bundled: PyannotePipeline, seconds: float
) -> None:
    assert bundled.diarize(np.zeros(int(seconds * RATE), np.float32)) == []
    assert len(bundled.diarize(mono_demo()[: int(seconds * RATE)])) <= 3


def test_a_pyannet_trained_by_our_script_works_from_local_files(tmp_path: Path) -> None:
    """The whole path: pyannote's own task and network, a checkpoint, a config.yaml, our embedding."""
    pytest.importorskip("pyannote.audio")
    from scripts.finetune.segmentation.training import (  # noqa: PLC0415
        Call,
        SegmentationSettings,
        train,
    )
    from scripts.finetune.voices.mixtures import Turn  # noqa: PLC0415
    from tests.diarization.test_models import truth  # noqa: PLC0415

    turns = tuple(Turn(speaker=role, start=start, end=end) for role, start, end in truth())
    call = Call(name="demo", pcm=(mono_demo() * 32767).astype(np.int16), turns=turns)
    told: list[tuple[int, float, float]] = []
    settings = SegmentationSettings(steps=4, batch=4, hidden=16)
    checkpoint = train(
        [call], [call], settings, after=lambda *found: told.append(found), save=tmp_path / "segmentation"
    )
    assert checkpoint.is_file()
    assert told[-1][0] == 4
    config: dict[str, Any] = yaml.safe_load((BUNDLED_PIPELINE / "config.yaml").read_text("utf-8"))
    config["pipeline"]["params"] |= {"segmentation": "$model/segmentation", "embedding": str(BUNDLED_SPEAKER)}
    config["pipeline"]["name"] = "pyannote.audio.pipelines.SpeakerDiarization"
    config["pipeline"]["params"]["clustering"] = "AgglomerativeClustering"
    config["params"]["clustering"] = {"method": "average", "min_cluster_size": 12, "threshold": 0.7}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    found = PyannotePipeline(str(tmp_path)).diarize(mono_demo()[: 20 * RATE])
    assert all(0 <= turn.start < turn.end <= 21 * RATE for turn in found)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("/nowhere", "neither a folder"),
        ("nonsense", "neither a folder"),
        ("owner/pipeline-that-is-not-there", "HF_TOKEN|network"),
    ],
)
def test_a_pipeline_that_cannot_be_loaded_says_why(
    monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    pytest.importorskip("pyannote.audio")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DiarizationError, match=reason) as caught:
        PyannotePipeline(source)
    assert "\n" not in str(caught.value)
    assert "hf_wrong" not in str(caught.value)


def test_a_folder_with_a_wrong_config_says_so(tmp_path: Path) -> None:
    pytest.importorskip("pyannote.audio")
    with pytest.raises(DiarizationError, match=r"config\.yaml missing"):
        PyannotePipeline(str(tmp_path))
    (tmp_path / "config.yaml").write_text("pipeline: [", "utf-8")
    with pytest.raises(DiarizationError, match="cannot be loaded"):
        PyannotePipeline(str(tmp_path))


def test_a_missing_extra_is_one_line_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')\n", "utf-8")
    run = "from pipeline.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", run, "diarize", "pipeline/demo/call.wav", "--engine", "pyannote"],
        capture_output=True, text=True, check=False, timeout=120,
        env={"PYTHONPATH": f"{tmp_path}:.", "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 2
    assert "pip install 'yuetone[pyannote]'" in done.stderr
    assert "Traceback" not in done.stderr


# ------------------------------------------------------------------ the worker


def recorded(pcm: np.ndarray, folder: Path) -> CallSpool:
    made = CallSpool(folder)
    for start in range(0, len(pcm), 5000):
        made.write(pcm[start : start + 5000])
    made.finish()
    return made


async def test_a_worker_looks_at_recordings_one_after_the_other(tmp_path: Path) -> None:
    pytest.importorskip("pyannote.audio")
    reviewer = SecondLookWorker(SecondLookSettings(enabled=True))
    try:
        recordings = [recorded(mono_demo()[: 25 * RATE], tmp_path) for _ in range(2)]
        first, second = await asyncio.gather(*(reviewer.review(one) for one in recordings))
        assert first == second
        assert first
        worker = reviewer._worker
        assert worker is not None
        worker.kill()
        await worker.wait()
        assert await reviewer.review(recordings[0]) == first
        for one in recordings:
            one.delete()
        with pytest.raises(SecondLookFailed, match="cannot be read"):
            await reviewer.review(recordings[0])
    finally:
        await reviewer.close()
    assert not list(tmp_path.glob("yuetone-call-*"))


async def test_a_worker_that_cannot_start_says_why(tmp_path: Path) -> None:
    recording = recorded(np.zeros(RATE, np.float32), tmp_path)
    reviewer = SecondLookWorker(SecondLookSettings(enabled=True, pipeline="/nowhere"))
    with pytest.raises(SecondLookFailed, match=r"neither a folder|not installed"):
        await reviewer.review(recording)
    reviewer = SecondLookWorker(SecondLookSettings(enabled=True, python=Path("/no/python")))
    with pytest.raises(SecondLookFailed, match="died"):
        await reviewer.review(recording)


async def test_there_is_a_limit_to_waiting_recordings_and_time(tmp_path: Path) -> None:
    recording = recorded(np.zeros(RATE, np.float32), tmp_path)
    slow = SecondLookWorker(SecondLookSettings(enabled=True, max_waiting=0, timeout_s=60))
    slow._waiting = 1
    with pytest.raises(SecondLookFailed, match="max_waiting"):
        await slow.review(recording)
    recording.failed = True
    with pytest.raises(SecondLookFailed, match="disk"):
        await SecondLookWorker(SecondLookSettings(enabled=True)).review(recording)


def test_recordings_of_a_process_that_died_are_swept(tmp_path: Path) -> None:
    gone = subprocess.run(["/bin/sh", "-c", "echo $$"], capture_output=True, text=True, check=True)
    left = tmp_path / f"yuetone-call-{gone.stdout.strip()}-x.sealed"
    left.write_bytes(b"12")
    other = tmp_path / "yuetone-call-notes.s16"
    other.write_bytes(b"12")
    mine = recorded(np.zeros(10, np.float32), tmp_path)
    SecondLookWorker(SecondLookSettings(enabled=True, spool=tmp_path))
    assert not left.exists()
    assert other.exists()
    assert mine.path.exists()


def test_a_recording_is_private_and_goes_away(tmp_path: Path) -> None:
    recording = recorded(np.full(RATE, 2.0, np.float32), tmp_path)
    assert recording.path.stat().st_mode & 0o077 == 0
    recording.finish()
    assert np.frombuffer(b"".join(recording.read()), "<i2").max() == 32767
    assert recording.samples == RATE
    recording.delete()
    recording.delete()
    assert not recording.path.exists()
