"""An archive of recordings: ``yuetone record import`` beside plain faster-whisper, with the same model."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import soundfile
import soxr
from faster_whisper import WhisperModel

from asr.finding import find_recogniser
from benchmarks.serving.processes import cpu_seconds, pinned, split_cores, yuetone
from pipeline.calls.info import SAMPLE_RATE
from pipeline.record.master_keys import new_line

MODELS = Path(".models")
CALL = Path(__file__).parents[2] / "pipeline" / "demo" / "call.wav"


def importing(model: str, copies: int, folder: Path | None) -> dict[str, Any]:
    """Transcribe an archive both ways on one core; return hours of channels' audio a core-hour of each.

    Args:
        model: name or folder.
        copies: of the bundled call (synthetic voices), where no folder is given.
        folder: with recordings.
    """
    with tempfile.TemporaryDirectory(prefix="yuetone-archive-") as name:
        archive = folder or _made(Path(name) / "archive", copies)
        files = sorted(path for path in archive.rglob("*") if path.suffix in (".wav", ".flac", ".mp3"))
        hours = sum(soundfile.info(path).duration * soundfile.info(path).channels for path in files) / 3_600
        ours = asyncio.run(_imported(archive, model, Path(name)))
        plain = _plain(files, model)
    return {
        "archive": "given" if folder else "synthetic: the bundled call, again and again",
        "files": len(files),
        "channel_hours": round(hours, 3),
        "yuetone_hours_a_core_hour": round(hours * 3_600 / ours, 1),
        "faster_whisper_hours_a_core_hour": round(hours * 3_600 / plain, 1),
        "ratio": round(plain / ours, 2),
    }


def _made(archive: Path, copies: int) -> Path:
    archive.mkdir()
    for number in range(copies):
        shutil.copyfile(CALL, archive / f"call-{number}.wav")
    return archive


async def _imported(archive: Path, model: str, folder: Path) -> float:
    """Import the archive; return the processor time of the server and of the command, s."""
    (folder / "key").write_text(new_line("benchmark"), "ascii")
    (folder / "key").chmod(0o600)
    settings = {
        "YUETONE_ASR__MODELS_DIR": str(MODELS),
        "YUETONE_RECORD__ENABLED": "true",
        "YUETONE_RECORD__FOLDER": str(folder / "record"),
        "YUETONE_RECORD__KEYS": str(folder / "keys.db"),
        "YUETONE_RECORD__KEY_FILE": str(folder / "key"),
        "YUETONE_RECORD__CLASSES__SERVICE__KEEP_DAYS": "3650",
    }
    _rest, core = split_cores()
    async with yuetone("--model", model, cores=core, settings=settings) as (server, address):
        before = cpu_seconds(server.pid)
        program = str(Path(sys.executable).with_name("yuetone"))
        command = [program, "record", "import", str(archive), "--server", address]
        async with pinned(command, None, {}) as process:
            spent = 0.0
            while process.returncode is None:
                spent = max(spent, _spent(process.pid))
                await asyncio.sleep(0.1)
        if process.returncode:
            raise RuntimeError("the import failed")
        return cpu_seconds(server.pid) - before + spent


def _spent(pid: int) -> float:
    try:
        return cpu_seconds(pid)
    except OSError:  # it has just ended
        return 0.0


def _plain(files: list[Path], model: str) -> float:
    """Transcribe each channel as faster-whisper's own users would; return the processor time, s."""
    folder = find_recogniser(model, MODELS).path
    recogniser = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)
    began = time.process_time()
    for file in files:
        read, rate = soundfile.read(file, dtype="float32", always_2d=True)
        for channel in soxr.resample(read, rate, SAMPLE_RATE).T:
            segments, _info = recogniser.transcribe(channel, language="yue", beam_size=1, vad_filter=True)
            for _segment in segments:
                pass
    return time.process_time() - began
